"""Wrong arguments are refused, by name, by every function."""

import math
import subprocess
import sys

import numpy as np
import pytest

from pytest_gptoss import stats

NO_COUNTS = [-1, 1.5, math.nan, math.inf, "3", None, True, np.True_, np.float64(0.5)]
OUTSIDE = [-0.1, 1.1, math.nan, math.inf, "half", None]

COUNT_CALLS = {
    "b": [
        lambda x: stats.mcnemar(x, 3),
        lambda x: stats.odds_ratio(x, 3),
        lambda x: stats.cohens_g(x, 3),
        lambda x: stats.paired_difference(1, x, 1, 1),
        lambda x: stats.noninferiority(1, x, 1, 1, margin=0.02),
        lambda x: stats.gate(1, x, 1, 1),
    ],
    "c": [
        lambda x: stats.mcnemar(3, x),
        lambda x: stats.odds_ratio(3, x),
        lambda x: stats.cohens_g(3, x),
        lambda x: stats.paired_difference(1, 1, x, 1),
        lambda x: stats.gate(1, 1, x, 1),
    ],
    "a": [lambda x: stats.gate(x, 1, 1, 1), lambda x: stats.paired_difference(x, 1, 1, 1)],
    "d": [lambda x: stats.gate(1, 1, 1, x), lambda x: stats.paired_difference(1, 1, 1, x)],
    "successes": [lambda x: stats.proportion(x, 5)],
    "n": [
        lambda x: stats.proportion(0, x),
        lambda x: stats.paired_power(x, 0.1, 0.05),
        lambda x: stats.minimum_detectable_drop(x, 0.1),
    ],
}

SHARE_CALLS = {
    "discordance": [
        lambda x: stats.paired_power(100, x, 0.0),
        lambda x: stats.required_items(x, 0.02),
        lambda x: stats.minimum_detectable_drop(100, x),
    ],
    "margin": [
        lambda x: stats.noninferiority(1, 1, 1, 1, margin=x),
        lambda x: stats.gate(1, 1, 1, 1, margin=x),
        lambda x: stats.SequentialGate(9, margin=x),
    ],
}

# A drop may be negative (a gain), but no larger than the discordance either way.
DROP_CALLS = {
    "drop": [lambda x: stats.paired_power(100, 0.1, x), lambda x: stats.required_items(0.1, x)],
}

LEVEL_CALLS = {
    "confidence": [
        lambda x: stats.proportion(1, 5, confidence=x),
        lambda x: stats.odds_ratio(1, 5, confidence=x),
        lambda x: stats.paired_difference(1, 1, 1, 1, confidence=x),
        lambda x: stats.clustered_difference([1, 2], [1, 2], confidence=x),
        lambda x: stats.bootstrap_difference([1, 2], confidence=x),
    ],
    "alpha": [
        lambda x: stats.gate(1, 1, 1, 1, alpha=x),
        lambda x: stats.noninferiority(1, 1, 1, 1, margin=0.02, alpha=x),
        lambda x: stats.paired_power(100, 0.1, 0.05, alpha=x),
        lambda x: stats.required_items(0.1, 0.05, alpha=x),
        lambda x: stats.minimum_detectable_drop(100, 0.1, alpha=x),
        lambda x: stats.SequentialGate(9, margin=0.02, alpha=x),
    ],
    "power": [
        lambda x: stats.required_items(0.1, 0.05, power=x),
        lambda x: stats.minimum_detectable_drop(100, 0.1, power=x),
    ],
}

OPTION_CALLS = {
    "method": [
        lambda x: stats.mcnemar(1, 2, method=x),
        lambda x: stats.paired_difference(1, 1, 1, 1, method=x),
        lambda x: stats.proportion(1, 5, method=x),
        lambda x: stats.odds_ratio(1, 5, method=x),
        lambda x: stats.paired_power(100, 0.1, 0.05, method=x),
        lambda x: stats.required_items(0.1, 0.05, method=x),
        lambda x: stats.minimum_detectable_drop(100, 0.1, method=x),
    ],
    "alternative": [
        lambda x: stats.mcnemar(1, 2, alternative=x),
        lambda x: stats.sign_flip([1.0], alternative=x),
    ],
}


def cases(calls, values):
    return [
        pytest.param(call, name, value, id=f"{name}-{position}-{value!r}")
        for name, group in calls.items()
        for position, call in enumerate(group)
        for value in values
    ]


@pytest.mark.parametrize(
    ("call", "name", "value"),
    [
        *cases(COUNT_CALLS, NO_COUNTS),
        *cases(SHARE_CALLS, OUTSIDE),
        *cases(DROP_CALLS, [-0.2, *OUTSIDE[1:]]),
        *cases(LEVEL_CALLS, [*OUTSIDE, 0.0, 1.0]),
        *cases(OPTION_CALLS, ["corrected", "", None, ["exact"]]),
    ],
)
def test_the_message_names_the_argument(call, name, value):
    with pytest.raises(ValueError, match=rf"^{name} "):
        call(value)


@pytest.mark.parametrize(
    "call",
    [
        lambda: stats.paired_difference(0, 0, 0, 0),
        lambda: stats.noninferiority(0, 0, 0, 0, margin=0.02),
        lambda: stats.gate(0, 0, 0, 0),
        lambda: stats.proportion(0, 0),
        lambda: stats.paired_power(0, 0.1, 0.05),
        lambda: stats.minimum_detectable_drop(0, 0.1),
        lambda: stats.SequentialGate(0, margin=0.02),
    ],
    ids=range(7),
)
def test_no_items_at_all(call):
    with pytest.raises(ValueError, match=r"^n "):
        call()


def test_counts_of_every_integer_type():
    expected = stats.gate(100, 20, 7, 37)
    for integer in (np.int8, np.uint16, np.int64, float, np.float32, np.asarray):
        assert stats.gate(*(integer(value) for value in (100, 20, 7, 37))) == expected


def test_results_cannot_be_changed():
    result = stats.gate(100, 20, 7, 37)
    with pytest.raises(AttributeError):
        result.verdict = "improved"
    assert not hasattr(result, "__dict__")


def test_everything_public_has_a_docstring_and_is_listed():
    for name in stats.__all__:
        assert getattr(stats, name).__doc__ or name == "Verdict"
    assert stats.__all__ == sorted(stats.__all__)


def test_importing_the_package_does_not_import_scipy():
    code = (
        "import sys, pytest_gptoss.stats as s; assert 'scipy' not in sys.modules, 'at import';"
        "s.gate(900, 30, 20, 50); s.SequentialGate(99, margin=0.1).update(True, False);"
        "assert 'scipy.stats' not in sys.modules, 'at work'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
