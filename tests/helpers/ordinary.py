"""An ordinary user for a test that runs as root, with an interpreter that this user may read."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

import pytest_gptoss
from pytest_gptoss.sandbox.privileges import only_root_reads
from pytest_gptoss.sandbox.view import interpreter

# An id that no account has: nothing on the machine belongs to this user.
USER = 59999
MODULES = ("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments", "msgspec")
_NOT_NEEDED = ("site-packages", "test", "idlelib", "config-*", "*.a", "__pycache__", "ensurepip")


def settle_ordinary_user(home: Path) -> tuple[str, dict[str, Any]]:
    """Give an ordinary user a home with all that the tests of the sandbox need.

    The package, the tests and perhaps the interpreter are copied: root's are often closed to
    others.

    Returns:
        An interpreter, and the arguments for ``subprocess`` that make a process this user's.
    """
    home.chmod(0o755)
    project = Path(__file__).parents[2]
    skip = shutil.ignore_patterns(*_NOT_NEEDED)
    packages = home / "packages"
    packages.mkdir()
    for name in MODULES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        if spec.submodule_search_locations:
            shutil.copytree(Path(spec.origin).parent, packages / name, ignore=skip)
        else:
            shutil.copy(spec.origin, packages)
    shutil.copytree(Path(pytest_gptoss.__file__).parent, packages / "pytest_gptoss", ignore=skip)
    for part in ("sandbox", "helpers", "hostile"):
        shutil.copytree(project / "tests" / part, home / "tests" / part, ignore=skip)
    program, prefix = interpreter()
    if only_root_reads():
        copied = home / "python"
        (copied / "bin").mkdir(parents=True)
        shutil.copytree(prefix / "lib", copied / "lib", ignore=skip, symlinks=True)
        program = Path(shutil.copy(program, copied / "bin"))
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{packages}:{home / 'tests' / 'helpers'}",
        # The library of an interpreter that was built shared is looked for where it was built.
        "LD_LIBRARY_PATH": str(program.parents[1] / "lib"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "TMPDIR": str(home),
    }
    for path in (home, *home.rglob("*")):
        os.chown(path, USER, USER, follow_symlinks=False)
    how = {"user": USER, "group": USER, "extra_groups": [], "cwd": home, "env": environment}
    return str(program), how
