"""No key and no header stands in a file, on the screen, in a log or in a traceback."""

import json
import logging
from collections.abc import Iterator

import pytest
from aiohttp import web
from scripted_server import Answer, ScriptedServer, after, free_port, raw, resets, says
from stories import Story, said

KEY = "sk-key-0123456789abcdef"
HEADER = "sk-header-0123456789abcdef"
LITERAL = "sk-literal-0123456789abcdef"
QUERY = "sk-query-0123456789abcdef"
BODY = "sk-body-0123456789abcdef"
SECRETS = (KEY, HEADER, LITERAL, QUERY, BODY)

# As much as pytest can be made to show.
LOUD = (
    *("-vv", "-rA", "--showlocals", "--tb=long", "--full-trace"),
    *("--log-level=DEBUG", "--log-cli-level=DEBUG", "--log-file=log.txt"),
    *("--junitxml=junit.xml", "-o", "junit_logging=all", "--durations=0"),
)

OWN = """
import pytest

def test_own(model):
    where_i_am = "in a test of the user's own"
    model.chat("2 + 3")
    assert where_i_am == "a failure, so that its variables are shown"
"""

CRASH = """
def pytest_runtest_logreport(report):
    if report.when == "call":
        raise RuntimeError("a plugin's own fault")
"""


async def echo(request: web.Request) -> web.StreamResponse:
    """A server that repeats all it was given, and says no."""
    everything = f"{request.headers} {request.path_qs} {await request.text()}"
    return await raw(json.dumps({"error": {"message": everything}}), 401)(request)


async def echo_as_success(request: web.Request) -> web.StreamResponse:
    """The same under status 200, where a gateway reports what failed behind it."""
    everything = f"{'x' * 100} {request.headers} {request.path_qs} {await request.text()}"
    return await raw(json.dumps({"error": {"message": everything}}))(request)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("MY_HEADER", HEADER)
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


def session(story: Story, url: str, *arguments: str) -> pytest.RunResult:
    headers = json.dumps({"X-Api-Key": "$MY_HEADER", "X-Other": LITERAL})
    return story.run(
        *("--model", "served", "--gptoss-run", "run", "--gptoss-api-key-env", "MY_KEY"),
        *("--gptoss-endpoint", f"{url}?token={QUERY}"),
        *("--gptoss-engine-arg", f"headers={headers}"),
        *("--gptoss-engine-arg", f"api_key={BODY}", "--gptoss-engine-arg", "retries=0"),
        *LOUD,
        *arguments,
    )


def assert_hidden(story: Story, result: pytest.RunResult) -> str:
    """Nothing that was printed or written holds a secret; returns all of it."""
    texts = {"the screen": said(result)}
    for path in story.path.rglob("*"):
        if path.is_file():
            texts[str(path.relative_to(story.path))] = path.read_bytes().decode(errors="replace")
    for where, text in texts.items():
        for secret in SECRETS:
            assert secret[:14] not in text, f"{secret} stands in {where}, or a part of it"
    return "\n".join(texts.values())


@pytest.mark.parametrize(
    ("answer", "shows"),
    [
        (says("Answer: 1"), "gptoss: served"),
        (echo, "answered 401"),
        (echo_as_success, "answered with an error"),
        (raw("", 500), "answered 500"),
        (resets(), "closed the connection"),
        (resets(after_bytes=9), "broke off"),
        (raw("{"), "no JSON"),
        (raw("", 301, {"Location": f"/v2?token={QUERY}"}), "a redirection to /v2"),
        (after(60, says("1")), "timeout"),
    ],
    ids=["success", "401", "200", "500", "reset", "cut off", "no json", "redirection", "no answer"],
)
def test_whatever_the_server_does(story: Story, answer: Answer, shows: str) -> None:
    story.suite(rows=3)
    (story.path / "test_own.py").write_text(OWN)
    with ScriptedServer(answer, models=["served"]) as server:
        result = session(story, server.url, "--gptoss-timeout", "5")
    sent = server.headers[-1]
    assert (sent["Authorization"], sent["X-Api-Key"]) == (f"Bearer {KEY}", HEADER)
    assert sent["X-Other"] == LITERAL
    assert server.asked[-1].endswith(f"?token={QUERY}")
    assert server.bodies[-1]["api_key"] == BODY
    text = assert_hidden(story, result)
    assert shows in text
    assert "where_i_am = " in text  # variables were shown
    assert (story.path / "run" / "summary.json").exists()


