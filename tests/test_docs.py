"""What the docs show is true: programs run offline, links lead somewhere, lists are complete.

In the Markdown, a block under "```python run" is a complete program, and a block under
"```text output" right after it is all that it prints. Any other Python block must compile.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import attrs
import pytest
from reference_pages import ERRORS_PAGE, PACKAGES, all_errors, pages, public_names

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SECONDS = 60  # generous: the machine may be busy; a program takes one or two
LONGEST_README = 150

# A key that the machine happens to have must not let a program reach a provider.
OFFLINE = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}

BLOCK = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://)(?P<path>[^)#]*)(?:#(?P<heading>[^)]*))?\)")


@attrs.frozen
class Block:
    """A block of code in a page; `output` is what it prints, where the page says so."""

    page: Path
    number: int
    info: str
    text: str
    output: str | None = None

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}-{self.number}"


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    blocks: list[Block] = []
    for number, block in enumerate(found):
        following = found[number + 1] if number + 1 < len(found) else None
        output = None
        if following and following["info"] == "text output":
            between = text[block.end() : following.start()]
            output = following["text"] if not between.strip() else None
        blocks.append(Block(page, number, block["info"], block["text"], output))
    return blocks


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
PROGRAMS = [block for block in BLOCKS if block.info == "python run"]
SNIPPETS = [block for block in BLOCKS if block.info == "python"]


def headings_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda block: block.name)
def test_a_program_in_the_docs_runs_and_prints_what_the_page_says(
    program: Block, tmp_path: Path
) -> None:
    file = tmp_path / "program.py"
    file.write_text(program.text, encoding="utf-8")
    result = subprocess.run(  # noqa: S603 - our own pages, our own interpreter
        [sys.executable, "-W", "error", str(file)],
        cwd=ROOT,
        env=OFFLINE | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() != ""
    assert program.output is None or result.stdout == program.output


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda block: block.name)
def test_a_snippet_in_the_docs_is_python_and_its_imports_exist(snippet: Block) -> None:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
    tree: ast.Module = compile(snippet.text, snippet.name, "exec", flags)

    for statement in ast.walk(tree):
        if isinstance(statement, ast.ImportFrom):
            exec(compile(ast.Module([statement], []), snippet.name, "exec"), {})  # noqa: S102


def test_there_are_programs_in_the_readme_and_in_the_tutorial() -> None:
    found = {program.page.name for program in PROGRAMS}

    assert {"README.md", "tutorial.md"} <= found


def test_an_output_always_follows_its_program() -> None:
    claimed = [block for block in BLOCKS if block.info == "text output"]

    assert len(claimed) == len([program for program in PROGRAMS if program.output is not None])


def test_the_program_in_the_readme_is_the_first_example() -> None:
    example = (ROOT / "examples" / "first_agent.py").read_text(encoding="utf-8")

    assert [program.text for program in PROGRAMS if program.page.name == "README.md"] == [example]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= LONGEST_README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_leads_somewhere(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    dead: list[str] = []
    for link in LINK.finditer(text):
        target = (page.parent / link["path"]).resolve() if link["path"] else page
        if not target.exists() or (link["heading"] and link["heading"] not in headings_of(target)):
            dead.append(link.group())

    assert dead == []


def test_every_page_and_every_example_can_be_reached_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    reached = {
        (index.parent / link["path"]).resolve()
        for link in LINK.finditer(index.read_text(encoding="utf-8"))
        if link["path"]
    }
    wanted = {page for page in PAGES if page != index} | set((ROOT / "examples").glob("*.py"))

    assert {str(path.relative_to(ROOT)) for path in wanted - reached} == set()


def test_the_reference_is_up_to_date() -> None:
    stale = [
        str(path.relative_to(ROOT))
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]

    assert stale == [], "run: python tests/reference_pages.py"


def test_the_page_on_errors_names_every_error() -> None:
    text = ERRORS_PAGE.read_text(encoding="utf-8")

    assert [error.__name__ for error in all_errors() if f"`{error.__name__}`" not in text] == []


# A `Fact` of the runtime is what happened to an actor, one of a memory relates two entities.
MEANT_TWICE = {"open_agent", "Fact"}


def test_a_public_name_means_one_thing_in_all_packages() -> None:
    meanings: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in public_names(module):
            meanings[name].setdefault(id(getattr(module, name)), package)

    twice = {name: [*found.values()] for name, found in meanings.items() if len(found) > 1}
    assert {name: where for name, where in twice.items() if name not in MEANT_TWICE} == {}
    assert set(twice) == MEANT_TWICE
