"""Steps of a pattern as numbers, for the kernel that moves rows through them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from logkit.formats.pattern import MESSAGE, SKIPPED, Step

_MOST_STEPS: Final = 64
_MOST_PARTS: Final = 16
_HAS_FIELD: Final = 1
_OPTIONAL: Final = 2  # may be empty
_BARE: Final = 4  # keeps the blanks at its end
_AT_END: Final = 8  # its literal is looked for at the line's end
_TO_LIMIT: Final = 16  # goes on to the line's end


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """`steps`: flags, kind, slot, width and parts of each step, then of each part where it is in `texts`, and its
    length, 0 for blanks. `names` are the fields by slot; a name that stands twice has the later one's place."""

    steps: npt.NDArray[np.int32]
    texts: bytes
    names: tuple[str, ...]


@lru_cache(maxsize=1024)
def program(steps: tuple[Step, ...]) -> Program | None:
    """The program of some steps, none of which is a time; None for more than the kernel takes."""
    if len(steps) > _MOST_STEPS or any(step.literal and len(step.literal.parts) > _MOST_PARTS for step in steps):
        return None
    code: list[int] = []
    texts = b""
    names = list(dict.fromkeys(step.field.name for step in steps if step.field and step.field.name != SKIPPED))
    for step in steps:
        parts = step.literal.parts if step.literal else ()
        slot = names.index(step.field.name) if step.field and step.field.name != SKIPPED else -1
        code += [_flags(step), _kind(step), slot, step.field.width if step.field else 0, len(parts)]
        for part in parts:
            code += [len(texts), 0 if part == b" " else len(part)]
            texts += part
    return Program(np.array(code, np.int32), texts, tuple(names))


def _flags(step: Step) -> int:
    field, literal = step.field, step.literal
    if field is None:
        return 0
    free = literal is None and field.name == MESSAGE
    flags = _HAS_FIELD
    flags |= _OPTIONAL * (field.optional or free)
    flags |= _BARE * (free or (field.name == SKIPPED and not field.kind))
    if not field.width:
        flags |= _TO_LIMIT * (literal is None)
        flags |= _AT_END * (literal is not None and step.last and b" " not in literal.parts)
    return flags


def _kind(step: Step) -> int:
    """The constraint's letter; blanks cannot be in what ends at the next blank."""
    kind = step.field.kind if step.field else ""
    alone = step.literal is not None and step.literal.parts == (b" ",)
    return ord(kind) if kind and not (kind == "w" and alone) else 0
