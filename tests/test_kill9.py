"""The kill -9 loop, its quick version: `python -m tests.kill9 --kills 300` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kill9 import run, run_sink
from tests.servers import postgres_programs


def test_killed_at_any_instant_again_and_again_every_line_is_there_once(tmp_path: Path) -> None:
    result = run(tmp_path, kills=25, seed=1, longest_seconds=0.5)
    assert result.clean, result
    assert result.kills == 25
    assert result.while_watching >= 8, f"most kills came before there was anything to kill: {result}"


@pytest.mark.parametrize("with_store", [False, True], ids=["alone", "with a store"])
def test_postgres_has_every_line_once_whoever_is_killed(tmp_path: Path, with_store: bool) -> None:
    if postgres_programs() is None:
        pytest.skip("needs PostgreSQL (the Debian package postgresql), which is not installed")
    result = run_sink("postgres", tmp_path, kills=3, seed=1, longest_seconds=0.7, with_store=with_store)
    assert result.clean, result


def test_an_api_has_every_line_once_after_removing_equal_keys(tmp_path: Path) -> None:
    result = run_sink("http", tmp_path, kills=4, seed=1, longest_seconds=0.7)
    assert result.clean, result
