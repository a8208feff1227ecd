"""Loads in real sessions against a server: what is measured, saved, gated and refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from speed_story import LOAD, NAME, SpeedStory
from stories import QUIET, said

from pytest_gptoss.gates import speed_file

GATE = f"test_loads.py::test_load[[]served-{NAME}-"


@pytest.fixture
def story(pytester: pytest.Pytester) -> Iterator[SpeedStory]:
    story = SpeedStory(pytester)
    with story.server:
        yield story


def scaled(factor: float) -> object:
    """Another number in every round of the throughput; what else there is stays."""
    return lambda figure, rounds: (
        [factor * value for value in rounds] if figure == "throughput" else rounds
    )


# --- what is measured -----------------------------------------------------------------------------


def test_a_load_has_exactly_the_tokens_that_it_says(story: SpeedStory) -> None:
    story.run().assert_outcomes(passed=1)
    asked = [body for body in story.server.bodies if body["max_tokens"] == 8]
    assert len(asked) == 6 * 4  # a warm-up and five rounds
    assert all(body["ignore_eos"] and body["min_tokens"] == 8 for body in asked)
    texts = [body["messages"][-1]["content"] for body in asked]
    assert {len(text.split()) for text in texts} == {40 - 7}
    assert len(set(texts)) == len(texts), "a prefix cache would answer prompts that come again"
    (model,) = story.summary()["throughput"]
    assert model["engine"]["server"] == "vllm"
    assert model["hardware"]["cpus"] >= 1
    (load,) = model["loads"]
    assert load["name"] == NAME
    assert load["completion_tokens"] == [8.0] * 5
    assert load["notes"] == []
    assert {figure: len(rounds) for figure, rounds in load["rounds"].items()} == {
        "throughput": 5,
        "latency": 5,
    }
    assert "in a server" in load["unknown"]["energy"]
    assert load["figures"]["in_flight"]["max"] == 4


def test_the_screen_says_it_in_one_line(story: SpeedStory) -> None:
    result = story.run()
    result.stdout.re_match_lines([rf"  {NAME} +5 +[\d,]+ +[\d.]+ % .* –$"])
    result.stdout.fnmatch_lines(["  energy is not known: the model runs in a server*"])


def test_the_rounds_are_as_many_as_pytest_benchmark_is_told(story: SpeedStory) -> None:
    story.run("--benchmark-min-rounds", "2").assert_outcomes(passed=1)
    (load,) = story.summary()["throughput"][0]["loads"]
    assert len(load["rounds"]["latency"]) == 2


def test_arrivals_at_a_rate_are_spread_over_time(story: SpeedStory) -> None:
    story.suite("Load(prompt_tokens=40, output_tokens=8, rate=100, requests=12)")
    story.run("--benchmark-min-rounds", "1").assert_outcomes(passed=1)
    (load,) = story.summary()["throughput"][0]["loads"]
    assert load["name"] == "in40-out8-poisson100"
    # Eleven gaps of 10 ms on average; in a burst all of them would be gone in an instant.
    assert load["figures"]["window_s"] > 0.04


def test_a_server_that_ends_answers_as_it_likes_is_told_apart(
    pytester: pytest.Pytester,
) -> None:
    story = SpeedStory(pytester, owner="somebody")
    with story.server:
        result = story.run()
    result.assert_outcomes(passed=1)
    (load,) = story.summary()["throughput"][0]["loads"]
    assert load["notes"] == [
        "answers have 3 to 3 tokens and not 8; the engine cannot be told to go on to the cap"
    ]
    assert "note: answers have 3 to 3 tokens" in said(result)


def test_what_was_measured_is_in_the_file_of_pytest_benchmark(story: SpeedStory) -> None:
    story.run("--benchmark-json", "first.json").assert_outcomes(passed=1)
    saved = json.loads((story.path / "first.json").read_text())
    (bench,) = saved["benchmarks"]
    info = bench["extra_info"]
    assert bench["params"] == {"model": "served", "load": NAME}
    assert info["load"]["prompt_tokens"] == 40
    assert info["output_tokens_per_s"] > 0
    assert info["telemetry"]["latency_s"]["p99"] > 0
    assert info["telemetry"]["unknown"]["energy_j"]
    story.run("--benchmark-json", "second.json", "--gptoss-run", "second")
    compared = story.pytester.run(
        *(sys.executable, "-m", "pytest_benchmark", "compare", "first.json", "second.json")
    )
    assert compared.ret == 0
    assert f"test_load[served-{NAME}]" in compared.stdout.str()


# --- what is left out -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("load", "why"),
    [
        (
            "Load(prompt_tokens=90, output_tokens=11, concurrency=1)",
            "needs a context of 101*has 100",
        ),
        ("Load(prompt_tokens=40, output_tokens=8, concurrency=65)", "needs 65*engine takes 64"),
        ("Load(prompt_tokens=8, output_tokens=8, concurrency=1)", "format alone takes 8"),
        (LOAD[:-1] + ", scale='small')", "a small load, for models on CPUs"),
    ],
    ids=["context", "concurrency", "prompt format", "scale"],
)
def test_what_does_not_fit_is_skipped_with_the_reason(
    story: SpeedStory, load: str, why: str
) -> None:
    story.suite(load)
    result = story.run("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines([f"SKIPPED*{why}*"])


def test_without_a_model_it_is_skipped_with_a_sentence(story: SpeedStory) -> None:
    result = story.pytester.runpytest(*QUIET, "-rs", "test_loads.py")
    result.assert_outcomes(skipped=1)
    assert "no model was named: pass --model NAME" in said(result)


def test_without_pytest_benchmark_it_is_skipped_with_a_sentence(story: SpeedStory) -> None:
    result = story.pytester.runpytest(
        *(*QUIET, "-rs", "test_loads.py"),
        *("--model", "served", "--gptoss-endpoint", story.server.url),
    )
    result.assert_outcomes(skipped=1)
    assert "pip install 'pytest-gptoss[bench]'" in said(result)
    assert story.server.asked == []


def test_benchmark_disable_asks_once_and_measures_nothing(story: SpeedStory) -> None:
    result = story.run("--benchmark-disable", "--gptoss-save-baseline")
    result.assert_outcomes(passed=1)
    assert len([b for b in story.server.bodies if b["max_tokens"] == 8]) == 4
    assert story.summary()["throughput"] == []
    assert not story.file.exists()


def test_a_request_without_an_answer_fails_the_load_and_saves_nothing(story: SpeedStory) -> None:
    story.have_baseline(lambda _, rounds: rounds)
    before = story.file.read_bytes()
    story.fails = True
    result = story.run("--gptoss-save-baseline")
    result.assert_outcomes(failed=1, skipped=2)
    assert "no room" in said(result)
    assert story.file.read_bytes() == before


def test_an_engine_that_cannot_run_ends_the_session_in_a_sentence(story: SpeedStory) -> None:
    story.server.stop()
    result = story.run()
    assert result.ret == 4
    assert "Traceback" not in said(result)
    assert "127.0.0.1" in said(result)


# --- gates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "verdict", "failed"),
    [(1000.0, "regressed", 1), (0.001, "improved", 0)],
)
def test_a_baseline_gives_each_figure_a_gate_of_its_own(
    story: SpeedStory, factor: float, verdict: str, failed: int
) -> None:
    story.have_baseline(scaled(factor))  # type: ignore[arg-type]
    result = story.run("-v", "-k", "not latency")
    result.assert_outcomes(passed=2 - failed, failed=failed)
    outcome = "FAILED" if failed else "PASSED"
    result.stdout.fnmatch_lines([f"{GATE}throughput-gate] {outcome}*"])
    gate = story.gate("throughput")
    assert gate["verdict"] == verdict
    assert gate["baseline"] == "baselines/served/throughput.json"
    assert gate["interval"][0] <= gate["loss"] <= gate["interval"][1]
    assert (gate["sentence"] in said(result)) is True
    assert result.ret == failed


def test_a_noisy_machine_is_inconclusive_and_fails_only_where_that_is_strict(
    story: SpeedStory,
) -> None:
    # So far apart that no session of this machine lies outside.
    wild = (0.01, 0.01, 0.01, 0.01, 99.0)
    story.have_baseline(lambda _, rounds: [rounds[0] * factor for factor in wild])
    result = story.run("-v")
    result.stdout.fnmatch_lines([f"{GATE}throughput-gate] INCONCLUSIVE*"])
    assert result.ret == 0
    assert "rounds vary by" in said(result)
    strict = story.run("--gptoss-gate", "strict", "--gptoss-run", "strict")
    strict.assert_outcomes(passed=1, failed=2, skipped=2)
    assert story.gate("throughput", "strict")["verdict"] == "inconclusive"


def test_off_has_no_gates(story: SpeedStory) -> None:
    story.have_baseline(scaled(1000.0))  # type: ignore[arg-type]
    result = story.run("--gptoss-gate", "off")
    result.assert_outcomes(passed=1)
    assert story.summary()["throughput"][0]["loads"][0]["gates"] == {}


def test_other_settings_are_not_compared_and_say_why(story: SpeedStory) -> None:
    story.have_baseline(scaled(1000.0))  # type: ignore[arg-type]
    other = ("--gptoss-engine-arg", "repetition_penalty=1.1")
    result = story.run("-v", *other)
    result.stdout.fnmatch_lines([f"{GATE}throughput-gate] NOT COMPARABLE*"])
    assert result.ret == 0
    assert "engine extra_body {} → " in story.gate("throughput")["why"]
    strict = story.run("--gptoss-gate", "strict", "--gptoss-run", "strict", *other)
    strict.assert_outcomes(passed=1, failed=2, skipped=2)


def test_longer_answers_are_named_as_a_cause(pytester: pytest.Pytester) -> None:
    story = SpeedStory(pytester, owner="somebody")
    with story.server:
        story.have_baseline(scaled(1000.0))  # type: ignore[arg-type]
        story.own_length = 6
        result = story.run()
    cause = story.gate("throughput")["cause"]
    assert cause.startswith("answers are longer: 3 → 6 tokens on average (+100 %)")
    assert cause in said(result)


def test_gates_stand_behind_all_loads(story: SpeedStory) -> None:
    """What they compute with would be part of the next load's memory."""
    story.suite(LOAD, LOAD.replace("concurrency=4", "concurrency=2"))
    story.have_baseline(lambda _, rounds: rounds)
    result = story.run("--collect-only", "-q")
    ids = [line for line in result.outlines if "test_load[" in line]
    assert ["gate" in each for each in ids] == [False] * 2 + [True] * 4


