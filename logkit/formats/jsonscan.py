"""JSON texts -> where the values of some keys stand in them, by a kernel: nothing is copied and no string is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from logkit.formats import kernels
from logkit.formats.block import Mask, Records, Text
from logkit.formats.keys import Field, Path

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found: of each field where its values are and which records have one, which of them at the first of its
    paths; how many keys each record has, and of which records all this is certain."""

    texts: list[tuple[Text, Mask]]
    first: list[Mask]
    keys: Ints
    sure: Mask

    def take(self, rows: Ints) -> Scan:
        """Of some records only."""
        texts = [(text.take(rows), valid[rows]) for text, valid in self.texts]
        return Scan(texts, [there[rows] for there in self.first], self.keys[rows], self.sure[rows])

    def more(self, fields: Sequence[Field]) -> Mask:
        """Which records have keys that the fields do not account for."""
        held = np.zeros(len(self.keys), np.uint16)
        for field, there in zip(fields, self.first, strict=True):
            if field.key is not None:
                held += there
        result: Mask = self.keys > held
        return result


def can_scan(fields: Sequence[Field]) -> bool:
    """Whether a kernel can tell the fields: none is put together from two values, or stands in a list."""
    listed = any(key.isdigit() for field in fields for path in field.paths for key in path[1:])
    return kernels.compiled and not listed and not any(field.joined for field in fields)


def scan(records: Records, fields: tuple[Field, ...]) -> Scan:
    """Look through the records once; those it is not certain of may be anything."""
    keys, nodes, entries, slots = _tree(fields)
    block = records.block
    out, there, top, sure = kernels.objects(
        block.data, block.size, records.start, records.stop, len(slots), keys, nodes, entries
    )
    texts, at_first = [], []
    for field in fields:
        first, *others = [slots[path] for path in field.paths]
        at_first.append(there[first])
        (start, stop), valid = out[first], there[first]
        for other in others:
            start, stop = np.where(valid, start, out[other, 0]), np.where(valid, stop, out[other, 1])
            valid = valid | there[other]
        texts.append((Text(block, start, stop), valid))
    return Scan(texts, at_first, top, sure)


@lru_cache(maxsize=256)
def _tree(fields: tuple[Field, ...]) -> tuple[bytes, npt.NDArray[np.int32], npt.NDArray[np.int32], dict[Path, int]]:
    """The keys looked for as the kernel takes them, and each path's slot.

    A node is an object: its entries from `first` on. An entry is a key: place and length of its name, the slot of its
    value or -1, the node of the object in it or -1, and whether it is read as a number, however that is written.
    """
    slots = {path: slot for slot, path in enumerate(dict.fromkeys(path for field in fields for path in field.paths))}
    above: list[Path] = [()]
    for path in slots:
        above += [path[:depth] for depth in range(1, len(path)) if path[:depth] not in above]
    texts = {path for field in fields for path in field.paths if field.kind != "duration"}
    nodes: list[tuple[int, int]] = []
    entries: list[tuple[int, int, int, int, bool]] = []
    names = b""
    for node in above:
        inside = dict.fromkeys(path[len(node)] for path in slots if len(path) > len(node) and path[: len(node)] == node)
        nodes.append((len(entries), len(inside)))
        for key in inside:
            name, path = key.encode(), (*node, key)
            child = above.index(path) if path in above else -1
            entries.append((len(names), len(name), slots.get(path, -1), child, path in slots and path not in texts))
            names += name
    return names, np.array(nodes, np.int32), np.array(entries, np.int32).reshape(-1, 5), slots
