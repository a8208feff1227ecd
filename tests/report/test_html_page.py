"""The page: whole and inert whatever its texts are, and complete in what it says."""

import base64
import hashlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pages import Page, read_page
from report_story import gate, run_of, summary_of

from pytest_gptoss.errors import UsageError
from pytest_gptoss.report.again import command
from pytest_gptoss.report.html import page, write_report
from pytest_gptoss.report.html_figures import drop_bar, interval_bar, outcome_bar, reach

HOSTILE = (
    "</script></style><script>alert(1)</script>",
    "</title></pre></summary></details><img src=x onerror=alert(1)>",
    "'\" onload=alert(1) x='\"",
    "<svg><!--",
    "--><![CDATA[",
    "{{ 7 * 7 }}{% endraw %}{# #}",
    "javascript:alert(1)",
    "&lt;b&gt; &amp;",
)
# What JSON can hold: a file with half a character is refused before it is shown.
WHOLE = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40),
    st.text("<>&\"'/!-=;# {}%ab\n", min_size=1, max_size=40),
)


def rendered(folder: Path, text: str = "fine") -> Page:
    html = "".join(page(run_of(folder, text), summary_of(text), question=lambda *_: text))
    html.encode()
    return read_page(html)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_texts(tmp_path: Path, text: str) -> None:
    found = rendered(tmp_path, text)
    assert found.text.count(text) > 40


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(WHOLE)
def test_any_text_leaves_the_page_whole(tmp_path: Path, text: str) -> None:
    rendered(tmp_path, text)


