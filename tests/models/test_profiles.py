"""Profiles: the two that ship, and a user's own."""

import pytest

from pytest_gptoss.errors import UsageError
from pytest_gptoss.models import profile, profiles


def test_card_leaves_sampling_to_the_authors():
    card = profile("card")
    assert (card.limit, card.temperature, card.top_p, card.effort) == (None, None, None, None)
    assert card.max_tokens == 131_072


def test_paper_marks_what_is_inferred():
    paper = profile("paper")
    assert (paper.limit, paper.max_tokens) == (100, 2048)
    assert "2508.12461" in paper.source
    for name in ("limit", "max_tokens", "temperature"):
        assert getattr(paper, name) is not None
        assert name in paper.inferred


def test_a_users_file_adds_and_overrides(tmp_path):
    file = tmp_path / "profiles.toml"
    file.write_text('[quick]\nlimit = 20\neffort = "low"\n[paper]\nmax_tokens = 1000\n')
    assert list(profiles(file)) == ["card", "paper", "quick"]
    assert (profile("quick", file).limit, profile("quick", file).effort) == (20, "low")
    assert (profile("paper", file).max_tokens, profile("paper", file).limit) == (1000, 100)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[quick]\nlimits = 20\n", ["line 1", "'quick'", "limits"]),
        ('[quick]\neffort = "max"\n', ["line 1", "'max'"]),
        ("[quick\n", ["not valid TOML", "line 1"]),
    ],
)
def test_a_broken_file_is_named(tmp_path, text, words):
    file = tmp_path / "profiles.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as error:
        profile("quick", file)
    for word in [str(file), *words]:
        assert word in str(error.value)


def test_an_unknown_profile_names_the_known_ones():
    with pytest.raises(UsageError, match=r"no profile 'papper' \(did you mean paper: card, paper"):
        profile("papper")
