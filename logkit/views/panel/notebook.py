"""The notebook around a panel: showing something in it, and putting something else in its place later."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any


def in_kernel() -> bool:
    """Whether a notebook kernel is running us."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None


def show_widget(widget: Any) -> str:
    """Show a widget under the running cell; returns the id by which it can be replaced."""
    from IPython.display import display

    handle = display(widget, display_id=True)  # type: ignore[no-untyped-call]
    name: str = handle.display_id
    return name


def show_html(html: str, text: str) -> None:
    """Show HTML under the running cell; `text` is for where there is no HTML."""
    from IPython.display import display

    display({"text/html": html, "text/plain": text}, raw=True)  # type: ignore[no-untyped-call]


def replace(displays: Iterable[str], html: str, text: str) -> None:
    """Put HTML in the place of what was shown under these ids. Any thread may call."""
    from IPython.display import display

    for name in displays:
        display({"text/html": html, "text/plain": text}, raw=True, display_id=name, update=True)  # type: ignore[no-untyped-call]
