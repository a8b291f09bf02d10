from typing import Any

import numpy.typing as npt

Buffer = bytes | bytearray | npt.NDArray[Any]

def positions(size: int, byte: int, data: Buffer, out: Buffer, /) -> int: ...
def shaped(
    rows: int, width: int, words: int, data: Buffer, start: Buffer, stop: Buffer, masks: Buffer, out: Buffer, /
) -> None: ...
def fields(
    rows: int,
    size: int,
    slots: int,
    code: Buffer,
    texts: Buffer,
    data: Buffer,
    pos: Buffer,
    limit: Buffer,
    ok: Buffer,
    out: Buffer,
    sure: Buffer,
    /,
) -> None: ...
def runs(
    rows: int,
    width: int,
    seconds: int,
    fraction: int,
    tail: int,
    data: Buffer,
    start: Buffer,
    limit: Buffer,
    us: Buffer,
    ok: Buffer,
    stop: Buffer,
    run: Buffer,
    heads: Buffer,
    /,
) -> int: ...
def levels(
    rows: int,
    none: int,
    bits: int,
    factor: int,
    data: Buffer,
    start: Buffer,
    stop: Buffer,
    keys: Buffer,
    rests: Buffer,
    codes: Buffer,
    out: Buffer,
    /,
) -> None: ...
def distinct(
    rows: int, size: int, data: Buffer, start: Buffer, stop: Buffer, place: Buffer, first: Buffer, /
) -> int: ...
def decimals(rows: int, data: Buffer, start: Buffer, stop: Buffer, out: Buffer, sure: Buffer, /) -> None: ...
def objects(
    rows: int,
    size: int,
    slots: int,
    data: Buffer,
    start: Buffer,
    stop: Buffer,
    keys: Buffer,
    nodes: Buffer,
    entries: Buffer,
    out: Buffer,
    there: Buffer,
    top: Buffer,
    sure: Buffer,
    /,
) -> None: ...
def gather(
    rows: int,
    columns: int,
    counted: int,
    keys: Buffer,
    counts: Buffer,
    out_keys: Buffer,
    out_counts: Buffer,
    scratch: Buffer,
    /,
) -> int: ...
def views(rows: int, size: int, data: Buffer, start: Buffer, stop: Buffer, out: Buffer, /) -> bool: ...
def extents(
    columns: int, width: int, tables: list[tuple[npt.NDArray[Any], ...]], low: Buffer, high: Buffer, /
) -> bool: ...
def pile(
    columns: int, width: int, tables: list[tuple[npt.NDArray[Any], ...]], low: Buffer, high: Buffer, cells: Buffer, /
) -> int: ...
def unpile(
    columns: int, width: int, rows: int, cells: Buffer, low: Buffer, high: Buffer, keys: Buffer, counts: Buffer, /
) -> None: ...
def survey(
    rows: int,
    size: int,
    stop: int,
    us: Buffer,
    level: Buffer,
    service: Buffer,
    durations: Buffer,
    codes: Buffer,
    lookup: Buffer,
    key: Buffer,
    totals: Buffer,
    extremes: Buffer,
    /,
) -> bool: ...
def occupied(
    rows: int,
    keys: int,
    levels: int,
    width: int,
    stop: int,
    low: int,
    high: int,
    fine: int,
    key: Buffer,
    us: Buffer,
    durations: Buffer,
    near: Buffer,
    edges: Buffer,
    out: Buffer,
    scratch: Buffer,
    /,
) -> int: ...
def bounds(rows: int, size: int, data: Buffer, ends: Buffer, start: Buffer, stop: Buffer, next: Buffer, /) -> None: ...
def filled(rows: int, size: int, data: Buffer, start: Buffer, stop: Buffer, out: Buffer, /) -> None: ...
def settle(
    rows: int,
    runs: int,
    run: Buffer,
    base: Buffer,
    fits: Buffer,
    tail: Buffer,
    us: Buffer,
    ok: Buffer,
    stop: Buffer,
    /,
) -> None: ...
def moved(rows: int, cursor: int, views: Any, valid: Any, base: Any, base_moved: Any, /, *data_and_out: Any) -> int: ...
def copied(rows: int, cursor: int, views: Any, moved: Any, /, *data_and_heap: Any) -> bool: ...
def look(size: int, data: Buffer, out: Buffer, /) -> int: ...
def short_numbers(rows: int, data: Buffer, start: Buffer, stop: Buffer, out: Buffer, known: Buffer, /) -> None: ...
