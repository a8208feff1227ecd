"""Engines: what generates, one file each behind one small asynchronous protocol."""

from pytest_gptoss.engines.base import Engine, EngineOptions, Request

__all__ = ["Engine", "EngineOptions", "Request"]
