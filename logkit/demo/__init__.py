"""An incident to practise on: six services, six formats, one root cause, and the truth to compare with.

    incident = demo.write_incident("sample_logs")     # the same seed gives the same bytes
    live = demo.replay(incident, "/tmp/live")         # the same again, an hour in a minute, from a thread
    demo.read_truth("sample_logs")                    # spoiler: where it began, and why

Hosts, addresses and people are invented; addresses are from the ranges set aside for documentation.
"""

from __future__ import annotations

from logkit.demo.incident import Incident, read_truth, restore_times, write_incident
from logkit.demo.player import Replay, replay

__all__ = ["Incident", "Replay", "read_truth", "replay", "restore_times", "write_incident"]
