"""The live panel in a real JupyterLab in a real Chromium: one server and one browser for all of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbconvert import HTMLExporter

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = "/usr/bin/chromium"
DEADLINE_MS = 20_000
HOSTILE = "<script>window.hacked=1</script><img src=x onerror=window.hacked=2> $x_1$ \\\\frac{ %s {}"

pytestmark = pytest.mark.skipif(not os.path.exists(CHROMIUM), reason=f"needs {CHROMIUM}, which is not there")


@dataclass
class Lab:
    """A running JupyterLab, its folder of notebooks, and a browser."""

    url: str
    folder: Path
    browser: Any

    def write(self, name: str, *cells: str) -> Path:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path = self.folder / f"{name}.ipynb"
        nbformat.write(notebook, path)
        return path

    def open(self, name: str, **context: Any) -> Any:
        page = self.browser.new_context(viewport={"width": 1200, "height": 1500}, **context).new_page()
        page.set_default_timeout(DEADLINE_MS)
        page.goto(f"{self.url}/lab/workspaces/{name}/tree/{name}.ipynb")
        page.wait_for_selector(".jp-Notebook .cm-content")
        page.locator("#jp-main-statusbar", has_text="| Idle").wait_for()  # cells run before that are turned down
        return page


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, which is not installed")
    home = tmp_path_factory.mktemp("lab")
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    (home / "notebooks").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = {"CONFIG": "config", "DATA": "data", "RUNTIME": "runtime"}
    env = {**os.environ, **{f"JUPYTER_{name}_DIR": str(home / at) for name, at in places.items()}}
    env |= {"IPYTHONDIR": str(home / "ipython"), "JUPYTERLAB_SETTINGS_DIR": str(home / "settings")}
    env |= {"JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"), "PYTHONPATH": str(ROOT)}
    options = [
        "--no-browser",
        "--allow-root",
        f"--port={port}",
        "--IdentityProvider.token=",
        "--ServerApp.port_retries=0",
    ]
    command = [sys.executable, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={home / 'notebooks'}"]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        url = f"http://127.0.0.1:{port}"
        await_server(url, server, home / "log")
        with playwright.sync_playwright() as driver:
            arguments = ["--no-sandbox", "--disable-background-networking"]
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
            yield Lab(url, home / "notebooks", browser)
            browser.close()
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def await_server(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"{url}/api", timeout=5):
                return
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"JupyterLab does not answer: {log.read_text()[-2000:]}")
            time.sleep(0.1)


def run(page: Any, number: int) -> None:
    """Run one cell, without waiting for its end: pressed again until the notebook, which may still load, takes it."""
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(number)
    cell.scroll_into_view_if_needed()
    prompt = cell.locator(".jp-InputPrompt")
    before = prompt.inner_text()
    for _ in range(5):
        cell.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            if prompt.inner_text() != before:
                return
            page.wait_for_timeout(50)
    pytest.fail(f"cell {number} does not run")


def output(page: Any, number: int) -> str:
    """The text a cell has printed when it has ended."""
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(number)
    cell.locator(".jp-OutputArea-output pre").first.wait_for()
    text: str = cell.locator(".jp-OutputArea-output pre").first.inner_text()
    return text


def events(page: Any) -> str:
    text: str = page.locator(".logkit-panel .lk-figure").first.inner_text()
    return text


def changes(page: Any, seconds: float) -> int:
    """How often the counter of events changes within so many seconds."""
    seen, deadline = [events(page)], time.monotonic() + seconds
    while time.monotonic() < deadline:
        page.wait_for_timeout(200)
        if events(page) != seen[-1]:
            seen.append(events(page))
    return len(seen) - 1


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
    assert changes(page, 5) >= 2
    assert output(page, 1).strip() == "slept"
    run(page, 2)
    assert changes(page, 4) >= 2
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
    """The saved notebook, with the network blocked, as `nbconvert` makes HTML of it; and opened without trust."""
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
    page = lab.open("untrusted")
    assert page.locator(".jp-OutputArea-output td", has_text="web").count() > 0
    assert page.locator("img[src^='data:image/png']").first.evaluate("one => one.naturalWidth") > 500
    assert page.evaluate("window.hacked") is None
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
print(len(set(counts)), counts[-1][1])"""
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
    assert changes(page, 4) >= 1

    # a reload with the kernel alive brings the panel back, and it still moves
    page.keyboard.press("Control+s")
    page.wait_for_function("!document.querySelector('.jp-mod-dirty')")
    page.reload()
    page.wait_for_selector(".logkit-panel .lk-figure")
    assert changes(page, 4) >= 1

    run(page, 3)
    assert output(page, 3).split() == ["0", "0"]
    page.context.close()
