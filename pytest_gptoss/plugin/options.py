"""The command line and the ini keys: names and help texts, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

__all__ = ["OPTIONS", "Option", "add_options"]


@dataclass(frozen=True, slots=True)
class Option:
    """One option; its ini key has the same name with underscores.

    Args:
        name: The part after ``--gptoss-``.
        help: What it means, for ``--help``.
        metavar: What stands for the value there; ``None`` for a switch.
        repeatable: Whether it may be given several times; its ini key then takes lines.
        ini: Whether it has an ini key at all.
    """

    name: str
    help: str
    metavar: str | None = None
    repeatable: bool = False
    ini: bool = True

    @property
    def flag(self) -> str:
        """As on the command line."""
        return f"--gptoss-{self.name}"

    @property
    def key(self) -> str:
        """As in an ini file."""
        return f"gptoss_{self.name.replace('-', '_')}"


OPTIONS = (
    Option("engine", "auto (default), vllm, endpoint, embedded or replay", "NAME"),
    Option(
        "engine-arg",
        "passed to the engine as it is, such as tensor_parallel_size=8 (repeatable)",
        "KEY=VALUE",
        repeatable=True,
    ),
    Option("endpoint", "base URL of an OpenAI-compatible server; implies that engine", "URL"),
    Option(
        "api-key-env",
        "environment variable that holds the endpoint's key (default: OPENAI_API_KEY)",
        "NAME",
    ),
    Option("completions", "file or folder of recorded completions; implies replay", "PATH"),
    Option("effort", "reasoning effort, low, medium or high, of models that have it", "EFFORT"),
    Option("profile", "named set of settings: card (default), paper, or your own", "NAME"),
    Option("profiles", "TOML file with profiles of your own", "FILE"),
    Option("registry", "TOML file with models of your own", "FILE"),
    Option("limit", "a seeded sample of N items per benchmark, the same every day", "N"),
    Option("shots", "worked examples before each question, for benchmarks that have them", "K"),
    Option("seed", "seed for sampling and for the limit", "N"),
    Option("repeats", "completions per item (default: 1)", "K"),
    Option("max-tokens", "cap on generated tokens, reasoning included", "N"),
    Option("temperature", "sampling temperature instead of the model's own; 0 is greedy", "F"),
    Option("judge", "base URL of an OpenAI-compatible server whose model grades free texts", "URL"),
    Option("judge-model", "name under which that server serves the judge", "NAME"),
    Option(
        "judge-key-env",
        "environment variable that holds that server's key (default: OPENAI_API_KEY)",
        "NAME",
    ),
    Option("data", "local mirror of the datasets (also: GPTOSS_DATA)", "DIR"),
    Option("run", "run directory (default: a fresh one under runs/)", "DIR"),
    Option("report", "write the HTML report there too; the run directory always has it", "PATH"),
    Option(
        "resume",
        "continue the run in --gptoss-run: what it was answered is scored, the rest is asked",
    ),
    Option("rescore", "score the answers of an earlier run again, without any engine", "DIR"),
    Option(
        "baseline",
        "compare with this baseline: a file, a folder, a run directory or published:ID "
        "(default: baselines/MODEL/BENCHMARK.json where it exists)",
        "PATH",
    ),
    Option("save-baseline", "write the run's scores as the baseline"),
    Option("margin", "the loss that is tolerated, in accuracy (default: 0.02)", "F"),
    Option("alpha", "error rate of the gate (default: 0.05)", "F"),
    Option(
        "gate",
        "regressed (default: fail on it), strict (fail on inconclusive and on a missing baseline "
        "too) or off",
        "MODE",
    ),
    Option(
        "speed-margin",
        "the loss of throughput, latency, memory or energy that is tolerated, as a share "
        "(default: 0.05)",
        "F",
    ),
    Option(
        "loads",
        "loads to measure: auto (default: small on a CPU, standard elsewhere), small, standard "
        "or all",
        "SCALE",
    ),
    Option("flips", "select only the items whose outcome changed against it", "RUN_OR_BASELINE"),
    Option(
        "sandbox",
        "what confines code that a model wrote: auto (default: the strongest that works here), "
        "bwrap, namespaces, landlock or macos",
        "NAME",
    ),
    Option("sandbox-min", "the weakest sandbox that will do; else such items are errors", "NAME"),
    Option(
        "allow-unsandboxed",
        "run code that a model wrote with your own rights where nothing confines it; has no ini "
        "key, and every record says so",
        ini=False,
    ),
    Option("timeout", "wall-clock cap per item, in seconds", "S"),
    Option("session-timeout", "wall-clock cap of all answers together, in seconds", "S"),
    Option("strict-items", "let an incorrect item fail its test"),
)


def add_options(parser: pytest.Parser) -> None:
    """Declare ``--model``, every ``--gptoss-...`` option and its ini key."""
    group = parser.getgroup("gptoss", "evaluation of language models (pytest-gptoss)")
    group.addoption(
        "--model",
        action="append",
        metavar="NAME",
        help="evaluate this model: a registry name (gpt-oss-20b), a checkpoint folder or a hub id; "
        "NAME:low, NAME:medium, NAME:high set the reasoning effort (repeatable, or "
        "comma-separated). Without it, benchmark tests are skipped.",
    )
    for option in OPTIONS:
        arguments: dict[str, Any] = {"dest": option.key, "help": option.help, "default": None}
        if option.metavar is None:
            arguments["action"] = "store_true"
            if option.ini:
                parser.addini(option.key, option.help, type="bool", default=False)
        elif option.repeatable:
            arguments |= {"action": "append", "metavar": option.metavar}
            parser.addini(option.key, option.help, type="linelist", default=[])
        else:
            arguments["metavar"] = option.metavar
            parser.addini(option.key, option.help, default=None)
        group.addoption(option.flag, **arguments)
    for name in ("margin", "alpha"):
        parser.addini(
            f"gptoss_{name}s",
            f"gptoss_{name} of single benchmarks, in lines such as gsm8k=0.01",
            type="linelist",
            default=[],
        )
