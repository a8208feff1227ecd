"""``--gptoss-data DIR``: the local mirror, and everything that can be wrong with it."""

import json
from pathlib import Path

import pytest
from scripted_server import Answer, ScriptedServer, raw
from stories import Story, said

SUITE = """
from pytest_gptoss import Benchmark, Item, hub, scorers

capitals = Benchmark(
    name="capitals",
    rows=hub("owner/capitals", config="main", split="test", revision="1" * 40),
    item=lambda row: Item(prompt=row["question"], target=row["answer"]),
    scorer=scorers.choice("ABCD"),
)

@capitals.test
def test_capitals(response):
    response.check()
"""


@pytest.fixture
def mirrored(story: Story, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Story:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (story.path / "test_sums.py").unlink()
    (story.path / "test_capitals.py").write_text(SUITE)
    write(story, [{"question": f"Question {n}?", "answer": "ABCD"[n % 4]} for n in range(6)])
    with (story.path / "answers.jsonl").open("w") as out:
        for n in range(6):
            out.write(json.dumps({"item_id": n, "completion": "Answer: A"}) + "\n")
    return story


def write(story: Story, rows: list[object] | str) -> Path:
    file = story.path / "mirror/owner/capitals/main/test.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
    file.write_text(text)
    return file


def test_rows_come_from_the_mirror(mirrored: Story) -> None:
    result = mirrored.replay("--gptoss-data", "mirror")
    assert result.parseoutcomes() == {"passed": 2, "incorrect": 4}
    data = mirrored.summary()["settings"]["benchmarks"]["capitals"]["data"]
    assert data["dataset"] == "owner/capitals"
    assert data["source"] == "mirror"
    assert data["revision"] == "1" * 40


def test_the_environment_variable_names_it_too(
    mirrored: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTOSS_DATA", str(mirrored.path / "mirror"))
    assert mirrored.replay().parseoutcomes() == {"passed": 2, "incorrect": 4}


def test_a_changed_file_is_read_again(mirrored: Story) -> None:
    mirrored.replay("--gptoss-data", "mirror")
    write(mirrored, [{"question": f"Another {n}?", "answer": "A"} for n in range(5)])
    result = mirrored.replay("--gptoss-data", "mirror", "--gptoss-run", "second")
    assert result.parseoutcomes() == {"passed": 5}
    hashes = [{item["item_hash"] for item in mirrored.items(run)} for run in ("run", "second")]
    assert not hashes[0] & hashes[1]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("", "is empty; put the split's rows there as JSON Lines"),
        ('{"question": "a", "answer": "A"}\n{"question": "b", "ans', "line 2 is not valid JSON"),
        ('["a", "b"]\n', "line 1 is no JSON object"),
        ("\n\n", "holds no rows"),
    ],
    ids=["empty", "torn", "no object", "blank"],
)
def test_a_file_that_cannot_be_read_is_named(mirrored: Story, rows: str, sentence: str) -> None:
    write(mirrored, rows)
    result = mirrored.replay("--gptoss-data", "mirror")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert sentence in said(result)
    assert "test.jsonl" in said(result)
    assert "Traceback" not in said(result)


def test_a_missing_split_is_named(mirrored: Story) -> None:
    (mirrored.path / "mirror/owner/capitals/main/test.jsonl").unlink()
    result = mirrored.replay("--gptoss-data", "mirror")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "the local mirror has no" in said(result)


def test_a_missing_folder_is_named(mirrored: Story) -> None:
    result = mirrored.replay("--gptoss-data", "nosuch")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "which is no folder" in said(result)


def test_a_renamed_column_is_an_error_that_names_the_columns(mirrored: Story) -> None:
    write(mirrored, [{"query": "?", "answer": "A"}])
    result = mirrored.replay("--gptoss-data", "mirror")
    result.assert_outcomes(errors=1)
    assert "a row has no column 'question' (it has query, answer)" in said(result)


def test_a_row_without_target_is_an_error_of_its_own(mirrored: Story) -> None:
    write(mirrored, [{"question": "a", "answer": "A"}, {"question": "b", "answer": ""}])
    result = mirrored.replay("--gptoss-data", "mirror")
    result.assert_outcomes(passed=1, errors=1)
    assert "a row has no target, so it cannot be scored" in said(result)


def test_the_hub_out_of_reach_is_one_sentence(
    mirrored: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = mirrored.pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "--model", "recorded", "--gptoss-completions", "answers.jsonl"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "the dataset owner/capitals (main)" in said(result)
    assert "--gptoss-data" in said(result)
    assert "Traceback" not in said(result)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            raw("", 401, {"X-Error-Code": "GatedRepo"}),
            "(it is gated); accept its terms on the Hub and set HF_TOKEN",
        ),
        (raw("<html>Log in to this network</html>"), "; check the network, or set --gptoss-data"),
    ],
    ids=["gated", "another page"],
)
def test_a_hub_that_gives_no_rows_is_one_sentence(
    mirrored: Story, monkeypatch: pytest.MonkeyPatch, answer: Answer, sentence: str
) -> None:
    with ScriptedServer() as hub:
        hub.before = [answer] * 100
        monkeypatch.setenv("HF_ENDPOINT", hub.url.removesuffix("/v1"))
        monkeypatch.setenv("HF_HOME", str(mirrored.path / "hub"))
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        result = mirrored.pytester.runpytest_subprocess(
            "-p", "no:cacheprovider", "--model", "recorded", "--gptoss-completions", "answers.jsonl"
        )
        assert hub.asked
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "the dataset owner/capitals (main)" in said(result)
    assert sentence in said(result)
    assert str(mirrored.path / "owner") not in said(result)
    assert "Traceback" not in said(result)
