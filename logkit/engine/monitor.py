"""The monitor: the public life of an engine, from start to stop."""

from __future__ import annotations

import atexit
import difflib
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from logkit.capture import Capture
from logkit.engine.alerts import Alert, Alerts
from logkit.engine.bar import Bar
from logkit.engine.core import Engine, StopResult
from logkit.engine.settings import Settings, quarter_of_memory
from logkit.errors import EngineError, Forked, SettingError, SinkError, StoreError
from logkit.sinks.protocol import Sink
from logkit.snapshot import Snapshot
from logkit.sources import Roots, ServiceRule
from logkit.sources.discovery import PathLike
from logkit.sources.service import shown
from logkit.views.panel import Panel, Panels, in_kernel
from logkit.views.style import count

if TYPE_CHECKING:
    from logkit.analysis.activity import ActivityFrame
    from logkit.sinks.store import Store

Paths = PathLike | Iterable[PathLike]

_EXIT_SECONDS = 2.0
_CLOSING_SECONDS = 60.0  # a large store takes a while to close, and `read` has nothing else to do
_numbers = itertools.count(1)


class Monitor:
    """A running engine on some paths. Made by `logkit.watch`; also a context manager that stops it.

    All methods may be called from any thread.
    """

    def __init__(
        self,
        roots: Roots,
        settings: Settings,
        service: ServiceRule,
        store: Store | None = None,
        sinks: Sequence[Sink] = (),
    ) -> None:
        self._engine = Engine(roots, settings, service, store, sinks)
        self._pid = os.getpid()
        self._name = f"{self._pid}-{next(_numbers)}"
        self._finished = False
        self._panels = Panels(self)
        self._alerts = Alerts(self.snapshot, settings.keep_intervals)
        try:
            self._engine.start()
        except BaseException:
            self._engine.stop(_EXIT_SECONDS)
            raise

    def snapshot(self) -> Snapshot:
        """What the engine knows now: an immutable value whose parts agree with each other. Takes milliseconds."""
        return Snapshot(self._capture())

    def _capture(self) -> Capture:
        self._check_process()
        engine, settings = self._engine, self._engine.settings
        view, alerts = engine.state.view(), self._alerts.thread
        return Capture(
            lineage=self._name,
            version=view.version,
            taken_at=time.time(),
            clock=time.monotonic(),
            state=self.state,
            roots=engine.roots.paths,
            timezone=settings.timezone,
            parts=view.parts,
            frames=view.frames,
            keep_events=settings.keep_events,
            keep_bytes=settings.keep_bytes,
            dropped_events=view.dropped_events,
            sources=view.statuses,
            threads=(*engine.threads(), *((alerts.activity.status(alerts.is_alive()),) if alerts else ())),
            queue_depth=engine.queue.qsize(),
            queue_size=engine.queue.maxsize,
            patterns=settings.patterns,
            skipped=tuple((shown(one.path), one.reason) for one in engine.watcher.skipped),
            store=engine.store_view(view.seq, view.retention),
            store_status=engine.store_status(),
            sinks=engine.sinks(),
            alerts=tuple(alert.status() for alert in self._alerts.all),
        )

    def activity(self, last_seconds: float | None = None) -> ActivityFrame:
        """What the threads have been doing: `snapshot().activity(last_seconds)`, one row per interval."""
        return self.snapshot().activity(last_seconds)

    def wait_idle(self, timeout_seconds: float | None = 10.0) -> bool:
        """Wait until everything that is on disk now has been read; False where the deadline passes first.

        An unfinished last line counts as read once it has been quiet for `idle_flush_seconds`.
        """
        self._check_process()
        ticket = self._engine.state.ask()
        self._engine.watcher.nudge()
        return self._engine.state.wait_answer(ticket, timeout_seconds)

    def stop(self, timeout_seconds: float = 5.0) -> StopResult:
        """Stop all threads and say which is still alive, if any. May be called again; snapshots still work.

        Sinks are given what was read for them until the deadline; the result says what is left.
        """
        self._check_process()
        _forget(self)
        deadline = time.monotonic() + timeout_seconds
        result = self._engine.stop(timeout_seconds)
        alive = () if self._alerts.stop(max(0.0, deadline - time.monotonic())) else ("logkit-alerts",)
        if not self._panels.close(timeout_seconds):
            alive = (*alive, "logkit-refresher")
        return replace(result, alive=(*result.alive, *alive)) if alive else result

    def when(
        self,
        condition: Callable[[Snapshot], object],
        *,
        call: Callable[[Snapshot], object],
        every: float = 1.0,
        hold_seconds: float = 0.0,
        clear: Callable[[Snapshot], object] | None = None,
        clear_seconds: float = 0.0,
        name: str | None = None,
    ) -> Alert:
        """Call `call(snapshot)` when `condition(snapshot)` comes true, looked at every so many seconds.

        It is called once, and again only when the condition was over in between: false (or, with it, `clear` true) for
        `clear_seconds`. hold_seconds: how long it must hold first. All alerts of a monitor are looked at on one thread,
        `logkit-alerts`: what their functions raise is shown in `snap.alerts` and `snap.threads`, and ends nothing.
        `stop()` of what is returned ends it. Raises SettingError.

        >>> monitor.when(lambda snap: snap.services.error_rate.max() > 0.1, every=5, call=page,
        ...              clear=lambda snap: snap.services.error_rate.max() < 0.05)         # doctest: +SKIP
        """
        self._check_process()
        return self._alerts.add(condition, call, every, hold_seconds, clear, clear_seconds, name)

    def panel(self, window: Any = "15min", by: Literal["level", "service"] = "level") -> Panel:
        """A live view, shown where it is the last expression of a cell; displaying the monitor shows this one.

        window: how much of the newest time it covers, "all" for everything. by: what its timeline is stacked by.
        Asking again for the same gives the same panel. Reading goes on without it. Raises `SettingError`.
        """
        return self._panels.get(window, by)

    def _ipython_display_(self) -> None:
        if not in_kernel():
            print(repr(self))
            return
        self.panel()._ipython_display_()

    @property
    def state(self) -> str:
        """running, finished (a `read` that came to its end), stopped or failed."""
        if self._engine.failed:
            return "failed"
        if self._finished:
            return "finished"
        return "stopped" if self._engine.stopping.is_set() else "running"

    @property
    def settings(self) -> Settings:
        """The settings it was made with."""
        return self._engine.settings

    @property
    def roots(self) -> tuple[str, ...]:
        """The resolved paths it watches."""
        return self._engine.roots.paths

    def __enter__(self) -> Monitor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        view = self._engine.state.view()
        events = sum(status.events for status in view.statuses)
        where = self.roots[0] if len(self.roots) == 1 else f"{len(self.roots)} paths"
        lag = sum(max(0, s.size_bytes - s.offset_bytes) for s in view.statuses if s.state in ("reading", "waiting"))
        behind = f", {lag / 1e6:.1f} MB behind" if lag else ""
        return f"<Monitor of {where}: {self.state}, {events:,} events from {len(view.statuses):,} files{behind}>"

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise Forked(
                f"expected to be in process {self._pid}, where this monitor's threads live, found a fork of it "
                f"({os.getpid()}); try logkit.watch(...) again here, or a spawned process instead of a forked one",
                pid=self._pid,
            )


