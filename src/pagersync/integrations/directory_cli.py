"""`pagersync directory`: whom PagerTree can page, and who is on call."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from sqlalchemy import select

from pagersync.command import Context, run
from pagersync.errors import PagersyncError
from pagersync.http import AsyncClient
from pagersync.integrations import service
from pagersync.integrations.connect import open_pagertree
from pagersync.integrations.directory import SyncResult, sync_integration
from pagersync.integrations.directory_models import DirectoryEntry, DirectoryKind
from pagersync.integrations.directory_store import find_entry, is_shown
from pagersync.integrations.models import Integration
from pagersync.integrations.oncall import OnCallLayer, ask_current_oncall
from pagersync.integrations.reachability import telling_rate_limiter
from pagersync.integrations.secret_key import open_checked_vault
from pagersync.pagertree.client import create_http_client
from pagersync.said import say

app = typer.Typer(no_args_is_help=True, help="PagerTree's teams, users and routers.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Account = Annotated[
    str | None, typer.Option("--integration", metavar="NAME_OR_ID", help="Only of this account.")
]


@app.command()
def sync(
    integration: Account = None,
    *,
    believe: Annotated[
        bool,
        typer.Option("--believe", help="Believe a listing at once that lost much of the last one."),
    ] = False,
) -> None:
    """List the teams, users and routers of every enabled account anew, or those of one."""

    async def action(context: Context) -> bool:
        async with context.sessions() as session:
            if integration is not None:
                accounts: Sequence[Integration] = [
                    await service.find_integration(session, integration)
                ]
            else:
                connected = await service.list_integrations(session)
                accounts = [account for account in connected if account.enabled]
        if not accounts:
            say("No account is connected: `pagersync integrations add` does that.")
        async with create_http_client(timeout_s=context.settings.pagertree_timeout_s) as http:
            return all(
                [await _sync_one(context, http, account, believe=believe) for account in accounts]
            )

    if not run(action):
        raise typer.Exit(1)


@app.command("list")
def list_(
    kind: Annotated[DirectoryKind | None, typer.Option(help="Only these.")] = None,
    integration: Account = None,
    *,
    as_json: Json = False,
) -> None:
    """List what can be paged, as PagerTree listed it last."""

    async def action(context: Context) -> list[dict[str, Any]]:
        statement = (
            select(DirectoryEntry, Integration.name)
            .join(Integration, Integration.id == DirectoryEntry.integration_id)
            .where(is_shown())
            .order_by(Integration.name, DirectoryEntry.kind, DirectoryEntry.name_key)
        )
        if kind is not None:
            statement = statement.where(DirectoryEntry.kind == kind)
        async with context.sessions() as session:
            if integration is not None:
                account = await service.find_integration(session, integration)
                statement = statement.where(Integration.id == account.id)
            return [_described(*row) for row in await session.execute(statement)]

    rows = run(action)
    if as_json:
        say(json.dumps(rows))
        return
    for row in rows:
        missing = f"  missing since {row['missing_since']}" if row["missing_since"] else ""
        emails = f"  {', '.join(row['emails'])}" if row["emails"] else ""
        shown = row["prefix_id"] or row["pagertree_id"]
        say(f"{row['integration']}  {row['kind']:<6}  {shown}  {row['name']}{emails}{missing}")
    if not rows:
        say("Nothing is known yet: `pagersync directory sync` asks PagerTree.")


@app.command()
def oncall(
    team: Annotated[str, typer.Argument(metavar="TEAM", help="Its name or any of its ids.")],
    integration: Account = None,
    *,
    as_json: Json = False,
) -> None:
    """Ask PagerTree who is on call in a team now."""

    async def action(context: Context) -> tuple[DirectoryEntry, list[OnCallLayer]]:
        async with context.sessions() as session:
            only = integration and (await service.find_integration(session, integration)).id
            entry = await find_entry(
                session, DirectoryKind.TEAM, team, or_name=True, integration_id=only or None
            )
            account = await service.get_integration(session, entry.integration_id)
        timeout_s = context.settings.pagertree_timeout_s
        async with create_http_client(timeout_s=timeout_s) as http:
            vault = await open_checked_vault(context.sessions.kw["bind"], context.settings)
            pagertree = open_pagertree(http, vault, account, timeout_s=timeout_s)
            async with telling_rate_limiter(context.sessions, account):
                return entry, await ask_current_oncall(context.sessions, pagertree, entry)

    entry, layers = run(action)
    if as_json:
        said = {"team": entry.name, "layers": [asdict(layer) for layer in layers]}
        say(json.dumps(said, default=str))
        return
    if not layers:
        say(f"Nobody is on call in {entry.name}.")
    for layer in layers:
        for user in layer.users:
            name = user.name or user.pagertree_id
            until = f"  until {user.end_at:%Y-%m-%d %H:%M %Z}" if user.end_at else ""
            say(f"layer {layer.layer}  {name}  {user.email or '-'}{until}")


async def _sync_one(
    context: Context, http: AsyncClient, account: Integration, *, believe: bool
) -> bool:
    """Sync one account and say how it went; return whether it went well."""
    try:
        result = await sync_integration(
            context.sessions,
            http,
            await open_checked_vault(context.sessions.kw["bind"], context.settings),
            account,
            timeout_s=context.settings.pagertree_timeout_s,
            believe=believe,
        )
    except PagersyncError as error:
        say(f"{account.name}: {error.detail}", err=True)
        return False
    say(f"{account.name}: {_counted(result)}")
    if result.doubt is not None:
        say(f"{account.name}: {result.doubt}", err=True)
    return result.doubt is None


def _counted(result: SyncResult) -> str:
    return (
        f"teams {result.teams}, users {result.users}, routers {result.routers} "
        f"(new {result.added}, missing {result.missing})"
    )


def _described(row: DirectoryEntry, integration: str) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "integration": integration,
        "kind": row.kind,
        "pagertree_id": row.pagertree_id,
        "prefix_id": row.prefix_id,
        "name": row.name,
        "emails": row.emails,
        "fetched_at": row.fetched_at.isoformat(),
        "missing_since": row.missing_since and row.missing_since.isoformat(),
    }
