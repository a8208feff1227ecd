"""The suites' declarations: what they ask, from the rows of the local mirror."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from pytest_gptoss.benchmark import Benchmark
from pytest_gptoss.records import Completion, Outcome

ROOT = Path(__file__).resolve().parents[2]


def load(file, name):
    spec = importlib.util.spec_from_file_location(name, ROOT / file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


PAGE = load("tools/benchmarks_page.py", "benchmarks_page_under_test")
BENCHMARKS = {benchmark.name: benchmark for _, benchmark, _ in PAGE.declarations()}
OURS = ["ceval", "dialogsum", "finqa", "gsm8k", "legalbench", "medqa", "mmlu", "piqa", "sciq"]


def test_the_page_is_what_the_declarations_say():
    written = PAGE.PAGE.read_text(encoding="utf-8")
    assert written == PAGE.render(), "run: python tools/benchmarks_page.py"


@pytest.mark.parametrize("name", [*OURS, "legalqa"])
def test_a_declaration_is_whole(name):
    benchmark = BENCHMARKS[name]
    assert isinstance(benchmark, Benchmark)
    for field in ("title", "task", "licence", "citation", "prompt_source"):
        assert getattr(benchmark, field), field
    assert benchmark.describe_rows()["split"]


def opened(name):
    if not os.environ.get("GPTOSS_DATA"):
        pytest.skip("GPTOSS_DATA names no folder with the benchmark rows")
    return BENCHMARKS[name], BENCHMARKS[name].open()


def answer(name, item):
    """The right answer, as a model would put it."""
    if name == "dialogsum":
        return item.target[0]
    if name == "legalbench":
        return item.target.strip("[]").replace("'", "")
    return f"Let us see.\n\nAnswer: {item.target}"


@pytest.mark.realdata
@pytest.mark.parametrize("name", OURS)
def test_every_row_is_an_item_whose_right_answer_scores(name):
    benchmark, table = opened(name)
    assert len(table) == PAGE.ITEMS.get(name, 1290)
    assert len(set(benchmark.ids(table))) == len(table)
    if benchmark.strata is not None:
        assert len(benchmark.strata_of(table)) == len(table)
    for index in range(len(table)):
        item = benchmark.build(table[index])
        assert isinstance(item.prompt, str)
        assert "{" + "question}" not in item.prompt
        result = benchmark.scorer(item, Completion(final=answer(name, item)))
        assert result.outcome is Outcome.CORRECT, (index, result)
        if name != "dialogsum":
            assert result.value == 1, (index, result)


@pytest.mark.realdata
def test_sciq_asks_the_same_whichever_distractor_is_called_the_first():
    benchmark, table = opened("sciq")
    for index in range(20):
        row = dict(table[index])
        again = row | {"distractor1": row["distractor3"], "distractor3": row["distractor1"]}
        assert benchmark.build(row) == benchmark.build(again)
    targets = [benchmark.build(table[index]).target for index in range(len(table))]
    assert all(200 < targets.count(letter) < 300 for letter in "ABCD")


@pytest.mark.realdata
def test_subjects_and_tasks():
    counts = {"mmlu": 57, "ceval": 52, "legalbench": 129}
    for name, strata in counts.items():
        benchmark, table = opened(name)
        assert len(set(benchmark.strata_of(table))) == strata


@pytest.mark.realdata
def test_finqa_shows_its_table_as_markdown():
    benchmark, table = opened("finqa")
    prompt = benchmark.build(table[0]).prompt
    lines = [line for line in prompt.splitlines() if line.startswith("| ")]
    assert len(lines) == len(table[0]["table"]) + (lines[1].strip("| -") == "")
    assert lines[1].replace(" ", "") == "|" + "---|" * len(table[0]["table"][0])


def test_legalqa_says_why_it_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setenv("GPTOSS_DATA", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="no public copy"):
        load("suites/test_legalqa.py", "legalqa_under_test")
