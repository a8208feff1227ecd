"""The scheduler of ``-n``, among simulated workers: chance decides who is fast, and who dies."""

from __future__ import annotations

import random
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_gptoss.plugin.together import Together

schedulers = pytest.importorskip("xdist.scheduler")
QUIET = pytest.importorskip("xdist.remote").Producer("", enabled=False)

MODES = {
    "load": schedulers.LoadScheduling,
    "loadfile": schedulers.LoadFileScheduling,
    "loadgroup": schedulers.LoadGroupScheduling,
    "loadscope": schedulers.LoadScopeScheduling,
    "worksteal": schedulers.WorkStealingScheduling,
}


class SimulatedWorker:
    """A worker that, as the real ones, begins a test only when it knows the next one."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.queue: list[int] = []
        self.ran: list[int] = []
        self.shutting_down = False
        self.asked_back: list[int] | None = None

    def __repr__(self) -> str:
        return self.gateway.id

    def send_runtest_some(self, indices: list[int]) -> None:
        assert not self.shutting_down
        self.queue += indices

    def send_steal(self, indices: list[int]) -> None:
        self.asked_back = list(indices)

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def can_run(self) -> bool:
        return len(self.queue) > 1 or bool(self.queue and self.shutting_down)

    @property
    def may_end(self) -> bool:
        return self.shutting_down and not self.queue


class Simulation:
    """What pytest-xdist's session does with a scheduler, step by step."""

    def __init__(self, mode: str, workers: int, ids: list[str], ours: list[int], seed: int) -> None:
        self.ids, self.ours, self.chance = ids, ours, random.Random(seed)
        self.home = SimulatedWorker("gw0")
        self.all = [self.home, *(SimulatedWorker(f"gw{n}") for n in range(1, workers))]
        self.alive = list(self.all)
        self.died_in: list[str] = []
        config: Any = SimpleNamespace(
            getvalue=lambda _: ["popen"] * workers,
            getoption=lambda _: None,
            option=SimpleNamespace(loadscopereorder=self.chance.random() < 0.5),
        )
        self.scheduler = Together(
            MODES[mode](config, QUIET), lambda node: node is self.home, lambda: ours
        )
        for worker in self.alive:
            self.scheduler.add_node(worker)
        for worker in self.chance.sample(self.alive, workers):  # they end collection in any order
            self.collected(worker)

    def collected(self, worker: SimulatedWorker) -> None:
        self.scheduler.add_node_collection(worker, self.ids)
        if self.scheduler.collection_is_completed:
            self.scheduler.schedule()
        self.look()

    def look(self) -> None:
        if self.scheduler.tests_finished:
            for worker in self.scheduler.nodes:
                worker.shutdown()

    def go(self, deaths: int = 0, home_dies: bool = False) -> None:
        """Run it to its end."""
        while self.alive:
            able = [w for w in self.alive if w.can_run or w.may_end or w.asked_back]
            assert able, "everybody waits for somebody else"
            worker = self.chance.choice(able)
            if worker.asked_back:
                self.give_back(worker)
            elif worker.may_end:
                self.alive.remove(worker)
                if worker in self.scheduler.nodes:
                    assert self.scheduler.remove_node(worker) is None
            elif deaths and self.chance.random() < 0.3 and self.may_die(worker, home_dies):
                deaths -= 1
                self.die(worker)
            else:
                place = worker.queue.pop(0)
                worker.ran.append(place)
                self.scheduler.mark_test_complete(worker, place)
            self.look()

    def give_back(self, worker: SimulatedWorker) -> None:
        assert worker.asked_back is not None
        asked, worker.asked_back = set(worker.asked_back), None
        # The first two are taken out of a worker's queue: the one it runs, and the next one.
        stolen = sorted(asked) if asked <= set(worker.queue[2:]) else []
        worker.queue = [place for place in worker.queue if place not in stolen]
        self.scheduler.remove_pending_tests_from_node(worker, stolen)

    def may_die(self, worker: SimulatedWorker, home_dies: bool) -> bool:
        return worker.queue[0] in self.ours if home_dies else worker is not self.home

    def die(self, worker: SimulatedWorker) -> None:
        self.alive.remove(worker)
        died_in = self.scheduler.remove_node(worker)
        if died_in is not None:
            self.died_in.append(died_in)
        substitute = SimulatedWorker(f"gw{len(self.all)}")
        self.all.append(substitute)
        self.alive.append(substitute)
        self.scheduler.add_node(substitute)
        self.collected(substitute)

    def times(self) -> Counter[str]:
        return Counter(self.ids[place] for worker in self.all for place in worker.ran)


