"""`Together`: a scheduler of pytest-xdist that keeps an evaluation's tests in one worker."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Together"]

# How many tests the home has at hand. A few, as a worker runs what it was given although `-x` ended
# the session; not one, as each would then wait for the one before to be reported.
_AT_HAND = 8


class Together:
    """Gives the evaluation's tests to one worker, in order, and leaves the others to a scheduler.

    That one worker, the home, joins the others once its own tests are given out. It joins with the
    last of them at hand, because a worker starts a test only when it knows the next one.

    The other scheduler sees a collection without the evaluation's tests, and `_Seat` instead of
    workers, which translates the places in it. A worker joins it as one joins that replaces a
    crashed one.

    Args:
        others: The scheduler of the mode that was asked for.
        is_home: Whether a worker is the home.
        ours: The places of the evaluation's tests in the home's collection, once it was sent.
    """

    def __init__(
        self, others: Any, is_home: Callable[[Any], bool], ours: Callable[[], Sequence[int]]
    ) -> None:
        self._others = others
        self._is_home = is_home
        self._ours_in_home = ours
        self._numnodes: int = others.numnodes
        self._seats: dict[Any, _Seat] = {}
        self._collections: dict[Any, list[str]] = {}
        self._collection: list[str] | None = None
        self._ours: frozenset[int] = frozenset()
        self._rest: list[int] = []
        self._local: dict[int, int] = {}
        self._queue: deque[int] = deque()
        self._at_hand: deque[int] = deque()

    @property
    def nodes(self) -> list[Any]:
        """The workers that there are."""
        return list(self._seats)

    @property
    def collection_is_completed(self) -> bool:
        """Whether as many workers have collected as there were in the beginning."""
        return len(self._collections) >= self._numnodes

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left but the last test of each worker."""
        if self._collection is None or self._queue or len(self._at_hand) > 1:
            return False
        return not self._rest or bool(self._others.tests_finished)

    @property
    def has_pending(self) -> bool:
        """Whether any test is still to be run."""
        return bool(self._queue or self._at_hand or self._others.has_pending)

    def add_node(self, node: Any) -> None:
        """Take note of a worker that started."""
        self._seats[node] = _Seat(node, self._rest)

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
        """Take note of what a worker collected."""
        if self._collection is None:
            self._collections[node] = list(collection)
        elif list(collection) == self._collection:
            self._join(node)
        else:  # as the others: a worker that replaces a crashed one must collect the same
            node.shutdown()

    def schedule(self) -> None:
        """Begin to give out tests, once all have collected."""
        if self._collection is not None:
            return  # who came later has joined
        assert self.collection_is_completed
        home = next(filter(self._is_home, self._seats), None)
        collected = [self._collections[node] for node in self._seats]
        self._collection = collected[0] if collected else []
        if home is None:  # it died while it collected: which tests are its own is not known
            for node in self._seats:
                node.shutdown()
            return
        same = all(other == self._collection for other in collected)
        self._ours = frozenset(self._ours_in_home()) if same else frozenset()
        self._rest[:] = [n for n in range(len(self._collection)) if n not in self._ours]
        self._local = {place: local for local, place in enumerate(self._rest)}
        if not self._ours:
            # Also where they collected different tests: that scheduler says so.
            self._others.numnodes = len(self._seats)
            self._begin({node: self._collections[node] for node in self._seats})
            return
        self._queue.extend(sorted(self._ours))
        elsewhere = [node for node in self._seats if node is not home]
        self._others.numnodes = len(elsewhere) or 1
        for node in elsewhere if not self._rest else ():
            node.shutdown()
        if elsewhere and self._rest:
            self._begin(dict.fromkeys(elsewhere, self._rest_ids()))
        self._feed(home)

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Take note that a worker ran a test, and give it more."""
        if item_index in self._ours:
            self._at_hand.remove(item_index)
            self._feed(node)
        else:
            self._others.mark_test_complete(self._seats[node], self._local[item_index], duration)

    def mark_test_pending(self, item: str) -> None:
        """Run another worker's test again; the evaluation's are not run twice."""
        assert self._collection is not None
        if self._collection.index(item) not in self._ours:
            self._others.mark_test_pending(item)

    def remove_pending_tests_from_node(self, node: Any, indices: Sequence[int]) -> None:
        """Take back tests that a worker has given away."""
        self._others.remove_pending_tests_from_node(
            self._seats[node], [self._local[place] for place in indices]
        )

    def remove_node(self, node: Any) -> str | None:
        """Forget a worker; returns the test in which it died, if it did.

        The evaluation is gone with its home: its run directory and its answers were there.
        """
        seat = self._seats.pop(node)
        died_in: str | None = None
        if seat in self._others.nodes:
            died_in = self._others.remove_node(seat)
        if not self._is_home(node):
            return died_in
        self._queue.clear()
        if not self._at_hand:
            return died_in
        assert self._collection is not None
        first = self._collection[self._at_hand[0]]
        self._at_hand.clear()
        if died_in is not None and hasattr(self._others, "check_schedule"):
            # It was at hand and not begun; schedulers of scopes run it again by themselves.
            self._others.mark_test_pending(died_in)
        return first

    def _begin(self, collections: dict[Any, list[str]]) -> None:
        for node in collections:
            self._others.add_node(self._seats[node])
        for node, collection in collections.items():
            self._others.add_node_collection(self._seats[node], collection)
        self._others.schedule()
        # Once more for who comes later: schedulers of scopes give one scope at a time, and a worker
        # that got a single test waits for the next.
        self._others.schedule()

    def _join(self, node: Any) -> None:
        """Let a worker take part in the other tests, or go where there are none."""
        if self._rest and not node.shutting_down:
            self._begin({node: self._rest_ids()})
        else:
            node.shutdown()

    def _rest_ids(self) -> list[str]:
        assert self._collection is not None
        return [self._collection[place] for place in self._rest]

    def _feed(self, home: Any) -> None:
        if home.shutting_down:
            return
        more = []
        while self._queue and len(self._at_hand) < _AT_HAND:
            more.append(self._queue.popleft())
            self._at_hand.append(more[-1])
        if more:
            home.send_runtest_some(more)
        if not self._queue and len(self._at_hand) == 1:
            self._join(home)


class _Seat:
    """A worker as the other scheduler sees it: its places count the other tests only.

    Args:
        node: The worker.
        places: Where the other tests are in the whole collection.
    """

    def __init__(self, node: Any, places: list[int]) -> None:
        self._node = node
        self._places = places
        self.gateway = node.gateway

    def __repr__(self) -> str:
        return repr(self._node)

    @property
    def shutting_down(self) -> bool:
        """Whether it was told to end, or has ended."""
        return bool(self._node.shutting_down)

    def shutdown(self) -> None:
        """Tell it to end when it has run what it has."""
        self._node.shutdown()

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        """Give it tests."""
        self._node.send_runtest_some([self._places[n] for n in indices])

    def send_steal(self, indices: Sequence[int]) -> None:
        """Ask it to give tests away."""
        self._node.send_steal([self._places[n] for n in indices])
