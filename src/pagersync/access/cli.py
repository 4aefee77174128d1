"""`pagersync keys`: API keys, from the shell of the machine that runs the service."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from pagersync.access.models import ApiKey, Scope
from pagersync.access.names import checked_name
from pagersync.command import Context, checked, run
from pagersync.said import say

if TYPE_CHECKING:
    from pagersync.access.keys import NewKey

app = typer.Typer(no_args_is_help=True, help="API keys.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what the key is for.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="May be given several times.")] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Days until it expires.")
    ] = None,
    integration: Annotated[
        str | None,
        typer.Option(metavar="NAME_OR_ID", help="The only integration that it sees and acts on."),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Make an API key and print it, once. Without --scope it may do everything."""
    from pagersync.access.keys import NewKey, create_key, find_integration_id

    name = checked("NAME", checked_name, name)
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None

    async def action(context: Context) -> NewKey:
        async with context.sessions.begin() as session:
            return await create_key(
                session,
                name,
                scope or [Scope.ADMIN],
                expires_at=expires_at,
                integration_id=await find_integration_id(session, integration)
                if integration
                else None,
            )

    _print_token(run(action), as_json=as_json)


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List the API keys that work."""
    from pagersync.access.account_names import account_names
    from pagersync.access.keys import list_keys

    async def action(context: Context) -> list[dict[str, str | None]]:
        async with context.sessions() as session:
            rows = await list_keys(session)
            accounts = await account_names(session, rows)
            return [_described(key, accounts.get(key.integration_id)) for key in rows]

    keys = run(action)
    if as_json:
        say(json.dumps(keys))
    for key in [] if as_json else keys:
        last_use = key["last_used_at"] or "never"
        bound = f"  only {key['integration_name']}" if key["integration_id"] else ""
        say(f"{key['id']}  {key['name']}  {key['scopes']}{bound}  last used {last_use}")


def _described(key: ApiKey, account: str | None) -> dict[str, str | None]:
    return {
        "id": str(key.id),
        "name": key.name,
        "scopes": ",".join(key.scopes),
        "integration_id": str(key.integration_id) if key.integration_id else None,
        "integration_name": account,
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "last_used_at": key.last_used_at.isoformat() if key.last_used_at else None,
    }


@app.command()
def rotate(
    key_id: Annotated[UUID, typer.Argument(metavar="ID")],
    grace_hours: Annotated[
        float, typer.Option(min=0, max=720, help="How long the old token still works.")
    ] = 24,
    *,
    as_json: Json = False,
) -> None:
    """Give an API key a new token and print it, once."""
    from pagersync.access.keys import NewKey, get_key, rotate_key

    async def action(context: Context) -> NewKey:
        async with context.sessions.begin() as session:
            key = await get_key(session, key_id, lock=True)
            return await rotate_key(session, key, grace=timedelta(hours=grace_hours))

    _print_token(run(action), as_json=as_json)


@app.command()
def revoke(key_id: Annotated[UUID, typer.Argument(metavar="ID")]) -> None:
    """End an API key at once."""
    from pagersync.access.keys import revoke_key

    async def action(context: Context) -> None:
        async with context.sessions.begin() as session:
            await revoke_key(session, key_id)

    run(action)
    say(f"{key_id} is revoked.")


def _print_token(new: "NewKey", *, as_json: bool) -> None:
    if as_json:
        say(json.dumps({"id": str(new.key.id), "token": new.token}))
    else:
        say(f"{new.token}\n\nKeep it now: it is not shown again. Its id is {new.key.id}.")
