"""The live panel: a snapshot twice a second, shown from a thread while cells run.

Read it in this order: `look` (pure: what is to be seen of a snapshot), with `counts`, `meter` and `errors` which it
is made from; `markup` (pure: that as HTML); `face` (the widgets); `refresher` (the thread that writes them); `shown`
(what a user holds); `frozen` (what remains).
"""

from logkit.views.panel.shown import Panel, Panels

__all__ = ["Panel", "Panels"]
