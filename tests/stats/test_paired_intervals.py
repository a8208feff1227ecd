import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import optimize
from scipy import stats as scipy_stats

from pytest_gptoss import stats
from pytest_gptoss.stats.paired import METHODS, tango_statistic

CELLS = st.tuples(*[st.integers(0, 300)] * 4).filter(any)


def restricted_score(b: int, c: int, n: int, drop: float) -> float:
    """Tango's statistic with the likelihood maximised numerically instead of in closed form."""

    def loss(q: float) -> float:
        cells = ((b, q + drop), (c, q), (n - b - c, 1 - 2 * q - drop))
        return -sum(count * math.log(p) for count, p in cells if count)

    low, high = max(0.0, -drop), (1 - drop) / 2
    found = optimize.minimize_scalar(
        loss, bounds=(low + 1e-12, high - 1e-12), method="bounded", options={"xatol": 1e-13}
    )
    q = found.x
    return (b - c - n * drop) / math.sqrt(n * (2 * q + drop * (1 - drop)))


@pytest.mark.parametrize(("b", "c", "n"), [(12, 5, 164), (1, 7, 21), (40, 20, 160), (3, 3, 50)])
@pytest.mark.parametrize("drop", [-0.4, -0.05, 0.02, 0.1, 0.5])
def test_the_score_uses_the_restricted_likelihood(b, c, n, drop):
    expected = restricted_score(b, c, n, drop)
    assert tango_statistic(b, c, n, drop) == pytest.approx(expected, rel=1e-5)


def test_published_example():
    # Airway hyper-responsiveness before and after transplantation (Bentur et al. 2009), the worked
    # example of Fagerland, Lydersen and Laake (2014): 1, 1, 7, 12.
    tango = stats.paired_difference(1, 1, 7, 12)
    assert tango.drop == pytest.approx(-6 / 21)
    assert (tango.low, tango.high) == pytest.approx((-0.517, -0.026), abs=5e-4)
    newcombe = stats.paired_difference(1, 1, 7, 12, method="newcombe")
    assert (newcombe.low, newcombe.high) == pytest.approx((-0.507, -0.026), abs=5e-4)
    price = stats.paired_difference(1, 1, 7, 12, method="bonett-price")
    assert (price.low, price.high) == pytest.approx((-0.508, -0.013), abs=5e-4)


@given(CELLS, st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_tango_limits_are_where_the_score_reaches_z(cells, confidence):
    a, b, c, d = cells
    n = sum(cells)
    z = scipy_stats.norm.isf((1 - confidence) / 2)
    result = stats.paired_difference(a, b, c, d, confidence=confidence)
    if result.high < 1.0:
        assert tango_statistic(b, c, n, result.high) == pytest.approx(-z, abs=1e-6)
    if result.low > -1.0:
        assert tango_statistic(b, c, n, result.low) == pytest.approx(z, abs=1e-6)


@given(CELLS)
def test_tango_agrees_with_uncorrected_mcnemar_at_zero(cells):
    _, b, c, _ = cells
    p_value = stats.mcnemar(b, c, method="asymptotic").p_value
    assume(abs(p_value - 0.05) > 1e-9)
    result = stats.paired_difference(*cells)
    assert (p_value < 0.05) == (not result.low <= 0.0 <= result.high)


@given(CELLS, st.floats(0.0, 0.9), st.sampled_from([0.005, 0.05, 0.2]))
def test_verdict_and_limit_of_noninferiority_agree(cells, margin, alpha):
    result = stats.noninferiority(*cells, margin=margin, alpha=alpha)
    two_sided = stats.paired_difference(*cells, confidence=1 - 2 * alpha)
    assert result.upper == pytest.approx(two_sided.high, abs=1e-12)
    assume(abs(result.upper - margin) > 1e-9)
    assert result.noninferior == (result.upper < margin)
    assert result.noninferior == (result.p_value <= alpha)


@given(CELLS, st.sampled_from(METHODS), st.sampled_from([0.8, 0.95, 0.99]))
def test_limits_enclose_the_drop_and_stay_in_range(cells, method, confidence):
    result = stats.paired_difference(*cells, method=method, confidence=confidence)
    assert -1.0 <= result.low <= result.high <= 1.0
    assert result.drop == (cells[1] - cells[2]) / sum(cells)
    assert result.n == sum(cells)
    if method == "tango":
        assert result.low <= result.drop <= result.high


@given(CELLS, st.sampled_from(METHODS))
def test_exchanging_the_models_turns_the_interval_round(cells, method):
    a, b, c, d = cells
    one = stats.paired_difference(a, b, c, d, method=method)
    other = stats.paired_difference(a, c, b, d, method=method)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-12)


@given(CELLS, st.sampled_from(METHODS))
def test_more_confidence_is_a_wider_interval(cells, method):
    narrow = stats.paired_difference(*cells, method=method, confidence=0.8)
    wide = stats.paired_difference(*cells, method=method, confidence=0.99)
    assert wide.low <= narrow.low + 1e-12
    assert wide.high >= narrow.high - 1e-12


