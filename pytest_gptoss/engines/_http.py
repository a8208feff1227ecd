"""Requests to an OpenAI-compatible server: connections, retries, and failures told apart.

Hundreds of requests are in flight at once, so nothing is done per request that can be done once:
the session carries the headers, a timer is armed only where the user asked for a cap, and the body
arrives as bytes.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import aiohttp
from yarl import URL

from pytest_gptoss.engines._answer import BadAnswerError
from pytest_gptoss.engines._socket import socket_that_notices_death
from pytest_gptoss.engines._url import Endpoint, Secrets, proxy_for, said, seconds_to_wait
from pytest_gptoss.errors import EngineError, FatalEngineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Backoff", "Client", "ItemTimeoutError"]

T = TypeVar("T")

CONNECT_S = 10.0
"""Longest wait for a connection to be accepted."""

WAIT_BUDGET_S = 600.0
"""Longest that one request may spend waiting between its tries."""

SERVER_FAULT_TRIES = 3
"""Tries where the server did answer, but with an internal error or with what is no completion:
each costs it a whole generation."""

STALL_S = 3600.0
"""Where the user set no cap per item: how long a server may be silent on everything in flight."""

_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_BUSY = frozenset({429, 502, 503, 504, 529})
_HOPELESS = frozenset({401, 402, 403, 404, 405})


class ItemTimeoutError(Exception):
    """The request's own cap ran out while the server was answering."""


