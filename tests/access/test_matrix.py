"""The table of operations and scopes in the docs is what the code asks for."""

import os
from pathlib import Path

from pagersync.app import create_app
from pagersync.settings import Settings
from tests.access.test_keys import NEEDED
from tests.support.operations import operations_of
from tests.support.scope_matrix import BEGIN, END, matrix_of

DOC = Path(__file__).parents[2] / "docs" / "access.md"


def test_the_docs_show_every_operation_with_its_scope(settings: Settings) -> None:
    """`UPDATE_DOCS=1 make test ARGS=tests/access/test_matrix.py` writes the table anew."""
    before, found, rest = DOC.read_text().partition(BEGIN)
    table, end, after = rest.partition(END)
    wanted = f"\n{matrix_of(create_app(settings))}\n"
    if os.environ.get("UPDATE_DOCS"):
        DOC.write_text(before + found + wanted + end + after)
        return
    assert table == wanted, "UPDATE_DOCS=1 writes it anew"


def test_every_operation_under_v1_has_a_guard_and_its_scope(settings: Settings) -> None:
    operations = operations_of(create_app(settings))
    asked = {name: each.guard and each.guard.scope for name, each in operations.items()}
    assert asked == NEEDED
