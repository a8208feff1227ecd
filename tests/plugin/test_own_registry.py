"""``--gptoss-registry FILE``: models of the user's own."""

import pytest
from stories import Story, said

OWN = """
[house-7b]
hub = "house/house-7b"
reasoning = "none"
sampling = { temperature = 0.3, top_p = 0.8 }
sampling_source = "our wiki"
aliases = ["house"]

[gpt-oss-20b]
sampling = { temperature = 0.5 }
sampling_source = "our own measurement"
"""


@pytest.fixture
def registry(story: Story) -> Story:
    """A registry that adds a model and changes one."""
    (story.path / "models.toml").write_text(OWN)
    story.answers()
    return story


@pytest.mark.parametrize("name", ["house-7b", "house", "HOUSE-7B"])
def test_an_own_model_by_its_names(registry: Story, name: str) -> None:
    registry.replay("--gptoss-registry", "models.toml", model=name).assert_outcomes(passed=10)
    model = registry.summary()["settings"]["models"]["house-7b"]
    assert (model["source"], model["reasoning"]) == ("house/house-7b", "none")


def test_an_own_model_has_its_fixture(registry: Story) -> None:
    registry.pytester.makepyfile(test_fixture="def test_it(house_7b): pass")
    result = registry.run("--gptoss-registry", "models.toml", "--fixtures", "test_fixture.py")
    assert "house_7b" in said(result)


def test_an_entry_of_the_same_name_overrides_key_by_key(registry: Story) -> None:
    registry.replay(
        "--gptoss-registry", "models.toml", "--gptoss-effort", "low", model="gpt-oss-20b"
    )
    model = registry.summary()["settings"]["models"]["gpt-oss-20b"]
    assert (model["source"], model["effort"]) == ("openai/gpt-oss-20b", "low")


def test_the_ini_key_is_read_from_the_folder_of_the_ini_file(registry: Story) -> None:
    (registry.path / "tox.ini").write_text(
        "[pytest]\nfilterwarnings = error\ngptoss_registry = models.toml\n"
    )
    registry.replay(model="house").assert_outcomes(passed=10)
    assert list(registry.summary()["settings"]["models"]) == ["house-7b"]


def test_without_it_the_model_is_only_a_recordings_own_name(registry: Story) -> None:
    registry.replay(model="house").assert_outcomes(passed=10)
    assert registry.summary()["settings"]["models"]["house"]["source"] == "house"


def test_the_nearest_names_include_the_users_own(registry: Story) -> None:
    result = registry.run("--gptoss-registry", "models.toml", "--model", "hause-7b")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "house-7b" in said(result)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[broken", ["models.toml"]),
        ("[mine]\nhub = 'a/b'\ntemprature = 1\n", ["models.toml", "mine", "temprature"]),
        ("[mine]\nhub = 7\n", ["models.toml", "mine", "hub"]),
    ],
)
def test_what_is_wrong_in_it_is_named_with_its_place(
    story: Story, text: str, words: list[str]
) -> None:
    (story.path / "models.toml").write_text(text)
    story.answers()
    result = story.replay("--gptoss-registry", "models.toml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    for word in words:
        assert word in said(result)
    assert "Traceback" not in said(result)
