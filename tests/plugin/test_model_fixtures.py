"""The fixtures ``model`` and one for each model: tests that talk to a model themselves."""

import pytest
from stories import Story, said

from pytest_gptoss.models import fixtures
from pytest_gptoss.plugin.model_fixtures import FIXTURES


def test_the_names_are_the_registrys() -> None:
    assert fixtures() == FIXTURES


def test_the_contracts_fixtures_are_there() -> None:
    contract = (
        "gpt_oss_20b gpt_oss_120b qwen3_235b deepseek_r1_70b llama_3_3_70b llama_4_scout "
        "gemma_3_27b phi_4_reasoning"
    )
    assert set(contract.split()) <= set(FIXTURES)


def test_a_model_that_does_not_fit_skips_and_says_what_is_missing(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_gptoss.models.gpu_memory", list)
    monkeypatch.setattr("pytest_gptoss.engines.select._installed", lambda module: True)
    (story.path / "test_own.py").write_text(
        "def test_own(gpt_oss_120b):\n    raise AssertionError('must not run')\n"
    )
    result = story.run("test_own.py", "-rs")
    result.assert_outcomes(skipped=1)
    assert "gpt-oss-120b needs" in said(result)
    assert "GPU memory" in said(result)


def test_the_model_fixture_skips_without_a_model(story: Story) -> None:
    (story.path / "test_own.py").write_text("def test_own(model):\n    raise AssertionError\n")
    result = story.run("test_own.py", "-rs")
    result.assert_outcomes(skipped=1)
    assert "no model was named" in said(result)


def test_the_model_fixture_is_parametrised_by_the_models(story: Story) -> None:
    (story.path / "test_own.py").write_text("def test_own(model):\n    assert model.name\n")
    story.answers()
    result = story.replay("test_own.py", "-v", model="one,two")
    result.assert_outcomes(passed=2)
    assert "test_own[one] PASSED" in said(result)


def test_response_outside_a_benchmark_says_what_to_do(story: Story) -> None:
    (story.path / "test_own.py").write_text("def test_own(response):\n    pass\n")
    result = story.run("test_own.py")
    result.assert_outcomes(errors=1)
    assert "decorate the test with @<benchmark>.test" in said(result)


def test_an_own_registry_brings_its_own_fixture(story: Story) -> None:
    (story.path / "mine.toml").write_text('[my-model]\nhub = "me/my-model"\nreasoning = "none"\n')
    story.pytester.makeini("[pytest]\ngptoss_registry = mine.toml\n")
    (story.path / "test_own.py").write_text("def test_own(my_model):\n    assert my_model.name\n")
    story.answers()
    result = story.replay("test_own.py", "-rs", model="my-model")
    result.assert_outcomes(skipped=1)  # recordings cannot be talked to
    assert "my-model cannot be talked to" in said(result)
