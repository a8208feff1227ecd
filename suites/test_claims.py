"""Claims of two publications, held against stored results and against their own tables.

No model is asked: results are read from ``baselines/`` and ``runs/``. A claim that holds passes; a
contradicted one is an expected failure and one that is not shown is skipped, each with the figures
as its reason, because neither says that anything here is broken: read them with ``-rxXs``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_gptoss.gates.claims import Finding

# Written out, because collecting a suite imports nothing that computes.
ON_STORED_RESULTS = (
    *("humaneval", "mmlu", "memory", "energy", "code-gpt-oss-20b", "code-gpt-oss-120b"),
    *("effort", "size"),
)
ON_PUBLISHED_TABLES = (
    *("humaneval", "mmlu", "code-gpt-oss-20b", "code-gpt-oss-120b", "effort", "size"),
)


@pytest.mark.parametrize("claim", ON_STORED_RESULTS)
def test_claim_on_stored_results(claim: str, request: pytest.FixtureRequest) -> None:
    """What this project's own results say of a claim."""
    from pytest_gptoss.gates.claims import CLAIMS
    from pytest_gptoss.gates.stored import MissingResultError, Stored

    chosen = next(each for each in CLAIMS if each.id == claim)
    config = request.config
    root = config.inipath.parent if config.inipath is not None else config.rootpath
    try:
        finding = chosen.evaluate(Stored(root))
    except MissingResultError as missing:
        pytest.skip(f"{chosen.statement} ({chosen.paper}): {missing}")
    _settle(f"{chosen.statement} ({chosen.paper})", finding, request)


@pytest.mark.parametrize("claim", ON_PUBLISHED_TABLES)
def test_claim_on_published_tables(claim: str, request: pytest.FixtureRequest) -> None:
    """What a publication's own table can and cannot show of a claim."""
    from pytest_gptoss.gates.claims import PUBLISHED_CLAIMS
    from pytest_gptoss.gates.locate import packaged
    from pytest_gptoss.gates.published import read_published

    chosen = next(each for each in PUBLISHED_CLAIMS if each.id == claim)
    finding = chosen.evaluate(read_published(chosen.paper, packaged()))
    _settle(f"{chosen.statement} ({chosen.paper}, its table)", finding, request)


def _settle(statement: str, finding: Finding, request: pytest.FixtureRequest) -> None:
    request.node.user_properties.append(("gptoss_claim", finding.verdict))
    text = f"{finding.verdict}: {statement}: {finding.sentence}"
    if finding.verdict == "contradicted":
        pytest.xfail(text)
    if finding.verdict == "not shown":
        pytest.skip(text)
    print(text)
