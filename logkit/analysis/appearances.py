"""Message templates that came up, and those that went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from logkit.analysis.conditions import time_us
from logkit.errors import SettingError

if TYPE_CHECKING:
    import pandas as pd

    from logkit.snapshot import Snapshot


def first_seen(snapshot: Snapshot, since: Any) -> pd.DataFrame:
    """See `Snapshot.first_seen`."""
    table = snapshot.patterns
    return table[table["first_seen"] >= _instant(since)].sort_values(
        ["first_seen", "count"], ascending=[True, False], kind="stable"
    )


def vanished(snapshot: Snapshot, since: Any) -> pd.DataFrame:
    """See `Snapshot.vanished`."""
    table, moment = snapshot.patterns, _instant(since)
    gone = table[table["last_seen"] < moment].copy()
    before, after = moment - table["first_seen"].min(), table["last_seen"].max() - moment
    gone["expected"] = gone["count"] * (max(after.total_seconds(), 0.0) / max(before.total_seconds(), 1.0))
    return gone.sort_values("expected", ascending=False)


def _instant(since: Any) -> pd.Timestamp:
    import pandas as pd

    us = time_us(since, "since")
    if us is None:
        raise SettingError("expected since as an instant, found None; try bursts.start", setting="since", value=since)
    return pd.Timestamp(us, unit="us", tz="UTC").as_unit("us")
