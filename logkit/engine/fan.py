"""The way to several: each batch goes to the state or the store, and to every sink that lacks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from logkit.engine.delivery import Delivery
from logkit.engine.known import Key
from logkit.engine.outbox import Outbox
from logkit.engine.state import State
from logkit.engine.threads import Activity
from logkit.sources import Batch, complement


class Fan:
    """A `Delivery` in front of the one that makes batches visible, and the outboxes of all sinks.

    What the store has already, and a sink still lacks, is read again and given to the sink alone.
    """

    def __init__(self, first: Delivery, state: State, boxes: Sequence[Outbox]) -> None:
        self._first = first
        self._state = state
        self._boxes = tuple(boxes)

    def put(self, batch: Batch, activity: Activity) -> bool:
        # All rooms first: once the batch is taken it must reach every sink, and no sink may hold up another's.
        rooms = all(box.wait_room(activity) for box in self._boxes)
        return rooms and self._pass(batch, lambda batch: self._first.put(batch, activity))

    def put_now(self, batch: Batch) -> None:
        def now(batch: Batch) -> bool:
            self._first.put_now(batch)
            return True

        self._pass(batch, now)

    def _pass(self, batch: Batch, put: Callable[[Batch], bool]) -> bool:
        if batch.held:
            return put(batch)  # no sink gets what may still change
        expected = [(box, box.expect(batch)) for box in self._boxes]
        taken = False
        try:
            if self._has(batch):
                self._state.take(batch)
                taken = True
            else:
                taken = put(batch)
        finally:
            for box, token in expected:
                if taken:
                    box.post(token, batch)
                else:
                    box.withdraw(token)
        return taken

    def _has(self, batch: Batch) -> bool:
        progress = self._state.progress((batch.source, batch.generation))
        return progress is not None and not complement(progress.ranges, batch.start, batch.stop)

    def mark(self, key: Key) -> None:
        self._first.mark(key)
        for box in self._boxes:
            box.mark(key)

    def hurry(self) -> None:
        self._first.hurry()

    def close(self) -> None:
        self._first.close()
        for box in self._boxes:
            box.close()

    @property
    def settled(self) -> bool:
        return self._first.settled and all(box.settled for box in self._boxes)
