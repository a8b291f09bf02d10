"""The lessons as they are committed: complete, executed, linked to what is there. Running them is the CI's."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

LEARN = Path(__file__).resolve().parents[1] / "notebooks" / "learn"
LESSONS = sorted(LEARN.glob("*.ipynb"))


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


def text(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_there_are_ten_lessons_in_order_and_the_teachers_page_has_them_all() -> None:
    assert [path.name[:2] for path in LESSONS] == [f"{number:02}" for number in range(1, 11)]
    page = (LEARN / "README.md").read_text("utf-8")
    assert re.findall(r"^\| (\d\d) \|", page, re.MULTILINE) == [path.name[:2] for path in LESSONS]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_has_all_its_parts(path: Path) -> None:
    prose = "\n".join(map(text, cells(path, "markdown")))
    for part in (
        "**One idea.**",
        "**Predict first.**",
        "## Broken on purpose",
        "## Exercise",
        "## Where this is in logkit",
    ):
        assert part in prose
    (solution,) = (one for one in cells(path, "code") if one["metadata"].get("jupyter", {}).get("source_hidden"))
    assert "✓ right" in json.dumps(solution["outputs"], ensure_ascii=False)
    (attempt,) = (one for one in cells(path, "code") if "exercise" in one["metadata"].get("tags", []))
    assert "✗ not yet" in json.dumps(attempt["outputs"], ensure_ascii=False)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_is_executed_has_pictures_and_no_error_and_leaves_no_thread(path: Path) -> None:
    code = cells(path, "code")
    assert [one["execution_count"] for one in code] == list(range(1, len(code) + 1))
    outputs = [output for one in code for output in one["outputs"]]
    assert [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"] == []
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert "no thread is left behind" in json.dumps(code[-1]["outputs"])
    assert re.findall(r"/(?:home|root|work|tmp)/", json.dumps(outputs)) == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_links_lead_to_functions_that_are_there(path: Path) -> None:
    prose = "\n".join(map(text, cells(path, "markdown")))
    links = re.findall(r"\[`([\w.]+)`\]\((\.\./\.\./[\w/.]+)\)", prose)
    assert links
    for name, target in links:
        scope = ast.parse((LEARN / target).resolve().read_text("utf-8")).body
        for part in [] if name.endswith(".py") else name.split("."):
            found = [one for one in scope if isinstance(one, ast.FunctionDef | ast.ClassDef) and one.name == part]
            assert found, f"{name} is not in {target}"
            scope = found[0].body