def test_strict_demands_a_baseline(story: SpeedStory) -> None:
    result = story.run("--gptoss-gate", "strict")
    # Memory and energy of a server are not known, which no baseline could mend.
    result.assert_outcomes(passed=1, failed=2, skipped=2)
    assert "there is no baseline of the speed of served" in said(result)


def test_a_gate_alone_has_nothing_to_compare(story: SpeedStory) -> None:
    story.have_baseline(lambda _, rounds: rounds)
    result = story.run("-k", "throughput-gate")
    result.assert_outcomes(failed=1, deselected=2)
    assert "select its test too" in said(result)
    by_id = story.run(f"test_loads.py::test_load[served-{NAME}-latency-gate]")
    by_id.assert_outcomes(failed=1)


def test_benchmark_only_runs_loads_and_gates_and_nothing_else(story: SpeedStory) -> None:
    story.have_baseline(scaled(0.001))  # type: ignore[arg-type]
    (story.path / "test_other.py").write_text(
        "from pytest_gptoss import Benchmark, Item, scorers\n"
        "sums = Benchmark(name='sums', rows=[{'a': 1}], scorer=scorers.number(),\n"
        "                 item=lambda row: Item(prompt='1 + 1 = ?', target=2))\n"
        "@sums.test\n"
        "def test_sums(response): response.check()\n"
        "def test_plain(): pass\n"
    )
    result = story.run("--benchmark-only", ".", "-k", "not latency", "test_other.py")
    result.assert_outcomes(passed=2, skipped=2, deselected=1)
    assert story.gate("throughput")["verdict"] == "improved"


