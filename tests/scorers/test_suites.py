"""The suites' declarations: what they ask, from the rows of the local mirror."""

import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest

from pytest_gptoss.benchmark import Benchmark, ScoredItem
from pytest_gptoss.errors import DataError
from pytest_gptoss.records import Completion, Outcome
from pytest_gptoss.scorers.judge import Judge, use_judge

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


@pytest.mark.parametrize("name", [*OURS, "humaneval", "legalqa"])
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
@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("ceval", "按“答案：X”的格式给出答案，X 为 A、B、C、D 之一"),
        ("dialogsum", "Reply with the summary alone."),
        ("finqa", 'End with one line of the form "Answer: X".'),
        ("gsm8k", '"Answer: N", where N is a number without units.'),
        ("legalbench", "Reply with the answer alone, in the form of the examples."),
        ("medqa", 'End with one line of the form "Answer: X", where X\nis A, B, C or D.'),
        ("mmlu", 'End with one line of the form "Answer: X",\nwhere X is A, B, C or D.'),
        ("piqa", 'End with one line of the form "Answer: X", where X is\nA or B.'),
        ("sciq", 'End with one line of the form "Answer: X", where X is A, B, C or D.'),
    ],
)
def test_every_prompt_states_the_form_of_its_answer(name, form):
    benchmark, table = opened(name)
    for index in range(0, len(table), 53):
        item = benchmark.build(table[index])
        said = f"{item.instructions or ''}\n{item.prompt}"
        assert form in said
        # The question itself is whole: nothing of the template is left in it.
        assert not re.search(r"\{\w+(?:\[\w+\])?\}\s*\Z", said)


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


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        # Hendrycks' own counts of the test split, which other evaluations report too.
        ("mmlu", {"STEM": 3018, "humanities": 4705, "social sciences": 3077, "other": 3242}),
        ("ceval", {"STEM": 430, "social science": 275, "humanities": 257, "other": 384}),
    ],
)
def test_every_subject_has_one_category(name, sizes):
    benchmark, table = opened(name)
    strata = benchmark.strata_of(table)
    named = [s for subjects in benchmark.aggregate.categories.values() for s in subjects]
    assert sorted(named) == sorted(set(strata))
    counted = {
        category: sum(stratum in subjects for stratum in strata)
        for category, subjects in benchmark.aggregate.categories.items()
    }
    assert counted == sizes


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "count", "form"),
    [("mmlu", 5, "Answer: [A-D]"), ("ceval", 5, "答案：[A-D]"), ("gsm8k", 8, r"Answer: \d+")],
)
def test_examples_are_answered_in_the_form_that_is_asked_for(name, count, form):
    benchmark, table = opened(name)
    shown = benchmark.with_shots(count)
    for index in range(0, len(table), 97):
        plain, item = benchmark.build(table[index]), shown.build(table[index])
        assert len(item.messages) == 2 * count + 1
        assert item.messages[-1].content == plain.prompt
        assert item.content_hash != plain.content_hash
        for question, answer in zip(item.messages[:-1:2], item.messages[1::2], strict=True):
            assert (question.role, answer.role) == ("user", "assistant")
            assert question.content != plain.prompt
            assert question.content.splitlines()[0] == plain.prompt.splitlines()[0]
            assert re.fullmatch(form, answer.content.splitlines()[-1])
            assert "<<" not in answer.content
            assert benchmark.scorer.stated(answer.content) if name != "gsm8k" else True


@pytest.mark.realdata
def test_too_many_examples_are_refused_with_the_number_there_is():
    benchmark, _ = opened("mmlu")
    with pytest.raises(DataError, match=r"--gptoss-shots 6 asks for more .* ask for 5 or fewer"):
        benchmark.with_shots(6)


@pytest.mark.realdata
def test_legalbench_is_balanced_over_its_labels():
    benchmark, table = opened("legalbench")
    strata = benchmark.strata_of(table)
    # A model that always says Yes: on a task with both labels it is right half of the time.
    items = [
        ScoredItem(strata[index], float(table[index]["answer"] == "Yes"), table, index)
        for index in range(len(table))
    ]
    figure = benchmark.aggregate(items)["mean balanced accuracy"]
    assert figure["strata"] == 129
    both = [
        task
        for task in set(strata)
        if {table[i]["answer"] for i in range(len(table)) if strata[i] == task} == {"Yes", "No"}
    ]
    assert len(both) > 40
    assert all(figure["each"][task]["accuracy"] == 0.5 for task in both)


def test_legalqa_is_graded_by_the_judge_where_there_is_one(tmp_path, monkeypatch):
    folder = tmp_path / "legalqa" / "legalqa" / "default"
    folder.mkdir(parents=True)
    (folder / "test.jsonl").write_text('{"question": "May I?", "answer": "You may."}\n')
    monkeypatch.setenv("GPTOSS_DATA", str(tmp_path))
    plain = load("suites/test_legalqa.py", "legalqa_under_test").legalqa
    assert (plain.scorer.name, plain.scorer.graded) == ("rouge", True)
    use_judge(Judge(url="http://127.0.0.1:9/v1", model="grader"))
    try:
        judged = load("suites/test_legalqa.py", "legalqa_under_test").legalqa
    finally:
        use_judge(None)
    assert (judged.scorer.name, judged.scorer.version) == ("judge", "1, grader, rouge 1")
    assert judged.build(judged.open()[0]).metadata == {"question": "May I?"}


def test_legalqa_says_why_it_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setenv("GPTOSS_DATA", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="no public copy"):
        load("suites/test_legalqa.py", "legalqa_under_test")
