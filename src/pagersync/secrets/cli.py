"""`pagersync secrets`: named secrets, from the shell of the machine that runs the service."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pagersync.command import Context, checked, run
from pagersync.said import say

if TYPE_CHECKING:
    from pagersync.integrations.vault import Vault
    from pagersync.secrets.models import Secret

app = typer.Typer(no_args_is_help=True, help="Secrets that calls log in with, by name.")

REQUESTED_BY = "the command line"
Name = Annotated[str, typer.Argument(help="As in `{{ secrets.NAME }}`.")]


@app.command()
def add(
    name: Name,
    integration: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME_OR_ID", help="Only for workflows of this account. Repeatable."),
    ] = None,
) -> None:
    """Add a secret. Its value is asked for, or read from standard input."""
    from pagersync.access.keys import find_integration_id
    from pagersync.secrets import service

    checked("NAME", service.checked_name, name)
    value = _value()

    async def action(context: Context) -> None:
        vault = await _vault(context)
        async with context.sessions.begin() as session:
            ids = [await find_integration_id(session, each) for each in integration or ()]
            values = {"name": name, "value": value, "integration_ids": ids}
            await service.add_secret(session, vault, values, requested_by=REQUESTED_BY)

    run(action)
    say(f"Added. Refer to it as {{{{ secrets.{name} }}}}.")


@app.command("list")
def list_(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the secrets, without their values."""
    from pagersync.secrets.service import list_secrets

    async def action(context: Context) -> "list[dict[str, object]]":
        async with context.sessions() as session:
            return [_described(row) for row in await list_secrets(session)]

    found = run(action)
    if as_json:
        say(json.dumps(found))
    for row in [] if as_json else found:
        bound = "  bound to accounts" if row["integration_ids"] else ""
        say(f"{row['name']}{bound}  last used {row['last_used_at'] or 'never'}")


@app.command()
def rotate(name: Name) -> None:
    """Give a secret a new value, which is asked for, or read from standard input."""
    from pagersync.secrets import service

    value = _value()

    async def action(context: Context) -> None:
        vault = await _vault(context)
        async with context.sessions.begin() as session:
            secret = await service.get_secret(session, name, lock=True)
            values = {"value": value}
            await service.change_secret(session, vault, secret, values, requested_by=REQUESTED_BY)

    run(action)
    say(f"{name} has a new value: the next call uses it.")


@app.command()
def remove(
    name: Name,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Remove it although somebody uses it.")
    ] = False,
) -> None:
    """Remove a secret. One that is used stays, unless you force it: then calls fail."""
    from pagersync.secrets import service

    async def action(context: Context) -> list[str]:
        vault = await _vault(context)
        async with context.sessions.begin() as session:
            secret = await service.get_secret(session, name, lock=True)
            uses = await service.remove_secret(session, vault, secret, force=force)
            return [str(use) for use in uses]

    uses = run(action)
    say(f"{name} is removed.")
    for use in uses:
        say(f"Calls fail from now on: {use}")


def _value() -> str:
    """Return the value that was entered; never from the arguments, which everybody can see."""
    from pagersync.secrets.service import checked_value

    if sys.stdin.isatty():
        value = str(typer.prompt("Value", hide_input=True, confirmation_prompt=True))
    else:
        value = sys.stdin.read().removesuffix("\n")
    return checked("The value", checked_value, value)


async def _vault(context: Context) -> "Vault":
    from pagersync.integrations.secret_key import open_checked_vault

    return await open_checked_vault(context.sessions.kw["bind"], context.settings)


def _described(row: "Secret") -> dict[str, object]:
    return {
        "id": str(row.id),
        "name": row.name,
        "integration_ids": [str(each) for each in row.integration_ids],
        "last_used_at": row.last_used_at.isoformat() if row.last_used_at else None,
        "created_at": row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
    }
