"""A quick look: could a format of the catalogue read any of these lines?

Lines are hostile, so everything here takes time linear in them: native regular expressions never go back,
where a pattern of Python's can take minutes on one line.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from logkit.formats.access import Access
from logkit.formats.base import Format
from logkit.formats.block import Text
from logkit.formats.regex import Regex
from logkit.formats.template import Template

_PIECE: Final = re.compile(
    r"\{(?P<name>[^{}:?]*)(?::(?P<kind>[^{}?]*))?(?P<empty>\?)?\}|(?P<blank> +)|(?P<brace>\{\{|\}\})|(?P<literal>.)"
)
_KINDS: Final = {"d": "[0-9]+", "f": "[-+0-9.]+", "w": "[^ ]+"}


def may_read(format: Format, lines: Text) -> bool:
    """Whether the format could read one of the lines; always so where it does read one."""
    likeness = _likeness(format)
    return likeness is None or bool(lines.series().str.contains(likeness).any())


def _likeness(format: Format) -> str | None:
    """What lines of the format look like at the least, as a regular expression; None where nothing is known."""
    inner = format.inner if isinstance(format, Access) else format
    if isinstance(inner, Template):
        return _template_outline(inner.pattern)
    if isinstance(inner, Regex):
        return inner.pattern if inner.search else f"^(?:{inner.pattern})$"
    return None


@lru_cache(maxsize=512)
def _template_outline(pattern: str) -> str:
    return "|".join(f"^(?:{_template(line)})" for line in pattern.split("\n") if line)


def _template(pattern: str) -> str:
    """A regular expression for a template: its literals and kinds in order, its times and words taken on trust."""
    found = []
    for piece in _PIECE.finditer(pattern):
        if piece["blank"]:
            found.append("(?: +|$)")
        elif piece["name"] is not None:
            kind = _KINDS.get(piece["kind"] or "", ".*?")
            found.append(f" *(?:{kind})? *" if piece["empty"] else f" *{kind} *")
        else:
            found.append(re.escape((piece["brace"] or piece["literal"])[0]))
    return "".join(found)
