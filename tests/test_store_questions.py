"""What a store answers is what the same rows in memory answer, whatever the rows: committed in any order, some held."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from logkit.analysis.columns import ROW, columns, place_at
from logkit.analysis.conditions import Condition
from logkit.capture import EventFrame
from logkit.errors import LogkitError
from logkit.schema import MASK
from logkit.snapshot import Snapshot
from logkit.stats.masks import mask
from logkit.stats.patterns import key_of
from tests import stores
from tests.captures import NOON, SECOND, capture, part, rows

WINDOW = (
    pd.Timestamp(NOON + 100 * SECOND, unit="us", tz="UTC"),
    pd.Timestamp(NOON + 220 * SECOND, unit="us", tz="UTC"),
)
MESSAGES = ("user {n} logged in", "took {n} ms", "lock timeout after {n}", "trace_id=abcdefab{n:02d} failed", "bye")

EVENT = st.fixed_dictionaries(
    {
        "timestamp": st.one_of(st.none(), st.integers(-50, 400).map(lambda s: NOON + s * SECOND + 1000 * (s % 7))),
        "level": st.sampled_from([None, "INFO", "WARN", "ERROR"]),
        "service": st.sampled_from(["a", "b", "c"]),
        "kind": st.integers(0, len(MESSAGES) - 1),
        "n": st.integers(0, 60),
        "status": st.sampled_from([None, 200, 500]),
        "pattern": st.sampled_from([None, "x", "y"]),
        "trace_id": st.sampled_from([None, "abcdefab01", "abcdefab02", "0123456789"]),
        "duration_ms": st.one_of(st.none(), st.floats(0, 1000)),
    }
)


def frames(events: list[dict[str, Any]], *, numbered: bool) -> list[EventFrame]:
    """The events as rows of two sources, a few in each frame; a field that none had would be none of a store's."""
    events = [{**events[0], "status": 500, "pattern": "x", "trace_id": "abcdefab01", "duration_ms": 1.5}, *events[1:]]
    made = [
        {
            **{k: v for k, v in event.items() if k not in ("kind", "n")},
            "message": MESSAGES[event["kind"]].format(**event),
        }
        for event in events
    ]
    parts = [part(rows(*made[at : at + 7], offset=100 * at), source=1 + at // 7 % 2) for at in range(0, len(made), 7)]
    if not numbered:
        return parts
    return [
        replace(one, frame=one.frame.with_columns(masked.each(pl.Series(MASK, map(key_of, masked.texts), pl.Int64))))
        for one in parts
        for masked in (mask(one.frame["message"]),)
    ]


@contextlib.contextmanager
def both(events: list[dict[str, Any]], *, numbered: bool, backwards: bool) -> Iterator[tuple[Snapshot, Snapshot]]:
    """The same rows in memory, and in a store but for the last frame, which is held."""
    parts = frames(events, numbered=numbered)
    *committed, held = parts
    held = replace(held, held=True)
    order = committed[::-1] if backwards else committed
    with (
        TemporaryDirectory() as folder,
        contextlib.closing(stores.at(Path(folder) / "s.duckdb", *([one] for one in order))) as store,
    ):
        stored = stores.stored(store, committed, [held], patterns=numbered)
        kept = Snapshot(replace(capture(*parts, sources=stored.capture.sources), patterns=numbered))
        yield kept, stored


def asked(ask: Callable[[Snapshot], Any], snap: Snapshot) -> Any:
    try:
        return ask(snap)
    except LogkitError as error:
        return type(error).__name__


def some(snap: Snapshot) -> pd.Series:
    return columns(snap, ["status"])["status"].eq_missing(500).to_pandas()


QUESTIONS: dict[str, Callable[[Snapshot], Any]] = {
    "compare a window": lambda snap: snap.compare(WINDOW, fdr=1),
    "compare a mask": lambda snap: snap.compare(some(snap), fdr=1),
    "compare two masks": lambda snap: snap.compare(
        some(snap).to_numpy(), ~some(snap).to_numpy() & (np.arange(len(snap)) % 2 == 0), fdr=1
    ),
    "parameters": lambda snap: snap.pattern(snap.patterns["pattern"].iloc[0]).parameters,
    "rows of a template": lambda snap: snap.pattern(snap.patterns["pattern"].iloc[0]).snapshot.events[["message"]],
    "by template and more": lambda snap: (
        snap.with_patterns()
        .where(pattern=list(snap.patterns["pattern"][:2]), service=["a", "b"])
        .events[["message", "service"]]
    ),
    "named rows": lambda snap: snap.with_patterns().events[["message", "pattern", "offset"]],
    "named rows in SQL": lambda snap: snap.with_patterns().sql(
        "select pattern, service, count(*) as n from events group by all order by all"
    ),
    "a field called pattern": lambda snap: snap.with_patterns().where(pattern_="x").events[["message", "pattern"]],
    "a trace": lambda snap: snap.trace("abcdefab01"),
    "propagation": lambda snap: snap.propagation(WINDOW).services,
    "skew": lambda snap: snap.skew(),
    "positions": lambda snap: columns(snap, [ROW, "message"], Condition({"service": ("a",)})).to_pandas(),
    "a place": lambda snap: place_at(snap, len(snap) // 2),
    "silences": lambda snap: snap.silences(),
}


@settings(max_examples=8, deadline=None, phases=[Phase.generate])
@given(st.lists(EVENT, min_size=15, max_size=60), st.booleans(), st.booleans())
@pytest.mark.filterwarnings("ignore:Precision loss")
def test_every_question_has_the_same_answer(events: list[dict[str, Any]], numbered: bool, backwards: bool) -> None:
    with both(events, numbered=numbered, backwards=backwards) as (kept, stored):
        for name, ask in QUESTIONS.items():
            expected, found = asked(ask, kept), asked(ask, stored)
            if isinstance(expected, pd.DataFrame):
                assert isinstance(found, pd.DataFrame), (name, found)
                pd.testing.assert_frame_equal(found, expected, obj=name)
            else:
                assert found == expected, name