@pytest.mark.parametrize("n", [1, 10, 164, 14042, 10**12])
def test_identical_answers_leave_room_for_a_drop(n):
    # The Wald interval is [0, 0] here.
    z = scipy_stats.norm.isf(0.025)
    result = stats.paired_difference(n, 0, 0, 0)
    assert result.high == pytest.approx(z * z / (n + z * z), rel=1e-12)
    assert result.low == -result.high


def test_identical_answers_on_88_items_rule_out_three_points():
    assert stats.noninferiority(88, 0, 0, 0, margin=0.03).noninferior
    assert not stats.noninferiority(87, 0, 0, 0, margin=0.03).noninferior


@pytest.mark.parametrize("method", METHODS)
def test_every_item_lost(method):
    result = stats.paired_difference(0, 30, 0, 0, method=method)
    assert result.drop == 1.0
    assert result.high == pytest.approx(1.0, abs=0.02)
    assert 0.75 < result.low < 1.0
    assert stats.paired_difference(0, 0, 30, 0, method=method).low == pytest.approx(-1.0, abs=0.02)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cells", [(1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)])
def test_one_item(method, cells):
    result = stats.paired_difference(*cells, method=method)
    assert -1.0 <= result.low < result.high <= 1.0
    assert result.high - result.low > 0.7


def newcombe_by_definition(a: int, b: int, c: int, d: int) -> tuple[float, float]:
    """Method 10 written out with fractions of margins, Wilson limits from scipy."""
    n = a + b + c + d
    limits = []
    for right in (a + b, a + c):
        wilson = scipy_stats.binomtest(right, n).proportion_ci(method="wilson")
        limits.append((right / n, wilson.low, wilson.high))
    (p1, l1, u1), (p2, l2, u2) = limits
    margins = (a + b) / n * ((c + d) / n) * ((a + c) / n) * ((b + d) / n)
    excess = a * d - b * c
    corrected = max(excess - n / 2, 0) if excess > 0 else excess
    phi = corrected / n / n / math.sqrt(margins) if margins else 0.0
    low = (p1 - p2) - math.sqrt((p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2)
    high = (p1 - p2) + math.sqrt((u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2)
    return low, high


@given(CELLS)
def test_newcombe_by_its_definition(cells):
    result = stats.paired_difference(*cells, method="newcombe")
    assert (result.low, result.high) == pytest.approx(newcombe_by_definition(*cells), abs=1e-7)


@pytest.mark.parametrize("scale", [1, 10**3, 10**6, 10**12])
@pytest.mark.parametrize("integer", [int, np.int64])
def test_the_product_of_margins_does_not_overflow(scale, integer):
    # 32-bit products overflow at a few hundred items, 64-bit ones from about 100,000.
    cells = [integer(value * scale) for value in (700, 120, 50, 130)]
    result = stats.paired_difference(*cells, method="newcombe")
    small = stats.paired_difference(700, 120, 50, 130, method="newcombe")
    # The half-width shrinks with the square root of the size; the correlation hardly moves.
    ratio = (small.high - small.low) / (result.high - result.low)
    assert ratio == pytest.approx(math.sqrt(scale), rel=0.03)


def test_bonett_price_adds_a_loss_and_a_win():
    z = scipy_stats.norm.isf(0.025)
    p, q, n = 13 / 166, 6 / 166, 166
    half = z * math.sqrt((p + q - (p - q) ** 2) / n)
    result = stats.paired_difference(130, 12, 5, 17, method="bonett-price")
    assert (result.low, result.high) == pytest.approx((p - q - half, p - q + half), rel=1e-12)


def false_pass_rate(n: int, margin: float, discordance: float) -> float:
    """Exact chance to pass a candidate that is just ``margin`` worse."""
    p_loss, p_win = (discordance + margin) / 2, (discordance - margin) / 2
    m = np.arange(n + 1)
    total = 0.0
    for number, weight in zip(m, scipy_stats.binom.pmf(m, n, discordance), strict=True):
        if weight < 1e-9:
            continue
        losses = np.arange(number + 1)
        z = [tango_statistic(int(b), int(number - b), n, margin) for b in losses]
        passing = losses[np.array(z) <= -scipy_stats.norm.isf(0.05)]
        share = scipy_stats.binom.pmf(passing, number, p_loss / (p_loss + p_win)).sum()
        total += weight * share
    return total


@pytest.mark.parametrize(
    ("n", "margin", "discordance"),
    [(164, 0.05, 0.05), (164, 0.05, 0.1), (500, 0.02, 0.05), (500, 0.03, 0.03)],
)
def test_noninferiority_keeps_its_error_rate(n, margin, discordance):
    assert false_pass_rate(n, margin, discordance) <= 0.055


@pytest.mark.parametrize("margin", [0.0, 1.0])
def test_margins_at_the_ends(margin):
    result = stats.noninferiority(90, 3, 4, 3, margin=margin)
    assert result.noninferior == (margin == 1.0)
    assert 0.0 <= result.p_value <= 1.0


def test_a_level_beyond_one_half_puts_the_limit_below_the_drop():
    result = stats.noninferiority(90, 6, 2, 2, margin=0.03, alpha=0.9)
    mirrored = stats.paired_difference(90, 6, 2, 2, confidence=0.8)
    assert result.upper == pytest.approx(mirrored.low, abs=1e-9)
