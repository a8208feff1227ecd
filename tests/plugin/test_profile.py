"""``--gptoss-profile NAME`` and ``--gptoss-profiles FILE``: named sets of settings."""

from collections.abc import Iterator
from typing import Any

import pytest
from chat_server import ChatServer
from stories import Story, said

OWN = """
[nightly]
limit = 4
max_tokens = 700
temperature = 0.25
top_p = 0.9
effort = "low"
notes = "what our nightly job runs"

[card]
max_tokens = 5000
"""


@pytest.fixture
def server() -> Iterator[ChatServer]:
    """A server whose requests say what was asked for."""
    with ChatServer("Answer: 1", model="gpt-oss-20b") as server:
        yield server


@pytest.fixture
def profiles(story: Story) -> Story:
    (story.path / "profiles.toml").write_text(OWN)
    return story


def ask(story: Story, server: ChatServer, *arguments: str) -> tuple[Any, dict[str, Any]]:
    """Evaluate through the server; what pytest said, and the first request."""
    result = story.run(
        *("--model", "gpt-oss-20b", "--gptoss-endpoint", server.url, "--gptoss-run", "run"),
        *("--gptoss-profiles", "profiles.toml", *arguments),
    )
    assert server.bodies, said(result)
    return result, server.bodies[0]


def cap(body: dict[str, Any]) -> Any:
    """The request's cap on generated tokens, under either of its names."""
    return body.get("max_completion_tokens", body.get("max_tokens"))


def test_an_own_profile_reaches_every_request(profiles: Story, server: ChatServer) -> None:
    result, body = ask(profiles, server, "--gptoss-profile", "nightly")
    assert "profile nightly" in said(result)
    assert len(server.bodies) == 4
    assert (body["temperature"], body["top_p"], cap(body)) == (0.25, 0.9, 700)
    assert body["reasoning_effort"] == "low"
    settings = profiles.summary()["settings"]
    assert (settings["profile"], settings["limit"]) == ("nightly", 4)
    sampling = settings["models"]["gpt-oss-20b"]["sampling"]
    assert (sampling["temperature"], sampling["top_p"], sampling["max_tokens"]) == (0.25, 0.9, 700)


def test_options_win_over_the_profile(profiles: Story, server: ChatServer) -> None:
    _, body = ask(
        *(profiles, server, "--gptoss-profile", "nightly", "--gptoss-temperature", "0"),
        *("--gptoss-max-tokens", "50", "--gptoss-limit", "2", "--gptoss-effort", "high"),
    )
    assert (body["temperature"], cap(body), body["reasoning_effort"]) == (0, 50, "high")
    assert len(server.bodies) == 2


def test_a_built_in_profile_is_overridden_key_by_key(profiles: Story, server: ChatServer) -> None:
    _, body = ask(profiles, server)
    assert cap(body) == 5000
    assert (body["temperature"], body["top_p"]) == (1.0, 1.0)


def test_the_paper_profile_is_greedy_and_short(profiles: Story, server: ChatServer) -> None:
    _, body = ask(profiles, server, "--gptoss-profile", "paper")
    assert (body["temperature"], cap(body)) == (0.0, 2048)


def test_the_ini_keys(profiles: Story, server: ChatServer) -> None:
    (profiles.path / "tox.ini").write_text(
        "[pytest]\nfilterwarnings = error\n"
        "gptoss_profiles = profiles.toml\ngptoss_profile = nightly\n"
    )
    profiles.run("--model", "gpt-oss-20b", "--gptoss-endpoint", server.url)
    assert len(server.bodies) == 4


def test_a_profiles_effort_leaves_a_model_without_efforts(profiles: Story) -> None:
    profiles.answers()
    result = profiles.replay(
        *("--gptoss-profiles", "profiles.toml", "--gptoss-profile", "nightly"),
        model="llama-3.3-70b",
    )
    result.assert_outcomes(passed=4)
    assert "effort low does not apply to llama-3.3-70b" in said(result)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[mine\n", ["profiles.toml"]),
        ("[mine]\nlimits = 3\n", ["profiles.toml", "mine", "limits"]),
        ("[mine]\nlimit = 'ten'\n", ["profiles.toml", "mine", "limit"]),
        ("[mine]\neffort = 'huge'\n", ["profiles.toml", "mine", "effort"]),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_its_place(
    story: Story, text: str, words: list[str]
) -> None:
    (story.path / "profiles.toml").write_text(text)
    story.answers()
    result = story.replay("--gptoss-profiles", "profiles.toml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    for word in words:
        assert word in said(result)
    assert "Traceback" not in said(result)


def test_a_profile_that_there_is_not_is_answered_with_the_names(profiles: Story) -> None:
    profiles.answers()
    result = profiles.replay("--gptoss-profiles", "profiles.toml", "--gptoss-profile", "nightli")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "did you mean nightly: card, paper, nightly" in said(result)
