"""Runs programs that a model wrote: confined, watched, and judged from outside."""
