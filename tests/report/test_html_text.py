"""Texts as a page may show them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_gptoss.report.html_text import cut, plain, visible

ANY = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 中文, Ωλ, 👩\u200d🔬\n\tnext", "plain, 中文, Ωλ, 👩\u200d🔬\n\tnext"),
        ("a\0b\x1b[31m", "a␀b␛[31m"),
        ("\x7f\x85", "␡⟨U+0085⟩"),
        ("safe\u202egnp.exe", "safe⟨U+202E⟩gnp.exe"),
        ("\u2066x\u2069", "⟨U+2066⟩x⟨U+2069⟩"),
        ("\ud800", "⟨U+D800⟩"),
        ("\u2028", "⟨U+2028⟩"),
        ("zero\u200bwidth\ufeff", "zero⟨U+200B⟩width⟨U+FEFF⟩"),
        ("\U000e0041", "⟨U+E0041⟩"),
    ],
)
def test_what_cannot_be_seen_is_marked(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(ANY)
def test_nothing_hidden_is_left(text: str) -> None:
    shown = visible(text)
    shown.encode()  # no half of a character
    assert visible(shown) == shown
    left = {unicodedata.category(character) for character in shown if character not in "\n\t"}
    assert "Cc" not in left
    assert "Cs" not in left
    bidi = {unicodedata.bidirectional(character) for character in shown}
    assert not bidi & {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@given(ANY, st.integers(0, 40))
def test_what_is_left_out_is_counted(text: str, limit: int) -> None:
    found = cut(text, limit)
    assert found is not None
    assert len(found.shown) <= limit
    if found.left == 0:
        assert found.shown == visible(text.replace("\r\n", "\n"))
    else:
        assert 0 < found.left <= len(text)


def test_a_megabyte_is_cut_with_its_rest_counted() -> None:
    found = cut("x" * 1_000_000, 1500)
    assert found == ("x" * 1500, 998_500)


def test_the_unknown_stays_unknown() -> None:
    assert cut(None, 10) is None
    assert plain(None) is None
    assert plain({"a": [1, "ü"]}) == '{"a":[1,"ü"]}'
    assert plain(63) == "63"
    assert plain("text") == "text"
