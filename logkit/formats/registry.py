"""The user's own formats of this session, which detection tries before those of the catalogue."""

from __future__ import annotations

from typing import Final

from logkit.formats.base import Format

_registered: Final[dict[str, Format]] = {}  # setting and copying a dictionary are single steps of the interpreter


def registered() -> tuple[Format, ...]:
    """The registered formats, the last one first. Any thread may ask."""
    return tuple(reversed(list(_registered.values())))


def register(format: Format) -> None:
    """Have detection try this format first from now on; one of the same name is replaced."""
    _registered.pop(format.name, None)
    _registered[format.name] = format


def unregister(name: str) -> bool:
    """Forget the registered format of this name; False where there is none."""
    return _registered.pop(name, None) is not None
