"""The live panel in a real JupyterLab in a real Chromium: one server and one browser for all of it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nbconvert import HTMLExporter

from tests.browser import CHROMIUM, Lab, jupyterlab, output, run

HOSTILE = "<script>window.hacked=1</script><img src=x onerror=window.hacked=2> $x_1$ \\\\frac{ %s {}"

pytestmark = pytest.mark.skipif(not os.path.exists(CHROMIUM), reason=f"needs {CHROMIUM}, which is not there")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    pytest.importorskip("playwright", reason="needs playwright, which is not installed")
    with jupyterlab(tmp_path_factory.mktemp("lab")) as started:
        yield started


def events(page: Any) -> str:
    text: str = page.locator(".logkit-panel .lk-figure").first.inner_text()
    return text


def changes(page: Any, times: int, seconds: float) -> bool:
    """Whether the counter of events changes so often within so many seconds."""
    seen, deadline = [events(page)], time.monotonic() + seconds
    while time.monotonic() < deadline:
        page.wait_for_timeout(100)
        if events(page) != seen[-1]:
            seen.append(events(page))
        if len(seen) > times:
            return True
    return False


START = f"""import json, threading, time, pathlib, tempfile, logkit
folder = pathlib.Path(tempfile.mkdtemp())
stop = threading.Event()
def line(number, level="info", message="fine"):
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1772366400 + number))
    return json.dumps({{"timestamp": at + "Z", "level": level, "service": "web", "message": message}}) + "\\n"
with (folder / "app.log").open("w") as log:
    log.writelines(line(number) for number in range(600))
    log.write(line(600, "error", {HOSTILE!r}))
