"""Masked messages -> templates: which words vary from message to message, decided by evidence.

A pure function of the set of masked messages: neither their order nor their counts matter. Messages are compared where
they have the same tokens but for words. A word's place is a parameter if what stands there cannot be the statement's
own words (`_Slot.varies` has the evidence, one rule a line); places that are not tell templates apart.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

import polars as pl

from logkit.stats.masks import WILDCARD

_TOKENS: Final = r"""(?s)"[^"<>]*"|'[^\s'<>][^'<>]*'|<\*>|\s+|\w(?:[\w.$@~+\-/\\']*\w)?|."""
_MANY: Final = 5
"""From so many plain words on a place is a parameter: statements that differ in one word alone are fewer."""

_SHARED: Final = 3
"""Words that vary together in two places are values, not statements."""

_IDENTIFIER: Final = re.compile(r"\w[._$@/\\~]\w|[a-z][A-Z]")  # nobody writes prose like this
_PARTICIPLE: Final = re.compile(r"[A-Za-z]{2,}(?:ed|ing)\Z")  # says what happened, so it is the statement's

Row = tuple[str, ...]
"""The words of one message, or template, in the slots of its family."""


def templates(masked: Iterable[str]) -> dict[str, str]:
    """The template of each masked message: the same text, or one in which more of it is `WILDCARD`.

    A template between whose wildcards the literal text stands matches each message whose mask has that template.
    """
    families = _families(sorted(set(masked)))
    for family in families:
        family.settle(frozenset())
    known = _values(families)
    found: dict[str, str] = {}
    for family in families:
        if family.open:
            family.settle(known)
        found.update(family.texts())
    return found


def _values(families: Collection[_Family]) -> frozenset[str]:
    """Words that are values somewhere: those of parameters, and those that vary together in more than one place."""
    known = {word for family in families for word in family.accepted}
    places: dict[tuple[str, ...], int] = defaultdict(int)
    for family in families:
        for words in family.open:
            for together in combinations(words, _SHARED):
                places[together] += 1
    known.update(word for together, count in places.items() if count > 1 for word in together)
    return frozenset(known)


@dataclass(frozen=True, slots=True)
class _Slot:
    """A place where a word stands."""

    at: int
    """Its token."""
    is_first: bool
    is_key: bool
    """What follows is "=": the word names a value."""
    has_colon: bool

    def varies(self, words: Collection[str], known: Collection[str]) -> bool:
        """Whether these words, all else being equal, are values of a parameter."""
        if self.is_key:
            return False
        plain = [word for word in words if word != WILDCARD and not _is_quoted(word)]
        if not plain:
            return True
        opens = self.is_first or self.has_colon  # a statement opens with words of its own, often a name: `getTasks: `
        names = [word for word in plain if _IDENTIFIER.search(word)]
        if len(names) == len(plain) and not opens:
            return True
        if 2 * sum(_PARTICIPLE.match(word) is not None for word in plain) > len(plain):
            return False
        if not opens and 2 * sum(word in known or word in names for word in plain) > len(plain):
            return True
        return len(words) + (len(plain) < len(words)) >= (2 * _MANY if opens else _MANY)


def _is_quoted(word: str) -> bool:
    return word[0] in "\"'" and len(word) > 1


