"""``--gptoss-limit N``: the same N items for every model and every day."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["sample"]


def sample(
    ids: Sequence[str],
    limit: int,
    *,
    seed: int,
    name: str,
    strata: Sequence[str] | None = None,
) -> list[int]:
    """Draw row positions without replacement, in row order.

    Each item's rank is a hash of the seed, the benchmark and the item's id: the draw depends
    neither on the order of the rows, nor on the Python version, nor on the items that others add.
    Without strata a larger limit contains a smaller one's items. With strata each gets its share,
    remainders going to the largest fractions (Hamilton's method).

    Args:
        ids: The item ids in row order.
        limit: How many to draw, at least 1; all of them where there are no more.
        seed: Another seed draws other items.
        name: The benchmark's name.
        strata: The stratum of each row.

    Raises:
        ValueError: ``limit`` is under 1.
    """
    if limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    total = len(ids)
    if limit >= total:
        return list(range(total))
    ranks = [_rank(seed, name, item_id) for item_id in ids]
    groups: dict[str, list[int]] = {}
    for position in range(total):
        groups.setdefault("" if strata is None else strata[position], []).append(position)
    drawn = []
    for stratum, share in _shares(groups, limit, total, seed, name).items():
        drawn += sorted(groups[stratum], key=ranks.__getitem__)[:share]
    return sorted(drawn)


def _rank(seed: int, name: str, item_id: str) -> bytes:
    return blake2b(f"{seed}\0{name}\0{item_id}".encode(), digest_size=8).digest()


def _shares(
    groups: dict[str, list[int]], limit: int, total: int, seed: int, name: str
) -> dict[str, int]:
    # Whole numbers throughout: a share must not depend on how a platform rounds.
    shares = {stratum: len(rows) * limit // total for stratum, rows in groups.items()}
    rest = limit - sum(shares.values())
    by_remainder = sorted(
        groups,
        key=lambda stratum: (
            -(len(groups[stratum]) * limit % total),
            _rank(seed, name, f"stratum {stratum}"),
        ),
    )
    for stratum in by_remainder[:rest]:
        shares[stratum] += 1
    return shares
