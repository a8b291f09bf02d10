"""A template as a value: its id, what matches it, and what stands in place of its wildcards."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import polars as pl

from logkit.schema import MASK
from logkit.stats.clusters import templates
from logkit.stats.masks import WILDCARD, mask
from logkit.stats.patterns import coarser, key_of

if TYPE_CHECKING:
    from logkit.stats.value import Stats

COLUMN: Final = "pattern"
"""The column of `events` that names each event's template."""

_NUMBERED: Final = {MASK: pl.Int64(), COLUMN: pl.String()}
_SLUG_CHARS: Final = 24
_NAME: Final = re.compile(r"([A-Za-z_]\w{0,29})\s*[=:]\s*[\"'\[({<]?\Z", re.ASCII)


def id_of(template: str) -> str:
    """The id of a template: its first words, to be read, and 32 bits of its hash; the same in every process."""
    words = re.findall(r"[a-z]+", template.replace(WILDCARD, " ").lower())
    slug = ""
    for word in words:
        if len(slug) + len(word) > _SLUG_CHARS:
            break
        slug += word + "-"
    return slug + hashlib.blake2b(template.encode(), digest_size=4).hexdigest()


@dataclass(frozen=True)
class Templates:
    """Which template each masked message belongs to. A value; any thread may use it."""

    of_mask: Mapping[str, str]

    @classmethod
    def of(cls, stats: Stats) -> Templates:
        """The templates of all masked messages counted in `stats`."""
        return cls(templates(stats.patterns.masks))

    @cached_property
    def ids(self) -> dict[str, str]:
        """The id of each template."""
        return {template: id_of(template) for template in set(self.of_mask.values())}

    @cached_property
    def texts(self) -> dict[str, str]:
        """The template of each id."""
        return {pattern: template for template, pattern in self.ids.items()}

    def template_of(self, masked: str) -> str:
        """A masked message's template: its own or, where it was not kept apart, that of its beginning.

        What a part of the events keeps apart need not be what all of them did: each mask has one here, known or not.
        """
        known = (self.of_mask[text] for text in (masked, coarser(masked), WILDCARD) if text in self.of_mask)
        return next(known, WILDCARD)

    def id_of_mask(self, masked: str) -> str:
        """The id of a masked message's template."""
        return self.ids.get(self.template_of(masked)) or id_of(WILDCARD)

    @cached_property
    def numbers(self) -> pl.DataFrame:
        """The numbers of masked messages that stand for one here, and the id of its template."""
        ids = [self.ids[template] for template in self.of_mask.values()]
        return pl.DataFrame({MASK: [key_of(text) for text in self.of_mask], COLUMN: ids}, _NUMBERED).unique(MASK)

    def named(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with `COLUMN` for their `schema.MASK`, or for their message where they have none."""
        if MASK not in rows.columns:
            return added(rows, self.column(rows["message"]))
        ids = rows.select(MASK).join(self.numbers, on=MASK, how="left", maintain_order="left")[COLUMN]
        unknown = ids.is_null().arg_true()
        if len(unknown):  # masked messages that were not kept apart: what they count as can only be read off them
            ids = ids.scatter(unknown, self.column(rows["message"].gather(unknown)))
        return added(rows.drop(MASK), ids)

    def column(self, messages: pl.Series) -> pl.Series:
        """The id of each message's template (String)."""
        masked = mask(messages)
        return masked.each(pl.Series(COLUMN, [self.id_of_mask(text) for text in masked.texts], pl.String))


def added(rows: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    """The rows with the ids; a field of their own that is called so gets a `_` behind its name."""
    name = COLUMN
    while name in rows.columns:
        name += "_"
    return rows.rename({COLUMN: name} if name != COLUMN else {}).with_columns(ids.alias(COLUMN))


def parameters(template: str, messages: pl.Series) -> pl.DataFrame:
    """What stands in place of each wildcard, a String column each; messages the template does not match have nulls.

    Columns are named after what stands before them (`user=`, `size: `), else p1, p2 … by their number.
    """
    names = parameter_names(template)
    if not names:
        return pl.DataFrame(height=len(messages))
    groups = messages.str.extract_groups(expression(template))
    return groups.struct.unnest().rename(dict(zip(groups.struct.fields, names, strict=True)))


def expression(template: str) -> str:
    """A regular expression, as Polars has them, that matches the template's messages, a group for each wildcard."""
    return r"(?s)\A" + "(.*?)".join(pl.escape_regex(part) for part in template.split(WILDCARD)) + r"\z"


def parameter_names(template: str) -> list[str]:
    """A name for each wildcard, no two alike."""
    names: list[str] = []
    for number, before in enumerate(template.split(WILDCARD)[:-1], 1):
        found = _NAME.search(before)
        name = found[1] if found else f"p{number}"
        while name in names:
            name += f"_{number}"
        names.append(name)
    return names
