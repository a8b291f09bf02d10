"""A calm progress bar over the engine's totals."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from logkit.engine.state import Totals

_AFTER_SECONDS = 2.0  # loading the libraries for the first time is no long work
# shorter than tqdm's own: in a notebook the bar has what the words leave of the line
_LOOK = "{l_bar}{bar}| {n_fmt}B of {total_fmt}B, {elapsed}<{remaining}{postfix}"


class Bar:
    """A tqdm bar in bytes, which appears only where a reading takes longer than two seconds."""

    def __init__(self, wanted: bool | None) -> None:
        self._wanted = ("ipykernel" in sys.modules or sys.stderr.isatty()) if wanted is None else wanted
        self._bar: Any = None
        self._began = time.monotonic()
        self._found = ""
        self._ask_at = 0.0

    def __enter__(self) -> Bar:
        return self

    def show(self, totals: Totals, found: Callable[[], str] = str) -> None:
        """Move it along; `found` says what there is so far, and is asked only where the bar is shown."""
        if not self._wanted or (self._bar is None and time.monotonic() - self._began < _AFTER_SECONDS):
            return
        if self._bar is None:
            from tqdm.auto import tqdm

            total = totals.total_bytes
            self._bar = tqdm(total=total, unit_scale=True, desc="logkit.read", leave=False, bar_format=_LOOK)
        elif self._bar.total != totals.total_bytes:
            self._bar.reset(totals.total_bytes)  # in a notebook the bar's end moves only so
        self._bar.start_t = time.time() - (time.monotonic() - self._began)  # by tqdm's clock
        self._bar.n = min(totals.finished_bytes, totals.total_bytes)
        said = [f"{totals.events:,} events", self._say(found)]
        self._bar.set_postfix_str(", ".join(filter(None, said)), refresh=True)

    def _say(self, found: Callable[[], str]) -> str:
        """Asked once a second at most, and for no more than a twentieth of the time."""
        began = time.monotonic()
        if began >= self._ask_at:
            self._found = found()
            self._ask_at = began + max(1.0, 20 * (time.monotonic() - began))
        return self._found

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
