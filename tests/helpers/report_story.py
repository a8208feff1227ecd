"""A summary with all that a report can show, in which every text may be chosen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SPREAD = {"mean": 1.0, "p50": 1.0, "p90": 2.0, "p99": 3.0}


def gate(text: str = "fine", verdict: str | None = "regressed") -> dict[str, Any]:
    """A gate's object."""
    return {
        "verdict": verdict,
        "refused": None if verdict else f"refused: {text}",
        "difference": 0.2 if verdict else None,
        "interval": [0.1, 0.3] if verdict else None,
        "confidence": 0.9,
        "p_value": 0.001 if verdict else None,
        "adjusted_p_value": 0.002 if verdict else None,
        "method": f"McNemar {text}",
        "paired": True,
        "b": 12,
        "c": 1,
        "n": 20,
        "clusters": None,
        "odds_ratio": 12.0,
        "cohens_g": 0.4,
        "minimum_detectable_drop": 0.1,
        "items_needed": 250,
        "margin": 0.02,
        "alpha": 0.05,
        "baseline": f"baselines/{text}",
        "baseline_model": text,
        "baseline_date": "2026-01-02T03:04:05+00:00",
        "baseline_score": 0.9,
        "score": 0.7,
        "noise": {"differ": 2, "n": 20},
        "changed": [{"setting": text, "before": text, "after": None}],
        "unknown": [text],
        "overlap": {"baseline_items": 40, "items": 20, "changed_items": 0, "errors": 0},
        "flips": {"lost": {"n": 12, "first": [f"t::{text}"]}, "won": {"n": 1, "first": [text]}},
        "sentence": f"Regressed: {text}.",
    }


def group(model: str, benchmark: str, text: str, **more: Any) -> dict[str, Any]:
    """A group's figures."""
    telemetry = {
        "requests": 20,
        "in_flight": {"mean": 8.0, "max": 16},
        "running_mean": 4.0,
        "output_tokens_per_s": 99.0,
        "ttft_s": SPREAD,
        "inter_token_s": SPREAD,
        "prefix_cache_hit_rate": None,
        "load_s": 2.0,
        "peak_memory_bytes": 2**30,
        "runs_on": "cpu",
        "energy_per_response_j": None,
        "energy_per_output_token_j": None,
        "energy_per_correct_j": None,
        "unknown": {"energy_j": text},
    }
    return {
        "model": model,
        "benchmark": benchmark,
        "test": f"test_it.py::{text}",
        "n": 20,
        "selected": 21,
        "repeats": 1,
        "correct": 14,
        "accuracy": 0.7,
        "interval": [0.48, 0.85],
        "interval_method": "wilson",
        "confidence": 0.95,
        "outcomes": {"correct": 14, "incorrect": 4, "truncated": 1, "error": 1},
        "accuracy_completed": 0.75,
        "prompt_tokens": 100,
        "completion_tokens": 1000,
        "tokens_per_s": 50.0,
        "wall_s": 20.0,
        "latency_s": {"p50": 1.0, "p90": 2.0, "p99": None},
        "resumed": None,
        "strata": {text: {"n": 20, "accuracy": 0.7}},
        "aggregates": {text: {"accuracy": 0.6, "strata": 3}, "pass@1": {"accuracy": 0.7}},
        "peak_memory_bytes": 2**30,
        "energy_j": None,
        "energy_per_response_j": None,
        "telemetry": telemetry,
        "gate": gate(text),
        "warnings": [{"kind": "chance", "text": text}],
        **more,
    }


def load(text: str) -> dict[str, Any]:
    """What a load measured, and its gate."""
    speed_gate = {
        "verdict": "not comparable",
        "sentence": text,
        "baseline": text,
        "baseline_model": text,
        "baseline_date": None,
        "load": text,
        "noise": None,
        "cause": text,
        "changed": [{"setting": text, "before": 1, "after": text}],
    }
    return {
        "name": text,
        "rounds": {"throughput": [10.0, 12.0]},
        "figures": {
            "output_tokens_per_s": 11.0,
            "ttft_s": SPREAD,
            "latency_s": None,
            "peak_memory_bytes": None,
            "energy_per_output_token_j": None,
        },
        "notes": [text],
        "disturbed": text,
        "unknown": {"energy": text},
        "gates": {"throughput": speed_gate},
    }


