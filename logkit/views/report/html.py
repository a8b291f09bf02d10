"""A document as one HTML file that needs nothing else: no script, no network. All text is escaped in one place."""

from __future__ import annotations

import base64
from html import escape
from importlib.resources import files
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

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""Even if something slipped through, the browser would run and load nothing."""


class Markup(str):
    """Text that is HTML already: only `tag` makes it."""

    __slots__ = ()


def tag(name: str, /, *content: str, **attributes: str) -> Markup:
    """An element; everything in it that is not `Markup` is escaped. `class_` is `class`, `_` in a name is `-`."""
    said = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{said}>")
    return Markup(f"<{name}{said}>{''.join(map(_escaped, content))}</{name}>")


_VOID: Final = frozenset({"meta", "img", "source", "br"})


def _escaped(text: str) -> str:
    return text if isinstance(text, Markup) else escape(text)


def render(document: Document) -> str:
    """The whole file."""
    style = files("logkit.views.report").joinpath("page.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", document.title),
        tag("style", Markup(style)),
    )
    numbering = _Numbering()
    body = [_block(block, numbering) for block in document.blocks]
    contents = [
        tag("li", tag("a", block.text, href=f"#{block.anchor}"))
        for block in document.blocks
        if isinstance(block, Heading)
    ]
    page = tag(
        "main",
        tag("header", tag("h1", document.title), tag("p", document.subtitle, class_="subtitle")),
        tag("nav", tag("ul", *contents), aria_label="Contents"),
        *body,
        tag("footer", tag("p", document.made)),
    )
    return "<!doctype html>\n" + tag("html", head, tag("body", page), lang="en") + "\n"


class _Numbering:
    """Figures and tables are numbered, each for itself."""

    def __init__(self) -> None:
        self._next = {"Figure": 0, "Table": 0, "Evidence": 0}

    def __call__(self, kind: str) -> Markup:
        self._next[kind] += 1
        return tag("b", f"{kind} {self._next[kind]}. ")


def _block(block: Block, number: _Numbering) -> Markup:
    match block:
        case Heading():
            return tag("h2", block.text, id=block.anchor)
        case Paragraph():
            return tag("p", _line(block.line), **({"class_": "small"} if block.small else {}))
        case Points():
            return tag(
                "ol" if block.ordered else "ul", *(tag("li", _line(line)) for line in block.lines), class_="points"
            )
        case Keys():
            keys = (tag("div", tag("dt", key.label), tag("dd", _line(key.value))) for key in block.keys)
            return tag("dl", *keys, class_="keys")
        case Table():
            return _table(block, number)
        case Figure():
            return _figure(block, number)
        case Excerpt():
            return _excerpt(block, number)


def _line(line: Line) -> Markup:
    return Markup("".join(_inline(piece) for piece in line))


def _inline(piece: Inline) -> str:
    if isinstance(piece, Log):
        return tag("code" if piece.code else "bdi", piece.text)
    return escape(piece)


def _table(table: Table, number: _Numbering) -> Markup:
    caption = tag("caption", number("Table"), table.caption)
    if not table.rows:
        return tag(
            "div",
            tag("table", caption, tag("tbody", tag("tr", tag("td", table.empty, class_="empty")))),
            class_="table",
        )

    head = tag("tr", *(tag("th", text, class_=_class(table, at), scope="col") for at, text in enumerate(table.head)))
    rows = (
        tag("tr", *(_cell(table, at, line) for at, line in enumerate(row)))  # on a phone a row is a card
        for row in table.rows
    )
    inner = tag("table", caption, tag("thead", head), tag("tbody", *rows))
    return tag("div", inner, class_="table", tabindex="0", role="region", aria_label=table.caption)


def _cell(table: Table, at: int, line: Line) -> Markup:
    content = _line(line)
    return tag("td", content, class_=_class(table, at) + ("" if content else " blank"), data_label=table.head[at])


def _class(table: Table, at: int) -> str:
    return "number" if at in table.numbers else "text"


def _figure(figure: Figure, number: _Numbering) -> Markup:
    alt = "".join(piece.text if isinstance(piece, Log) else piece for piece in figure.alt)
    picture = tag(
        "picture",
        tag("source", media="(max-width: 40rem)", srcset=_data(figure.narrow)),
        tag("img", src=_data(figure.wide), alt=alt),
    )
    return tag("figure", picture, tag("figcaption", number("Figure"), figure.caption))


def _data(svg: bytes) -> str:
    # As an image, never inline: a browser runs no script of a picture.
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()


def _excerpt(excerpt: Excerpt, number: _Numbering) -> Markup:
    around = [
        *(tag("span", log.text + "\n", class_="around") for log in excerpt.before),
        tag("mark", excerpt.text.text + "\n"),
        *(tag("span", log.text + "\n", class_="around") for log in excerpt.after),
    ]
    caption = [number("Evidence"), _line(excerpt.title), tag("br"), tag("span", _line(excerpt.place), class_="place")]
    if excerpt.command is not None:
        caption += [tag("br"), tag("code", excerpt.command.text, class_="command")]
    return tag("figure", tag("figcaption", *caption), tag("pre", *around), class_="evidence")
