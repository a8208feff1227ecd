"""``-n``: with an endpoint or recordings one worker evaluates, and it comes to the same."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from distributed import content, figures, ran, replayed, separately, units
from gate_story import GateStory
from scripted_server import ScriptedServer, says
from speed_story import SpeedStory
from stories import Story, said

pytest.importorskip("xdist")

OK, FAILED, USAGE = (
    pytest.ExitCode.OK,
    pytest.ExitCode.TESTS_FAILED,
    pytest.ExitCode.USAGE_ERROR,
)
ITEMS = [f"test_sums.py::test_sums[recorded-{n}]" for n in range(10)]
UNITS = [f"test_units.py::test_unit[{n}]" for n in range(12)]
ONE_ENGINE = "-n starts one engine per process"
RECORDED = "--gptoss-completions=answers.jsonl"

# Recorded answers to 200 sums, by how they compare with a baseline in which 20 are wrong.
CASES: dict[str, tuple[dict[str, Any], int]] = {
    "all right": ({"won": 20}, OK),
    "regressed": ({"lost": 60}, FAILED),
    "errors": ({"leave_out": [3, 5, 7, 11, 13]}, FAILED),
}


def shown(result: pytest.RunResult) -> list[str]:
    """The screen of the evaluation without its times, and pytest's last line without its own."""
    text = said(result)
    screen = text[text.index("= evaluation =") :].splitlines()
    timed = re.compile(r"tok/s|latency|run directory|^  sums|\d (ms|s)\b|in \d")
    return [line for line in screen[1:] if not timed.search(line)]


@pytest.mark.parametrize("case", CASES)
def test_it_comes_to_the_same_as_in_one_process(story: Story, case: str) -> None:
    gates = GateStory(story, rows=200)
    gates.have()
    answers, status = CASES[case]
    alone = gates.gate(**answers)
    spread = replayed(story, "-q", "-n2", "--junitxml=spread.xml")
    assert (alone.ret, spread.ret) == (status, status), said(spread)
    one, other = story.path / "run", story.path / "spread"
    assert content(one) == content(other)
    assert figures(one) == figures(other)
    assert shown(alone) == shown(spread)
    assert alone.parseoutcomes() == spread.parseoutcomes()
    properties = ElementTree.parse(story.path / "spread.xml").iter("property")
    assert "gptoss_baseline" in {node.get("name") for node in properties}


@pytest.mark.parametrize(
    "arguments",
    [
        ("-n1",),
        ("-n3", "--dist=loadfile"),
        ("-n2", "--dist=loadscope"),
        ("-n2", "--dist=loadgroup"),
        ("-n2", "--dist=worksteal"),
        ("--tx=2*popen", "--dist=load"),
    ],
    ids=" ".join,
)
def test_one_worker_evaluates_however_the_others_are_distributed(
    story: Story, arguments: tuple[str, ...]
) -> None:
    story.answers(wrong=[2])
    units(story)
    result = replayed(story, *arguments)
    assert result.ret == OK, said(result)
    assert result.parseoutcomes() == {"passed": 21, "incorrect": 1}
    assert [test for test in ran(story, "gw0") if test.startswith("test_sums")] == ITEMS
    assert sorted(ran(story)) == sorted(
        [*ITEMS, *(f"test_units.py::test_unit[{n}]" for n in range(12))]
    )
    if arguments != ("-n1",):
        assert any(test.startswith("test_units") for test in ran(story, "gw[12]"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-n2", "--gptoss-engine=embedded"), ONE_ENGINE),
        (("-n=1", "--gptoss-engine=vllm"), ONE_ENGINE),
        (("--tx=popen", "--dist=load", "--gptoss-engine=vllm"), ONE_ENGINE),
        (("-n2", "--dist=each", RECORDED), "--dist each runs every test"),
        (("--tx=popen//chdir=.", "--dist=load", RECORDED), "popen as the first --tx"),
        (("--tx=2*ssh=far", "--dist=load", RECORDED), "--tx ssh=far would evaluate in another"),
    ],
)
def test_what_one_worker_cannot_do_is_refused_in_a_sentence(
    story: Story, arguments: tuple[str, ...], sentence: str
) -> None:
    story.answers()
    result = separately(story, "--model=gpt-oss-20b", "--gptoss-run=spread", *arguments)
    assert result.ret == USAGE
    assert sentence in said(result)
    assert "Traceback" not in said(result)
    assert not (story.path / "spread").exists()


def test_a_models_own_fixture_without_a_model_named_is_refused(story: Story) -> None:
    (story.path / "test_talks.py").write_text(
        "def test_talks(gpt_oss_20b):\n    gpt_oss_20b.chat('hello')\n"
    )
    result = separately(story, "-n2", "--gptoss-endpoint=http://127.0.0.1:9", "test_talks.py")
    assert result.ret == FAILED
    assert ONE_ENGINE in said(result)


@pytest.mark.parametrize("arguments", [("-n0",), ("-p", "no:xdist"), ("-n2", "--collect-only")])
def test_without_workers_nothing_changes(story: Story, arguments: tuple[str, ...]) -> None:
    story.answers()
    units(story)
    result = replayed(story, *arguments)
    assert result.ret == OK, said(result)
    assert not ran(story)
    if "--collect-only" in arguments:
        assert "22 tests collected" in said(result)
    else:
        assert len(story.items("spread")) == 10


