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
from pagersync.said import say

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from pagersync.access.account_names import AccountNames
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
    sent, account, reason = run(lambda context: _page(context, request, timeout_s if wait else 0))
    told = (sent, account, reason)
    say(json.dumps(_shown(*told)) if as_json else _sentence(*told))
    if wait:
        raise typer.Exit(exit_code(sent.status))


def reference_of(text: str) -> "Reference":
    """Take a text for an id where it looks like one of PagerTree's, else for a name."""
    from pagersync.integrations.target_params import Reference

    if LOOKS_LIKE_AN_ID.fullmatch(text):
        return Reference(id=text)
    return Reference(name=text)


async def _page(
    context: Context, request: "PageRequest", timeout_s: float
) -> "tuple[Page, str | None, str | None]":
    """Ask for a page and wait for it; say on standard error why it waits, when that changes."""
    from pagersync.access.account_names import account_names
    from pagersync.paging.requests import to_new_page
    from pagersync.paging.service import create_page, get_page

    async with context.sessions.begin() as session:
        new = await to_new_page(session, request, requested_by=REQUESTED_BY)
        sent = await create_page(session, new)
    deadline, said = monotonic() + timeout_s, None
    while sent.status not in (*DELIVERED, *NOT_DELIVERED) and monotonic() < deadline:
        await asyncio.sleep(WAIT_EVERY_S)
        async with context.sessions() as session:
            sent = await get_page(session, sent.id)
            reason = await _why(context, session, sent)
        if reason not in (None, said) and sent.status not in NOT_DELIVERED:
            say(f"It waits. {reason}", err=True)
            said = reason
    async with context.sessions() as session:
        accounts = await account_names(session, [sent])
        return sent, accounts.get(sent.integration_id), await _why(context, session, sent)


async def _why(context: Context, session: "AsyncSession", sent: "Page") -> str | None:
    """Return why a page waits, or why it reached nobody."""
    from pagersync.paging.service import list_operations_of
    from pagersync.paging.waiting import Waits, why_nobody_was_reached, why_page_waits

    operations = await list_operations_of(session, [sent.id])
    if sent.status in NOT_DELIVERED:
        return why_nobody_was_reached(sent.status, operations)
    reasons = await Waits(context.settings.pagertree_calls_per_s).of(session, operations)
    return why_page_waits(sent.status, operations, reasons)


def exit_code(status: str) -> int:
    """Return the exit code of `--wait` for how a page stands at its end. Pure."""
    if status in DELIVERED:
        return 0
    return EXIT_NOT_DELIVERED if status in NOT_DELIVERED else EXIT_NOT_KNOWN


def _sentence(sent: "Page", account: str | None, reason: str | None) -> str:
    names = ", ".join(target["name"] for target in sent.targets if not target.get("skipped"))
    hint = " (is `pagersync serve` or `worker` running?)" if sent.status == "queued" else ""
    why = [reason] if reason else []
    if sent.status in NOT_DELIVERED:
        why.append(f"`pagersync why page {sent.id}` shows what was tried, and what followed.")
    whom = f"{names} (account {account})"
    said = f"{sent.id}  {sent.status}{'' if reason else hint}  to {whom}: {sent.title}"
    return "\n".join([said, *why, *(f"  note: {note}" for note in sent.notes)])


def _shown(sent: "Page", account: str | None, reason: str | None) -> dict[str, Any]:
    has_ended = sent.status in NOT_DELIVERED
    return {
        "id": str(sent.id),
        "status": sent.status,
        "title": sent.title,
        "integration_name": account,
        "targets": sent.targets,
        "notes": sent.notes,
        "pagertree_alert_id": sent.pagertree_alert_id,
        "waits_because": None if has_ended else reason,
        "nobody_was_reached_because": reason if has_ended else None,
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
    rows, accounts, reasons = run(lambda context: _list(context, state, limit))
    if as_json:
        say(json.dumps([_described(row, accounts, reasons.get(row.id)) for row in rows]))
        return
    for row in rows:
        why = reasons.get(row.id) or row.last_error or ""
        account = accounts.get(row.integration_id, "-")
        say(f"{row.id}  {row.kind:<17} {row.state:<9} {account}  {why}".rstrip())
    if not rows:
        say("There are none.")


async def _list(
    context: Context, state: str | None, limit: int
) -> "tuple[Sequence[Operation], AccountNames, dict[UUID, str]]":
    """Return operations, newest first, their accounts, and why those that wait do."""
    from sqlalchemy import select

    from pagersync.access.account_names import account_names
    from pagersync.integrations.gate import IntegrationGate
    from pagersync.paging.models import ENDED, Operation
    from pagersync.paging.waiting import Waits

    shut = select(IntegrationGate.integration_id).where(IntegrationGate.open_until.is_not(None))
    is_waiting = Operation.may_have_been_sent | Operation.integration_id.in_(shut)
    needs_a_person = Operation.state.in_(ENDED) | ((Operation.state == "queued") & is_waiting)
    wanted = Operation.state == state if state else needs_a_person
    statement = select(Operation).where(wanted).order_by(Operation.id.desc()).limit(limit)
    async with context.sessions() as session:
        rows = (await session.scalars(statement)).all()
        waits = Waits(context.settings.pagertree_calls_per_s)
        return rows, await account_names(session, rows), await waits.of(session, rows)


@app.command()
def show(operation_id: OperationId, *, as_json: Json = False) -> None:
    """Show one operation, and why it waits."""

    async def action(context: Context) -> "tuple[Operation, AccountNames, str | None]":
        from pagersync.access.account_names import account_names
        from pagersync.paging.service import get_operation
        from pagersync.paging.waiting import Waits

        async with context.sessions() as session:
            row = await get_operation(session, operation_id)
            waits = Waits(context.settings.pagertree_calls_per_s)
            accounts = await account_names(session, [row])
            return row, accounts, (await waits.of(session, [row])).get(row.id)

    shown = _described(*run(action))
    if as_json:
        say(json.dumps(shown))
        return
    for key, value in shown.items():
        say(f"{key:<20} {'-' if value is None else value}")


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

    async def action(context: Context) -> "tuple[Operation, AccountNames]":
        from pagersync.access.account_names import account_names
        from pagersync.paging.service import redrive_operation

        async with context.sessions.begin() as session:
            row = await redrive_operation(session, operation_id, is_absent=confirmed_absent)
            return row, await account_names(session, [row])

    _print(*run(action), as_json=as_json)


@app.command()
def cancel(operation_id: OperationId, *, as_json: Json = False) -> None:
    """Cancel an operation of which nothing was sent yet."""

    async def action(context: Context) -> "tuple[Operation, AccountNames]":
        from pagersync.access.account_names import account_names
        from pagersync.paging.service import cancel_operation

        async with context.sessions.begin() as session:
            row = await cancel_operation(session, operation_id)
            return row, await account_names(session, [row])

    _print(*run(action), as_json=as_json)


def _print(row: "Operation", accounts: "AccountNames", *, as_json: bool) -> None:
    say(json.dumps(_described(row, accounts)) if as_json else f"{row.id} is {row.state}.")


def _described(
    row: "Operation", accounts: "AccountNames", reason: str | None = None
) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "kind": row.kind,
        "state": row.state,
        "integration_name": accounts.get(row.integration_id),
        "page_id": row.page_id and str(row.page_id),
        "attempt": row.attempt,
        "may_have_been_sent": row.may_have_been_sent,
        "last_error": row.last_error,
        "waits_because": reason,
        "created_at": row.created_at.isoformat(),
    }
