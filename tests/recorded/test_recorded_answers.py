"""Recorded answers of real models, replayed through a whole session, against their records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITES = Path(__file__).parents[2] / "suites"

# Items on which a session and the record disagree, and why.
SAYS_OTHERWISE = "record wrong: the text states another answer than its last number"
SIGN = "record wrong: it drops the minus of -$10"
UNKNOWN_FORM = "record wrong: it does not know the form 'answer is 1'"
CUT_OFF = "ambiguous: cut off before any answer; the record takes what number stands last"
NO_STATEMENT = "ambiguous: no answer is stated, and the last number is another one"

DISAGREEMENTS: dict[str, dict[str, str]] = {
    "gsm8k/adapters-llama-13b-lora-all-r32": {"880": SIGN, "659": CUT_OFF},
    "gsm8k/adapters-llama-13b-prefix-vt10": {
        **dict.fromkeys(("622", "662", "815", "1216"), CUT_OFF),
        "708": SAYS_OTHERWISE,
    },
    "gsm8k/adapters-llama-7b-lora-all-r32": {"423": CUT_OFF},
    "gsm8k/adapters-llama-7b-prefix-vt10": {
        **dict.fromkeys(("225", "450", "622", "1043"), CUT_OFF),
        **dict.fromkeys(("127", "185", "624", "929", "1091", "1179"), SAYS_OTHERWISE),
    },
    "gsm8k/gpt3-175b_verification": {},
    "gsm8k/gpt3-6b_verification": {},
    "gsm8k/tora-70b-v1.0": dict.fromkeys(("98", "288", "760"), NO_STATEMENT),
    "piqa/adapters-llama-13b-lora-all-r32": {},
    "piqa/adapters-llama-7b-bottleneck-mlp-bs256": {},
    "piqa/adapters-llama-7b-prefix-vt10": {"569": UNKNOWN_FORM},
}


@pytest.mark.realdata
@pytest.mark.parametrize("recording", DISAGREEMENTS)
def test_a_session_agrees_with_the_record(
    recording: str, data_folder: Path, outputs_folder: Path, tmp_path: Path
) -> None:
    file = outputs_folder / f"{recording}.jsonl"
    benchmark = recording.partition("/")[0]
    run = tmp_path / "run"
    session = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header"),
            *(f"{SUITES}/test_{benchmark}.py", "--model", "recorded", "--gptoss-run", str(run)),
            *("--gptoss-completions", str(file)),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "GPTOSS_DATA": str(data_folder)},
        check=False,
    )
    assert session.returncode == 0, session.stdout[-2000:] + session.stderr[-2000:]
    records = [json.loads(line) for line in file.read_text().splitlines()]
    recorded = {str(row["item_id"]): row["recorded_correct"] for row in records}
    items = [json.loads(line) for line in (run / "items.jsonl").read_text().splitlines()]
    ours = {item["item_id"]: item["correct"] for item in items}
    assert ours.keys() == recorded.keys()
    disagree = {item_id for item_id, correct in recorded.items() if ours[item_id] != correct}
    assert disagree == set(DISAGREEMENTS[recording])
    ambiguous = [why for why in DISAGREEMENTS[recording].values() if why.startswith("ambiguous")]
    assert len(ambiguous) <= 0.005 * len(recorded)
    group = json.loads((run / "summary.json").read_text())["groups"][0]
    assert group["n"] == len(recorded)
    assert group["correct"] == sum(bool(correct) for correct in ours.values())