def test_nobody_answers(story: Story) -> None:
    result = session(story, f"http://127.0.0.1:{free_port()}/v1")
    assert "no server answers at" in assert_hidden(story, result)


def test_nobody_answers_a_test_that_talks_to_the_model_itself(story: Story) -> None:
    (story.path / "test_sums.py").unlink()
    (story.path / "test_own.py").write_text(OWN)
    result = session(story, f"http://127.0.0.1:{free_port()}/v1")
    text = assert_hidden(story, result)
    assert "no server answers at" in text
    assert "where_i_am = " in text


def test_a_list_of_models_is_refused(story: Story) -> None:
    with ScriptedServer() as server:
        server.before = [echo] * 4
        result = session(story, server.url)
    assert "the key comes from $MY_KEY" in assert_hidden(story, result)


def test_the_server_dies_during_the_run(story: Story) -> None:
    story.suite(rows=5)
    with ScriptedServer(says("1"), resets(), models=["served"]) as server:
        result = session(story, server.url, "--gptoss-engine-arg", "concurrency=1")
    assert "closed the connection" in assert_hidden(story, result)


@pytest.mark.parametrize("fault", ["hook", "solver", "scorer"])
def test_a_crash_within_the_session(story: Story, fault: str) -> None:
    if fault == "hook":
        story.pytester.makeconftest(CRASH)
    else:
        text = (story.path / "test_sums.py").read_text()
        broken = "async def broken(item, chat):\n    await chat(item.messages)\n    1 / 0\n\n"
        if fault == "scorer":
            broken = "def broken(item, completion):\n    1 / 0\n\n"
            broken += "broken.name, broken.version = 'broken', '1'\n\n"
            text = text.replace("scorer=scorers.number()", "scorer=broken")
        else:
            text = text.replace("sums = Benchmark(", "sums = Benchmark(\n    solver=broken,")
        head, declaration, rest = text.partition("sums = Benchmark(")
        (story.path / "test_sums.py").write_text(head + broken + declaration + rest)
    with ScriptedServer(says("Answer: 1"), models=["served"]) as server:
        result = session(story, server.url)
    text = assert_hidden(story, result)
    assert ("INTERNALERROR" if fault == "hook" else "raised ZeroDivisionError") in text


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{KEY}@127.0.0.1:9/v1",
        f"user:{KEY}@127.0.0.1:9",
        f"ftp://user:{KEY}@127.0.0.1/v1",
        f"http://user:{KEY}@[127.0.0.1/v1",
        f"http://127.0.0.1:port/v1?key={KEY}",
    ],
)
def test_an_address_that_is_refused(story: Story, url: str) -> None:
    result = story.run("--model", "served", "--gptoss-endpoint", url, *LOUD)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--gptoss-endpoint" in assert_hidden(story, result)


def test_recorded_arguments_keep_what_is_no_secret(story: Story) -> None:
    story.suite(rows=1)
    with ScriptedServer(says("1"), models=["served"]) as server:
        session(story, server.url, "--gptoss-engine-arg", 'extra={"top": 1, "auth_token": "x"}')
    settings = story.summary()["settings"]
    recorded = {**settings["engine_arguments"]}
    assert recorded == {
        "headers": "not recorded",
        "api_key": "not recorded",
        "retries": 0,
        "extra": {"top": 1, "auth_token": "not recorded"},
    }
    assert settings["models"]["served"]["engine"]["extra_body"] == {
        "api_key": "not recorded",
        "extra": {"top": 1, "auth_token": "not recorded"},
    }
