"""The kill -9 loop, its quick version: `python -m tests.kill9 --kills 300` is the long one."""

from __future__ import annotations

from pathlib import Path

from tests.kill9 import run


def test_killed_at_any_instant_again_and_again_every_line_is_there_once(tmp_path: Path) -> None:
    result = run(tmp_path, kills=25, seed=1, longest_seconds=0.5)
    assert result.clean, result
    assert result.kills == 25
    assert result.while_watching >= 8, f"most kills came before there was anything to kill: {result}"
