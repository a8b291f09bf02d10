"""A document as Markdown (GitHub's flavour), without pictures. Log text stands in code, and is never markup."""

from __future__ import annotations

import re
from html import escape
from typing import Final

from logkit.views.report.document import (
    Block,
    Document,
    Excerpt,
    Figure,
    Heading,
    Inline,
    Keys,
    Line,
    Log,
    Paragraph,
    Points,
    Table,
)

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()#+!|~-])")


def render(document: Document) -> str:
    """The whole file."""
    parts = [f"# {_plain(document.title)}", _plain(document.subtitle)]
    number = {"Table": 0, "Evidence": 0}
    for block in document.blocks:
        parts += [text for text in (_block(block, number),) if text]
    return "\n\n".join([*parts, "---", _plain(document.made)]) + "\n"


def _block(block: Block, number: dict[str, int]) -> str:
    match block:
        case Heading():
            return f"## {_plain(block.text)}"
        case Paragraph():
            return _line(block.line)
        case Points():
            return "\n".join(f"{'1.' if block.ordered else '-'} {_line(line)}" for line in block.lines)
        case Keys():
            return "\n".join(f"- **{_line(key.value)}** {_plain(key.label)}" for key in block.keys)
        case Table():
            return _table(block, _next(number, "Table"))
        case Figure():
            return ""
        case Excerpt():
            return _excerpt(block, _next(number, "Evidence"))


def _next(number: dict[str, int], kind: str) -> str:
    number[kind] += 1
    return f"**{kind} {number[kind]}.**"


def _table(table: Table, name: str) -> str:
    caption = f"{name} {_plain(table.caption)}"
    if not table.rows:
        return f"{caption}\n\n{_plain(table.empty)}"
    rule = "|".join("---:" if at in table.numbers else "---" for at in range(len(table.head)))
    rows = ["| " + " | ".join(_line(cell) or " " for cell in row) + " |" for row in table.rows]
    head = "| " + " | ".join(_plain(text) or " " for text in table.head) + " |"
    return "\n".join([caption, "", head, f"|{rule}|", *rows])


def _excerpt(excerpt: Excerpt, name: str) -> str:
    lines = [f"  {log.text}" for log in excerpt.before]
    lines += [f"> {line}" for line in excerpt.text.text.split("\n")]
    lines += [f"  {log.text}" for log in excerpt.after]
    text = "\n".join(lines)
    fence = "`" * (_longest_run(text, 2) + 1)
    command = f"\\\n{_code(excerpt.command.text)}" if excerpt.command else ""
    return f"{name} {_line(excerpt.title)}\\\n{_line(excerpt.place)}{command}\n\n{fence}text\n{text}\n{fence}"


def _line(line: Line) -> str:
    return "".join(_inline(piece) for piece in line)


def _inline(piece: Inline) -> str:
    if not isinstance(piece, Log):
        return _plain(piece)
    return _code(piece.text) if piece.code else _plain(piece.text)


def _plain(text: str) -> str:
    """Text in which nothing is markup: neither Markdown's nor HTML's."""
    return _SPECIAL.sub(r"\\\1", escape(text, quote=False).replace("\n", " "))


def _code(text: str) -> str:
    """A code span; a bar would end a table's cell even in there."""
    flat = text.replace("\n", " ").replace("|", "\\|")
    ticks = "`" * (_longest_run(flat, 0) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") or not flat.strip() else ""
    return f"{ticks}{pad}{flat or ' '}{pad}{ticks}"


def _longest_run(text: str, least: int) -> int:
    return max([least, *(len(run) for run in re.findall(r"`+", text))])
