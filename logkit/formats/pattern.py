"""Template patterns, compiled once: literals between named fields become steps from left to right.

    {name}     a field, up to where the literal behind it comes next on the line; blanks around it are taken off
    {name?}    may be empty, and is null then
    {name:d}   digits only          {name:w}   no blanks inside
    {name:f}   a decimal number     {name:3}   exactly so many characters, all ASCII
    {_}        skipped              {{ }}      braces
    blank      one or more blanks, or the line's end; any other literal character stands for itself
    "          not where a backslash stands before it, which is how text in quotes holds a quote

Several patterns, one to a line, are alternatives: the first one that fits a record wins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from logkit.errors import FormatError
from logkit.schema import COMMON

TIME: Final = "timestamp"
MESSAGE: Final = "message"
SKIPPED: Final = "_"

_FIELD: Final = re.compile(r"(?P<name>[a-zA-Z_][a-zA-Z0-9_.]*)(?::(?P<kind>[^?}]*))?(?P<empty>\?)?$")
_KIND: Final = re.compile(r"[dwf]|[1-9][0-9]?$")
_OWN: Final = frozenset({TIME, "level", "service", MESSAGE})
RESERVED: Final = (frozenset(COMMON) | {"file", "source", "generation"}) - _OWN
"""Column names that a format's own fields cannot have."""


@dataclass(frozen=True, slots=True)
class Literal:
    """What stands between fields: blanks (`b" "`, one or more of them) and pieces of text, in turn."""

    parts: tuple[bytes, ...]

    @property
    def anchor(self) -> int:
        """The byte it is looked for by: its first one that is no blank, if there is one."""
        return next((part[0] for part in self.parts if part != b" "), 32)

    @property
    def blank_first(self) -> bool:
        """Whether a blank must stand before its text."""
        return len(self.parts) > 1 and self.parts[0] == b" "

    @property
    def behind(self) -> tuple[bytes, ...]:
        """The parts from the anchor on."""
        return self.parts[1:] if self.blank_first else self.parts


@dataclass(frozen=True, slots=True)
class Field:
    """One named field. `kind` is d, w, f or empty; `width` its bytes, 0 where it goes on up to the next literal."""

    name: str
    kind: str = ""
    width: int = 0
    optional: bool = False

    @property
    def ends_itself(self) -> bool:
        """Whether its end is known without the literal behind it."""
        return self.name == TIME or self.width > 0


@dataclass(frozen=True, slots=True)
class Step:
    """A field (or none, at the beginning), and the literal behind it (or none)."""

    field: Field | None
    literal: Literal | None
    last: bool = False

    @property
    def to_the_end(self) -> bool:
        """Whether, being the last, it must have come to the line's end: a field without a width always has."""
        return self.literal is not None or self.field is None or self.field.ends_itself

    @property
    def wanted(self) -> str:
        """What it looks for, in words."""
        behind = b"".join(self.literal.parts).decode() if self.literal else ""
        if self.field is None:
            return repr(behind)
        kind = {"d": " of digits", "w": " without blanks", "f": ", a number"}.get(self.field.kind, "")
        return f"{{{self.field.name}}}{kind}" + (f" and then {behind!r}" if behind else "")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One alternative, as steps from left to right."""

    text: str
    steps: tuple[Step, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the fields, in order, those skipped left out."""
        return tuple(step.field.name for step in self.steps if step.field and step.field.name != SKIPPED)

    @property
    def first_time(self) -> int | None:
        """The step that reads the timestamp."""
        return next((i for i, step in enumerate(self.steps) if step.field and step.field.name == TIME), None)

    @property
    def prefix(self) -> bytes | None:
        """The bytes before the timestamp where those are always the same ones."""
        lead = self.steps[: self.first_time]
        if not lead:
            return b""
        literal = lead[0].literal
        if len(lead) > 1 or lead[0].field or literal is None or b" " in literal.parts:
            return None
        return b"".join(literal.parts)


