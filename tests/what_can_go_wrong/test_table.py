"""docs/what-can-go-wrong.md is made of the rows beside this file, and each row has its test."""

import ast
import importlib
import os
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Final

from tests.what_can_go_wrong.row import Row

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
DOC: Final = ROOT / "docs" / "what-can-go-wrong.md"
ROWS_MIN: Final = 40
PEOPLE: Final = ("PagerTree admin", "colleague", "integrator", "operator", "PagerTree")

HEAD: Final = """# What can go wrong, and who is paged all the same

Once it is decided to page, somebody is paged. This table lists what people and systems change, what
used to follow, and what follows now. Each row has a test; this page is made from the rows.

"""


def all_rows() -> list[tuple[str, Row]]:
    """Return every row with the title of its topic; a topic is a file `rows_*.py`."""
    found = []
    for path in sorted(HERE.glob("rows_*.py")):
        module = importlib.import_module(f"tests.what_can_go_wrong.{path.stem}")
        found += [(str(module.TITLE), row) for row in module.ROWS]
    return found


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def page_of(rows: list[tuple[str, Row]]) -> str:
    parts = [HEAD]
    for title, group in groupby(rows, key=lambda pair: pair[0]):
        parts.append(
            f"## {title}\n\n| what changed | by whom | before | now |\n|---|---|---|---|\n"
        )
        parts += [f"| {r.changed} | {r.by} | {r.before} | {r.now} |\n" for _, r in group]
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def test_every_row_names_a_test_that_exists() -> None:
    rows = all_rows()
    assert len(rows) >= ROWS_MIN
    for _, row in rows:
        file, _, name = row.test.partition("::")
        assert name in names_in(file), row.test
        assert row.by in PEOPLE, row.by


def test_the_docs_have_every_row() -> None:
    """`UPDATE_DOCS=1 make test ARGS=tests/what_can_go_wrong` writes the page anew."""
    page = page_of(all_rows())
    if os.environ.get("UPDATE_DOCS"):
        DOC.write_text(page)
    assert DOC.read_text() == page, "UPDATE_DOCS=1 writes it anew"
