"""Imports run one way: the rules of the layout, read from the import statements of every module."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "logkit"

ORDER = (
    {"errors", "schema"},
    {"formats"},
    {"stats"},
    {"sources"},
    {"capture"},
    {"sinks"},
    {"analysis"},
    {"views"},
    {"investigation"},
    {"snapshot"},
    {"engine"},
    {"cluster"},
    {"demo"},
    {"__init__"},
    {"lab", "__main__"},
)
"""Layers from the ground up: a module imports from its own part of the package and from layers below it."""

RANK = {part: rank for rank, parts in enumerate(ORDER) for part in parts}

THREADS = {"threading", "_thread", "queue", "concurrent", "multiprocessing"}
WIDGETS = {"ipywidgets", "bqplot", "anywidget", "traitlets"}

ONLY_IN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(THREADS, ("engine", "sinks.http", "views.panel", "views.report.aside", "lab", "demo")),
    **dict.fromkeys(WIDGETS, ("views",)),
    "matplotlib": ("views", "lab"),
    "dask": ("cluster",),
    "distributed": ("cluster",),
    "fsspec": ("sources",),
}
"""Which modules, or whole parts of the package, may import what; what is not listed may be imported anywhere."""

GROUND: dict[str, set[str]] = {"errors": set(), "schema": {"polars"}}
"""What the ground floor may import besides the standard library."""

COMPUTED = "a name computed at run time"

LONG_FILES: dict[str, str] = {
    "engine/monitor.py": "what a user holds: each method a contract, and a line that hands on",
    "snapshot.py": "what a user sees: each member a contract, and a line that hands on",
}
"""Files of more than `LONGEST` lines, each with the reason why it is not two."""

LONGEST = 350


@dataclass(frozen=True)
class Module:
    """One module of the package: its dotted name inside it (`formats.block`) and its syntax tree."""

    name: str
    tree: ast.Module
    is_package: bool = False

    @property
    def part(self) -> str:
        """The top-level module or folder it belongs to."""
        return self.name.split(".")[0]

    def within(self, place: str) -> bool:
        """Whether it is `place` or lies in it."""
        return self.name == place or self.name.startswith(f"{place}.")


def module_of(path: Path) -> Module:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package and len(parts) > 1 else parts)
    return Module(name, ast.parse(path.read_bytes(), str(path)), is_package)


MODULES = [module_of(path) for path in sorted(PACKAGE.rglob("*.py"))]


def is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def running(node: ast.AST) -> list[ast.AST]:
    """Every node below `node` that can ever run: what stands under `if TYPE_CHECKING:` cannot."""
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and is_type_checking(child.test):
            for other in child.orelse:
                found += [other, *running(other)]
            continue
        found += [child, *running(child)]
    return found


def called(node: ast.AST) -> str:
    """The last name of what a call calls: `Thread` for `threading.Thread(...)`."""
    if not isinstance(node, ast.Call):
        return ""
    return ast.unparse(node.func).rsplit(".", 1)[-1]


def imports(module: Module) -> set[str]:
    """Absolute dotted names of all it imports, inside functions too; from a package also what is taken from it."""
    found: set[str] = set()
    for node in running(module.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = ["logkit", *module.name.split(".")]
                up = node.level - 1 if module.is_package and module.name != "__init__" else node.level
                base = ".".join(filter(None, [*here[: len(here) - up], base]))
            found |= {f"{base}.{alias.name}" for alias in node.names}
        elif called(node) in ("import_module", "__import__"):
            assert isinstance(node, ast.Call)
            literal = node.args and isinstance(node.args[0], ast.Constant)
            found.add(str(node.args[0].value) if literal else COMPUTED)  # type: ignore[attr-defined]
    return found


def part_of(imported: str) -> str | None:
    """The part of the package an imported name belongs to; None for what is not ours."""
    top, _, rest = imported.partition(".")
    if top != "logkit":
        return None
    first = rest.split(".")[0]
    return first if first in RANK else "__init__"


def breaches(module: Module) -> list[str]:
    """Each broken rule of the layout as a sentence."""
    if module.part not in RANK:
        return [f"{module.name}: {module.part} has no place in the order of layers"]
    found = []
    for imported in sorted(imports(module)):
        part = part_of(imported)
        top = imported.split(".")[0]
        if part is not None:
            if part != module.part and RANK[part] >= RANK[module.part]:
                found.append(f"{module.name} imports {imported}: {part} is not below {module.part}")
            continue
        if imported == COMPUTED and module.name != "__init__":  # the front door stands above all it may open
            found.append(f"{module.name} imports {imported}: no rule can be held over it")
        places = ONLY_IN.get(top)
        if places is not None and not any(module.within(place) for place in places):
            found.append(f"{module.name} imports {imported}: allowed only in {', '.join(places)}")
        allowed = GROUND.get(module.name)
        if allowed is not None and top not in allowed | sys.stdlib_module_names:
            found.append(f"{module.name} imports {imported}: the ground floor stands on the standard library")
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_imports_run_one_way(module: Module) -> None:
    assert breaches(module) == []


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("formats.json", "from logkit.stats import Stats", "stats is not below formats"),
        ("formats.json", "def later():\n    import logkit.engine", "engine is not below formats"),
        ("formats.json", "from ..engine import state", "engine is not below formats"),
        ("formats.json", "from logkit import watch", "__init__ is not below formats"),
        ("stats.totals", "import threading", "allowed only in"),
        ("sources.span", "from concurrent.futures import Future", "allowed only in"),
        ("sources.span", "import importlib\nimportlib.import_module('logkit.snapshot')", "snapshot is not below"),
        ("sources.span", "import importlib\nname = 'x'\nimportlib.import_module(name)", "no rule can be held"),
        ("sinks.duck", "import queue", "allowed only in"),
        ("views.plots", "import threading", "allowed only in"),
        ("views.plots", "from logkit.engine.monitor import Monitor", "engine is not below views"),
        ("analysis.compare", "if TYPE_CHECKING:\n    pass\nelse:\n    import logkit.snapshot", "is not below analysis"),
        ("engine.monitor", "import ipywidgets", "allowed only in views"),
        ("snapshot", "import matplotlib.figure", "allowed only in views, lab"),
        ("engine.monitor", "import dask.distributed", "allowed only in cluster"),
        ("errors", "import polars", "the ground floor"),
        ("attic.box", "import os", "no place in the order"),
        ("schema", "import pandas", "the ground floor"),
    ],
)
def test_a_breach_of_each_rule_is_found(name: str, source: str, said: str) -> None:
    found = breaches(Module(name, ast.parse(source)))
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("formats.json", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from logkit.engine import state"),
        ("formats.json", "from logkit.formats.block import Block\nfrom logkit import schema"),
        ("formats.json", "from . import block\nfrom .block import Block\nfrom ..errors import FormatError"),
        ("sinks.http", "import queue, threading"),
        ("engine.worker", "import queue, threading\nfrom logkit.sources import span"),
        ("schema", "import polars as pl\nfrom typing import Final"),
        ("__init__", "from logkit.engine.monitor import watch\nfrom .errors import LogkitError"),
        ("__main__", "import logkit"),
    ],
)
def test_what_the_layout_allows_is_no_breach(name: str, source: str) -> None:
    assert breaches(Module(name, ast.parse(source))) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_every_thread_is_named_and_says_whether_it_is_a_daemon(module: Module) -> None:
    assert careless_threads(module.tree) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_every_queue_has_a_limit(module: Module) -> None:
    assert endless_queues(module.tree) == []


def careless_threads(tree: ast.Module) -> list[str]:
    """Calls that make a thread, or a subclass's that initialise one, without `name=` and `daemon=`."""
    nodes = running(tree)
    makers = {"Thread", "Timer"}
    initialisers: set[ast.AST] = set()
    for node in nodes:
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Thread") for base in node.bases):
            supers = {call for call in ast.walk(node) if called(call) == "__init__"}
            initialisers |= supers
            makers |= set() if supers else {node.name}
    return [
        ast.unparse(node)
        for node in nodes
        if isinstance(node, ast.Call)
        and (called(node) in makers or node in initialisers)
        and not {"name", "daemon"} <= {keyword.arg for keyword in node.keywords}
    ]


