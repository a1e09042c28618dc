"""Tables as spreadsheets write them, and what is called a table and is none."""

from __future__ import annotations

import csv

import click
import pytest

from cli.clip_list import named_rows
from cli.labelled_table import read_table
from cli.text_table import METHOD_COLUMNS, keypoints_in
from keypoint_extractors.drawing.speakers import STYLES, speak
from poseauth.keypoint_files import write_keypoints, write_method_csv


def put(folder, text, *, delimiter=",", encoding="utf-8", name="clips.csv"):
    table = folder / name
    table.write_bytes(text.replace("|", delimiter).encode(encoding))
    return table


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_every_delimiter_and_encoding_of_a_spreadsheet_gives_the_same_rows(tmp_path, delimiter, encoding):
    first = f'Path|Who|Label\r\n"a{delimiter}b.mp4"|Jörg|genuine\r\n'
    text = f'{first}c.mp4\r\n\r\nd.mp4|"said ""hello"""|fake\r\n'
    table = put(tmp_path, text, delimiter=delimiter, encoding=encoding)
    found = named_rows(table)
    assert [name for _, name in found] == [f"a{delimiter}b.mp4", "c.mp4", "d.mp4"]
    assert found[0][0] == {"Path": f"a{delimiter}b.mp4", "Who": "Jörg", "Label": "genuine"}
    assert found[1][0] == {"Path": "c.mp4", "Who": "", "Label": ""}
    assert found[2][0]["Who"] == 'said "hello"'
    rows = read_table(table, ("path", "label"), filled=("path",))
    assert [(row.number, row.path.name, row["label"]) for row in rows] == [
        (2, f"a{delimiter}b.mp4", "genuine"), (3, "c.mp4", ""), (5, "d.mp4", "fake")
    ]  # fmt: skip


def test_a_delimiter_in_a_name_divides_nothing_where_the_columns_are_found_without_it(tmp_path):
    assert named_rows(put(tmp_path, "path,note;more\na;b.mp4,x\n")) == [
        ({"path": "a;b.mp4", "note;more": "x"}, "a;b.mp4")
    ]
    assert [name for _, name in named_rows(put(tmp_path, "where;a,b\nc.mp4;x\n"), "where")] == ["c.mp4"]
    one_column = tmp_path / "names.tsv"
    one_column.write_text("path\nMoscow, 9 May.mp4\n")
    assert [name for _, name in named_rows(one_column)] == ["Moscow, 9 May.mp4"]


def test_columns_without_a_name_are_left_out(tmp_path):
    assert named_rows(put(tmp_path, "path;who;;\na.mp4;x;;\n")) == [({"path": "a.mp4", "who": "x"}, "a.mp4")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty. A table begins with a line that names its columns"),
        (b"\n\na.mp4\n", "is empty. A table begins with a line that names its columns"),
        (b"path;who\n", "has no rows below the line of its columns"),
        ("path,who\na.mp4,Jörg\n".encode("latin-1"), "is not written in UTF-8 (byte 0xf6)"),
        ("path,who\na.mp4,x\n".encode("utf-16-le"), "no text in UTF-8, or UTF-16 that does not say so"),
        (b"\xff\xfep", "is not written in UTF-16 (byte 0x70)"),
        (b"PK\x03\x04\x14\x00", "is a zip file, such as an Excel workbook and no text. Save the sheet as CSV"),
        (b"PAR1....", "is a Parquet table"),
        (b"a.mp4\nb.mp4\n", "its first line holds a clip (a.mp4). A table begins with a line that names its columns"),
        (b"1;2;3\n", "its first line holds 3 numbers"),
        (b"a;b\n1;2\n", "Its columns are: a, b. Say which one holds the paths with --path-column"),
        (b"path,path\na.mp4,b.mp4\n", "two columns have one name"),
        (b"x" * 3_000_000, "its first line has no end"),
        (b'path,who\n"a.mp4' + b"x" * 200_000, "is no table of text: field larger than field limit"),
    ],
    ids=[
        *("empty", "blank", "no rows", "latin-1", "no mark", "half a letter", "workbook", "parquet", "a list"),
        *("numbers", "columns", "twice", "endless", "open quote"),
    ],
)
def test_what_is_no_table_is_told_for_what_it_is(tmp_path, content, words):
    table = tmp_path / "clips.csv"
    table.write_bytes(content)
    with pytest.raises(click.UsageError) as told:
        named_rows(table)
    assert str(table) in told.value.message
    assert words in told.value.message


