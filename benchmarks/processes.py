"""What the benchmarks share: a process whose cost is read, and a server that answers at once."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
SERVER = ROOT / "tests" / "engines" / "instant_server.py"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took: seconds, and its largest resident size in megabytes."""

    items: int
    cpu_s: float
    wall_s: float
    peak_mb: float


@contextmanager
def instant_server(answer: str) -> Iterator[str]:
    """Run the server in a process of its own; gives its base URL."""
    command = [sys.executable, str(SERVER), "--answer", answer]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


def measure(command: Sequence[str], items: int, environment: Mapping[str, str]) -> Cost:
    """Run a command and read from the system what it took."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=environment, cwd=ROOT, text=True
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        process.returncode = code = os.waitstatus_to_exitcode(status)
        wall_s = time.perf_counter() - begin
        if code != 0:
            output.seek(0)
            sys.exit(f"{' '.join(command)} ended with {code}:\n{output.read()[-4000:]}")
    scale = 1 if sys.platform == "darwin" else 1024
    cpu_s = usage.ru_utime + usage.ru_stime
    return Cost(items, cpu_s, wall_s, usage.ru_maxrss * scale / 1e6)


def session(folder: Path, *arguments: str) -> list[str]:
    """A pytest command without other plugins and without the project's own configuration."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "pytest_gptoss.plugin"]
    command += ["-c", str(folder / "pytest.ini"), "-p", "no:cacheprovider", "-q"]
    return [*command, "--gptoss-run", str(folder / "run"), *arguments]


def plain_environment() -> dict[str, str]:
    """The environment for `session`: no other plugin, so that only our cost is counted."""
    return environment() | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "NO_COLOR": "1"}


def environment() -> dict[str, str]:
    """The environment of this process, with the package importable from the checkout."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path}
