"""The trial table on disk: what is written comes back, and nothing that happened in between is fatal."""

from __future__ import annotations

import csv
import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoro_tui.core.trials import TrialKind, TrialRow, TrialStatus
from kokoro_tui.errors import InputError
from kokoro_tui.store.atomic import WriteError
from kokoro_tui.store.trial_cells import COLUMNS, cells_of, row_of
from kokoro_tui.store.trial_meta import meta_path
from kokoro_tui.store.trial_table import append_rows, find_trials, move_aside, read_trials

HEADER = ",".join(COLUMNS) + "\n"
CONV = TrialRow(
    "/decoder/conv_post/Conv", TrialKind.QUANT, "Conv", params=19734, size=78936, mel_distance=1.05,
    mel_distance_free=1.1, added_noise_db=7.3, frames_moved=2.5, group="/decoder/conv_post/Conv", pinned=True,
    mel_distance_worst=1.2, frames_moved_worst=3.0, seconds=0.14,
)  # fmt: skip
SKIPPED = TrialRow("/a/Add", TrialKind.QUANT, "Add", status=TrialStatus.SKIPPED, reason="Add has no dynamic INT8 form")

texts = st.text(st.characters(codec="utf-8"))
figures = st.none() | st.floats(min_value=0, allow_nan=False, allow_infinity=False)
rows = st.builds(
    TrialRow, name=texts.filter(bool), kind=st.sampled_from(TrialKind), op_type=texts,
    params=st.none() | st.integers(0, 2**53), size=st.none() | st.integers(0, 2**53),
    mel_distance=st.floats(min_value=0, allow_nan=False, allow_infinity=False), mel_distance_free=figures,
    added_noise_db=st.none() | st.floats(allow_nan=False, allow_infinity=False), frames_moved=figures,
    status=st.sampled_from(TrialStatus), group=texts, reason=texts, pinned=st.none() | st.booleans(),
    mel_distance_worst=figures, frames_moved_worst=figures, seconds=figures,
)  # fmt: skip


def table_at(path: Path, *trial_rows: TrialRow) -> Path:
    append_rows(path, trial_rows)
    return path


def text_at(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


@given(st.lists(rows, min_size=1, max_size=4, unique_by=lambda row: (row.name, row.kind)))
def test_rows_come_back_whatever_their_text(
    tmp_path_factory: pytest.TempPathFactory, trial_rows: list[TrialRow]
) -> None:
    path = tmp_path_factory.mktemp("table") / "t.csv"
    for row in trial_rows:
        append_rows(path, [row])
    loaded = read_trials(path)
    assert list(loaded.table.rows.values()) == trial_rows
    assert (loaded.notes, loaded.torn_rows, loaded.bad_rows) == ((), 0, 0)


@given(st.lists(rows, min_size=1, max_size=3, unique_by=lambda row: (row.name, row.kind)), st.data())
def test_a_file_cut_anywhere_loses_only_its_last_rows(
    tmp_path_factory: pytest.TempPathFactory, trial_rows: list[TrialRow], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("table") / "t.csv"
    append_rows(path, trial_rows)
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    kept = list(read_trials(path).table.rows.values())
    assert kept == trial_rows[: len(kept)]
    assert len(kept) < len(trial_rows)
    append_rows(path, trial_rows[len(kept) :])
    assert path.read_bytes() == whole


def test_the_header_is_the_documented_one(tmp_path: Path) -> None:
    lines = table_at(tmp_path / "t.csv", CONV, SKIPPED).read_text().splitlines()
    assert lines[0].startswith(
        "name,type,op_type,params,size,mel_distance,mel_distance_free,added_noise_db,frames_moved,status,"
    )
    assert lines[0].endswith(",group,reason,pinned,mel_distance_worst,frames_moved_worst,seconds")
    assert lines[1] == (
        "/decoder/conv_post/Conv,quant,Conv,19734,78936,1.05,1.1,7.3,2.5,ok,/decoder/conv_post/Conv,,true,1.2,3.0,0.14"
    )
    assert lines[2] == "/a/Add,quant,Add,N/A,N/A,N/A,N/A,N/A,N/A,skipped,,Add has no dynamic INT8 form,,N/A,N/A,N/A"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "'=1", "''@", "'plain", "a=1", "'"])
def test_no_text_cell_begins_as_a_formula(text: str) -> None:
    row = TrialRow(text, TrialKind.CAST, op_type=text, mel_distance=0.1, added_noise_db=-0.5, group=text, reason=text)
    cells = dict(zip(COLUMNS, cells_of(row), strict=True))
    assert not any(cells[column].startswith(tuple("=+-@\t\r")) for column in ("name", "op_type", "group", "reason"))
    assert cells["added_noise_db"] == "-0.5"
    assert row_of(cells) == row


