"""`Panel`: what a user holds of a live panel, and `Panels`: all of one monitor."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from logkit.errors import SettingError
from logkit.views.panel import notebook
from logkit.views.panel.counts import Counter, Window, window_of
from logkit.views.panel.errors import Asked, Finder
from logkit.views.panel.look import Look, look, quiet_key
from logkit.views.panel.moment import By, Moment, Wanted
from logkit.views.panel.refresher import Refresher, Source
from logkit.views.panel.traffic import wanted_services

if TYPE_CHECKING:
    from logkit.capture import Capture
    from logkit.snapshot import Snapshot
    from logkit.views.panel.face import Face

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_DISPLAYS: Final = 64
_END_SECONDS: Final = 5.0
_MOST_STILLS: Final = 4

_stills: deque[Face] = deque()
"""The faces of panels that ended last, each a widget with a still picture; older ones are closed."""


class Panels:
    """All panels of one monitor: one for each window and way to stack, shown as often as one likes."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._refresher = Refresher(source)
        self._panels: dict[tuple[int | None, str], Panel] = {}

    def get(self, window: Any, by: By) -> Panel:
        """The open panel of this window and way to stack, or a new one. See `Monitor.panel`."""
        wanted = Wanted(window_us=_window_us(window), by=_checked(by))
        key = wanted.window_us, wanted.by
        panel = self._panels.get(key)
        if panel is None or panel.closed:
            panel = self._panels[key] = Panel(self._source, self._refresher, wanted)
        return panel

    def close(self, timeout_seconds: float = _END_SECONDS) -> bool:
        """Freeze all panels and end their thread; False where that takes longer than the deadline."""
        panels = tuple(self._panels.values())
        return self._refresher.end(panels, timeout_seconds) and self._refresher.join(timeout_seconds)


