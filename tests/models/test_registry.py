"""The registry: what its entries say, and how a user's own file extends it."""

from pathlib import Path

import pytest

from pytest_gptoss.errors import UsageError
from pytest_gptoss.models import fixtures, registry
from pytest_gptoss.models.spec import GIB, least_gpu_memory

PUBLISHED = [
    "gpt-oss-120b",
    "gpt-oss-20b",
    "qwen3-235b",
    "deepseek-r1-70b",
    "llama-3.3-70b",
    "llama-4-scout",
    "gemma-3-27b",
    "phi-4-reasoning",
]
# Memory of an H100 and an H200 as their driver reports it, in MiB.
CARDS = {"80": 81_559 * 2**20, "141": 143_771 * 2**20}


def write(folder: Path, text: str) -> Path:
    file = folder / "models.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_eight_models_and_the_tiny_ones_are_there():
    tiny = ["tiny-gpt-oss", "tiny-gpt-oss-early", "tiny-gpt-oss-3bit"]
    assert list(registry()) == [*PUBLISHED, *tiny]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_model_says_where_every_fact_comes_from(name):
    entry = registry()[name]
    assert entry.hub
    assert entry.parameters
    assert entry.active_parameters
    assert entry.parameters_source
    assert entry.unquantised
    assert entry.sampling
    assert entry.sampling_source
    assert entry.sampling_source.startswith("https://")
    assert entry.licence
    assert entry.context_length
    assert entry.revision is None or len(entry.revision) == 40


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("card", CARDS)
def test_tensor_parallel_follows_the_rule_that_the_file_states(name, card):
    entry = registry()[name]
    forms = [(entry.weights, entry.tensor_parallel)]
    forms += [(v.weights_bytes, v.tensor_parallel) for v in entry.variants.values()]
    for weights, tensor_parallel in forms:
        need = least_gpu_memory(weights) + 16 * GIB
        by_rule = next(n for n in (1, 2, 4, 8) if n * 0.9 * CARDS[card] >= need)
        # "fits into a single 80GB GPU", as its authors say
        expected = 1 if (name, card, weights) == ("gpt-oss-120b", "80", 65_283_502_899) else by_rule
        assert tensor_parallel[card] == expected


def test_mxfp4_sizes_are_the_model_cards():
    assert round(registry()["gpt-oss-120b"].weights / GIB, 1) == 60.8
    assert round(registry()["gpt-oss-20b"].weights / GIB, 1) == 12.8


def test_the_fixtures_have_the_names_users_rely_on():
    assert fixtures() == {
        "gpt_oss_120b": "gpt-oss-120b",
        "gpt_oss_20b": "gpt-oss-20b",
        "qwen3_235b": "qwen3-235b",
        "deepseek_r1_70b": "deepseek-r1-70b",
        "llama_3_3_70b": "llama-3.3-70b",
        "llama_4_scout": "llama-4-scout",
        "gemma_3_27b": "gemma-3-27b",
        "phi_4_reasoning": "phi-4-reasoning",
        "tiny_gpt_oss": "tiny-gpt-oss",
        "tiny_gpt_oss_early": "tiny-gpt-oss-early",
        "tiny_gpt_oss_3bit": "tiny-gpt-oss-3bit",
    }


def test_a_users_file_overrides_key_by_key_and_adds(tmp_path):
    file = write(
        tmp_path,
        '["gpt-oss-20b"]\nsampling = { temperature = 0.0 }\n'
        '["my-model"]\nhub = "me/my-model"\nfixture = "mine"\n["a-folder"]\npath = "weights"\n',
    )
    entries = registry(file)
    assert entries["gpt-oss-20b"].sampling.temperature == 0.0
    assert entries["gpt-oss-20b"].sampling.top_p == 1.0
    assert entries["gpt-oss-20b"].hub == "openai/gpt-oss-20b"
    assert entries["a-folder"].path == str(tmp_path / "weights")
    assert fixtures(file)["mine"] == "my-model"
    assert "my-model" not in registry()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('["a"]\nhub = "o/a"\ntorn = ', ["not valid TOML", "line 3", "correct that line"]),
        ('\n["a"]\nhubb = "o/a"\n', ["line 2", "'a'", "hubb"]),
        ('["a"]\nhub = "o/a"\nefforts = ["max"]\n', ["line 1", "'max'"]),
        ('["a"]\nhub = 3\n', ["line 1", "Expected `str"]),
        ('["a"]\nreasoning = "none"\n', ["line 1", "neither 'hub' nor 'path'"]),
        ('\nhub = "o/a"\n', ["line 2", "'hub'", "outside a table"]),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, text, words):
    file = write(tmp_path, text)
    with pytest.raises(UsageError) as error:
        registry(file)
    for word in [str(file), *words]:
        assert word in str(error.value)


def test_a_missing_or_undecodable_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.toml cannot be read"):
        registry(tmp_path / "nowhere.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not valid TOML"):
        registry(tmp_path / "bytes.toml")
