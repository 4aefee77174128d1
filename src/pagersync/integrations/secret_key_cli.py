"""`pagersync secret-key`: the secret key made, accepted and rotated."""

from typing import TYPE_CHECKING, Annotated

import typer

from pagersync.command import Context, run

if TYPE_CHECKING:
    from pagersync.integrations.secret_key import Sealed

app = typer.Typer(invoke_without_command=True, help="Make, accept or rotate the secret key.")


@app.callback()
def secret_key(context: typer.Context) -> None:
    """Print a new key for PAGERSYNC_SECRET_KEY; the subcommands work on the database."""
    from pagersync.integrations.vault import new_secret_key

    if context.invoked_subcommand is None:
        typer.echo(new_secret_key())


@app.command()
def accept(*, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Go on with the present key although the former one is lost: API keys are entered again."""
    if not yes:
        typer.confirm(
            "API keys that the present key cannot decrypt will be erased. Go on?", abort=True
        )

    async def action(context: Context) -> "list[Sealed]":
        from pagersync.database.engine import raw_connection
        from pagersync.integrations.secret_key import accept_key
        from pagersync.integrations.vault import open_vault

        async with raw_connection(context.sessions.kw["bind"]) as connection:
            return await accept_key(connection, open_vault(context.settings))

    broken = run(action)
    typer.echo("The present secret key is the right one from now on.")
    for each in broken:
        typer.echo(f"{each.kind} of {each.name!r} is lost: {_remedy(each)}")


def _remedy(lost: "Sealed") -> str:
    if lost.table == "integrations":
        return f"`pagersync integrations set-api-key {lost.name!r}`"
    if lost.table == "webhook_endpoints":
        return "set `custom_headers` again, with PUT /v1/webhooks/endpoints/{id}"
    return "make a new one, with POST /v1/webhooks/endpoints/{id}/rotate_secret"


@app.command()
def rotate() -> None:
    """Encrypt everything anew with the first key of PAGERSYNC_SECRET_KEY; then drop the others."""

    async def action(context: Context) -> int:
        from pagersync.database.engine import raw_connection
        from pagersync.integrations.secret_key import open_checked_vault, reseal

        engine = context.sessions.kw["bind"]
        vault = await open_checked_vault(engine, context.settings)
        async with raw_connection(engine) as connection:
            return await reseal(connection, vault)

    typer.echo(f"{run(action)} credentials are encrypted with the first key.")
