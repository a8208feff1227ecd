import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_gptoss import stats


def feed(gate, losses_and_wins):
    """Feed +1 for a loss, -1 for a win and 0 for agreement, until there is a verdict."""
    for value in losses_and_wins:
        if gate.update(value >= 0, value <= 0) is not None:
            break
    return gate


def draw(rng, n, discordance, drop):
    p = [(discordance + drop) / 2, (discordance - drop) / 2, 1 - discordance]
    return rng.choice([1, -1, 0], p=p, size=n)


@pytest.mark.parametrize(("n", "margin", "items"), [(1319, 0.03, 214), (14042, 0.01, 650)])
def test_identical_answers_pass_early(n, margin, items):
    gate = feed(stats.SequentialGate(n, margin=margin), [0] * n)
    assert (gate.verdict, gate.items_used) == ("within-margin", items)


def test_every_item_lost():
    gate = feed(stats.SequentialGate(1319, margin=0.03), [1] * 1319)
    assert gate.verdict == "regressed"
    # Fewer cannot do: the chance of ten losses in a row is larger than what may be spent so early.
    assert 10 < gate.items_used < 20


def test_every_item_won():
    gate = feed(stats.SequentialGate(1319, margin=0.03), [-1] * 1319)
    assert gate.verdict in ("improved", "within-margin")
    assert gate.items_used < 20


def test_many_wins_are_an_improvement():
    rng = np.random.default_rng(3)
    gate = feed(stats.SequentialGate(1319, margin=0.001), draw(rng, 1319, 0.1, -0.05))
    assert gate.verdict == "improved"
    assert gate.sentence.startswith("Improved after")


def test_too_few_items_are_inconclusive():
    gate = feed(stats.SequentialGate(30, margin=0.02), [0] * 29 + [1])
    assert (gate.verdict, gate.items_used) == ("inconclusive", 30)
    assert "after all 30 items, which is no pass" in gate.sentence
    assert "needs about" in gate.sentence


def test_one_item():
    gate = stats.SequentialGate(1, margin=0.02)
    assert gate.update(True, False) == "inconclusive"
    assert gate.items_used == 1


def test_before_the_first_item():
    gate = stats.SequentialGate(100, margin=0.02)
    assert gate.verdict is None
    assert (gate.items_used, gate.low, gate.high) == (0, -1.0, 1.0)
    assert math.isnan(gate.drop)
    assert gate.sentence == "Undecided: none of 100 items seen."


def test_what_it_says_on_the_way():
    gate = stats.SequentialGate(100, margin=0.02)
    assert gate.update(True, False) is None
    assert gate.update(True, True) is None
    assert (gate.items_used, gate.b, gate.c, gate.drop) == (2, 1, 0, 0.5)
    assert (gate.n, gate.margin, gate.alpha) == (100, 0.02, 0.05)
    assert gate.sentence.startswith("Undecided after 2 of 100 items: a drop of 50 points")


def test_after_the_verdict_nothing_changes():
    gate = feed(stats.SequentialGate(200, margin=0.03), [1] * 20)
    before = (gate.verdict, gate.items_used, gate.b, gate.low, gate.high, gate.sentence)
    for _ in range(200 - gate.items_used):
        assert gate.update(False, True) == "regressed"
    assert before == (gate.verdict, gate.items_used, gate.b, gate.low, gate.high, gate.sentence)
    with pytest.raises(ValueError, match="n = 200"):
        gate.update(True, True)


