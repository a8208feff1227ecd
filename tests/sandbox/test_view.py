"""What a program is shown: the interpreter's files, less what is installed into it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pytest_gptoss.sandbox.view import View, interpreter, view


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("lib/python3/os.py", "lib/python3/json/decoder.py", "lib/libc.so"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    for name in ("lib/python3/site-packages/project/data", "lib/python3/dist-packages"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "lib/python3/out").symlink_to("/etc")
    return tmp_path


def seen(tree: Path, *hidden: str) -> tuple[list[str], list[str]]:
    whole = View((str(tree / "lib"),), (), tuple(str(tree / name) for name in hidden))
    leaves, between = whole.leaves()
    return names(leaves, tree), names(between, tree)


def names(paths: list[str], tree: Path) -> list[str]:
    return sorted(str(Path(path).relative_to(tree)) for path in paths)


def test_with_nothing_hidden_a_folder_stands_for_all_below(tree: Path) -> None:
    assert seen(tree) == (["lib"], [])


def test_what_is_hidden_is_below_no_leaf(tree: Path) -> None:
    assert seen(tree, "lib/python3/site-packages", "lib/python3/dist-packages") == (
        ["lib/libc.so", "lib/python3/json", "lib/python3/os.py"],
        ["lib", "lib/python3"],
    )


def test_no_environment_and_no_home_is_shown() -> None:
    program, _ = interpreter()
    shown = [Path(path) for path in view().shown]
    assert any(program.is_relative_to(path) for path in shown)
    assert not any(Path.home().is_relative_to(path) for path in shown)
    if sys.prefix != sys.base_prefix:
        assert not any(Path(sys.prefix).is_relative_to(path) for path in shown)
    for path in view().hidden:
        assert Path(path).name in ("site-packages", "dist-packages")
        assert not any(str(leaf).startswith(path) for leaf in view().leaves()[0])
