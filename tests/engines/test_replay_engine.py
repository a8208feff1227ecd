"""The replay engine: which file is meant, which line, and what is said where there is none."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted_server import Background, spec

from pytest_gptoss.engines import EngineOptions, Request
from pytest_gptoss.engines.replay import ReplayEngine
from pytest_gptoss.errors import DataError, EngineError, GptossError, UsageError
from pytest_gptoss.records import Completion, Sampling

HARMONY = (
    "<|channel|>analysis<|message|>6 x 7<|end|>"
    "<|start|>assistant<|channel|>final<|message|>42<|return|>"
)


@pytest.fixture
def background() -> Any:
    with Background() as background:
        yield background


def write(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows)
    )
    return path


def ask(item_id: str = "0", row: int = -1, repeat: int = 0, benchmark: str = "gsm8k") -> Request:
    return Request(
        messages=(),
        sampling=Sampling(),
        benchmark=benchmark,
        item_id=item_id,
        row=row,
        repeat=repeat,
    )


def replay(path: Path, *requests: Request, model: str = "gpt-oss-20b") -> list[Any]:
    """The answer to each request: a completion or the error."""

    async def run() -> list[Any]:
        engine = ReplayEngine(spec(model), EngineOptions(completions=str(path)))
        await engine.open()
        try:
            return await asyncio.gather(*map(engine.generate, requests), return_exceptions=True)
        finally:
            await engine.close()

    return asyncio.run(run())


def finals(path: Path, *requests: Request, **more: Any) -> list[str]:
    return [
        r.final if isinstance(r, Completion) else str(r) for r in replay(path, *requests, **more)
    ]


# --- which line --------------------------------------------------------------------------------


def test_an_item_is_found_by_its_id_or_its_row_number(tmp_path: Path) -> None:
    path = write(
        tmp_path / "gsm8k.jsonl",
        {"item_id": 1, "completion": "one"},
        {"item_id": "2", "completion": "two"},
        {"item_id": "a/b", "completion": "named"},
    )
    requests = [ask("1"), ask("2"), ask("a/b", row=7), ask("no-such-id", row=1)]
    assert finals(path, *requests) == ["one", "two", "named", "one"]


def test_an_id_goes_before_a_row_number(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", *({"item_id": i, "completion": str(i)} for i in range(9)))
    assert finals(path, ask("5", row=2)) == ["5"]


def test_an_item_that_is_not_recorded_is_an_error_of_its_own(tmp_path: Path) -> None:
    path = write(tmp_path / "gsm8k.jsonl", {"item_id": 0, "completion": "zero"})
    good, missing = replay(path, ask("0"), ask("17", row=17))
    assert good.final == "zero"
    assert type(missing) is EngineError
    assert str(missing) == f"{path}: item '17' (row 17) is not recorded"


def test_repeats_stand_in_file_order(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.jsonl",
        {"item_id": 0, "completion": "first"},
        {"item_id": 1, "completion": "other"},
        {"item_id": "0", "completion": "second"},
    )
    first, second, third = finals(path, ask("0"), ask("0", repeat=1), ask("0", repeat=2))
    assert (first, second) == ("first", "second")
    assert third.endswith("repeat 3 of item '0' is not recorded (2 are)")


def test_a_repeat_that_is_numbered_keeps_its_number_and_its_last_line(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.jsonl",
        {"item_id": 0, "repeat": 2, "completion": "c"},
        {"item_id": 0, "repeat": 0, "completion": "a, failed"},
        {"item_id": 0, "repeat": 0, "completion": "a"},
    )
    a, b, c = finals(path, *(ask("0", repeat=repeat) for repeat in range(3)))
    assert (a, c) == ("a", "c")
    assert "repeat 2 of item '0' is not recorded" in b


# --- what is in it -----------------------------------------------------------------------------


def test_channels_are_told_apart(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.jsonl",
        {"item_id": 0, "completion": HARMONY},
        {"item_id": 1, "completion": "<think>6 x 7</think>42"},
        {"item_id": 2, "completion": "42", "reasoning": "6 x 7"},
        {"item_id": 3, "final": "42", "reasoning": "6 x 7"},
    )
    for completion in replay(path, *(ask(str(i)) for i in range(4))):
        assert (completion.final, completion.reasoning) == ("42", "6 x 7")
        assert completion.malformed is None


def test_counts_are_kept_and_times_are_not_invented(tmp_path: Path) -> None:
    row = {
        "item_id": 0,
        "completion": "42",
        "finish_reason": "length",
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "reasoning_tokens": 3,
        "model": "gpt-oss-20b",
        "latency_s": 9.9,
    }
    (completion,) = replay(write(tmp_path / "x.jsonl", row), ask())
    assert completion.finish_reason == "length"
    assert (completion.prompt_tokens, completion.completion_tokens) == (7, 5)
    assert (completion.reasoning_tokens, completion.served_model) == (3, "gpt-oss-20b")
    assert completion.latency_s is completion.ttft_s is completion.queue_s is None


def test_a_run_is_a_recording(tmp_path: Path) -> None:
    """Both of its files: ``items.jsonl``, and the journal of a run that was killed."""
    recorded = Completion(final="42", reasoning="6 x 7", finish_reason="stop", latency_s=1.5)
    head = {"model": "gpt-oss-20b", "benchmark": "gsm8k", "item_hash": "0", "repeat": 0}
    whole = msgspec.to_builtins(recorded)
    failed = {"error": "no server", "finish_reason": "error"}
    write(
        tmp_path / "journal.jsonl",
        {"journal": 1},
        head | {"item_id": "0", "completion": whole},
        head | {"item_id": "1", "completion": failed},
        head | {"item_id": "0", "benchmark": "mmlu", "completion": {"final": "B"}},
        '{"model":"gpt-oss-20b","bench',
    )
    good, bad = replay(tmp_path, ask("0"), ask("1"))
    assert (good.final, good.reasoning, good.latency_s) == ("42", "6 x 7", None)
    assert "recorded as an error: no server" in str(bad)
    assert finals(tmp_path, ask("0", benchmark="mmlu")) == ["B"]
    write(
        tmp_path / "items.jsonl",
        head | {"item_id": "0", "outcome": "correct", "final": "42 again", "error": None},
        head | {"item_id": "1", "outcome": "error", "final": None, "error": "no server"},
        head | {"item_id": "2", "outcome": "malformed", "final": "", "malformed": "no channel"},
    )
    good, bad, malformed = replay(tmp_path, ask("0"), ask("1"), ask("2"))
    assert good.final == "42 again"
    assert "recorded as an error: no server" in str(bad)
    assert malformed.malformed == "no channel"


def test_a_model_is_chosen_among_several(tmp_path: Path) -> None:
    rows = [
        {"item_id": 0, "model": model, "benchmark": "gsm8k", "final": model}
        for model in ("gpt-oss-20b", "gpt-oss-20b:low")
    ]
    path = write(tmp_path / "items.jsonl", *rows)
    assert finals(path, ask("0")) == ["gpt-oss-20b"]
    (error,) = replay(path, ask("0"), model="llama")
    assert isinstance(error, UsageError)
    assert "holds completions of gpt-oss-20b, gpt-oss-20b:low, but none of llama" in str(error)


def test_a_single_model_is_taken_under_any_name(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", {"item_id": 0, "model": "theirs", "completion": "42"})
    (completion,) = replay(path, ask("0"), model="mine")
    assert (completion.final, completion.served_model) == ("42", "theirs")


# --- which file --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("gsm8k.jsonl", "."),
        ("gsm8k/gpt-oss-20b.jsonl", "."),
        ("gsm8k/only.jsonl", "."),
        ("gsm8k/gpt-oss-20b.jsonl", "gsm8k"),
        ("any.jsonl", "any.jsonl"),
    ],
)
def test_a_recording_is_found(tmp_path: Path, file: str, folder: str) -> None:
    write(tmp_path / file, {"item_id": 0, "completion": "42"})
    write(tmp_path / "mmlu.jsonl", {"item_id": 0, "completion": "B"})
    if "gpt-oss" in file:
        write(tmp_path / "gsm8k/other.jsonl", {"item_id": 0, "completion": "wrong file"})
    assert finals(tmp_path / folder, ask()) == ["42"]


def test_a_file_whose_lines_name_the_benchmark_is_found(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", {"item_id": 0, "benchmark": "mmlu", "completion": "B"})
    write(tmp_path / "b.jsonl", {"item_id": 0, "benchmark": "gsm8k", "completion": "42"})
    assert finals(tmp_path, ask()) == ["42"]


@pytest.mark.parametrize("labelled", [{}, {"benchmark": "gsm8k"}], ids=["folder", "lines"])
def test_several_files_that_may_be_meant_are_named(tmp_path: Path, labelled: Any) -> None:
    folder = tmp_path if labelled else tmp_path / "gsm8k"
    for name in ("a", "b"):
        write(folder / f"{name}.jsonl", {"item_id": 0, "completion": "42"} | labelled)
    (error,) = replay(tmp_path, ask())
    assert isinstance(error, UsageError)
    assert "several files may hold the completions for gsm8k: a.jsonl, b.jsonl in" in str(error)


def test_a_benchmark_without_a_recording_is_named(tmp_path: Path) -> None:
    write(tmp_path / "mmlu.jsonl", {"item_id": 0, "completion": "B"})
    (error,) = replay(tmp_path, ask())
    assert isinstance(error, UsageError)
    assert "holds no completions for gsm8k" in str(error)
    labelled = write(tmp_path / "x.jsonl", {"item_id": 0, "benchmark": "a", "completion": "B"})
    (error,) = replay(labelled, ask())
    assert "holds completions of other benchmarks, but none of gsm8k" in str(error)


@pytest.mark.parametrize("name", ["missing.jsonl", "empty"])
def test_a_place_without_recordings_is_refused_at_open(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="--gptoss-completions"):
        replay(tmp_path / name)


# --- files that are damaged --------------------------------------------------------------------


def test_a_torn_last_line_is_dropped_with_a_note(tmp_path: Path, background: Background) -> None:
    path = write(tmp_path / "x.jsonl", {"item_id": 0, "completion": "42"}, '{"item_id": 1, "comp')
    engine = ReplayEngine(spec(), EngineOptions(completions=str(path)))
    background.run(engine.open())
    assert background.run(engine.generate(ask())).final == "42"
    with pytest.raises(EngineError, match="not recorded"):
        background.run(engine.generate(ask("1")))
    facts = engine.facts()
    background.run(engine.close())
    background.run(engine.close())
    assert facts["notes"] == [f"{path}, line 2 was cut off while it was written; dropped"]
    assert facts["files"] == {"gsm8k": {"file": str(path), "rows": 1}}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{broken\n", "line 2 is no JSON"),
        ("[1]\n", "line 2: Expected `object`, got `array`"),
        ('{"completion": "x"}\n', "line 2 has no 'item_id'"),
        ('{"item_id": 5}\n', "line 2 (item 5) has no 'completion'"),
        ('{"item_id": 5.5, "completion": "x"}\n', "line 2: Expected `int | str`"),
        ('{"item_id": 5, "completion": 7}\n', "line 2: Expected `str | object | null`"),
        ('{"item_id": 5, "completion": "x", "repeat": -1}\n', "line 2: 'repeat' is -1"),
    ],
    ids=["json", "array", "no id", "no completion", "id", "completion", "repeat"],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str, sentence: str) -> None:
    good = {"item_id": 0, "completion": "42"}
    path = write(tmp_path / "x.jsonl", good, line, good)
    (error,) = replay(path, ask())
    assert isinstance(error, DataError)
    assert f"{path}, {sentence}" in str(error)


@pytest.mark.parametrize(
    "row", [{"completion": None}, {"completion": "x", "reasoning": 5}], ids=repr
)
def test_a_line_without_an_answer_is_its_items_error(tmp_path: Path, row: dict[str, Any]) -> None:
    path = write(tmp_path / "x.jsonl", {"item_id": 0} | row, {"item_id": 1, "completion": "42"})
    bad, good = replay(path, ask("0"), ask("1"))
    assert type(bad) is EngineError
    assert good.final == "42"


def test_what_other_programs_write_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    lines = [b"\xef\xbb\xbf" + b'{"item_id": 0, "completion": "a"}', b"", b"  "]
    lines.append('{"item_id": 1, "completion": "é 日本", "extra": [1]}'.encode())
    path.write_bytes(b"\r\n".join(lines))
    assert finals(path, ask("0"), ask("1")) == ["a", "é 日本"]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.binary(max_size=60)
    | st.lists(
        st.dictionaries(
            st.sampled_from(["item_id", "completion", "final", "error", "repeat", "model"]),
            st.none() | st.integers() | st.text(max_size=4) | st.booleans() | st.just({"final": 3}),
        ),
        max_size=4,
    ).map(lambda rows: b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
)
def test_any_file_is_completions_or_sentences(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    for result in replay(path, ask("0"), ask("1", row=1)):
        assert isinstance(result, Completion | GptossError)


def test_a_large_recording_is_scanned_in_about_a_second(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with path.open("w") as lines:
        for i in range(100_000):
            lines.write(f'{{"item_id": {i}, "completion": "{"x" * 400}"}}\n')
    begin = time.process_time()
    assert finals(path, ask("99999")) == ["x" * 400]
    assert time.process_time() - begin < 2.0


@pytest.mark.realdata
@pytest.mark.skipif("GPTOSS_DATA" not in os.environ, reason="GPTOSS_DATA names no folder")
@pytest.mark.parametrize("name", ["gsm8k", "piqa"])
def test_real_recordings_hold_every_item(name: str) -> None:
    folder = Path(os.environ["GPTOSS_DATA"]).parent / "outputs"
    if not (folder / name).is_dir():
        pytest.skip("there are no recorded outputs beside the data")
    for file in sorted((folder / name).glob("*.jsonl")):
        ids = [str(json.loads(line)["item_id"]) for line in file.read_text().splitlines()]
        results = replay(folder, *(ask(i, benchmark=name) for i in ids), model=file.stem)
        assert all(isinstance(result, Completion) for result in results)
