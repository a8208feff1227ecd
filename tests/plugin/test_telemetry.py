"""What the answers took, as a session shows and writes it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator

import pytest
from adding import adds, adds_together, ask
from scripted_server import ScriptedServer, after
from stories import Story, said


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(after(0.05, adds), models=["served"]) as server:
        yield server


def test_an_endpoint_is_timed_and_its_server_is_not_metered(
    story: Story,
) -> None:
    with adds_together(4, of=10, then=after(0.05, adds)) as server:
        result = ask(story, server, "--gptoss-engine-arg", "concurrency=4")
    group = story.summary()["groups"][0]
    telemetry = group["telemetry"]
    assert telemetry["requests"] == 10
    assert telemetry["in_flight"]["max"] == 4
    assert 1 < telemetry["in_flight"]["mean"] <= 4
    assert telemetry["latency_s"]["p50"] >= 0.05
    assert telemetry["output_tokens_per_s"] == pytest.approx(200 * telemetry["requests_per_s"])
    assert telemetry["completion_length"] == {
        "mean": 200.0,
        "median": 200.0,
        "p90": 200.0,
        "max": 200,
    }
    assert telemetry["reasoning_length"]["mean"] == 180.0
    assert telemetry["final_length"]["mean"] == 20.0
    for name in ("peak_memory_bytes", "energy_j", "energy_per_response_j"):
        assert group[name] is telemetry[name] is None
        assert telemetry["unknown"][name].startswith("the model runs in a server")
    assert telemetry["ttft_s"] is None
    assert "first token" in telemetry["unknown"]["ttft_s"]
    # Of this process, and told apart from the model's.
    assert telemetry["peak_host_memory_bytes"] > 2**20
    line = next(line for line in said(result).splitlines() if "in flight" in line)
    assert "first token" not in line
    assert "memory" not in line
    assert not any(thread.name == "gptoss-meter" for thread in threading.enumerate())


def test_every_null_has_its_reason(story: Story, server: ScriptedServer) -> None:
    ask(story, server)
    summary = story.summary()
    every = [summary["groups"][0]["telemetry"], summary["telemetry"]["session"]]
    every += summary["telemetry"]["models"].values()
    for telemetry in every:
        nulls = {name for name, value in telemetry.items() if value is None} - {"runs_on"}
        assert nulls == set(telemetry["unknown"])
        assert all(reason for reason in telemetry["unknown"].values())


def test_several_benchmarks_of_a_model_are_told_together(
    story: Story, server: ScriptedServer
) -> None:
    second = (story.path / "test_sums.py").read_text().replace("sums", "more")
    (story.path / "test_more.py").write_text(second)
    result = ask(story, server)
    summary = story.summary()
    assert [group["telemetry"]["requests"] for group in summary["groups"]] == [10, 10]
    assert [group["telemetry"]["shared_with"] for group in summary["groups"]] == [
        ["sums"],
        ["more"],
    ]
    both = summary["telemetry"]["models"]["served"]
    assert both["requests"] == summary["telemetry"]["session"]["requests"] == 20
    assert re.search(r"^  together  [\d,]+ tok/s  in flight \d", said(result), re.M)


def test_answers_that_were_looked_up_took_nothing(story: Story) -> None:
    story.answers(changed={3: {"latency_s": 2.5}})
    result = story.replay()
    telemetry = story.summary()["groups"][0]["telemetry"]
    assert telemetry["requests"] == 10
    # The times of a recording are those of another machine on another day.
    for name in ("output_tokens_per_s", "latency_s", "in_flight", "energy_j", "load_s"):
        assert telemetry[name] is None
        assert "nothing is generated" in telemetry["unknown"][name]
    assert "in flight" not in said(result)


def test_the_meter_says_what_it_took(story: Story, server: ScriptedServer) -> None:
    ask(story, server)
    meter = story.summary()["telemetry"]["meter"]
    assert meter["looks"] > 0
    assert meter["cpu_s"] >= 0
    assert 0 <= meter["share_of_a_core"] < 0.5


def test_a_baseline_keeps_what_the_answers_took(story: Story, server: ScriptedServer) -> None:
    ask(story, server, "--gptoss-save-baseline")
    (file,) = story.path.glob("baselines/**/sums.json")
    figures = json.loads(file.read_text())["figures"]
    telemetry = figures["telemetry"]
    assert telemetry["latency_s"] == story.summary()["groups"][0]["telemetry"]["latency_s"]
    assert telemetry["in_flight"]["max"] == 10
    assert telemetry["completion_length"]["mean"] == 200.0
    assert None not in telemetry.values()
    result = ask(story, server, "--gptoss-run", "later")
    assert "baseline 100.00 %" in said(result)


def test_a_baseline_of_recorded_answers_keeps_no_times(story: Story) -> None:
    story.answers()
    story.replay("--gptoss-save-baseline")
    (file,) = story.path.glob("baselines/**/sums.json")
    assert "telemetry" not in json.loads(file.read_text())["figures"]