def test_what_is_wrong_with_the_collection_ends_it_with_its_sentence(story: Story) -> None:
    story.answers()
    units(story)
    story.suite(rows=0)
    result = replayed(story, "-n2")
    assert result.ret == USAGE, said(result)
    assert said(result).count("ERROR: benchmark sums: its dataset has no rows") == 1
    assert "Traceback" not in said(result)
    assert not ran(story)


def test_what_keeps_it_from_beginning_ends_it_with_its_sentence(story: Story) -> None:
    story.answers()
    assert replayed(story, "-n2").ret == OK
    again = replayed(story, "-n2")
    assert again.ret == USAGE, said(again)
    assert said(again).count("already holds a run, which is never overwritten") == 1
    nobody = ("--gptoss-endpoint", "http://127.0.0.1:9", "--gptoss-run", "other")
    unreachable = separately(story, "--model=served", *nobody, "-n2")
    assert unreachable.ret == USAGE, said(unreachable)
    assert "Traceback" not in said(again) + said(unreachable)
    assert not (story.path / "other").exists()


def test_a_test_that_ends_the_session_ends_it_for_all(story: Story) -> None:
    story.answers()
    (story.path / "test_exits.py").write_text(
        "import pytest\n\n\ndef test_exits(model):\n    pytest.exit('enough', returncode=7)\n"
    )
    result = replayed(story, "-n2")
    assert result.ret == 7, said(result)
    assert "Exit: enough" in said(result)
    assert "INTERNALERROR" not in said(result)
    assert story.summary("spread")["stopped"] == "the session ended early"


def test_a_selection_is_what_is_asked(story: Story) -> None:
    story.answers()
    units(story)
    result = replayed(story, "-n2", "-k", "recorded-1 or recorded-7 or unit")
    assert result.ret == OK, said(result)
    assert [item["item_id"] for item in story.items("spread")] == ["1", "7"]
    only_units = replayed(story, "-n2", "test_units.py", run="nothing")
    assert (only_units.ret, only_units.parseoutcomes()) == (OK, {"passed": 12})
    assert not (story.path / "nothing").exists()


def test_a_baseline_is_saved(story: Story) -> None:
    story.answers()
    result = replayed(story, "-n2", "--gptoss-save-baseline")
    assert result.ret == OK, said(result)
    assert "baseline saved: baselines/recorded/sums.json: 10 items" in said(result)
    # Refused in a sentence where it would lack items.
    partly = replayed(story, "-n2", "--gptoss-save-baseline", "-k", "recorded-1", run="partly")
    assert partly.ret == USAGE
    assert said(partly).count("only 1 of the 10 items of sums are selected") == 1


def test_the_last_failures_are_run_again(story: Story) -> None:
    story.answers(leave_out=[2, 6])
    units(story, failing=(4,))
    assert replayed(story, "-n2", cached=True).ret == FAILED
    again = replayed(story, "-n2", "--lf", run="again", cached=True)
    assert again.parseoutcomes() == {"failed": 1, "errors": 2}, said(again)
    assert [item["item_id"] for item in story.items("again")] == ["2", "6"]


def test_an_earlier_run_is_scored_again(story: Story) -> None:
    story.answers(wrong=[2])
    assert story.replay().ret == OK
    result = separately(story, "--gptoss-rescore=run", "--gptoss-run=again", "-n2")
    assert result.ret == OK, said(result)
    assert content(story.path / "again") == content(story.path / "run")


def test_each_item_is_asked_once_into_one_run_directory(story: Story) -> None:
    story.suite(rows=30)
    units(story)
    (story.path / "test_talks.py").write_text(
        "def test_talks(model):\n    assert model.chat('hello')\n\n\n"
        "def test_asks_late(request):\n    request.getfixturevalue('gpt_oss_20b').chat('hello')\n"
    )
    with ScriptedServer(says("Answer: 1"), models=["served"]) as server:
        result = separately(story, "--model=served", "--gptoss-endpoint", server.url, "-n3")
    questions = [body["messages"][-1]["content"] for body in server.bodies]
    assert sorted(questions) == sorted([*(f"{n} + {n + 1} = ?" for n in range(30)), "hello"])
    assert len(list((story.path / "runs").iterdir())) == 1
    assert "test_talks.py::test_talks[served]" in ran(story, "gw0")
    if "test_talks.py::test_asks_late" in ran(story, "gw0"):
        pytest.fail("the first worker was to be busy")
    assert "a test may talk to a model in one worker only" in said(result)
    assert result.ret == FAILED


def test_loads_are_not_measured_beside_other_workers(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_benchmark")
    loads = SpeedStory(pytester)
    with loads.server as server:
        result = pytester.runpytest_subprocess(
            *("-p", "no:hypothesispytest", "-p", "no:cacheprovider", "-n2", "-rs"),
            *("--model=served", "--gptoss-endpoint", server.url, "--gptoss-run=run"),
            *("--gptoss-gate=strict", "-W", "ignore::pytest.PytestWarning", "test_loads.py"),
        )
    assert "pytest-benchmark measures nothing beside other workers" in said(result)
    assert loads.summary()["throughput"] == []
