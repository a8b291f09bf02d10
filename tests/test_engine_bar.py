"""The progress bar says what was found so far, and does not ask for it at every step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from logkit.engine import bar
from logkit.engine.bar import Bar
from logkit.engine.progress import Progress
from logkit.engine.state import State, Totals


def test_the_bar_says_what_was_found_and_asks_for_it_at_most_once_a_second(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bar, "_AFTER_SECONDS", 0.0)
    asked: list[int] = []

    def found() -> str:
        asked.append(1)
        return "6 services, 2 errors"

    with Bar(True) as shown:
        for step in range(5):
            shown.show(Totals(step, 10 * step, step, 5), found)
    assert len(asked) == 1
    assert "6 services, 2 errors" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "read"),
    [
        ({}, 0),
        ({"taken": ((0, 50),), "leases": 1, "seen_bytes": 20}, 20),
        ({"taken": ((0, 100),), "leases": 2, "seen_bytes": 70}, 70),
        ({"taken": ((0, 100),), "leases": 1, "seen_bytes": 130}, 100),  # some of it twice, after a failure
        ({"taken": ((0, 100),), "seen_bytes": 100}, 100),
    ],
)
def test_the_bar_goes_as_far_as_was_read_and_no_further(changes: dict[str, Any], read: int) -> None:
    state = State(10, 1000)
    state.add(replace(Progress(0, 0, "a.log", 100, 0.0, 0.0), **changes))
    totals = state.totals()
    assert (totals.finished_bytes, totals.total_bytes) == (read, 100)
