"""A table survives a kill after any byte, and one run at a time goes on with it."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import pytest

from poseauth.batch.row_file import RowFile
from poseauth.errors import StorageError

COLUMNS = ("name", "answer", "key")


def rows_of(path):
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def open_rows(path, columns=COLUMNS):
    return RowFile(path, columns, lambda row: row["name"])


def row(name, answer="yes", key=None):
    return {"name": name, "answer": answer, "key": f"key of {name}" if key is None else key}


@pytest.fixture(params=[".csv", ".jsonl"])
def path(request, tmp_path):
    return tmp_path / f"results{request.param}"


def test_a_row_stands_in_the_file_as_soon_as_it_is_added(path):
    with open_rows(path) as table:
        table.add(row("one"))
        assert rows_of(path) == [row("one")]
        table.add(row("two"))
        assert rows_of(path) == [row("one"), row("two")]


def test_the_next_run_knows_the_rows_with_a_key(path):
    with open_rows(path) as table:
        table.add(row("one"))
        table.add(row("failed", key=""))
    with open_rows(path) as table:
        assert table.kept == {"key of one": row("one")}
        assert rows_of(path) == [row("one"), row("failed", key="")]


def test_a_file_cut_after_any_byte_keeps_every_whole_row_and_is_continued(path):
    texts = ["plain", 'with "quotes", commas', "two\nlines", "ünï ✓", "=formula", "-3.5"]
    ends = []
    with open_rows(path) as table:
        begin = path.stat().st_size
        for number, text in enumerate(texts):
            table.add(row(text, answer=text, key=str(number)))
            ends.append(path.stat().st_size)
    whole = path.read_bytes()
    for n_bytes in range(len(whole) + 1):
        path.write_bytes(whole[:n_bytes])
        n_whole = sum(end <= n_bytes for end in ends)
        with open_rows(path) as table:
            assert sorted(table.kept) == [str(number) for number in range(n_whole)], n_bytes
            assert [entry["name"] for entry in table.kept.values()] == texts[:n_whole]
            table.add(row("next"))
        assert [entry["key"] for entry in rows_of(path)] == [*map(str, range(n_whole)), "key of next"], n_bytes
    assert begin == (0 if path.suffix == ".jsonl" else len("name,answer,key\r\n"))


@pytest.mark.parametrize(
    "content",
    [
        "hello",
        '{"name": "one"}',
        "a,b\n1,2\n",
        "name,answer\n",
        '{"name": "one"}\n',
        "[1]\n",
        "\xff\n",
        "name,other,key\r\n",
    ],
)
def test_what_is_no_such_table_is_left_as_it_is(path, content):
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(StorageError, match="no table that can be continued"), open_rows(path):
        pass
    assert path.read_bytes() == content.encode("latin-1")
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_table_with_fewer_columns_is_continued_with_more(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("name,key\r\none,key of one\r\n")
    with open_rows(path) as table:
        table.add(row("two"))
    assert rows_of(path) == [{"name": "one", "answer": "", "key": "key of one"}, row("two")]


def test_at_the_end_the_rows_stand_in_the_order_asked_for_and_replace_their_likes(path):
    with open_rows(path) as table:
        for name in ("elsewhere", "three", "gone"):
            table.add(row(name, answer="old", key=f"old {name}"))
    with open_rows(path) as table:
        for name in ("three", "one", "two"):
            table.add(row(name, answer="new"))
        table.settle(["one", "two", "three", "gone", "one"])
    assert [(entry["name"], entry["answer"]) for entry in rows_of(path)] == [
        ("elsewhere", "old"), ("one", "new"), ("two", "new"), ("three", "new"), ("one", "new"),
    ]  # fmt: skip


def test_a_row_that_is_known_is_not_written_twice(path):
    with open_rows(path) as table:
        table.add(row("one"))
    with open_rows(path) as table:
        table.add(table.kept["key of one"])
        assert rows_of(path) == [row("one")]
        table.settle(["one"])
    assert rows_of(path) == [row("one")]


def test_two_runs_do_not_write_one_table(path):
    with (
        open_rows(path) as table,
        pytest.raises(StorageError, match="being written by another run"),
        open_rows(path),
    ):
        pass
    table.kept.clear()
    with open_rows(path) as again:  # the first has ended
        again.add(row("one"))
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_formula_is_text_in_a_spreadsheet_and_itself_when_it_is_read_again(tmp_path):
    path = tmp_path / "results.csv"
    for text in ("=1+1", "+x", "@x", "-x", "\tx"):
        with open_rows(path) as table:
            table.add(row(text))
        assert rows_of(path)[0]["name"] == f"'{text}"
        with open_rows(path) as table:
            assert table.kept[f"key of {text}"]["name"] == text
        path.unlink()
    with open_rows(path) as table:
        table.add(row("one", answer="-0.45"))
    assert rows_of(path)[0]["answer"] == "-0.45"


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions bind nobody here")
def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="cannot be written"), open_rows(tmp_path / "results.csv"):
            pass
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_that_is_not_there_is_made_and_one_that_cannot_be_is_told(path):
    with open_rows(path.parent / "new" / path.name) as table:
        table.add(row("one"))
    assert rows_of(path.parent / "new" / path.name) == [row("one")]
    path.touch()
    with pytest.raises(StorageError, match="cannot be written"), open_rows(path / path.name):
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_told_at_the_row(path):
    with open_rows(path) as table:
        table.add(row("one"))
        table._stream.close()
        table._stream = Path("/dev/full").open("a", encoding="utf-8")  # noqa: SIM115
        with pytest.raises(StorageError, match="No space left"):
            table.add(row("two"))
        table._stream = None
    assert rows_of(path) == [row("one")]
