"""`Earlier`: what an earlier session asked and was answered, read from its journal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.errors import UsageError
from pytest_gptoss.run.journal import SCHEMA, Header, JournalRecord, Opened, read_journal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_gptoss.records import Completion
    from pytest_gptoss.run.group import Group, Ticket
    from pytest_gptoss.run.journal import Selected

__all__ = ["Earlier", "Recall"]

Key = tuple[str, str]
Place = tuple[int, int]

_NAMED = 5


class Earlier:
    """The completions of an earlier session; texts are read when they are asked for.

    A repeat that was journalled twice, as after an error, counts with its last completion that is
    no error.

    Args:
        path: The run directory.

    Raises:
        UsageError: It holds no journal, or none that says what was asked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        """What was left out of the journal, a sentence each."""
        self.facts: dict[str, dict[str, Any]] = {}
        """What each engine that was opened said of itself, by model label."""
        self.whole = 0
        """How many bytes of the journal are whole."""
        self._hashes: dict[Key, dict[str, str]] = {}
        self._answers: dict[Key, dict[tuple[str, int], Place]] = {}
        self._errors: dict[Key, dict[tuple[str, int], Place]] = {}
        self._file = -1
        journal = path / "journal.jsonl"
        try:
            self.header = self._scan(journal)
            self._file = os.open(journal, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise UsageError(
                f"{path} is no run directory: its {journal.name} cannot be read "
                f"({error.strerror}); name a folder that a session wrote"
            ) from error

    def _scan(self, journal: Path) -> Header:
        header: Header | None = None
        for line, offset, length in read_journal(journal, self.notes.append):
            self.whole = offset + length
            if isinstance(line, Header):
                header = line
            elif isinstance(line, Opened):
                self.facts.setdefault(line.opened, line.facts)
            else:
                key = (line.model, line.benchmark)
                failed = line.completion.error is not None
                places = (self._errors if failed else self._answers).setdefault(key, {})
                places[line.item_id, line.repeat] = (offset, length)
                if line.item_hash:  # an item that could not be built has none
                    self._hashes.setdefault(key, {})[line.item_id] = line.item_hash
        if header is None or header.journal != SCHEMA or not header.settings:
            raise UsageError(
                f"{journal} does not say in its first line what was asked (schema {SCHEMA}), so "
                "the run can neither be continued nor scored again; --gptoss-completions reads its "
                "completions"
            )
        return header

    def selected(self, key: Key) -> Selected | None:
        """What was asked of a (model, benchmark) pair."""
        for one in self.header.selected:
            if (one.model, one.benchmark) == key:
                return one
        return None

    def place(self, ticket: Ticket, repeat: int, *, errors: bool) -> Place | None:
        """Offset and length of a completion in the journal.

        Args:
            ticket: The item.
            repeat: The 0-based number of the repeat.
            errors: Whether an error of the infrastructure is an answer too.
        """
        key, at = ticket.group.key, (ticket.item_id, repeat)
        place = self._answers.get(key, {}).get(at)
        if place is None and errors:
            place = self._errors.get(key, {}).get(at)
        return place

    def completion(self, place: Place) -> Completion:
        """A completion, read from its place."""
        offset, length = place
        data = os.pread(self._file, length, offset)
        return msgspec.json.decode(data, type=JournalRecord).completion

    def check_items(self, groups: Sequence[Group]) -> None:
        """Compare what the items ask and expect now with what they did then.

        Raises:
            UsageError: Some have changed; the sentence names the first.
        """
        for group in groups:
            then = self._hashes.get(group.key, {})
            changed = [
                ticket.item_id
                for ticket in group.tickets
                if ticket.item_id in then and ticket.fingerprint() != then[ticket.item_id]
            ]
            if changed:
                shown = ", ".join(changed[:_NAMED]) + (", ..." if len(changed) > _NAMED else "")
                raise UsageError(
                    f"the prompt, the options or the target of {len(changed):,} "
                    f"{'item' if len(changed) == 1 else 'items'} of {group.benchmark.name} "
                    f"changed since {self.path} asked them ({shown}), so its completions answer "
                    "other questions; take the suite and the data of that run, or start a new one"
                )

    def close(self) -> None:
        """Close the journal."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


@dataclass(frozen=True)
class Recall:
    """How an earlier session's completions become results of this one.

    Args:
        earlier: The completions.
        in_place: Whether this session continues the same journal; else they are copied to its own.
        generate: Whether what is missing is generated; else errors stay errors, and what was never
            answered stays missing.
    """

    earlier: Earlier
    in_place: bool
    generate: bool

    def place(self, ticket: Ticket, repeat: int) -> Place | None:
        """Where the completion of a repeat stands in the earlier journal."""
        return self.earlier.place(ticket, repeat, errors=not self.generate)

    def notes(self, groups: Sequence[Group]) -> list[str]:
        """What the reader of the results should know of the earlier session, a sentence each."""
        selected = sum(len(group.tickets) * group.repeats for group in groups)
        kept = sum(group.tally.kept for group in groups)
        what = "kept from earlier sessions" if self.in_place else f"taken from {self.earlier.path}"
        return [*self.earlier.notes, f"{kept:,} of {selected:,} answers were {what}"]
