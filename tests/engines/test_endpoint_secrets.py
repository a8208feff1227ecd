"""What the endpoint engine must not show: keys and the values of headers."""

from __future__ import annotations

import json
import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from scripted_server import Background, ScriptedServer, ask, options, raw, says, spec

from pytest_gptoss.engines.endpoint import EndpointEngine
from pytest_gptoss.errors import EngineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "sk-do-not-show-0123456789"


@pytest.fixture(scope="module")
def background() -> Iterator[Background]:
    with Background() as background:
        yield background


def test_the_key_is_sent_and_shown_nowhere(
    background: Background,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", f"{SECRET}\n")
    monkeypatch.setenv("MY_HEADER", f"{SECRET}-too")
    echo = raw(json.dumps({"error": {"message": f"bad key {SECRET} / {SECRET}-too"}}), 401)
    headers = {"X-Api-Key": "$MY_HEADER"}
    with ScriptedServer(says("42"), echo) as server:
        engine = EndpointEngine(
            spec(), options(server, api_key_env="MY_KEY", arguments={"headers": headers})
        )
        background.run(engine.open())
        background.run(engine.generate(ask()))
        with pytest.raises(EngineError) as caught:
            background.run(engine.generate(ask()))
        facts, shown = engine.facts(), repr(vars(engine)) + repr(engine._client)
        background.run(engine.close())
    assert server.headers[-1]["Authorization"] == f"Bearer {SECRET}"
    assert server.headers[-1]["X-Api-Key"] == f"{SECRET}-too"
    assert "bad key [secret] / [secret]" in str(caught.value)
    assert "$MY_KEY" in str(caught.value)
    with_locals = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    for text in (str(facts), shown, caplog.text, str(caught.value), "".join(with_locals.format())):
        assert SECRET not in text


@pytest.mark.parametrize(
    ("key", "sentence"),
    [(None, "no key is set in $MY_KEY"), (SECRET, "the key comes from $MY_KEY")],
)
def test_a_list_of_models_that_needs_a_key_says_where_it_comes_from(
    background: Background, monkeypatch: pytest.MonkeyPatch, key: str | None, sentence: str
) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    if key:
        monkeypatch.setenv("MY_KEY", key)
    with ScriptedServer() as server:
        server.before = [raw(f'{{"error": "no: {SECRET}"}}', 401)]
        engine = EndpointEngine(spec(), options(server, api_key_env="MY_KEY"))
        with pytest.raises(UsageError) as caught:
            background.run(engine.open())
    assert sentence in str(caught.value)
    assert key is None or SECRET not in str(caught.value)


def test_a_password_in_the_url_is_refused_unseen(background: Background) -> None:
    engine = EndpointEngine(spec(), options(f"http://user:{SECRET}@host/v1"))
    with pytest.raises(UsageError, match="--gptoss-api-key-env") as caught:
        background.run(engine.open())
    assert SECRET not in str(caught.value) + str(engine.facts())


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ("X: y", "must be a JSON object"),
        ({"X": 5}, "must be a JSON object"),
        ({"X": "$NOT_SET_ANYWHERE"}, r"\$NOT_SET_ANYWHERE, but that variable is not set"),
        ({"X": "a\r\nb"}, "holds a line break"),
    ],
    ids=["text", "number", "unset", "line break"],
)
def test_headers_that_cannot_be_are_refused(
    background: Background, headers: Any, sentence: str
) -> None:
    engine = EndpointEngine(spec(), options("http://h", arguments={"headers": headers}))
    with pytest.raises(UsageError, match=sentence):
        background.run(engine.open())