@lru_cache(maxsize=512)
def compile_patterns(name: str, text: str, optional: tuple[str, ...] = ()) -> tuple[Pattern, ...]:
    """The alternatives of a template's pattern. FormatError says what is wrong with it, and where."""
    found, at = [], 0
    for line in text.split("\n"):
        if line or "\n" not in text:
            found.append(_compile(name, line, at, optional))
        at += len(line) + 1
    if not found:
        raise FormatError(f"expected a pattern for {name!r}, found none", name=name, position=0)
    if unknown := set(optional) - {field for pattern in found for field in pattern.names}:
        message = f"expected names of fields in optional={optional!r}, found {sorted(unknown)[0]!r}, which is none"
        raise FormatError(message, name=name)
    return tuple(found)


def _compile(name: str, line: str, at: int, optional: tuple[str, ...]) -> Pattern:
    steps: list[Step] = []
    pending: Field | None = None
    seen: set[str] = set()
    for place, token in _tokens(name, line, at):
        if isinstance(token, Literal):
            steps.append(Step(pending, token))
            pending = None
            continue
        if pending and not pending.ends_itself:
            message = f"expected a literal between {{{pending.name}}} and {{{token.name}}} to tell where one ends"
            raise _error(name, line, at, place, f"{message}, found none; try a blank")
        if pending:
            steps.append(Step(pending, None))
        if token.name in seen:
            raise _error(name, line, at, place, f"expected each field once, found {{{token.name}}} again; try {{_}}")
        seen |= {token.name} - {SKIPPED}
        pending = token if token.name not in optional else Field(token.name, token.kind, token.width, True)
    if pending:
        steps.append(Step(pending, None))
    if not seen:
        raise _error(name, line, at, 0, "expected at least one field such as {message}, found none")
    steps[-1] = Step(steps[-1].field, steps[-1].literal, last=True)
    return Pattern(line, tuple(steps))


def _tokens(name: str, line: str, at: int) -> list[tuple[int, Literal | Field]]:
    tokens: list[tuple[int, Literal | Field]] = []
    literal, place = "", 0
    while place < len(line):
        if line[place : place + 2] in ("{{", "}}"):
            literal += line[place]
            place += 2
        elif line[place] == "}":
            raise _error(name, line, at, place, "expected '{' before '}', found none; try '}}' for a brace")
        elif line[place] == "{":
            if literal:
                tokens.append((place, _literal(literal)))
                literal = ""
            stop = line.find("}", place)
            if stop < 0:
                raise _error(name, line, at, place, "expected '}' behind '{', found none; try '{{' for a brace")
            tokens.append((place, _field(name, line, at, place, stop)))
            place = stop + 1
        else:
            literal += line[place]
            place += 1
    if literal:
        tokens.append((place, _literal(literal)))
    return tokens


def _literal(text: str) -> Literal:
    return Literal(tuple(b" " if part[0] == " " else part.encode() for part in re.findall(r" +|[^ ]+", text)))


def _field(name: str, line: str, at: int, place: int, stop: int) -> Field:
    body = line[place + 1 : stop]
    match = _FIELD.match(body)
    if match is None:
        raise _error(name, line, at, place, f"expected a field such as {{service}} or {{pid:d}}, found {{{body}}}")
    kind = match["kind"] or ""
    if match["kind"] is not None and not _KIND.fullmatch(kind):
        raise _error(name, line, at, place, f"expected one of d, w, f or a width behind ':', found {kind!r}")
    if match["name"] in RESERVED:
        raise _error(name, line, at, place, f"expected a name that is free, found {match['name']!r}; try another")
    width = int(kind) if kind.isdigit() else 0
    return Field(match["name"], "" if width else kind, width, bool(match["empty"]))


def _error(name: str, line: str, at: int, place: int, message: str) -> FormatError:
    pointed = f"{message}\n  {line}\n  {' ' * place}^"
    return FormatError(f"format {name!r}: {pointed}", name=name, position=at + place)