def session_of(files: list[list[bool]]) -> tuple[list[str], list[int]]:
    """Tests in some files, of which some are the evaluation's."""
    flat = [
        (f"test_{n}.py::test[{m}]", own) for n, f in enumerate(files) for m, own in enumerate(f)
    ]
    return [name for name, _ in flat], [place for place, (_, own) in enumerate(flat) if own]


FILES = st.lists(st.lists(st.booleans(), max_size=40), max_size=6)
SEEDS = st.integers(0, 2**32)


@pytest.mark.parametrize("mode", MODES)
@settings(deadline=None, max_examples=50)
@given(workers=st.integers(1, 5), files=FILES, seed=SEEDS)
def test_each_test_runs_once_and_the_evaluations_at_home_in_order(
    mode: str, workers: int, files: list[list[bool]], seed: int
) -> None:
    ids, ours = session_of(files)
    simulation = Simulation(mode, workers, ids, ours, seed)
    simulation.go()
    assert simulation.times() == Counter(ids)
    assert [place for place in simulation.home.ran if place in set(ours)] == ours


# Not those of scopes: after a crash pytest-xdist's own may leave each worker waiting for another.
@pytest.mark.parametrize("mode", ["load", "worksteal"])
@settings(deadline=None, max_examples=50)
@given(workers=st.integers(2, 4), files=FILES, seed=SEEDS)
def test_the_death_of_another_worker_costs_no_item(
    mode: str, workers: int, files: list[list[bool]], seed: int
) -> None:
    ids, ours = session_of(files)
    simulation = Simulation(mode, workers, ids, ours, seed)
    simulation.go(deaths=2)
    assert set(simulation.times()) | set(simulation.died_in) == set(ids)
    assert [place for place in simulation.home.ran if place in set(ours)] == ours


@pytest.mark.parametrize("mode", MODES)
@settings(deadline=None, max_examples=50)
@given(workers=st.integers(1, 4), files=FILES, seed=SEEDS)
def test_a_home_that_dies_evaluating_costs_no_other_test_and_nobody_takes_over(
    mode: str, workers: int, files: list[list[bool]], seed: int
) -> None:
    ids, ours = session_of(files)
    simulation = Simulation(mode, workers, ids, ours, seed)
    simulation.go(deaths=1, home_dies=True)
    others = {name for place, name in enumerate(ids) if place not in set(ours)}
    assert others <= set(simulation.times()) | set(simulation.died_in)
    for worker in simulation.all:
        ran = [place for place in worker.ran if place in set(ours)]
        assert ran == (ours[: len(ran)] if worker is simulation.home else [])
    assert len(simulation.died_in) <= 1


def test_a_home_that_dies_while_it_collects_ends_the_session() -> None:
    ids, ours = session_of([[True] * 3, [False] * 3])
    home = SimulatedWorker("gw0")
    scheduler = Together(
        MODES["load"](
            SimpleNamespace(getvalue=lambda _: ["popen"] * 2, getoption=lambda _: None), QUIET
        ),
        lambda node: node is home,
        lambda: ours,
    )
    nodes = [home, *(SimulatedWorker(f"gw{n}") for n in (1, 2))]
    for node in nodes[:2]:
        scheduler.add_node(node)
    scheduler.add_node_collection(nodes[1], ids)
    assert scheduler.remove_node(home) is None
    scheduler.add_node(nodes[2])
    assert not scheduler.collection_is_completed
    scheduler.add_node_collection(nodes[2], ids)
    scheduler.schedule()
    assert [node.shutting_down for node in nodes[1:]] == [True, True]
    assert not any(node.queue for node in nodes)
