"""Prompts: rendering conversations to tokens, and telling reasoning from final text.

Importing this loads neither transformers nor openai-harmony nor torch; `renderer_for` does.
"""

from pytest_gptoss.prompts.base import Parsed, Renderer
from pytest_gptoss.prompts.select import renderer_for
from pytest_gptoss.prompts.shots import Shots
from pytest_gptoss.prompts.text import parse_text

__all__ = ["Parsed", "Renderer", "Shots", "parse_text", "renderer_for"]
