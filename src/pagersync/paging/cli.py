"""`pagersync page` and `pagersync operations`: paging from a terminal."""

import asyncio
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID

import typer

from pagersync.command import Context, run

if TYPE_CHECKING:
    from pagersync.integrations.target_params import Reference
    from pagersync.paging.models import Operation, Page
    from pagersync.paging.requests import PageRequest

app = typer.Typer(no_args_is_help=True, help="Calls to PagerTree: list, redrive, cancel.")

WAIT_EVERY_S: Final = 0.2
LOOKS_LIKE_AN_ID: Final = re.compile(r"[a-z]{3}_\S+|[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f-]{36}")
REQUESTED_BY: Final = "the command line"

DELIVERED: Final = ("confirmed", "acknowledged", "resolved")
NOT_DELIVERED: Final = ("dropped", "stuck", "failed", "canceled", "expired")
EXIT_NOT_DELIVERED: Final = 4
EXIT_NOT_KNOWN: Final = 3

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OperationId = Annotated[UUID, typer.Argument(metavar="ID")]


def page(  # noqa: PLR0913 - typer reads one parameter per option
    *,
    title: Annotated[str, typer.Option(help="What it is about.")],
    team: Annotated[list[str] | None, typer.Option(help="A team's name or id. Repeatable.")] = None,
    user: Annotated[
        list[str] | None, typer.Option(help="A person's e-mail, name or id. Repeatable.")
    ] = None,
    router: Annotated[
        list[str] | None, typer.Option(help="A router's name or id. Repeatable.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="More about it.")] = None,
    urgency: Annotated[
        str, typer.Option(help="critical, high, medium, low; auto leaves it to PagerTree.")
    ] = "auto",
    severity: Annotated[
        str | None, typer.Option(help="critical, high, medium or low: makes it an incident.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Repeatable.")] = None,
    integration: Annotated[
        str | None, typer.Option(help="Name or id; by default the default account.")
    ] = None,
    expires_after_s: Annotated[
        float | None, typer.Option(min=1, help="Do not send it any more after this time.")
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait",
            help="Wait until PagerTree is seen to page people. Exit code 0: it does; 4: it does "
            "not, and will not; 3: not known yet.",
        ),
    ] = False,
    timeout_s: Annotated[float, typer.Option(min=0, help="How long --wait waits.")] = 120,
    as_json: Json = False,
) -> None:
    """Page PagerTree teams, users and routers. A running `serve` or `worker` sends it."""
    from pagersync.paging.requests import PageRequest

    until = expires_after_s and datetime.now(UTC) + timedelta(seconds=expires_after_s)
    request = PageRequest.model_construct(
        title=title,
        description=description,
        urgency=urgency,
        severity=severity,
        tags=tag or [],
        integration=integration,
        expires_at=until or None,
        teams=[reference_of(text) for text in team or []],
        users=[reference_of(text) for text in user or []],
        routers=[reference_of(text) for text in router or []],
    )
    sent = run(lambda context: _page(context, request, timeout_s if wait else 0))
    typer.echo(json.dumps(_shown(sent)) if as_json else _sentence(sent))
    if wait:
        raise typer.Exit(exit_code(sent.status))


def reference_of(text: str) -> "Reference":
    """Take a text for an id where it looks like one of PagerTree's, else for a name."""
    from pagersync.integrations.target_params import Reference

    if LOOKS_LIKE_AN_ID.fullmatch(text):
        return Reference(id=text)
    return Reference(name=text)


async def _page(context: Context, request: "PageRequest", timeout_s: float) -> "Page":
    from pagersync.paging.requests import to_new_page
    from pagersync.paging.service import create_page, get_page

    async with context.sessions.begin() as session:
        new = await to_new_page(session, request, requested_by=REQUESTED_BY)
        sent = await create_page(session, new)
    deadline = monotonic() + timeout_s
    while sent.status not in (*DELIVERED, *NOT_DELIVERED) and monotonic() < deadline:
        await asyncio.sleep(WAIT_EVERY_S)
        async with context.sessions() as session:
            sent = await get_page(session, sent.id)
    return sent


def exit_code(status: str) -> int:
    """Return the exit code of `--wait` for how a page stands at its end. Pure."""
    if status in DELIVERED:
        return 0
    return EXIT_NOT_DELIVERED if status in NOT_DELIVERED else EXIT_NOT_KNOWN


def _sentence(sent: "Page") -> str:
    names = ", ".join(target["name"] for target in sent.targets)
    hint = " (is `pagersync serve` or `worker` running?)" if sent.status == "queued" else ""
    return f"{sent.id}  {sent.status}{hint}  to {names}: {sent.title}"


def _shown(sent: "Page") -> dict[str, Any]:
    return {
        "id": str(sent.id),
        "status": sent.status,
        "title": sent.title,
        "targets": sent.targets,
        "pagertree_alert_id": sent.pagertree_alert_id,
    }


@app.command("list")
def list_(
    *,
    state: Annotated[
        Literal["queued", "running", "done", "failed", "dead", "unknown", "canceled", "expired"]
        | None,
        typer.Option(help="Only these. Without it: all that a person should look at."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List operations, newest first."""

    async def action(context: Context) -> "Sequence[Operation]":
        from sqlalchemy import select

        from pagersync.paging.models import Operation
        from pagersync.paging.service import ENDED

        needs_a_person = Operation.state.in_(ENDED) | (
            (Operation.state == "queued") & Operation.may_have_been_sent
        )
        wanted = Operation.state == state if state else needs_a_person
        statement = select(Operation).where(wanted)
        async with context.sessions() as session:
            return (
                await session.scalars(statement.order_by(Operation.id.desc()).limit(limit))
            ).all()

    rows = run(action)
    if as_json:
        typer.echo(json.dumps([_described(row) for row in rows]))
        return
    for row in rows:
        typer.echo(f"{row.id}  {row.kind:<17} {row.state:<9} {row.last_error or ''}")
    if not rows:
        typer.echo("There are none.")


@app.command()
def redrive(
    operation_id: OperationId,
    *,
    confirmed_absent: Annotated[
        bool,
        typer.Option(
            "--confirmed-absent",
            help="I looked in PagerTree, and its alert is not there: send it without searching.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Try an ended operation once more."""

    async def action(context: Context) -> "Operation":
        from pagersync.paging.service import redrive_operation

        async with context.sessions.begin() as session:
            return await redrive_operation(session, operation_id, is_absent=confirmed_absent)

    _print(run(action), as_json=as_json)


@app.command()
def cancel(operation_id: OperationId, *, as_json: Json = False) -> None:
    """Cancel an operation of which nothing was sent yet."""

    async def action(context: Context) -> "Operation":
        from pagersync.paging.service import cancel_operation

        async with context.sessions.begin() as session:
            return await cancel_operation(session, operation_id)

    _print(run(action), as_json=as_json)


def _print(row: "Operation", *, as_json: bool) -> None:
    typer.echo(json.dumps(_described(row)) if as_json else f"{row.id} is {row.state}.")


def _described(row: "Operation") -> dict[str, Any]:
    return {
        "id": str(row.id),
        "kind": row.kind,
        "state": row.state,
        "page_id": row.page_id and str(row.page_id),
        "attempt": row.attempt,
        "may_have_been_sent": row.may_have_been_sent,
        "last_error": row.last_error,
        "created_at": row.created_at.isoformat(),
    }
