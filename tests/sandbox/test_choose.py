"""Which sandbox is chosen, and what a user reads where none is."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_gptoss.errors import SandboxError
from pytest_gptoss.sandbox import cgroups, selftest
from pytest_gptoss.sandbox import choose as chooser
from pytest_gptoss.sandbox.choose import LADDER, choose, probe, shortfall
from pytest_gptoss.sandbox.privileges import is_root
from pytest_gptoss.sandbox.unconfined import Unconfined

if TYPE_CHECKING:
    from collections.abc import Iterator

linux = pytest.mark.skipif(sys.platform != "linux", reason="the ladder of Linux")


@pytest.fixture
def afresh() -> Iterator[None]:
    """What was found out on this machine is forgotten before and after."""
    chooser._tried.cache_clear()
    yield
    chooser._tried.cache_clear()


@pytest.fixture
def path(afresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(folder: Path, script: str) -> None:
    """Put a bwrap of our own there."""
    program = folder / "bwrap"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo bubblewrap 0.9.0 && exit\n{script}\n'
    )
    program.chmod(0o755)


def test_the_strongest_that_works_is_chosen() -> None:
    works = [name for name, reason in probe().items() if reason is None]
    if not works:
        pytest.skip(f"no sandbox works here: {probe()}")
    assert choose().name == works[0]
    for name in works:
        assert choose(name).name == name
        assert choose("auto", name).name == works[0]


def test_it_is_tried_once() -> None:
    works = [name for name, reason in probe().items() if reason is None]
    assert all(choose(name) is choose(name) for name in works)


@linux
def test_what_is_not_installed_is_passed_over(path: Path) -> None:
    assert probe()["bwrap"] == "bubblewrap is not installed"
    with pytest.raises(SandboxError) as told:
        choose("bwrap")
    assert "bwrap: bubblewrap is not installed" in str(told.value)


@linux
def test_what_is_too_old_is_passed_over(path: Path) -> None:
    (path / "bwrap").write_text("#!/bin/sh\necho bubblewrap 0.6.1\n")
    (path / "bwrap").chmod(0o755)
    assert probe()["bwrap"] == "bubblewrap 0.6.1 cannot bound a scratch; 0.7 can"


@linux
def test_what_cannot_start_says_why(path: Path) -> None:
    install(path, 'echo "bwrap: setting up uid map: Permission denied" >&2; exit 1')
    assert probe()["bwrap"] == "setting up uid map: Permission denied"


@linux
def test_what_is_installed_and_confines_nothing_is_rejected(path: Path) -> None:
    # It takes the options, and does without them.
    skip = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"'
    install(path, skip)
    assert probe()["bwrap"] is not None
    if not is_root():  # Whose interpreter a stranger may not be able to read.
        assert "could read" in str(probe()["bwrap"])


HOLES = {
    "read": (["--ro-bind", str(Path.home()), str(Path.home())], "could read"),
    "write": (["--bind", "/tmp", "/tmp"], "a program in it could"),
    "variable": (["--setenv", "TOKEN", "1"], "variable TOKEN"),
}


@linux
@pytest.mark.parametrize("hole", HOLES)
def test_a_hole_is_found(hole: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if (reason := probe()["bwrap"]) is not None:
        pytest.skip(f"bwrap does not work here: {reason}")
    if hole == "read" and is_root():
        pytest.skip("the stranger that root becomes may not enter its home folder anyway")
    from pytest_gptoss.sandbox.bwrap import Bwrap

    options, found = HOLES[hole]
    whole = Bwrap._arguments

    def holed(self: Bwrap, info: int, program: int) -> list[str]:
        arguments = [*whole(self, info, program)]
        place = arguments.index("--chdir") - 4  # Before the root becomes read-only.
        return [*arguments[:place], *options, *arguments[place:]]

    monkeypatch.setattr(Bwrap, "_arguments", holed)
    # Where the self-test tries to write: TMPDIR may be closed to the stranger that root becomes.
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    assert found in str(selftest.weakness(Bwrap()))


def test_no_sandbox_fails_the_self_test() -> None:
    assert "could read" in str(selftest.weakness(Unconfined()))


def test_nothing_runs_unconfined_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chooser, "_try", lambda name: "broken")
    with pytest.raises(SandboxError, match="cannot be confined here"):
        choose()
    assert choose(allow_unsandboxed=True).name == "none"
    # The least that will do is not given up for it.
    with pytest.raises(SandboxError, match="cannot be confined here"):
        choose("auto", LADDER[-1], allow_unsandboxed=True)


def test_none_must_be_allowed() -> None:
    with pytest.raises(SandboxError, match="is no sandbox"):
        choose("none")
    assert choose("none", allow_unsandboxed=True).name == "none"
    with pytest.raises(SandboxError, match="weaker than 'landlock'"):
        choose("none", "landlock", allow_unsandboxed=True)


@linux
def test_a_weaker_one_than_the_least_is_refused() -> None:
    with pytest.raises(SandboxError, match="'landlock' is weaker than 'bwrap'"):
        choose("landlock", "bwrap")


@linux
def test_another_system_s_is_refused() -> None:
    with pytest.raises(SandboxError, match="for another system"):
        choose("macos")


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(SandboxError, match="no sandbox 'jail'; there are auto, bwrap, "):
        choose("jail")


@pytest.mark.parametrize(
    ("file", "text", "command"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "userns=0"),
        ("kernel/unprivileged_userns_clone", "0", "clone=1"),
        ("user/max_user_namespaces", "0", "namespaces=16384"),
        ("", "", "apt install bubblewrap"),
    ],
)
@linux
def test_the_remedy_fits_the_machine(
    file: str, text: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if file:
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).write_text(f"{text}\n")
    monkeypatch.setattr(chooser, "_SETTINGS", tmp_path)
    monkeypatch.setattr(chooser, "_CONTAINER", ())
    assert command in chooser._remedy()


@linux
def test_in_a_container_the_remedy_is_the_container_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chooser, "_CONTAINER", (tmp_path,))
    assert "docker run" in chooser._remedy()


def test_strong_ones_have_no_shortfall_and_weak_ones_do() -> None:
    assert "without a sandbox" in str(shortfall(Unconfined()))
    for name, reason in probe().items():
        if reason is None:
            assert (shortfall(choose(name)) is None) == (name in ("bwrap", "namespaces"))


def test_each_says_what_is_in_force() -> None:
    for name, reason in probe().items():
        if reason is None:
            told = choose(name).describe()
            assert told.startswith(name)
            assert "rlimits" in told
            assert told.endswith(f"; {cgroups.bound()}]")