def endless_queues(tree: ast.Module) -> list[str]:
    """Queues made without a `maxsize`; a `SimpleQueue` cannot have one."""
    return [
        ast.unparse(node)
        for node in running(tree)
        if called(node) == "SimpleQueue"
        or (called(node) in ("Queue", "LifoQueue", "PriorityQueue") and not (node.args or node.keywords))  # type: ignore[attr-defined]
    ]


@pytest.mark.parametrize(
    "source",
    [
        "threading.Thread(target=run)",
        "Thread(target=run, name='logkit-watcher')",
        "Timer(1.0, run, daemon=True)",
        "class Watcher(threading.Thread):\n    def __init__(self):\n        super().__init__(daemon=True)",
        "class Watcher(threading.Thread):\n    pass\nWatcher()",
    ],
)
def test_a_thread_without_name_or_daemon_is_found(source: str) -> None:
    assert len(careless_threads(ast.parse(source))) == 1


@pytest.mark.parametrize("source", ["queue.Queue()", "PriorityQueue()", "queue.SimpleQueue()"])
def test_a_queue_without_a_limit_is_found(source: str) -> None:
    assert len(endless_queues(ast.parse(source))) == 1


def test_files_stay_short_or_say_why_not() -> None:
    lengths = {path.relative_to(PACKAGE).as_posix(): path.read_bytes().count(b"\n") for path in PACKAGE.rglob("*.py")}
    assert {name: size for name, size in lengths.items() if size > LONGEST and name not in LONG_FILES} == {}
    assert {name for name in LONG_FILES if lengths.get(name, 0) <= LONGEST} == set()