def test_a_labelled_table_says_which_columns_it_has_and_which_are_needed(tmp_path):
    with pytest.raises(click.UsageError, match=r"no column label; path, label are needed. Its columns are: path, who"):
        read_table(put(tmp_path, "path;who\na.mp4;x\n"), ("path", "label"), filled=())
    with pytest.raises(click.UsageError, match="two columns have one name but for capitals: path, label, Path"):
        read_table(put(tmp_path, "path,label,Path\na,b,c\n"), ("path", "label"), filled=())


@pytest.fixture
def keypoint_table(tmp_path):
    path = tmp_path / "keypoints.csv"
    assert write_method_csv(speak(STYLES[0], duration_s=6, seed=1), path)
    return path


def test_the_method_s_csv_is_known_for_keypoints_wherever_a_table_or_a_clip_is_wanted(
    keypoint_table, poseauth, home, tmp_path
):
    assert keypoints_in(keypoint_table)
    assert METHOD_COLUMNS == 24
    listed = put(tmp_path, f"path\n{keypoint_table.name}\n")
    for status, arguments in (
        (2, ("verify", keypoint_table, "--person", "Ada")),
        (2, ("evaluate", "--trials", keypoint_table)),
        (3, ("verify", listed, "--person", "Ada")),
        (1, ("enroll", keypoint_table, "--person", "Bob")),
    ):
        found, out, err = poseauth(*arguments, "--home", home)
        said = " ".join((out + err).split())
        assert found == status, said
        assert "keypoints, 24 numbers a line as in the method's CSV" in said
        assert "its keypoints as .npz" in said
    found, _, err = poseauth("extract", keypoint_table, "-o", tmp_path / "out")
    assert (found, "24 numbers a line" in err) == (3, True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("clips.csv", "poseauth verify takes tables"),
        ("clips.tsv", "poseauth verify takes tables"),
        ("clips.xlsx", "Save its sheet as CSV (UTF-8)"),
        ("clips.txt", "goes to the stdin of poseauth verify -"),
        ("a_000000000000_keypoints.json", "give the folder that holds them"),
    ],
)
def test_what_is_named_in_place_of_a_clip_is_told_before_an_extractor_is_loaded(poseauth, tmp_path, name, words):
    status, _, err = poseauth("extract", put(tmp_path, "path\na.mp4\n", name=name), "-o", tmp_path / "out")
    assert (status, words in err) == (3, True)
    assert "extractor:" not in err


def test_a_table_with_tabs_and_its_own_ending_is_a_table_of_clips(verify, speeches, tmp_path):
    table = put(tmp_path, f"Clip|Note\n{speeches / 'test-ada.npz'}|a\n", delimiter="\t", name="clips.tsv")
    assert verify(table, "--output", tmp_path / "out.csv")[0] == 0
    (row,) = csv.DictReader((tmp_path / "out.csv").open())
    assert (row["Note"], row["verdict"]) == ("a", "authentic")


def test_paths_that_are_there_as_seen_from_here_and_not_from_the_table_are_told(verify, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_keypoints(speak(STYLES[0], duration_s=1, seed=1), tmp_path / "clips" / "a.npz")
    (tmp_path / "tables").mkdir()
    status, out, _ = verify(put(tmp_path / "tables", "path\nclips/a.npz\nclips/b.npz\n"))
    assert status == 3
    assert "A path in a table is seen from the table's folder, and clips/a.npz is there as seen from the folder" in out
    assert out.count("no such file or folder") == 1


def test_a_row_without_a_path_is_told_by_its_number_and_one_too_long_for_a_name_stops_no_other(verify, tmp_path):
    status, out, _ = verify(put(tmp_path, f"path,who\nshort.npz,a\n,b\n{'x' * 5000},c\n"))
    assert status == 3
    assert "row 2 of clips.csv names no path" in out
    assert "File name too long" in out
    assert "no such file" in out


@pytest.mark.parametrize("header", [",".join(f"column{i}" for i in range(50_000)), "a," * 200_000 + "a"])
def test_a_first_line_of_half_a_megabyte_is_not_repeated_whole(tmp_path, header):
    with pytest.raises(click.UsageError) as raised:
        named_rows(put(tmp_path, f"{header}\n"))
    assert len(str(raised.value)) < 1500
