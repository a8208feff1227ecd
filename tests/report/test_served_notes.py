"""Which names of servers are the model that was asked for, and what is said of the others."""

import pytest

from pytest_gptoss.engines.names import fits, plain
from pytest_gptoss.report.served import served_notes

SOURCE = "openai/gpt-oss-20b"


@pytest.mark.parametrize(
    "served",
    [
        "gpt-oss-20b",
        "openai/gpt-oss-20b",
        "GPT-OSS:20b",
        "gpt-oss:20b:latest",
        "openai/gpt-oss-20b:free",
        "/models/gpt-oss-20b.gguf",
        "/data/openai/gpt-oss-20b/",
        "/hub/models--openai--gpt-oss-20b/snapshots/6cee5e81ee83917806bbde320786a8fb61efebee",
        "gpt-oss-20b-2025-08-05",
        "gpt-oss-20b-20250805",
    ],
)
def test_another_spelling_is_the_same_model(served):
    assert fits(served, [SOURCE])


@pytest.mark.parametrize(
    "served",
    [
        "gpt-oss-120b",
        "gpt-oss-20b-0528",  # releases that are told apart by month and day are other models
        "gpt-oss-20b-Q4_K_M.gguf",
        "gpt-oss-20b-2025",
        "gpt-oss",
        "openai",
        "x",
        "",
    ],
)
def test_another_model_is_another(served):
    assert not fits(served, [SOURCE])


def test_a_snapshot_has_the_name_of_its_repository():
    assert plain("/hub/models--gpt2/snapshots/607a30d783dfa663caf39e06633721c8d4cfcd7e") == "gpt2"


def group(served, *, benchmark="sums", n=None, errors=0, model="gpt-oss-20b"):
    n = sum((served or {}).values()) + errors if n is None else n
    return {
        "model": model,
        "benchmark": benchmark,
        "n": n,
        "outcomes": {"error": errors},
        "served_models": served,
        "judges": None,
    }


def notes(*groups, asked=SOURCE, aliases=(), arguments=None, engine=None):
    told = {"engine": "endpoint", "served_model": asked, "aliases": list(aliases)}
    model = {
        "name": "gpt-oss-20b",
        "source": SOURCE,
        "engine": told if engine is None else engine,
    }
    settings = {"models": {"gpt-oss-20b": model}, "engine_arguments": arguments or {}}
    return served_notes(groups, settings)


@pytest.mark.parametrize(
    "groups",
    [
        [group({SOURCE: 10})],
        [group({"gpt-oss-20b": 10})],
        [group({SOURCE: 5, "gpt-oss-20b": 5})],
        [group({SOURCE: 5}), group({"GPT-OSS-20B": 5}, benchmark="other")],
        [group({"gpt-oss-20b-2025-08-05": 10})],
        [group(None, n=10)],
        [group({SOURCE: 1}, n=10, errors=3)],
        [],
    ],
)
def test_nothing_is_said_where_the_model_answered(groups):
    assert notes(*groups) == []


def test_one_other_name_is_told_with_its_count_and_the_remedy():
    (note,) = notes(group({"llama-3-8b": 7}, n=10, errors=2), group({"llama-3-8b": 4}))
    assert note == (
        "asked for openai/gpt-oss-20b, 11 of 12 answers came as llama-3-8b: unless that is another "
        "name of gpt-oss-20b, these figures are of another model; look at what the server serves, "
        "or ask for that name with --gptoss-engine-arg model=llama-3-8b"
    )


@pytest.mark.parametrize(
    "groups",
    [
        [group({SOURCE: 6, "llama-3-8b": 4})],
        [group({SOURCE: 6}), group({"llama-3-8b": 4}, benchmark="other")],
        [group({"qwen": 6, "llama-3-8b": 4})],
        [group({"gpt-oss-20b-2025-08-05": 6, "gpt-oss-20b-2025-09-01": 4})],
        [group({SOURCE: 6, "openai/gpt-oss-20b-Q4_K_M.gguf": 4})],
    ],
)
def test_several_models_void_the_comparison(groups):
    (note,) = notes(*groups)
    assert note.startswith("the answers of gpt-oss-20b came from different models: asked for")
    for name, n in [pair for group in groups for pair in group["served_models"].items()]:
        assert f"{n} as {name}" in note
    assert "of 10 came" in note
    assert "no comparison with them holds" in note


