"""What the README shows in Python runs as it stands there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_lines_of_python_do_what_the_command_does(poseauth, speeches, tmp_path, monkeypatch):
    (lines,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "speeches").mkdir()
    for name in ("short", "test-ada", "test-other"):
        shutil.copy(speeches / f"{name}.npz", "speeches")
    arguments = (speeches / "ada", "--impostor", speeches / "others")
    assert poseauth("enroll", "--person", "obama", *arguments)[0] == 0
    told = {}
    exec(compile(lines, str(README), "exec"), told)
    frame = told["as_frame"](told["results"])
    assert frame["source"].tolist() == [f"speeches/{name}.npz" for name in ("short", "test-ada", "test-other")]
    assert frame["verdict"].fillna("").tolist() == ["", "authentic", "fake"]
    poseauth("verify", "speeches", "--person", "obama", "--output", "results.csv")
    import pandas as pd

    table = pd.read_csv("results.csv").drop(columns="key")
    assert table.columns.tolist() == frame.columns.tolist()
    for column in ("verdict", "n_windows", "log10_lr_above_0_speaks_for_person", "reasons"):
        assert table[column].fillna("").tolist() == frame[column].astype(object).fillna("").tolist()
