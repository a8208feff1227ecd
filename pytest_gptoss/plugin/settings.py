"""What the user asked for: the command line over the ini file over the defaults, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import msgspec

from pytest_gptoss.engines.base import EngineOptions
from pytest_gptoss.engines.select import choose
from pytest_gptoss.errors import UsageError
from pytest_gptoss.models import Profile, profile, resolve
from pytest_gptoss.plugin.options import OPTIONS
from pytest_gptoss.plugin.reports import check_place
from pytest_gptoss.records import Effort, Sampling
from pytest_gptoss.sandbox.choose import LADDER, NAMES
from pytest_gptoss.scorers.judge import Judge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest

    from pytest_gptoss.models import ModelSpec

__all__ = ["Settings", "read_settings"]

_Value = TypeVar("_Value")
_FLAGS = {option.key: option for option in OPTIONS}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a session was asked to do."""

    specs: tuple[ModelSpec, ...]
    engine: str | None
    """The engine's name; ``None`` where no model was named and none is installed."""
    engine_options: EngineOptions
    profile: Profile
    effort: Effort | None = None
    registry: Path | None = None
    limit: int | None = None
    seed: int | None = None
    shots: int | None = None
    judge: Judge | None = None
    sandbox: str = "auto"
    sandbox_min: str | None = None
    allow_unsandboxed: bool = False
    repeats: int = 1
    max_tokens: int | None = None
    temperature: float | None = None
    data: Path | None = None
    run: Path | None = None
    report: Path | None = None
    resume: bool = False
    rescore: Path | None = None
    timeout_s: float | None = None
    session_timeout_s: float | None = None
    strict_items: bool = False

    def sampling(self, spec: ModelSpec) -> Sampling:
        """How tokens are drawn from a model: its authors' way, the profile's, the user's own."""
        changes: dict[str, Any] = {}
        for name in ("temperature", "top_p", "max_tokens"):
            value = getattr(self, name, None)
            if value is None:
                value = getattr(self.profile, name)
            if value is not None:
                changes[name] = value
        return msgspec.structs.replace(spec.sampling, **changes)

    def served(self, text: str) -> ModelSpec:
        """A model by its name, as ``--model`` reads it."""
        return resolve(
            text,
            effort=self.effort,
            registry_file=self.registry,
            any_name=self.engine in ("endpoint", "replay"),
        )


