"""`logkit.Format`: a format of the user's own, written, taken from a file, or proposed from examples."""

from __future__ import annotations

import time as clock
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from logkit.errors import FormatError
from logkit.formats.access import Access
from logkit.formats.base import TimeRules
from logkit.formats.block import Block, Records
from logkit.formats.catalog import format_of
from logkit.formats.examples import propose
from logkit.formats.manyline import ManyLine
from logkit.formats.misfits import misfit
from logkit.formats.regex import Regex
from logkit.formats.registry import register, unregister
from logkit.formats.template import Template

ANY_TIME: Final = (
    "%Y-%m-%d %H:%M:%S%f%z|%Y-%m-%d %H:%M:%S%f|%Y/%m/%d %H:%M:%S%f%z|%Y/%m/%d %H:%M:%S%f|%d/%b/%Y:%H:%M:%S %z"
    "|%d.%m.%Y %H:%M:%S%f|%d-%b-%Y %H:%M:%S%f|%b %e %H:%M:%S%f|%a %b %e %H:%M:%S%f %Y|%a, %d %b %Y %H:%M:%S %Z"
    "|%y%m%d %H:%M:%S|%H:%M:%S%f|%s"
)
"""How a time may be written where `time` says nothing."""


@dataclass(frozen=True, slots=True, repr=False)
class Format:
    """How the lines of a log are written, as a template or a regular expression.

    pattern: literals between named fields, `"{timestamp} {level:w} [{thread}] {logger:w} - {message}"`. A blank stands
    for one or more; `{name:w}` has no blank in it, `{name:d}` are digits, `{name:f}` a number, `{name:12}` twelve
    characters, `{name?}` may be empty, `{_}` is dropped; `{{` and `}}` are braces. regex: instead of it, a regular
    expression with named groups (Rust's syntax), which must fit a line from end to end. The fields `timestamp`,
    `level`, `service` (or `logger`) and `message` are the columns every event has, others are columns of their own.

    time: how the timestamp is written, as for strptime, `%f` with its point, `|` between alternatives; by default any
    of the usual ways. levels: `words`, `letters`, `syslog`, `status` (of HTTP), `none`, or a dictionary such as
    `{"!": "ERROR"}`. multiline: lines that do not begin like a record belong to the one before. access: the message is
    a request line. Raises `FormatError`, with the place, for a pattern that makes no sense.

    >>> shop = logkit.Format("{timestamp} <{level}> {service:w}: {message}", name="shop").register()
    """

    pattern: str | None = None
    regex: str | None = None
    name: str = "own"
    time: str = ANY_TIME
    levels: str | Mapping[str, str] = "words"
    multiline: bool = True
    access: bool = False
    inner: Template | Regex | Access | ManyLine = field(init=False, compare=False)
    """The format as the reader has it."""

    def __post_init__(self) -> None:
        if (self.pattern is None) == (self.regex is None):
            found = "neither" if self.pattern is None else "both"
            message = f"format {self.name!r}: expected either a pattern or a regex=, found {found}"
            raise FormatError(message, name=self.name)
        table = {name: getattr(self, name) for name in ("pattern", "regex", "name", "time", "levels")}
        table |= {"multiline": self.multiline, "access": self.access}
        made = format_of({name: value for name, value in table.items() if value is not None})
        object.__setattr__(self, "inner", made)

    def __repr__(self) -> str:
        written = repr(self.pattern) if self.pattern is not None else f"regex={self.regex!r}"
        time = f", time={self.time!r}" if self.time != ANY_TIME else ""
        return f"logkit.Format({written}, name={self.name!r}{time})"

    @classmethod
    def from_examples(cls, lines: Iterable[str], *, name: str = "own") -> Format:
        """Propose a template that reads all of these lines: times, levels, names in brackets or before a colon are
        fields, what comes behind them is the message. Raises `FormatError` where the lines have no head in common.
        """
        examples = [line.rstrip("\r\n") for line in lines if line.strip()]
        if not examples:
            raise FormatError("expected example lines, found none", name=name)
        for pattern in propose(examples):
            made = cls(pattern, name=name)
            wanted = {"level"} & set(made.inner.fields)
            if all((found := made.read(line)) is not None and wanted <= set(found) for line in examples):
                return made
        message = f"expected lines that begin alike, found {len(examples)} with no time, level or name in common"
        raise FormatError(f"{message}; try logkit.Format('{{timestamp}} {{message}}')", name=name)

    @classmethod
    def from_toml(cls, path: str | Path) -> tuple[Format, ...]:
        """The formats of a TOML file: tables `[[format]]` with `name`, `pattern` or `regex`, and the rest of what the
        class takes. Raises OSError, or `FormatError` for what makes no sense.
        """
        try:
            tables = tomllib.loads(Path(path).expanduser().read_text(encoding="utf-8")).get("format", [])
        except tomllib.TOMLDecodeError as error:
            raise FormatError(f"expected TOML in {path}, found an error: {error}", name=str(path)) from None
        if not isinstance(tables, list) or not tables:
            raise FormatError(f"expected tables [[format]] in {path}, found none", name=str(path))
        known = {"pattern", "regex", "name", "time", "levels", "multiline", "access"}
        found = []
        for table in tables:
            if unknown := sorted(set(table) - known - {"title", "samples"}):
                raise FormatError(f"expected one of {sorted(known)} in {path}, found {unknown[0]!r}", name=str(path))
            found.append(cls(**{key: value for key, value in table.items() if key in known}))
        return tuple(found)

    def register(self) -> Format:
        """Have this session recognise files of this format, before those of the catalogue; returns the format."""
        register(self.inner)
        return self

    def unregister(self) -> bool:
        """Forget it again; False where no format of this name was registered."""
        return unregister(self.name)

    def read(self, line: str) -> dict[str, Any] | None:
        """The columns of one record, or None where the format does not read it."""
        block = Block.of(line.encode("utf-8", "replace"))
        ends = np.array([block.size])
        stop = np.minimum(block.next(10, np.zeros(1, np.int64)), ends)
        parsed = self.inner.parse(
            Records(block, np.zeros(1, np.int64), stop, ends), TimeRules(reference_us=clock.time_ns() // 1000)
        )
        if not parsed.ok[0]:
            return None
        return {name: value for name, value in parsed.frame.row(0, named=True).items() if value is not None}

    def explain(self, line: str) -> tuple[int, str] | None:
        """Where a line stops fitting, in characters, and what was expected there; None where it fits."""
        return misfit(self.inner, line)
