"""`pagersync secret-key` and `pagersync integrations api-key`: keys made, accepted and renewed."""

from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import SecretStr

from pagersync.command import Context, checked, run
from pagersync.integrations.cli import Reference
from pagersync.integrations.values import checked_api_key

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
        return f"`pagersync integrations api-key {lost.name!r}`"
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


def api_key(
    reference: Reference,
    api_key: Annotated[
        str,
        typer.Option(
            envvar="PAGERTREE_API_KEY",
            prompt="PagerTree API key",
            hide_input=True,
            help="A PagerTree API key; better in the environment than on the command line.",
        ),
    ],
    *,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Ask PagerTree whether the key works.")
    ] = True,
) -> None:
    """Enter an account's API key again: one that was lost, refused or replaced."""
    key = checked("--api-key", checked_api_key, SecretStr(api_key)).get_secret_value()

    async def action(context: Context) -> None:
        from pagersync.integrations.connect import take_api_key
        from pagersync.integrations.secret_key import open_checked_vault
        from pagersync.integrations.service import change_integration, find_integration
        from pagersync.pagertree.client import create_http_client

        vault = await open_checked_vault(context.sessions.kw["bind"], context.settings)
        async with context.sessions() as session:
            account = await find_integration(session, reference)
        async with create_http_client(timeout_s=context.settings.pagertree_timeout_s) as client:
            columns = await take_api_key(
                client, vault, api_key=key, pagertree_url=account.pagertree_url, verify=verify
            )
        async with context.sessions.begin() as session:
            await change_integration(session, account.id, **columns)

    run(action)
    typer.echo(f"{reference} has its new API key: what waited for it goes out.")