def test_half_a_character_of_a_name_can_be_written(tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    write_report(run_of(tmp_path), summary_of("x"), out, question=lambda *_: "half \ud83d")
    assert "half ⟨U+D83D⟩" in read_page(out.read_text(encoding="utf-8")).text


def test_all_is_said(tmp_path: Path) -> None:
    text = rendered(tmp_path).text
    for said in (
        "the session was interrupted",
        "incomplete: 3 of the selected answers are missing (fine)",
        "60 of 63 (part)",
        "✗ regressed",
        "✗ not compared",
        "refused: fine",
        "drop +20.00 points, 90 % interval +10.00 to +30.00, margin 2",
        "two runs of the baseline differ on 2 of 20 items",
        "[48.0, 85.0]",
        "14 correct, 4 incorrect, 1 truncated, 1 error",
        "energy is not known: fine",
        "fine, 2 benchmarks pooled: more losses than chance explains",
        "Models compared item by item",
        "right → wrong: 1 of 1 shown",
        "wrong → right: 1 of 1 shown",
        "incorrect: 1 of 4 shown",
        "Speed under loads",
        "The settings record",
        "3 strata",
    ):
        assert said in text, said


def strata_of(tmp_path: Path, aggregates: dict[str, Any]) -> str:
    summary = summary_of()
    summary["groups"][0] |= {
        "strata": {"proa": {"n": 2, "accuracy": 0.5, "interval": [0.1, 0.9]}},
        "aggregates": aggregates,
    }
    text = read_page("".join(page(run_of(tmp_path), summary))).text
    return text.partition("Accuracy by stratum, items’ means")[2][:400]


def test_a_stratums_own_figures_stand_beside_its_accuracy(tmp_path: Path) -> None:
    each = {"proa": {"accuracy": 0.25, "n": 2, "interval": [0.0, 0.75]}}
    figures = {"mean balanced accuracy": {"accuracy": 0.4, "strata": 3, "each": each}}
    text = strata_of(tmp_path, figures)
    assert "balanced accuracyinterval, %" in text.replace("\n", "")
    assert "50.0 %[10.0, 90.0]25.0 %[0.0, 75.0]" in text.replace("\n", "")
    figures["mean balanced accuracy"]["each"] = {}
    assert "50.0 %[10.0, 90.0]–" in strata_of(tmp_path, figures).replace("\n", "")


@pytest.mark.parametrize(
    "each",
    [0.5, {"proa": 0.5}, {"proa": {"accuracy": "x"}}, {"proa": {"interval": [0.5]}}, [1], None],
    ids=str,
)
def test_what_else_a_suite_calls_each_is_left_out(tmp_path: Path, each: object) -> None:
    text = strata_of(tmp_path, {"own": {"accuracy": 0.4, "each": each}}).replace("\n", "")
    assert "accuracyinterval, %proa250.0 %[10.0, 90.0]" in text


@pytest.mark.parametrize("verdict", ["inconclusive", "regressed"])
def test_what_would_settle_it_is_said_of_what_is_open(tmp_path: Path, verdict: str) -> None:
    summary = summary_of()
    summary["groups"][0]["gate"] = gate("fine", verdict)
    text = read_page("".join(page(run_of(tmp_path), summary))).text
    assert ("items that would settle it, about250" in text) == (verdict == "inconclusive")


def test_what_is_unknown_is_a_dash(tmp_path: Path) -> None:
    found = rendered(tmp_path)
    assert "None" not in found.text
    assert "nan" not in found.text.replace("another", "")


def test_headings_go_down_step_by_step(tmp_path: Path) -> None:
    levels = [int(tag[1]) for tag, _ in rendered(tmp_path).tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_tables_and_drawings_say_what_they_are(tmp_path: Path) -> None:
    tags = rendered(tmp_path).tags
    names = [tag for tag, _ in tags]
    assert names.count("table") == names.count("caption") > 4
    assert all("scope" in attributes for tag, attributes in tags if tag == "th")
    drawings = [place for place, name in enumerate(names) if name == "svg"]
    assert drawings
    assert all(names[place + 1] == "title" for place in drawings)
    assert all(tags[place][1]["role"] == "img" for place in drawings)


def test_only_its_own_style_is_allowed(tmp_path: Path) -> None:
    html = "".join(page(run_of(tmp_path), summary_of()))
    style = html.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in html
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


def test_a_run_of_before_has_a_report(tmp_path: Path) -> None:
    summary = summary_of()
    for group in summary["groups"]:
        for name in ("test", "telemetry", "aggregates", "warnings", "prompt_tokens", "repeats"):
            del group[name]
    for name in ("throughput", "comparisons", "pooled", "telemetry", "notes"):
        del summary[name]
    html = "".join(page(run_of(tmp_path), summary))
    assert "14 correct, 4 incorrect" in read_page(html).text


def test_a_page_that_fails_leaves_the_one_of_before(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    write_report(run_of(tmp_path), summary_of(), out)
    before = out.read_bytes()
    (tmp_path / "items.jsonl").write_text("torn")
    with pytest.raises(UsageError, match="line 1 cannot be read"):
        write_report(tmp_path, summary_of(), out)
    assert out.read_bytes() == before
    assert not out.with_name("report.html.part").exists()


def test_a_page_is_bounded(tmp_path: Path) -> None:
    # The most expensive texts, as many as are ever shown.
    one = summary_of()["groups"][0]
    summary = summary_of() | {"groups": [one | {"outcomes": {"incorrect": 2000}}]}
    run_of(tmp_path)
    text = "<&>" * 20_000

    def lines() -> Iterator[str]:
        for number in range(300):
            yield (
                f'{{"model":"fine","benchmark":"sums","item_id":"{number}","outcome":"incorrect",'
                f'"final":"{text}","reasoning":"{text}","extracted":"{text}","target":"{text}"}}\n'
            )

    with (tmp_path / "items.jsonl").open("w") as file:
        file.writelines(lines())
    html = "".join(page(tmp_path, summary, question=lambda *_: text))
    # 240 answers of 20 of one outcome: twelve times this is the most that all outcomes take.
    assert len(html.encode()) < 700_000
    read_page(html)


def test_drawings_stand_on_one_scale() -> None:
    assert reach([]) == 0.01
    assert reach([0.004, -0.02]) == pytest.approx(0.02)
    assert reach([0.31, float("inf")]) == pytest.approx(0.35)
    assert interval_bar(None, None, "unknown") == ""
    assert outcome_bar({}, "none") == ""
    assert drop_bar(None, None, margin=0.02, scale=0.1, words="refused") == ""
    middle = drop_bar(0.0, [0.0, 0.0], margin=0.02, scale=0.1, words="none")
    assert 'cx="100"' in middle
    assert "<title>a &lt;b&gt;</title>" in interval_bar(0.5, [0.4, 0.6], "a <b>")


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 0.5), st.floats(0.01, 1))
def test_every_drop_is_drawn_within_the_frame(
    low: float, high: float, margin: float, scale: float
) -> None:
    drawn = drop_bar((low + high) / 2, [low, high], margin=margin, scale=scale, words="")
    for value in re.findall(r' (?:x|x1|x2|cx)="([^"]*)"', drawn):
        assert 0 <= float(value) <= 200


def test_the_command_to_run_it_again() -> None:
    summary = summary_of("a b")
    said = command(summary)
    assert said.startswith("pytest test_it.py --model 'a b' --model 'a b2'")
    assert "--gptoss-limit 20" in said
    assert "--gptoss-seed 3" in said
    summary["settings"] |= {"rescored": {"run": "runs/x"}}
    assert command(summary) == "pytest test_it.py --gptoss-rescore runs/x"


def test_a_run_of_loads_alone_names_its_model(tmp_path: Path) -> None:
    summary = summary_of("fine")
    summary |= {"groups": [], "complete": True, "pooled": {}, "comparisons": []}
    summary["settings"] |= {"models": {}, "benchmarks": {}}
    for name in ("items.jsonl", "flips.json"):
        (run_of(tmp_path) / name).unlink()
    text = read_page("".join(page(tmp_path, summary))).text
    assert "Evaluation of fine" in text
    assert "Speed under loads" in text
    assert "--model fine" in command(summary)
