"""Imports point down and never sideways, heavy packages stay at home, and no help waits for them."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "poseauth": {"poseauth"},
    "keypoint_extractors": {"keypoint_extractors", "poseauth"},
    "person_profiles": {"person_profiles", "poseauth"},
    "cli": {"cli", "keypoint_extractors", "person_profiles", "poseauth"},
}
FOLDERS = {*MAY_IMPORT, "poseauth_cli"}
HOME_OF = {
    "av": "keypoint_extractors",
    "cv2": "keypoint_extractors",
    "ultralytics": "keypoint_extractors",
    "ai_edge_litert": "keypoint_extractors",
    "mediapipe": "keypoint_extractors",
    "scenedetect": "keypoint_extractors",
    "cryptography": "person_profiles",
    "click": "cli",
    "rich": "cli",
}
FILE_OF = {
    "ray": {"poseauth/batch/ray_actors.py"},
    "fsspec": {"poseauth/batch/addresses.py"},
    "polars": {"poseauth/batch/row_shards.py", "cli/clip_list.py", "cli/overview_page.py"},
}
"""Packages that some files know and no other."""
WEB = {"starlette", "uvicorn", "jinja2", "markupsafe", "python_multipart"}
"""Packages of the extra [web]: nothing else may need them."""
TORCH_FILES = {
    "poseauth/models.py",
    "poseauth/training.py",
    "poseauth/study/backbones.py",
    "poseauth/study/face_networks.py",
    "poseauth/study/pose_networks.py",
    "poseauth/study/detectors.py",
    "poseauth/study/fitting.py",
    "poseauth/study/frozen_features.py",
    "keypoint_extractors/fused_convolutions.py",
    "keypoint_extractors/registry.py",
    "keypoint_extractors/quiet_ultralytics.py",
    "keypoint_extractors/yolo_pose.py",
    "keypoint_extractors/yolo_weights.py",
}
HEAVY = (
    *("torch", "cv2", "ultralytics", "mediapipe", "ai_edge_litert", "pandas", "sklearn", "matplotlib"),
    *("timm", "ray", "polars", "fsspec"),
)
COMMANDS = ("demo", "extract", "enroll", "verify", "profiles", "serve", "evaluate", "study", "models", "doctor")


def sources(folder):
    return sorted((ROOT / folder).rglob("*.py"))


def imports_of(path):
    """Top-level names that a file imports, wherever and however it does so; relative: its folder."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.split(".")[0] if not node.level and node.module else _folder_of(path))
        elif isinstance(node, ast.Call) and _is_import_call(node.func) and isinstance(node.args[0], ast.Constant):
            found.add(str(node.args[0].value).split(".")[0])
    return found


def _folder_of(path):
    return path.relative_to(ROOT).parts[0]


def _is_import_call(function):
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in {"import_module", "__import__"}


FILES = [path for folder in MAY_IMPORT for path in sources(folder)]
every_file = pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])


def test_the_parser_of_imports_sees_every_way_to_import(tmp_path):
    path = ROOT / "cli" / "main.py"
    assert {"click", "poseauth", "importlib"} <= imports_of(path)
    written = tmp_path / "a.py"
    written.write_text(
        "import av.container\nfrom rich.console import Console\ndef f():\n    import torch\n"
        "    importlib.import_module('cv2.dnn')\n    __import__('click')\n"
    )
    assert imports_of(written) == {"av", "rich", "torch", "cv2", "click"}


@every_file
def test_imports_point_down_and_never_sideways(path):
    assert imports_of(path) & FOLDERS <= MAY_IMPORT[_folder_of(path)]


@every_file
def test_what_has_a_home_is_imported_nowhere_else(path):
    strangers = {name for name in imports_of(path) if HOME_OF.get(name, _folder_of(path)) != _folder_of(path)}
    assert not strangers


@every_file
def test_torch_lives_in_its_model_files_only(path):
    assert "torch" not in imports_of(path) or str(path.relative_to(ROOT)) in TORCH_FILES


@every_file
def test_timm_is_imported_by_the_backbones_of_the_study_alone(path):
    assert "timm" not in imports_of(path) or path.relative_to(ROOT).as_posix() == "poseauth/study/backbones.py"


@every_file
def test_what_serves_a_page_is_imported_by_the_page_alone(path):
    place = path.relative_to(ROOT)
    assert not imports_of(path) & WEB or place.parts[:2] == ("cli", "web") or str(place) == "cli/serve.py"


@every_file
def test_a_cluster_and_its_files_are_known_to_few_files(path):
    place = path.relative_to(ROOT).as_posix()
    assert all(place in FILE_OF[name] for name in imports_of(path) & set(FILE_OF))


