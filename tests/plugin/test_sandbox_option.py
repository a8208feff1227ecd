"""``--gptoss-sandbox``, ``--gptoss-sandbox-min`` and ``--gptoss-allow-unsandboxed``."""

from __future__ import annotations

import json

import pytest
from stories import Story, said

from pytest_gptoss.sandbox.choose import LADDER, probe

SUITE = '''
from pytest_gptoss import Benchmark, Item, scorers

PROMPT = """def times(n: int) -> int:
    \\"\\"\\"Return n times {factor}.\\"\\"\\"
"""

products = Benchmark(
    name="products",
    rows=[{"factor": n} for n in range(4)],
    item=lambda row: Item(
        prompt=PROMPT.format(**row),
        target=f"def check(f):\\n    assert f(1) + f(5) == 6 * {row['factor']}\\n",
        metadata={"entry_point": "times", "prompt": PROMPT.format(**row)},
    ),
    scorer=scorers.code(),
)

@products.test
def test_products(response):
    response.check()
'''

WORKING = [name for name, reason in probe().items() if reason is None]
OTHER = next(name for name in LADDER if "another system" in (probe()[name] or ""))
needs_a_sandbox = pytest.mark.skipif(not WORKING, reason=f"no sandbox works here: {probe()}")


@pytest.fixture
def products(story: Story) -> Story:
    """A suite of four tasks, and answers to them; the third is wrong."""
    (story.path / "test_sums.py").unlink()
    (story.path / "test_products.py").write_text(SUITE)
    answers(story, ["    return n * 0\n", "    return n\n", "    return n\n", fenced(3)])
    return story


def fenced(factor: int) -> str:
    return f"Sure:\n```python\ndef times(n):\n    return {factor} * n\n```\nThat's it."


def answers(story: Story, texts: list[str]) -> None:
    lines = [json.dumps({"item_id": n, "completion": text}) for n, text in enumerate(texts)]
    (story.path / "answers.jsonl").write_text("\n".join(lines))


@needs_a_sandbox
@pytest.mark.parametrize("name", [None, *WORKING])
def test_programs_are_run_in_it(products: Story, name: str | None) -> None:
    result = products.replay(*(["--gptoss-sandbox", name] if name else []))
    assert result.parseoutcomes() == {"passed": 3, "incorrect": 1}
    record = products.summary()["settings"]["sandbox"]
    assert record["rung"] == (name or WORKING[0])
    assert record["unsandboxed"] is False
    assert record["error"] is None
    # The layers in force stand in the header and in the record.
    assert record["layers"].startswith(record["rung"])
    assert f"gptoss: sandbox {record['layers']}" in said(result)
    wrong = products.items()[2]
    assert wrong["detail"]["status"] == "failed"
    assert "unsandboxed" not in wrong["detail"]
    assert wrong["extracted"].endswith("    return n\n")


def test_the_ini_file_names_it(products: Story) -> None:
    products.pytester.makeini(f"[pytest]\ngptoss_sandbox = {OTHER}\n")
    result = products.replay()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert f"the sandbox '{OTHER}' is for another system" in said(result)


def test_without_a_sandbox_items_are_errors(products: Story) -> None:
    result = products.replay("--gptoss-sandbox", OTHER)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    group = products.summary()["groups"][0]
    assert (group["outcomes"]["error"], group["accuracy"], group["n"]) == (4, None, 4)
    assert products.items()[0]["correct"] is None
    text = said(result)
    assert "gptoss: no sandbox, so each item that needs one ends as an error: the sandbox" in text
    assert "the answer cannot be scored (products item 0): the sandbox" in text
    assert "Traceback" not in text
    assert "scorer" not in text
    record = products.summary()["settings"]["sandbox"]
    assert (record["rung"], record["layers"]) == (None, None)
    assert "for another system" in record["error"]


@pytest.mark.skipif("landlock" not in WORKING, reason="Landlock does not work here")
def test_one_that_is_too_weak_is_none(products: Story) -> None:
    result = products.replay("--gptoss-sandbox", "landlock", "--gptoss-sandbox-min", "bwrap")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert products.summary()["groups"][0]["outcomes"]["error"] == 4
    assert "the sandbox 'landlock' is weaker than 'bwrap'" in said(result)


@pytest.mark.skipif("landlock" not in WORKING, reason="Landlock does not work here")
def test_a_weaker_one_says_what_it_lacks(products: Story) -> None:
    result = products.replay("--gptoss-sandbox", "landlock")
    result.assert_outcomes(passed=3)
    notes = products.summary()["notes"]
    assert any(note.startswith("sandbox landlock: programs that write") for note in notes)
    assert "note: sandbox landlock: programs that write" in said(result)


def test_to_run_unconfined_is_recorded_everywhere(products: Story) -> None:
    result = products.replay("--gptoss-sandbox", "none", "--gptoss-allow-unsandboxed")
    assert result.parseoutcomes() == {"passed": 3, "incorrect": 1}
    assert "gptoss: sandbox none" in said(result)
    assert "runs without a sandbox" in said(result)
    record = products.summary()["settings"]["sandbox"]
    assert (record["rung"], record["unsandboxed"]) == ("none", True)
    assert all(item["detail"]["unsandboxed"] is True for item in products.items())


def test_to_run_unconfined_needs_the_option(products: Story) -> None:
    result = products.replay("--gptoss-sandbox", "none")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert products.summary()["groups"][0]["outcomes"]["error"] == 4


@needs_a_sandbox
def test_leave_to_run_unconfined_changes_nothing_where_a_sandbox_works(products: Story) -> None:
    products.replay("--gptoss-allow-unsandboxed")
    assert products.summary()["settings"]["sandbox"]["rung"] == WORKING[0]


@pytest.mark.parametrize("where", ["ini", "environment"])
def test_to_run_unconfined_is_typed_each_time(
    products: Story, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    if where == "ini":
        products.pytester.makeini("[pytest]\naddopts = --gptoss-allow-unsandboxed\n")
    else:
        monkeypatch.setenv("PYTEST_ADDOPTS", "--gptoss-allow-unsandboxed")
    result = products.replay()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "counts only where it is typed" in said(result)
    assert not (products.path / "run").exists()


def test_it_has_no_ini_key(products: Story) -> None:
    products.pytester.makeini("[pytest]\ngptoss_allow_unsandboxed = true\n")
    result = products.run(
        "--strict-config", "--model", "x", "--gptoss-completions", "answers.jsonl"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "Unknown config option: gptoss_allow_unsandboxed" in said(result)


@pytest.mark.parametrize(
    ("option", "name"), [("--gptoss-sandbox", "chroot"), ("--gptoss-sandbox-min", "none")]
)
def test_an_unknown_name_is_wrong_usage(products: Story, option: str, name: str) -> None:
    result = products.replay(option, name)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"{option} is one of" in said(result)
    assert repr(name) in said(result)


def test_other_benchmarks_need_none(story: Story) -> None:
    story.answers()
    result = story.replay("--gptoss-sandbox", OTHER)
    result.assert_outcomes(passed=10)
    assert story.summary()["settings"]["sandbox"] is None
    assert "sandbox" not in said(result)


@needs_a_sandbox
def test_an_item_that_must_be_right_says_why_it_is_not(products: Story) -> None:
    result = products.replay("--gptoss-strict-items")
    result.assert_outcomes(passed=3, failed=1)
    assert "assertion failed" in said(result)
    assert "def check" not in said(result)
