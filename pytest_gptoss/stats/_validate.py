"""Arguments are checked once, here, so that every message names the argument that is wrong."""

from __future__ import annotations

import math
import numbers
import operator
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from numpy.typing import ArrayLike, NDArray


def count(value: SupportsIndex, name: str, *, minimum: int = 0) -> int:
    """Return a count as a Python int.

    Python's integers do not overflow; numpy's do, silently, in the product of four margins from
    about 10^5 items on. So every count is converted before any arithmetic. A float that is a whole
    number is accepted (sums of table columns arrive as floats), a boolean is not: a truth value
    where a count belongs is a swapped argument.

    Raises:
        ValueError: If ``value`` is not a whole number or is below ``minimum``.
    """
    whole: int
    if isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} must be a count, got the truth value {value!r}")
    try:
        whole = operator.index(value)
    except TypeError:
        if not (isinstance(value, numbers.Real) and float(value).is_integer()):
            raise ValueError(f"{name} must be a whole number, got {value!r}") from None
        whole = int(value)
    if whole < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {whole}")
    return whole


def real(value: Any, name: str) -> float:
    """Return a finite float.

    Raises:
        ValueError: If ``value`` is not a number, or is NaN or infinite.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number, got {value!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    return number


def probability(value: float, name: str) -> float:
    """Return a probability in the closed interval from 0 to 1.

    Raises:
        ValueError: If it lies outside, or is NaN.
    """
    number = real(value, name)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{name} must be between 0 and 1, got {number}")
    return number


def level(value: float, name: str) -> float:
    """Return a probability strictly between 0 and 1 (an error rate, a confidence, a power).

    Raises:
        ValueError: If it is not strictly between 0 and 1.
    """
    number = real(value, name)
    if not 0.0 < number < 1.0:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {number}")
    return number


def choice(value: object, name: str, allowed: tuple[str, ...]) -> None:
    """Check that a named option exists.

    Raises:
        ValueError: If ``value`` is not among ``allowed``.
    """
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")


def table(
    a: SupportsIndex, b: SupportsIndex, c: SupportsIndex, d: SupportsIndex
) -> tuple[int, int, int, int]:
    """Return the four cells of a paired 2x2 table as Python ints.

    Raises:
        ValueError: If a cell is not a count, or all four are 0.
    """
    cells = (count(a, "a"), count(b, "b"), count(c, "c"), count(d, "d"))
    if sum(cells) == 0:
        raise ValueError("n = a + b + c + d must be at least 1, got an empty table")
    return cells


def vector(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Return a non-empty one-dimensional array of finite floats.

    Raises:
        ValueError: If it is empty, nested, not numeric, or holds NaN or infinity.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a sequence of numbers") from None
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got {array.ndim} dimensions")
    if array.size == 0:
        raise ValueError(f"{name} must not be empty")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite; it holds NaN or infinity")
    return array


def cluster_codes(clusters: Iterable[Hashable], n: int) -> tuple[NDArray[np.intp], int]:
    """Number the clusters 0, 1, ... in order of appearance.

    Returns:
        One code per item, and the number of clusters.

    Raises:
        ValueError: If there is not exactly one usable label per item (None and NaN name nothing).
    """
    labels = clusters.tolist() if isinstance(clusters, np.ndarray) else list(clusters)
    if len(labels) != n:
        raise ValueError(f"clusters must have one label per difference: {len(labels)} for {n}")
    numbering: dict[Any, int] = {}
    codes = np.empty(n, dtype=np.intp)
    for position, label in enumerate(labels):
        if label is None or label != label:
            raise ValueError(f"clusters holds no label at position {position}: {label!r}")
        codes[position] = numbering.setdefault(label, len(numbering))
    return codes, len(numbering)


def cluster_sums(
    values: NDArray[np.float64], codes: NDArray[np.intp], number: int
) -> NDArray[np.float64]:
    """Add up the values of each cluster."""
    return np.bincount(codes, weights=values, minlength=number).astype(np.float64, copy=False)
