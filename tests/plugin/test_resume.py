"""``--gptoss-resume``: nothing that is journalled is generated again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from adding import adds, ask
from scripted_server import ScriptedServer, raw
from stories import Story, said

USAGE_ERROR = pytest.ExitCode.USAGE_ERROR


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(adds, models=["served"]) as server:
        yield server


def resume(story: Story, server: ScriptedServer, *arguments: str) -> pytest.RunResult:
    return ask(story, server, "--gptoss-resume", *arguments)


def asked(server: ScriptedServer) -> Counter[str]:
    """How often the server was asked each question."""
    return Counter(body["messages"][-1]["content"] for body in server.bodies)


def lose(story: Story, *, keep: int) -> None:
    """Leave of the run what a process that was killed would: so many records, and no files."""
    run = story.path / "run"
    lines = (run / "journal.jsonl").read_bytes().splitlines(keepends=True)
    records = [line for line in lines if b'"item_id"' in line]
    others = [line for line in lines if b'"item_id"' not in line]
    (run / "journal.jsonl").write_bytes(b"".join([*others, *records[:keep]]))
    (run / "items.jsonl").unlink()
    (run / "summary.json").unlink()


def content(story: Story, run: str = "run") -> list[dict[str, Any]]:
    """The items without their timings."""
    timed = ("queue_s", "ttft_s", "latency_s")
    return [{k: v for k, v in item.items() if k not in timed} for item in story.items(run)]


def test_only_what_is_missing_is_generated(story: Story, server: ScriptedServer) -> None:
    ask(story, server).assert_outcomes(passed=10)
    undisturbed = content(story)
    lose(story, keep=6)
    result = resume(story, server)
    result.assert_outcomes(passed=10)
    assert sorted(asked(server).values()) == [1] * 6 + [2] * 4
    assert content(story) == undisturbed
    assert "6 of 10 answers were kept" in said(result)


def test_a_run_that_is_whole_needs_no_server(story: Story) -> None:
    with ScriptedServer(adds, models=["served"]) as server:
        ask(story, server).assert_outcomes(passed=10)
    resume(story, server).assert_outcomes(passed=10)  # it listens no more


def test_time_and_throughput_are_those_of_the_generated_part(
    story: Story, server: ScriptedServer
) -> None:
    ask(story, server)
    assert story.summary()["groups"][0]["resumed"] is None
    started = story.summary()["settings"]["started"]
    lose(story, keep=6)
    resume(story, server)
    summary = story.summary()
    group = summary["groups"][0]
    assert (group["wall_s"], group["tokens_per_s"]) == (None, None)
    resumed = group["resumed"]
    assert (resumed["kept"], resumed["generated"]) == (6, 4)
    assert resumed["tokens_per_s"] == pytest.approx(4 * 200 / resumed["wall_s"])
    assert group["completion_tokens"] == 10 * 200
    assert group["latency_s"]["p50"] > 0
    assert (group["energy_j"], group["peak_memory_bytes"]) == (None, None)
    assert summary["settings"]["started"] == started


def test_repeats_at_a_temperature(story: Story, server: ScriptedServer) -> None:
    drawn = ("--gptoss-repeats", "3", "--gptoss-temperature", "0.8", "--gptoss-seed", "1")
    ask(story, server, *drawn)
    seeds = sorted(body["seed"] for body in server.bodies)
    lose(story, keep=17)
    server.bodies.clear()
    resume(story, server, *drawn).assert_outcomes(passed=10)
    assert len(server.bodies) == 13
    assert {body["seed"] for body in server.bodies} <= set(seeds)
    assert sorted((item["item_id"], item["repeat"]) for item in story.items()) == sorted(
        (str(n), repeat) for n in range(10) for repeat in range(3)
    )


def test_errors_are_no_answers(story: Story) -> None:
    refuses = raw('{"error": {"message": "no room"}}', 400)
    with ScriptedServer(adds, adds, refuses, models=["served"]) as server:
        ask(story, server, "--gptoss-engine-arg", "concurrency=1")
        assert story.summary()["groups"][0]["outcomes"]["error"] == 8
        server.script = [adds]
        server.bodies.clear()
        resume(story, server).assert_outcomes(passed=10)
        assert len(server.bodies) == 8
    assert [item["error"] for item in story.items()] == [None] * 10


def test_everything_is_scored_by_the_present_scorer(story: Story, server: ScriptedServer) -> None:
    suite = story.path / "test_sums.py"
    good = suite.read_text()
    suite.write_text(
        good.replace(
            "sums = Benchmark(",
            "class Broken:\n    name, version = 'broken', '1'\n\n"
            "    def __call__(self, item, completion):\n        raise ValueError('oops')\n\n"
            "sums = Benchmark(",
        ).replace("scorers.number()", "Broken()")
    )
    result = ask(story, server)
    assert "the scorer broken raised ValueError (oops)" in said(result)
    assert "mend the scorer and score again" in said(result)
    assert {item["final"] for item in story.items()} >= {"Answer: 7"}
    suite.write_text(good)
    resume(story, server).assert_outcomes(passed=10)
    assert len(server.bodies) == 10
    assert story.summary()["settings"]["benchmarks"]["sums"]["scorer"] == "number"


@pytest.mark.parametrize(
    ("first", "then", "difference"),
    [
        ((), ("--gptoss-temperature", "0.5"), "sampling.temperature 0 → 0.5"),
        ((), ("--gptoss-max-tokens", "77"), "sampling.max_tokens 131072 → 77"),
        (("--gptoss-seed", "1"), ("--gptoss-seed", "2"), "seed 1 → 2"),
        ((), ("--gptoss-repeats", "2"), "repeats 1 → 2"),
        ((), ("--gptoss-engine-arg", "top_k=3"), "engine_arguments.top_k unknown → 3"),
        ((), ("-k", "served-1"), "9 items of sums were selected then and are not now (0, 2, 3"),
        (("-k", "served-1"), (), "9 items of sums are selected now and were not then (0, 2, 3"),
        ((), ("--model", "other"), "not asked then: sums on other"),
    ],
)
def test_other_settings_are_refused_by_name(
    story: Story,
    server: ScriptedServer,
    first: tuple[str, ...],
    then: tuple[str, ...],
    difference: str,
) -> None:
    server.models = ["served", "other"]
    ask(story, server, *first)
    before = (story.path / "run" / "journal.jsonl").read_bytes()
    result = resume(story, server, *then)
    assert result.ret == USAGE_ERROR
    assert difference in said(result)
    assert "repeat the command that started it" in said(result)
    assert "Traceback" not in said(result)
    assert (story.path / "run" / "journal.jsonl").read_bytes() == before
    assert story.summary()["complete"] is True


def test_another_model_is_refused_by_name(story: Story, server: ScriptedServer) -> None:
    server.models = ["served", "other"]
    ask(story, server)
    result = story.run(
        *("--model", "other", "--gptoss-endpoint", server.url),
        *("--gptoss-run", "run", "--gptoss-resume"),
    )
    assert result.ret == USAGE_ERROR
    assert "not asked now: sums on served; not asked then: sums on other" in said(result)


def test_other_questions_are_refused_by_name(story: Story, server: ScriptedServer) -> None:
    ask(story, server)
    suite = story.path / "test_sums.py"
    suite.write_text(suite.read_text().replace("= ?", "= ? Think."))
    result = resume(story, server)
    assert result.ret == USAGE_ERROR
    assert "the target of 10 items of sums changed since" in said(result)
    assert "(0, 1, 2, 3, 4, ...)" in said(result)


def test_what_only_sets_the_pace_may_change(story: Story, server: ScriptedServer) -> None:
    ask(story, server)
    lose(story, keep=3)
    resume(
        story, server, "--gptoss-engine-arg", "concurrency=2", "--gptoss-timeout", "100"
    ).assert_outcomes(passed=10)


def test_a_torn_last_record_is_dropped_with_a_note(story: Story, server: ScriptedServer) -> None:
    ask(story, server)
    undisturbed = content(story)
    lose(story, keep=4)
    journal = story.path / "run" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-30])
    result = resume(story, server)
    result.assert_outcomes(passed=10)
    assert "the last record was cut off while it was written; dropped" in said(result)
    assert len(server.bodies) == 10 + 7
    assert content(story) == undisturbed
    again = resume(story, server)
    again.assert_outcomes(passed=10)
    assert "cut off" not in said(again)  # it is gone from the file too


def test_a_corrupt_record_is_named_and_generated_again(
    story: Story, server: ScriptedServer
) -> None:
    ask(story, server)
    journal = story.path / "run" / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    lines[5] = lines[5][:40] + "\0" * 20 + lines[5][60:]
    journal.write_text("".join(lines))
    result = resume(story, server)
    result.assert_outcomes(passed=10)
    assert "line 6 cannot be read" in said(result)
    assert sorted(asked(server).values()) == [1] * 9 + [2]


def test_a_folder_without_a_run_is_wrong_usage(story: Story, server: ScriptedServer) -> None:
    result = resume(story, server)
    assert result.ret == USAGE_ERROR
    assert "there is no run directory" in said(result)
    assert not (story.path / "run").exists()
    (story.path / "run").mkdir()
    result = resume(story, server)
    assert result.ret == USAGE_ERROR
    assert "holds no journal.jsonl, so there is no run to continue" in said(result)
    (story.path / "run" / "journal.jsonl").write_text('{"journal":1}\n')
    result = resume(story, server)
    assert result.ret == USAGE_ERROR
    assert "does not say in its first line what was asked" in said(result)
    assert (story.path / "run" / "journal.jsonl").read_text() == '{"journal":1}\n'


def test_the_folder_must_be_named(story: Story, server: ScriptedServer) -> None:
    result = story.run("--model", "served", "--gptoss-endpoint", server.url, "--gptoss-resume")
    assert result.ret == USAGE_ERROR
    assert "name it with --gptoss-run DIR" in said(result)


def test_a_server_that_is_gone_leaves_the_run_as_it_was(story: Story) -> None:
    with ScriptedServer(adds, models=["served"]) as server:
        ask(story, server)
    lose(story, keep=5)
    before = (story.path / "run" / "journal.jsonl").read_bytes()
    result = resume(story, server)
    assert result.ret == USAGE_ERROR
    assert "no server answers" in said(result)
    assert (story.path / "run" / "journal.jsonl").read_bytes() == before
    with ScriptedServer(adds, models=["served"]) as server:
        resume(story, server).assert_outcomes(passed=10)  # another port is no other setting
        assert len(server.bodies) == 5
