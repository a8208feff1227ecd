"""Without ``--model`` the plugin is silent and costs nothing."""

import subprocess
import sys

import pytest
from stories import Story, said

HEAVY = ("torch", "vllm", "transformers", "datasets", "scipy", "numpy", "pyarrow", "aiohttp")


def test_benchmark_tests_skip_with_a_sentence(story: Story) -> None:
    result = story.run("-rs")
    result.assert_outcomes(skipped=1)
    assert "no model was named: pass --model NAME" in said(result)


def test_nothing_is_written(story: Story) -> None:
    before = story.files()
    story.run()
    assert story.files() == before


def test_nothing_is_said_in_a_project_without_benchmarks(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_of_a_user(): pass")
    result = pytester.runpytest("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
    assert "gptoss:" not in said(result)


def test_nothing_heavy_is_imported(story: Story) -> None:
    (story.path / "conftest.py").write_text(
        "import sys\n"
        "def pytest_unconfigure(config):\n"
        f"    print('LOADED', [m for m in {HEAVY!r} if m in sys.modules])\n"
    )
    result = story.pytester.runpytest_subprocess("-p", "no:cacheprovider", "-s")
    assert "LOADED []" in said(result)


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    code = (
        "import sys, pytest_gptoss.plugin\n"
        f"print([m for m in {(*HEAVY, 'rich', 'msgspec', 'asyncio')!r} if m in sys.modules])"
    )
    # pytest itself is the plugin's one import; what that brings in is not ours.
    baseline = "import sys, pytest; print([m for m in ('rich', 'asyncio') if m in sys.modules])"
    loaded = _python(code)
    assert loaded == _python(baseline)


def test_importing_the_plugin_is_quick() -> None:
    # Counted in modules and not in seconds, which depend on what else the machine does: what the
    # plugin adds to pytest's own imports stays a handful of files of this package.
    added = _python(
        "import sys, pytest; before = set(sys.modules)\n"
        "import pytest_gptoss.plugin\n"
        "print(sorted(set(sys.modules) - before))"
    )
    assert added == ("['pytest_gptoss', 'pytest_gptoss.plugin', 'pytest_gptoss.plugin.options']")


def test_the_plugin_adds_under_60_ms() -> None:
    # Processor time, the best of several, so that what else the machine does hardly counts.
    code = (
        "import pytest, time; before = time.process_time()\n"
        "import pytest_gptoss.plugin\n"
        "print(time.process_time() - before)"
    )
    assert min(float(_python(code)) for _ in range(5)) < 0.060


def _python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
