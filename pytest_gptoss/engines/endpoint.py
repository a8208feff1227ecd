"""The endpoint engine: any server that speaks OpenAI's chat completions.

vLLM, SGLang, llama.cpp, Ollama, OpenRouter and others differ in small ways; what they have in
common is asked for, and every spelling in use is read. Costs about 0.2 ms of CPU per request, so
that hundreds can be in flight beside the scoring of what has arrived.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from pytest_gptoss import __version__
from pytest_gptoss.engines._answer import count, read_answer
from pytest_gptoss.engines._http import Backoff, Client, ItemTimeoutError
from pytest_gptoss.engines._url import Endpoint, Secrets
from pytest_gptoss.engines.arguments import without_secrets
from pytest_gptoss.engines.names import plain
from pytest_gptoss.engines.telemetry.readings import Placement
from pytest_gptoss.errors import EngineError, UsageError
from pytest_gptoss.records import Completion, Message

if TYPE_CHECKING:
    from pytest_gptoss.engines.base import EngineOptions, Request
    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.records import Effort, Sampling

__all__ = ["EndpointEngine"]

_OURS = frozenset({"concurrency", "headers", "model", "retries"})
# Servers, as they call themselves, that take the fields by which an answer goes on to its cap.
_TO_THE_CAP = frozenset({"vllm", "sglang", "llamacpp"})
_PARSER_OF_SERVER = re.compile(r"unexpected token.{0,80}expecting|HarmonyError", re.I | re.S)


class _Card(msgspec.Struct):
    id: str
    owned_by: Any = None
    max_model_len: Any = None
    root: Any = None


class _Cards(msgspec.Struct):
    data: list[_Card]


_encode = msgspec.json.Encoder().encode


class EndpointEngine:
    """Sends each request to an OpenAI-compatible server.

    Args:
        spec: The model under test.
        options: ``endpoint``, ``api_key_env`` and ``timeout_s`` are used. Of the arguments,
            ``model`` is the name to ask for, ``concurrency`` the number of requests in flight,
            ``retries`` the number of further tries, ``headers`` a JSON object of headers; every
            other one becomes a field of the request's body, and ``null`` leaves a field out.

    Raises:
        UsageError: An argument has a value that it cannot have.
    """

    placement = Placement(
        elsewhere="the model runs in a server, whose memory and energy are not measured from here"
    )
    backoff: ClassVar[Backoff] = Backoff()
    """How failed requests are tried again."""

    def __init__(self, spec: ModelSpec, options: EngineOptions) -> None:
        self.spec = spec
        self.concurrency = _whole(options.arguments, "concurrency", 256, least=1)
        self._options = options
        self._retries = _whole(options.arguments, "retries", self.backoff.tries - 1, least=0)
        self._extra = {k: v for k, v in options.arguments.items() if k not in _OURS}
        if self._extra.get("stream") or self._extra.get("n", 1) != 1 or "messages" in self._extra:
            raise UsageError(
                "--gptoss-engine-arg stream, n and messages cannot be set: the endpoint engine asks"
                " for one whole completion per request; use --gptoss-repeats for more of them"
            )
        self._client: Client | None = None
        self._model = spec.source
        self._endpoint = Endpoint.hide(options.endpoint) if options.endpoint else None
        self._card: _Card | None = None
        self._aliases: list[str] = []
        self._version: str | None = None
        self._head = b""
        self._tails: dict[tuple[object, ...], bytes] = {}

    async def open(self) -> None:
        """Find out whether a server answers, and under what name it serves the model.

        Raises:
            UsageError: No server answers, it refuses the key, or it serves other models.
            EngineError: It answers with what no such server answers.
        """
        if self._options.endpoint is None:
            raise UsageError("the endpoint engine needs --gptoss-endpoint URL")
        endpoint = Endpoint.parse(self._options.endpoint)
        await self.close()
        self._client = self._connect(endpoint)
        try:
            cards = await self._served(self._client)
            self._model = self._name_to_ask_for(cards)
            self._aliases = self._other_names(cards)
            self._endpoint = str(self._client.endpoint)
            await self._ask_version(self._client)
        except BaseException:
            await self.close()
            raise
        self._head = b'{"model":' + _encode(self._model) + b',"messages":'
        self._tails.clear()

    async def close(self) -> None:
        """Close the connections; requests in flight fail."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def facts(self) -> dict[str, Any]:
        """What is known of the server; never a key or the value of a header."""
        card = self._card
        return {
            "engine": "endpoint",
            "version": self._version,
            "endpoint": self._endpoint,
            "served_model": self._model,
            "aliases": self._aliases,
            "server": card.owned_by if card and isinstance(card.owned_by, str) else None,
            "max_model_len": count(card.max_model_len) if card else None,
            "prompt_format": "chat completions, by the server's template",
            "dtype": None,
            "quantization": None,
            "device": None,
            "extra_body": without_secrets(self._extra),
        }

    async def generate(self, request: Request) -> Completion:
        """Ask for one completion.

        Raises:
            EngineError: The server gives none; a cap that ran out while it was answering is a
                completion with the finish reason ``timeout`` instead.
        """
        client = self._client
        if client is None:
            raise EngineError("the endpoint engine is not open")
        begin = time.perf_counter()
        try:
            completion = await client.post(self._body(request), read_answer)
        except ItemTimeoutError:
            completion = Completion(finish_reason="timeout")
        except EngineError as error:
            # Some servers report a transcript that breaks its own format as their internal error:
            # that is a statement about the model.
            if not _PARSER_OF_SERVER.search(str(error)):
                raise
            return Completion(malformed=str(error))
        completion.latency_s = time.perf_counter() - begin
        return completion

    # --- opening -----------------------------------------------------------------------------

    def _connect(self, endpoint: Endpoint) -> Client:
        variable = self._options.api_key_env
        key = os.environ.get(variable, "").strip()
        given = _headers(self._options.arguments.get("headers"))
        headers = {"Content-Type": "application/json", "User-Agent": f"pytest-gptoss/{__version__}"}
        if key:
            if not key.isascii() or not key.isprintable():
                raise UsageError(f"the key in ${variable} has characters that no header can carry")
            headers["Authorization"] = f"Bearer {key}"
        headers.update(given)
        tries = self._retries + 1
        return Client(
            endpoint,
            headers=headers,
            secrets=Secrets(key, *given.values(), *endpoint.secrets),
            key_hint=f"the key comes from ${variable}" if key else f"no key is set in ${variable}",
            connections=self.concurrency,
            backoff=replace(self.backoff, tries=tries),
            timeout_s=self._options.timeout_s,
        )

    async def _served(self, client: Client) -> list[_Card] | None:
        """The models that the server lists, or ``None`` where it lists none."""
        given = client.endpoint
        # A base without a version is nearly always short of /v1; a gateway may still mean it.
        bases = [given] if given.versioned else [given.with_version(), given]
        for base in bases:
            status, payload = await client.get(base, "/models")
            if status in (401, 403):
                raise client.refused_key(status, payload)
            if status != 200:
                continue
            try:
                cards = msgspec.json.decode(payload, type=_Cards).data
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
            client.move_to(base)
            return cards
        client.move_to(bases[0])
        return None

    def _name_to_ask_for(self, cards: list[_Card] | None) -> str:
        """The name under which the server knows the model."""
        by_name = {card.id: card for card in cards or ()}
        asked = self._options.arguments.get("model")
        if asked is not None:
            self._card = by_name.get(str(asked))
            return str(asked)
        wanted = [self.spec.source, self.spec.name]
        if isinstance(hub := self.spec.entry.get("hub"), str):
            wanted.append(hub)
        if not by_name:
            self._card = None
            return self.spec.source
        for alike in (str, plain):  # first as it is written, then as other servers write it
            keys = {alike(name) for name in wanted}
            found = [card for card in by_name.values() if alike(card.id) in keys]
            if len(found) == 1:
                self._card = found[0]
                return found[0].id
        if len(by_name) == 1:
            self._card = next(iter(by_name.values()))
            return self._card.id
        shown = list(by_name)[:12]
        more = f" and {len(by_name) - len(shown)} more" if len(by_name) > len(shown) else ""
        raise UsageError(
            f"{self._endpoint} serves {', '.join(shown)}{more}, but not "
            f"{self.spec.source}; name one of them with --gptoss-engine-arg model=NAME"
        )

    def _other_names(self, cards: list[_Card] | None) -> list[str]:
        """What the server loaded, as vLLM says, and under what other names it serves that."""
        root = self._card.root if self._card is not None else None
        if not isinstance(root, str) or not root:
            return []
        names = dict.fromkeys([root, *(card.id for card in cards or () if card.root == root)])
        return [name for name in names if name != self._model]

    async def _ask_version(self, client: Client) -> None:
        """Note the version of a vLLM server, which tells it outside the OpenAI routes."""
        if self._card is None or self._card.owned_by != "vllm":
            return
        try:
            status, payload = await client.get(Endpoint(client.endpoint.root), "/version")
            version = msgspec.json.decode(payload).get("version") if status == 200 else None
        except (UsageError, EngineError, msgspec.DecodeError, UnicodeDecodeError, AttributeError):
            return
        self._version = f"vllm {version}" if isinstance(version, str) else None

    # --- the request's body ------------------------------------------------------------------

    def _body(self, request: Request) -> bytes:
        sampling = request.sampling
        # All but the seed, of which there may be one per item.
        key = (
            sampling.temperature,
            sampling.top_p,
            sampling.top_k,
            sampling.min_p,
            sampling.max_tokens,
            sampling.stop,
            request.effort,
            request.to_the_cap,
        )
        tail = self._tails.get(key)
        if tail is None:
            tail = self._tails[key] = self._encode_tail(
                sampling, request.effort, to_the_cap=request.to_the_cap
            )
        if sampling.seed is not None and "seed" not in self._extra:
            tail = b',"seed":%d' % sampling.seed + tail
        messages: Sequence[Message] = request.messages
        if request.instructions is not None:
            messages = _with_instructions(messages, request.instructions, self.spec.instructions)
        return self._head + _encode(messages) + tail

    def _encode_tail(self, sampling: Sampling, effort: Effort | None, *, to_the_cap: bool) -> bytes:
        """Everything of the body that requests share, from the comma to the closing brace."""
        forced: dict[str, Any] = {}
        if to_the_cap and self._card is not None and self._card.owned_by in _TO_THE_CAP:
            forced = {"ignore_eos": True, "min_tokens": sampling.max_tokens}
        body: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "min_p": sampling.min_p,
            "max_tokens": sampling.max_tokens,
            "stop": list(sampling.stop) or None,
            "reasoning_effort": effort,
            "stream": False,
            **forced,
            **self._extra,
        }
        return b"," + _encode({k: v for k, v in body.items() if v is not None})[1:]


