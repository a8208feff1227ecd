"""``--gptoss-run DIR``: where the results go."""

import os
import subprocess
import sys
import time
from typing import Any

import pytest
from apart import bound_by_modes, is_bound_by_modes
from stories import QUIET, Story, said


def test_a_fresh_directory_under_runs_is_the_default(story: Story) -> None:
    story.answers()
    arguments = ("--model", "recorded", "--gptoss-completions", "answers.jsonl")
    story.run(*arguments)
    story.run(*arguments)
    runs = sorted((story.path / "runs").iterdir())
    assert len(runs) == 2
    for run in runs:
        assert run.name.endswith(("-recorded", "-recorded-2"))
        names = {file.name for file in run.iterdir()}
        assert names == {"journal.jsonl", "items.jsonl", "summary.json", "report.html"}


def test_the_directory_is_named_at_the_end(story: Story) -> None:
    story.answers()
    assert "run directory: run" in said(story.replay())


def test_a_run_is_never_overwritten(story: Story) -> None:
    story.answers()
    story.replay()
    before = (story.path / "run" / "items.jsonl").read_bytes()
    story.answers(wrong=range(10))
    result = story.replay()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "run already holds a run, which is never overwritten" in said(result)
    assert (story.path / "run" / "items.jsonl").read_bytes() == before


def test_a_file_in_its_place_is_wrong_usage(story: Story) -> None:
    (story.path / "run").write_text("mine")
    story.answers()
    result = story.replay()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "cannot be created" in said(result)
    assert (story.path / "run").read_text() == "mine"


def test_an_engine_that_cannot_start_leaves_no_directory(story: Story) -> None:
    result = story.run(
        "--model", "x", "--gptoss-endpoint", "http://127.0.0.1:9/v1", "--gptoss-run", "run"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "no server answers at http://127.0.0.1:9/v1" in said(result)
    assert "Traceback" not in said(result)
    assert not (story.path / "run").exists()


def in_subprocess(story: Story, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", *QUIET, "-p", "no:cacheprovider", "-q"),
            *("--model", "recorded", "--gptoss-completions", "answers.jsonl"),
            *("--gptoss-run", "run", *arguments),
        ],
        cwd=story.path,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        **more,
    )


def test_two_sessions_never_share_a_directory(story: Story) -> None:
    story.answers()
    (story.path / "conftest.py").write_text(
        "import os\nimport time\nfrom pathlib import Path\n\n\n"
        "def pytest_runtest_logfinish():\n"
        "    if 'HOLD' in os.environ:\n"
        "        Path('holding').write_text(str(os.getpid()))\n"
        "        time.sleep(240)\n"
    )
    first = subprocess.Popen(
        [
            *(sys.executable, "-m", "pytest", *QUIET, "-p", "no:cacheprovider", "-q"),
            *("--model", "recorded", "--gptoss-completions", "answers.jsonl"),
            *("--gptoss-run", "run"),
        ],
        cwd=story.path,
        env={**os.environ, "HOLD": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        limit = time.monotonic() + 240
        while not (story.path / "holding").exists():
            assert first.poll() is None
            assert time.monotonic() < limit
            time.sleep(0.05)
        second = in_subprocess(story, "--gptoss-resume")
        assert second.returncode == pytest.ExitCode.USAGE_ERROR
        assert f"is in use by process {first.pid} on " in second.stderr + second.stdout
        assert "wait until that session ends" in second.stderr + second.stdout
        assert "Traceback" not in second.stderr + second.stdout
    finally:
        first.kill()
        first.wait()
    third = in_subprocess(story, "--gptoss-resume")  # a dead process holds nothing
    assert third.returncode == 0, third.stdout
    assert {file.name for file in (story.path / "run").iterdir()} == {
        "journal.jsonl",
        "items.jsonl",
        "summary.json",
        "report.html",
    }


def test_files_of_others_are_not_overwritten(story: Story) -> None:
    (story.path / "run").mkdir()
    (story.path / "run" / "summary.json").write_text("mine")
    story.answers()
    result = story.replay()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "already holds summary.json, which this session did not write" in said(result)
    assert (story.path / "run" / "summary.json").read_text() == "mine"


def test_a_folder_of_others_is_used_and_their_files_stay(story: Story) -> None:
    (story.path / "run").mkdir()
    (story.path / "run" / "notes.txt").write_text("mine")
    story.answers()
    story.replay().assert_outcomes(passed=10)
    assert (story.path / "run" / "notes.txt").read_text() == "mine"


def test_a_journal_without_a_whole_line_is_no_run(story: Story) -> None:
    (story.path / "run").mkdir()
    (story.path / "run" / "journal.jsonl").write_text('{"journal":2,"sett')
    story.answers()
    story.replay().assert_outcomes(passed=10)
    assert (story.path / "run" / "journal.jsonl").read_text().startswith('{"journal":2,"settings"')


@pytest.mark.skipif(os.name != "posix", reason="looks at the modes of POSIX")
def test_a_folder_that_cannot_be_written_is_wrong_usage(story: Story) -> None:
    if not is_bound_by_modes(story.path):
        pytest.skip("this user may write everywhere and cannot let go of that")
    (story.path / "run").mkdir(mode=0o500)
    story.answers()
    refused = in_subprocess(story, preexec_fn=bound_by_modes)
    assert refused.returncode == pytest.ExitCode.USAGE_ERROR
    assert "is not writable (Permission denied)" in refused.stderr + refused.stdout


def test_a_full_disk_keeps_what_was_journalled(story: Story) -> None:
    resource = pytest.importorskip("resource", reason="needs a limit on the size of files")
    story.suite(rows=400)
    story.answers(rows=400)

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    full = in_subprocess(story, preexec_fn=small_files)
    screen = full.stdout + full.stderr
    assert full.returncode == pytest.ExitCode.USAGE_ERROR, screen
    assert "cannot be written (File too large)" in screen
    assert "Traceback" not in screen
    whole = (story.path / "run" / "journal.jsonl").read_bytes().count(b'"item_id"')
    assert 0 < whole < 400
    again = in_subprocess(story, "--gptoss-resume")
    assert again.returncode == 0, again.stdout
    kept = story.summary()["groups"][0]["resumed"]["kept"]
    assert kept in (whole, whole - 1)  # the last one may have been cut off
    assert len(story.items()) == 400