# guards: _running. The monitors that run in this process, by resolved paths: it is this dictionary that keeps a monitor
# without a name alive, and by which a cell run twice replaces its first monitor.
_running_lock = threading.Lock()
_running: dict[tuple[str, ...], Monitor] = {}

# makes replacing a monitor one step: two cells or threads that watch the same paths at once leave one of them
_watch_lock = threading.RLock()


def watch(
    paths: Paths,
    *,
    service: object = None,
    timezone: str = "UTC",
    keep_events: int = 200_000,
    missing_ok: bool = False,
    store: PathLike | None = None,
    sinks: Sequence[Sink] = (),
    **settings: Any,
) -> Monitor:
    """Start threads that read these paths now and whatever is added to them; returns at once.

    paths: a file, a folder (recursive), a glob, or a list of them. service: a regular expression on the path, a Polars
    expression, or a function of the path (and the events); by default the line's own service, else the file's name.
    timezone: where times without a zone were written. keep_events: rows kept in memory, the newest (0: statistics
    alone). missing_ok: allow a folder yet to be made. store: a DuckDB file that is to hold all rows, each exactly once,
    and from which a restart goes on, however the process ended; memory then keeps none. sinks: where the rows are to go
    besides (`logkit.sinks`), each from where it was. Further settings are those of `logkit.Settings`.

    Watching the same paths again stops the first monitor and replaces it. Raises `PathError`, `SettingError`, and the
    `StoreError` family where the store cannot be used, `SinkError` where a sink cannot begin.
    """
    roots = Roots.of(paths, missing_ok=missing_ok)
    checked = checked_settings(timezone=timezone, keep_events=keep_events, missing_ok=missing_ok, **settings)
    rule = ServiceRule.of(service)
    with _watch_lock:
        with _running_lock:
            before = _running.pop(roots.key, None)
        if before is not None:
            before.stop()
        monitor = _monitor(roots, checked, rule, store, sinks)
        with _running_lock:
            _running[roots.key] = monitor
    return monitor


