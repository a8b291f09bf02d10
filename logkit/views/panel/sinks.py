"""Pure: where events go to stay, and the alerts that are up: a line for each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from logkit.views.panel.head import Tone, size
from logkit.views.style import count

if TYPE_CHECKING:
    from logkit.capture import AlertStatus, Capture, SinkStatus, StoreStatus


@dataclass(frozen=True, slots=True)
class SinkRow:
    """A sink or an alert: what it is called, the state it is in, and what is said beside it."""

    name: str
    state: str
    said: str
    tone: Tone = ""


def sink_rows(capture: Capture) -> tuple[SinkRow, ...]:
    """One row per sink, the store first, then one per alert that is up or fails."""
    store = () if capture.store_status is None else (_store(capture.store_status),)
    alerts = [_alert(one) for one in capture.alerts if one.state != "quiet" or one.error]
    return (*store, *map(_sink, capture.sinks), *alerts)


def _store(store: StoreStatus) -> SinkRow:
    said = [count(store.events, "event") + " written"]
    if store.waiting_batches:
        said.append(f"{count(store.waiting_batches, 'batch', 'batches')} wait ({size(store.waiting_bytes)})")
    if store.error:
        said.append(store.error)
    tone: Tone = "bad" if store.error else "busy" if store.state == "writing" else "good"
    return SinkRow(os.path.basename(store.path), store.state, " \u00b7 ".join(said), tone)


def _sink(sink: SinkStatus) -> SinkRow:
    said = [count(sink.events, "event") + " sent"]
    if sink.waiting_events:
        said.append(f"{count(sink.waiting_events, 'event')} wait ({size(sink.waiting_bytes)})")
    if sink.dropped_events:
        said.append(f"{count(sink.dropped_events, 'event')} dropped")
    if sink.dead_letters:
        said.append(f"{count(sink.dead_letters, 'dead letter')}")
    if sink.error:
        said.append(sink.error)
    tone: Tone = "busy" if sink.state == "writing" else "good"
    if sink.dropped_events or sink.dead_letters:
        tone = "warn"
    if sink.error or sink.state == "failed":
        tone = "bad"
    return SinkRow(sink.name, sink.state, " \u00b7 ".join(said), tone)


def _alert(alert: AlertStatus) -> SinkRow:
    said = " \u00b7 ".join(["alert", f"fired {count(alert.fired, 'time')}", *([alert.error] if alert.error else [])])
    return SinkRow(alert.name, alert.state, said, "bad" if alert.error or alert.state == "firing" else "warn")
