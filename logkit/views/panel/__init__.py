"""The live panel: a snapshot twice a second, shown from a thread while cells run.

Read it in this order: `moment` (one instant, and what the controls ask for), `look` (pure: what is to be seen of it)
with its parts `head`, `traffic`, `errors`, `sinks` and `lights`, made from `counts` and `meter`; `markup` and `sheet`
(pure: that as HTML, and its looks); `face` and `chart` (the widgets); `refresher` (the thread that writes them);
`shown` (what a user holds); `frozen` (what remains of it).
"""

from logkit.views.panel.notebook import in_kernel
from logkit.views.panel.shown import Panel, Panels

__all__ = ["Panel", "Panels", "in_kernel"]
