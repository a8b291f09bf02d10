"""Pure: where events go to stay, a line for each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logkit.views.panel.head import Tone, size
from logkit.views.style import count

if TYPE_CHECKING:
    from logkit.capture import Capture, StoreStatus


@dataclass(frozen=True, slots=True)
class SinkRow:
    """A sink: what it is called, the state it is in, and what is said beside it."""

    name: str
    state: str
    said: str
    tone: Tone = ""


def sink_rows(capture: Capture) -> tuple[SinkRow, ...]:
    """One row per sink."""
    store = capture.store_status
    return () if store is None else (_store(store),)


def _store(store: StoreStatus) -> SinkRow:
    said = [count(store.events, "event") + " written"]
    if store.waiting_batches:
        said.append(f"{count(store.waiting_batches, 'batch', 'batches')} wait ({size(store.waiting_bytes)})")
    if store.error:
        said.append(store.error)
    tone: Tone = "bad" if store.error else "busy" if store.state == "writing" else "good"
    return SinkRow(os.path.basename(store.path), store.state, " \u00b7 ".join(said), tone)