def write():
    with (folder / "app.log").open("a", buffering=1) as log:
        for number in range(100_000):
            log.write(line(601 + number // 20))
            if stop.wait(0.05):
                break
monitor = logkit.watch(folder)
monitor.wait_idle()
"""


def test_the_panel_moves_while_cells_run_and_leaves_a_still_one(lab: Lab) -> None:
    busy = "end = time.monotonic() + 5\nwhile time.monotonic() < end:\n    sum(range(1000))\nprint('burnt')"
    shown = START + "threading.Thread(target=write, daemon=True).start()\nmonitor"
    path = lab.write("moves", shown, "time.sleep(6); print('slept')", busy, "stop.set(); print(monitor.stop())")
    page = lab.open("moves", timezone_id="Asia/Tokyo")
    run(page, 0)
    page.wait_for_selector(".logkit-panel .lk-figure")

    run(page, 1)
    assert changes(page, 2, 5)
    assert output(page, 1).strip() == "slept"
    run(page, 2)
    assert changes(page, 2, 4)
    assert output(page, 2).strip() == "burnt"

    # hostile text is shown, not run, and the axis is in UTC in a browser in Tokyo
    assert "<script>window.hacked=1</script>" in page.locator(".logkit-panel").inner_text()
    assert page.evaluate("window.hacked") is None
    labels = page.locator(".logkit-panel .bqplot .axis").first.locator(".tick text").all_text_contents()
    assert labels
    assert all(label.startswith(("11:", "12:")) for label in labels)

    run(page, 3)
    assert "every thread has ended" in output(page, 3)
    page.wait_for_selector(".jp-OutputArea-output img[src^='data:image/png']")
    assert page.locator(".logkit-panel").count() == 0
    page.keyboard.press("Control+s")
    page.wait_for_function("!document.querySelector('.jp-mod-dirty')")
    page.context.close()
    assert_still_there(lab, path)


def assert_still_there(lab: Lab, path: Path) -> None:
    """The saved notebook, as `nbconvert` makes HTML of it, with the network blocked; opened without a kernel, trusted
    and not."""
    body, _ = HTMLExporter().from_filename(str(path))
    page_path = path.with_suffix(".html")
    page_path.write_text(body)
    page = lab.browser.new_context(offline=True).new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_path.as_uri(), wait_until="domcontentloaded")
    assert page.locator("td", has_text="web").count() > 0
    assert page.locator("img[src^='data:image/png']").first.evaluate("one => one.naturalWidth") > 500
    assert page.evaluate("window.hacked") is None
    page.context.close()

    shutil.copy(path, lab.folder / "untrusted.ipynb")
    notebook = json.loads((lab.folder / "untrusted.ipynb").read_text())
    notebook["cells"][0]["source"] += "\n# by somebody else"
    (lab.folder / "untrusted.ipynb").write_text(json.dumps(notebook))
    for name, icon in ((path.stem, "trusted"), ("untrusted", "not-trusted")):
        page = lab.open(name, kernel=False)
        assert page.locator(".jp-OutputArea-output td", has_text="web").count() > 0
        assert page.locator("img[src^='data:image/png']").first.evaluate("one => one.naturalWidth") > 500
        assert page.evaluate("window.hacked") is None
        page.locator(f".jp-StatusItem-trust [data-icon='ui-components:{icon}']").wait_for(state="attached")
        page.context.close()


def test_brushing_gives_the_window_and_controls_work_by_keyboard(lab: Lab) -> None:
    ask = "print(panel.selection and [f'{end:%H:%M:%S}' for end in panel.selection], len(panel.selected()))"
    lab.write("brush", START + "panel = monitor.panel()\npanel", ask)
    page = lab.open("brush", timezone_id="America/New_York")
    run(page, 0)
    page.wait_for_selector(".logkit-panel .bargroup rect", state="attached")
    page.wait_for_timeout(1500)
    boxes = [one.bounding_box() for one in page.locator(".logkit-panel .bqplot .bargroup").all()]
    first, last = boxes[-21], boxes[-11]
    y = page.locator(".logkit-panel .bqplot").bounding_box()["y"] + 60
    page.mouse.move(first["x"] + first["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(last["x"] + last["width"] / 2, y, steps=8)
    page.mouse.up()
    page.locator(".logkit-panel", has_text="selected: 110 events").wait_for()
    run(page, 1)
    # the newest bar begins at 12:10:00: the brush covers bars from 200 to 90 seconds before
    assert output(page, 1).strip() == "['12:06:40', '12:08:30'] 110"

    level = page.get_by_label("lowest level")
    level.focus()
    page.keyboard.press("E")
    page.locator(".logkit-panel .lk-table").first.locator("tbody tr", has_text="100 %").wait_for()
    page.context.close()


STOP = "monitor.stop(); stop.set(); print(count()[0], count()[1])"


def test_running_the_cell_again_leaves_one_set_of_threads_and_no_more_widgets(lab: Lab) -> None:
    count = """from ipywidgets.widgets import widget
def count():
    names = sorted(one.name for one in threading.enumerate() if one.name.startswith("logkit-"))
    return len(names), names.count("logkit-refresher"), len(widget._instances)
from IPython.display import display
counts = []
for _ in range(20):
    monitor = logkit.watch(folder)
    display(monitor)
    counts.append(count())
print(len(set(counts[8:])), counts[-1][1])"""
    lab.write("again", START, count, "threading.Thread(target=write, daemon=True).start()\nmonitor", STOP)
    page = lab.open("again")
    run(page, 0)
    run(page, 1)
    assert output(page, 1).split() == ["1", "1"]

    # clearing what is shown harms nothing: the next display is alive
    page.locator(".lm-MenuBar-item", has_text="Edit").click()
    page.locator(".lm-Menu-item", has_text="Clear Outputs of All Cells").click()
    page.wait_for_function("!document.querySelector('.logkit-panel')")
    run(page, 2)
    page.wait_for_selector(".logkit-panel .lk-figure")
    assert changes(page, 1, 4)

    # a reload with the kernel alive brings the panel back, and it still moves
    page.keyboard.press("Control+s")
    page.wait_for_function("!document.querySelector('.jp-mod-dirty')")
    page.reload()
    page.wait_for_selector(".logkit-panel .lk-figure")
    assert changes(page, 1, 4)

    # stopped then, it leaves a still picture, though the page has forgotten which output was the panel's
    run(page, 3)
    assert output(page, 3).split() == ["0", "0"]
    page.locator(".jp-OutputArea-output .widget-html img[src^='data:image/png']").wait_for()
    assert page.locator(".logkit-panel").count() == 0
    page.context.close()


BURST = """import pathlib, statistics, tempfile, threading, time, logkit
from ipykernel.comm.comm import BaseComm
folder = pathlib.Path(tempfile.mkdtemp())
line = '{{"timestamp":"2026-03-01T12:{:02}:{:02}Z","level":"info","service":"service-{:04}","message":"took {} ms"}}\\n'
block = "".join(line.format(at // 6000, at // 100 % 60, at % 1000, at) for at in range(100_000))
sent = []
publish = BaseComm.publish_msg
def counted(self, kind, data=None, metadata=None, buffers=None, **keys):
    sent.append(len(repr(data)) + sum(len(one) for one in buffers or ()))
    return publish(self, kind, data, metadata, buffers, **keys)
BaseComm.publish_msg = counted
def read():
    return sum(source.events for source in monitor.snapshot().capture.sources)
def burst():
    with (folder / "all.log").open("a") as log:
        for _ in range(20):
            log.write(block)
def measure():
    global late, took
    sent.clear()
    late, began = [], time.monotonic()
    while read() < 2_100_000 and time.monotonic() - began < 15:
        asked = time.perf_counter()
        time.sleep(0.005)
        late.append(time.perf_counter() - asked - 0.005)
    took = time.monotonic() - began
(folder / "all.log").write_text(block)
monitor = logkit.watch(folder)
monitor.wait_idle()
monitor"""

START_BURST = """measuring = threading.Thread(target=measure)
measuring.start()
threading.Thread(target=burst).start()"""

RESULT = """measuring.join()
print(read(), took, 1e3 * statistics.median(late), 1e3 * max(late), len(sent) / took, sum(sent) / took)
monitor.stop()"""


def test_a_burst_of_lines_of_1000_services_does_not_slow_the_notebook(lab: Lab) -> None:
    lab.write("burst", BURST, START_BURST, "print(read())", RESULT)
    page = lab.open("burst")
    run(page, 0)
    page.locator(".logkit-panel", has_text="and 988 more").wait_for()
    run(page, 1)
    began = time.monotonic()
    run(page, 2)
    assert int(output(page, 2)) < 2_100_000  # answered while the burst is read
    answered = time.monotonic() - began
    run(page, 3)
    events, seconds, median_ms, most_ms, messages, size = map(float, output(page, 3).split())
    print(f"answered after {answered:.2f} s, {events / seconds / 1e6:.2f} M events/s, {messages:.1f} messages/s,")
    print(f"{size / 1e3:.0f} kB/s; a sleep ends {median_ms:.1f} ms late, at most {most_ms:.0f}")
    assert events == 2_100_000
    assert answered < 5
    assert median_ms < 20
    assert messages < 30
    assert size < 500_000
    page.context.close()
