"""What the user asked of the gates: mode, margins, error rates and baselines, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from pytest_gptoss.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

__all__ = ["GateSettings", "Mode", "Scale", "read_gate_settings"]

Mode = Literal["regressed", "strict", "off"]

Scale = Literal["auto", "small", "standard", "all"]

MARGIN = 0.02
ALPHA = 0.05
SPEED_MARGIN = 0.05


@dataclass(frozen=True, kw_only=True)
class GateSettings:
    """The options of the gates.

    Args:
        root: The folder whose ``baselines`` are looked up.
        here: Where pytest was started; paths on the command line start there.
        mode: What fails a gate.
        baseline: What ``--gptoss-baseline`` names.
        baseline_from: The folder that it starts from.
        save: Whether the run's scores become the baselines.
        flips: What ``--gptoss-flips`` names.
        margin: The tolerated drop.
        alpha: The error rate.
        margins: The tolerated drop by benchmark.
        alphas: The error rate by benchmark.
        speed_margin: The loss of speed, memory or energy that is tolerated, as a share.
        loads: Which loads are asked; ``None`` where nothing was said.
    """

    root: Path
    here: Path
    mode: Mode = "regressed"
    baseline: str | None = None
    baseline_from: Path | None = None
    save: bool = False
    flips: str | None = None
    margin: float = MARGIN
    alpha: float = ALPHA
    margins: Mapping[str, float] = field(default_factory=dict)
    alphas: Mapping[str, float] = field(default_factory=dict)
    speed_margin: float = SPEED_MARGIN
    loads: Scale | None = None

    def margin_of(self, benchmark: str) -> float:
        """The drop that is tolerated on a benchmark."""
        return self.margins.get(benchmark, self.margin)

    def alpha_of(self, benchmark: str) -> float:
        """The error rate of a benchmark's gate."""
        return self.alphas.get(benchmark, self.alpha)


def read_gate_settings(config: pytest.Config) -> GateSettings:
    """Read and check the gates' options.

    Raises:
        UsageError: A value is of the wrong kind, or two options contradict each other.
    """
    root = config.inipath.parent if config.inipath is not None else config.rootpath
    here = config.invocation_params.dir

    def text(key: str) -> tuple[str | None, Path]:
        value: Any = config.getoption(key)
        if value is not None:
            return str(value), here
        value = config.getini(key)
        return (str(value) if value else None), root

    mode = text("gptoss_gate")[0] or "regressed"
    if mode not in get_args(Mode):
        raise UsageError(f"--gptoss-gate is one of regressed, strict and off, not {mode!r}")
    loads = text("gptoss_loads")[0]
    if loads is not None and loads not in get_args(Scale):
        raise UsageError(f"--gptoss-loads is one of auto, small, standard and all, not {loads!r}")
    # On the command line one number is meant for every benchmark, whatever the ini file says.
    by_benchmark = {
        key: {}
        if config.getoption(f"gptoss_{key}") is not None
        else _pairs(config.getini(f"gptoss_{key}s"), f"gptoss_{key}s", key)
        for key in ("margin", "alpha")
    }
    baseline, baseline_from = text("gptoss_baseline")
    save = bool(config.getoption("gptoss_save_baseline") or config.getini("gptoss_save_baseline"))
    flips = text("gptoss_flips")[0]
    if save and flips:
        raise UsageError(
            "--gptoss-save-baseline needs every item and --gptoss-flips selects a few; "
            "leave one of them out"
        )
    return GateSettings(
        root=root,
        here=here,
        mode=cast("Mode", mode),
        baseline=baseline,
        baseline_from=baseline_from,
        save=save,
        flips=flips,
        margin=_number(text("gptoss_margin")[0], "--gptoss-margin", "margin", MARGIN),
        alpha=_number(text("gptoss_alpha")[0], "--gptoss-alpha", "alpha", ALPHA),
        margins=by_benchmark["margin"],
        alphas=by_benchmark["alpha"],
        speed_margin=_number(
            text("gptoss_speed_margin")[0], "--gptoss-speed-margin", "share", SPEED_MARGIN
        ),
        loads=cast("Scale | None", loads),
    )


def _pairs(lines: list[str], where: str, kind: str) -> dict[str, float]:
    values = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{where} takes lines such as gsm8k=0.01, not {line!r}")
        values[name.strip()] = _number(value.strip(), f"{where} ({name.strip()})", kind, None)
    return values


def _number(value: str | None, where: str, kind: str, default: float | None) -> float:
    if value is None:
        assert default is not None
        return default
    what = {
        "margin": "a share from 0 to below 1, such as 0.02 for two points",
        "share": "a share from 0 to below 1, such as 0.05 for 5 %",
        "alpha": "a probability between 0 and 0.5, such as 0.05",
    }[kind]
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (0 < number < 0.5 if kind == "alpha" else 0 <= number < 1):
        raise UsageError(f"{where} takes {what}, not {value!r}")
    return number
