"""The command that runs an evaluation again, from the settings that were recorded of it."""

from __future__ import annotations

from pathlib import PurePath
from shlex import join
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.models.registry import registry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["command"]

# Settings with an option of the same name.
_OPTIONS = ("limit", "shots", "seed", "max_tokens", "temperature", "timeout_s", "completions")


def command(summary: Mapping[str, Any]) -> str:
    """A line for a shell; what is not recorded (secrets, ``-k``, own registries) is not in it."""
    return join(_parts(summary))


def _parts(summary: Mapping[str, Any]) -> Iterator[str]:
    settings = summary["settings"]
    yield "pytest"
    tests = [group["test"] for group in summary["groups"] if group.get("test")]
    yield from dict.fromkeys(test.partition("::")[0] for test in tests)
    if settings.get("rescored"):
        yield from ("--gptoss-rescore", settings["rescored"]["run"])
        return
    known = registry()
    for label, model in settings["models"].items():
        source = str(model.get("source") or "")
        # A folder is named by its place, unless the registry knows it by its name.
        folder = PurePath(source).is_absolute() and PurePath(source).name == model.get("name")
        yield from ("--model", source if folder and model["name"] not in known else label)
    for model in summary.get("throughput", ()):  # those that were only put under loads
        if model["model"] not in settings["models"]:
            yield from ("--model", model["model"])
    efforts = {
        model["effort"]
        for label, model in settings["models"].items()
        if model.get("effort") and not label.endswith(f":{model['effort']}")
    }
    if len(efforts) == 1:
        yield from ("--gptoss-effort", *efforts)
    if settings.get("endpoint"):
        yield from ("--gptoss-endpoint", settings["endpoint"])
    elif settings.get("engine") and not settings.get("completions"):
        yield from ("--gptoss-engine", settings["engine"])
    for name, value in (settings.get("engine_arguments") or {}).items():
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        yield from ("--gptoss-engine-arg", f"{name}={text}")
    if settings.get("profile") not in (None, "card"):
        yield from ("--gptoss-profile", settings["profile"])
    if (settings.get("repeats") or 1) > 1:
        yield from ("--gptoss-repeats", str(settings["repeats"]))
    for name in _OPTIONS:
        if settings.get(name) is not None:
            option = name.removesuffix("_s").replace("_", "-")
            yield from (f"--gptoss-{option}", str(settings[name]))
    judge = settings.get("judge")
    if judge:
        yield from ("--gptoss-judge", judge["url"], "--gptoss-judge-model", judge["model"])
