"""House rules that a linter does not know."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pagersync.settings import Settings

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))

LINES_MAX = 400
FUNCTION_LINES_MAX = 60

EDGES = {
    "access/cli.py",
    "access/first_key.py",  # before anything is served
    "alerts/apply.py",  # the worker's transaction around a batch
    "database/migrate.py",
    "database/presence.py",  # what a gone process held, all of it or nothing
    "database/session.py",
    "inbox/cli.py",
    "incidents/cli.py",
    "secrets/cli.py",
    "secrets/existing.py",  # the worker's transaction around a batch of old rows
    "integrations/cli.py",
    "integrations/directory.py",  # a sync asks PagerTree between reading and writing
    "integrations/directory_schedule.py",  # a claim is committed before the sync it is for
    "workflows/reference_check.py",  # the worker asks it, and it commits each account by itself
    "integrations/key_cli.py",
    "integrations/reachability.py",  # how a call ended, after it
    "paging/cli.py",
    "paging/waiting.py",  # the sender's tidying up
    "unpaged/sweep.py",  # the worker's transaction around one look
    "workflows/cli.py",
    "workflows/earlier_defaults_cli.py",
    "paging/repeats.py",  # a worker's check of pages that stay unknown
    "paging/confirm.py",  # PagerTree is asked between the claim and the record
    "paging/record.py",  # what turns came to
    "paging/refused.py",  # whom a refused page goes to, before it is sent again
    "workflows/connect_cli.py",
    "workflows/restart_cli.py",
    "workflows/engine.py",  # a transaction for each task of a run
    "workflows/trigger.py",  # the worker's transaction around a batch of events
    "webhooks/sender.py",  # an endpoint is called between the claim and the record
    "backup/tools.py",  # a snapshot that pg_dump shares
    "retention/sweep.py",  # a transaction for each batch of old rows
    "integrations/secret_key.py",  # commands of an operator, and what is checked at start
    "workflows/account_cli.py",  # what would follow is shown first, and rolled back
    "workflows/account_routes.py",  # a change asks PagerTree between reading and writing
}
"""Where a transaction may begin or be committed."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT / "src" / "pagersync").as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_and_functions_stay_short(path: Path) -> None:
    source = path.read_text()
    assert source.count("\n") <= LINES_MAX
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < FUNCTION_LINES_MAX, node.name


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_commands_show_texts_of_others_only_without_control_characters(path: Path) -> None:
    is_ours = not name_of(path).startswith("simulator/")
    assert not is_ours or not re.search(r"typer\.s?echo\(|\bprint\(", path.read_text()), "`say` it"


def calls(path: Path) -> Iterator[str]:
    """Yield the names of the methods that a file calls."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_only_edges_begin_and_commit(path: Path) -> None:
    begins = {"commit", "begin", "transaction"} & set(calls(path))
    assert not begins or name_of(path) in EDGES, begins


def test_every_setting_stands_in_the_readme_with_its_default_and_meaning() -> None:
    readme = (ROOT / "README.md").read_text()
    for name, field in Settings.model_fields.items():
        start = f"| `PAGERSYNC_{name.upper()}` |"
        row = next((line for line in readme.splitlines() if line.startswith(start)), "")
        assert field.description, name
        assert re.sub(r"\s+", " ", field.description) in row, name
        if not field.is_required() and field.default_factory is None:
            default = "" if field.default is None else f"`{field.default}`"
            assert f"| {default}" in row, name


def test_nothing_names_the_place_it_was_made_in() -> None:
    pattern = re.compile(r"(?<![a-z.])/(work|root)/|file://|\bindex-url\b")
    for path in (*SOURCES, ROOT / "README.md", *ROOT.glob("*.lock"), *ROOT.glob("docs/**/*.md")):
        assert not pattern.search(path.read_text()), path
