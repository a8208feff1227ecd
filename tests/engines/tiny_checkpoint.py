"""A random checkpoint of the gpt-oss architecture, small enough to make in a test run.

Its weights are noise, but everything around them is real: bf16 safetensors, a byte-level BPE
tokenizer with harmony's special tokens, a chat template and a generation config, so that vLLM and
transformers load the folder as they load a released model. As a script::

    python tests/engines/tiny_checkpoint.py FOLDER [--o200k]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

SPECIAL = (
    "<|endoftext|>",
    "<|start|>",
    "<|end|>",
    "<|message|>",
    "<|channel|>",
    "<|return|>",
    "<|call|>",
    "<|constrain|>",
)

O200K_VOCABULARY = 201088
O200K_ENDOFTEXT, O200K_RETURN, O200K_CALL = 199999, 200002, 200012

TEMPLATE = (
    "<|start|>system<|message|>Reasoning: {{ reasoning_effort | default('medium') }}<|end|>"
    "{% for message in messages %}"
    "{% if message.role == 'assistant' %}"
    "<|start|>assistant<|channel|>final<|message|>{{ message.content }}<|end|>"
    "{% else %}"
    "<|start|>{{ 'developer' if message.role == 'system' else message.role }}"
    "<|message|>{{ message.content }}<|end|>"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)

# Enough text to learn merges for the words that prompts are made of; bytes cover the rest.
CORPUS = (
    "system developer user assistant analysis commentary final Reasoning: low medium high",
    "Tom has 12 apples and buys 30 more. How many apples does Tom have now?",
    "What is the answer? Explain step by step, then give the final number.",
    "Answer with the letter of the right option: A) B) C) D)",
    "There are 24 books in one box and 18 books in another box. How many are there in total?",
    "If each of the children gets 3 cookies and 5 are left over, how many did they start with?",
    "The train leaves at 7 in the morning and travels 60 miles per hour for 4 hours.",
    "She sells the remainder at the farmers' market daily for $2 per fresh duck egg.",
)


def make_tiny_gpt_oss(
    folder: str | Path,
    *,
    vocab_size: int = 512,
    layers: int = 2,
    experts: int = 4,
    hidden: int = 64,
    seed: int = 0,
    tokenizer: bool = True,
    context_length: int = 4096,
) -> Path:
    """Write a random gpt-oss checkpoint and return its folder.

    Args:
        folder: Where to write; made if it does not exist.
        vocab_size: Number of tokens; 201088 with ``tokenizer=False`` for the o200k vocabulary.
        layers: Number of transformer layers, sliding and full attention by turns.
        experts: Number of experts, two of them active per token.
        hidden: Width of the residual stream; a multiple of 64.
        seed: Seed of the weights.
        tokenizer: Whether to train a tokenizer of ``vocab_size`` tokens and write it.
        context_length: Longest sequence that the configuration allows.
    """
    import torch
    from transformers import GptOssConfig, GptOssForCausalLM, logging

    logging.disable_progress_bar()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if tokenizer:
        vocab_size = write_tokenizer(folder, vocab_size)
        eos, pad = [SPECIAL.index("<|return|>"), SPECIAL.index("<|call|>")], 0
    else:
        eos, pad = [O200K_RETURN, O200K_CALL], O200K_ENDOFTEXT
    config = GptOssConfig(
        num_hidden_layers=layers,
        num_local_experts=experts,
        num_experts_per_tok=2,
        vocab_size=vocab_size,
        hidden_size=hidden,
        intermediate_size=hidden * 2,
        head_dim=32,
        num_attention_heads=hidden // 32,
        num_key_value_heads=hidden // 64,
        sliding_window=128,
        max_position_embeddings=context_length,
        layer_types=[
            "sliding_attention" if index % 2 == 0 else "full_attention" for index in range(layers)
        ],
        # vLLM reads the YaRN keys unconditionally; with factor 1 they mean plain RoPE.
        rope_parameters={
            "rope_type": "yarn",
            "rope_theta": 10000.0,
            "factor": 1.0,
            "beta_fast": 32.0,
            "beta_slow": 1.0,
            "truncate": False,
            "original_max_position_embeddings": context_length,
        },
        initializer_range=0.2,  # wide enough that the likeliest token leads by more than rounding
        eos_token_id=eos[0],
        pad_token_id=pad,
        bos_token_id=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = GptOssForCausalLM(config).to(torch.bfloat16)
    model.generation_config.eos_token_id = eos
    model.generation_config.pad_token_id = pad
    model.save_pretrained(folder)
    return folder


def write_tokenizer(folder: Path, vocab_size: int) -> int:
    """Train a byte-level BPE tokenizer, write it, and return the size of its vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|endoftext|>",
        "eos_token": "<|return|>",
        "pad_token": "<|endoftext|>",
        "clean_up_tokenization_spaces": False,
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    return int(tokenizer.get_vocab_size())


def main() -> None:
    """Write a checkpoint into the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--o200k", action="store_true", help="the released models' vocabulary, without a tokenizer"
    )
    options = parser.parse_args()
    begin = time.perf_counter()
    folder = make_tiny_gpt_oss(
        options.folder,
        layers=options.layers,
        hidden=options.hidden,
        seed=options.seed,
        tokenizer=not options.o200k,
        vocab_size=O200K_VOCABULARY if options.o200k else 512,
    )
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {size / 1e6:.1f} MB in {time.perf_counter() - begin:.1f} s")


if __name__ == "__main__":
    main()
