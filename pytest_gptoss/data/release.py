"""`release(...)`: a dataset as its authors released it, where the Hub holds only a script for it.

`datasets` no longer runs loading scripts. What such a script would have fetched lies in the
authors' repository, pinned there by commit, and by digest where one is known.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.data.hub import HubRows, notes, quiet, remember
from pytest_gptoss.data.mirror import mirror
from pytest_gptoss.data.table import ArrowTable
from pytest_gptoss.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["ReleasedRows", "fetch", "release"]


@dataclass(frozen=True, slots=True)
class ReleasedRows:
    """One split as its authors released it; see `release`."""

    path: str
    config: str | None
    split: str
    url: str
    revision: str
    sha256: str | None
    read: Callable[[bytes], Iterable[dict[str, Any]]]

    def open(self) -> ArrowTable:
        """Open the split from the mirror, where one is set, or from the authors' release.

        Raises:
            DataError: It cannot be had: the sentence names the file and the remedy.
        """
        import pyarrow as pa

        if mirror() is not None:
            return HubRows(self.path, self.config, self.split, self.revision).open()
        url = self.url.format(revision=self.revision)
        (content,) = fetch([url], self.sha256)
        try:
            table = pa.Table.from_pylist(list(self.read(content)))
        except (ValueError, LookupError, TypeError, pa.ArrowException) as error:
            raise DataError(
                f"{url} cannot be read as {self.path} ({type(error).__name__}: {error}); set "
                "--gptoss-data to a local mirror"
            ) from error
        return ArrowTable(table, f"{self.path} ({self.split})")

    def describe(self) -> dict[str, Any]:
        """Name, configuration, split and revision, and where the rows are read from."""
        return {
            "dataset": self.path,
            "config": self.config,
            "split": self.split,
            "revision": self.revision,
            "release": self.url,
            "source": "release" if mirror() is None else "mirror",
        }


def release(
    path: str,
    *,
    config: str | None = None,
    split: str,
    url: str,
    revision: str,
    read: Callable[[bytes], Iterable[dict[str, Any]]],
    sha256: str | None = None,
) -> ReleasedRows:
    """Name a split that is read from its authors' release. Nothing is fetched before it is needed.

    With ``--gptoss-data DIR`` (or ``GPTOSS_DATA``) the rows come from the local mirror, as those of
    `hub` do.

    Args:
        path: ``owner/name`` of the dataset on the Hub, which is its place in a mirror.
        config: Its configuration there.
        split: The split.
        url: Where the file lies, with ``{revision}`` in it.
        revision: The commit that is pinned.
        read: The rows of the file's bytes, with the columns that the Hub shows.
        sha256: The file's digest; another file is refused.
    """
    return ReleasedRows(path, config, split, url, revision, sha256, read)


def fetch(urls: Sequence[str], sha256: str | None = None) -> list[bytes]:
    """The bytes of files of a pinned release, from the cache of `datasets` or over the network.

    Args:
        urls: Where they lie; each must name a commit.
        sha256: The digest that each must have.

    Raises:
        DataError: One cannot be had, or is not the file that is meant.
    """
    key = hashlib.sha256("\0".join(["release", *urls]).encode()).hexdigest()
    note = notes() / f"{key}.json"
    contents: list[bytes] = []
    with contextlib.suppress(OSError, msgspec.DecodeError):
        files = msgspec.json.decode(note.read_bytes(), type=list[str])
        contents = [Path(file).read_bytes() for file in files]
    if not contents:
        files = _download(urls)
        contents = [Path(file).read_bytes() for file in files]
    for url, content in zip(urls, contents, strict=True):
        _check(content, url, sha256)
    remember(note, files)
    return contents


def _download(urls: Sequence[str]) -> list[str]:
    with quiet() as datasets:
        try:
            # What a commit names never changes, so nobody needs to ask the server again.
            config = datasets.DownloadConfig(use_etag=False, max_retries=2)
            manager = datasets.DownloadManager(download_config=config)
            return [str(file) for file in manager.download(list(urls))]
        except Exception as error:  # network and disk errors come as many types
            first = next(iter(str(error).strip().splitlines()), "no message")[:200]
            what = urls[0] if len(urls) == 1 else f"one of {len(urls)} files such as {urls[0]}"
            raise DataError(
                f"{what} cannot be fetched ({type(error).__name__}: {first}); check the network, "
                "or set --gptoss-data to a local mirror"
            ) from error


def _check(content: bytes, url: str, sha256: str | None) -> None:
    if sha256 is not None and (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise DataError(
            f"{url} is not the file that was pinned (SHA-256 {found[:12]}… instead of "
            f"{sha256[:12]}…); empty the cache of datasets, or set --gptoss-data to a local mirror"
        )
