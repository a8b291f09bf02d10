"""The thread that moves the panels of one monitor, and the panel a user holds.

One daemon thread per monitor, `logkit-refresher`, is the only writer of all its widgets from the moment they are shown
until they are frozen: ipywidgets has no locks. It pulls one snapshot per round for all panels, and sends nothing where
nothing changed. It runs as long as there is a panel.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from logkit.snapshot import Snapshot
    from logkit.views.panel.moment import Moment

LEAST_PAUSE_SECONDS: Final = 0.5
_COST_FACTOR: Final = 30  # a round of cost c is followed by 30 c of rest: readers keep 97 % of a core

_log = logging.getLogger("logkit.panel")
_log.addHandler(logging.NullHandler())  # a thread's print would land in whatever cell is running


class Source(Protocol):
    """What panels look at: a monitor, as far as they know it."""

    def snapshot(self) -> Snapshot:
        """What it knows now. Any thread may call."""
        ...


class Refreshed(Protocol):
    """What the refresher moves."""

    def refresh(self, moment: Moment) -> None:
        """Show this moment."""
        ...

    def finish(self, moment: Moment | None, failure: BaseException | None) -> None:
        """Show nothing any more: freeze, or say what failed."""
        ...


class Refresher:
    """Moves panels from a thread of its own. Any thread may call its methods."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._wake = threading.Event()
        # guards: _panels, _ending, _thread; notified when panels have ended
        self._changed = threading.Condition()
        self._panels: tuple[Refreshed, ...] = ()
        self._ending: tuple[Refreshed, ...] = ()
        self._thread: threading.Thread | None = None

    def add(self, panel: Refreshed) -> None:
        """Move this panel from now on; start the thread if none runs."""
        with self._changed:
            if panel not in self._panels:
                self._panels += (panel,)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="logkit-refresher", daemon=True)
                self._thread.start()

    def end(self, panels: tuple[Refreshed, ...], timeout_seconds: float) -> bool:
        """Have the thread finish these panels; False where that takes longer than the deadline."""
        with self._changed:
            self._ending += tuple(panel for panel in panels if panel in self._panels)
            self._wake.set()
            return self._changed.wait_for(lambda: not set(panels) & set(self._panels), timeout_seconds)

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the thread to end, which it does without panels."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_seconds)
        return thread is None or not thread.is_alive()

    def _run(self) -> None:
        moment: Moment | None = None
        while True:
            began = time.thread_time()  # what it costs, not how long busy workers kept it waiting
            moment = self._round(moment)
            with self._changed:
                if not self._panels:
                    self._thread = None
                    return
            cost = time.thread_time() - began
            self._wake.wait(max(LEAST_PAUSE_SECONDS, _COST_FACTOR * cost))
            self._wake.clear()

    def _round(self, before: Moment | None) -> Moment | None:
        """Take one snapshot and show it on every panel. What fails on one panel is that panel's end, and no other's."""
        from logkit.views.panel.moment import Moment

        with self._changed:
            panels, ending = self._panels, self._ending
        try:
            capture = self._source.snapshot().capture
            moment = (before or Moment(capture)).next(capture)
        except Exception as error:
            _log.exception("a panel could not take a snapshot")
            self._finish(panels, None, error)
            return before
        for panel in panels:
            if panel in ending:
                self._finish((panel,), moment, None)
                continue
            try:
                panel.refresh(moment)
            except Exception as error:
                _log.exception("a panel could not be refreshed")
                self._finish((panel,), None, error)
        return moment

    def _finish(self, panels: tuple[Refreshed, ...], moment: Moment | None, failure: BaseException | None) -> None:
        for panel in panels:
            try:
                panel.finish(moment, failure)
            except Exception:
                _log.exception("a panel could not be frozen")
        with self._changed:
            self._panels = tuple(one for one in self._panels if one not in panels)
            self._ending = tuple(one for one in self._ending if one not in panels)
            self._changed.notify_all()