def summary_of(text: str = "fine") -> dict[str, Any]:
    """A summary of two models, one of them with every text replaced by this one."""
    other = f"{text}2"
    engine = {"engine": "endpoint", "version": text, "dtype": text, "device": text}
    model = {
        "name": text,
        "source": text,
        "effort": text,
        "sampling": {"temperature": 0.0, "max_tokens": 10},
        "engine": engine,
    }
    groups = [
        group(text, "sums", text),
        group(text, "more", text, gate=gate(text, None), telemetry=None, strata=None),
        group(other, "sums", text, gate=None, aggregates=None, interval=None, accuracy=None),
    ]
    return {
        "schema": 1,
        "complete": False,
        "interrupted": True,
        "stopped": text,
        "notes": [text],
        "settings": {
            "pytest_gptoss": "0.1.0",
            "started": "2026-01-02T03:04:05+00:00",
            "ended": text,
            "engine": text,
            "models": {text: model, other: model},
            "benchmarks": {"sums": {"shots": None}},
            "profile": text,
            "limit": 20,
            "repeats": 1,
            "seed": 3,
            "endpoint": text,
            "engine_arguments": {text: [text]},
            "judge": {"url": text, "model": text},
            "rescored": None,
            "host": dict.fromkeys(("python", "system", "kernel", "machine", "cpus"), text),
        },
        "groups": groups,
        "telemetry": {"session": {"gpus": [{"model": text}]}, "models": {}},
        "pooled": {
            text: {
                "benchmarks": 2,
                "n": 40,
                "b": 9,
                "c": 1,
                "difference": 0.2,
                "p_value": 0.01,
                "method": f"stratified; {text}",
                "regressed": True,
            }
        },
        "comparisons": [
            {
                "benchmark": text,
                "models": [text, other],
                "n": 20,
                "clusters": None,
                "scores": [0.5, None],
                "difference": 0.1,
                "interval": [0.0, 0.2],
                "confidence": 0.95,
                "adjusted_p_value": 0.04,
                "method": text,
                "b": 3,
                "c": 1,
                "odds_ratio": None,
                "cohens_g": 0.25,
            }
        ],
        "throughput": [
            {
                "model": text,
                "engine": engine,
                "software": {"version": text},
                "hardware": {"gpus": [text], "cpu": text, "cpus": 4},
                "loads": [load(text)],
            }
        ],
    }


def flips_of(text: str = "fine") -> list[dict[str, Any]]:
    """The comparisons of ``flips.json``."""
    answer = {"outcome": "incorrect", "extracted": text, "final": text}
    flip = {"item_id": text, "node_id": f"t::{text}", "target": text, "run": [answer]}
    return [
        {
            "model": text,
            "benchmark": "sums",
            "against": text,
            "lost": [flip | {"baseline": [answer]}],
            "won": [flip | {"baseline": None, "target": {"a": text}}],
        }
    ]


def run_of(folder: Path, text: str = "fine") -> Path:
    """The files of a run in which every text is this one."""
    lines = [
        {
            "model": text,
            "benchmark": "sums",
            "item_id": text,
            "outcome": outcome,
            "repeat": repeat,
            "extracted": text,
            "target": text,
            "final": text,
            "reasoning": text,
            "finish_reason": text,
            "completion_tokens": 5,
            "latency_s": 0.5,
            "error": text if outcome == "error" else None,
        }
        for repeat, outcome in enumerate(("incorrect", "truncated", "error", "correct"))
    ]
    written = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / "items.jsonl").write_text(written, encoding="utf-8")
    flips = {"schema": 1, "comparisons": flips_of(text)}
    (folder / "flips.json").write_text(json.dumps(flips, ensure_ascii=False), encoding="utf-8")
    summary = json.dumps(summary_of(text), ensure_ascii=False)
    (folder / "summary.json").write_text(summary, encoding="utf-8")
    return folder
