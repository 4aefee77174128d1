"""The compatibility table is true: made of Rootly's client and of pagersync's own document."""

import ast
from pathlib import Path

import pytest

from tests.compatibility.table import PAGE, Comparison, page_with


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return Comparison()


def test_the_table_in_the_docs_is_the_one_that_would_be_made(comparison: Comparison) -> None:
    assert PAGE.read_text() == page_with(comparison.table()), (
        "write it anew: python -m tests.compatibility.table"
    )


def test_every_shared_operation_is_there_with_all_its_parameters(comparison: Comparison) -> None:
    assert [each.name for each in comparison.operations if each.document is None] == []
    lacking = {each.name: each.lacking for each in comparison.operations if each.lacking}
    assert lacking == {}


def test_every_attribute_that_rootlys_client_can_send_is_known(comparison: Comparison) -> None:
    unknown = {
        each.name: names
        for each in comparison.operations
        if (names := comparison.requests(each).get("unknown"))
    }
    assert unknown == {}


def test_rootlys_client_drives_every_shared_operation(comparison: Comparison) -> None:
    driven: set[str] = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        tree = ast.parse(path.read_text())
        imported = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rootly_sdk.api")
            for alias in node.names
        }
        driven |= {
            node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in imported
        }
    assert [each.name for each in comparison.operations if each.name not in driven] == []
