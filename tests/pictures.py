"""Pictures of the live panel in a real JupyterLab: `python -m tests.pictures [FOLDER]`.

Without a folder only the README's, `notebooks/images/panel.png`, is taken; with one also what it looks like in light
and dark, wide and narrow, live and frozen, and with what logs can hold that is no use to anybody.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path
from typing import Any

from tests.browser import ROOT, Lab, jupyterlab, run

README = ROOT / "notebooks" / "images" / "panel.png"
WIDTHS = {"narrow": 700, "wide": 1600}

INCIDENT = f"""import logging, pathlib, shutil, logkit
shop = pathlib.Path("/tmp/shop/logs")
shutil.rmtree(shop, ignore_errors=True)
replay = logkit.demo.replay({str(ROOT / "sample_logs")!r}, shop, speed=240)
monitor = logkit.watch(shop, missing_ok=True)
monitor"""

AWKWARD = """import json, pathlib, tempfile, logkit
folder = pathlib.Path(tempfile.mkdtemp()) / ("a folder whose name is long enough to reach " + "further than " * 6)
folder.mkdir()
long = "a-service-with-a-name-that-nobody-would-want-to-read-to-its-end"
names = [long, "<script>alert(1)</script>", "", "\\u202ereversed", "\u670d\u52a1"]
text = "<img src=x onerror=alert(1)> $x_1$ " + "a long message " * 9 + "\\nand a second line"
def event(at):
    level, time = ["info", "warn", "error", "fatal"][at % 7 % 4], f"2026-03-01T12:{at // 60:02}:{at % 60:02}Z"
    name = names[at % 5] if at % 5 < 4 or at < 1000 else long
    return json.dumps(dict(timestamp=time, level=level, service=name, duration_ms=at * 1000, message=text))
(folder / "a-file-whose-name-is-too-long-for-a-column.log").write_text("\\n".join(map(event, range(3000))) + "\\n")
monitor = logkit.watch(folder)
monitor.wait_idle()
monitor"""

EMPTY = """import pathlib, tempfile, logkit
monitor = logkit.watch(pathlib.Path(tempfile.mkdtemp()) / "not there yet", missing_ok=True)
monitor.wait_idle()
monitor"""

CALM = """import pathlib, tempfile, logkit
folder = pathlib.Path(tempfile.mkdtemp())
lines = [f"2026-03-01 12:{at // 60:02}:{at % 60:02} INFO [web] all is well\\n" for at in range(900)]
(folder / "calm.log").write_text("".join(lines))
monitor = logkit.watch(folder, store=folder / "kept.duckdb")
monitor.wait_idle()
monitor"""


READING = """import pathlib, tempfile, logkit
folder = pathlib.Path(tempfile.mkdtemp())
levels = ["INFO ", "INFO ", "WARN ", "ERROR"]
block = "".join(f"2026-03-01 12:00:00,000 {levels[at % 4]} [web-{at % 9}] took {at} ms\\n" for at in range(100_000))
with (folder / "all.log").open("w") as log:
    for _ in range(60):
        log.write(block)
logkit.read(folder, keep_events=0)"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.pictures", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="where all other pictures go")
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as home, jupyterlab(Path(home)) as lab:
        readme(lab)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            reading(lab, folder)
            everything(lab, folder)


def readme(lab: Lab) -> None:
    """The incident at its height, on a page of the width a README is shown at."""
    lab.write("incident", INCIDENT, "monitor.stop(); replay.stop()")
    page = lab.open("incident", width=1420, height=1400)
    _bare(page)
    run(page, 0)
    page.locator(".logkit-panel .lk-title", has_text=re.compile(r"\u2013 09:3[5-8]")).first.wait_for()
    page.mouse.move(5, 5)
    page.wait_for_timeout(400)
    page.locator(".logkit-panel").screenshot(path=str(README))
    run(page, 1)
    page.context.close()


def everything(lab: Lab, folder: Path) -> None:
    """Each case in each theme at each width, live and then frozen."""
    for theme in ("Light", "Dark"):
        lab.theme(theme)
        for name, code in {"incident": INCIDENT, "awkward": AWKWARD, "empty": EMPTY, "calm": CALM}.items():
            notebook = f"{name}-{theme.lower()}"
            lab.write(notebook, code, "monitor.stop()")
            page = lab.open(notebook)
            _bare(page)
            run(page, 0)
            page.wait_for_selector(".logkit-panel .lk-figure")
            page.wait_for_timeout(6000 if name == "incident" else 1500)
            for size, width in WIDTHS.items():
                _taken(page, width, ".logkit-panel", folder / f"{notebook}-{size}-live.png")
            run(page, 1)
            page.wait_for_function("!document.querySelector('.logkit-panel')")
            for size, width in WIDTHS.items():
                _taken(page, width, ".jp-CodeCell .jp-OutputArea", folder / f"{notebook}-{size}-still.png")
            page.context.close()


def reading(lab: Lab, folder: Path) -> None:
    """The bar of `logkit.read`, and what is left of it."""
    lab.write("reading", READING)
    page = lab.open("reading")
    run(page, 0)
    page.wait_for_selector(".jp-OutputArea-output .widget-hprogress")
    page.wait_for_timeout(700)
    page.locator(".jp-CodeCell .jp-OutputArea").first.screenshot(path=str(folder / "reading.png"))
    page.locator(".jp-OutputArea-output", has_text="Snapshot:").wait_for()
    page.locator(".jp-CodeCell .jp-OutputArea").first.screenshot(path=str(folder / "reading-done.png"))
    page.context.close()


def _taken(page: Any, width: int, selector: str, path: Path) -> None:
    page.set_viewport_size({"width": width, "height": 1500})
    page.wait_for_timeout(700)
    page.locator(selector).first.screenshot(path=str(path))


def _bare(page: Any) -> None:
    """Without the file browser, which takes a third of a narrow page."""
    page.keyboard.press("Control+b")
    page.wait_for_timeout(300)


if __name__ == "__main__":
    main()
