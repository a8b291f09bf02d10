"""A JupyterLab of its own in a Chromium without a window: what browser tests and pictures are made with."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = "/usr/bin/chromium"
DEADLINE_MS = 20_000


@dataclass
class Lab:
    """A running JupyterLab, its folder of notebooks, and a browser."""

    url: str
    folder: Path
    settings: Path
    browser: Any

    def write(self, name: str, *cells: str) -> Path:
        """A notebook of these cells."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path = self.folder / f"{name}.ipynb"
        nbformat.write(notebook, path)
        return path

    def theme(self, name: str) -> None:
        """The theme of pages that are opened from now on."""
        (self.settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": f"JupyterLab {name}"}))

    def open(self, name: str, *, kernel: bool = True, width: int = 1200, height: int = 1500, **context: Any) -> Any:
        """A page with a notebook, whose kernel is ready unless nobody wants it."""
        page = self.browser.new_context(viewport={"width": width, "height": height}, **context).new_page()
        page.set_default_timeout(DEADLINE_MS)
        page.goto(f"{self.url}/lab/workspaces/{name}/tree/{name}.ipynb")
        page.wait_for_selector(".jp-Notebook .cm-content")
        if kernel:  # cells run before it is ready are turned down
            page.locator("#jp-main-statusbar", has_text="| Idle").wait_for()
        return page


@contextmanager
def jupyterlab(home: Path) -> Iterator[Lab]:
    """One server and one browser, with all they write in `home`, which is empty."""
    from playwright.sync_api import sync_playwright

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
        with sync_playwright() as driver:
            arguments = ["--no-sandbox", "--disable-background-networking"]
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
            yield Lab(url, home / "notebooks", settings, browser)
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
        except OSError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"JupyterLab does not answer: {log.read_text()[-2000:]}") from error
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
    raise RuntimeError(f"expected cell {number} to run, found that the notebook does not take it")


def output(page: Any, number: int) -> str:
    """The text a cell has printed when it has ended."""
    cell = page.locator(".jp-Notebook .jp-CodeCell").nth(number)
    cell.locator(".jp-OutputArea-output pre").first.wait_for()
    text: str = cell.locator(".jp-OutputArea-output pre").first.inner_text()
    return text
