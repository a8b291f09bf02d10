"""What a report consists of, before it is HTML or Markdown: blocks of text in which log text is told from our own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Log:
    """Text out of a log: never trusted, redacted if that is asked for. `code` sets it apart from the sentence."""

    text: str
    code: bool = False


Inline = str | Log
"""A piece of a sentence."""

Line = tuple[Inline, ...]
"""A sentence, or a table's cell."""


@dataclass(frozen=True, slots=True)
class Heading:
    """The title of a section; `anchor` is what a link calls it."""

    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Some sentences."""

    line: Line
    small: bool = False


@dataclass(frozen=True, slots=True)
class Points:
    """A list of sentences."""

    lines: tuple[Line, ...]
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """One number that matters, and what it is."""

    value: Line
    label: str


@dataclass(frozen=True, slots=True)
class Keys:
    """The numbers that matter, side by side."""

    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a head; `numbers` are the columns that are set to the right."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Line, ...], ...]
    numbers: frozenset[int] = frozenset()
    empty: str = "None."


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture as SVG, wide and narrow; `alt` says what it shows."""

    caption: str
    alt: Line
    wide: bytes
    narrow: bytes


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A record as it stands in its file, with the lines around it."""

    title: Line
    place: Line
    before: tuple[Log, ...]
    text: Log
    after: tuple[Log, ...]
    command: Log | None


Block = Heading | Paragraph | Points | Keys | Table | Figure | Excerpt


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report. `title` is its author's; `subtitle` says what time it is about."""

    title: str
    subtitle: str
    made: str
    blocks: tuple[Block, ...]