@dataclass(slots=True)
class _Family:
    """Masked messages with the same tokens but for words and the width of gaps."""

    tokens: dict[str, list[str]] = field(default_factory=dict)
    slots: tuple[_Slot, ...] = ()
    rows: dict[str, Row] = field(default_factory=dict)
    merged: dict[Row, set[Row]] = field(default_factory=dict)
    """Templates, each with the rows it stands for."""
    accepted: set[str] = field(default_factory=set)
    """Plain words found to be values."""
    open: list[Row] = field(default_factory=list)
    """Alternatives, sorted, that were not enough to be called values."""

    def settle(self, known: Collection[str]) -> None:
        """Find the templates."""
        self.merged, self.accepted, self.open = {}, set(), []
        self._split(sorted(set(self.rows.values())), known)
        while self._merge(known):
            pass

    def _split(self, rows: list[Row], known: Collection[str]) -> None:
        """Rows that are one template, or else apart by the first place that tells statements apart."""
        words = [set(column) for column in zip(*rows, strict=True)]
        varying = [n for n, found in enumerate(words) if len(found) > 1]
        loose = [n for n in varying if self.slots[n].varies(words[n], known)]
        if len(loose) == len(varying) and self._holds(rows, words, varying):
            self._accept(rows, [words[n] for n in varying])
            row = tuple(WILDCARD if len(found) > 1 else next(iter(found)) for found in words)
            self.merged.setdefault(row, set()).update(rows)
            return
        fixed = [n for n in varying if n not in loose] or varying
        parts: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            parts[row[fixed[0]]].append(row)
        for part in parts.values():
            self._split(part, known)

    def _holds(self, rows: Collection[Row], words: list[set[str]], varying: list[int]) -> bool:
        """Whether enough of the rows is common to them to be one statement."""
        if not varying:
            return True
        common = sum(len(found) == 1 and WILDCARD not in found for found in words)
        if common < len(varying) + (varying[0] == 0):
            return False
        # Parameters recombine; words that change together are different statements.
        most = max(len(words[n]) for n in varying)
        return len(varying) == 1 or len(rows) > most or most >= 2 * _MANY

    def _accept(self, rows: Collection[Row], words: Iterable[set[str]]) -> None:
        for found in words:
            if len(found) >= _MANY:
                self.accepted.update(word for word in found if word.isalpha())

    def _merge(self, known: Collection[str]) -> bool:
        """Make one of templates that differ in one place, if that is a parameter; whether there were any."""
        self.open = []
        some = self._absorb()
        for n, slot in enumerate(self.slots):
            groups: dict[Row, list[Row]] = defaultdict(list)
            for row in self.merged:
                groups[row[:n] + row[n + 1 :]].append(row)
            for rest, alike in groups.items():
                if len(alike) < 2:
                    continue
                words = {row[n] for row in alike}
                rows = set().union(*(self.merged[row] for row in alike))
                columns = [set(column) for column in zip(*rows, strict=True)]
                varying = [at for at, found in enumerate(columns) if len(found) > 1]
                common = sum(len(found) == 1 and WILDCARD not in found for found in columns)
                if common < len(varying) + (n == 0):
                    continue
                if not slot.varies(words, known):
                    self.open.append(tuple(sorted(word for word in words if word.isalpha()))[: 4 * _MANY])
                    continue
                self._accept(rows, [words])
                for row in alike:
                    del self.merged[row]
                self.merged.setdefault((*rest[:n], WILDCARD, *rest[n:]), set()).update(rows)
                some = True
        return some

    def _absorb(self) -> bool:
        """Let templates with parameters take the rows that fit them; whether there were any."""
        some = False
        shapes: dict[tuple[int, ...], list[Row]] = defaultdict(list)
        for row, rows in self.merged.items():
            varying = tuple(n for n, word in enumerate(row) if word == WILDCARD and any(r[n] != word for r in rows))
            if len(varying) > 1:
                shapes[varying].append(row)
        for varying, general in sorted(shapes.items(), key=lambda item: -len(item[0])):
            keep = [n for n in range(len(self.slots)) if n not in varying]
            by_rest = {tuple(row[n] for n in keep): row for row in general}
            for row in list(self.merged):
                target = by_rest.get(tuple(row[n] for n in keep))
                if target is not None and target != row and target in self.merged:
                    self.merged[target].update(self.merged.pop(row))
                    some = True
        return some

    def texts(self) -> Iterator[tuple[str, str]]:
        """Each masked message and its template."""
        of_row: dict[Row, list[str]] = defaultdict(list)
        for text, row in self.rows.items():
            of_row[row].append(text)
        for template, rows in self.merged.items():
            texts = [text for row in rows for text in of_row[row]]
            made = self._text(template, texts)
            for text in texts:
                yield text, made

    def _text(self, template: Row, texts: list[str]) -> str:
        """The template's text: what all have in common, wildcards between."""
        parts = list(self.tokens[texts[0]])
        for slot, word in zip(self.slots, template, strict=True):
            parts[slot.at] = word
        for at, token in enumerate(parts):
            gaps = {self.tokens[text][at] for text in texts} if token.isspace() else {token}
            if len(gaps) > 1:
                parts[at] = _common(gaps) + WILDCARD
        return re.sub(r"(?:<\*>)+", WILDCARD, "".join(parts))


def _common(texts: Collection[str]) -> str:
    """How all of them begin."""
    low, high = min(texts), max(texts)
    return low[: next((n for n, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))]


def _families(masked: list[str]) -> list[_Family]:
    found: dict[tuple[str, ...], _Family] = defaultdict(_Family)
    tokens = pl.Series(masked, dtype=pl.String).str.extract_all(_TOKENS).to_list()
    for text, parts in zip(masked, tokens, strict=True):
        shape = tuple(_kind(part) for part in parts)
        family = found[shape]
        if not family.slots:
            family.slots = tuple(_slots(shape))
        family.tokens[text] = parts
        family.rows[text] = tuple(parts[slot.at] for slot in family.slots)
    return list(found.values())


def _kind(token: str) -> str:
    if token.isspace():
        return "\n" if "\n" in token else " "
    return "" if token == WILDCARD or _is_quoted(token) or token[0].isalnum() or token[0] == "_" else token


def _slots(shape: tuple[str, ...]) -> Iterator[_Slot]:
    for at, kind in enumerate(shape):
        if not kind:
            after = "".join(shape[at + 1 : at + 3])
            yield _Slot(at, at == 0, after[:1] == "=" or after == " =", after[:1] == ":")
