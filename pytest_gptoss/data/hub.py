"""`hub(...)`: a dataset of the Hugging Face Hub by pinned revision, or of the local mirror.

Loading goes through `datasets`, whose prepared Arrow files are then memory-mapped. Importing
`datasets` alone takes longer than collecting ten thousand items, so the place of the prepared files
is remembered: the second session on the same data does not import it at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.data.mirror import mirror, mirror_file
from pytest_gptoss.data.table import ArrowTable, map_arrow_files
from pytest_gptoss.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

__all__ = ["HubRows", "hub"]


@dataclass(frozen=True, slots=True)
class HubRows:
    """One split of a dataset of the Hub; see `hub`."""

    path: str
    config: str | tuple[str, ...] | None
    split: str
    revision: str | None

    def open(self) -> ArrowTable:
        """Open the split from the mirror, where one is set, or from the Hub.

        Raises:
            DataError: It cannot be had: the sentence names the file or dataset and the remedy.
        """
        folder = mirror()
        configs = self.config if isinstance(self.config, tuple) else (self.config,)
        tables = []
        for config in configs:
            if folder is not None:
                file = mirror_file(folder, self.path, config or "default", self.split)
                table = _from_mirror(file)
            else:
                table = _from_hub(self.path, config, self.split, self.revision)
            if isinstance(self.config, tuple):
                table = _with_config(table, str(config))
            tables.append(table)
        return ArrowTable(_joined(tables), f"{self.path} ({self.split})")

    def describe(self) -> dict[str, Any]:
        """Name, configuration, split and revision, and where the rows are read from."""
        folder = mirror()
        return {
            "dataset": self.path,
            "config": list(self.config) if isinstance(self.config, tuple) else self.config,
            "split": self.split,
            "revision": self.revision,
            "source": "hub" if folder is None else "mirror",
        }


def hub(
    path: str,
    *,
    config: str | Sequence[str] | None = None,
    split: str,
    revision: str | None = None,
) -> HubRows:
    """Name a split of a dataset of the Hub. Nothing is loaded before the rows are needed.

    With ``--gptoss-data DIR`` (or ``GPTOSS_DATA``) the rows come from the file
    ``DIR/<owner>/<name>/<config>/<split>.jsonl`` instead, with the columns of the Hub.

    Args:
        path: ``owner/name``.
        config: The dataset's configuration, or several: their rows follow each other, with the
            configuration's name in a further column ``config``.
        split: The split, ``test`` for most benchmarks.
        revision: The commit that is pinned, so that the same items are asked every day.
    """
    several = None if config is None or isinstance(config, str) else tuple(config)
    return HubRows(path, several if several is not None else config, split, revision)  # type: ignore[arg-type]


def _with_config(table: pa.Table, config: str) -> pa.Table:
    import pyarrow as pa

    return table.append_column("config", pa.array([config] * table.num_rows, pa.string()))


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    if len(tables) == 1:
        return tables[0]
    import pyarrow as pa

    return pa.concat_tables(tables, promote_options="permissive")


def _from_mirror(file: Path) -> pa.Table:
    stat = file.stat()
    if stat.st_size == 0:
        raise DataError(f"{file} is empty; put the split's rows there as JSON Lines")

    def load(datasets: Any) -> Any:
        _check_lines(file)
        try:
            return datasets.load_dataset("json", data_files=str(file), split="train")
        except (datasets.exceptions.DatasetsError, StopIteration, ValueError, OSError) as error:
            raise DataError(
                f"{file} cannot be read as a table ({error.__cause__ or error}); check that its "
                "columns keep one type each"
            ) from error

    key = f"{file.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}"
    return _prepared(key, load)


def _check_lines(file: Path) -> None:
    """Name the first line that is no row; `datasets` names none, and takes some for rows."""
    rows = 0
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            rows += 1
            try:
                row = msgspec.json.decode(line)
            except msgspec.DecodeError as why:
                raise DataError(
                    f"{file}, line {number} is not valid JSON ({why}); mend or fetch it again"
                ) from None
            if not isinstance(row, dict):
                raise DataError(
                    f"{file}, line {number} is no JSON object; each line must be one row"
                )
    if not rows:
        raise DataError(f"{file} holds no rows; put the split's rows there as JSON Lines")


def _from_hub(path: str, config: str | None, split: str, revision: str | None) -> pa.Table:
    place = f"{path} ({config})" if config else path

    def load(datasets: Any) -> Any:
        try:
            return datasets.load_dataset(path, name=config, split=split, revision=revision)
        except datasets.exceptions.DatasetNotFoundError as error:
            gated = "gated" in str(error)
            remedy = (
                "accept its terms on the Hub and set HF_TOKEN"
                if gated
                else "check the name and the revision, or set --gptoss-data to a local mirror"
            )
            raise DataError(
                f"the dataset {place} at revision {revision} cannot be read from the Hub "
                f"({'it is gated' if gated else 'not found, or the Hub is out of reach'}); {remedy}"
            ) from error
        except Exception as error:  # network, disk and builder errors come as many types
            raise DataError(
                f"the dataset {place}, split {split!r}, cannot be read from the Hub "
                f"({_cause(error)}); check the network, or set "
                "--gptoss-data to a local mirror"
            ) from error

    # Only a pinned revision names the same rows tomorrow; a moving one is asked for each time.
    key = f"hub\0{path}\0{config}\0{split}\0{revision}" if _is_commit(revision) else None
    return _prepared(key, load)


def _cause(error: Exception) -> str:
    """What went wrong; where `datasets` begins with a folder of that name here, what follows it."""
    text = f"{type(error).__name__}: {str(error).strip()}".partition("\n")[0]
    return text.rpartition(" on the Hugging Face Hub either: ")[2][:240]


def _is_commit(revision: str | None) -> bool:
    return revision is not None and len(revision) == 40 and set(revision) <= set("0123456789abcdef")


def _prepared(key: str | None, load: Callable[[Any], Any]) -> pa.Table:
    """Map the Arrow files remembered under a key, or load through `datasets` and remember them."""
    note = None if key is None else notes() / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
    if note is not None:
        with contextlib.suppress(OSError, msgspec.DecodeError):
            files = [Path(name) for name in msgspec.json.decode(note.read_bytes(), type=list[str])]
            if files and all(file.is_file() for file in files):
                return map_arrow_files(files)
    with quiet() as datasets:
        loaded = load(datasets)
        files = [Path(entry["filename"]) for entry in loaded.cache_files]
        plain = _is_plain(datasets, loaded.features)
        if not files or not plain or loaded._indices is not None:
            # Some column is decoded by `datasets` itself, so its raw Arrow would be something else.
            return loaded.with_format("arrow")[:] if plain else _decoded(loaded)
    if note is not None:
        remember(note, [str(file) for file in files])
    return map_arrow_files(files)


def _decoded(loaded: Any) -> pa.Table:
    import pyarrow as pa

    rows = [dict(row) for row in loaded]
    try:
        return pa.Table.from_pylist(rows)
    except pa.ArrowInvalid as error:
        raise DataError(
            f"a column of the dataset mixes types ({error}); give each column one type"
        ) from error


def _is_plain(datasets: Any, feature: Any) -> bool:
    """Whether Arrow's own values are what `datasets` would return."""
    if isinstance(feature, dict):
        return all(_is_plain(datasets, inner) for inner in feature.values())
    if isinstance(feature, list):
        return all(_is_plain(datasets, inner) for inner in feature)
    if isinstance(feature, datasets.Value):
        return True
    if isinstance(feature, datasets.ClassLabel):
        return True
    inner = getattr(feature, "feature", None)  # List, LargeList, Sequence
    return inner is not None and _is_plain(datasets, inner)


def notes() -> Path:
    """Where the places of prepared files are remembered."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "pytest-gptoss" / "tables"


def remember(note: Path, files: list[str]) -> None:
    """Note where the prepared files of a dataset lie."""
    # A cache that cannot be written costs time, never the run.
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=note.parent)
        with os.fdopen(descriptor, "wb") as out:
            out.write(msgspec.json.encode(files))
        Path(name).replace(note)


@contextlib.contextmanager
def quiet() -> Iterator[Any]:
    """Import `datasets` and keep its progress bars and log lines off the test session's screen."""
    import warnings

    with warnings.catch_warnings():
        # Its dependencies' deprecations are not the user's, who may run with warnings as errors.
        warnings.simplefilter("ignore")
        import datasets

        bars = datasets.are_progress_bars_disabled()
        level = datasets.utils.logging.get_verbosity()
        datasets.disable_progress_bars()
        datasets.utils.logging.set_verbosity(datasets.utils.logging.CRITICAL)
        try:
            yield datasets
        finally:
            datasets.utils.logging.set_verbosity(level)
            if not bars:
                datasets.enable_progress_bars()
