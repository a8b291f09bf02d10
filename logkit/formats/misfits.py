"""Where a line stops fitting a format, and what the format expected there."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Final

import numpy as np
import polars as pl

from logkit.formats.access import Access
from logkit.formats.base import Format, TimeRules
from logkit.formats.block import Block, Records
from logkit.formats.jsonlines import JsonLines
from logkit.formats.manyline import ManyLine
from logkit.formats.mixed import Mixed
from logkit.formats.nested import Nested
from logkit.formats.regex import Regex
from logkit.formats.template import Template

_ATOM: Final = re.compile(r"\\x\{[^}]*\}|\\.|\[\^?\]?(?:\\.|\[[^\]]*\]|[^\]\\])*\]|.", re.DOTALL)
_MANY: Final = re.compile(r"(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\??")
_GROUP: Final = re.compile(r"\(\?P?<(\w+)>")


def misfit(format: Format, line: str) -> tuple[int, str] | None:
    """Characters into the line that fit, and what was expected behind them; None where all of it fits."""
    if isinstance(format, Access):
        return misfit(format.inner, line)
    if isinstance(format, Nested):
        return misfit(format.outer, line)
    if isinstance(format, Mixed):
        found = [misfit(member, line) for member in format.members]
        return None if None in found else max(one for one in found if one is not None)
    if isinstance(format, Template):
        return format.explain(line)
    if _reads(format, line):
        return None
    if isinstance(format, JsonLines):
        return _json(line)
    if isinstance(format, Regex):
        return _regex(format.pattern, line)
    if isinstance(format, ManyLine):
        return _regex(format.start, line) or _regex(format.parts[0], line)
    return 0, "expected what the format reads"


def _reads(format: Format, line: str) -> bool:
    block = Block.of(line.encode("utf-8", "replace"))
    stop = np.array([block.size])
    return bool(format.parse(Records(block, np.zeros(1, np.int64), stop, stop), TimeRules()).ok[0])


def _json(line: str) -> tuple[int, str]:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        return error.pos, f"expected JSON: {error.msg}"
    except RecursionError:
        return 0, "expected JSON that is not nested so deeply"
    return 0, f"expected a JSON object, found {type(found).__name__}"


def _regex(pattern: str, line: str) -> tuple[int, str]:
    """The longest beginning of a regular expression that the line fits, and what comes next in it."""
    cuts = _prefixes(pattern)
    series = pl.Series([line])
    reached, wanted = 0, cuts[0][1] if cuts else "the line's end"
    for prefix, following in cuts:
        matched = series.str.extract(f"^({prefix})")[0]
        if matched is None:
            break
        reached, wanted = len(matched), following
    if not wanted:
        return reached, "expected the line's end, or a time that exists"
    return reached, f"expected {wanted}"


@lru_cache(maxsize=256)
def _prefixes(pattern: str) -> tuple[tuple[str, str], ...]:
    """A regular expression cut behind each of its top-level pieces, and the piece that follows (none: empty)."""
    pieces: list[str] = []
    at, pattern = 0, pattern.removeprefix("^")
    while at < len(pattern):
        stop = _piece(pattern, at)
        pieces.append(pattern[at:stop])
        at = stop
    if "|" in pieces:
        return ((pattern, ""),)
    pieces = [piece for piece in pieces if piece != "$"]
    cuts = []
    for count in range(len(pieces) + 1):
        following = pieces[count] if count < len(pieces) else ""
        named = _GROUP.match(following)
        cuts.append(("".join(pieces[:count]), f"{named[1]}, as {following}" if named else following))
    return tuple(cuts)


def _piece(pattern: str, at: int) -> int:
    """Where the piece that begins at `at` ends, its repetition included."""
    if pattern[at] != "(":
        atom = _ATOM.match(pattern, at)
        stop = atom.end() if atom else at + 1
    else:
        depth, stop = 0, at
        while stop < len(pattern):
            atom = _ATOM.match(pattern, stop)
            token = atom[0] if atom else pattern[stop]
            stop += len(token)
            depth += (token == "(") - (token == ")")
            if not depth:
                break
    many = _MANY.match(pattern, stop)
    return many.end() if many else stop