class Panel:
    """A live view of a monitor. Displaying it starts it; closing it, or stopping the monitor, leaves a still one.

    Any thread may use it, except that it is displayed from a cell.
    """

    def __init__(self, source: Source, refresher: Refresher, wanted: Wanted) -> None:
        self._source = source
        self._refresher = refresher
        self._wanted = wanted
        self._face: Face | None = None
        self._displays: list[str] = []
        self._counter, self._finder = Counter(), Finder()
        self._window: Window | None = None
        self._look: Look | None = None
        self._shown_quiet: object = None
        self._still = ""
        self.closed = False
        self.failure: BaseException | None = None

    def close(self, timeout_seconds: float = _END_SECONDS) -> bool:
        """Leave a still picture in its place; False where that takes longer than the deadline. May be called again."""
        if self._face is None:
            self.closed = True
        return self._refresher.end((self,), timeout_seconds)

    @property
    def selection(self) -> tuple[datetime, datetime] | None:
        """The time chosen on the timeline with the mouse, as `(start, end)` in UTC at the edges of bars; else None.

        What the browser chose arrives when the running cell has ended.
        """
        wanted, window = self._face.wanted() if self._face and not self.closed else self._wanted, self._window
        if wanted.selection is None or window is None:
            return None
        start, stop = _snapped(wanted.selection, window)
        return _EPOCH + timedelta(microseconds=start), _EPOCH + timedelta(microseconds=stop)

    def selected(self) -> Snapshot:
        """The snapshot of now, of the time chosen on the timeline: all of it where none is chosen.

        Raises NeedsEvents as `Snapshot.between` does.
        """
        chosen = self.selection
        snapshot = self._source.snapshot()
        return snapshot if chosen is None else snapshot.between(*chosen)

    def __repr__(self) -> str:
        state = "failed" if self.failure else "closed" if self.closed else "live" if self._face else "not shown yet"
        return f"<Panel: {state}, shown {len(self._displays)} times>"

    # -- showing it

    def _ipython_display_(self) -> None:
        if not notebook.in_kernel():
            print(repr(self))
            return
        if self._face is None and not self.closed:
            self._open()
        if self.closed:
            notebook.show_html(self._still, repr(self))
            return
        assert self._face is not None
        self._displays = [*self._displays, notebook.show_widget(self._face.root)][-_MOST_DISPLAYS:]
        self._refresher.add(self)

    def _open(self) -> None:
        """Make the widgets and fill them, before there is a second writer; of what has stopped, a still one."""
        from logkit.views.panel.face import Face

        capture = self._source.snapshot().capture
        moment = Moment(capture).next(capture)
        face = Face(self._wanted)
        try:
            self._show(moment, face, self._wanted)
        except BaseException:
            face.close()
            raise
        self._face = face
        if capture.state != "running":
            self.finish(moment, None)

    # -- called by the refresher

    def refresh(self, moment: Moment) -> None:
        """Show this moment, where anything is to be seen that was not before."""
        face = self._face
        assert face is not None
        wanted = face.wanted()
        key = quiet_key(moment, wanted)
        if (key is not None and key == self._shown_quiet) or (wanted.paused and self._wanted.paused):
            return
        self._show(moment, face, wanted)
        self._shown_quiet = key

    def _show(self, moment: Moment, face: Face, wanted: Wanted) -> None:
        parts = moment.capture.parts or ()  # a monitor always has them
        if wanted.selection is None or self._window is None:
            self._window = window_of(parts, wanted.window_us, round(moment.capture.taken_at * 1e6))
        if wanted.selection is not None and self._window is not None:
            wanted = wanted.selecting(_snapped(wanted.selection, self._window))
        counts = self._counter.count(parts, self._window)
        services = None
        if wanted.services:
            chosen = wanted_services(counts.names, wanted.services)
            services = tuple(name for name, has in zip(counts.names, chosen, strict=True) if has)
        errors = self._finder.newest(moment.capture, Asked(services, wanted.min_level))
        note = self._finder.trouble or ("" if errors else _no_errors(moment.capture))
        self._look = look(moment, counts, errors, note, wanted)
        face.show(self._look)
        self._wanted = wanted

    def finish(self, moment: Moment | None, failure: BaseException | None) -> None:
        """Freeze: show the last moment, then put a still picture in the place of the widgets and close them."""
        from logkit.views.panel import frozen, markup, sheet

        face = self._face
        assert face is not None
        self.failure = failure
        try:
            if moment is not None:
                self._show(moment, face, face.wanted().resumed())
            assert self._look is not None
            self._still = frozen.html(self._look, self._wanted.by)
        except Exception as error:
            self.failure = self.failure or error
            self._still = ""
        if self.failure is not None:
            self._still = sheet.inlined(markup.failure(repr(self.failure))) + self._still
        self.closed = True
        notebook.replace(self._displays, self._still, repr(self))
        if not self._displays:
            face.close()
            return
        face.freeze(self._still)
        _stills.append(face)
        while len(_stills) > _MOST_STILLS:
            _stills.popleft().close()


def _no_errors(capture: Capture) -> str:
    if capture.store is None and not (capture.keep_events and capture.keep_bytes):
        return "no rows are kept: keep_events=0"
    return "no errors"


def _snapped(selection: tuple[int, int], window: Window) -> tuple[int, int]:
    """To the edges of the bars that were touched."""
    start, stop = selection
    return (
        window.start_us + (start - window.start_us) // window.width_us * window.width_us,
        window.start_us - (window.start_us - stop) // window.width_us * window.width_us,
    )


def _window_us(window: Any) -> int | None:
    """A length of time as whole µs; None and "all" are all of it."""
    if window is None or window == "all":
        return None
    import pandas as pd

    try:
        us = int(pd.Timedelta(window).as_unit("ns").value) // 1000
    except (ValueError, TypeError, OverflowError) as error:
        raise _no_window(window) from error
    if us < 1_000_000:
        raise _no_window(window)
    return us // 1_000_000 * 1_000_000


def _no_window(window: Any) -> SettingError:
    message = f'expected window= as a length of time of 1 s or more, found {window!r}; try "15min" or "all"'
    return SettingError(message, setting="window", value=window)


def _checked(by: Any) -> By:
    if by not in ("level", "service"):
        raise SettingError(f'expected by= as "level" or "service", found {by!r}', setting="by", value=by)
    chosen: By = by
    return chosen