def test_a_figure_that_is_no_number_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="figure nan"):
        append_rows(tmp_path / "t.csv", [TrialRow("/a", TrialKind.CAST, mel_distance=float("nan"))])
    assert not (tmp_path / "t.csv").exists()


def test_no_rows_make_no_file(tmp_path: Path) -> None:
    append_rows(tmp_path / "t.csv", [])
    assert not (tmp_path / "t.csv").exists()


def test_a_group_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table_at(tmp_path / "t.csv", SKIPPED)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    append_rows(path, [CONV, CONV, CONV])
    assert synced == [path.stat().st_size]


def test_a_torn_last_line_is_dropped_with_a_note_and_cut_off_before_the_next_row(tmp_path: Path) -> None:
    path = table_at(tmp_path / "t.csv", CONV)
    complete = path.read_text()
    path.write_bytes((complete + "/β").encode()[:-1])
    loaded = read_trials(path)
    assert loaded.torn_rows == 1
    assert loaded.notes == ("the last line of t.csv was cut off and is left out",)
    assert list(loaded.table.rows.values()) == [CONV]
    append_rows(path, [SKIPPED])
    assert (
        path.read_text()
        == complete + "/a/Add,quant,Add,N/A,N/A,N/A,N/A,N/A,N/A,skipped,,Add has no dynamic INT8 form,,N/A,N/A,N/A\n"
    )


def test_a_disk_that_fills_up_leaves_the_earlier_rows(tmp_path: Path) -> None:
    path = table_at(tmp_path / "t.csv", CONV)
    before = path.read_bytes()
    # In a process of its own, because the limit cannot be raised again.
    script = (
        "import resource, signal, sys; from pathlib import Path; from tests.store.test_trial_table import *\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) + 20}, resource.RLIM_INFINITY))\n"
        "with pytest.raises(WriteError, match='t.csv'): append_rows(Path(sys.argv[1]), [CONV])\n"
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    assert path.read_bytes() == before


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table_at(tmp_path / "t.csv", CONV)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match="the disk is full"):
        append_rows(path, [SKIPPED])
    assert list(read_trials(path).table.rows.values()) == [CONV]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="No such file or directory"):
        append_rows(tmp_path / "no" / "t.csv", [CONV])


@pytest.mark.parametrize("content", ["name,type,op_type,params,size,mel_distance\n", "my notes\n", "{}"])
def test_rows_are_never_added_to_a_file_of_another_kind(tmp_path: Path, content: str) -> None:
    path = text_at(tmp_path / "t.csv", content)
    with pytest.raises(InputError, match="not a trial table with this program's columns"):
        append_rows(path, [CONV])
    assert path.read_text() == content


def test_a_table_that_a_spreadsheet_has_saved_is_read_and_continued(tmp_path: Path) -> None:
    path = table_at(tmp_path / "t.csv", CONV)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    append_rows(path, [SKIPPED])
    loaded = read_trials(path)
    assert list(loaded.table.rows.values()) == [CONV, SKIPPED]
    assert loaded.notes == ()


def test_other_columns_are_passed_over_with_a_note(tmp_path: Path) -> None:
    path = text_at(tmp_path / "t.csv", "mel_distance,type,listener,name,status\n0.5,weight,Ann,/a,ok\n")
    loaded = read_trials(path)
    assert loaded.foreign_columns == ("listener",)
    assert loaded.notes == ("columns of t.csv that were passed over: listener",)
    assert list(loaded.table.rows.values()) == [TrialRow("/a", TrialKind.WEIGHT, mel_distance=0.5)]


def test_rows_that_make_no_sense_are_left_out_with_a_note(tmp_path: Path) -> None:
    bad = [
        "/a,cast,0.1",
        "/a,blend,0.1,ok",
        "/a,cast,loud,ok",
        "/a,cast,-1,ok",
        "/a,cast,inf,ok",
        "/a,cast,,ok",
        ",cast,1,ok",
    ]
    good = ["/a,cast,,failed", "/b,cast,0.2,ok"]
    path = text_at(tmp_path / "t.csv", "\n".join(["name,type,mel_distance,status", *bad, *good, ""]))
    loaded = read_trials(path)
    assert [row.name for row in loaded.table.rows.values()] == ["/a", "/b"]
    assert loaded.bad_rows == 7
    assert loaded.notes == ("7 rows of t.csv could not be read and were left out; row 1: 3 cells under 4 columns",)