def test_a_directory_alone_asks_no_load(story: SpeedStory) -> None:
    result = story.pytester.runpytest(
        *("-p", "no:hypothesispytest", "-p", "no:cacheprovider", "-rs", "."),
        *("--model", "served", "--gptoss-endpoint", story.server.url),
    )
    result.assert_outcomes(skipped=1)
    assert "name this file on the command line" in said(result)
    assert story.server.asked == []


# --- baselines ------------------------------------------------------------------------------------


def test_it_is_saved_where_the_next_session_looks(story: SpeedStory) -> None:
    result = story.run("--gptoss-save-baseline")
    result.assert_outcomes(passed=1)
    assert "baseline saved: baselines/served/throughput.json: 1 load" in said(result)
    held = speed_file.read(story.file)
    assert (
        held.loads[NAME].rounds["latency"]
        == (story.summary()["throughput"][0]["loads"][0]["rounds"]["latency"])
    )
    assert held.loads[NAME].noise == {}


def test_saved_again_it_knows_how_far_two_sessions_lie_apart(story: SpeedStory) -> None:
    story.have_baseline(lambda _, rounds: rounds)
    # Two sessions within one second would be one.
    held = speed_file.read(story.file)
    speed_file.save(story.file, replace(held, date="2026-01-01T00:00:00+00:00"))
    story.run("--gptoss-save-baseline", "--gptoss-gate", "off")
    assert speed_file.read(story.file).loads[NAME].noise.keys() == {"throughput", "latency"}


def test_too_few_rounds_are_not_saved(story: SpeedStory) -> None:
    result = story.run("--gptoss-save-baseline", "--benchmark-min-rounds", "4")
    assert result.ret == 4
    assert f"{NAME} has 4 rounds and a baseline needs at least 5" in said(result)
    assert not story.file.exists()


@pytest.mark.parametrize("named", ["file", "folder", "run"])
def test_a_baseline_may_be_named(story: SpeedStory, named: str) -> None:
    story.have_baseline(scaled(1000.0))  # type: ignore[arg-type]
    other = story.path / "elsewhere" / "throughput.json"
    other.parent.mkdir()
    story.file.rename(other)
    place = {"file": other, "folder": other.parent, "run": story.path / "saved"}[named]
    story.run("--gptoss-baseline", str(place))
    gate = story.gate("throughput")
    # The run is the one that the baseline was made of, before its rounds were changed.
    assert (gate["loss"] > 0.9) is (named != "run")
    assert gate["baseline"] in ("elsewhere/throughput.json", "saved")


def test_a_broken_baseline_ends_the_session_before_anything_is_asked(story: SpeedStory) -> None:
    story.file.parent.mkdir(parents=True)
    story.file.write_text("{")
    result = story.run()
    assert result.ret == 4
    assert "is no whole JSON" in said(result)
    assert story.server.asked == []
    # Saving again mends it.
    story.run("--gptoss-save-baseline").assert_outcomes(passed=1)
    speed_file.read(story.file)
