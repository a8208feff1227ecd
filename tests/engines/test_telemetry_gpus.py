"""Energy and memory of GPUs, by a scripted driver: what is measured, and why something is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pynvml
import pytest
from scripted_nvml import MIB, Gpu, ScriptedNvml

from pytest_gptoss.engines.telemetry import Meter, Placement, Window
from pytest_gptoss.engines.telemetry.nvml import Nvml, visible
from pytest_gptoss.records import Completion

OURS = os.getpid()


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process that is none of this one's children, as its parent has ended."""
    starter = (
        "from subprocess import DEVNULL, Popen; print(Popen(['sleep', '600'], stdout=DEVNULL).pid)"
    )
    pid = int(subprocess.check_output([sys.executable, "-c", starter]))
    yield pid
    os.kill(pid, signal.SIGKILL)


def meter_of(*gpus: Gpu, clock: Clock, refusal: int | None = None) -> Meter:
    meter = Meter([Nvml(ScriptedNvml(*gpus, refusal=refusal))], clock=clock)
    meter.watch_devices()
    return meter


def answer(window: Window, tokens: int = 100, number: int = 1) -> None:
    for _ in range(number):
        began = window.begin()
        window.end(began, Completion(final="4", completion_tokens=tokens, prompt_tokens=10))


def measured(meter: Meter, clock: Clock, *gpus: Gpu, joules: float = 600.0) -> dict[str, Any]:
    """Figures of a window in which every GPU draws so much over two seconds for two answers."""
    window = meter.window("sums", placement=Placement(gpus=len(gpus)))
    for gpu in gpus:
        gpu.computing = {**gpu.computing, OURS: 16_000 * MIB}
    window.start()
    clock.now += 2.0
    for gpu in gpus:
        gpu.millijoules += round(1000 * joules)
    answer(window, number=2)
    window.stop()
    return window.figures(correct=1)


def test_energy_and_memory_of_one_gpu(clock: Clock) -> None:
    gpu = Gpu()
    figures = measured(meter_of(gpu, clock=clock), clock, gpu)
    assert figures["energy_j"] == pytest.approx(600.0)
    assert figures["energy_per_response_j"] == pytest.approx(300.0)
    assert figures["energy_per_output_token_j"] == pytest.approx(3.0)
    assert figures["energy_per_correct_j"] == pytest.approx(600.0)
    assert figures["peak_memory_bytes"] == figures["peak_gpu_memory_bytes"] == 16_000 * MIB
    assert figures["other_processes"] == []
    assert figures["window_s"] == pytest.approx(2.0)


def test_gpus_in_use_are_summed_and_others_left_out(clock: Clock) -> None:
    gpus = [Gpu(index) for index in range(4)]
    meter = meter_of(*gpus, clock=clock)
    window = meter.window("sums", placement=Placement(gpus=2))
    for gpu in gpus[1:3]:
        gpu.computing = {OURS: 1000 * MIB}
    window.start()
    for gpu in gpus:
        gpu.millijoules += 10_000
    window.stop()
    figures = window.figures()
    assert figures["energy_j"] == pytest.approx(20.0)
    assert figures["peak_gpu_memory_bytes"] == 2000 * MIB
    assert [gpu["device"] for gpu in figures["gpus"]] == ["gpu 1", "gpu 2"]
    assert [gpu["energy_j"] for gpu in figures["gpus"]] == pytest.approx([10.0, 10.0])


def test_the_peak_is_that_of_the_sum(clock: Clock) -> None:
    gpus = [Gpu(0), Gpu(1)]
    meter = meter_of(*gpus, clock=clock)
    window = meter.window("sums", placement=Placement(gpus=2))
    for first, second in ((3000, 1000), (1000, 3000), (2000, 2000)):
        gpus[0].computing, gpus[1].computing = {OURS: first * MIB}, {OURS: second * MIB}
        window.start()
        meter.sample()
    window.stop()
    assert window.figures()["peak_gpu_memory_bytes"] == 4000 * MIB


def test_a_process_that_computes_and_draws_is_counted_once(clock: Clock) -> None:
    gpu = Gpu(drawing={OURS: 16_000 * MIB})
    figures = measured(meter_of(gpu, clock=clock), clock, gpu)
    assert figures["peak_gpu_memory_bytes"] == 16_000 * MIB


