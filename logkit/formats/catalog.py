"""The catalogue: formats as data (`known/*.toml`), in the order detection tries them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from importlib.resources import files
from typing import Any, Final

from logkit.errors import FormatError
from logkit.formats.access import Access
from logkit.formats.base import Format
from logkit.formats.columns import LevelKind
from logkit.formats.jsonkinds import JsonKind
from logkit.formats.jsonlines import JsonLines
from logkit.formats.manyline import ManyLine
from logkit.formats.plain import Plain
from logkit.formats.regex import Regex
from logkit.formats.template import Template

_SETTINGS: Final = ("splittable", "dash_is_null", "optional", "search")
_MACRO: Final = re.compile(r"%\{(\w+)\}")


@dataclass(frozen=True)
class Entry:
    """One format of the catalogue: what it is called, how it reads, and lines with the fields they must give."""

    name: str
    title: str
    samples: tuple[dict[str, Any], ...]
    make: Callable[[], Format] = field(repr=False, compare=False)
    json: JsonKind | None = None
    """What tells it from other JSON lines, if it is such."""

    @cached_property
    def format(self) -> Format:
        """How it reads, made when it is first asked for: a file needs few of the formats there are."""
        return self.make()


@lru_cache(maxsize=1)
def entries() -> tuple[Entry, ...]:
    """Every entry of the catalogue, the more specific before the more general."""
    folder = files("logkit.formats").joinpath("known")
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    tables = [tomllib.loads(file.read_text(encoding="utf-8")) for file in found]
    words: dict[str, str] = {}
    for table in tables:
        words |= table.get("words", {})
    return tuple(_entry(entry, words) for table in tables for entry in table.get("format", ()))


@lru_cache(maxsize=1)
def json_kinds() -> tuple[JsonKind, ...]:
    """The kinds of JSON lines that have a name."""
    return tuple(entry.json for entry in entries() if entry.json)


@lru_cache(maxsize=1)
def catalog() -> tuple[Format, ...]:
    """The formats of the catalogue in detection order; `plain`, which reads anything, is the last."""
    return (*(entry.format for entry in entries()), Plain())


def named(name: str) -> Format:
    """The format of this name. Raises FormatError naming those there are."""
    found = next((known for known in catalog() if known.name == name), None)
    if found is None:
        known = ", ".join(format.name for format in catalog())
        raise FormatError(f"expected the name of a format, found {name!r}; try one of {known}", name=name)
    return found


def format_of(table: Mapping[str, Any], words: Mapping[str, str] | None = None) -> Format:
    """The format that a table of the catalogue, or of a user's own TOML file, describes; FormatError for a wrong one.

    `words` are what `%{word}` in a pattern and a lone word in `time` stand for.
    """
    name, words = str(table.get("name", "own")), words or {}
    time = str(table.get("time", "iso"))
    settings = {key: table[key] for key in _SETTINGS if key in table}
    settings |= {"time": words.get(f"time_{time}", time), "levels": _levels(table.get("levels", "words"))}
    if "start" in table:
        parts = tuple(_regex(name, part, words) for part in table["parts"])
        return ManyLine(name, _regex(name, table["start"], words), parts, settings["time"], settings["levels"])
    made: Template | Regex
    settings["multiline"] = table.get("multiline", True)
    if "pattern" in table:
        made = Template(name, table["pattern"], **settings)
    elif "regex" in table:
        made = Regex(name, _regex(name, table["regex"], words), **settings)
    else:
        raise FormatError(f"format {name!r}: expected a pattern or a regex, found neither", name=name)
    return Access(made) if table.get("access", False) else made


def _entry(table: dict[str, Any], words: Mapping[str, str]) -> Entry:
    name, title, samples = table["name"], table["title"], tuple(table["samples"])
    if "json" not in table:
        return Entry(name, title, samples, partial(format_of, table, words))
    about = table["json"]
    kind = JsonKind(name, tuple(about["has"]), about.get("level", ""), tuple(about.get("fields", {}).items()))
    return Entry(name, title, samples, partial(JsonLines, name=name), kind)


def _levels(written: object) -> LevelKind:
    return tuple(written.items()) if isinstance(written, dict) else str(written)


def _regex(name: str, regex: str, words: Mapping[str, str]) -> str:
    """The regular expression with its words put in, with ASCII digits and letters only: compiled in a quarter of the
    time."""

    def word(match: re.Match[str]) -> str:
        if match[1] not in words:
            raise FormatError(f"format {name!r}: expected a known word, found {match[0]}", name=name)
        return words[match[1]]

    return _MACRO.sub(word, regex).replace(r"\d", "[0-9]").replace(r"\w", "[0-9A-Za-z_]")
