"""Pure functions about an endpoint: the URL that users paste, and what a server says in words."""

from __future__ import annotations

import ipaddress
import re
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import msgspec

from pytest_gptoss.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Endpoint", "Secrets", "proxy_for", "said", "seconds_to_wait"]

_VERSION = re.compile(r"/v\d+[a-z0-9]*(/|\Z)")
_TAIL = re.compile(r"/(chat/completions|completions|models|responses)\Z")
_LONGEST = 240
_HTML = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]{0,1000}>", re.S | re.I)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server's base URL.

    Args:
        base: Without trailing slash, query and fragment.
        query: The query that goes with every request (some gateways want one), or ``""``; it may
            hold a key, so it is not shown.
        versioned: Whether the base names a version (or was pasted with the route itself), so that
            routes follow it as it is.
    """

    base: str
    query: str = field(default="", repr=False)
    versioned: bool = True

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read a URL as users paste it: with or without scheme, ``/v1``, route, trailing slash.

        Raises:
            UsageError: It is no ``http`` or ``https`` URL, or it holds a password.
        """
        text = text.strip()
        try:
            parts = urlsplit(text if "://" in text else f"http://{text}")
            host, port = parts.hostname, parts.port
        except ValueError:  # brackets that hold no address, or no number for a port
            parts, host, port = urlsplit(""), None, None
        if parts.scheme not in ("http", "https") or not host or port == 0 or " " in text:
            raise UsageError(
                f"--gptoss-endpoint {cls.hide(text)!r} is no URL of a server; "
                "give one such as http://localhost:8000/v1"
            )
        if "@" in parts.netloc:
            raise UsageError(
                f"--gptoss-endpoint holds a user name or password for {host}; take them out of the "
                "URL and put the key into the environment variable that --gptoss-api-key-env names"
            )
        path = parts.path.rstrip("/")
        stem = _TAIL.sub("", path)
        return cls(
            base=urlunsplit((parts.scheme, parts.netloc, stem, "", "")),
            query=parts.query,
            versioned=stem != path or _VERSION.search(stem) is not None,
        )

    @staticmethod
    def hide(url: str) -> str:
        """A URL without what may be secret in it: user, password, query and fragment."""
        try:
            parts = urlsplit(url if "://" in url or "@" not in url else f"http://{url}")
        except ValueError:  # brackets that hold no address
            return "[not shown]"
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    @property
    def secrets(self) -> list[str]:
        """The values in the query, any of which may be a key."""
        return [value for name, value in parse_qsl(self.query) if name != "api-version"]

    def __str__(self) -> str:
        return self.base

    def url(self, route: str) -> str:
        """The URL of a route."""
        return f"{self.base}{route}" + (f"?{self.query}" if self.query else "")

    def shown(self, route: str) -> str:
        """The URL of a route as it may be shown."""
        return f"{self.base}{route}"

    def with_version(self) -> Endpoint:
        """The same server's base under ``/v1``."""
        return Endpoint(f"{self.base}/v1", self.query)

    @property
    def root(self) -> str:
        """The base without its version."""
        return re.sub(r"/v\d+[a-z0-9]*\Z", "", self.base)


class Secrets:
    """Texts that must not be seen. They are kept to be struck out of what a server says."""

    __slots__ = ("_texts",)

    def __init__(self, *texts: str) -> None:
        # Short ones ("EMPTY", "x") are placeholders; striking them out would garble sentences.
        self._texts = sorted((text for text in texts if len(text) >= 6), key=len, reverse=True)

    def __repr__(self) -> str:
        return "<secrets>"

    def redact(self, text: str) -> str:
        """Return the text with every secret struck out."""
        for secret in self._texts:
            text = text.replace(secret, "[secret]")
        return text


def proxy_for(endpoint: Endpoint) -> str | None:
    """The proxy that the environment names for this server; never one for this machine itself."""
    parts = urlsplit(endpoint.base)
    host = parts.hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if local or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def said(payload: bytes, secrets: Secrets | None = None) -> str:
    """What an error body says, in one line: the JSON error's message, else its text.

    Secrets are struck out of the whole before it is cut, which could leave a part of one.
    """
    text: object = None
    try:
        text = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = _HTML.sub(" ", payload[:20_000].decode("utf-8", "replace"))
    for key in ("error", "message", "detail", "msg"):
        if isinstance(text, list) and text:
            text = text[0]
        if isinstance(text, dict) and text.get(key):
            text = text[key]
    if not isinstance(text, str):
        text = "" if text is None or text in ({}, []) else str(text)
    line = " ".join((secrets.redact(text) if secrets else text).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def seconds_to_wait(headers: Mapping[str, str]) -> float:
    """The seconds that ``Retry-After`` asks for, as a number or a date; 0 where it does not."""
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except (ValueError, TypeError, IndexError):
            return 0.0
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        seconds = (when - datetime.now(UTC)).total_seconds()
    return seconds if 0.0 < seconds < 1e7 else 0.0
