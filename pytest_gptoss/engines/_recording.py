"""Files of recorded completions: which one is meant, and where in it each item stands."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.errors import DataError, EngineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pytest_gptoss.models import ModelSpec

__all__ = ["Line", "Recording", "find_recordings"]

_RUN_FILES = ("items.jsonl", "journal.jsonl")
"""The files of a run directory, the one to prefer first."""


class Line(msgspec.Struct):
    """One line: of a recording, of ``items.jsonl`` (``final``) or of a journal (an object)."""

    item_id: str | int
    completion: str | dict[str, Any] | None = None
    final: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    finish_reason: str | None = None
    malformed: str | None = None
    outcome: Any = None
    error: Any = None
    model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Head(msgspec.Struct):
    """What the scan needs of a line; the texts are checked for their type and dropped."""

    item_id: str | int | msgspec.UnsetType = msgspec.UNSET
    completion: str | dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    final: str | msgspec.UnsetType | None = msgspec.UNSET
    benchmark: str | None = None
    model: str | None = None
    repeat: int | None = None
    journal: int | None = None


_decode_head = msgspec.json.Decoder(_Head).decode
_decode_line = msgspec.json.Decoder(Line).decode


class Recording:
    """One file, scanned for one benchmark and one model.

    Args:
        path: The file.
        benchmark: Lines that name another benchmark are left out.
        names: The names of the model; where lines name models, those of others are left out,
            unless the file holds a single model.

    Raises:
        DataError: A line cannot be read; the error names it.
    """

    def __init__(self, path: Path, benchmark: str, names: Sequence[str]) -> None:
        self.path = path
        self.benchmark = benchmark
        self.notes: list[str] = []
        self.rows = 0
        self.labelled = False
        self.models: set[str] = set()
        self._where: dict[str, list[tuple[int, int]]] = {}
        self._file = -1
        wanted = set(names)
        places: dict[tuple[str | None, str], list[tuple[int, int]]] = {}
        for head, place in self._scan():
            if head.benchmark is not None:
                self.labelled = True
                if benchmark and head.benchmark != benchmark:
                    continue
            if head.model is not None:
                self.models.add(head.model)
            repeats = places.setdefault((head.model, str(head.item_id)), [])
            if head.repeat is None:
                repeats.append(place)
                continue
            # A journal may hold a repeat twice, when it ended as an error and was asked again.
            while len(repeats) <= head.repeat:
                repeats.append((-1, 0))
            repeats[head.repeat] = place
        matching = self.models & wanted
        self.matches_model = bool(matching)
        for (model, item_id), repeats in places.items():
            if model is None or model in wanted or (len(self.models) == 1):
                self._where.setdefault(item_id, []).extend(repeats)
                self.rows += len(repeats)
        if not self._where and self.models and places:
            raise UsageError(
                f"{path} holds completions of {', '.join(sorted(self.models))}, but none of "
                f"{names[0]}; name one of them with --model"
            )

    def line(self, item_id: str, row: int, repeat: int) -> Line:
        """The line of an item, found by its id or else by its row number.

        Raises:
            EngineError: It is not recorded.
        """
        places = self._where.get(item_id) or self._where.get(str(row))
        if not places:
            raise EngineError(f"{self.path}: item {item_id!r} (row {row}) is not recorded")
        offset, length = places[repeat] if repeat < len(places) else (-1, 0)
        if offset < 0:
            raise EngineError(
                f"{self.path}: repeat {repeat + 1} of item {item_id!r} is not recorded "
                f"({len(places)} are)"
            )
        if self._file < 0:
            self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _decode_line(os.pread(self._file, length, offset))
        except msgspec.MsgspecError as error:
            raise EngineError(f"{self.path}: item {item_id!r} cannot be read ({error})") from None

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _scan(self) -> Iterator[tuple[_Head, tuple[int, int]]]:
        offset = 0
        try:
            lines = self.path.open("rb")
        except OSError as error:
            raise DataError(f"{self.path} cannot be read ({error.strerror})") from None
        with lines:
            for number, line in enumerate(lines, 1):
                begin, length = offset, len(line)
                offset += length
                if number == 1 and line.startswith(b"\xef\xbb\xbf"):
                    begin, length, line = begin + 3, length - 3, line[3:]
                if line.isspace():
                    continue
                head = self._head(line, number)
                if head is not None:
                    yield head, (begin, length)

    def _head(self, line: bytes, number: int) -> _Head | None:
        where = f"{self.path}, line {number}"
        try:
            head = _decode_head(line)
        except msgspec.ValidationError as error:
            raise DataError(f"{where}: {error}; see docs/replay.md for the format") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if not line.endswith(b"\n"):
                self.notes.append(f"{where} was cut off while it was written; dropped")
                return None
            raise DataError(f"{where} is no JSON ({error}); mend or remove the line") from None
        if isinstance(head.item_id, msgspec.UnsetType):
            if head.journal is not None:  # a journal's first line
                return None
            raise DataError(
                f"{where} has no 'item_id'; every line needs 'item_id' and 'completion'"
            )
        if head.completion is msgspec.UNSET and head.final is msgspec.UNSET:
            raise DataError(
                f"{where} (item {head.item_id!r}) has no 'completion'; "
                "every line needs 'item_id' and 'completion'"
            )
        if head.repeat is not None and not 0 <= head.repeat < 100_000:
            raise DataError(f"{where}: 'repeat' is {head.repeat}, but repeats count from 0")
        return head


def find_recordings(path: Path, benchmark: str, spec: ModelSpec) -> Recording:
    """Find and scan the recording of a benchmark by a model.

    A file is taken as it is. In a folder that is ``BENCHMARK.jsonl``, ``BENCHMARK/MODEL.jsonl``,
    ``MODEL.jsonl`` where the folder is named after the benchmark, the files of a run directory, or
    any file whose lines name the benchmark.

    Raises:
        UsageError: There is none, or several may be meant.
        DataError: It cannot be read.
    """
    names = _names(spec)
    if path.is_file():
        return _scan_one(path, benchmark, names)
    for candidates in (
        [path / f"{benchmark}.jsonl"],
        sorted((path / benchmark).glob("*.jsonl")) if benchmark else [],
        sorted(path.glob("*.jsonl")) if path.resolve().name == benchmark else [],
    ):
        found = [file for file in candidates if file.is_file()]
        if found:
            return _scan_one(_one_of(found, benchmark, names), benchmark, names)
    files = [path / name for name in _RUN_FILES if (path / name).is_file()][:1]
    files = files or sorted(path.glob("*.jsonl"))
    scanned = [_scan_labelled(file, benchmark, names) for file in files]
    holding = [recording for recording in scanned if recording is not None]
    if len(holding) > 1:
        by_model = [recording for recording in holding if recording.matches_model]
        holding = by_model or [r for r in holding if r.path.stem in names] or holding
    if len(holding) == 1:
        return holding[0]
    if holding:
        _one_of([recording.path for recording in holding], benchmark, ())
    raise UsageError(
        f"{path} holds no completions for {benchmark or 'a request outside any benchmark'}; they "
        f"are looked for in {benchmark}.jsonl, {benchmark}/{names[0]}.jsonl and in files whose "
        "lines name their benchmark"
    )


def _scan_one(path: Path, benchmark: str, names: Sequence[str]) -> Recording:
    recording = Recording(path, benchmark, names)
    if not recording.rows and recording.labelled:
        raise UsageError(f"{path} holds completions of other benchmarks, but none of {benchmark}")
    return recording


def _scan_labelled(path: Path, benchmark: str, names: Sequence[str]) -> Recording | None:
    """Scan a file if its lines name their benchmark; ``None`` where it has none of this one."""
    with path.open("rb") as lines:
        start = b"".join(line for line, _ in zip(lines, range(2), strict=False))
    if b'"benchmark"' not in start:
        return None
    recording = Recording(path, benchmark, names)
    return recording if recording.rows else None


def _one_of(files: Sequence[Path], benchmark: str, names: Sequence[str]) -> Path:
    if len(files) > 1:
        chosen = [file for file in files if file.stem in names]
        if len(chosen) != 1:
            shown = ", ".join(file.name for file in files[:12])
            more = f" and {len(files) - 12} more" if len(files) > 12 else ""
            raise UsageError(
                f"several files may hold the completions for {benchmark}: {shown}{more} in "
                f"{files[0].parent}; name one with --gptoss-completions, or its stem with --model"
            )
        return chosen[0]
    return files[0]


def _names(spec: ModelSpec) -> list[str]:
    """The names under which a model's completions may have been recorded, the likeliest first."""
    names = [spec.label, spec.slug, spec.name, spec.source, spec.source.rpartition("/")[2]]
    names += [name.replace("/", "--").replace(":", "-") for name in (spec.label, spec.source)]
    return list(dict.fromkeys(names))
