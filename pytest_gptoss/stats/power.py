"""What a run of n items can find: power, smallest detectable drop, and items needed."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, SupportsIndex

import numpy as np

from . import _numbers, _validate

if TYPE_CHECKING:
    from numpy.typing import NDArray

Method = Literal["exact", "connor"]

METHODS = ("exact", "connor")

SMALLEST_DROP = 1e-9
"""Smaller drops than this are 0 for planning: no run has that many items, and floats run out."""

ENUMERATED_ITEMS = 100_000
"""Above this many items Connor's formula replaces enumeration, which would take seconds.

The two smallest detectable drops differ by less than 0.0001 points there.
"""


def paired_power(
    n: SupportsIndex,
    discordance: float,
    drop: float,
    *,
    alpha: float = 0.05,
    method: Method = "exact",
) -> float:
    """Return the chance that n items show a regression, if there is one of a given size.

    The test is the one-sided mid-p McNemar test. ``exact`` sums its rejection probability over all
    numbers of discordant items, m ~ Bin(n, discordance), with losses among them ~ Bin(m, (1 + drop
    / discordance) / 2). ``connor`` is the normal approximation of Connor (1987, Biometrics 43:207):
    Phi((drop sqrt(n) - z sqrt(discordance)) / sqrt(discordance - drop^2)). Above 100,000 items
    ``exact`` uses Connor's formula too.

    Args:
        n: Items, at least 1.
        discordance: Share of items on which the models differ, (b + c) / n.
        drop: True drop as a fraction; 0 gives the false-alarm rate, a negative one is a gain.
        alpha: One-sided error rate.
        method: ``exact`` or ``connor``.

    Raises:
        ValueError: If n is no positive count, the discordance lies outside 0 to 1, the drop is
            larger than the discordance (it cannot be), alpha is not strictly between 0 and 1, or
            the method is unknown.
    """
    items = _validate.count(n, "n", minimum=1)
    psi = _validate.probability(discordance, "discordance")
    delta = _drop(drop, psi)
    alpha = _validate.level(alpha, "alpha")
    _validate.choice(method, "method", METHODS)
    return _power(items, psi, delta, alpha, method)


def required_items(
    discordance: float,
    drop: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    method: Method = "exact",
) -> int:
    """Return the smallest number of items that shows a given drop often enough.

    ``connor`` is ceil(((z_alpha sqrt(discordance) + z_beta sqrt(discordance - drop^2)) / drop)^2)
    (Connor 1987). ``exact`` searches the smallest n whose exact power (see :func:`paired_power`)
    reaches the target; where Connor's number exceeds 100,000 it is returned as it is. (Above 60 %
    discordance and 2,000 items power is not quite monotone in n, and the number returned is one
    where it crosses the target.)

    Args:
        discordance: Share of items on which the models differ.
        drop: The drop to be found, as a fraction; positive and at most the discordance.
        alpha: One-sided error rate.
        power: Chance of finding the drop.
        method: ``exact`` or ``connor``.

    Raises:
        ValueError: If the drop is below 1e-9 or exceeds the discordance (no number of items would
            do), the discordance lies outside 0 to 1, alpha or power is not strictly between 0 and
            1, or the method is unknown.
    """
    psi = _validate.probability(discordance, "discordance")
    delta = _drop(drop, psi)
    if delta < SMALLEST_DROP:
        raise ValueError(f"drop must be at least {SMALLEST_DROP}, got {delta}")
    alpha, power = _validate.level(alpha, "alpha"), _validate.level(power, "power")
    _validate.choice(method, "method", METHODS)
    return _items(psi, delta, alpha, power, method)


def minimum_detectable_drop(
    n: SupportsIndex,
    discordance: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    method: Method = "exact",
) -> float | None:
    """Return the smallest drop that n items show often enough.

    Args:
        n: Items, at least 1.
        discordance: Share of items on which the models differ; a drop cannot be larger.
        alpha: One-sided error rate.
        power: Chance of finding the drop.
        method: As for :func:`paired_power`.

    Returns:
        The drop as a fraction, or None where even a candidate that loses every discordant item
        would not be found often enough.

    Raises:
        ValueError: If n is no positive count, the discordance lies outside 0 to 1, alpha or power
            is not strictly between 0 and 1, or the method is unknown.
    """
    items = _validate.count(n, "n", minimum=1)
    psi = _validate.probability(discordance, "discordance")
    alpha, power = _validate.level(alpha, "alpha"), _validate.level(power, "power")
    _validate.choice(method, "method", METHODS)
    return _smallest_drop(items, psi, alpha, power, method)


def noninferiority_items(
    discordance: float, drop: float, margin: float, alpha: float, power: float
) -> int:
    """Return the items needed to rule out a drop of ``margin`` when the true one is ``drop``.

    Tango's score test with its variance at the limit of large n: the standard deviation under the
    hypothesis uses the restricted estimate of the win probability (Tango 1998, section 3; the
    sample-size formula has Connor's form). Without any discordance it is z^2 (1 - margin) / margin.
    """
    wins = (discordance - drop) / 2.0
    linear = (2.0 - drop) * margin - discordance
    q = (math.sqrt(linear * linear + 8.0 * wins * margin * (1.0 - margin)) - linear) / 4.0
    under_hypothesis = math.sqrt(2.0 * q + margin * (1.0 - margin))
    in_truth = math.sqrt(max(0.0, discordance - drop * drop))
    z_alpha, z_beta = _numbers.normal_critical(alpha), _numbers.normal_critical(1.0 - power)
    root_n = (z_alpha * under_hypothesis + z_beta * in_truth) / (margin - drop)
    return max(1, math.ceil(root_n * root_n))


def _drop(value: float, discordance: float) -> float:
    delta = _validate.real(value, "drop")
    if math.isclose(abs(delta), discordance, rel_tol=1e-9):
        # 0.1 + 0.2 is a drop of 0.3 too.
        return math.copysign(discordance, delta)
    if abs(delta) > discordance:
        raise ValueError(
            f"drop must not exceed the discordance {discordance}, got {delta}: "
            "only an item on which the models differ can be lost"
        )
    return delta


def _power(n: int, psi: float, delta: float, alpha: float, method: str) -> float:
    if psi == 0.0:
        return 0.0
    if method == "exact" and n <= ENUMERATED_ITEMS:
        numbers, weights, critical = _design(n, psi, alpha)
        loss = min(1.0, max(0.0, 0.5 * (1.0 + delta / psi)))
        rejected = _numbers.binomial_upper_array(critical, numbers, loss)
        return min(1.0, float(weights @ rejected))
    distance = delta * math.sqrt(n) - _numbers.normal_critical(alpha) * math.sqrt(psi)
    spread = math.sqrt(max(0.0, psi - delta * delta))
    if spread == 0.0:
        # Every item is lost (or won): no chance is left.
        return 1.0 if distance >= 0.0 else 0.0
    return _numbers.normal_upper(-distance / spread)


@lru_cache(maxsize=64)
def _design(
    n: int, psi: float, alpha: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the plausible numbers m of discordant items, their weights and critical values.

    The critical value is the smallest number of losses that the mid-p test rejects; it is m + 1
    where not even m losses suffice.
    """
    centre, spread = n * psi, math.sqrt(n * psi * (1.0 - psi))
    # Beyond nine standard deviations (and 20 counts, for skewed small means) lies less than 1e-15.
    low = max(0, math.floor(centre - 9.0 * spread - 20.0))
    high = min(n, math.ceil(centre + 9.0 * spread + 20.0))
    m = np.arange(low, high + 1, dtype=np.int64)
    if psi == 1.0:
        weights = (m == n).astype(np.float64)
    else:
        # Ratios of neighbouring probabilities, not factorials: those lose digits at large n.
        steps = np.log((n - m[:-1]) / (m[:-1] + 1.0) * (psi / (1.0 - psi)))
        logs = np.concatenate(([0.0], np.cumsum(steps)))
        weights = np.exp(logs - logs.max())
        weights /= weights.sum()
    return m, weights, _critical(m, alpha)


def _critical(m: NDArray[np.int64], alpha: float) -> NDArray[np.int64]:
    def rejects(k: NDArray[np.int64], of: NDArray[np.int64]) -> NDArray[np.bool_]:
        upper = _numbers.binomial_upper_array
        return 0.5 * (upper(k, of) + upper(k + 1, of)) <= alpha

    # The normal approximation is at most one off, and most often right; the loops settle it.
    guess = np.ceil(m / 2.0 + _numbers.normal_critical(alpha) * np.sqrt(m) / 2.0)
    k = np.clip(guess, 0, m + 1).astype(np.int64)
    open_ = np.flatnonzero(~rejects(k, m))
    while open_.size:
        k[open_] += 1
        open_ = open_[~rejects(k[open_], m[open_])]
    open_ = np.flatnonzero((k > 0) & rejects(k - 1, m))
    while open_.size:
        k[open_] -= 1
        open_ = open_[(k[open_] > 0) & rejects(k[open_] - 1, m[open_])]
    # Without discordant items the p-value is defined as 1.
    return np.where(m == 0, 1, k)


@lru_cache(maxsize=1024)
def _items(psi: float, delta: float, alpha: float, power: float, method: str) -> int:
    z_alpha, z_beta = _numbers.normal_critical(alpha), _numbers.normal_critical(1.0 - power)
    root_n = z_alpha * math.sqrt(psi) + z_beta * math.sqrt(max(0.0, psi - delta * delta))
    connor = max(1, math.ceil((max(0.0, root_n) / delta) ** 2))
    if method == "connor" or connor > ENUMERATED_ITEMS:
        return connor

    def enough(n: int) -> bool:
        return _power(n, psi, delta, alpha, "exact") >= power

    # Walk out from Connor's number in growing steps until the target is bracketed, then bisect.
    no, yes, step = 0, connor, max(1, connor // 64)
    if enough(connor):
        while yes - step > 0:
            if not enough(yes - step):
                no = yes - step
                break
            yes, step = yes - step, 2 * step
    else:
        no = connor
        while not enough(no + step):
            no, step = no + step, 2 * step
        yes = no + step
    while yes - no > 1:
        middle = (no + yes) // 2
        if enough(middle):
            yes = middle
        else:
            no = middle
    if psi > 0.6 and yes <= 2000:
        # Critical values are whole numbers. Where nearly all items are discordant their steps do
        # not average out over m: power is a saw-tooth in n, and a smaller n may do as well.
        tooth = 1.2 / math.sqrt(yes * psi)
        for n in range(no, 0, -1):
            chance = _power(n, psi, delta, alpha, "exact")
            if chance >= power:
                yes = n
            elif chance < power - tooth:
                break
    return yes


@lru_cache(maxsize=1024)
def _smallest_drop(n: int, psi: float, alpha: float, power: float, method: str) -> float | None:
    def excess(delta: float) -> float:
        return _power(n, psi, delta, alpha, method) - power

    if psi == 0.0 or excess(psi) < 0.0:
        return None
    if excess(0.0) >= 0.0:
        # Asked for less power than the test has by chance alone.
        return 0.0
    return _numbers.root(excess, 0.0, psi, 1e-13)
