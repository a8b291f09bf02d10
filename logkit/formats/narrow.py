"""The same format with fewer columns: what nobody asks for is matched, and never made."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import Final

from logkit.formats.access import EXTRA, Access
from logkit.formats.base import Format
from logkit.formats.columns import DURATIONS, SERVICES
from logkit.formats.mixed import Mixed
from logkit.formats.nested import Nested
from logkit.formats.pattern import MESSAGE, TIME
from logkit.formats.regex import Regex
from logkit.formats.template import Template

_ALWAYS: Final = frozenset({TIME, "level", MESSAGE, "status", "pri", EXTRA, *DURATIONS})
_GROUP: Final = re.compile(r"\(\?P?<(\w+)>")
_FIELD: Final = re.compile(r"(?<!\{)\{(?P<name>[A-Za-z_][\w.]*)(?P<rest>(?::[^?}]*)?\??)\}")


def narrowed(format: Format, columns: frozenset[str]) -> Format:
    """The format without the fields of its own that are not among `columns`, where leaving them out saves work."""
    if isinstance(format, Access):
        return Access(_narrow(format.inner, columns))
    if isinstance(format, Template | Regex):
        return _narrow(format, columns)
    if isinstance(format, Mixed):
        return replace(format, members=tuple(narrowed(member, columns) for member in format.members))
    if isinstance(format, Nested):
        return replace(format, inner=narrowed(format.inner, columns))
    return format


@lru_cache(maxsize=512)
def _narrow(format: Template | Regex, columns: frozenset[str]) -> Template | Regex:
    kept = _ALWAYS | columns | {next((name for name in SERVICES if name in format.fields), MESSAGE)}
    if isinstance(format, Regex):
        fewer = _GROUP.sub(lambda group: group[0] if group[1] in kept else "(?:", format.pattern)
        return replace(format, pattern=fewer)
    kept |= set(format.optional)
    fewer = _FIELD.sub(lambda found: found[0] if found["name"] in kept else f"{{_{found['rest']}}}", format.pattern)
    return replace(format, pattern=fewer)
