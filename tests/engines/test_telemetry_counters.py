"""Energy counters: they wrap around, and are read too seldom, by nobody, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_gptoss.engines.telemetry import Counter, Meter
from pytest_gptoss.engines.telemetry.rapl import Rapl


@settings(deadline=None)
@given(st.lists(st.floats(0, 0.999), max_size=60), st.floats(0, 0.999))
def test_a_counter_that_wraps_around_loses_nothing(steps: list[float], start: float) -> None:
    """Whatever is drawn between two looks, as long as that is less than one whole turn."""
    range_j = 1000.0
    counter = Counter("package", range_j=range_j)
    shown = start * range_j
    counter.read(shown, 0.0)
    for moment, step in enumerate(steps, 1):
        shown = (shown + step * range_j) % range_j
        counter.read(shown, float(moment))
    assert counter.total_j == pytest.approx(sum(steps) * range_j, abs=1e-6)
    assert counter.broken is None


def test_a_counter_unread_for_too_long_is_not_trusted() -> None:
    counter = Counter("package", range_j=1000.0, longest_gap_s=10.0)
    for moment, shown in ((0.0, 5.0), (9.0, 7.0), (20.0, 9.0), (21.0, 11.0)):
        counter.read(shown, moment)
    assert counter.broken is not None
    assert "was not read for 11 s" in counter.broken


def test_a_counter_that_never_wraps_and_goes_back_is_not_trusted() -> None:
    counter = Counter("gpu 0")
    counter.read(50.0, 0.0)
    counter.read(40.0, 1.0)
    counter.read(90.0, 2.0)
    assert counter.total_j == 0.0
    assert counter.broken is not None


def zone(folder: Path, place: str, name: str, range_uj: int = 262_143_328_850) -> Path:
    """A counter as the kernel shows it; returns the file that a test writes."""
    path = folder / f"intel-rapl:{place}"
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "max_energy_range_uj").write_text(f"{range_uj}\n")
    (path / "energy_uj").write_text("1000000\n")
    return path / "energy_uj"


def show(file: Path, joules: float) -> None:
    file.write_text(f"{round(joules * 1e6)}\n")


def test_packages_and_their_memory_are_summed_and_the_platform_is_not(tmp_path: Path) -> None:
    files = [
        zone(tmp_path, "0", "package-0"),
        zone(tmp_path, "0:0", "core"),
        zone(tmp_path, "0:1", "dram"),
        zone(tmp_path, "1", "package-1"),
        zone(tmp_path, "2", "psys"),
    ]
    (tmp_path / "intel-rapl").mkdir()
    meter = Meter([Rapl(tmp_path)])
    meter.watch_devices()
    window = meter.window("sums")
    window.start()
    for file, joules in zip(files, (11, 8, 3, 21, 99), strict=True):
        show(file, joules)
    window.stop()
    figures = window.figures()
    assert figures["energy_j"] == pytest.approx(10 + 2 + 20)
    assert figures["runs_on"] == "cpu"
    assert figures["energy_above_idle_j"] is None
    assert "not idle" in figures["unknown"]["energy_above_idle_j"]


def test_a_package_wraps_around_between_two_looks(tmp_path: Path) -> None:
    file = zone(tmp_path, "0", "package-0", range_uj=65_532_610_987)
    meter = Meter([Rapl(tmp_path)])
    meter.watch_devices()
    show(file, 65_000)
    window = meter.window("sums")
    window.start()
    for joules in (65_500, 100, 1_000):
        show(file, joules)
        meter.sample()
    window.stop()
    assert window.figures()["energy_j"] == pytest.approx(65_532.610987 - 65_000 + 1_000)


def test_a_package_that_stops_answering(tmp_path: Path) -> None:
    file = zone(tmp_path, "0", "package-0")
    meter = Meter([Rapl(tmp_path)])
    meter.watch_devices()
    window = meter.window("sums")
    window.start()
    file.write_text("\n")
    window.stop()
    figures = window.figures()
    assert figures["energy_j"] is None
    assert "cpu package 0 stopped answering" in figures["unknown"]["energy_j"]


def test_counters_for_root_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone(tmp_path, "0", "package-0")
    read = Path.read_text

    def refuse(path: Path) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    # Root, as whom tests may run, is refused nothing by the file system itself.
    monkeypatch.setattr(Path, "read_text", refuse)
    why = Rapl(tmp_path).open()
    assert why is not None
    assert "can be read by root only" in why
    assert "chmod" in why


def test_a_machine_without_counters(tmp_path: Path) -> None:
    assert Rapl(tmp_path / "none").open() == "this machine shows no energy counters of its CPUs"
