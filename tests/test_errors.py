"""The error family is what its docstring draws."""

from __future__ import annotations

import inspect
import re

from logkit import errors


def test_the_tree_draws_each_error_below_its_parent() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (inspect.getdoc(errors) or "").splitlines():
        found = re.match(r"^    ((?:[│├└─ ]{4})*)(\w+)\b", line)
        if found:
            depth = len(found[1]) // 4
            above[depth:] = [found[2]]
            drawn[found[2]] = above[depth - 1] if depth else "Exception"
    assert drawn == {name: getattr(errors, name).__base__.__name__ for name in errors.__all__}


def test_every_error_of_the_module_is_exported() -> None:
    defined = [name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)]
    assert sorted(errors.__all__) == sorted(defined)