def test_sentences_carry_the_guarantee():
    regressed = feed(stats.SequentialGate(1319, margin=0.03), [1] * 1319).sentence
    assert "no worse than the baseline on the population" in regressed
    assert "at most 5 of 100 runs, although it looked after every item" in regressed
    assert "do not keep the run as a baseline" in regressed
    passed = feed(stats.SequentialGate(1319, margin=0.03, alpha=0.01), [0] * 1319).sentence
    assert "If the candidate is 3 points worse or more" in passed
    assert "at most 1 of 100 runs" in passed


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([1, -1, 0]), min_size=1, max_size=120), st.floats(0.0, 0.5))
def test_any_sequence_ends_in_a_verdict(sequence, margin):
    gate = feed(stats.SequentialGate(len(sequence), margin=margin), sequence)
    assert gate.verdict in ("improved", "within-margin", "regressed", "inconclusive")
    assert gate.items_used == gate.b + gate.c + sequence[: gate.items_used].count(0)
    assert -1.0 <= gate.low <= gate.drop <= gate.high <= 1.0
    assert gate.sentence.endswith(".")
    if gate.verdict == "inconclusive":
        assert gate.items_used == len(sequence)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_interval_depends_on_the_counts_alone(seed):
    rng = np.random.default_rng(seed)
    sequence = draw(rng, 60, 0.2, 0.0)
    one, other = stats.SequentialGate(500, margin=0.0), stats.SequentialGate(500, margin=0.0)
    feed(one, sequence)
    feed(other, rng.permutation(sequence))
    if one.items_used == other.items_used == 60:
        assert (one.low, one.high) == (other.low, other.high)


def shares(n, margin, discordance, drop, runs):
    rng = np.random.default_rng(n + runs)
    gates = [
        feed(stats.SequentialGate(n, margin=margin), draw(rng, n, discordance, drop))
        for _ in range(runs)
    ]
    verdicts = [gate.verdict for gate in gates]
    median = float(np.median([gate.items_used for gate in gates]))
    return {name: verdicts.count(name) / runs for name in set(verdicts)}, median


def test_false_alarms_are_rare():
    share, _ = shares(400, 0.05, 0.1, 0.0, 400)
    assert share.get("regressed", 0.0) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


def test_false_passes_are_rare():
    share, _ = shares(400, 0.05, 0.1, 0.05, 400)
    passed = share.get("within-margin", 0.0) + share.get("improved", 0.0)
    assert passed <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


def test_a_large_drop_is_caught_early():
    # 20,000 simulated runs elsewhere: 100 % regressed, median 98 items.
    share, median = shares(1319, 0.03, 0.1, 0.1, 150)
    assert share["regressed"] == 1.0
    assert 85 <= median <= 115


def test_an_unchanged_model_saves_items():
    # 10,000 simulated runs elsewhere: 3.0 % regressed, the rest passed, median 527 items.
    share, median = shares(1319, 0.03, 0.05, 0.0, 150)
    assert share.get("regressed", 0.0) < 0.08
    assert 395 <= median <= 660


@pytest.mark.parametrize("discordance", [0.1, 1.0])
def test_a_long_run_is_quick(discordance):
    rng = np.random.default_rng(1)
    sequence = draw(rng, 14042, discordance, 0.0).tolist()
    gate = stats.SequentialGate(14042, margin=0.0, alpha=1e-6)
    started = time.process_time()
    feed(gate, sequence)
    assert time.process_time() - started < 4.0
    assert gate.items_used == 14042


def test_numpy_answers_are_taken():
    gate = stats.SequentialGate(np.int64(10), margin=0.02)
    gate.update(np.True_, np.False_)
    gate.update(1, 0)
    assert (gate.b, gate.c) == (2, 0)


@pytest.mark.parametrize("value", [None, 0.5, math.nan, "yes", 2])
def test_answers_are_true_or_false(value):
    gate = stats.SequentialGate(10, margin=0.02)
    with pytest.raises(ValueError, match="baseline_correct"):
        gate.update(value, True)
    with pytest.raises(ValueError, match="candidate_correct"):
        gate.update(True, value)
    assert gate.items_used == 0


@pytest.mark.parametrize("n", [0, -1, 2.5, math.nan, None, True])
def test_the_number_of_items_is_a_count(n):
    with pytest.raises(ValueError, match=r"^n "):
        stats.SequentialGate(n, margin=0.02)
