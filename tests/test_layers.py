"""Imports go downward only, files stay one idea, and no room needs pytest but the plugin."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pytest_gptoss

PACKAGE = Path(pytest_gptoss.__file__).parent

# From the top down; a room may import from itself and from what stands below it.
ROOMS = (
    "plugin",
    "report",
    "gates",
    "run",
    "engines",
    "scorers",
    "sandbox",
    "prompts",
    "data",
    "models",
    "stats",
    "benchmark",
    "load",
    "declared",
    "records",
    "errors",
)

# The public face and the command line may name every room; data folders hold no room's code.
FREE = {"__init__", "__main__"}
DATA = {"suites", "baselines"}

FILES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in DATA
)


def room_of(parts: tuple[str, ...]) -> str:
    return parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The rooms that a file imports from, also within functions and for types."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "pytest_gptoss":
                names = [f"pytest_gptoss.{alias.name}" for alias in node.names]
            else:
                names = [node.module]
        for name in names:
            head, _, rest = name.partition(".")
            if head == "pytest_gptoss" and rest:
                rooms.add(rest.partition(".")[0])
            elif head in ("pytest", "_pytest"):
                rooms.add("pytest")
    return rooms


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downward(path: Path) -> None:
    room = room_of(path.relative_to(PACKAGE).parts)
    if room in FREE:
        return
    assert room in ROOMS, f"{room} is no room of the house; see the list in this test"
    below = set(ROOMS[ROOMS.index(room) :])
    upward = {other for other in imported(path) if other in ROOMS and other not in below}
    assert not upward, f"{path.name} imports upward from {', '.join(sorted(upward))}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_plugin_knows_pytest(path: Path) -> None:
    room = room_of(path.relative_to(PACKAGE).parts)
    if room not in ("plugin", *FREE):
        assert "pytest" not in imported(path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_one_idea(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_hooks_are_thin() -> None:
    tree = ast.parse((PACKAGE / "plugin" / "__init__.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("pytest_"):
            body = [line for line in node.body if not isinstance(line, ast.Expr | ast.ImportFrom)]
            assert len(body) <= 5, f"{node.name} does more than delegate"
