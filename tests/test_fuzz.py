"""The fuzz run, its quick version: `python -m tests.fuzz --seconds 600` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import check


@pytest.mark.parametrize("seed", [1, 2])
def test_any_bytes_become_events_and_the_ledger_balances(seed: int, tmp_path: Path) -> None:
    assert check(tmp_path, seed, files=14) > 100
