"""``--gptoss-shots K``: worked examples before each question."""

import json
from pathlib import Path

import pytest
from stories import Story, said

EXAMPLES = """shots=Shots(
        rows=hub("house/sums", split="dev"), by="kind",
        answer=lambda row, item: f"Answer: {item.target}",
    ),"""


@pytest.fixture
def shown(story: Story) -> Story:
    """The sums with three examples of each kind, in a mirror."""
    suite = (story.path / "test_sums.py").read_text().replace("import Benchmark", "import *\n#")
    suite = suite.replace("import *\n#", "import Benchmark, Shots, hub")
    (story.path / "test_sums.py").write_text(suite.replace("    \n)", f"    {EXAMPLES}\n)"))
    examples(story.path, 3)
    story.answers()
    return story


def examples(folder: Path, count: int) -> None:
    """Write so many examples of each kind."""
    split = folder / "mirror" / "house" / "sums" / "default" / "dev.jsonl"
    split.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"a": 100 + n, "b": n, "kind": kind} for n in range(count) for kind in ("odd", "even")]
    split.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_none_are_shown_by_default(shown: Story) -> None:
    shown.replay("--gptoss-data", "mirror")
    settings = shown.summary()["settings"]
    assert settings["shots"] is None
    assert settings["benchmarks"]["sums"]["shots"]["count"] == 0


def test_they_are_recorded_and_are_part_of_the_item(shown: Story) -> None:
    hashes = []
    for count in ("0", "1", "3"):
        result = shown.replay(
            "--gptoss-data", "mirror", "--gptoss-shots", count, "--gptoss-run", count
        )
        result.assert_outcomes(passed=10)
        hashes.append([item["item_hash"] for item in shown.items(count)])
    assert len({tuple(each) for each in hashes}) == 3
    assert len(set(hashes[0] + hashes[1] + hashes[2])) == 30
    assert "3 examples before each question" in said(result)
    shots = shown.summary("3")["settings"]["benchmarks"]["sums"]["shots"]
    assert (shots["count"], shots["dataset"], shots["split"]) == (3, "house/sums", "dev")


def test_they_are_turns_of_the_conversation_and_of_the_same_kind(shown: Story) -> None:
    (shown.path / "test_turns.py").write_text(
        "from test_sums import sums\n"
        "def test_turns():\n"
        "    shown = sums.with_shots(2)\n"
        "    for row in ({'a': 1, 'b': 2, 'kind': 'odd'}, {'a': 2, 'b': 3, 'kind': 'even'}):\n"
        "        turns = [(m.role, m.content) for m in shown.build(row).messages]\n"
        "        assert turns == [\n"
        "            ('user', '100 + 0 = ?'), ('assistant', 'Answer: 100'),\n"
        "            ('user', '101 + 1 = ?'), ('assistant', 'Answer: 102'),\n"
        "            ('user', f\"{row['a']} + {row['b']} = ?\"),\n"
        "        ]\n"
    )
    shown.run(
        "--gptoss-data",
        "mirror",
        "--model",
        "x",
        "--gptoss-completions",
        "answers.jsonl",
        "test_turns.py",
    ).assert_outcomes(passed=1)


def test_the_ini_key(shown: Story) -> None:
    (shown.path / "tox.ini").write_text(
        "[pytest]\nfilterwarnings = error\ngptoss_shots = 2\ngptoss_data = mirror\n"
    )
    shown.replay()
    assert shown.summary()["settings"]["shots"] == 2


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (
            "4",
            (
                "benchmark sums: --gptoss-shots 4 asks for more examples than there are for even; "
                "ask for 3 or fewer"
            ),
        ),
        ("-1", "--gptoss-shots takes a whole number, 0 or more, not '-1'"),
    ],
)
def test_a_count_that_cannot_be_had(shown: Story, count: str, sentence: str) -> None:
    result = shown.replay("--gptoss-data", "mirror", f"--gptoss-shots={count}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert sentence in said(result)
    assert "Traceback" not in said(result)


def test_examples_that_are_missing_are_named(shown: Story) -> None:
    (shown.path / "mirror" / "house" / "sums" / "default" / "dev.jsonl").unlink()
    result = shown.replay("--gptoss-data", "mirror", "--gptoss-shots", "1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "its examples cannot be read, so --gptoss-shots 1 cannot be shown" in said(result)
    assert "dev.jsonl" in said(result)
    assert "Traceback" not in said(result)


def test_a_session_in_which_nothing_has_examples_is_refused(story: Story) -> None:
    story.answers()
    result = story.replay("--gptoss-shots", "1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--gptoss-shots 1 can show nothing: sums declares no examples" in said(result)


def test_a_benchmark_without_examples_beside_one_with_is_named(shown: Story) -> None:
    suite = (shown.path / "test_sums.py").read_text().replace('"sums"', '"plain"')
    (shown.path / "test_plain.py").write_text(suite.replace(EXAMPLES, ""))
    for name in ("sums", "plain"):
        target = shown.path / "answers" / f"{name}.jsonl"
        target.parent.mkdir(exist_ok=True)
        target.write_text((shown.path / "answers.jsonl").read_text())
    result = shown.run(
        *("--model", "recorded", "--gptoss-completions", "answers", "--gptoss-data", "mirror"),
        *("--gptoss-shots", "2"),
    )
    result.assert_outcomes(passed=20)
    assert "2 examples before each question (none: plain)" in said(result)