def test_a_recording_of_several_models_is_told_without_knowing_who_was_asked():
    replay = {"engine": "replay"}
    (note,) = notes(group({"llama": 6, "qwen": 4}), engine=replay)
    assert "asked for gpt-oss-20b, of 10 came 6 as llama, 4 as qwen" in note
    assert notes(group({"another-label": 10}), engine=replay) == []
    assert notes(group({"gpt-oss-20b": 6, "openai/gpt-oss-20b": 4}), engine=replay) == []


def test_an_alias_that_the_server_or_the_user_states_is_no_other_model():
    served = group({"prod": 10})
    (note,) = notes(served, asked="prod")
    assert note == (
        "the server lists prod and no gpt-oss-20b, so prod was asked: unless that is another name "
        "of it, these figures are of another model; if it is, say so with --gptoss-engine-arg "
        "model=prod"
    )
    assert notes(served, asked="prod", arguments={"model": "prod"}) == []
    assert notes(served, asked="prod", aliases=["/models/gpt-oss-20b"]) == []
    # vLLM answers under its first name, whichever it was asked by.
    assert notes(served, aliases=["/weights", "prod"]) == []
    (note,) = notes(served, asked="prod", aliases=["/models/llama"])
    assert "so prod was asked" in note


def test_the_users_word_for_the_name_to_ask_for_says_nothing_of_what_answers():
    (note,) = notes(group({"llama": 10}), asked="prod", arguments={"model": "prod"})
    assert note.startswith("asked for prod, 10 of 10 answers came as llama")


def test_a_servers_text_stays_on_one_line_and_short():
    (note,) = notes(group({"a\nb\x1b[31m" + "x" * 500: 10}))
    assert note.isprintable()
    assert len(note) < 600


def test_a_name_of_its_own_for_each_answer_is_not_listed_whole():
    (note,) = notes(group({f"run-{n}": 1 for n in range(20)}))
    assert note.count(" as run-") == 4
    assert "and 16 more names" in note


def judged(*judges, asked="Qwen/Qwen3-32B"):
    groups = [{**group({SOURCE: 10}), "judges": one} for one in judges]
    settings = {"models": {}, "judge": None if asked is None else {"url": "u", "model": asked}}
    return served_notes(groups, settings)


@pytest.mark.parametrize(
    "judges",
    [
        [None],
        [{"Qwen/Qwen3-32B": 10}],
        [{"qwen3-32b": 10}, None],
        [{"Qwen/Qwen3-32B": 4}, {"qwen3-32b": 6}],
    ],
)
def test_nothing_is_said_where_the_judge_judged(judges):
    assert judged(*judges) == []


def test_another_judge_is_told_over_all_groups():
    (note,) = judged({"llama-3-8b": 7}, None, {"llama-3-8b": 1200})
    assert note == (
        "asked Qwen/Qwen3-32B to judge, 1,207 grades came from llama-3-8b: unless that is another "
        "name of it, another model gave them; look at what the server at --gptoss-judge serves, or "
        "name that judge with --gptoss-judge-model llama-3-8b"
    )


def test_several_judges_have_no_one_measure():
    (note,) = judged({"Qwen/Qwen3-32B": 3}, {"llama-3-8b": 1})
    assert "asked for Qwen/Qwen3-32B, of 4 came 3 as Qwen/Qwen3-32B, 1 as llama-3-8b" in note
    assert "--gptoss-rescore" in note


def test_a_scorer_of_ones_own_may_have_its_own_judge():
    assert judged({"anybody": 3}, asked=None) == []
