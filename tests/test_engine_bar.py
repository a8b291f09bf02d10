"""The progress bar says what was found so far, and does not ask for it at every step."""

from __future__ import annotations

import pytest

from logkit.engine import bar
from logkit.engine.bar import Bar
from logkit.engine.state import Totals


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