def test_a_gpu_lost_on_the_way(clock: Clock) -> None:
    gpus = [Gpu(0), Gpu(1)]
    meter = meter_of(*gpus, clock=clock)
    whole, broken = (meter.window(name, placement=Placement(gpus=2)) for name in "ab")
    for gpu in gpus:
        gpu.computing = {OURS: 1000 * MIB}
    whole.start()
    for gpu in gpus:
        gpu.millijoules += 7_000
    whole.stop()
    broken.start()
    gpus[1].lose()
    gpus[0].millijoules += 9_000
    broken.stop()
    assert whole.figures()["energy_j"] == pytest.approx(14.0)
    figures = broken.figures()
    assert figures["energy_j"] is None
    assert figures["peak_gpu_memory_bytes"] is None
    assert figures["unknown"]["energy_j"] == (
        "gpu 1 was lost while it was being measured (GPU is lost)"
    )
    assert [gpu["energy_j"] for gpu in figures["gpus"]] == [pytest.approx(9.0), None]


def test_a_counter_that_starts_again_is_not_trusted(clock: Clock) -> None:
    gpu = Gpu(millijoules=9_000_000)
    figures = measured(meter_of(gpu, clock=clock), clock, gpu, joules=-8000.0)
    assert figures["energy_j"] is None
    assert "went backwards" in figures["unknown"]["energy_j"]
    assert figures["peak_gpu_memory_bytes"] == 16_000 * MIB


@pytest.mark.parametrize(
    ("function", "code", "name", "words"),
    [
        (
            "nvmlDeviceGetTotalEnergyConsumption",
            pynvml.NVML_ERROR_NOT_SUPPORTED,
            "energy_j",
            "gpu 0 (NVIDIA H100 80GB HBM3) shows no energy counter (Not Supported)",
        ),
        (
            "nvmlDeviceGetComputeRunningProcesses",
            pynvml.NVML_ERROR_NO_PERMISSION,
            "peak_gpu_memory_bytes",
            "the processes on gpu 0 cannot be listed (Insufficient Permissions)",
        ),
    ],
)
def test_what_a_gpu_does_not_say(
    function: str, code: int, name: str, words: str, clock: Clock
) -> None:
    gpu = Gpu(errors={function: code})
    figures = measured(meter_of(gpu, clock=clock), clock, gpu)
    other = {"energy_j": "peak_gpu_memory_bytes", "peak_gpu_memory_bytes": "energy_j"}[name]
    assert figures[name] is None
    assert figures["unknown"][name] == words
    assert figures[other] is not None


def test_a_driver_that_hides_sizes(clock: Clock) -> None:
    gpu = Gpu(computing={12345678: None})
    figures = measured(meter_of(gpu, clock=clock), clock, gpu)
    assert figures["peak_memory_bytes"] is None
    assert "does not say how much memory" in figures["unknown"]["peak_memory_bytes"]


def test_a_divided_gpu_has_memory_but_no_energy_of_its_own(clock: Clock) -> None:
    instances = [Gpu(1, prefix="MIG", computing={OURS: 500 * MIB}), Gpu(2, prefix="MIG")]
    gpu = Gpu(instances=instances)
    window = meter_of(gpu, clock=clock).window("sums", placement=Placement(gpus=1))
    window.start()
    gpu.millijoules += 1000
    window.stop()
    figures = window.figures()
    assert figures["peak_gpu_memory_bytes"] == 500 * MIB
    assert figures["energy_j"] is None
    assert "divided into instances (MIG)" in figures["unknown"]["energy_j"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "NVML Shared Library Not Found"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "Driver Not Loaded"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "Insufficient Permissions"),
    ],
)
def test_no_driver(code: int, words: str, clock: Clock) -> None:
    gpu = Gpu()
    figures = measured(meter_of(gpu, clock=clock, refusal=code), clock, gpu)
    for name in ("energy_j", "peak_memory_bytes", "energy_above_idle_j", "other_processes"):
        assert figures[name] is None
        assert figures["unknown"][name] == f"the driver of NVIDIA GPUs cannot be asked ({words})"


def test_another_process_on_the_gpu_is_noticed(clock: Clock, stranger: int) -> None:
    gpu = Gpu(computing={stranger: 2000 * MIB})
    figures = measured(meter_of(gpu, clock=clock), clock, gpu)
    assert figures["peak_gpu_memory_bytes"] == 16_000 * MIB
    assert figures["other_processes"] == [
        {"device": "gpu 0", "pid": stranger, "name": "sleep", "memory_bytes": 2000 * MIB}
    ]
    assert figures["energy_above_idle_j"] is None
    assert "in use before" in figures["unknown"]["energy_above_idle_j"]


