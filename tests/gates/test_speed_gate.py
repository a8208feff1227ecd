"""The decision about speed, memory and energy: like with like, on rounds, with its cause."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_gptoss.gates.speed import (
    FIGURES,
    LoadSpeed,
    Speed,
    differences,
    judge_load,
    load_speed,
    split_facts,
    with_noise,
)
from pytest_gptoss.gates.speed_wording import speed_block
from pytest_gptoss.load import Load
from pytest_gptoss.run.loads import Round

STEADY = (100.0, 101.0, 99.0, 100.0, 102.0, 98.0)
LOAD = Load(prompt_tokens=64, output_tokens=16, concurrency=8)
NAME = LOAD.name


def times(factor: float, rounds: tuple[float, ...] = STEADY) -> list[float]:
    return [factor * value for value in rounds]


def speed(
    rounds: dict[str, list[float]] | None = None, *, lengths: float = 16.0, **changes: Any
) -> Speed:
    """What a session measured: each figure steady, but for those that are given."""
    found = {name: times(1) for name in FIGURES} | (rounds or {})
    whole = Speed(
        model="tiny",
        origin="baselines/tiny/throughput.json",
        date="2026-11-22T12:00:00+00:00",
        hardware={"cpu": "a CPU", "cpus": 2, "gpus": ["H200"]},
        engine={"engine": "vllm", "max_num_seqs": 256},
        software={"version": "0.32.0"},
        loads={NAME: LoadSpeed(LOAD.describe(), found, {}, [lengths] * 6)},
    )
    return replace(whole, **changes)


def judged(figure: str, before: Speed, after: Speed, **settings: float) -> dict[str, Any]:
    chosen = {"margin": 0.05, "alpha": 0.05} | settings
    return judge_load(before, after, NAME, figure, **chosen)


@pytest.mark.parametrize(
    ("figure", "factor", "verdict"),
    [
        ("throughput", 0.8, "regressed"),
        ("throughput", 1.2, "improved"),
        ("throughput", 0.99, "within-margin"),
        ("throughput", 0.95, "inconclusive"),
        ("latency", 1.2, "regressed"),
        ("latency", 0.8, "improved"),
        ("latency", 1.01, "within-margin"),
        ("memory", 1.2, "regressed"),
        ("memory", 0.8, "improved"),
        ("energy", 1.2, "regressed"),
        ("energy", 0.8, "improved"),
    ],
)
def test_each_figure_has_a_better_side(figure: str, factor: float, verdict: str) -> None:
    gate = judged(figure, speed(), speed({figure: times(factor)}))
    assert gate["verdict"] == verdict
    assert gate["ratio"] == pytest.approx(factor)
    assert gate["interval"][0] <= gate["loss"] <= gate["interval"][1]
    assert gate["noise"] == [pytest.approx(0.01414, abs=1e-5)] * 2
    assert gate["rounds"] == [6, 6]


def test_the_other_figures_do_not_matter() -> None:
    gate = judged("latency", speed(), speed({"throughput": times(0.1), "memory": times(9)}))
    assert gate["verdict"] == "within-margin"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"hardware": {"cpu": "another", "cpus": 2, "gpus": []}}, "hardware cpu a CPU → another"),
        ({"engine": {"engine": "vllm", "max_num_seqs": 8}}, "engine max_num_seqs 256 → 8"),
        ({"engine": {"engine": "embedded"}}, "engine vllm → embedded"),
    ],
)
def test_other_hardware_and_other_settings_are_not_compared(
    changes: dict[str, Any], why: str
) -> None:
    gate = judged("throughput", speed(), speed({"throughput": times(0.1)}, **changes))
    assert gate["verdict"] == "not comparable"
    assert why in gate["why"]
    assert gate["ratio"] is gate["interval"] is gate["loss"] is None
    assert gate["sentence"].startswith(f"Not comparable: {gate['why'][:10]}")


@pytest.mark.parametrize("change", [{"prompt_tokens": 65}, {"seed": 1}, {"requests": 9}])
def test_another_load_of_the_same_name_is_not_compared(change: dict[str, int]) -> None:
    other = LoadSpeed({**LOAD.describe(), **change}, {"throughput": times(1)})
    gate = judged("throughput", speed(), speed(loads={NAME: other}))
    assert gate["verdict"] == "not comparable"
    assert gate["why"].startswith(f"load {next(iter(change))} ")


def test_a_load_that_the_baseline_lacks_is_not_compared() -> None:
    gate = judged("throughput", speed(loads={}), speed())
    assert gate["why"] == "the baseline does not have this load"


@pytest.mark.parametrize("lacking", ["the baseline", "this run"])
def test_a_figure_that_one_side_could_not_measure_is_not_compared(lacking: str) -> None:
    unknown = LoadSpeed(LOAD.describe(), {}, {"energy": "no counters"})
    sides = [speed(), speed()]
    sides[lacking == "this run"] = speed(loads={NAME: unknown})
    gate = judged("energy", *sides)
    assert gate["why"] == f"{lacking} has no such figure: no counters"


def test_software_may_change_and_is_named() -> None:
    gate = judged("throughput", speed(), speed(software={"version": "0.33.0"}, model="other"))
    assert gate["verdict"] == "within-margin"
    assert speed_block(gate)[-1] == "changed: model tiny → other; version 0.32.0 → 0.33.0"


def test_four_rounds_are_never_enough() -> None:
    gate = judged("throughput", speed(), speed({"throughput": [10.0] * 4}))
    assert gate["verdict"] == "inconclusive"
    assert gate["interval"] is None
    assert "at least 5 on each side" in gate["sentence"]


def test_a_noisy_machine_shows_its_noise() -> None:
    noisy = [80.0, 120.0, 95.0, 70.0, 135.0]
    gate = judged("throughput", speed({"throughput": noisy}), speed({"throughput": noisy}))
    assert gate["verdict"] == "inconclusive"
    assert "no pass" in gate["sentence"]
    assert "rounds vary by 27.2 %; about 365 rounds would settle it" in gate["sentence"]


def test_memory_of_processes_is_judged_by_a_baseline_of_two_sessions_only() -> None:
    on_cpus = {"cpu": "a CPU", "cpus": 2, "gpus": []}
    before = speed(hardware=on_cpus)
    bigger = speed({"memory": times(1.5)}, hardware=on_cpus, date="2026-11-24T12:00:00+00:00")
    gate = judged("memory", before, bigger)
    assert gate["verdict"] == "inconclusive"
    assert "saved twice it knows by how much" in gate["sentence"]
    twice = with_noise(speed(hardware=on_cpus, date="2026-11-23T12:00:00+00:00"), before)
    assert judged("memory", twice, bigger)["verdict"] == "regressed"


def test_more_rounds_tell_no_more_of_memory() -> None:
    gate = judged("memory", speed(), speed({"memory": times(1.05)}))
    assert gate["verdict"] == "inconclusive"
    assert "more rounds would not settle it" in gate["sentence"]


def test_longer_answers_are_a_cause_beside_the_verdict() -> None:
    after = speed({"latency": times(1.4)}, lengths=37.6)
    gate = judged("latency", speed(), after)
    assert gate["verdict"] == "regressed"
    assert gate["completion_tokens"] == [16.0, pytest.approx(37.6)]
    assert gate["cause"] is not None
    assert gate["cause"] in speed_block(gate)
    assert gate["cause"].startswith("answers are longer: 16 → 37.6 tokens on average (+135 %)")
    assert judged("latency", speed(), speed())["cause"] is None


def busy(*, then: bool, now: bool, **rounds: list[float]) -> list[Speed]:
    """A baseline and a run, disturbed then or now."""
    sides = []
    for disturbed, found in ((then, {}), (now, rounds)):
        side = speed(found)
        load = side.loads[NAME]
        why = "other processes kept 1.0 of 2 CPUs busy" if disturbed else None
        sides.append(replace(side, loads={NAME: replace(load, disturbed=why)}))
    return sides


@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize(
    ("then", "now", "when"), [(True, False, "the baseline"), (False, True, "this run")]
)
def test_a_shift_while_others_were_busy_is_nobodys(
    factor: float, then: bool, now: bool, when: str
) -> None:
    gate = judged("throughput", *busy(then=then, now=now, throughput=times(factor)))
    assert gate["verdict"] == "inconclusive"
    assert gate["sentence"].endswith(
        "It cannot be told what it is due to: other processes kept 1.0 of 2 CPUs busy "
        f"during {when}."
    )


def test_no_loss_is_no_loss_even_while_others_were_busy() -> None:
    assert judged("throughput", *busy(then=True, now=True))["verdict"] == "within-margin"
    # Nobody else's memory is counted.
    bigger = busy(then=True, now=True, memory=times(2))
    assert judged("memory", *bigger)["verdict"] == "regressed"


def test_memory_is_compared_behind_the_same_loads_only() -> None:
    """What a process has allocated for one load it still has in the next."""
    behind = speed()
    behind = replace(behind, loads={NAME: replace(behind.loads[NAME], after=("in1-out1-c1",))})
    gate = judged("memory", speed(), behind)
    assert gate["verdict"] == "not comparable"
    assert "none in the baseline and are in1-out1-c1 now" in gate["why"]
    assert judged("latency", speed(), behind)["verdict"] == "within-margin"


# --- two sessions of one baseline -----------------------------------------------------------------


def test_a_second_session_under_the_same_settings_tells_how_far_two_lie_apart() -> None:
    second = speed({"latency": times(1.05)}, date="2026-11-23T12:00:00+00:00")
    known = with_noise(second, speed())
    assert known.loads[NAME].noise == {
        "throughput": 0.0,
        "latency": 0.05,
        "memory": 0.0,
        "energy": 0.0,
    }
    slow = speed({"latency": times(1.15)}, date="2026-11-24T12:00:00+00:00")
    assert judged("latency", second, slow)["verdict"] == "regressed"
    allowed = judged("latency", known, slow)
    assert allowed["verdict"] == "inconclusive"
    assert "two sessions of the baseline lie 5.0 % apart" in "\n".join(speed_block(allowed))


@pytest.mark.parametrize(
    "changes",
    [
        {"software": {"version": "0.33.0"}},
        {"hardware": {"cpu": "another"}},
        {"date": "2026-11-22T12:00:00+00:00"},
    ],
    ids=["other software", "other hardware", "the same session"],
)
def test_other_sessions_tell_nothing_about_noise(changes: dict[str, Any]) -> None:
    later = {"date": "2026-11-23T12:00:00+00:00"} | changes
    assert with_noise(speed(**later), speed()).loads[NAME].noise == {}


# --- from what was measured -----------------------------------------------------------------------


def window(**changes: Any) -> Round:
    figures: dict[str, Any] = {
        "output_tokens_per_s": 123.4567891,
        "latency_s": {"p99": 0.5},
        "peak_memory_bytes": 1000,
        "energy_per_output_token_j": None,
        "completion_length": {"mean": 16.0},
        "other_processes": [],
        "unknown": {"energy_per_output_token_j": "no counters"},
    }
    return Round(figures | changes, (64, 64), (16, 16))


def test_rounds_are_taken_over_with_the_reason_of_what_is_unknown() -> None:
    found = load_speed(LOAD, [window(), window(peak_memory_bytes=1001)])
    assert found.rounds == {
        "throughput": [123.457, 123.457],
        "latency": [0.5, 0.5],
        "memory": [1000, 1001],
    }
    assert found.unknown == {"energy": "no counters"}
    assert found.lengths == [16.0, 16.0]


def test_a_figure_that_one_round_lacks_is_unknown() -> None:
    lost = window(latency_s=None, unknown={"latency_s": "the clock stopped"})
    found = load_speed(LOAD, [window(), lost])
    assert found.unknown["latency"] == "the clock stopped"
    assert "latency" not in found.rounds


def test_what_else_kept_the_machine_busy_is_told() -> None:
    busy = [replace(window(), others_cpus=cpus) for cpus in (0.1, 0.5)]
    assert load_speed(LOAD, busy, cpus=2).disturbed == "other processes kept 0.3 of 2 CPUs busy"
    assert load_speed(LOAD, busy, cpus=4).disturbed is None
    assert load_speed(LOAD, busy).disturbed is None  # on GPUs, or elsewhere
    stranger = {"device": "gpu 0", "pid": 7, "name": "python", "memory_bytes": 1}
    there = load_speed(LOAD, [window(other_processes=[stranger]), window()])
    assert there.disturbed == "other processes were there: python (7) on gpu 0"


def test_versions_are_software_and_the_rest_are_settings() -> None:
    facts = {
        "engine": "vllm",
        "version": "0.32.0",
        "torch": None,
        "dtype": "bfloat16",
        "prompt_format": {"format": "harmony"},
        "quantization": None,
    }
    assert split_facts(facts) == (
        {"engine": "vllm", "dtype": "bfloat16"},
        {"version": "0.32.0"},
    )


# --- properties -----------------------------------------------------------------------------------

ROUNDS = st.lists(st.floats(50, 200), min_size=5, max_size=8)


@settings(max_examples=50, deadline=None)
@given(ROUNDS, st.floats(1, 1e6), st.sampled_from(list(FIGURES)))
def test_no_single_round_decides(rounds: list[float], wild: float, figure: str) -> None:
    """One round may be as slow, or as fast, as it likes."""
    after = [*rounds[:-1], wild]
    gate = judged(figure, speed({figure: rounds}), speed({figure: after}))
    assert gate["verdict"] in ("within-margin", "inconclusive")


@settings(max_examples=30, deadline=None)
@given(ROUNDS, st.sampled_from(list(FIGURES)))
def test_a_session_is_never_worse_than_itself(rounds: list[float], figure: str) -> None:
    same = speed({figure: rounds})
    assert judged(figure, same, same)["verdict"] in ("within-margin", "inconclusive")
    assert differences(same, same) == ([], [])