@pytest.mark.parametrize("path", sources("poseauth/batch"), ids=lambda path: path.name)
def test_what_runs_many_pieces_knows_no_video(path):
    """It is handed a function, and knows of poseauth its errors and how a file is written."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module.split(".")[0] in FOLDERS:
            assert node.module in ("poseauth.errors", "poseauth.whole_files") or node.module.startswith(
                "poseauth.batch"
            )


@every_file
def test_inside_cli_imports_are_relative(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and not node.level:
            assert node.module.split(".")[0] != "cli"
        if isinstance(node, ast.Import):
            assert all(alias.name.split(".")[0] != "cli" for alias in node.names)


def test_every_package_of_cli_is_installed_with_what_it_needs():
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    packages = {path.parent.relative_to(ROOT) for folder in MAY_IMPORT for path in sources(folder)}
    names = {".".join(package.parts).replace("cli", "poseauth_cli", package.parts[0] == "cli") for package in packages}
    assert set(told["packages"]) == names
    others = {path.relative_to(ROOT / "cli/web") for path in (ROOT / "cli/web").rglob("*.*") if path.is_file()}
    for path in others - {path for path in others if path.suffix in (".py", ".pyc")}:
        assert any(path.match(pattern) for pattern in told["package-data"]["poseauth_cli.web"]), path


def test_no_test_and_no_benchmark_imports_the_installed_name_of_cli():
    for path in [*sources("tests"), *sources("benchmarks")]:
        assert "poseauth_cli" not in imports_of(path), path


HELP = """
import contextlib, io, json, sys
with contextlib.redirect_stdout(io.StringIO()) as said:
    from cli.main import main
    try:
        main(sys.argv[1:])
    except SystemExit as end:
        code = end.code
loaded = sorted({name.split(".")[0] for name in sys.modules})
print(json.dumps({"code": code, "said": said.getvalue(), "loaded": loaded}))
"""


def help_of(*command):
    done = subprocess.run(
        [sys.executable, "-c", HELP, *command, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


SUBCOMMANDS = [
    *(("profiles", name) for name in ("list", "show", "export", "import", "keygen", "trust", "remove")),
    *(("models", name) for name in ("list", "get")),
]


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS), *SUBCOMMANDS], ids=" ".join)
def test_the_help_of_a_command_loads_nothing_heavy(command):
    told = help_of(*command)
    assert told["code"] == 0
    assert f"Usage: {' '.join(('poseauth', *command))}" in told["said"]
    assert not set(told["loaded"]) & {*HEAVY, *WEB}


def test_every_command_of_the_tool_is_asked_for_its_help():
    from cli.main import poseauth

    assert set(poseauth.list_commands(None)) == set(COMMANDS)
    groups = {name: poseauth.get_command(None, name) for name in ("profiles", "models")}
    assert {(group, name) for group in groups for name in groups[group].commands} == set(SUBCOMMANDS)


def test_every_folder_of_code_is_packaged_under_its_installed_name():
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {path.parent.relative_to(ROOT).as_posix() for folder in MAY_IMPORT for path in sources(folder)}
    installed = {re.sub(r"^cli\b", "poseauth_cli", folder.replace("/", ".")) for folder in folders}
    assert set(told["packages"]) == installed


def test_nothing_imports_the_folder_that_runs_many_pieces_but_the_command_line():
    """It is handed a function and knows no video."""
    for path in FILES:
        if "poseauth.batch" in path.read_text(encoding="utf-8") and path.parts[-2] != "batch":
            assert _folder_of(path) == "cli", path


def test_nothing_imports_the_comparison_of_detectors_but_the_command_line():
    """What decides over a person's clips knows nothing of it."""
    for path in FILES:
        if "poseauth.study" in path.read_text(encoding="utf-8") and path.parts[-2] != "study":
            assert _folder_of(path) == "cli", path
            assert path.name.startswith("study"), path


@pytest.mark.parametrize(
    "module", ["cli.enroll", "cli.verify", "person_profiles.enrolment", "keypoint_extractors.sources"]
)
def test_enrolment_and_verification_load_nothing_of_the_comparison(module):
    told = "import sys; print(sorted(name for name in sys.modules if name.startswith(('poseauth.study', 'timm'))))"
    command = [sys.executable, "-c", f"import {module}; {told}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_every_file_of_presets_is_packaged():
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folder = ROOT / "poseauth" / "study"
    for path in folder.rglob("*.toml"):
        patterns = told["package-data"]["poseauth.study"]
        assert any(path in folder.glob(pattern) for pattern in patterns), path