def test_the_older_six_column_format_is_read_with_a_note(tmp_path: Path) -> None:
    lines = [
        "name,type,op_type,params,size,mel_distance",
        "/a/Conv,cast,Conv,1024,4096,0.15149",
        "/a/Conv,quant,Conv,1024,4096,0.19612",
        "/b/Mul,quant,Mul,512,2048,N/A",
    ]
    loaded = read_trials(text_at(tmp_path / "quantization_trials.csv", "\n".join([*lines, ""])))
    assert loaded.older_format
    assert len(loaded.notes) == 1
    assert "distances are not paired" in loaded.notes[0]
    found = loaded.table.rows
    assert found["/a/Conv", TrialKind.CAST] == TrialRow(
        "/a/Conv", TrialKind.CAST, "Conv", params=1024, size=4096, mel_distance=0.15149
    )
    assert found["/b/Mul", TrialKind.QUANT].status is TrialStatus.SKIPPED
    assert found["/b/Mul", TrialKind.QUANT].mel_distance is None


def test_the_older_short_header_over_longer_rows_is_read(tmp_path: Path) -> None:
    lines = ["name,type,op_type,mel_distance", "/a,cast,Conv,0.19", "/b,quant,Conv,1024,4096,0.2"]
    loaded = read_trials(text_at(tmp_path / "t.csv", "\n".join([*lines, ""])))
    found = {row.name: (row.mel_distance, row.params, row.size) for row in loaded.table.rows.values()}
    assert found == {"/a": (0.19, None, None), "/b": (0.2, 1024, 4096)}


@pytest.mark.parametrize(
    ("last_line", "kept", "torn", "note"),
    [
        ("/b,quant,Conv,10,40,0.2", 2, 0, "has no line end; it is taken as complete"),
        ("/b,quant,Co", 1, 1, "was cut off"),
    ],
)
def test_another_program_may_leave_out_the_last_line_end(
    tmp_path: Path, last_line: str, kept: int, torn: int, note: str
) -> None:
    text = "name,type,op_type,params,size,mel_distance\n/a,cast,Conv,10,40,0.1\n" + last_line
    loaded = read_trials(text_at(tmp_path / "t.csv", text))
    assert (len(loaded.table.rows), loaded.torn_rows) == (kept, torn)
    assert note in loaded.notes[-1]


def test_a_reader_that_takes_the_older_columns_by_name_can_read_measured_rows(tmp_path: Path) -> None:
    with table_at(tmp_path / "t.csv", CONV).open(newline="") as handle:
        found = [(row["name"], row["type"], float(row["mel_distance"])) for row in csv.DictReader(handle)]
    assert found == [("/decoder/conv_post/Conv", "quant", 1.05)]


@pytest.mark.parametrize("content", ["", HEADER[:40], HEADER[:-1]])
def test_a_run_that_died_before_its_first_row_leaves_an_empty_table(tmp_path: Path, content: str) -> None:
    path = text_at(tmp_path / "t.csv", content)
    loaded = read_trials(path)
    assert loaded.table.rows == {}
    assert loaded.notes == ("t.csv holds no trials yet",)
    append_rows(path, [CONV])
    assert path.read_text().startswith(HEADER)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x08\x08\x12\x07pytorch\xff\xfe\n" * 9, "is not UTF-8 text"),
        (b"hello", "it has no column name, type, mel_distance"),
        (b"name,op_type,params\n/a,Conv,5\n", "no column type, mel_distance"),
        (b"name,type,mel_distance\n/a,cast,loud\n", "holds no row that can be read; row 1: mel_distance 'loud'"),
        (b'{"name": 1}\n', "is not a trial table"),
        (b"\x00" * 100, "is not a trial table"),
        (b"\xef\xbb\xbf", "is not a trial table"),
    ],
)
def test_what_is_no_trial_table_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_trials(tmp_path / "t.csv")


def test_names_longer_than_the_csv_module_allows_are_read(tmp_path: Path) -> None:
    row = TrialRow("/" + "a" * 200_000, TrialKind.CAST, mel_distance=0.1)
    assert list(read_trials(table_at(tmp_path / "t.csv", row)).table.rows.values()) == [row]


def test_the_table_beside_the_model_comes_before_that_of_the_working_folder(tmp_path: Path) -> None:
    beside, here = tmp_path / "models", tmp_path / "here"
    beside.mkdir()
    here.mkdir()
    model = beside / "kokoro.onnx"
    assert find_trials(model, here) is None
    order = [here / "quantization_trials.csv", here / "quantization-trials.csv", beside / "quantization_trials.csv"]
    for path in order:
        path.touch()
        assert find_trials(model, here) == path


def test_moving_aside_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    assert move_aside(path) is None
    for number, row in enumerate((CONV, SKIPPED), start=1):
        table_at(path, row)
        meta_path(path).write_text(f"meta {number}")
        aside = move_aside(path)
        assert aside == tmp_path / f"t.old-{number}.csv"
        assert list(read_trials(aside).table.rows.values()) == [row]
        assert meta_path(aside).read_text() == f"meta {number}"
    assert not path.exists()
    assert not meta_path(path).exists()
