"""The table of `docs/access.md`: every operation, and which keys may do it."""

from fastapi import FastAPI

from pagersync.access.keys import allows
from pagersync.access.models import Scope
from tests.support.operations import operations_of

BEGIN = "<!-- The table of operations: made by the tests. -->\n"
END = "<!-- The end of the table. -->\n"


def matrix_of(app: FastAPI) -> str:
    """Return the table as Markdown."""
    scopes = [scope.value for scope in Scope]
    lines = [
        f"| operation | | {' | '.join(f'`{scope}`' for scope in scopes)} | bound |",
        f"|---|---|{'---|' * (len(scopes) + 1)}",
    ]
    for each in operations_of(app).values():
        assert each.guard is not None, f"{each.name} asks for no scope"
        may = ["yes" if allows([scope], each.guard.scope) else "" for scope in scopes]
        bound = "yes" if each.guard.is_for_bound else ""
        cells = " | ".join([f"`{each.name}`", f"{each.method} `{each.path}`", *may, bound])
        lines.append(f"| {cells} |".replace("  |", " |").replace("  |", " |"))
    return "\n".join(lines) + "\n"