def test_a_process_that_this_one_starts_later_is_no_stranger(clock: Clock) -> None:
    gpu = Gpu()
    meter = meter_of(gpu, clock=clock)
    window = meter.window("sums", placement=Placement(gpus=1))
    window.start()
    with subprocess.Popen(["sleep", "600"]) as child:
        gpu.computing = {child.pid: 3000 * MIB}
        meter.sample()
        child.kill()
    window.stop()
    figures = window.figures()
    assert figures["other_processes"] == []
    assert figures["peak_gpu_memory_bytes"] == 3000 * MIB


def test_idle_power_is_taken_off_in_a_second_figure_only(clock: Clock) -> None:
    gpu = Gpu()
    meter = meter_of(gpu, clock=clock)
    for _ in range(5):  # idle at 70 W
        clock.now += 1.0
        gpu.millijoules += 70_000
        meter.sample()
    gpu.used += 40_000 * MIB  # the model is being loaded, at 300 W
    clock.now += 10.0
    gpu.millijoules += 3_000_000
    meter.sample()
    figures = measured(meter, clock, gpu)
    assert figures["energy_j"] == pytest.approx(600.0)
    assert figures["energy_above_idle_j"] == pytest.approx(600.0 - 2.0 * 70.0)


def test_too_short_an_idle_time_says_nothing(clock: Clock) -> None:
    gpu = Gpu()
    figures = measured(meter_of(gpu, clock=clock), clock, gpu)
    assert figures["energy_j"] is not None
    assert figures["energy_above_idle_j"] is None
    assert "too short a time" in figures["unknown"]["energy_above_idle_j"]


def test_processes_that_the_driver_does_not_list(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container: the only GPU that can be meant is, and among several none."""
    gpus = [Gpu(0), Gpu(1)]

    def figures() -> dict[str, Any]:
        window = meter_of(*gpus, clock=clock).window("sums", placement=Placement(gpus=1))
        window.start()
        gpus[1].millijoules += 5_000
        window.stop()
        return window.figures()

    unclear = figures()
    assert unclear["energy_j"] is None
    assert "name those in CUDA_VISIBLE_DEVICES" in unclear["unknown"]["energy_j"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    clear = figures()
    assert clear["energy_j"] == pytest.approx(5.0)
    assert clear["peak_gpu_memory_bytes"] is None
    assert "as in a container" in clear["unknown"]["peak_gpu_memory_bytes"]
    assert clear["gpus"][0]["peak_memory_in_use_bytes"] == 500 * MIB


def test_a_model_on_several_machines_has_no_energy(clock: Clock) -> None:
    gpu = Gpu(computing={OURS: 1000 * MIB})
    window = meter_of(gpu, clock=clock).window("sums", placement=Placement(gpus=2))
    window.start()
    window.stop()
    assert window.figures()["unknown"]["energy_j"] == (
        "the model runs on 2 GPUs, and this session's processes are found on 1 of this machine's "
        "only"
    )


def test_a_servers_gpu_is_not_attributed(clock: Clock) -> None:
    gpu = Gpu(computing={OURS: 1000 * MIB})
    placement = Placement(gpus=0, elsewhere="the model runs in a server")
    window = meter_of(gpu, clock=clock).window("sums", placement=placement)
    window.start()
    gpu.millijoules += 5_000
    answer(window)
    window.stop()
    figures = window.figures(correct=1)
    assert figures["energy_j"] is figures["peak_memory_bytes"] is figures["load_s"] is None
    assert figures["gpus"] == []
    assert figures["unknown"]["energy_j"] == "the model runs in a server"
    assert figures["requests"] == 1
    assert figures["peak_host_memory_bytes"] > 0


def test_the_library_is_let_go(clock: Clock) -> None:
    library = ScriptedNvml(Gpu())
    with Meter([Nvml(library)], clock=clock) as meter:
        meter.watch_devices()
        assert library.open == 1
    assert library.open == 0


def test_this_machines_own_driver_answers_or_says_why_not() -> None:
    source = Nvml()
    why = source.open()
    if why is None:
        first, second = (source.read(float(moment)) for moment in (0, 1))
        assert [reading.device for reading in first] == [reading.device for reading in second]
    else:
        assert "NVIDIA" in why
    source.close()


@pytest.mark.parametrize(
    ("devices", "seen"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("0", [0]),
        ("2,0", [0, 2]),
        ("GPU-00000001", [1]),
        ("MIG-00000007-aaaa", [2]),
        ("0,-1,2", [0]),
        ("NoDevFiles", []),
    ],
)
def test_visible_gpus(devices: str | None, seen: list[int]) -> None:
    uuids = [
        ["GPU-00000000-aaaa"],
        ["GPU-00000001-aaaa"],
        ["GPU-00000002-aaaa", "MIG-00000007-aaaa"],
    ]
    assert [index for index in range(3) if visible(index, uuids[index], devices)] == seen