class _FailureError(Exception):
    """A try that failed in a way that another try may mend."""

    def __init__(
        self, reason: str, *, unreachable: bool = False, busy: bool = False, wait: float = 0.0
    ) -> None:
        super().__init__(reason)
        self.unreachable = unreachable
        self.busy = busy
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often and how soon a failed request is tried again.

    Args:
        tries: Number of tries in all.
        first_s: Longest wait before the second try; it doubles with each further one.
        cap_s: Longest wait between two tries, where the server does not ask for a longer one.
    """

    tries: int = 8
    first_s: float = 0.5
    cap_s: float = 16.0

    def delay(self, failed: int) -> float:
        """Seconds to wait after the given number of failures, jittered to spread the load."""
        return min(self.cap_s, self.first_s * 2.0 ** (failed - 1)) * random.uniform(0.5, 1.0)


class Client:
    """A pool of connections to one server.

    Args:
        endpoint: The server.
        headers: Headers of every request.
        secrets: What of them must not be seen.
        key_hint: Where the key comes from, in words, for the sentence on a refused key.
        connections: Largest number of connections.
        backoff: How failed requests are tried again.
        timeout_s: Cap on one request, its waits included.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        headers: Mapping[str, str],
        secrets: Secrets,
        key_hint: str,
        connections: int,
        backoff: Backoff,
        timeout_s: float | None,
    ) -> None:
        self.endpoint = endpoint
        self.backoff = backoff
        self._secrets = secrets
        self._key_hint = key_hint
        self._timeout_s = timeout_s
        self._url = URL(endpoint.url("/chat/completions"))
        self._connect_s = connect_s = (
            CONNECT_S if timeout_s is None else min(CONNECT_S, max(timeout_s / 2, 0.1))
        )
        self._session = aiohttp.ClientSession(
            # A server such as uvicorn drops idle connections after 5 s; leaving them first avoids
            # sending a request into a connection that is being closed.
            connector=aiohttp.TCPConnector(
                limit=connections,
                ttl_dns_cache=300,
                keepalive_timeout=4.0,
                socket_factory=socket_that_notices_death,
            ),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding"),
            proxy=proxy_for(endpoint),
        )
        self._answered = 0
        self._in_flight = 0
        self._last_answer = 0.0
        self._silent_since = time.monotonic()
        self._not_before = 0.0
        self._died = asyncio.Event()
        self._dead: str | None = None
        self._watch = (
            None if timeout_s is not None else asyncio.create_task(self._watch_for_silence())
        )

    async def close(self) -> None:
        """Close every connection; what is still in flight fails."""
        self._die("the engine was closed")
        if self._watch is not None:
            self._watch.cancel()
        await self._session.close()

    def move_to(self, endpoint: Endpoint) -> None:
        """Send requests to another base URL of the same server."""
        self.endpoint = endpoint
        self._url = URL(endpoint.url("/chat/completions"))

    async def get(self, endpoint: Endpoint, route: str) -> tuple[int, bytes]:
        """GET a page of the server, which may be away or starting: used when opening.

        Raises:
            UsageError: No server answers there, or it does not get ready in time.
        """
        failed = 0
        while True:
            try:
                return await self._get_once(endpoint, route)
            except _FailureError as failure:
                failed += 1
                # Nobody listening is the user's to mend; a server that loads its model is not.
                if failed >= (3 if failure.unreachable else self.backoff.tries):
                    raise UsageError(f"{failure}{self._remedy(failure)}") from None
                await asyncio.sleep(max(self.backoff.delay(failed), min(failure.wait, 30.0)))

    async def post(self, body: bytes, read: Callable[[bytes], T]) -> T:
        """Ask for one completion, again where that can help.

        Args:
            body: The request's JSON.
            read: Turns the answer's body into the result; raises `BadAnswerError`.

        Raises:
            ItemTimeoutError: The cap ran out while the server was answering.
            EngineError: There is no completion to be had.
            FatalEngineError: Nor will there be for any other request.
        """
        # A little early: whoever holds the same cap above could not tell a server that is slow to
        # answer (the model's timeout) from one that cannot be reached (no fault of the model's).
        deadline = None if self._timeout_s is None else time.monotonic() + 0.98 * self._timeout_s
        failed, waited, since = 0, 0.0, 0.0
        last: _FailureError | None = None
        while True:
            if self._dead is not None:
                raise FatalEngineError(self._dead)
            if self._not_before:
                waited += await self._wait_for_turn(waited, deadline)
            try:
                if deadline is None:
                    return await self._post_once(body, read)
                async with asyncio.timeout(deadline - time.monotonic()):
                    return await self._post_once(body, read)
            except TimeoutError:
                if last is not None and last.unreachable:
                    raise EngineError(f"{last} (for {self._timeout_s:g} s)") from None
                raise ItemTimeoutError from None
            except _FailureError as failure:
                last = failure
            if self._dead is not None:
                raise FatalEngineError(self._dead)
            failed += 1
            since = since or time.monotonic()
            delay = max(self.backoff.delay(failed), last.wait)
            self._give_up_or_go_on(last, failed, since, waited + delay, delay, deadline)
            waited += delay
            await self._sleep(delay)

    def _give_up_or_go_on(
        self,
        failure: _FailureError,
        failed: int,
        since: float,
        waited: float,
        delay: float,
        deadline: float | None,
    ) -> None:
        server_fault = not (failure.unreachable or failure.busy)
        tries = min(self.backoff.tries, SERVER_FAULT_TRIES) if server_fault else self.backoff.tries
        if failed >= tries:
            if failure.unreachable and self._last_answer < since:
                self._die(f"{failure}{self._remedy(failure)}")
                raise FatalEngineError(self._dead)
            raise EngineError(f"{failure} (tried {failed} times)") from None
        if waited > WAIT_BUDGET_S:
            raise EngineError(f"{failure} and asks to wait longer than {WAIT_BUDGET_S:g} s")
        if deadline is not None and time.monotonic() + delay >= deadline:
            raise EngineError(f"{failure} (tried {failed} times in {self._timeout_s:g} s)")

    async def _wait_for_turn(self, waited: float, deadline: float | None) -> float:
        """Hold back while the server wants to be left alone; returns the seconds waited."""
        wait = self._not_before - time.monotonic()
        if wait <= 0:
            self._not_before = 0.0
            return 0.0
        wait += random.uniform(0.0, min(1.0, wait))
        if waited + wait > WAIT_BUDGET_S or (deadline and time.monotonic() + wait >= deadline):
            raise EngineError(
                f"{self.endpoint} limits the rate of requests and asks to wait {wait:.0f} s, longer"
                " than this item may take; lower it with --gptoss-engine-arg concurrency=N"
            )
        await self._sleep(wait)
        return wait

    async def _sleep(self, seconds: float) -> None:
        """Wait, but no longer than the server is thought to be alive."""
        try:
            async with asyncio.timeout(seconds):
                await self._died.wait()
        except TimeoutError:
            return
        raise FatalEngineError(self._dead)

    async def _post_once(self, body: bytes, read: Callable[[bytes], T]) -> T:
        if not self._in_flight:
            self._silent_since = time.monotonic()
        self._in_flight += 1
        try:
            async with self._session.post(self._url, data=body, allow_redirects=False) as response:
                self._last_answer = self._silent_since = time.monotonic()
                payload = await response.read()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._failure(error) from None
        finally:
            self._in_flight -= 1
        if response.status != 200:
            refusal = self._refusal(response, payload)
            # A traceback may show local variables: one may echo the key, one names the whole URL.
            del payload, response
            raise refusal
        try:
            result = read(payload)
        except BadAnswerError as error:
            reason = f"{self._url_shown} answered with {self._secrets.redact(str(error))[:300]}"
            del payload, response
            raise _FailureError(reason) from None
        self._answered += 1
        return result

    async def _get_once(self, endpoint: Endpoint, route: str) -> tuple[int, bytes]:
        try:
            async with (
                asyncio.timeout(3 * CONNECT_S),
                self._session.get(URL(endpoint.url(route)), allow_redirects=False) as response,
            ):
                payload = await response.read()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error, aiohttp.ClientError) or not isinstance(error, TimeoutError):
                raise self._failure(error) from None
            reason = f"{self.endpoint} does not answer within {3 * CONNECT_S:g} s"
            raise _FailureError(reason, unreachable=True) from None
        if response.status in _AGAIN:
            refusal = self._refusal(response, payload)
            del payload, response
            raise refusal
        return response.status, payload

    @property
    def _url_shown(self) -> str:
        return self.endpoint.shown("/chat/completions")

    def _failure(self, error: Exception) -> _FailureError:
        """Put what the connection met in words; raises where no further try can help."""
        cause = self._secrets.redact(" ".join(str(error).split()))[:200] or type(error).__name__
        if isinstance(error, aiohttp.ClientSSLError):
            raise FatalEngineError(
                f"{self.endpoint} cannot be trusted ({cause}); name its certificate authority in "
                "SSL_CERT_FILE"
            ) from None
        if isinstance(error, (aiohttp.ClientConnectorError, TimeoutError)):
            number = getattr(error, "errno", None)
            if number is not None and number > 0:  # asyncio words it as "Connect call failed"
                cause = os.strerror(number)
            elif isinstance(error, TimeoutError):
                cause = f"no connection within {self._connect_s:g} s"
            return _FailureError(
                f"no server answers at {self.endpoint} ({cause})", unreachable=True
            )
        if isinstance(error, (aiohttp.ClientConnectionError, OSError)):
            return _FailureError(
                f"{self.endpoint} closed the connection without an answer ({cause})",
                unreachable=True,
            )
        if isinstance(error, aiohttp.ClientPayloadError):
            return _FailureError(f"{self._url_shown} broke off in the middle of its answer")
        return _FailureError(f"{self._url_shown} answered with what is not HTTP ({cause})")

    def _refusal(self, response: aiohttp.ClientResponse, payload: bytes) -> Exception:
        """Put an answer other than 200 in words, as an error that says whether to try again."""
        status = response.status
        text = f"{self._url_shown} answered {status}"
        if message := said(payload, self._secrets):
            text += f": {message}"
        elif 300 <= status < 400:
            location = Endpoint.hide(response.headers.get("Location", "?"))
            text += f", a redirection to {location}; name that URL in --gptoss-endpoint"
        if status in _AGAIN:
            wait = seconds_to_wait(response.headers)
            if wait:
                self._not_before = max(
                    self._not_before, time.monotonic() + min(wait, WAIT_BUDGET_S)
                )
            return _FailureError(text, busy=status in _BUSY, wait=wait)
        if status in (401, 403):
            text += f" ({self._key_hint})"
        elif status == 404:
            text += " (check --gptoss-endpoint and --gptoss-engine-arg model=NAME)"
        if not self._answered and (status in _HOPELESS or 300 <= status < 400):
            self._die(text)
            return FatalEngineError(text)
        return EngineError(text)

    def refused_key(self, status: int, payload: bytes) -> UsageError:
        """The error for a list of models that needs a key."""
        message = said(payload, self._secrets)
        return UsageError(
            f"{self.endpoint} answered {status}{': ' + message if message else ''} "
            f"({self._key_hint})"
        )

    @staticmethod
    def _remedy(failure: _FailureError) -> str:
        if failure.unreachable:
            return "; start it or check --gptoss-endpoint"
        return "; wait until it is ready" if failure.busy else ""

    def _die(self, reason: str) -> None:
        self._dead = self._dead or reason
        self._died.set()

    async def _watch_for_silence(self) -> None:
        """End what waits on a server that holds its connections but answers nothing any more."""
        while True:
            await asyncio.sleep(STALL_S / 60)
            if self._in_flight and time.monotonic() - self._silent_since > STALL_S:
                self._die(
                    f"{self.endpoint} has answered nothing for {STALL_S:g} s; look at its log, or "
                    "set a cap per item with --gptoss-timeout"
                )
                await self._session.close()
                return
