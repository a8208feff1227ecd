import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_gptoss import stats
from pytest_gptoss.stats.gate import decide

CELLS = st.tuples(*[st.integers(0, 200)] * 4).filter(any)

CASES = [
    ((1200, 0, 0, 119), "within-margin"),
    ((150, 3, 3, 8), "inconclusive"),
    ((1000, 60, 25, 234), "regressed"),
    ((900, 20, 60, 339), "improved"),
    ((9000, 500, 440, 4102), "within-margin"),
    ((60, 0, 0, 10), "inconclusive"),
    ((0, 0, 0, 1), "inconclusive"),
    ((0, 5, 0, 0), "regressed"),
    ((0, 0, 5, 0), "improved"),
]


@pytest.mark.parametrize(("cells", "verdict"), CASES)
def test_verdicts(cells, verdict):
    result = stats.gate(*cells)
    assert result.verdict == verdict
    _, b, c, _ = cells
    n = sum(cells)
    assert (result.n, result.b, result.c, result.drop) == (n, b, c, (b - c) / n)
    assert decide(b, c, n, margin=0.02, alpha=0.05) == verdict


@settings(max_examples=50, deadline=None)
@given(CELLS, st.sampled_from([0.0, 0.01, 0.02, 0.1, 0.5]), st.sampled_from([0.01, 0.05, 0.2]))
def test_the_verdict_follows_from_its_parts(cells, margin, alpha):
    result = stats.gate(*cells, margin=margin, alpha=alpha)
    _, b, c, _ = cells
    ruled_out = stats.noninferiority(*cells, margin=margin, alpha=alpha)
    regression = stats.mcnemar(b, c, alternative="regression")
    improvement = stats.mcnemar(b, c, alternative="improvement")
    if ruled_out.noninferior:
        expected = "improved" if improvement.p_value <= alpha else "within-margin"
    else:
        expected = "regressed" if regression.p_value <= alpha else "inconclusive"
    assert result.verdict == expected
    assert result.p_value == regression.p_value
    interval = stats.paired_difference(*cells, confidence=1 - 2 * alpha)
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high), abs=1e-12)
    assert result.minimum_detectable_drop == stats.minimum_detectable_drop(
        sum(cells), (b + c) / sum(cells), alpha=alpha
    )
    assert result.sentence.startswith(result.verdict[:6].capitalize())


@settings(max_examples=50, deadline=None)
@given(CELLS, st.sampled_from([0.005, 0.02, 0.1]))
def test_an_inconclusive_run_needs_more_items(cells, margin):
    result = stats.gate(*cells, margin=margin)
    if result.verdict == "inconclusive":
        assert result.items_needed > result.n
        assert "no pass" in result.sentence
        assert f"{result.items_needed:,}" in result.sentence
    else:
        assert result.items_needed >= 1


def test_the_items_needed_are_those_that_find_the_margin():
    result = stats.gate(140, 9, 8, 7, margin=0.02)
    assert result.verdict == "inconclusive"
    assert result.items_needed == stats.required_items(17 / 164, 0.02)


def test_identical_answers_on_few_items():
    result = stats.gate(50, 0, 0, 20, margin=0.03)
    assert result.verdict == "inconclusive"
    assert result.minimum_detectable_drop is None
    assert result.items_needed == 88
    assert stats.gate(68, 0, 0, 20, margin=0.03).verdict == "within-margin"


def test_an_unlucky_run_of_enough_items():
    # 2,000 items are enough for 2 points, but 1 point lost leaves both questions open.
    result = stats.gate(1600, 87, 67, 246, margin=0.02)
    assert result.verdict == "inconclusive"
    assert result.minimum_detectable_drop < 0.02
    assert result.items_needed > 2000
    assert "If the rates stay as they are" in result.sentence


def test_no_margin_asks_for_a_gain():
    assert stats.gate(900, 20, 60, 20, margin=0.0).verdict == "improved"
    nothing = stats.gate(90, 5, 5, 0, margin=0.0)
    assert nothing.verdict == "inconclusive"
    assert nothing.items_needed is None
    assert "no number of items" in nothing.sentence


def test_sentences_tell_the_whole_story():
    assert stats.gate(1000, 60, 25, 234).sentence == (
        "Regressed: a drop of 2.65 points (90 % interval of the drop 1.53 to 3.84; 60 lost and 25 "
        "won of 1,319 items), more losses than chance explains (p = 6.5e-05). A candidate no worse "
        "than the baseline gets this verdict in about 5 of 100 runs at most."
    )
    assert stats.gate(900, 20, 60, 339, margin=0.01, alpha=0.005).sentence == (
        "Improved: a gain of 3.03 points (99 % interval of the gain 1.34 to 4.91; 20 lost and 60 "
        "won of 1,319 items), more wins than chance explains. A drop of 1 point or more is ruled "
        "out: a candidate that much worse passes in about 5 of 1,000 runs at most."
    )
    assert "small but real drop" in stats.gate(9000, 500, 440, 4102).sentence
    assert "As only 1 of 70 items differs" in stats.gate(60, 1, 0, 9).sentence
    assert "no change in accuracy" in stats.gate(60, 2, 2, 9).sentence


@settings(max_examples=50, deadline=None)
@given(CELLS)
def test_sentences_read_well(cells):
    sentence = stats.gate(*cells).sentence
    assert sentence.endswith(".")
    for wrong in ("nan", "inf ", "None", "-0 ", "  ", ".."):
        assert wrong not in sentence


def rates(n, discordance, drop, margin):
    """Exact chance of each verdict."""
    rng = np.random.default_rng(n)
    p = [(discordance + drop) / 2, (discordance - drop) / 2, 1 - discordance]
    tables, counts = np.unique(rng.multinomial(n, p, size=4000)[:, :2], axis=0, return_counts=True)
    share = dict.fromkeys(("improved", "within-margin", "regressed", "inconclusive"), 0.0)
    for (b, c), count in zip(tables.tolist(), counts, strict=True):
        share[decide(b, c, n, margin=margin, alpha=0.05)] += count / 4000
    return share


@pytest.mark.parametrize("discordance", [0.02, 0.05, 0.1, 0.15])
@pytest.mark.parametrize("n", [164, 1319])
def test_the_gate_keeps_its_error_rates(n, discordance):
    tolerance = 3 * math.sqrt(0.05 * 0.95 / 4000)
    assert rates(n, discordance, 0.0, 0.03)["regressed"] <= 0.05 + tolerance
    worse = rates(n, discordance, min(0.03, discordance), 0.03)
    if discordance >= 0.03:
        assert worse["within-margin"] + worse["improved"] <= 0.055 + tolerance


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("margin", -0.01),
        ("margin", 1.0),
        ("margin", 2),
        ("margin", math.nan),
        ("alpha", 0.0),
        ("alpha", 1.0),
        ("alpha", math.nan),
    ],
)
def test_arguments_are_named(argument, value):
    with pytest.raises(ValueError, match=argument):
        stats.gate(10, 1, 1, 1, **{argument: value})
    with pytest.raises(ValueError, match=argument):
        stats.SequentialGate(100, **{"margin": 0.02, argument: value})
