"""The run in short, as Markdown: no text of a model means anything in it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pages import Page
from report_story import flips_of, summary_of

from pytest_gptoss.report.html_text import visible
from pytest_gptoss.report.markdown import MOST_BYTES, escaped, markdown

HOSTILE = (
    "</code></details><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1)) ![x](http://x/y.png)",
    "| a | b |\n| - | - |",
    "# heading\n\n- list\n\n```\ncode",
    "`code` **bold** ~~gone~~ $x$ :smile: @somebody #1",
    "1. one",
    "- one",
    "---",
    "    indented",
    "www.example.org http://example.org a@example.org",
    "&lt;b&gt; \\* \\|",
    "\u202egpj.exe\0",
)
INLINE = {"p", "code", "strong"}


def read(text: str) -> Page:
    """Markdown as GitHub reads it: tables and HTML are understood."""
    page = Page()
    page.feed(
        MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
    )
    page.close()
    return page


def squeezed(text: str) -> str:
    return visible(" ".join(text.split()))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_texts(text: str) -> None:
    for before in ("", "x: ", "- "):
        page = read(before + escaped(text))
        assert {tag for tag, _ in page.tags} <= {"p", "ul", "li"}
        assert squeezed(text) in page.text


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_text(text: str) -> None:
    page = read(f"x <code>{escaped(text)}</code>")
    assert [tag for tag, _ in page.tags] == ["p", "code"]
    assert page.text.strip() == f"x {squeezed(text)}".strip()


def test_names_that_github_would_link_are_not_left_as_they_are() -> None:
    assert escaped("@a #1 a:b: http://x www.x.y") == (
        "&#64;a &#35;1 a&#58;b: http&#58;//x &#119;&#119;&#119;.x.y"
    )
    assert escaped("t.py::test_x[a-1]") == "t.py:&#58;test&#95;x&#91;a-1&#93;"


@pytest.mark.parametrize("text", ["fine", *HOSTILE])
def test_a_whole_summary_keeps_its_form(text: str) -> None:
    fine = read(markdown(summary_of(), flips_of(), place="runs/x/report.html"))
    hostile = read(markdown(summary_of(text), flips_of(text), place="runs/x/report.html"))
    assert [tag for tag, _ in hostile.tags] == [tag for tag, _ in fine.tags]
    assert hostile.open == fine.open == []


def test_all_is_said() -> None:
    text = read(markdown(summary_of(), flips_of(), place="runs/x/report.html")).text
    for said in (
        "Evaluation of fine and fine2",
        "note: the session was interrupted",
        "✗ regressed fine on sums. Regressed: fine.",
        "warning: sums: fine",
        "14 correct, 4 incorrect",
        "[48.0, 85.0]",
        "expected fine, answered fine",
        "fine under loads",
        "The whole report: runs/x/report.html",
    ):
        assert said in text, said


def test_it_stays_far_below_what_github_takes() -> None:
    summary = summary_of("x" * 5000)
    summary["groups"] = summary["groups"] * 300
    text = markdown(summary, flips_of("y" * 100_000))
    assert len(text.encode()) < MOST_BYTES + 100
    assert "… and more, which is in the run's report.html." in text
    assert "3,000 more characters" in text
