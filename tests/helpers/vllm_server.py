"""vLLM's real server, on CPU, for the length of a block."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tiny_checkpoint import O200K_RETURN, O200K_VOCABULARY


def write_wide_tokenizer(folder: Path) -> None:
    """Write a tokenizer as wide as harmony's vocabulary; only its size matters to the server."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = pre_tokenizers.ByteLevel.alphabet()
    vocabulary = {letter: index for index, letter in enumerate(sorted(letters))}
    vocabulary |= {f"<{index}>": index for index in range(len(letters), O200K_VOCABULARY)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    end_token = f"<{O200K_RETURN}>"
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": end_token}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


@contextmanager
def serving(
    checkpoint: Path, log: Path, *arguments: str, dtype: str = "bfloat16", **environment: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve a checkpoint on a free local port; yields the base URL and the server's process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    command += ["--model", str(checkpoint), "--dtype", dtype, "--enforce-eager"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--max-num-seqs", "32", *arguments]
    settings = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", **environment}
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=os.environ | settings, stdout=out, stderr=out, start_new_session=True
        )
        try:
            _wait_for(port, process, log)
            yield f"http://127.0.0.1:{port}", process
        finally:
            end(process)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + 500
    while time.monotonic() < limit and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"vllm serve did not come up:\n{log.read_text(errors='replace')[-3000:]}")


def end(process: subprocess.Popen[bytes]) -> None:
    """End the server with the processes that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
