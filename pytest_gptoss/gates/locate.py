"""Where a baseline is: the project's own folder, the package's, a path, a run or a publication."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_gptoss.errors import UsageError
from pytest_gptoss.gates import baseline
from pytest_gptoss.gates.measured import is_run, read_run
from pytest_gptoss.gates.published import PREFIX, Published, read_published

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_gptoss.gates.measured import Measured
    from pytest_gptoss.gates.speed import Speed

__all__ = ["FOLDER", "SPEED_FILE", "Finder", "newest_run", "packaged", "slug_of"]

FOLDER = "baselines"

SPEED_FILE = "throughput.json"
"""What a model's baseline of speed is called; no benchmark is called so."""

_PACKAGE = Path(__file__).parents[1]

# An installed package carries the folder inside; a checkout has it beside the package.
_CHECKOUT = (_PACKAGE.parent / "pyproject.toml").is_file()
_PACKAGED = (_PACKAGE.parent / FOLDER,) if _CHECKOUT else (_PACKAGE / FOLDER,)


def packaged() -> list[Path]:
    """The folders of baselines that come with the package."""
    return list(_PACKAGED)


def slug_of(label: str) -> str:
    """A model's label as a folder name, as `ModelSpec.slug` makes it."""
    from pytest_gptoss.models import ModelSpec

    return ModelSpec(name=label, source=label).slug


class Finder:
    """Finds the baseline of a (model, benchmark) pair.

    Args:
        root: The folder of the project: its baselines are in ``baselines`` below it.
        named: What ``--gptoss-baseline`` names: a path, or ``published:ID``.
        here: The folder that a relative path starts from.

    Raises:
        UsageError: What was named does not exist or cannot be read.
    """

    def __init__(self, root: Path, named: str | None = None, here: Path | None = None) -> None:
        self.own = root / FOLDER
        self.published: Published | None = None
        self._root = root
        self._path: Path | None = None
        self._run: dict[tuple[str, str], Measured] | None = None
        self._read: dict[Path, Measured] = {}
        if named is None:
            return
        if named.startswith(PREFIX):
            folders = [self.own, *_PACKAGED]
            self.published = read_published(named.removeprefix(PREFIX), folders)
            return
        self._path = ((here or root) / Path(named).expanduser()).resolve()
        if not self._path.exists():
            raise UsageError(
                f"--gptoss-baseline names {named!r}, which does not exist; save one with "
                "--gptoss-save-baseline"
            )
        if is_run(self._path):
            self._run = read_run(self._path)

    @property
    def named(self) -> bool:
        """Whether a baseline of scores was named, rather than looked for."""
        return (self._path is not None and not self._is_speed) or self.published is not None

    @property
    def run(self) -> Path | None:
        """The run directory that was named."""
        return self._path if self._run is not None else None

    @property
    def is_file(self) -> bool:
        """Whether one baseline file of scores was named."""
        return self._path is not None and not self._is_speed and self._path.is_file()

    @property
    def _is_speed(self) -> bool:
        return self._path is not None and self._path.name == SPEED_FILE

    def read_named(self) -> Measured:
        """The one file that was named.

        Raises:
            UsageError: It cannot be read.
        """
        assert self._path is not None
        return self.read(self._path)

    def own_file(self, slug: str, benchmark: str) -> Path:
        """Where the project keeps the baseline of a pair."""
        return self.own / slug / f"{benchmark}.json"

    def find(self, model: str, slug: str, benchmark: str) -> Measured | None:
        """The baseline of a pair, or ``None``.

        A named file is the baseline of every model on its benchmark; a named folder holds
        ``<model>/<benchmark>.json`` or ``<benchmark>.json``; a named run is taken by model, or
        where it has one model only, by benchmark.

        Raises:
            UsageError: The file cannot be read.
        """
        if self.published is not None:
            return None
        if self._run is not None:
            return self._in_run(model, benchmark)
        if self._path is None or self._is_speed:
            return self._first(
                folder / slug / f"{benchmark}.json" for folder in (self.own, *_PACKAGED)
            )
        if self._path.is_dir():
            return self._first(
                (self._path / slug / f"{benchmark}.json", self._path / f"{benchmark}.json")
            )
        held = self.read(self._path)
        return held if held.benchmark == benchmark else None

    def find_speed(self, model: str, slug: str) -> Speed | None:
        """The baseline of a model's speed, or ``None``.

        A file called ``throughput.json`` is the baseline of every model; a folder holds
        ``<model>/throughput.json`` or ``throughput.json``; of a run the loads of the same model are
        taken, or those of the only one.

        Raises:
            UsageError: The file cannot be read.
        """
        from pytest_gptoss.gates.speed_file import read
        from pytest_gptoss.gates.speed_run import read_run_speed

        if self._run is not None and self._path is not None:
            found = read_run_speed(self._path, self.short(self._path))
            others = list(found.values())
            return found.get(model) or (others[0] if len(others) == 1 else None)
        if self._path is None or self.published is not None:
            paths = [folder / slug / SPEED_FILE for folder in (self.own, *_PACKAGED)]
        elif self._path.is_dir():
            paths = [self._path / slug / SPEED_FILE, self._path / SPEED_FILE]
        else:
            paths = [self._path] if self._is_speed else []
        for path in paths:
            if path.is_file():
                return read(path, self.short(path))
        return None

    def read(self, path: Path) -> Measured:
        """Read a baseline file, once.

        Raises:
            UsageError: It cannot be read.
        """
        if path not in self._read:
            held = baseline.read(path)
            self._read[path] = baseline.called(held, self.short(path))
        return self._read[path]

    def _in_run(self, model: str, benchmark: str) -> Measured | None:
        assert self._run is not None
        held = self._run.get((model, benchmark))
        others = [found for (_, name), found in self._run.items() if name == benchmark]
        if held is None and len(others) == 1:
            held = others[0]
        assert self._path is not None
        return None if held is None else baseline.called(held, self.short(self._path))

    def _first(self, paths: Iterable[Path]) -> Measured | None:
        for path in paths:
            if path.is_file():
                return self.read(path)
        return None

    def short(self, path: Path) -> str:
        """A path as people read it: relative to the project where it is inside."""
        for base in (self._root, _PACKAGE.parent):
            if path.is_relative_to(base):
                return path.relative_to(base).as_posix()
        return str(path)


def newest_run(folder: Path, model: str, benchmark: str, *, but: Path | None = None) -> Path | None:
    """The newest run below a folder that measured a pair, by the names that sessions give."""
    if not folder.is_dir():
        return None
    from pytest_gptoss.gates.measured import read_summary

    for path in sorted(folder.iterdir(), reverse=True):
        if path == but or not is_run(path):
            continue
        groups = read_summary(path)["groups"]
        if any((g["model"], g["benchmark"]) == (model, benchmark) for g in groups):
            return path
    return None
