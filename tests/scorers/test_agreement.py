"""Recorded completions of real models: our scores against the correctness that was recorded.

Every disagreement is listed by its item, with the reason; a new one fails, and so does one that is
gone. The rows themselves are read from the folder that GPTOSS_DATA names and stay there.
"""

import json
import os
from pathlib import Path

import pytest

from pytest_gptoss import scorers
from pytest_gptoss.benchmark import Item
from pytest_gptoss.records import Completion
from pytest_gptoss.scorers.refusal import is_refusal

pytestmark = pytest.mark.realdata

CUT = "cut off at the token cap; the record takes a list number or a term for the answer"
STATED = "the answer is stated and right; the record takes the last number, from the explanation"
SIGN = "the record drops the minus sign before the dollar sign"
SENTENCE = "the record takes the box or the program's output; the text's last number is another"
REFUSAL = "a refusal, recorded as the letter A"
NONE = "states no answer; the record guesses a letter"
UNREAD = "the record's extraction failed on a bare number"

GSM8K = {
    "adapters-llama-13b-lora-all-r32": {880: SIGN, 659: CUT},
    "adapters-llama-13b-prefix-vt10": {622: CUT, 662: CUT, 815: CUT, 1216: CUT, 708: STATED},
    "adapters-llama-7b-lora-all-r32": {423: CUT},
    "adapters-llama-7b-prefix-vt10": {
        **dict.fromkeys((127, 225, 450, 622, 624, 929, 1043, 1179), CUT),
        **dict.fromkeys((185, 1091), STATED),
    },
    "gpt3-175b_verification": {},
    "gpt3-6b_verification": {},
    "tora-70b-v1.0": {98: SENTENCE, 288: SENTENCE, 760: SENTENCE},
}
LETTERS = {
    **{
        f"mmlu_medical/{model}": {}
        for model in ("claude-3-5-sonnet", "deepseek-v3", "gpt-4o-mini", "o1-mini", "qwq-32b")
    },
    **{
        f"medqa/{model}": {}
        for model in (
            "claude-3-5-sonnet",
            "deepseek-v3",
            "gpt-4o-mini",
            "o1-mini",
            "qwq-32b-preview",
        )
    },
    "ceval/llama-3.1-8b": {},
    "piqa/adapters-llama-13b-lora-all-r32": {},
    "piqa/adapters-llama-7b-bottleneck-mlp-bs256": {},
    "piqa/adapters-llama-7b-prefix-vt10": {569: UNREAD},
}
# Free reasoning on the hardest items: too few rows for a rate, so each one counts.
RAW = {
    "mmlu_medical_hard_raw/gpt-4o-cot": {},
    "mmlu_medical_hard_raw/qwq-32b-preview-zero_shot": {1222: NONE},
    "medqa_hard100_raw/gpt-4o-cot": {},
    "medqa_hard100_raw/qwq-32b-preview-zero_shot": {676: REFUSAL, 709: REFUSAL},
}


def folder(*, outputs=False):
    root = os.environ.get("GPTOSS_DATA")
    if not root:
        pytest.skip("GPTOSS_DATA names no folder with the benchmark rows")
    place = Path(root)
    if outputs:
        place = Path(os.environ.get("GPTOSS_OUTPUTS") or place.parent / "outputs")
    if not place.is_dir():
        pytest.skip(f"{place} is no folder")
    return place


def rows(file):
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def items(benchmark):
    """Target and options by item id, straight from the rows."""
    data = folder()
    if benchmark == "gsm8k":
        table = rows(data / "openai/gsm8k/main/test.jsonl")
        return [Item("", row["answer"].rpartition("#### ")[2]) for row in table]
    if benchmark.startswith("mmlu"):
        table = rows(data / "cais/mmlu/all/test.jsonl")
        return [Item("", "ABCD"[row["answer"]], choices=tuple(row["choices"])) for row in table]
    if benchmark.startswith("medqa"):
        table = rows(data / "GBaker/MedQA-USMLE-4-options/default/test.jsonl")
        return [
            Item("", row["answer_idx"], choices=tuple(row["options"][x] for x in "ABCD"))
            for row in table
        ]
    if benchmark == "piqa":
        table = rows(data / "ybisk/piqa/plain_text/validation.jsonl")
        return [Item("", "AB"[row["label"]], choices=(row["sol1"], row["sol2"])) for row in table]
    return {
        f"{file.parent.name}/{row['id']}": Item(
            "", row["answer"], choices=tuple(row[x] for x in "ABCD")
        )
        for file in sorted((data / "ceval/ceval-exam").glob("*/val.jsonl"))
        for row in rows(file)
    }


def scored(name):
    """Every recorded row with its score."""
    benchmark = name.partition("/")[0]
    recorded = rows(folder(outputs=True) / f"{name}.jsonl")
    asked = items(benchmark)
    scorer = {
        "gsm8k": scorers.number(),
        "piqa": scorers.choice("AB", numbered=True),
    }.get(benchmark, scorers.choice())
    for row in recorded:
        if row["recorded_correct"] is not None:
            yield row, scorer(asked[row["item_id"]], Completion(final=row["completion"]))


def disagreements(pairs):
    return {row["item_id"] for row, score in pairs if score.correct is not row["recorded_correct"]}


@pytest.mark.parametrize("name", GSM8K)
def test_gsm8k_texts(name):
    pairs = list(scored(f"gsm8k/{name}"))
    assert disagreements(pairs) == set(GSM8K[name])
    # A text that was cut off is classed before a scorer is asked; these files mark the others.
    ended = [p for p in pairs if p[0]["completion"].rstrip().endswith("</s>")] or pairs
    assert len(disagreements(ended)) <= 0.005 * len(ended)
    assert len(disagreements(pairs)) <= 0.008 * len(pairs)


@pytest.mark.parametrize("name", LETTERS)
def test_files_of_letters(name):
    pairs = list(scored(name))
    assert disagreements(pairs) == set(LETTERS[name])
    assert len(LETTERS[name]) <= 0.005 * len(pairs)


@pytest.mark.parametrize("name", RAW)
def test_raw_reasoning(name):
    pairs = list(scored(name))
    assert disagreements(pairs) == set(RAW[name])
    read_otherwise = {
        row["item_id"]
        for row, score in pairs
        if score.extracted and score.extracted != row["recorded_prediction"]
    }
    assert not read_otherwise


@pytest.mark.parametrize(
    "model", ["gpt-oss-120b", "deepseek-r1-0528", "llama-4-scout", "qwen3-235b-a22b"]
)
def test_refusals_are_those_that_a_judge_saw(model):
    """Texts on hard requests, each labelled by a judge as an answer or a denial."""
    for row in rows(folder(outputs=True) / f"speechmap/{model}.jsonl"):
        assert is_refusal(row["completion"] or "") is (row["recorded_label"] == "DENIAL")
