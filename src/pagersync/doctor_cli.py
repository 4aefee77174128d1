"""`pagersync doctor`: everything that could keep somebody from being paged, in a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pagersync.command import Context, run
from pagersync.said import say

if TYPE_CHECKING:
    from pagersync.findings import Finding

PROBLEMS_EXIT: Final = 1


def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List everything that could keep somebody from being paged; exit code 1 if there is any."""

    async def action(context: Context) -> "list[Finding]":
        from pagersync.doctor import examine

        return await examine(context.sessions, context.settings)

    found = run(action)
    say(_as_json(found) if as_json else "\n".join(_lines(found)))
    if found:
        raise typer.Exit(PROBLEMS_EXIT)


def _lines(found: "Sequence[Finding]") -> list[str]:
    if not found:
        return ["Nothing found that could keep a page from going out."]
    return [
        line
        for finding in found
        for line in (f"{finding.level.upper()}  {finding.detail}", f"  -> {finding.remedy}")
    ]


def _as_json(found: "Sequence[Finding]") -> str:
    import json
    from dataclasses import asdict

    return json.dumps([asdict(finding) for finding in found], default=str, indent=2)
