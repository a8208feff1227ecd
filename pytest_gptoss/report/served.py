"""Who answered: what a reader must know where a server names another model than was asked for."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from pytest_gptoss.engines.names import asked_for, fits, kinds, named, printed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["served_notes"]

_SHOWN = 4


def served_notes(groups: Iterable[Mapping[str, Any]], settings: Mapping[str, Any]) -> list[str]:
    """A sentence for each model whose answers may be another's, and one for such a judge.

    Answers under several names are told of whatever was asked for; a single name only where it is
    known which one was asked for, as an endpoint's settings say.

    Args:
        groups: The figures of each group, as in ``summary.json``.
        settings: The settings record.
    """
    groups = list(groups)
    notes = []
    for label, model in settings["models"].items():
        served: Counter[str] = Counter()
        answers = 0
        for group in groups:
            if group["model"] == label:
                served.update(group["served_models"] or {})
                answers += group["n"] - group["outcomes"]["error"]
        note = _told(label, model, served, answers) or _listed(label, model, settings)
        notes += [] if note is None else [note]
    graded = _graded(groups, settings.get("judge"))
    return notes if graded is None else [*notes, graded]


def _graded(groups: list[Mapping[str, Any]], judge: Mapping[str, Any] | None) -> str | None:
    """What the grades of free texts say of the judge that gave them."""
    served: Counter[str] = Counter()
    for group in groups:
        served.update(group["judges"] or {})
    if judge is None or not served:
        return None
    asked, total = printed(judge["model"]), served.total()
    if len(kinds(served, [judge["model"]])) > 1:
        return (
            f"the grades came from different judges: asked for {asked}, of {total:,} came "
            f"{_counts(served)}; these scores have no one measure: let one model answer at "
            "--gptoss-judge, and grade again with --gptoss-rescore"
        )
    name = next(iter(served))
    if fits(name, [judge["model"]]):
        return None
    return (
        f"asked {asked} to judge, {total:,} grades came from {printed(name)}: unless that is "
        "another name of it, another model gave them; look at what the server at --gptoss-judge "
        f"serves, or name that judge with --gptoss-judge-model {printed(name)}"
    )


def _counts(served: Counter[str]) -> str:
    shown = ", ".join(f"{n:,} as {printed(name)}" for name, n in served.most_common(_SHOWN))
    more = f" and {len(served) - _SHOWN} more names" if len(served) > _SHOWN else ""
    return shown + more


def _told(label: str, model: Mapping[str, Any], served: Counter[str], answers: int) -> str | None:
    """What the answers say of the model that gave them."""
    engine = model["engine"]
    asked = engine.get("served_model")
    names = asked_for(label, model)
    if len(kinds(served, names)) > 1:
        return (
            f"the answers of {label} came from different models: asked for "
            f"{printed(asked or label)}, of {answers:,} came {_counts(served)}; these figures are "
            "of no one model and no comparison with them holds: name a server of one model with "
            "--gptoss-endpoint, or one model with --gptoss-engine-arg model=NAME, and run again"
        )
    if not served or asked is None:
        return None
    name = served.most_common(1)[0][0]
    if fits(name, names):
        return None
    return (
        f"asked for {printed(asked)}, {served.total():,} of {answers:,} answers came as "
        f"{printed(name)}: unless that is another name of {label}, these figures are of another "
        "model; look at what the server serves, or ask for that name with --gptoss-engine-arg "
        f"model={printed(name)}"
    )


def _listed(label: str, model: Mapping[str, Any], settings: Mapping[str, Any]) -> str | None:
    """That a server's only model was taken, which has another name."""
    engine = model["engine"]
    asked = engine.get("served_model")
    if asked is None or "model" in (settings.get("engine_arguments") or {}):
        return None
    names = named(model)
    if any(fits(name, names) for name in (asked, *(engine.get("aliases") or ()))):
        return None
    return (
        f"the server lists {printed(asked)} and no {label}, so {printed(asked)} was asked: "
        "unless that is another name of it, these figures are of another model; if it is, say so "
        f"with --gptoss-engine-arg model={printed(asked)}"
    )
