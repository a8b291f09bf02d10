"""Kinds of JSON lines that are known by their keys: which one a file is, and what it means by them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from logkit.formats.jsonlines import JsonLines
from logkit.formats.keys import Field, Kind, Path
from logkit.schema import NUMBERS

_LOOKED_AT: Final = 20  # objects of a head
_SHARE: Final = 0.7  # of them that must have all the keys
_KINDS: Final[dict[str, Kind]] = {"timestamp": "time", "level": "level"}


@dataclass(frozen=True, slots=True)
class JsonKind:
    """JSON lines whose objects have all the keys of `has`; nested ones are written with dots, a list's place too.

    `level` is the scale of its levels (as in `keys.level_scale`), `fields` say where columns are found: what
    neither says is found by its name as in any other JSON.
    """

    name: str
    has: tuple[str, ...]
    level: str = ""
    fields: tuple[tuple[str, str], ...] = ()

    def fits(self, objects: Sequence[Mapping[str, Any]]) -> bool:
        """Whether most of the objects have its keys."""
        count = sum(all(_at(found, key) is not None for key in self.has) for found in objects)
        return count >= max(_SHARE * len(objects), 1)

    def applied(self, format: JsonLines, example: Mapping[str, Any]) -> JsonLines:
        """The format by this name, with the kind's own fields; `example` is one of its objects."""
        known = {column: self._field(column, _path(example, key)) for column, key in self.fields}
        fields = [known.pop(field.column, field) for field in format.fields]
        fields += known.values()
        if self.level:
            levels = [replace(field, detail=self.level) if field.kind == "level" else field for field in fields]
            fields = levels
        return replace(format, name=self.name, fields=tuple(fields))

    def _field(self, column: str, path: Path) -> Field:
        kind: Kind = "integer" if column in NUMBERS and column != "duration_ms" else _KINDS.get(column, "text")
        detail = "number" if kind == "time" else self.level or "words"
        return Field(column, (path,), kind, None, detail if kind in ("time", "level") else "")


def christened(format: JsonLines, head: bytes, kinds: Iterable[JsonKind]) -> JsonLines:
    """The format of a file that begins with `head` as the first kind that its objects fit, else as it is."""
    objects = list(_objects(head))
    if not objects:
        return format
    kind = next((kind for kind in kinds if kind.fits(objects)), None)
    return kind.applied(format, objects[0]) if kind else format


def _objects(head: bytes) -> Iterable[Mapping[str, Any]]:
    for line in head.removeprefix(b"\xef\xbb\xbf").split(b"\n", _LOOKED_AT)[:_LOOKED_AT]:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def _path(found: Mapping[str, Any], key: str) -> Path:
    return (key,) if key in found else tuple(key.split("."))


def _at(found: Any, key: str) -> Any:
    """The value at a key, which may be written with dots; None where there is none."""
    for part in _path(found, key):
        if isinstance(found, dict):
            found = found.get(part)
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return found
