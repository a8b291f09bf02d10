"""What every line of a format must begin with and hold: refuses most formats of the catalogue in microseconds.

An outline is drawn from a format's pattern once. It refuses no line that the format reads, and takes time linear in a
line: what is matched at its beginning has a bounded length, the rest are searches for fixed bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import takewhile, zip_longest
from typing import Final

from logkit.formats.access import Access
from logkit.formats.base import Format
from logkit.formats.layouts import Element, Layout, layouts
from logkit.formats.levels import WORDS
from logkit.formats.manyline import ManyLine
from logkit.formats.pattern import MESSAGE, TIME, Field, Pattern, Step
from logkit.formats.regex import Regex
from logkit.formats.template import Template

_TOKEN: Final = re.compile(
    r"(?:(?P<open>\((?:\?P?<\w+>|\?:)?)|(?P<close>\))|(?P<bar>\|)"
    r"|(?P<atom>\\.|\[\^?\]?(?:\\.|\[[^\]]*\]|[^\]\\])*\]|.))"
)
_MANY: Final = re.compile(r"(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})\??")
_STRANGE: Final = re.compile(r"\(\?(?!P?<\w|:)|\[[^\]]*(?:&&|--|~~)|[^\x00-\x7f]")
_UNBOUNDED: Final = re.compile(r"[*+]|,\}")
_NOT_LITERAL: Final = frozenset(".^$")
_ESCAPED: Final = re.compile(r"\\[^0-9A-Za-z]")
_BLANK: Final = b"\\ "
_LEVEL: Final = f"(?i:{'|'.join(' '.join(WORDS.values()).split())})"
_CLASS: Final = re.compile(r"\[(?!\^)(?:[^\\]|\\[^0-9A-Za-z])*\]")


@dataclass(frozen=True, slots=True)
class _Mark:
    """Something of bounded length that stands in a line, and the bytes it has at least."""

    pattern: bytes
    width: int

    @property
    def text(self) -> re.Pattern[bytes]:
        """The pattern compiled, when it is first needed: most formats are refused by their literals before."""
        return _compiled(self.pattern)


@lru_cache(maxsize=4096)
def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern)


@dataclass(frozen=True, slots=True)
class Outline:
    """What stands in every line of a format: `lead` at its beginning, then the `marks` in order.

    A mark may begin with the last byte of the one before it. The `literals` are somewhere in the line too.
    """

    lead: _Mark
    marks: tuple[_Mark, ...]
    literals: tuple[bytes, ...]

    def fits(self, line: bytes) -> bool:
        """Whether the format might read this line."""
        if not self.lead.text.match(line):
            return False
        at = self.lead.width
        for mark in self.marks:
            found = mark.text.search(line, max(at - 1, 0))
            if found is None:
                return False
            at = found.start() + mark.width
        return True

    def within(self, text: bytes) -> bool:
        """Whether all of it is somewhere in a text: mostly not, and then no line of that text need be looked at."""
        if not all(literal in text for literal in self.literals):
            return False
        return all(mark.text.search(text) for mark in self.marks)


def outlines(format: Format) -> tuple[Outline, ...]:
    """The outlines of a format's alternatives, one of which every line fits that it reads; none where unknown."""
    inner = format.inner if isinstance(format, Access) else format
    if isinstance(inner, Template):
        return tuple(_outline(_template_runs(pattern, inner)) for pattern in inner.alternatives)
    pattern = inner.start if isinstance(inner, ManyLine) else inner.pattern if isinstance(inner, Regex) else None
    searched = isinstance(inner, Regex) and inner.search
    if pattern is not None and not searched and not _STRANGE.search(pattern):
        branches = _parse(pattern)
        return (_outline(_runs(branches[0])),) if len(branches) == 1 else ()
    return ()


def might_read(found: Sequence[Outline], lines: Sequence[bytes], text: bytes) -> bool:
    """Whether a format with these outlines might read one of the lines, which are all in `text`.

    Never False where it does read one.
    """
    likely = [outline for outline in found if outline.within(text)]
    return not found or any(outline.fits(line) for outline in likely for line in lines)


@dataclass(slots=True)
class _Run:
    """Pieces that stand one behind the other, as one regular expression; `literals` are those of them that are text."""

    text: str = ""
    width: int = 0
    literals: list[str] = field(default_factory=lambda: [""])

    def add(self, text: str, width: int, literal: str | None = None) -> None:
        self.text, self.width = self.text + text, self.width + width
        if literal is None:
            self.literals.append("")
        else:
            self.literals[-1] += literal


def _outline(runs: Sequence[_Run]) -> Outline:
    """The outline of runs with anything between them."""
    lead, *marks = [_Mark(run.text.encode(), run.width) for run in runs]
    literals = dict.fromkeys(literal.encode() for run in runs for literal in run.literals if literal)
    longest_first = tuple(sorted(literals, key=len, reverse=True))
    kept = [mark for mark, after in zip_longest(marks, marks[1:]) if mark.width and not _idle(mark, after)]
    return Outline(lead, tuple(kept), longest_first)


def _idle(mark: _Mark, after: _Mark | None) -> bool:
    """Whether a mark says nothing: a blank where what comes next begins with one."""
    return after is not None and mark.pattern == _BLANK and after.pattern.startswith(_BLANK)


# ---------------------------------------------------------------- templates


def _template_runs(pattern: Pattern, format: Template) -> list[_Run]:
    runs = [_Run()]
    for i, step in enumerate(pattern.steps):
        if step.field is not None:
            _add_field(runs, step.field, format)
        parts = step.literal.parts if step.literal else ()
        for k, part in enumerate(parts):
            if part != b" ":
                runs[-1].add(re.escape(part.decode()), len(part), part.decode())
            elif k + 1 < len(parts) or any(map(_needed, pattern.steps[i + 1 :])):
                _add_many(runs, "\\ ", " ")
            else:
                runs.append(_Run())  # nothing need follow: the blank may be the line's end instead
    return runs