def _with_instructions(
    messages: Sequence[Message], instructions: str, role: str
) -> Sequence[Message]:
    """Put the instructions first, as a message of their own or as part of the user's first."""
    if role == "user" and messages and messages[0].role == "user":
        first = Message("user", f"{instructions}\n\n{messages[0].content}")
        return (first, *messages[1:])
    return (Message(role, instructions), *messages)


def _whole(arguments: Mapping[str, Any], name: str, default: int, *, least: int) -> int:
    value = arguments.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UsageError(
            f"--gptoss-engine-arg {name}={value!r} must be a whole number of at least {least}"
        )
    return value


def _headers(given: Any) -> dict[str, str]:
    """Read the ``headers`` argument, with ``$NAME`` in a value taken from the environment."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(v, str) for v in given.values()):
        raise UsageError(
            "--gptoss-engine-arg headers must be a JSON object of texts, as in "
            'headers=\'{"X-Api-Key": "$MY_KEY"}\''
        )
    headers = {}
    for name, value in given.items():
        headers[str(name)] = text = os.path.expandvars(value)
        if missing := re.search(r"\$\{?([A-Za-z_]\w*)", text):
            raise UsageError(
                f"the header {name} refers to ${missing[1]}, but that variable is not set"
            )
        if "\n" in text or "\r" in text:
            raise UsageError(f"the header {name} holds a line break, which no header can carry")
    return headers