def read(
    paths: Paths,
    *,
    service: object = None,
    timezone: str = "UTC",
    keep_events: int | None = None,
    keep_bytes: int | None = None,
    progress: bool | None = None,
    store: PathLike | None = None,
    sinks: Sequence[Sink] = (),
    **settings: Any,
) -> Snapshot:
    """Read these paths to their end, as they are now, and return the last snapshot.

    The same engine as `watch`, with the same arguments. keep_events: all by default, as far as `keep_bytes` (a quarter
    of RAM) allows; 0 keeps statistics alone, and memory stays flat however large the files. progress: a bar; by default
    in a notebook and on a terminal. store: as in `watch`; what it has of these files already is not read again. sinks:
    as in `watch`; raises SinkError where one did not get everything, when all others have. Interrupting it stops the
    threads.
    """
    roots = Roots.of(paths)
    checked = checked_settings(
        timezone=timezone,
        keep_events=sys.maxsize if keep_events is None else keep_events,
        keep_bytes=quarter_of_memory() if keep_bytes is None else keep_bytes,
        finite=True,
        **settings,
    )
    monitor = _monitor(roots, checked, ServiceRule.of(service), store, sinks)
    try:
        _see_through(monitor, progress)
    finally:
        monitor.stop(_CLOSING_SECONDS)
    _check_written(monitor)
    if monitor.state == "failed":
        raise EngineError(
            f"expected the engine to read to the end, found {monitor._engine.failed}; what it had read is lost"
        )
    return monitor.snapshot()


def _see_through(monitor: Monitor, progress: bool | None) -> None:
    """Wait for the end, a bar moving along."""
    engine = monitor._engine
    ticket = engine.state.ask()
    engine.watcher.nudge()

    def found() -> str:
        stats = monitor.snapshot().stats
        return f"{count(len(stats.services), 'service')}, {count(stats.errors, 'error')}"

    with Bar(progress) as bar:
        while not engine.state.wait_answer(ticket, 0.1):
            if engine.stopping.is_set() or engine.store_is_hopeless:
                return
            bar.show(engine.state.totals(), found)
        bar.show(engine.state.totals(), found)
    monitor._finished = True


def _check_written(monitor: Monitor) -> None:
    """Raises StoreError where the store, and SinkError where a sink, did not get everything."""
    status = monitor._engine.store_status()
    if status is not None and status.error is not None:
        raise StoreError(
            f"{status.error}; what is committed stays, and the same call goes on from there", path=status.path
        )
    for sink in monitor._engine.sinks():
        if sink.waiting_events or sink.dropped_events:
            missing = f"{sink.waiting_events + sink.dropped_events:,} events were not sent"
            raise SinkError(
                f"expected the sink {sink.name!r} to take everything, found: {sink.error or 'no room'}; {missing}, "
                "and the same call sends them",
                sink=sink.name,
            )


def _monitor(
    roots: Roots, settings: Settings, rule: ServiceRule, store: PathLike | None, sinks: Sequence[Sink]
) -> Monitor:
    """A monitor, with the store it writes to opened for it."""
    if isinstance(sinks, Sink) or not all(isinstance(sink, Sink) for sink in sinks):
        message = f"expected sinks= to be a list of logkit.sinks.Sink, found {sinks!r}; try sinks=[…]"
        raise SettingError(message, setting="sinks", value=sinks)
    if store is None:
        return Monitor(roots, settings, rule, None, sinks)
    from logkit.sinks.store import Store

    opened = Store.open(store)
    try:
        return Monitor(roots, settings, rule, opened, sinks)
    except BaseException:
        opened.close()
        raise


def checked_settings(**settings: Any) -> Settings:
    """The settings that a caller has given; raises `SettingError` for names there are not."""
    unknown = sorted(set(settings) - set(Settings.__dataclass_fields__))
    if unknown:
        near = difflib.get_close_matches(unknown[0], Settings.__dataclass_fields__, n=1)
        raise SettingError(
            f"expected a setting, found {unknown[0]}=; try {near[0] + '=' if near else 'help(logkit.Settings)'}",
            setting=unknown[0],
            value=settings[unknown[0]],
        )
    return Settings(**settings)


def _forget(monitor: Monitor) -> None:
    with _running_lock:
        for key in [key for key, one in _running.items() if one is monitor]:
            del _running[key]


def _forget_parents() -> None:
    """In a forked child: its parent's threads are not here, and its locks may have been held when it forked."""
    global _running_lock, _watch_lock
    _running_lock, _watch_lock = threading.Lock(), threading.RLock()
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents)


@atexit.register
def _stop_all() -> None:
    """At the interpreter's end: daemon threads would be cut off in the middle of their work."""
    with _running_lock:
        monitors = [m for m in _running.values() if m._pid == os.getpid()]
    for monitor in monitors:
        monitor.stop(_EXIT_SECONDS)
