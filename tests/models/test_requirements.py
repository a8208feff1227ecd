"""What a model needs of a machine."""

import pytest

from pytest_gptoss.models import gpu_memory, missing, resolve
from pytest_gptoss.models.requirements import parse_nvidia_smi

GIB = 2**30
H100 = 81_559 * 2**20


@pytest.mark.parametrize(
    ("model", "memory", "sentence"),
    [
        (
            "gpt-oss-120b",
            [],
            "gpt-oss-120b needs about 64 GiB of GPU memory; this machine has none",
        ),
        (
            "gpt-oss-120b",
            [24 * GIB],
            "gpt-oss-120b needs about 64 GiB of GPU memory; this machine has 24 GiB",
        ),
        (
            "qwen3-235b",
            [H100] * 4,
            "qwen3-235b needs about 460 GiB of GPU memory; this machine has 319 GiB on 4 GPUs",
        ),
        ("gpt-oss-120b", [H100], None),
        ("gpt-oss-20b", [16 * GIB], None),
        ("gpt-oss-20b@bf16", [24 * GIB] * 2, None),
        ("qwen3-235b", [H100] * 8, None),
        ("owner/unknown", [], None),
    ],
)
def test_missing(model, memory, sentence):
    assert missing(resolve(model), gpu_memory=memory) == sentence


def test_gpu_memory_never_raises():
    assert all(size > GIB for size in gpu_memory())


@pytest.mark.parametrize(
    ("answer", "memory"),
    [
        ("81559\n81559\n", [H100, H100]),
        ("[N/A]\n", []),
        ("", []),
        ("NVIDIA-SMI has failed because it couldn't communicate with the driver\n", []),
    ],
)
def test_what_nvidia_smi_prints(answer, memory):
    assert parse_nvidia_smi(answer) == memory
