"""pytest's own selection works as everybody expects, and only what is selected is generated."""

import json

import pytest
from stories import QUIET, Story, said


def generated(story: Story) -> set[str]:
    lines = (story.path / "run" / "journal.jsonl").read_text().splitlines()[2:]
    return {json.loads(line)["item_id"] for line in lines}


def test_node_ids_are_those_of_the_contract(story: Story) -> None:
    story.answers()
    result = story.replay("--collect-only", "-q", model="gpt-oss-20b")
    assert result.outlines[:2] == [
        "test_sums.py::test_sums[gpt-oss-20b-0]",
        "test_sums.py::test_sums[gpt-oss-20b-1]",
    ]
    assert "10 tests collected" in said(result)


def test_collect_only_starts_nothing(story: Story) -> None:
    story.answers()
    story.replay("--collect-only")
    assert not (story.path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["test_sums.py::test_sums[recorded-7]"], {"7"}),
        (
            ["test_sums.py::test_sums[recorded-7]", "test_sums.py::test_sums[recorded-3]"],
            {"3", "7"},
        ),
        (["-k", "recorded-1 or recorded-2"], {"1", "2"}),
        (["--deselect", "test_sums.py::test_sums[recorded-0]"], {str(n) for n in range(1, 10)}),
        (["test_sums.py"], {str(n) for n in range(10)}),
    ],
    ids=["node id", "two node ids", "-k", "--deselect", "file"],
)
def test_only_selected_items_are_generated(
    story: Story, arguments: list[str], expected: set[str]
) -> None:
    story.answers()
    result = story.replay(*arguments)
    result.assert_outcomes(passed=len(expected), deselected=_deselected(arguments, expected))
    assert generated(story) == expected
    assert story.summary()["groups"][0]["n"] == len(expected)


def _deselected(arguments: list[str], expected: set[str]) -> int:
    return 10 - len(expected) if arguments[0] in ("-k", "--deselect") else 0


def test_marks_select(story: Story) -> None:
    text = (story.path / "test_sums.py").read_text()
    text = text.replace("@sums.test", "@pytest.mark.nightly\n@sums.test")
    (story.path / "test_sums.py").write_text("import pytest\n" + text)
    story.pytester.makeini("[pytest]\nmarkers = nightly\n")
    story.answers()
    story.replay("-m", "nightly").assert_outcomes(passed=10)
    story.replay("-m", "not nightly", "--gptoss-run", "none").assert_outcomes(deselected=10)
    assert not (story.path / "none").exists()


def test_a_skipped_test_is_not_generated(story: Story) -> None:
    text = (story.path / "test_sums.py").read_text()
    text = text.replace("@sums.test", "@pytest.mark.skip(reason='not today')\n@sums.test")
    (story.path / "test_sums.py").write_text("import pytest\n" + text)
    story.answers()
    story.replay().assert_outcomes(skipped=10)
    assert not (story.path / "run").exists()


def test_last_failed_runs_the_items_that_errored(story: Story) -> None:
    # In processes of their own, where pytest's cache is as users have it.
    arguments = ("--model", "recorded", "--gptoss-completions", "answers.jsonl", "--gptoss-run")
    story.answers(leave_out=[4])
    first = story.pytester.runpytest_subprocess(*QUIET, *arguments, "first")
    first.assert_outcomes(passed=9, errors=1)
    story.answers()
    again = story.pytester.runpytest_subprocess(*QUIET, *arguments, "run", "--lf")
    again.assert_outcomes(passed=1)
    assert generated(story) == {"4"}


def test_exit_first_stops_at_the_first_error(story: Story) -> None:
    story.answers(leave_out=[2])
    result = story.replay("-x")
    result.assert_outcomes(passed=2, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_benchmarks_and_ordinary_tests_stand_side_by_side(story: Story) -> None:
    (story.path / "test_other.py").write_text("def test_other():\n    assert True\n")
    story.answers()
    story.replay().assert_outcomes(passed=11)


def test_a_benchmark_may_stand_in_a_class(story: Story) -> None:
    text = (story.path / "test_sums.py").read_text()
    head, _, _ = text.partition("@sums.test")
    (story.path / "test_sums.py").write_text(
        head
        + "class TestSums:\n"
        + "    @sums.test\n"
        + "    def test_sums(self, response):\n"
        + "        assert isinstance(self, TestSums)\n"
        + "        response.check()\n"
    )
    story.answers()
    story.replay().assert_outcomes(passed=10)


def test_other_fixtures_and_conftest_work_beside_the_response(story: Story) -> None:
    text = (story.path / "test_sums.py").read_text()
    (story.path / "test_sums.py").write_text(
        text.replace(
            "def test_sums(response):",
            "def test_sums(response, tmp_path, double):\n    assert tmp_path.is_dir()\n"
            "    assert double == 2",
        )
    )
    (story.path / "conftest.py").write_text(
        "import pytest\n"
        "seen = []\n"
        "@pytest.fixture\ndef double():\n    return 2\n"
        "@pytest.fixture(autouse=True)\ndef always(request):\n    seen.append(request.node.name)\n"
        "def pytest_unconfigure():\n    print('SEEN', len(seen))\n"
    )
    story.answers()
    result = story.replay("-s")
    result.assert_outcomes(passed=10)
    assert "SEEN 10" in said(result)


def test_an_overridden_response_is_respected(story: Story) -> None:
    (story.path / "conftest.py").write_text(
        "import pytest\n"
        "@pytest.fixture\n"
        "def response(response):\n"
        "    response.touched = True\n"
        "    return response\n"
    )
    text = (story.path / "test_sums.py").read_text()
    (story.path / "test_sums.py").write_text(text + "    assert response.touched\n")
    story.answers()
    story.replay().assert_outcomes(passed=10)
