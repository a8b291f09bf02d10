"""A calm progress bar over the engine's totals."""

from __future__ import annotations

import sys
import time
from typing import Any

from logkit.engine.state import Totals

_AFTER_SECONDS = 2.0  # loading the libraries for the first time is no long work


class Bar:
    """A tqdm bar in bytes, which appears only where a reading takes longer than two seconds."""

    def __init__(self, wanted: bool | None) -> None:
        self._wanted = ("ipykernel" in sys.modules or sys.stderr.isatty()) if wanted is None else wanted
        self._bar: Any = None
        self._began = time.monotonic()

    def __enter__(self) -> Bar:
        return self

    def show(self, totals: Totals) -> None:
        if not self._wanted or (self._bar is None and time.monotonic() - self._began < _AFTER_SECONDS):
            return
        if self._bar is None:
            from tqdm.auto import tqdm

            self._bar = tqdm(unit="B", unit_scale=True, unit_divisor=1000, desc="logkit.read", leave=False)
        self._bar.total = totals.total_bytes
        self._bar.n = min(totals.finished_bytes, totals.total_bytes)
        rate = totals.events / max(time.monotonic() - self._began, 1e-9)
        self._bar.set_postfix_str(f"{totals.events:,} events, {rate / 1e6:.2f} M/s", refresh=True)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
