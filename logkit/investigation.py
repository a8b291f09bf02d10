"""What a post-mortem asks of a snapshot: when, what changed, where from, and the evidence. Thin; `analysis` answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from logkit.analysis.conditions import level_name, time_us
from logkit.errors import SettingError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import pandas as pd

    from logkit.analysis.evidence import Evidence
    from logkit.analysis.propagation import Propagation
    from logkit.snapshot import Snapshot
    from logkit.views.report.redact import Redact


class Investigation:
    """The part of `Snapshot` that is for incidents."""

    __slots__ = ()

    # -- when ----------------------------------------------------------------------------------------

    def bursts(self) -> pd.DataFrame:
        """When it went wrong: the times a service's error rate or latency was above its usual, the surest first.

        service, measure (`error_rate`, or `latency`), start, peak, end (UTC, to a bin of the statistics), ongoing
        (bool, lasts to the end of what is known), events (int64, those counted), value, at_peak and baseline (float64:
        share of errors, or p95 in ms), score (chi-squared of 1 degree of freedom against the quiet quarter of the
        service, divided by how much more than independent events its neighbouring bins differ).

        A row is a window for `compare`, `propagation`, `report`. Made from statistics alone, so it needs no rows.
        Change points by optimal partitioning, latency by rank; services with fewer than 5 errors or 20 durations are
        left out. A service in trouble for more than three quarters of its events has no quiet to compare with.

        >>> snap.bursts().iloc[0]                                                   # doctest: +SKIP
        """
        from logkit.analysis.bursts import bursts

        snap = self._snapshot
        return snap._once("bursts", lambda: bursts(snap.stats)).copy(deep=False)

    def silences(self) -> pd.DataFrame:
        """Services that stopped logging for longer than their usual gaps explain, those still silent first.

        service, start, end (UTC; NaT while it lasts), seconds, ongoing, missing_events (float64, at its usual rate),
        p_value (of so long a gap by chance, all gaps tried; at most 1 in 100,000), cause (`service is silent`, or
        `reader is behind` where bytes of its files are still unread), lag_bytes (int64). Made from statistics alone.
        Services with fewer than 20 events are left out.
        """
        from logkit.analysis.silences import silences

        snap = self._snapshot
        return snap._once("silences", lambda: silences(snap)).copy(deep=False)

    def first_seen(self, since: Any) -> pd.DataFrame:
        """The message templates that first occur at `since` or later, the earliest first: rows of `patterns`."""
        from logkit.analysis.appearances import first_seen

        return first_seen(self._snapshot, since)

    def vanished(self, since: Any) -> pd.DataFrame:
        """The message templates not seen at `since` or later: rows of `patterns`, and `expected`.

        `expected` (float64) is how many there should have been since at the rate of before; the greatest come first.
        Where fewer than 3 were expected, none is no news.
        """
        from logkit.analysis.appearances import vanished

        return vanished(self._snapshot, since)

    # -- what ----------------------------------------------------------------------------------------

    def compare(self, window: Any = None, baseline: Any = None, *, fdr: float = 0.05) -> pd.DataFrame:
        """What changed: every dimension and every measure inside the window against the baseline, the most first.

        `window` is (start, end), a row of `bursts()`, a boolean mask over the rows of `events`, or None for the
        strongest burst. `baseline` is the same; None is all other events (with a time, where the window is one).
        Dimensions are service, level, message template (`pattern`), status, path without what names one thing, and
        every field of 2 to 200 values; measures (`duration_ms`, `bytes`) are compared within each service.

        dimension, value, change (in words), odds_ratio and its 95 % interval low to high, inside and outside (share of
        the events that have the dimension, or median), inside_events, outside_events, test (`G`, `exact`,
        `Mann-Whitney`), p_value, q_value (Benjamini and Hochberg over all tests), key (the raw value; the pattern's
        id). Rows with q_value <= `fdr`, ordered by how far the interval stays from 1, so that rare and lucky values
        stay below. The odds ratio of a measure is P(X > Y) / P(X < Y), X inside and Y outside.

        Assumed is that blocks of time are independent of each other (they take 1/200 of all the time, or 1/16 of the
        window, whichever is less, at least 1 s); events within one, of one trace or one wave, need not be. It tells
        what came together, not what caused what. Only rows kept are looked at. Raises SettingError for a window
        without events, SnapshotError where None finds no burst, NeedsEvents where no rows were kept.

        >>> snap.compare(("2026-03-02 09:26", "2026-03-02 09:40")).head(3)          # doctest: +SKIP
        >>> snap.compare(snap.events["status"] >= 500)                              # doctest: +SKIP
        """
        from logkit.analysis.compare import compare

        return compare(self._snapshot, window, baseline, fdr)

    # -- where from ----------------------------------------------------------------------------------

    def trace(self, id: str, *, deskew: bool = False) -> pd.DataFrame:
        """All events of a trace in order of time, across services; index `row`, the position in `events`.

        timestamp (UTC), since_ms (since the first), service, level, message, duration_ms, file, offset. An event
        belongs to it if its `trace_id` is `id`, or its message contains it. A service that writes whole seconds stands
        at the end of the second where it logs a duration, else at its beginning. `deskew` takes the clock skew that
        `skew()` is certain of off the times. Raises SettingError for an id that does not occur in the rows kept.
        """
        from logkit.analysis.traces import trace

        snap = self._snapshot
        made = snap._once(f"trace {deskew} {id}", lambda: trace(snap, id, self._shifts(deskew)))
        return made.copy(deep=False)

    def propagation(self, window: Any = None, *, min_level: str = "ERROR", deskew: bool = False) -> Propagation:
        """Where trouble began and how it spread: who erred first in each trace, summed into edges service to service.

        `window` as in `compare`, but no mask. The result's `origin` is the service that erred first in more traces than
        it does outside of the window; `edges`, `services` and `chain()` say the rest. Whole seconds tell order only
        between seconds; what they cannot tell, the majority of the traces that can decides, else who calls whom. Errors
        that name no trace are tied to those that come a moment after them, where far more do than by chance. `deskew`
        as in `trace`. Raises SnapshotError where None finds no burst, NeedsEvents where no rows were kept.
        """
        from logkit.analysis.propagation import propagation
        from logkit.analysis.windows import window_of

        snap, level = self._snapshot, level_name(min_level)
        known = window_of(snap, window)
        made = snap._once(
            f"propagation {known} {level} {deskew}", lambda: propagation(snap, known, level, self._shifts(deskew))
        )
        return replace(made, edges=made.edges.copy(deep=False), services=made.services.copy(deep=False))

    def skew(self) -> pd.DataFrame:
        """How far each service's clock is ahead of a reference, told from the traces they share; index `service`.

        reference (the service with the most shared traces), skew_ms and its bounds low_ms to high_ms (float64), traces,
        certain (0 is not within the bounds). Only services that share 20 traces with one that logs a duration, or
        twice in a trace, have a row. Nothing is corrected unless `deskew=True` asks for it, and then only what is
        certain.
        """
        from logkit.analysis.skew import skew

        snap = self._snapshot
        return snap._once("skew", lambda: skew(snap)).copy(deep=False)

    # -- evidence ------------------------------------------------------------------------------------

    def locate(self, row: Any, *, context: int = 3) -> Evidence:
        """The raw record behind a row, read from its file again, compressed or not, with `context` lines around it.

        `row` is a row of `events` (a Series) or of any frame with `file` and `offset`, or a position in `events`. The
        result has file, generation, start and stop (bytes of the decompressed content), text, before, after, and a
        shell `command` that prints the same bytes. Raises EvidenceLost where the file is gone or holds other text now.

        >>> print(snap.locate(snap.events.query("level == 'ERROR'").iloc[0]))       # doctest: +SKIP
        """
        from logkit.analysis.evidence import locate

        if not isinstance(context, int) or context < 0:
            message = f"expected context as a whole number of lines, found {context!r}; try 3"
            raise SettingError(message, setting="context", value=context)
        return locate(self._snapshot, row, context)

    def mark(self, when: Any, text: str) -> Snapshot:
        """The same snapshot with a note at an instant (UTC where it names no zone); plots and the report show it.

        >>> snap = snap.mark("2026-03-02 09:24", "catalog 4.12.0 deployed")         # doctest: +SKIP
        """
        us = time_us(when, "when")
        if us is None:
            raise SettingError("expected when as an instant, found None", setting="when", value=when)
        snap = self._snapshot
        marks = tuple(sorted({*snap.capture.marks, (us, str(text))}))
        made = type(snap)(replace(snap.capture, marks=marks))
        made._cache.update({name: part for name, part in snap._cache.items() if "marks" not in name})
        return made

    @property
    def marks(self) -> pd.DataFrame:
        """The notes made by `mark`: when (UTC), text; by time."""
        return self._snapshot._pandas("marks")

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        title: str = "Post-mortem",
        window: Any = None,
        baseline: Any = None,
        notes: str | Sequence[str] = (),
        redact: Redact = ("token",),
    ) -> str:
        """Write the post-mortem to one file, and return its path: `.html` (needs nothing else, no script) or `.md`.

        Summary in sentences, timeline, impact, what changed, messages first seen, how it spread, evidence with file and
        bytes, the ledger, how it was made. `window` and `baseline` as in `compare`, but no mask. `notes` are paragraphs
        of yours. `redact` names what is replaced in log text: "email", "ip", "token" (keys, passwords, JWTs),
        regular expressions, or True for the three; your own title, notes and marks stay as they are. It knows
        patterns, not meaning: read what you send. A file that is there is replaced; put it beside the logs, not
        among them. Raises SnapshotError where `window=None` finds no burst, PathError for a folder that is not there.

        >>> snap.report("postmortem.html", title="Lock timeouts", redact=True)      # doctest: +SKIP
        """
        from logkit.views.report import write

        return write(self._snapshot, path, title, window, baseline, notes, redact)

    # -- how it is made ------------------------------------------------------------------------------

    @property
    def _snapshot(self) -> Snapshot:
        return cast("Snapshot", self)

    def _shifts(self, deskew: bool) -> dict[str, float]:
        """What `deskew` takes off each service's times, in ms."""
        if not deskew:
            return {}
        from logkit.analysis.skew import shifts

        return shifts(self.skew())
