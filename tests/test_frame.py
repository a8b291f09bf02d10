"""The frame: the README's commands, the front door, what the package brings along."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import resources
from itertools import chain
from pathlib import Path

import pytest

import logkit
from tests.test_layers import COMPUTED, MODULES, imports

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
HEAVY = ("pandas", "duckdb", "pyarrow", "matplotlib", "ipywidgets", "bqplot", "dask", "IPython")


def fresh(code: str) -> dict[str, list[str]]:
    """What `code` prints as JSON in a new interpreter that treats warnings as errors."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    result: dict[str, list[str]] = json.loads(done.stdout)
    return result


def test_import_loads_nothing_heavy_and_starts_no_thread() -> None:
    found = fresh(
        "import logkit, json, sys, threading\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print(json.dumps({'heavy': heavy, 'threads': [thread.name for thread in threading.enumerate()]}))"
    )
    assert found == {"heavy": [], "threads": ["MainThread"]}


def test_readme_documents_exactly_the_public_names() -> None:
    section = README.partition("\n## Names\n")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `(\w+)", section, re.MULTILINE)
    assert sorted(documented) == sorted(logkit.__all__)


@pytest.mark.parametrize("name", logkit.__all__)
def test_every_public_name_says_what_it_is(name: str) -> None:
    value = getattr(logkit, name)
    if callable(value) or inspect.ismodule(value):
        assert inspect.getdoc(value)


def test_readme_has_two_commands_and_each_stands_alone() -> None:
    commands = re.findall(r"^```bash\n(.*?)\n```", README, re.MULTILINE | re.DOTALL)
    assert len(commands) == 2
    for command in commands:
        assert "\n" not in command
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")


def test_readme_opens_a_notebook_that_is_there() -> None:
    (notebook,) = re.findall(r"jupyter lab (?:--\S+ )*(\S+)", README)
    assert (ROOT / notebook).is_file()


@pytest.mark.parametrize("path", sorted(ROOT.glob("notebooks/**/*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_names_its_kernel_so_that_nobody_is_asked(path: Path) -> None:
    assert json.loads(path.read_text("utf-8"))["metadata"]["kernelspec"]["name"] == "python3"


def test_ci_runs_and_names_no_host_and_no_home() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert re.findall(r"\w+://|/home/|/root/", script.read_text("utf-8")) == []


@pytest.mark.parametrize("name", ["py.typed", "formats/known/00_words.toml", "formats/known/90_general.toml"])
def test_the_package_brings_its_data_along(name: str) -> None:
    assert resources.files("logkit").joinpath(name).is_file()


def test_every_third_party_import_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    requirements = list(chain(project["dependencies"], *project["optional-dependencies"].values()))
    declared = {re.split(r"[^\w-]", requirement)[0].replace("-", "_").lower() for requirement in requirements}
    imported = {name.split(".")[0].lower() for module in MODULES for name in imports(module)}
    later = {"compression"}  # in the standard library from Python 3.14 on
    assert imported - declared - sys.stdlib_module_names - later - {"logkit", COMPUTED} == set()
