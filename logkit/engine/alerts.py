"""Alerts: conditions on snapshots, looked at now and then on a thread of their own, `logkit-alerts`."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from logkit.capture import AlertStatus
from logkit.engine.threads import Activity, EngineThread, describe
from logkit.errors import SettingError

if TYPE_CHECKING:
    from logkit.snapshot import Snapshot

Condition = Callable[["Snapshot"], object]
Action = Callable[["Snapshot"], object]

_IDLE_SECONDS = 60.0


class Alert:
    """One condition, and whether it holds. Made by `Monitor.when`; any thread may ask it.

    quiet: it does not hold. pending: it holds, not yet for `hold_seconds`. firing: it has; `call` was called once, and
    is called again only after the alert was quiet. What ends the firing is `clear` (the condition being false, by
    default) for `clear_seconds`: between the two it stays what it is, so that a value at the edge gives one alert.
    """

    def __init__(
        self,
        name: str,
        condition: Condition,
        call: Action,
        every: float,
        hold_seconds: float,
        clear: Condition | None,
        clear_seconds: float,
    ) -> None:
        self.name = name
        self._condition, self._call, self._clear = condition, call, clear
        self._every, self._hold_seconds, self._clear_seconds = every, hold_seconds, clear_seconds
        self._state, self._since = "quiet", time.time()
        self._held_since: float | None = None
        self._cleared_since: float | None = None
        self._fired = self._checks = self._failures = 0
        self._error: str | None = None
        self._stopped = False
        self.next_check = 0.0

    @property
    def state(self) -> str:
        """quiet, pending or firing."""
        return self._state

    @property
    def fired(self) -> int:
        """How often `call` has been called."""
        return self._fired

    @property
    def error(self) -> str | None:
        """What the condition or `call` raised last; None once they work again."""
        return self._error

    @property
    def stopped(self) -> bool:
        """Whether it is no longer looked at."""
        return self._stopped

    def stop(self) -> None:
        """Look at it no more. May be called again."""
        self._stopped = True

    def status(self) -> AlertStatus:
        """A frozen copy."""
        return AlertStatus(self.name, self._state, self._since, self._fired, self._checks, self._failures, self._error)

    def check(self, snapshot: Snapshot, now: float) -> BaseException | None:
        """Look at it once, at an instant of the monotonic clock; what the user's functions raised, or None."""
        self._checks += 1
        self.next_check = now + self._every
        try:
            if self._moves(snapshot, now):
                self._fired += 1
                self._call(snapshot)
        except (SystemExit, KeyboardInterrupt) as error:
            return self._failed(error)
        except BaseException as error:
            return self._failed(error)
        self._error = None
        return None

    def _failed(self, error: BaseException) -> BaseException:
        self._failures += 1
        self._error = describe(error)
        return error

    def _moves(self, snapshot: Snapshot, now: float) -> bool:
        """Take the step to the next state; whether it is the one at which `call` is called."""
        holds = bool(self._condition(snapshot))
        if self._state == "firing":
            over = bool(self._clear(snapshot)) if self._clear is not None else not holds
            self._cleared_since = (self._cleared_since or now) if over else None
            if self._cleared_since is not None and now - self._cleared_since >= self._clear_seconds:
                self._enter("quiet")
            return False
        self._held_since = (now if self._held_since is None else self._held_since) if holds else None
        if self._held_since is None:
            self._enter("quiet")
            return False
        if now - self._held_since < self._hold_seconds:
            self._enter("pending")
            return False
        self._enter("firing")
        self._cleared_since = None
        return True

    def _enter(self, state: str) -> None:
        if state != self._state:
            self._state, self._since = state, time.time()
        if state == "quiet":
            self._held_since = self._cleared_since = None

    def __repr__(self) -> str:
        wrong = f", failed: {self._error}" if self._error else ""
        return f"<Alert {self.name!r}: {'stopped' if self._stopped else self._state}, fired {self._fired} times{wrong}>"


class Alerts:
    """All alerts of one monitor, and their thread, which begins with the first of them."""

    def __init__(self, snapshot: Callable[[], Snapshot], keep_intervals: int = 0) -> None:
        self._snapshot = snapshot
        self._keep_intervals = keep_intervals
        self._numbers = itertools.count(1)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        # guards: _alerts, _thread. Held to copy and to assign.
        self._lock = threading.Lock()
        self._alerts: tuple[Alert, ...] = ()
        self._thread: EngineThread | None = None

    def add(
        self,
        condition: Condition,
        call: Action,
        every: float,
        hold_seconds: float,
        clear: Condition | None,
        clear_seconds: float,
        name: str | None,
    ) -> Alert:
        """See `Monitor.when`."""
        for setting, function in {"condition": condition, "call": call, "clear": clear}.items():
            if not callable(function) and not (setting == "clear" and function is None):
                message = f"expected {setting}= to be a function of a snapshot, found {function!r}"
                raise SettingError(message, setting=setting, value=function)
        for setting, value in {"every": every, "hold_seconds": hold_seconds, "clear_seconds": clear_seconds}.items():
            if not isinstance(value, int | float) or value < 0 or (setting == "every" and value == 0):
                message = f"expected {setting}= to be a number of seconds, found {value!r}; try 1.0"
                raise SettingError(message, setting=setting, value=value)
        number = next(self._numbers)
        alert = Alert(name or f"alert {number}", condition, call, every, hold_seconds, clear, clear_seconds)
        with self._lock:
            self._alerts = (*(one for one in self._alerts if not one.stopped), alert)
            if self._thread is None and not self._stopping.is_set():
                self._thread = EngineThread("logkit-alerts", self.loop, self._died, self._keep_intervals)
                self._thread.start()
        self._wake.set()
        return alert

    @property
    def all(self) -> tuple[Alert, ...]:
        """Those that are looked at."""
        with self._lock:
            return tuple(alert for alert in self._alerts if not alert.stopped)

    @property
    def thread(self) -> EngineThread | None:
        """Its thread, None while there is none."""
        with self._lock:
            return self._thread

    def loop(self, activity: Activity) -> None:
        """Look at what is due until it is stopped."""
        while not self._stopping.is_set():
            wait = self.step(activity, time.monotonic())
            activity.enter("sleeping")
            self._wake.wait(wait)
            self._wake.clear()

    def step(self, activity: Activity, now: float) -> float:
        """Look at every alert that is due, all at one snapshot; seconds until the next is."""
        due = [alert for alert in self.all if alert.next_check <= now]
        if due:
            activity.enter("working", ", ".join(alert.name for alert in due))
            snapshot = self._snapshot()
            for alert in due:
                if self._stopping.is_set():
                    break
                if (error := alert.check(snapshot, now)) is not None:
                    activity.failed(error)
            activity.spans += 1
        now = time.monotonic()
        return max(0.0, min((alert.next_check - now for alert in self.all), default=_IDLE_SECONDS))

    def stop(self, timeout_seconds: float) -> bool:
        """End the thread; False where the user's function takes longer than that. May be called again."""
        self._stopping.set()
        self._wake.set()
        thread = self.thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout_seconds)
        return thread is None or not thread.is_alive()

    def _died(self, thread: EngineThread, error: BaseException) -> None:
        """Nothing of the user's ends it; what ends it nevertheless shows in `snap.threads`, all alerts as they were."""
