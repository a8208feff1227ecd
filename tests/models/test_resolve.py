"""What a user may type after ``--model``."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_gptoss.errors import UsageError
from pytest_gptoss.models import resolve
from pytest_gptoss.records import Sampling

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def checkpoint(folder: Path, config: dict | None = None, **files: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config or {"model_type": "llama"}))
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        suffix = "jinja" if name == "chat_template" else "json"
        (folder / f"{name}.{suffix}").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "label", "slug", "source"),
    [
        ("gpt-oss-20b", "gpt-oss-20b", "gpt-oss-20b", "openai/gpt-oss-20b"),
        ("GPT-OSS-20B", "gpt-oss-20b", "gpt-oss-20b", "openai/gpt-oss-20b"),
        ("openai/gpt-oss-20b", "gpt-oss-20b", "gpt-oss-20b", "openai/gpt-oss-20b"),
        (" gpt-oss-20b:high ", "gpt-oss-20b:high", "gpt-oss-20b-high", "openai/gpt-oss-20b"),
        ("gpt-oss-20b@bf16", "gpt-oss-20b@bf16", "gpt-oss-20b-bf16", "openai/gpt-oss-20b"),
        (
            "gpt-oss-20b@bf16:low",
            "gpt-oss-20b@bf16:low",
            "gpt-oss-20b-bf16-low",
            "openai/gpt-oss-20b",
        ),
        ("qwen3-235b-a22b", "qwen3-235b", "qwen3-235b", "Qwen/Qwen3-235B-A22B"),
        ("gemma-3-27b-it", "gemma-3-27b", "gemma-3-27b", "google/gemma-3-27b-it"),
        ("owner/My_Model", "owner/My_Model", "owner--My_Model", "owner/My_Model"),
        ("owner/model@v1.0", "owner/model@v1.0", "owner--model-v1.0", "owner/model"),
    ],
)
def test_names(text, label, slug, source):
    spec = resolve(text)
    assert (spec.label, spec.slug, spec.source) == (label, slug, source)


def test_an_effort_beside_the_name_is_not_part_of_the_label():
    spec = resolve("gpt-oss-20b", effort="low")
    assert (spec.effort, spec.label) == ("low", "gpt-oss-20b")
    assert resolve("gpt-oss-20b:high", effort="low").effort == "high"


def test_a_variant_changes_what_is_loaded_and_what_it_needs():
    native, unpacked = resolve("gpt-oss-120b"), resolve("gpt-oss-120b@bf16")
    assert (native.dtype, unpacked.dtype) == ("mxfp4", "bfloat16")
    assert unpacked.min_gpu_memory_bytes > 3 * native.min_gpu_memory_bytes
    assert unpacked.fixture == native.fixture


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nosuch", ["'nosuch'", "known are gpt-oss-120b", "hub id"]),
        ("gpt-oss-20", ["did you mean gpt-oss-20b"]),
        ("gpt-os-120b:high", ["'gpt-os-120b'", "did you mean gpt-oss-120b"]),
        ("lama-3.3-70b", ["did you mean llama-3.3-70b"]),
        ("gpt-oss-20b:max", ["'max' is no reasoning effort", "gpt-oss-20b:low"]),
        ("gpt-oss-20b@int4", ["no variant 'int4'", "gpt-oss-20b@bf16"]),
        ("gemma-3-27b@bf16", ["no variant 'bf16'", "only gemma-3-27b itself"]),
        ("gemma-3-27b:low", ["no reasoning effort 'low'", "write gemma-3-27b without it"]),
        ("owner/model:low", ["no reasoning effort 'low'", "registry of your own"]),
        ("./nowhere", ["no folder './nowhere'", "config.json"]),
        ("/nowhere/at/all", ["no folder"]),
        ("a/b/c", ["no folder"]),
        ("nowhere/", ["no folder"]),
        ("  ", ["model name is empty"]),
    ],
)
def test_what_is_refused(text, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as error:
        resolve(text)
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_an_effort_beside_the_name_leaves_a_model_without_efforts_as_it_is():
    assert resolve("llama-3.3-70b", effort="high") == resolve("llama-3.3-70b")


@pytest.mark.parametrize("form", ["absolute", "relative", "slash", "dot"])
def test_a_folder_in_any_spelling(tmp_path, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    folder = checkpoint(tmp_path / "my-model")
    text = {
        "absolute": str(folder),
        "relative": "my-model",
        "slash": "my-model/",
        "dot": "./my-model",
    }[form]
    spec = resolve(text)
    assert (spec.name, spec.source, spec.folder) == ("my-model", str(folder), folder)


def test_a_folder_with_a_colon_in_its_name(tmp_path):
    assert resolve(str(checkpoint(tmp_path / "run:high"))).name == "run:high"


def test_a_folder_without_config_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"no config\.json"):
        resolve(str(tmp_path))


def test_a_torn_config_is_named(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": ')
    with pytest.raises(UsageError, match=r"config\.json cannot be read as JSON"):
        resolve(str(tmp_path))


THINKING_IN_PROMPT = (
    "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}<a><think>\n"
    "{% endif %}"
)
THINKING_SWITCH = (
    "{% if add_generation_prompt %}<a>{% if enable_thinking is false %}<think>\n\n</think>"
    "{% endif %}{% endif %}"
)


@pytest.mark.parametrize(
    ("config", "template", "reasoning", "in_prompt", "efforts"),
    [
        ({"model_type": "gpt_oss"}, "", "harmony", False, 3),
        ({"architectures": ["GptOssForCausalLM"]}, "<think>", "harmony", False, 3),
        ({"model_type": "llama"}, THINKING_IN_PROMPT, "think", True, 0),
        ({"model_type": "qwen3_moe"}, THINKING_SWITCH, "think", False, 0),
        ({"model_type": "llama"}, "{{ reasoning_effort }}", "auto", False, 3),
        ({"model_type": "llama"}, "", "auto", False, 0),
    ],
)
def test_a_folders_reasoning_is_read_from_it(
    tmp_path, config, template, reasoning, in_prompt, efforts
):
    for place in ("chat_template", "tokenizer_config", "named"):
        folder = tmp_path / place
        if place == "chat_template":
            checkpoint(folder, config, chat_template=template)
        elif place == "named":
            named = [{"name": "default", "template": template}]
            checkpoint(folder, config, tokenizer_config={"chat_template": named})
        else:
            checkpoint(folder, config, tokenizer_config={"chat_template": template})
        spec = resolve(str(folder))
        assert (spec.reasoning, spec.think_in_prompt) == (reasoning, in_prompt)
        assert len(spec.efforts) == efforts


@pytest.mark.parametrize(
    ("generation", "sampling"),
    [
        (None, Sampling()),
        ({"do_sample": False, "temperature": 0.7}, Sampling()),
        ({"temperature": 0.7}, Sampling()),
        ({"do_sample": True}, Sampling(temperature=1.0)),
        (
            {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 20},
            Sampling(temperature=0.6, top_p=0.9, top_k=20),
        ),
        ({"do_sample": True, "temperature": None, "top_k": 0}, Sampling(temperature=1.0)),
    ],
)
def test_a_folders_sampling_is_its_generation_configs(tmp_path, generation, sampling):
    files = {} if generation is None else {"generation_config": generation}
    spec = resolve(str(checkpoint(tmp_path / "m", **files)))
    assert spec.sampling == sampling
    assert ("generation_config.json" in spec.sampling_source) is True


def test_a_folders_size_and_dtype(tmp_path):
    config = {"model_type": "x", "dtype": "bfloat16", "max_position_embeddings": 4096}
    spec = resolve(str(checkpoint(tmp_path / "a", config)))
    assert (spec.dtype, spec.context_length) == ("bfloat16", 4096)
    config["quantization_config"] = {"quant_method": "mxfp4"}
    assert resolve(str(checkpoint(tmp_path / "b", config))).dtype == "mxfp4"


def test_a_hub_id_in_the_local_cache_is_read_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--owner--model"
    checkpoint(repository / "snapshots" / COMMIT, {"model_type": "gpt_oss"})
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    for text in ("owner/model", f"owner/model@{COMMIT}"):
        spec = resolve(text)
        assert (spec.source, spec.revision, spec.reasoning) == ("owner/model", COMMIT, "harmony")
        assert spec.folder == repository / "snapshots" / COMMIT
    assert resolve("owner/model:high").effort == "high"
    assert resolve("owner/other").folder is None


def test_any_name_is_taken_where_a_server_has_its_own():
    spec = resolve("gpt-oss:20b", any_name=True)
    assert (spec.label, spec.slug, spec.reasoning) == ("gpt-oss:20b", "gpt-oss-20b", "auto")
    assert resolve("gpt-oss-20b", any_name=True).source == "openai/gpt-oss-20b"


@given(st.text(max_size=60))
def test_any_text_gives_a_model_or_one_sentence(text):
    try:
        spec = resolve(text)
    except UsageError:
        return  # what it says is tested above; here: that nothing else is raised
    assert spec.slug
    assert not set(spec.slug) & set("/\\: @")
