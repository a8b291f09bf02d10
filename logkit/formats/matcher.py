"""Compiled patterns against many records at once: every step moves all records' cursors by a few array operations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

import numpy as np
import numpy.typing as npt

from logkit.formats import kernels
from logkit.formats.base import TimeRules
from logkit.formats.block import Block, Mask, Positions, Text
from logkit.formats.constraints import conforms, whole_characters
from logkit.formats.literals import find_literal, read_parts
from logkit.formats.pattern import MESSAGE, SKIPPED, TIME, Field, Literal, Pattern, Step
from logkit.formats.program import Program, program
from logkit.formats.seek import SMALL, near, skip_blanks, trim_blanks
from logkit.formats.timestamps import scan_times
from logkit.formats.window import WIDTH, Window

Ints = npt.NDArray[np.int64]

_SPARE: Final = 8  # a window opens anew where more than one in so many rows is not known of
_ROOM: Final = 8  # bytes at a window's end that a literal and its blanks may need


@dataclass(slots=True)
class Match:
    """What a pattern read: fields as positions, times in µs with `timed` where there was one, and which rows fit."""

    fields: dict[str, Text]
    us: Ints
    timed: Mask
    ok: Mask
    pos: Positions
    """Where matching came to."""


@dataclass(slots=True)
class _Rows:
    """The cursors of all records: `pos` is where the next step reads, `limit` where the line ends."""

    block: Block
    pos: Positions
    limit: Positions
    ok: Mask
    us: Ints
    timed: Mask
    fields: dict[str, Text] = field(default_factory=dict)
    window: Window | None = None
    """What stands a little behind the place where it was opened."""


def match(
    patterns: Iterable[Pattern], block: Block, start: Positions, limit: Positions, layout: str, rules: TimeRules
) -> Match:
    """The first of the patterns that fits each line. Fields a line does not have are empty."""
    patterns = tuple(patterns)
    result = match_one(patterns[0], block, start, limit, layout, rules)
    for other in patterns[1:]:
        todo = np.flatnonzero(~result.ok)
        if not len(todo):
            break
        _merge(result, todo, match_one(other, block, start[todo], limit[todo], layout, rules))
    size = len(start)
    for name in {name for pattern in patterns for name in pattern.names} - set(result.fields) - {TIME}:
        result.fields[name] = Text(block, np.zeros(size, np.int64), np.zeros(size, np.int64))
    return result


def match_one(
    pattern: Pattern,
    block: Block,
    start: Positions,
    limit: Positions,
    layout: str,
    rules: TimeRules,
    steps: int | None = None,
) -> Match:
    """One pattern, or its first `steps` steps, against the line that begins at each position."""
    size = len(start)
    rows = _Rows(block, start, limit, np.ones(size, np.bool_), np.zeros(size, np.int64), np.zeros(size, np.bool_))
    for timed, group in groupby(pattern.steps[:steps], _is_time):
        part = tuple(group)
        code = program(part) if kernels.compiled and not timed else None
        if code is not None:
            _take_compiled(rows, code, part, layout, rules)
        else:
            for step in part:
                _take(rows, step, layout, rules)
    if steps is None and pattern.steps[-1].to_the_end:
        rows.ok &= skip_blanks(block, rows.pos) >= rows.limit
    return Match(rows.fields, rows.us, rows.timed, rows.ok, rows.pos)


def misfit(pattern: Pattern, block: Block, layout: str) -> tuple[int, str] | None:
    """Where the first line of a block stops fitting a pattern, and what was expected there; None where it fits."""
    start, stop = np.zeros(1, np.int64), block.next(10, np.zeros(1, np.int64))
    reached = 0
    for count, step in enumerate(pattern.steps, 1):
        found = match_one(pattern, block, start, stop, layout, TimeRules(), count)
        if not found.ok[0]:
            return _within(pattern, count, block, layout) or (reached, f"expected {step.wanted}")
        reached = int(found.pos[0])
    whole = match_one(pattern, block, start, stop, layout, TimeRules())
    return None if whole.ok[0] else (reached, "expected the line's end")


def _within(pattern: Pattern, count: int, block: Block, layout: str) -> tuple[int, str] | None:
    """The misfit of a step whose field, ending by itself, fits, but not the literal behind it."""
    step = pattern.steps[count - 1]
    if step.field is None or step.literal is None or not step.field.ends_itself:
        return None
    alone = Pattern(pattern.text, (*pattern.steps[: count - 1], Step(step.field, None)))
    start = np.zeros(1, np.int64)
    found = match_one(alone, block, start, block.next(10, start), layout, TimeRules(), count)
    return (int(found.pos[0]), f"expected {b''.join(step.literal.parts).decode()!r}") if found.ok[0] else None


def _merge(into: Match, todo: Positions, part: Match) -> None:
    """Put what another alternative read from some rows into place; rows that did not fit there stay as they are."""
    todo, fits = todo[part.ok], part.ok
    size = len(into.ok)
    # Positions may be shared with the records: never write into them.
    into.fields = {name: Text(text.block, text.start.copy(), text.stop.copy()) for name, text in into.fields.items()}
    for name in {*into.fields, *part.fields}:
        text = part.fields.get(name)
        whole = into.fields.get(name)
        if whole is None and text is not None:
            whole = Text(text.block, np.zeros(size, np.int64), np.zeros(size, np.int64))
            into.fields[name] = whole
        if whole is not None:
            whole.start[todo] = text.start[fits] if text is not None else 0
            whole.stop[todo] = text.stop[fits] if text is not None else 0
    into.us[todo], into.timed[todo], into.ok[todo] = part.us[fits], part.timed[fits], True


def _is_time(step: Step) -> bool:
    return step.field is not None and step.field.name == TIME


def _take_compiled(rows: _Rows, code: Program, steps: tuple[Step, ...], layout: str, rules: TimeRules) -> None:
    """Steps without a time, by a kernel; rows it is not certain of step by step."""
    block = rows.block
    begin, good = rows.pos, rows.ok
    rows.pos, rows.ok, out, sure = kernels.fields(
        block.data, block.size, code.steps, code.texts, len(code.names), begin, rows.limit, good
    )
    found = {name: Text(block, *out[slot]) for slot, name in enumerate(code.names)}
    todo = np.flatnonzero(~sure & good)
    if len(todo):
        size = len(todo)
        times = np.zeros(size, np.int64), np.zeros(size, np.bool_)
        rest = _Rows(block, begin[todo], rows.limit[todo], np.ones(size, np.bool_), *times)
        for step in steps:
            _take(rest, step, layout, rules)
        rows.pos[todo], rows.ok[todo] = rest.pos, rest.ok
        for name, text in rest.fields.items():
            found[name].start[todo], found[name].stop[todo] = text.start, text.stop
    rows.fields |= found


def _take(rows: _Rows, step: Step, layout: str, rules: TimeRules) -> None:
    if step.field is None:
        if step.literal is not None:
            fits, rows.pos = read_parts(rows.block, step.literal.parts, rows.pos)
            rows.ok &= fits
    elif step.field.name == TIME:
        _take_time(rows, step, layout, rules)
    else:
        _take_field(rows, step.field, step)
    over = rows.pos > rows.limit
    if over.any():
        rows.ok &= ~over
        rows.pos = np.minimum(rows.pos, rows.limit)


def _take_time(rows: _Rows, step: Step, layout: str, rules: TimeRules) -> None:
    assert step.field is not None
    scan = scan_times(rows.block, rows.pos, rows.limit, layout, rules)
    rows.us, rows.timed, rows.pos = scan.us, scan.ok, scan.stop
    if not step.field.optional:
        rows.ok &= scan.ok
    if step.literal is not None:
        fits, rows.pos = read_parts(rows.block, step.literal.parts, rows.pos)
        rows.ok &= fits


def _take_field(rows: _Rows, wanted: Field, step: Step) -> None:
    block, start, literal = rows.block, rows.pos, step.literal
    if not wanted.width:
        start = np.minimum(skip_blanks(block, start), rows.limit)
    if wanted.width:
        stop = behind = start + wanted.width
        short = stop > rows.limit
        rows.ok &= ~short
        stop = behind = np.where(short, start, stop)
        rows.ok &= whole_characters(Text(block, start, stop))
        if literal is not None:
            fits, behind = read_parts(block, literal.parts, behind)
            rows.ok &= fits
    elif literal is None:
        stop = behind = rows.limit
    elif step.last and b" " not in literal.parts:
        stop, behind = _at_end(rows, literal, start)
    else:
        stop, behind = _search(rows, literal, start)
        missing = stop > rows.limit
        if missing.any():
            rows.ok &= ~missing
            stop, behind = np.where(missing, start, stop), np.where(missing, rows.limit, behind)
    rows.pos = behind
    free = literal is None and wanted.name == MESSAGE
    stop = np.maximum(stop, start)
    # A field that nobody wants need not be trimmed: whether anything but blanks is in it shows at its start.
    keep_blanks = free or (wanted.name == SKIPPED and not wanted.kind)
    text = Text(block, start, stop if keep_blanks else trim_blanks(block, start, stop))
    if not (wanted.optional or free):
        rows.ok &= text.start < text.stop
    if wanted.kind and not (wanted.kind == "w" and literal is not None and literal.parts == (b" ",)):
        good = np.flatnonzero(rows.ok)  # of other rows nothing is known of the text, not even that it may be looked at
        rows.ok[good] = conforms(text.take(good), wanted.kind)
    if wanted.name != SKIPPED:
        rows.fields[wanted.name] = text


def _at_end(rows: _Rows, literal: Literal, start: Positions) -> tuple[Positions, Positions]:
    """The last literal, looked for at the line's end: what is before it may hold it too."""
    width = sum(map(len, literal.parts))
    stop = trim_blanks(rows.block, start, rows.limit) - width
    there = stop >= start
    fits, _ = read_parts(rows.block, literal.parts, np.where(there, stop, start))
    rows.ok &= there & fits
    return np.where(there, stop, start), rows.limit


def _search(rows: _Rows, literal: Literal, start: Positions) -> tuple[Positions, Positions]:
    """As `find_literal`, through a window where the literal is near in most lines."""
    block, limit = rows.block, rows.limit
    if block.size <= SMALL:
        return find_literal(block, literal, start, limit)
    place = behind = start
    todo: Positions | None = None
    for window in (rows.window, None):
        if window is None and (todo is None or len(todo) * _SPARE > len(start)):
            if not near(block, literal.anchor, start, WIDTH - _ROOM):
                break
            rows.window = window = Window(block, start)
        if window is not None:
            place, behind, known = window.find(literal, start, limit)
            todo = np.flatnonzero(~known)
    if todo is None:
        return find_literal(block, literal, start, limit)
    if len(todo):
        place[todo], behind[todo] = find_literal(block, literal, start[todo], limit[todo])
    return place, behind