def _needed(step: Step) -> bool:
    """Whether a step needs a byte of its own that is no blank."""
    field, literal = step.field, step.literal
    wanted = field is not None and not field.optional and not (literal is None and field.name == MESSAGE)
    return wanted or (literal is not None and literal.parts != (b" ",))


def _add_field(runs: list[_Run], wanted: Field, format: Template) -> None:
    behind_blank = runs[-1].text.endswith(" ")
    if wanted.optional or wanted.width:
        pass
    elif wanted.name == TIME:
        times = [_time(layout) for layout in layouts(format.time)]
        runs[-1].add(f"(?:{'|'.join(text for text, _ in times)})", min(width for _, width in times))
    elif behind_blank and wanted.name == "level" and format.levels == "words":
        runs[-1].add(_LEVEL, 3)
    elif behind_blank and wanted.name != MESSAGE:
        runs[-1].add("[0-9]" if wanted.kind == "d" else "[^ ]", 1)
    runs.append(_Run())


def _add_many(runs: list[_Run], text: str, literal: str | None) -> None:
    """Add what stands there once or more often: a run ends with one of them, and the next begins with one."""
    runs[-1].add(text, 1, literal)
    runs.append(_Run())
    runs[-1].add(text, 1, literal)


def _time(layout: Layout) -> tuple[str, int]:
    """What a written time begins with, up to the first piece whose width varies, and how wide that is."""
    fixed = list(takewhile(lambda element: element.width, layout.elements))
    return "".join(map(_element, fixed)), sum(element.width for element in fixed)


def _element(element: Element) -> str:
    if element.between:
        return "[ T]"
    if element.literal:
        return re.escape(element.literal.decode())
    if element.code == "e":
        return "[ 0-9][0-9]"
    kind = "[A-Za-z]" if element.code in "bap" else "[0-9]"
    return f"{kind}{{{element.width}}}"


# ---------------------------------------------------------------- regular expressions


@dataclass(frozen=True, slots=True)
class _Piece:
    """An atom, or a group's branches, and how often it stands there (empty: once)."""

    atom: str
    branches: _Branches
    many: str


_Branches = tuple[tuple[_Piece, ...], ...]


def _parse(pattern: str) -> _Branches:
    """The branches of a whole regular expression."""
    stack: list[list[list[_Piece]]] = [[[]]]
    at = 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        assert token is not None
        at, many = token.end(), ""
        if token.lastgroup in ("atom", "close") and (found := _MANY.match(pattern, at)):
            at, many = found.end(), found[0]
        if token["open"]:
            stack.append([[]])
        elif token["bar"]:
            stack[-1].append([])
        elif token["close"]:
            branches = tuple(map(tuple, stack.pop()))
            stack[-1][-1].append(_Piece("", branches, many))
        else:
            stack[-1][-1].append(_Piece(token["atom"], (), many))
    return tuple(map(tuple, stack[0]))


def _runs(pieces: Iterable[_Piece]) -> list[_Run]:
    """What stands there, with anything between the runs."""
    runs = [_Run()]
    for piece in pieces:
        if len(piece.branches) == 1 and not piece.many:
            first, *more = _runs(piece.branches[0])
            runs[-1].text += first.text
            runs[-1].width += first.width
            runs[-1].literals += first.literals
            runs += more
        elif piece.branches:
            _add_group(runs, piece)
        else:
            _add_atom(runs, piece)
    return runs


def _add_group(runs: list[_Run], piece: _Piece) -> None:
    branches = [_runs(branch) for branch in piece.branches]
    least = _least(piece.many)
    bounded = not _UNBOUNDED.search(piece.many)
    if bounded and all(len(branch) == 1 for branch in branches):
        text = "|".join(branch[0].text for branch in branches)
        runs[-1].add(f"(?:{text}){piece.many}", least * min(branch[0].width for branch in branches))
        return
    if least == 1:
        text = "|".join(branch[0].text for branch in branches)
        runs[-1].add(f"(?:{text})", min(branch[0].width for branch in branches))
    runs.append(_Run())


def _add_atom(runs: list[_Run], piece: _Piece) -> None:
    if piece.atom == "^":
        return
    text, literal = _atom(piece.atom), _literal(piece.atom)
    if text is None:
        runs.append(_Run())
    elif not piece.many:
        runs[-1].add(text, 1, literal)
    elif not _UNBOUNDED.search(piece.many):
        runs[-1].add(text + piece.many, _least(piece.many))
    elif piece.many[0] == "+":
        _add_many(runs, text, literal)
    else:
        runs.append(_Run())


def _least(many: str) -> int:
    """How often something stands there at the least."""
    number = re.match(r"\{([0-9]+)", many)
    return int(number[1]) if number else int(many[:1] in ("", "+"))


def _atom(atom: str) -> str | None:
    """An atom as Python writes it; None for what takes more than one byte, or none."""
    if _CLASS.fullmatch(atom):
        # Rust's classes hold classes, Python's do not.
        return "[" + re.sub(r"(?<!\\)\[([^\[\]]*)\]", r"\1", atom[1:-1]) + "]"
    literal = _literal(atom)
    return None if literal is None else re.escape(literal)


def _literal(atom: str) -> str | None:
    """The character an atom stands for, if it is just one."""
    if len(atom) == 1:
        return None if atom in _NOT_LITERAL else atom
    return atom[1] if _ESCAPED.fullmatch(atom) else None


__all__ = ["Outline", "might_read", "outlines"]
