"""Example lines -> templates that may read them all, the most telling first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from logkit.formats.base import TimeRules
from logkit.formats.block import Block, Text
from logkit.formats.levels import WORDS
from logkit.formats.timefinder import find_times

_LEVEL: Final = rf"(?i:{'|'.join(' '.join(WORDS.values()).split())}|verbose)"
_BRACKETS: Final = {"[": "]", "(": ")", "<": ">"}
_PIECES: Final = (
    ("level", re.compile(rf"({_LEVEL})(?=[\s\])>|:,;-]|$)")),
    ("service-pid", re.compile(r"([A-Za-z_][\w./@-]*)\[(\d+)\]:")),
    ("host", re.compile(r"([\w.-]+)(?= +[A-Za-z_][\w./@-]*\[\d+\]:)")),
    ("pair", re.compile(r"([A-Za-z_]\w*)=(\"[^\"]*\"|\S+)")),
    ("named", re.compile(r"([A-Za-z_][\w.$/@#-]*)(?=:(?:\s|$))")),
    ("dashed", re.compile(r"([A-Za-z_][\w.$/@#:-]*)(?= +(?:-|\|) )")),
    ("dotted", re.compile(r"((?:[A-Za-z_$][\w$-]*\.)+[A-Za-z_$][\w$-]*|(?:\w+::)+\w+)(?=[\s:\]]|$)")),
    ("address", re.compile(r"(\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?)(?=\s|$)")),
    ("number", re.compile(r"(\d+)(?=[\s\]:|]|$)")),
)
_DOTTED: Final = re.compile(r"[\w$-]+(?:\.|::)[\w.$:-]+")
_SEPARATOR: Final = re.compile(r"---?|[-|:,;*>]+(?=\s|$)|[:,;|]")


def propose(lines: Sequence[str]) -> Iterator[str]:
    """Templates of the first line's head, from the longest to the shortest; each ends with the message."""
    line = lines[0]
    block = Block.of(line.encode("utf-8", "replace"))
    whole = Text(block, np.zeros(1, np.int64), np.array([block.size]))
    found = find_times(whole, TimeRules())
    time = (-1, -1)
    if found.ok[0]:
        time = len(block.text(0, int(found.start[0]))), len(block.text(0, int(found.stop[0])))
    pieces = list(_head(line, time))
    for count in range(len(pieces), 0, -1):
        head = "".join(pieces[:count])
        if "{" in pieces[count - 1].replace("{{", ""):
            for joint in (" ", ""):
                yield f"{head}{joint}{{message}}".replace("  ", " ") if joint else f"{head} {{message?}}"
        elif not head.endswith("}"):
            yield f"{head}{{message}}"


def _head(line: str, time: tuple[int, int]) -> Iterator[str]:
    """The pieces of a line's head, as a template writes them: fields, and what stands between them."""
    names = _Names()
    at = 0
    while at < len(line):
        if line[at].isspace():
            yield " "
            at = len(line) - len(line[at:].lstrip())
            continue
        if at == time[0]:
            yield "{timestamp}"
            at = time[1]
            continue
        closing = _BRACKETS.get(line[at])
        stop = line.find(closing, at) if closing else -1
        if stop > at:
            inside = line[at + 1 : stop]
            if at < time[0] < stop or not inside.strip():
                yield _literal(line[at])
                at += 1
                continue
            yield _literal(line[at]) + _bracketed(inside, names) + _literal(line[stop])
            at = stop + 1
            continue
        piece = next(_named(line, at, names), None)
        if piece is None:
            separator = _SEPARATOR.match(line, at)
            if separator is None and line[at] not in "[](){}<>|":
                return
            text = separator[0] if separator else line[at]
            yield _literal(text)
            at += len(text)
            continue
        yield piece[0]
        at = piece[1]


def _named(line: str, at: int, names: _Names) -> Iterator[tuple[str, int]]:
    for kind, shape in _PIECES:
        match = shape.match(line, at)
        if match is None:
            continue
        if kind == "level" and names.has("level"):
            continue
        if kind == "service-pid":
            yield f"{{{names.new('service')}}}[{{{names.new('pid')}:d}}]:", match.end()
        elif kind == "pair":
            quoted = match[2].startswith('"')
            field = f"{{{names.new(match[1].lower())}{'' if quoted else ':w'}}}"
            yield f'{_literal(match[1])}="{field}"' if quoted else f"{_literal(match[1])}={field}", match.end()
        elif kind == "level":
            yield f"{{{names.new('level')}:w}}", match.end()
        elif kind == "number":
            yield f"{{{names.new('pid')}:d}}", match.end()
        elif kind in ("address", "host"):
            yield f"{{{names.new('client' if kind == 'address' else kind)}:w}}", match.end()
        else:
            yield f"{{{names.new('logger')}:w}}", match.end()


def _bracketed(inside: str, names: _Names) -> str:
    text = inside.strip()
    if re.fullmatch(_LEVEL, text) and not names.has("level"):
        return f"{{{names.new('level')}}}"
    if text.isdigit():
        return f"{{{names.new('pid')}:d}}"
    name = "logger" if _DOTTED.fullmatch(text) else "thread"
    return f"{{{names.new(name)}}}"


class _Names:
    """Field names, each given once."""

    def __init__(self) -> None:
        self._taken: set[str] = {"timestamp", "message", "offset", "file", "text", "reason", "source"}

    def has(self, name: str) -> bool:
        return name in self._taken

    def new(self, name: str) -> str:
        number, found = 2, name
        while found in self._taken:
            found, number = f"{name}_{number}", number + 1
        self._taken.add(found)
        return found


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
