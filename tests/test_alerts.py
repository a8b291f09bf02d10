"""Alerts: called once when a condition comes true, again after it was over; what users' functions raise is shown."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import logkit
from logkit.engine.alerts import Alert
from logkit.errors import SettingError
from tests.captures import capture
from tests.scenario_tools import DEADLINE, Scene, eventually

pytestmark = pytest.mark.usefixtures("no_thread_left_behind")


def fired(values: str, **given: Any) -> str:
    """Looked at once a second, `x` where the condition holds: the first letter of each state, `!` where it called."""
    now, calls = [""], list[str]()
    settings = {"every": 1.0, "hold_seconds": 0.0, "clear": None, "clear_seconds": 0.0} | given
    alert = Alert("a", lambda _: now[0] == "x", lambda _: calls.append("!"), **settings)
    snapshot, told = logkit.Snapshot(capture()), ""
    for at, now[0] in enumerate(values):
        calls.clear()
        assert alert.check(snapshot, float(at)) is None
        told += "!" if calls else alert.state[0]
    return told


def test_it_fires_once_until_it_was_quiet() -> None:
    assert fired("..xxx.x") == "qq!ffq!"
    assert fired("xx.xx..x", clear_seconds=1.0) == "!fffffq!"
    assert fired("xx.xxx.", hold_seconds=2.0) == "ppqpp!q"


def test_between_the_two_conditions_it_stays_what_it_is() -> None:
    values = "x?x?..?x"
    now = [""]
    calls: list[int] = []
    alert = Alert("a", lambda _: now[0] == "x", lambda _: calls.append(1), 1.0, 0.0, lambda _: now[0] == ".", 0.0)
    snapshot = logkit.Snapshot(capture())
    states = ""
    for at, now[0] in enumerate(values):
        alert.check(snapshot, float(at))
        states += alert.state[0]
    assert states == "ffffqqqf"
    assert len(calls) == 2


def test_a_monitor_looks_on_a_thread_of_its_own_and_a_failing_function_is_shown(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "logs")
    scene.write(10)
    heard, where = threading.Event(), list[str]()

    def call(snap: logkit.Snapshot) -> None:
        where.append(f"{threading.current_thread().name} {len(snap)}")
        heard.set()

    with scene.watch() as monitor:
        alert = monitor.when(lambda snap: len(snap) >= 10, every=0.01, call=call, name="ten")
        broken = monitor.when(lambda snap: 1 / 0, every=0.01, call=call, name="broken")
        assert heard.wait(DEADLINE)
        snap = eventually(monitor, lambda snap: snap.alerts["failures"].sum() > 2)
        assert where == ["logkit-alerts 10"]
        assert snap.alerts["name"].to_list() == ["ten", "broken"]
        assert snap.alerts["state"].to_list() == ["firing", "quiet"]
        assert snap.alerts["error"][1] == "ZeroDivisionError: division by zero"
        threads = snap.threads.set_index("name")
        assert threads.loc["logkit-alerts", "last_error"] == "ZeroDivisionError: division by zero"
        assert (alert.fired, broken.fired) == (1, 0)
        broken.stop()
        eventually(monitor, lambda snap: len(snap.alerts) == 1)
        assert len(monitor.snapshot()) == 10  # everything goes on
    assert where == ["logkit-alerts 10"]


def test_a_function_that_hangs_is_named_by_stop(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "logs")
    begun, release = threading.Event(), threading.Event()
    monitor = scene.watch()

    def hang(snap: logkit.Snapshot) -> bool:
        begun.set()
        return release.wait(DEADLINE)

    monitor.when(hang, every=0.01, call=print)
    assert begun.wait(DEADLINE)
    assert "logkit-alerts" in monitor.stop(0.2).alive
    release.set()
    assert monitor.stop(DEADLINE)


@pytest.mark.parametrize("given", [{"call": None}, {"every": 0}, {"every": "5s"}, {"clear": 3}, {"hold_seconds": -1}])
def test_what_cannot_work_says_so(tmp_path: Path, given: dict[str, Any]) -> None:
    with Scene(tmp_path / "logs").watch() as monitor, pytest.raises(SettingError, match="expected"):
        monitor.when(**({"condition": bool, "call": print} | given))
