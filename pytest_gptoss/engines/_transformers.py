"""Loading a model with transformers: quietly, in the right precision, or with a reason why not."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_gptoss.engines._tokens import one_line
from pytest_gptoss.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_gptoss.models import ModelSpec

__all__ = ["Loaded", "import_packages", "load", "quiet", "threads_for"]

_SMALL = 100_000_000
"""Parameters below which a model's tensors are too small to be shared among cores with a gain."""
_FLOAT32 = 1_000_000_000
"""Parameters up to which a CPU computes in float32: it is faster there than in bf16, and answers
then do not depend on what else is in the batch, as they do by rounding in bf16."""
_LAYERS = frozenset({"full_attention", "sliding_attention"})
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model, and what the engine needs to know of it.

    Args:
        model: The model, on its device.
        device: ``cpu``, ``mps`` or ``cuda``.
        parameters: Their number.
        context_length: The longest prompt plus completion.
        ends: The tokens that end a sequence, by the checkpoint's generation config.
        bytes_per_token: Bytes of KV cache that one token takes.
    """

    model: Any
    device: str
    parameters: int
    context_length: int
    ends: tuple[int, ...]
    bytes_per_token: int


def import_packages() -> None:
    """Import torch and transformers.

    Raises:
        UsageError: One of them is missing.
    """
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"the embedded engine needs torch and transformers ({one_line(error)}); run: "
            "pip install 'pytest-gptoss[embedded]'"
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' progress bars and advice, and leave its settings as they were."""
    try:
        from transformers.utils import logging
    except ImportError:  # said in a better sentence by `import_packages`
        yield
        return
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def load(
    spec: ModelSpec, device: str | None, dtype: str | None, *, random_weights: bool = False
) -> Loaded:
    """Load a model.

    Args:
        spec: The model.
        device: Where to, or ``None`` for the GPU if there is one.
        dtype: The precision to compute in, or ``None`` for the checkpoint's own (float32 for a
            small model on a CPU).
        random_weights: Whether to read the configuration alone and draw the weights at random, on
            the device: speed, memory and energy are those of the model, and its answers are noise.

    Raises:
        UsageError: It cannot be loaded here.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    device = device or _device(torch)
    source = str(spec.folder or spec.source)
    revision = None if spec.folder else spec.revision
    if device != "cuda":
        _refuse_too_large(spec)
    try:
        config = AutoConfig.from_pretrained(source, revision=revision).get_text_config()
        _refuse_other_layers(spec, config)
        # The other implementations are made for GPUs: here a tenth slower, or many times.
        experts = {"experts_implementation": "eager" if device == "cpu" else None}
        if random_weights:
            with torch.device(device):
                model = AutoModelForCausalLM.from_config(
                    config, dtype=dtype or config.dtype or torch.bfloat16, **experts
                )
        else:
            model = AutoModelForCausalLM.from_pretrained(
                source, revision=revision, dtype=dtype or "auto", **experts
            )
        parameters = int(model.num_parameters())
        if dtype is None and device == "cpu" and parameters <= _FLOAT32:
            model = model.to(torch.float32)
        model = model.to(device).eval()
    except UsageError:
        raise
    except Exception as error:  # files, network, versions, memory: a class for each
        raise UsageError(
            f"transformers cannot load {spec.name} from {source} "
            f"({type(error).__name__}: {one_line(error)}); correct the checkpoint or its path"
        ) from error
    ends = model.generation_config.eos_token_id
    if ends is None:
        ends = ()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return Loaded(
        model=model,
        device=device,
        parameters=parameters,
        context_length=int(getattr(config, "max_position_embeddings", None) or 4096),
        ends=tuple(ends) if isinstance(ends, list | tuple) else (ends,),
        bytes_per_token=int(2 * config.num_hidden_layers * heads * width * model.dtype.itemsize),
    )


def threads_for(parameters: int) -> int:
    """How many threads compute: one for a small model, else one for each core.

    Threads that wait for each other at every small tensor gain nothing on an idle machine, and on
    a busy one they cost many times what they compute.
    """
    if parameters < _SMALL:
        return 1
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def _device(torch: Any) -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _refuse_too_large(spec: ModelSpec) -> None:
    """Refuse what would drive the machine into swapping: transformers unpacks weights to bf16."""
    if spec.parameters is not None:
        need = 2 * spec.parameters
    elif spec.folder is not None:
        need = sum(file.stat().st_size for file in spec.folder.glob("*.safetensors"))
    else:
        return
    try:
        have = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):  # a system that does not say
        return
    if need > have:
        raise UsageError(
            f"{spec.name} takes {need / _GIB:.0f} GiB of memory in the embedded engine, and this "
            f"machine has {have / _GIB:.0f} GiB; use --gptoss-engine vllm on a GPU or an endpoint"
        )


def _refuse_other_layers(spec: ModelSpec, config: Any) -> None:
    if other := sorted(set(getattr(config, "layer_types", None) or ()) - _LAYERS):
        raise UsageError(
            f"the embedded engine runs layers of full and sliding attention, and {spec.name} has "
            f"{', '.join(other)}; use --gptoss-engine vllm or an endpoint"
        )
