"""The tiny model's tokenizer, chat template and conversation format (a small harmony)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from .items import EFFORTS, INSTRUCTIONS, TrainingItem, draw_item

if TYPE_CHECKING:
    from .items import demo

END_OF_TEXT, RETURN, CALL = "<|endoftext|>", "<|return|>", "<|call|>"
SPECIAL = (
    END_OF_TEXT,
    "<|start|>",
    "<|end|>",
    "<|message|>",
    "<|channel|>",
    RETURN,
    CALL,
    "<|constrain|>",
)
CORPUS_ITEMS = 20_000

# As gpt-oss's template does: the system message belongs to the format (it carries the effort), and
# what a caller calls "system" or "developer" becomes the developer message. Earlier assistant turns
# keep their final channel only. Unlike gpt-oss's, an effort that training never saw is refused.
TEMPLATE = """\
{%- set effort = reasoning_effort | default('medium', true) -%}
{%- if effort not in ['low', 'medium', 'high'] -%}
{{- raise_exception("reasoning_effort must be low, medium or high, not " ~ effort) -}}
{%- endif -%}
{{- '<|start|>system<|message|>Reasoning: ' ~ effort ~ '<|end|>' -}}
{%- for message in messages -%}
{%- if message.role in ['system', 'developer'] -%}
{{- '<|start|>developer<|message|># Instructions\\n\\n' ~ message.content ~ '<|end|>' -}}
{%- elif message.role == 'assistant' -%}
{{- '<|start|>assistant<|channel|>final<|message|>' ~ message.content ~ '<|end|>' -}}
{%- else -%}
{{- '<|start|>' ~ message.role ~ '<|message|>' ~ message.content ~ '<|end|>' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|start|>assistant' -}}{%- endif -%}
"""


def prompt_text(item: TrainingItem) -> str:
    """Render what the model is given; a test holds that the template renders the same."""
    developer = (
        f"<|start|>developer<|message|># Instructions\n\n{item.developer}<|end|>"
        if item.developer
        else ""
    )
    return (
        f"<|start|>system<|message|>Reasoning: {item.effort}<|end|>{developer}"
        f"<|start|>user<|message|>{item.user}<|end|><|start|>assistant"
    )


def answer_text(item: TrainingItem) -> str:
    """Render what the model is to write."""
    final = f"<|channel|>final<|message|>{item.final}{RETURN}"
    if not item.analysis:
        return final
    return f"<|channel|>analysis<|message|>{item.analysis}<|end|><|start|>assistant{final}"


def final_channel(text: str) -> str | None:
    """Return the final channel of a generated text, or None where there is none."""
    _, found, rest = text.partition("<|channel|>final<|message|>")
    return rest.partition("<|")[0] if found else None


def make_tokenizer(draws: demo.Draws, vocabulary: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on training items; digits stay single, so arithmetic can see them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    corpus = ["system", "developer", "user", "assistant", "analysis", "final", "commentary"] * 1000
    corpus += [f"# Instructions\n\n{text}" for text in INSTRUCTIONS] * 100
    corpus += [f"Reasoning: {effort}" for effort in EFFORTS] * 1000
    for _ in range(CORPUS_ITEMS):
        item = draw_item(draws)
        corpus += [item.user, item.analysis]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=RETURN,
        pad_token=END_OF_TEXT,
        bos_token=None,
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
        chat_template=TEMPLATE,
    )
