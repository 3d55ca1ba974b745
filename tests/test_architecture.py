"""The architecture, as tests: if one of these fails, the layout no longer shows the design.

`READING_ORDER` is both the order in which to read the code and the only direction
in which it may import: a module imports modules listed above it, never below.
"""

from __future__ import annotations

import ast
import functools
import importlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from architecture import (
    DOORS,
    ERRORS,
    IMPURE,
    INDEPENDENT,
    LATE_IMPORTS,
    LONGER_FOR_A_REASON,
    MAX_LINES,
    PUBLIC_RUNTIME,
    PURE,
    PURE_ENOUGH,
    READING_ORDER,
    ROOT,
    VAGUE,
)

if TYPE_CHECKING:
    from pathlib import Path

TOP_FLOOR = ("runtime.bench", "runtime.cli")


def path_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def modules_on_disk() -> frozenset[str]:
    return frozenset(
        name_of(path) for top in ("runtime", "actors") for path in (ROOT / top).rglob("*.py")
    )


def package_of(module: str) -> str:
    return module if path_of(module).name == "__init__.py" else module.rpartition(".")[0]


def is_inside(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


def is_pure(module: str) -> bool:
    return any(is_inside(module, pure) for pure in PURE)


@functools.cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def imports_of(module: str, node: ast.AST | None = None) -> set[str]:
    """Names of the modules that `module`, or one `node` of it, imports."""
    known = modules_on_disk()
    found: set[str] = set()
    for child in ast.walk(node or tree_of(module)):
        if isinstance(child, ast.Import):
            found |= {alias.name for alias in child.names}
        elif isinstance(child, ast.ImportFrom):
            assert child.level <= 1, "a dot means a neighbour; dots never climb"
            package = package_of(module) if child.level else ""
            source = ".".join(filter(None, [package, child.module]))
            inner = {f"{source}.{alias.name}" for alias in child.names}
            found |= {name if name in known else source for name in inner}
    return found


def first_party(module: str) -> set[str]:
    return imports_of(module) & modules_on_disk()


def place_of(module: str) -> str:
    """Where a new module can stand, for the message that asks for it."""
    above = [listed for listed in READING_ORDER if listed in first_party(module)]
    return f'add "{module}" below "{above[-1]}"' if above else f'add "{module}" at the top'


def test_the_reading_order_lists_every_module_once() -> None:
    on_disk = modules_on_disk()

    assert [place_of(module) for module in sorted(on_disk - set(READING_ORDER))] == []
    assert [f'take out "{module}"' for module in READING_ORDER if module not in on_disk] == []
    assert len(READING_ORDER) == len(set(READING_ORDER))


@pytest.mark.parametrize("module", READING_ORDER)
def test_a_module_imports_only_modules_above_it(module: str) -> None:
    above = set(READING_ORDER[: READING_ORDER.index(module)])

    assert first_party(module) - above == set()


@pytest.mark.parametrize("module", [m for m in READING_ORDER if m.startswith("actors")])
def test_actors_use_only_the_public_runtime(module: str) -> None:
    assert {m for m in first_party(module) if m.startswith("runtime")} <= PUBLIC_RUNTIME


@pytest.mark.parametrize(
    "module", [m for m in READING_ORDER if not m.startswith(("actors", *TOP_FLOOR))]
)
def test_the_runtime_knows_nothing_of_agents_nor_of_the_top_floor(module: str) -> None:
    assert [m for m in first_party(module) if m.startswith(("actors", *TOP_FLOOR))] == []


@pytest.mark.parametrize("module", READING_ORDER)
def test_nothing_imports_the_command_line(module: str) -> None:
    imported = {m for m in first_party(module) if is_inside(m, "runtime.cli")}

    assert imported == set() or is_inside(module, "runtime.cli")


@pytest.mark.parametrize("group", INDEPENDENT, ids=" ".join)
def test_siblings_do_not_know_each_other(group: tuple[str, ...]) -> None:
    for sibling in group:
        others = [other for other in group if other != sibling]
        members = [m for m in READING_ORDER if is_inside(m, sibling)]
        known = {(m, i) for m in members for i in first_party(m) for o in others if is_inside(i, o)}
        assert known == set()


@pytest.mark.parametrize("module", READING_ORDER)
def test_a_private_module_is_imported_only_inside_its_package(module: str) -> None:
    private = {m for m in first_party(module) if m.rpartition(".")[2].startswith("_")}

    assert [m for m in private if not is_inside(module, m.rpartition(".")[0])] == []


@pytest.mark.parametrize("module", [m for m in READING_ORDER if is_pure(m)])
def test_a_pure_module_decides_but_does_not_act(module: str) -> None:
    outside = {name.partition(".")[0] for name in imports_of(module)}
    excused = PURE_ENOUGH.get(module, set())

    assert outside & IMPURE == set()
    assert [m for m in first_party(module) - excused if not is_pure(m)] == []


@pytest.mark.parametrize("module", READING_ORDER)
def test_a_library_behind_a_door_is_imported_only_there(module: str) -> None:
    outside = {name.partition(".")[0] for name in imports_of(module)}
    closed = {x for x, doors in DOORS.items() if not any(is_inside(module, d) for d in doors)}

    assert outside & closed == set()


@pytest.mark.parametrize("module", READING_ORDER)
def test_imports_stand_at_the_top(module: str) -> None:
    functions = [
        node
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    late = [f.name for f in functions if imports_of(module, f) & modules_on_disk()]
    assert late == LATE_IMPORTS.get(module, [])


@pytest.mark.parametrize("module", READING_ORDER)
def test_a_module_is_short_and_says_what_it_is(module: str) -> None:
    docstring = ast.get_docstring(tree_of(module)) or ""
    lines = path_of(module).read_text(encoding="utf-8").splitlines()

    assert 1 <= len(docstring.splitlines()) <= 12
    assert len(lines) <= MAX_LINES or module in LONGER_FOR_A_REASON
    assert module.rpartition(".")[2].strip("_") not in VAGUE


@pytest.mark.parametrize("module", [m for m in READING_ORDER if package_of(m) == m])
def test_a_package_lists_what_it_exports(module: str) -> None:
    package = importlib.import_module(module)
    exported: list[str] = getattr(package, "__all__", [])

    assert first_party(module) == set() or exported != []
    assert [name for name in exported if not hasattr(package, name)] == []


@pytest.mark.parametrize("module", READING_ORDER)
def test_exceptions_live_in_the_errors_module(module: str) -> None:
    defined = [
        node.name
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.ClassDef) and is_exception(module, node)
    ]

    assert defined == [] or module in ERRORS


def is_exception(module: str, node: ast.ClassDef) -> bool:
    value = vars(importlib.import_module(module)).get(node.name)
    return isinstance(value, type) and issubclass(value, BaseException)


def test_importing_actors_does_not_import_the_command_line_nor_what_it_draws_with() -> None:
    program = "import sys, actors; print(*sorted(sys.modules))"
    result = subprocess.run(  # noqa: S603 - our own interpreter, our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )

    loaded = result.stdout.split()
    assert "actors" in loaded
    assert [
        name for name in ("runtime.cli", "runtime.bench", "click", "rich") if name in loaded
    ] == []
