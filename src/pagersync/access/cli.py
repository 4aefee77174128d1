"""`pagersync keys`: API keys, from the shell of the machine that runs the service."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer

from pagersync.access.models import ApiKey, Scope
from pagersync.access.names import checked_name
from pagersync.command import Context, checked, run

app = typer.Typer(no_args_is_help=True, help="API keys.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what the key is for.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="May be given several times.")] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Days until it expires.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Make an API key and print it, once. Without --scope it may do everything."""
    from pagersync.access.keys import NewKey, create_key

    name = checked("NAME", checked_name, name)
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None

    async def action(context: Context) -> NewKey:
        async with context.sessions.begin() as session:
            return await create_key(session, name, scope or [Scope.ADMIN], expires_at=expires_at)

    new = run(action)
    if as_json:
        typer.echo(json.dumps({"id": str(new.key.id), "token": new.token}))
    else:
        typer.echo(f"{new.token}\n\nKeep it now: it is not shown again. Its id is {new.key.id}.")


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List the API keys that work."""
    from pagersync.access.keys import list_keys

    async def action(context: Context) -> list[dict[str, str | None]]:
        async with context.sessions() as session:
            return [_described(key) for key in await list_keys(session)]

    keys = run(action)
    if as_json:
        typer.echo(json.dumps(keys))
    for key in [] if as_json else keys:
        last_use = key["last_used_at"] or "never"
        typer.echo(f"{key['id']}  {key['name']}  {key['scopes']}  last used {last_use}")


def _described(key: ApiKey) -> dict[str, str | None]:
    return {
        "id": str(key.id),
        "name": key.name,
        "scopes": ",".join(key.scopes),
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "last_used_at": key.last_used_at.isoformat() if key.last_used_at else None,
    }


@app.command()
def revoke(key_id: Annotated[UUID, typer.Argument(metavar="ID")]) -> None:
    """End an API key at once."""
    from pagersync.access.keys import revoke_key

    async def action(context: Context) -> None:
        async with context.sessions.begin() as session:
            await revoke_key(session, key_id)

    run(action)
    typer.echo(f"{key_id} is revoked.")
