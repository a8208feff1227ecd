"""Items that share something: clusters are declared, recorded, and judged as clusters."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from gate_story import GateStory
from hypothesis import given
from hypothesis import strategies as st
from stories import Story, said

from pytest_gptoss import stats
from pytest_gptoss.gates.compare import difference, judge, pair, pooled
from pytest_gptoss.gates.measured import Measured, Scored, read_run
from pytest_gptoss.gates.settings import Conditions


def clustered(story: Story, rows: int, size: int) -> GateStory:
    """Sums of which so many in a row share a cluster; the baseline has every tenth wrong."""
    told = GateStory(story, rows=rows)
    story.suite(rows=rows, extra=f"""cluster=lambda row: f"page {{row['a'] // {size}}}",""")
    return told


def oracle(differences: Sequence[float], clusters: Sequence[Any], confidence: float) -> Any:
    """Mean, interval and two-sided p-value of an independent implementation."""
    codes = np.unique(np.array(clusters), return_inverse=True)[1]
    fit = sm.OLS(np.asarray(differences), np.ones(len(differences))).fit(
        cov_type="cluster", cov_kwds={"groups": codes}, use_t=True
    )
    return fit.params[0], list(fit.conf_int(1.0 - confidence)[0]), fit.pvalues[0]


def measured(
    scores: Sequence[float], clusters: Sequence[str | None], *, graded: bool = False
) -> Measured:
    """Scores of items 0, 1, 2, ... with their clusters."""
    return Measured(
        model="m",
        benchmark="b",
        origin="here",
        graded=graded,
        repeats=1,
        conditions=Conditions({}, {}),
        items={
            str(i): Scored("0", score, None, None, cluster)
            for i, (score, cluster) in enumerate(zip(scores, clusters, strict=True))
        },
    )


def both(
    before: Sequence[float], after: Sequence[float], clusters: Sequence[str | None], **how: bool
) -> tuple[Measured, Measured]:
    """A baseline as a file holds it, without clusters, and a candidate with them."""
    return measured(before, [None] * len(before), **how), measured(after, clusters, **how)


def test_the_gate_takes_the_clusters_for_what_chance_drew(story: Story) -> None:
    told = clustered(story, 200, 5)
    told.save()
    result = told.gate(lost=40)
    fields = told.fields()
    before = {item["item_id"]: item["score"] for item in story.items("saved")}
    items = story.items()
    differences = [before[item["item_id"]] - item["score"] for item in items]
    mean, interval, p_value = oracle(differences, [item["cluster"] for item in items], 0.9)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert (fields["verdict"], fields["n"], fields["clusters"]) == ("regressed", 200, 40)
    assert fields["difference"] == pytest.approx(mean) == pytest.approx(0.2)
    assert fields["interval"] == pytest.approx(interval)
    assert fields["p_value"] == pytest.approx(p_value / 2)
    assert fields["method"] == (
        "cluster-robust t (CR1, 40 clusters), one-sided; t interval over clusters"
    )
    # The counts describe; the test does not rest on them.
    assert (fields["b"], fields["c"], fields["odds_ratio"]) == (40, 0, None)
    assert fields["cohens_g"] == 0.5
    assert "40 lost and 0 won of 200 items in 40 clusters" in fields["sentence"]
    text = said(result)
    assert "200 items in 40 clusters" in text
    assert "cluster-robust t (CR1, 40 clusters), one-sided" in text


def test_what_is_announced_holds_for_independent_items_and_says_so(story: Story) -> None:
    told = clustered(story, 200, 5)
    told.save()
    assert "they come in clusters, which show less" in said(told.gate())
    story.suite(rows=200, extra='cluster="a",')
    assert "they come in clusters" not in said(told.gate("--gptoss-run", "again"))


def test_two_models_of_a_session_are_compared_by_clusters(story: Story) -> None:
    clustered(story, 200, 5)
    for name, wrong in (("one", range(15)), ("two", range(15, 45))):
        answers = story.answers(rows=200, wrong=wrong).read_text()
        file = story.path / "answers" / "sums" / f"{name}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(answers)
    result = story.run(
        *("--model", "one", "--model", "two", "--gptoss-completions", "answers", "-q"),
        *("--gptoss-run", "run"),
    )
    (compared,) = story.summary()["comparisons"]
    differences = [-1.0] * 15 + [1.0] * 30 + [0.0] * 155
    _, interval, p_value = oracle(differences, [n // 5 for n in range(200)], 0.95)
    assert (compared["b"], compared["c"], compared["clusters"]) == (30, 15, 40)
    assert compared["p_value"] == pytest.approx(p_value)
    assert compared["interval"] == pytest.approx(interval)
    assert "by clusters where items share them, two-sided" in said(result)


def test_what_mcnemar_calls_a_regression_clusters_may_not(story: Story) -> None:
    told = clustered(story, 200, 5)
    told.wrong = set(range(15))
    told.save()
    # Six whole clusters lost and three won: 30 to 15 items, but 6 to 3 draws of chance.
    result = told.gate(lost=30, won=15)
    fields = told.fields()
    assert (fields["b"], fields["c"]) == (30, 15)
    assert stats.gate(155, 30, 15, 0).verdict == "regressed"
    assert result.ret == pytest.ExitCode.OK
    assert fields["verdict"] == "inconclusive"
    differences = [-1.0] * 15 + [1.0] * 30 + [0.0] * 155
    _, interval, p_value = oracle(differences, [n // 5 for n in range(200)], 0.9)
    assert fields["p_value"] == pytest.approx(p_value / 2) == pytest.approx(0.1617, abs=1e-4)
    assert fields["interval"] == pytest.approx(interval)
    assert fields["items_needed"] > 200
    assert fields["minimum_detectable_drop"] > 0.1


def test_fewer_than_thirty_clusters_are_permuted(story: Story) -> None:
    told = clustered(story, 100, 10)
    told.wrong = set()
    told.save()
    story.answers(rows=100, wrong=[n for n in range(70) if n % 10 < 1 + n // 10])
    story.replay("-q")
    fields = told.fields()
    sums = [1, 2, 3, 4, 5, 6, 7, 0, 0, 0]
    flips = [
        sum(sign * value for sign, value in zip(signs, sums, strict=True))
        for signs in itertools.product((1, -1), repeat=10)
    ]
    assert fields["p_value"] == sum(flip >= sum(sums) for flip in flips) / len(flips) == 2**-7
    assert (fields["verdict"], fields["clusters"]) == ("regressed", 10)
    assert fields["method"].startswith("cluster sign-flip (10 clusters), one-sided; BCa bootstrap")
    differences = [float(item["score"] == 0) for item in story.items()]
    drawn = stats.bootstrap_difference(
        differences, clusters=[n // 10 for n in range(100)], confidence=0.9
    )
    assert fields["interval"] == pytest.approx([drawn.low, drawn.high])


@pytest.mark.parametrize(
    ("size", "number", "verdict", "p_value"),
    [(10, 4, "inconclusive", 0.0625), (8, 5, "regressed", 0.03125), (40, 1, "inconclusive", 0.5)],
)
def test_fewer_than_six_clusters_say_what_they_cannot_show(
    story: Story, size: int, number: int, verdict: str, p_value: float
) -> None:
    told = clustered(story, 40, size)
    told.wrong = set()
    told.save()
    result = told.gate(lost=40)
    fields = told.fields()
    assert (fields["verdict"], fields["clusters"]) == (verdict, number)
    assert fields["p_value"] == p_value
    assert fields["interval"] == [-1.0, 1.0]
    assert fields["method"].endswith("no interval from fewer than 6 clusters")
    assert fields["minimum_detectable_drop"] is None
    named = f"{number} clusters" if number > 1 else "1 cluster"
    assert f"{named} cannot reach a two-sided 5 %" in fields["sentence"]
    assert "no drop is named for so few clusters" in said(result)


def test_few_clusters_never_pass_on_what_they_did_not_see(story: Story) -> None:
    told = clustered(story, 1000, 250)
    told.have()
    told.gate()
    assert told.fields()["verdict"] == "inconclusive"
    assert "no drop of 2 points or more is ruled out" in told.fields()["sentence"]


def test_clusters_of_one_item_are_items(story: Story) -> None:
    told = GateStory(story, rows=200)
    told.save()
    told.gate(lost=20, won=5)
    without = told.fields()
    assert {item["cluster"] for item in story.items()} == {None}
    story.suite(rows=200, extra='cluster="a",')
    told.gate("--gptoss-run", "declared", lost=20, won=5)
    declared = told.fields("declared")
    assert {item["cluster"] for item in story.items("declared")} == {str(n) for n in range(200)}
    assert declared == without
    assert declared["clusters"] is None
    assert declared["method"].startswith("McNemar")


def test_a_column_that_is_not_there_is_named(story: Story) -> None:
    story.suite(extra='cluster="page",')
    story.answers()
    result = story.replay("-q")
    assert result.ret != pytest.ExitCode.OK
    assert "no column 'page'" in said(result)


def test_either_run_directory_may_declare_them(story: Story) -> None:
    told = clustered(story, 200, 5)
    told.save()
    story.suite(rows=200)
    told.gate(lost=40)
    (declared,), (silent,) = (read_run(story.path / r).values() for r in ("saved", "run"))
    for before, after in ((declared, silent), (silent, declared)):
        fields, _ = judge(before, after, margin=0.02, alpha=0.05)
        assert fields["clusters"] == 40
    fields, _ = judge(silent, silent, margin=0.02, alpha=0.05)
    assert fields["clusters"] is None


def test_an_item_may_stand_alone() -> None:
    scores = [1.0] * 6
    _, candidate = both(scores, scores, ["p", "p", None, None, "q", "q"])
    pairs = pair(candidate, candidate)
    assert pairs.clusters is not None
    assert len(set(pairs.clusters)) == 4


def test_degrees_are_compared_by_clusters_too() -> None:
    rng = np.random.default_rng(5)
    clusters = [f"page {n // 4}" for n in range(160)]
    shift = np.repeat(rng.normal(0.05, 0.1, 40), 4)
    before = np.clip(0.6 + rng.normal(0, 0.02, 160), 0, 1)
    after = np.clip(before - shift, 0, 1)
    pair_of = both(list(before), list(after), clusters, graded=True)
    fields, _ = judge(*pair_of, margin=0.02, alpha=0.05)
    mean, interval, p_value = oracle(before - after, clusters, 0.9)
    assert fields["difference"] == pytest.approx(mean)
    assert fields["interval"] == pytest.approx(interval)
    assert fields["p_value"] == pytest.approx(p_value / 2)
    assert fields["b"] is None
    assert "scored lower" in fields["sentence"]
    assert "of 160 items in 40 clusters" in fields["sentence"]
    compared, _ = difference(*pair_of)
    mean, interval, p_value = oracle(before - after, clusters, 0.95)
    assert (compared["clusters"], compared["b"]) == (40, None)
    assert compared["p_value"] == pytest.approx(p_value)
    assert compared["interval"] == pytest.approx(interval)
    assert "two-sided" in compared["method"]


def test_better_clusters_improve() -> None:
    clusters = [str(n // 4) for n in range(400)]
    before = [float(n // 4 % 2) for n in range(400)]
    fields, _ = judge(*both(before, [1.0] * 400, clusters), margin=0.02, alpha=0.05)
    assert fields["verdict"] == "improved"
    assert fields["difference"] == -0.5
    _, interval, p_value = oracle([b - 1.0 for b in before], clusters, 0.9)
    assert fields["interval"] == pytest.approx(interval)
    assert fields["p_value"] == pytest.approx(1.0 - p_value / 2)


def test_clusters_never_narrow_what_the_items_show() -> None:
    # One flip in each cluster and all clusters alike: their spread is 0, which is no certainty.
    clusters = [str(n // 4) for n in range(160)]
    after = [float(n % 4 > 0) for n in range(160)]
    fields, pairs = judge(*both([1.0] * 160, after, clusters), margin=0.3, alpha=0.05)
    apart = stats.paired_difference(*pairs.table, confidence=0.9)
    assert fields["interval"] == pytest.approx([apart.low, apart.high])
    assert fields["method"].endswith("widened to that of independent items")
    # Without a spread there is no t; signs still flip.
    assert fields["method"].startswith("cluster sign-flip (40 clusters)")
    assert 0 < fields["p_value"] < 0.001


def test_identical_answers_prove_what_their_clusters_can() -> None:
    scores = [1.0] * 160
    fields, _ = judge(
        *both(scores, scores, [str(n // 4) for n in range(160)]), margin=0.05, alpha=0.05
    )
    z = 1.6448536269514722
    assert fields["interval"][1] == pytest.approx(z * z / (40 + z * z))
    assert (fields["verdict"], fields["p_value"]) == ("inconclusive", 1.0)


def test_the_pooled_test_says_that_it_ignores_clusters() -> None:
    before, after = [1.0] * 160, [float(n % 8 > 0) for n in range(160)]
    plain, _ = judge(*both(before, after, [None] * 160), margin=0.02, alpha=0.05)
    paged, _ = judge(
        *both(before, after, [str(n // 4) for n in range(160)]), margin=0.02, alpha=0.05
    )
    together, apart = pooled([plain, paged], alpha=0.05), pooled([plain, plain], alpha=0.05)
    assert together is not None
    assert apart is not None
    assert together["method"] == f"{apart['method']}; clusters are not taken into account"
    assert together["p_value"] == apart["p_value"]


def test_the_caution_is_printed(story: Story) -> None:
    told = clustered(story, 60, 3)
    (story.path / "test_more.py").write_text(
        (story.path / "test_sums.py").read_text().replace('"sums"', '"more"')
    )
    answers = story.answers(rows=60).read_text()
    for name in ("sums", "more"):
        file = story.path / "answers" / name / "recorded.jsonl"
        file.parent.mkdir(parents=True)
        file.write_text(answers)
    session = ("--model", "recorded", "--gptoss-completions", "answers", "--gptoss-run")
    story.run(*session, "saved", "--gptoss-save-baseline")
    result = story.run(*session, "run", "-q")
    assert "0 won of 120 items); clusters are not taken into account" in said(result)
    assert len(list((told.path / "baselines" / "recorded").iterdir())) == 2


@st.composite
def _clustered_flips(draw: st.DrawFn) -> tuple[list[float], list[float], list[str]]:
    number = draw(st.integers(30, 45))
    before, after, clusters = [], [], []
    for cluster in range(number):
        size = draw(st.integers(1, 4)) if cluster else 2
        answers = draw(st.lists(st.booleans(), min_size=2 * size, max_size=2 * size))
        before += [float(x) for x in answers[:size]]
        after += [float(x) for x in answers[size:]]
        clusters += [str(cluster)] * size
    return before, after, clusters


@given(_clustered_flips())
def test_asking_everything_twice_is_no_further_evidence(
    drawn: tuple[list[float], list[float], list[str]],
) -> None:
    once, _ = judge(*both(*drawn), margin=0.02, alpha=0.05)
    twice, _ = judge(
        *both(*([x for x in xs for _ in range(2)] for xs in drawn)), margin=0.02, alpha=0.05
    )
    assert (twice["n"], twice["clusters"]) == (2 * once["n"], once["clusters"])
    assert twice["p_value"] == pytest.approx(once["p_value"])
    assert twice["difference"] == pytest.approx(once["difference"])


def test_finqa_shares_pages() -> None:
    from suites.test_finqa import finqa

    rows = [{"id": f"ETR/2016/page_{page}.pdf-{k}"} for page in (23, 24) for k in (1, 2)]
    table = finqa.with_options(rows=rows)
    assert table.clusters_of(table.open()) == [
        *["ETR/2016/page_23.pdf"] * 2,
        *["ETR/2016/page_24.pdf"] * 2,
    ]


def test_the_baseline_file_holds_no_clusters(story: Story) -> None:
    told = clustered(story, 40, 4)
    told.save()
    assert "page" not in Path(told.file).read_text()
    assert json.loads(told.file.read_text())["schema"] == 1
