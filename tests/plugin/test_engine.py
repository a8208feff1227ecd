"""``--gptoss-engine`` and ``--gptoss-engine-arg``: what generates, and how it is told so."""

import pytest
from stories import Story, said

from pytest_gptoss.engines import EngineOptions
from pytest_gptoss.engines.select import choose
from pytest_gptoss.errors import UsageError
from pytest_gptoss.plugin.settings import _engine_arguments


def test_an_endpoint_and_recordings_imply_their_engines() -> None:
    assert choose("auto", EngineOptions(endpoint="http://x")) == "endpoint"
    assert choose("auto", EngineOptions(completions="file")) == "replay"
    assert choose("replay", EngineOptions(completions="file")) == "replay"


@pytest.mark.parametrize(
    ("asked", "options", "sentence"),
    [
        ("nosuch", EngineOptions(), "--gptoss-engine is one of auto, vllm, endpoint"),
        ("endpoint", EngineOptions(), "needs --gptoss-endpoint"),
        ("replay", EngineOptions(), "needs --gptoss-completions"),
        ("vllm", EngineOptions(endpoint="http://x"), "implies the engine 'endpoint', not 'vllm'"),
        ("auto", EngineOptions(endpoint="http://x", completions="f"), "two sources of answers"),
    ],
)
def test_contradictions_are_refused(asked: str, options: EngineOptions, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        choose(asked, options)


def test_wrong_usage_is_one_sentence(story: Story) -> None:
    result = story.run("--model", "gpt-oss-20b", "--gptoss-engine", "nosuch")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: --gptoss-engine is one of" in said(result)
    assert "Traceback" not in said(result)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("tensor_parallel_size=8", {"tensor_parallel_size": 8}),
        ("gpu_memory_utilization=0.9", {"gpu_memory_utilization": 0.9}),
        ("enforce_eager=true", {"enforce_eager": True}),
        ("enforce_eager=True", {"enforce_eager": True}),
        ("quantization=None", {"quantization": None}),
        ("dtype=bfloat16", {"dtype": "bfloat16"}),
        ('rope_scaling={"factor": 2}', {"rope_scaling": {"factor": 2}}),
        ("path=a=b", {"path": "a=b"}),
    ],
)
def test_engine_arguments_are_read_as_json_where_they_are_json(
    given: str, expected: dict[str, object]
) -> None:
    assert _engine_arguments([given]) == expected


@pytest.mark.parametrize("given", ["novalue", "=5", ""])
def test_an_engine_argument_without_key_or_value_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="takes KEY=VALUE"):
        _engine_arguments([given])


def test_engine_arguments_stand_in_the_record(story: Story) -> None:
    story.pytester.makeini("[pytest]\ngptoss_engine_arg =\n    one=1\n    two=x\n")
    story.answers()
    story.replay()
    assert story.summary()["settings"]["engine_arguments"] == {"one": 1, "two": "x"}
