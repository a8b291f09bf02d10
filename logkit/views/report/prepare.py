"""What stands between a log's text and a reader: redacted, made visible, cut to a length that can be read."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, TypeVar

from logkit.views.report.document import Excerpt, Log

T = TypeVar("T")

_MOST_READ: Final = 20_000  # of a text: redacting takes time with its length
_MOST_SHOWN: Final = 220
_MOST_QUOTED: Final = 3000
_HIDDEN: Final = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def prepared(value: T, redact: Callable[[str], str], limit: int = _MOST_SHOWN) -> T:
    """The same document, block or text with every `Log` in it redacted, visible, and no longer than `limit`."""
    if isinstance(value, Log):
        return replace(value, text=shown(value.text, redact, limit))
    if isinstance(value, tuple):
        return tuple(prepared(one, redact, limit) for one in value)  # type: ignore[return-value]
    if is_dataclass(value) and not isinstance(value, type):
        within = _MOST_QUOTED if isinstance(value, Excerpt) else limit
        changed: dict[str, Any] = {f.name: prepared(getattr(value, f.name), redact, within) for f in fields(value)}
        return replace(value, **changed)
    return value


def shown(text: str, redact: Callable[[str], str], limit: int) -> str:
    """Redacted first, so that no cut leaves half a secret; controls, and marks that turn writing round, as codes."""
    visible = "".join(map(_visible, redact(text[:_MOST_READ])[: 2 * limit]))
    rest = len(text) - limit
    return visible if len(visible) <= limit and rest <= 0 else f"{visible[:limit]} … ({rest:,} more characters)"


def _visible(char: str) -> str:
    if char in "\n\t" or unicodedata.category(char) not in _HIDDEN:
        return char
    return char.encode("unicode_escape").decode()
