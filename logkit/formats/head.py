"""The lines of a file's head, and what detection asks of them: each question is answered when it is first asked.

A format is judged by the lines that look like the start of a record: those that begin with a time, and those
the format itself takes for starts. Stack traces, headers and blank lines so count for nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Final

import numpy as np

from logkit.formats.access import Access
from logkit.formats.base import Format
from logkit.formats.block import Block, Lines, Mask, Positions, Text, split_lines
from logkit.formats.glance import may_read
from logkit.formats.jsonlines import JsonLines
from logkit.formats.logfmt import Logfmt
from logkit.formats.manyline import ManyLine
from logkit.formats.mixed import reads
from logkit.formats.outline import Outline, might_read
from logkit.formats.regex import Regex
from logkit.formats.template import Template
from logkit.formats.timefinder import has_time

HEAD_BYTES: Final = 65_536
"""How much of a file is looked at."""

_FIRST_LINES: Final = 150
_LAST_LINES: Final = 50
_GLANCE: Final = 12  # lines a format must read some of to be looked at in earnest
_UNTIMED: Final = 0.5  # the share of all lines that a format without times must read
_BOM: Final = b"\xef\xbb\xbf"
_ESCAPED: Final = b"\\u"
_PAIR: Final = re.compile(rb"[A-Za-z_@][\w.@/:-]{0,40}=")


class Head:
    """The lines looked at: the first and the last ones of a file's head, blank ones left out."""

    def __init__(self, head: bytes) -> None:
        whole = len(head) <= HEAD_BYTES
        text = head[:HEAD_BYTES].removeprefix(_BOM)
        if not whole or not text.endswith(b"\n"):
            # The last line may go on behind the head; it is left out unless it is the only one.
            text = text[: text.rfind(b"\n") + 1] or text
        lines = split_lines(Block.of(text.decode("utf-8", "replace").encode()))
        if len(lines) > _FIRST_LINES + _LAST_LINES:
            lines = _take(lines, np.r_[0:_FIRST_LINES, len(lines) - _LAST_LINES : len(lines)])
        self.lines = _take(lines, np.flatnonzero(~lines.blank()))

    @property
    def text(self) -> Text:
        """The lines as texts."""
        return Text(self.lines.block, self.lines.start, self.lines.stop)

    @cached_property
    def plausible(self) -> Mask:
        """Which lines are not indented; all where none is otherwise, for there is nothing they could continue."""
        first = self.lines.block.bytes[self.lines.start]
        plausible: Mask = (first != 32) & (first != 9)
        return plausible if plausible.any() else ~plausible

    @cached_property
    def timed(self) -> Mask:
        """Which plausible lines begin with a time."""
        return self.plausible & has_time(self.text)

    def refuses(self, found: Sequence[Outline]) -> bool:
        """Whether a format with these outlines reads none of the lines for certain."""
        return not might_read(found, self._written, self._joined)

    def share(self, format: Format) -> float:
        """The share of what looks like the start of a record that the format reads.

        It is 0 for a format of the catalogue that could read none of a few lines.
        """
        read, expected = self.reading(format)
        if not self._sufficient(format, read):
            return 0.0
        return int(read.sum()) / int(expected.sum())

    def reading(self, format: Format) -> tuple[Mask, Mask]:
        """Which lines the format reads as records, and which look like the start of one."""
        if isinstance(format, JsonLines) and all(map(surely_json, self._written)):
            read = np.ones(len(self.lines), np.bool_)
        else:
            read = reads(format, self.lines)
        if not read.any():
            return read, read
        starts = format.starts(self.lines)
        read &= starts
        if isinstance(format, ManyLine):
            # Its records go on over lines of any kind: only what stands before the first one is not its own.
            return read, starts | (np.arange(len(starts)) < np.argmax(starts))
        # Lines that are starts anyway need not be asked for times, which takes long.
        return read, starts if starts.all() else starts | self.timed

    def _sufficient(self, format: Format, read: Mask) -> bool:
        """Whether it reads enough to be believed: without times half of the lines, of the catalogue one at a glance."""
        found = int(read.sum())
        if not found or (isinstance(format, Template | Regex | Access) and not self._glimpsed(format, read)):
            return False
        if isinstance(format, ManyLine):
            return True
        return bool(found >= _UNTIMED * self.plausible.sum() or self.timed.any())

    def begins_with(self, kind: JsonLines | Logfmt) -> Mask:
        """Which lines may be of a kind that is made from a head: objects, or those with an equals sign."""
        if isinstance(kind, JsonLines):
            return np.array([line.lstrip().startswith(b"{") for line in self._written], np.bool_)
        return np.array([_PAIR.match(line) is not None for line in self._written], np.bool_)

    def only(self, chosen: Mask) -> bytes:
        """Some of the lines, as a head of their own."""
        return b"".join(line + b"\n" for line, fits in zip(self._written, chosen.tolist(), strict=True) if fits)

    def _glimpsed(self, format: Format, read: Mask) -> bool:
        """Whether a glance at a few lines shows one that the format could read."""
        if read[self.plausible].all():
            return True  # whichever lines the glance falls on
        return bool(read[self._glance].any()) or may_read(format, self.text.take(self._glance))

    @cached_property
    def _glance(self) -> Positions:
        """A few of the lines with a time, of all plausible ones where none has one."""
        index = np.flatnonzero(self.timed if self.timed.any() else self.plausible)
        return index[np.linspace(0, len(index) - 1, min(_GLANCE, len(index))).astype(np.int64)]

    @cached_property
    def _written(self) -> list[bytes]:
        data, bounds = self.lines.block.data, zip(self.lines.start.tolist(), self.lines.stop.tolist(), strict=True)
        return [bytes(data[start:stop]) for start, stop in bounds]

    @cached_property
    def _joined(self) -> bytes:
        return b"\n".join(self._written)


def _take(lines: Lines, index: Positions) -> Lines:
    return Lines(lines.block, lines.start[index], lines.stop[index], lines.next[index])


def surely_json(line: bytes) -> bool:
    """Whether any reader of JSON takes the line for an object; those that readers might disagree on are not sure."""
    if _ESCAPED in line:
        return False  # half of a surrogate pair
    try:
        return isinstance(json.loads(line.decode(), parse_constant=_refuse), dict)
    except (ValueError, RecursionError):
        return False


def _refuse(constant: str) -> object:
    raise ValueError(f"expected JSON, found {constant}")