def read_settings(config: pytest.Config) -> Settings:
    """Read and check the settings of a session.

    Raises:
        UsageError: A value is of the wrong kind, or two options contradict each other.
    """
    ini = config.inipath.parent if config.inipath is not None else config.rootpath
    here = config.invocation_params.dir

    def path(key: str, *, must: bool = True) -> Path | None:
        value = config.getoption(key)
        base = here
        if value is None:
            value, base = config.getini(key), ini
        if not value:
            return None
        found = (base / Path(value).expanduser()).resolve()
        if must and not found.exists():
            raise UsageError(f"{_FLAGS[key].flag} names {value!r}, which does not exist")
        return found

    def text(key: str) -> str | None:
        value = config.getoption(key)
        return value if value is not None else (config.getini(key) or None)

    def number(key: str, kind: Callable[[str], _Value], what: str) -> _Value | None:
        value = text(key)
        if value is None:
            return None
        try:
            return kind(value)
        except ValueError:
            raise UsageError(f"{_FLAGS[key].flag} takes {what}, not {value!r}") from None

    effort = text("gptoss_effort")
    if effort is not None and effort not in get_args(Effort):
        raise UsageError(f"--gptoss-effort is one of low, medium and high, not {effort!r}")
    completions = path("gptoss_completions")
    registry = path("gptoss_registry")
    chosen = profile(text("gptoss_profile") or "card", path("gptoss_profiles"))
    seed = number("gptoss_seed", _whole(0), "a whole number, 0 or more")
    timeout_s = number("gptoss_timeout", _positive, "a number of seconds over 0")
    options = EngineOptions(
        arguments=_engine_arguments(
            config.getoption("gptoss_engine_arg") or config.getini("gptoss_engine_arg")
        ),
        endpoint=text("gptoss_endpoint"),
        api_key_env=text("gptoss_api_key_env") or "OPENAI_API_KEY",
        completions=str(completions) if completions is not None else None,
        timeout_s=timeout_s,
        seed=seed or 0,
    )
    rescore = path("gptoss_rescore")
    # The models of an earlier run are named there.
    names = _models(config.getoption("model")) if rescore is None else []
    engine: str | None = None
    no_engine: UsageError | None = None
    try:
        engine = choose(text("gptoss_engine") or "auto", options)
    except UsageError as error:
        asked = text("gptoss_engine") or options.endpoint or options.completions
        if names and asked not in (None, "auto"):
            raise
        no_engine = error  # said last: a wrong value or name is nearer to what was typed
    settings = Settings(
        specs=(),
        engine=engine,
        engine_options=options,
        profile=chosen,
        effort=effort or chosen.effort,  # type: ignore[arg-type]
        registry=registry,
        limit=number("gptoss_limit", _whole(1), "a whole number, 1 or more") or chosen.limit,
        seed=seed,
        shots=number("gptoss_shots", _whole(0), "a whole number, 0 or more"),
        judge=_judge(
            text("gptoss_judge"), text("gptoss_judge_model"), text("gptoss_judge_key_env")
        ),
        sandbox=_rung("--gptoss-sandbox", text("gptoss_sandbox"), NAMES) or "auto",
        sandbox_min=_rung("--gptoss-sandbox-min", text("gptoss_sandbox_min"), LADDER),
        allow_unsandboxed=_unsandboxed(config),
        repeats=number("gptoss_repeats", _whole(1), "a whole number, 1 or more") or 1,
        max_tokens=number("gptoss_max_tokens", _whole(1), "a whole number, 1 or more"),
        temperature=number("gptoss_temperature", _not_negative, "a number, 0 or more"),
        data=path("gptoss_data", must=False),
        run=path("gptoss_run", must=False),
        report=path("gptoss_report", must=False),
        resume=bool(config.getoption("gptoss_resume") or config.getini("gptoss_resume")),
        rescore=rescore,
        timeout_s=timeout_s,
        session_timeout_s=number("gptoss_session_timeout", _positive, "a number of seconds over 0"),
        strict_items=bool(
            config.getoption("gptoss_strict_items") or config.getini("gptoss_strict_items")
        ),
    )
    if settings.resume and settings.run is None:
        raise UsageError(
            "--gptoss-resume continues the run in a folder; name it with --gptoss-run DIR"
        )
    if settings.report is not None:
        check_place(settings.report)
    specs = tuple(settings.served(name) for name in names)
    labels = [spec.label for spec in specs]
    if len(set(labels)) != len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise UsageError(f"--model names {twice!r} twice; name each model once")
    if effort is not None and specs and not any(spec.effort for spec in specs):
        raise UsageError(
            f"--gptoss-effort {effort} is for models that have that reasoning effort, and "
            f"{' and '.join(labels)} {'has' if len(labels) == 1 else 'have'} not; leave it out, or "
            "state a model's efforts in a model registry of your own"
        )
    if no_engine is not None and names:
        raise no_engine
    return Settings(**{**_fields(settings), "specs": specs})


def _judge(url: str | None, model: str | None, key_env: str | None) -> Judge | None:
    if url is None and model is None:
        return None
    if url is None or model is None:
        raise UsageError(
            "a judge needs its server and its name: give both --gptoss-judge URL and "
            "--gptoss-judge-model NAME"
        )
    judge = Judge(url=url, model=model, key_env=key_env or "OPENAI_API_KEY")
    judge.check()
    return judge


def _rung(flag: str, name: str | None, names: Sequence[str]) -> str | None:
    if name is not None and name not in names:
        raise UsageError(f"{flag} is one of {', '.join(names)}, not {name!r}")
    return name


def _unsandboxed(config: pytest.Config) -> bool:
    """Whether code may run unconfined: only where the user typed it for this one session."""
    if not config.getoption("gptoss_allow_unsandboxed"):
        return False
    if "--gptoss-allow-unsandboxed" not in map(str, config.invocation_params.args):
        raise UsageError(
            "--gptoss-allow-unsandboxed counts only where it is typed for one session: take it out "
            "of addopts and PYTEST_ADDOPTS, and give it on the command line"
        )
    return True


def _fields(settings: Settings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in Settings.__dataclass_fields__}


def _models(given: Sequence[str] | None) -> list[str]:
    return [name.strip() for value in given or () for name in value.split(",") if name.strip()]


def _whole(least: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        number = int(value)
        if number < least:
            raise ValueError(value)
        return number

    return read


def _positive(value: str) -> float:
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(value)
    return number


def _not_negative(value: str) -> float:
    number = float(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(value)
    return number


def _engine_arguments(given: Sequence[str]) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--gptoss-engine-arg takes KEY=VALUE, not {pair!r}")
        try:
            arguments[key.strip()] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            booleans = {"true": True, "false": False, "none": None}
            arguments[key.strip()] = booleans.get(value.strip().lower(), value)
    return arguments
