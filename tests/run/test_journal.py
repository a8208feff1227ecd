"""The journal: every completion is on disk before it is counted."""

import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_gptoss.records import Completion
from pytest_gptoss.run.journal import GROUP_RECORDS, Journal, JournalRecord, read_journal


def record(n: int, text: str = "x") -> JournalRecord:
    return JournalRecord(
        model="m",
        benchmark="b",
        item_id=str(n),
        item_hash="h",
        repeat=0,
        completion=Completion(final=text),
    )


def test_a_record_is_on_disk_before_it_is_counted(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    seen: list[str] = []

    def counted(offset: int, length: int) -> None:
        data = (tmp_path / "journal.jsonl").read_bytes()
        seen.append(data[offset : offset + length].decode())

    for n in range(5):
        journal.append(record(n), counted)
    journal.close()
    assert [f'"item_id":"{n}"' in line for n, line in enumerate(seen)] == [True] * 5


def test_records_are_read_back_from_their_places(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    places: list[tuple[int, int]] = []
    for n in range(200):
        journal.append(record(n, "é" * n), lambda *place: places.append(place))
    journal.close()
    assert [journal.read(*place) for place in places] == [record(n, "é" * n) for n in range(200)]
    journal.release()


def test_a_single_record_does_not_wait_for_others(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    done = threading.Event()
    journal.append(record(0), lambda *_: done.set())
    assert done.wait(60)
    journal.release()


def test_a_full_group_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_gptoss.run.journal.GROUP_SECONDS", 60)
    journal = Journal(tmp_path / "journal.jsonl")
    done = threading.Event()
    for n in range(GROUP_RECORDS):
        journal.append(record(n), lambda *_: done.set())
    assert done.wait(60)
    journal.release()


def test_what_arrives_while_the_disk_flushes_outlives_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    flushing, flushed = threading.Event(), threading.Event()

    def slow(file: int) -> None:
        flushing.set()
        assert flushed.wait(60)

    monkeypatch.setattr("os.fsync", slow)
    counted: list[int] = []
    journal.append(record(0), lambda *_: counted.append(0))
    assert flushing.wait(60)
    journal.append(record(1), lambda *_: counted.append(1))
    limit = time.monotonic() + 60
    while len(journal.path.read_bytes().splitlines()) < 3:
        assert time.monotonic() < limit, "the second record waits for the flush of the first"
        time.sleep(0.01)
    assert counted == []
    flushed.set()
    journal.release()
    assert counted == [0, 1]


def test_nothing_is_counted_after_a_flush_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    told = threading.Event()
    journal.on_group(told.set)
    flush = os.fsync
    failures = iter([OSError(5, "Input/output error")])

    def once(file: int) -> None:
        for failure in failures:
            raise failure
        flush(file)

    monkeypatch.setattr("os.fsync", once)
    counted: list[int] = []
    journal.append(record(0), lambda *_: counted.append(0))
    assert told.wait(60)
    journal.append(record(1), lambda *_: counted.append(1))
    journal.release()
    assert counted == []
    assert "cannot be written (Input/output error)" in str(journal.failure)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_disk_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    told = threading.Event()
    journal.on_group(told.set)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, journal._file)
    os.close(full)
    counted: list[int] = []
    journal.append(record(0), lambda *_: counted.append(0))
    assert told.wait(60)
    assert counted == []
    assert "cannot be written (No space left on device)" in str(journal.failure)
    journal.append(record(1), lambda *_: counted.append(1))
    time.sleep(0.3)
    assert counted == []
    journal.release()


def test_a_torn_last_record_is_dropped_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, 3)
    path.write_bytes(path.read_bytes()[:-20])
    notes: list[str] = []
    assert items(path, notes) == ["0", "1"]
    assert notes == [f"{path}: the last record was cut off while it was written; dropped"]


def test_a_corrupt_record_in_the_middle_is_named_and_the_rest_kept(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = b'{"model": 5}\n'
    path.write_bytes(b"".join(lines))
    notes: list[str] = []
    assert items(path, notes) == ["0", "2"]
    assert len(notes) == 1
    assert notes[0].startswith(f"{path}, line 3 cannot be read")


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 400))
def test_wherever_it_is_cut_whole_records_survive(tmp_path_factory, cut: int) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    write(path, 4)
    data = path.read_bytes()[: cut + 1]
    path.write_bytes(data)
    whole = max(0, data.count(b"\n") - 1)
    found = items(path, [])
    # A last line that lacks nothing but its line end is whole as well.
    assert found[:whole] == [str(n) for n in range(whole)]
    assert len(found) <= whole + 1


def items(path: Path, notes: list[str]) -> list[str]:
    """The ids of the records that can be read."""
    lines = (line for line, *_ in read_journal(path, notes.append))
    return [line.item_id for line in lines if isinstance(line, JournalRecord)]


def write(path: Path, count: int) -> None:
    journal = Journal(path)
    for n in range(count):
        journal.append(record(n), lambda *_: None)
    journal.release()
