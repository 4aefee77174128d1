"""`pagersync secret-key`: the secret key made, accepted and rotated."""

from typing import TYPE_CHECKING, Annotated

import typer

from pagersync.command import Context, run
from pagersync.said import say

if TYPE_CHECKING:
    from pagersync.integrations.resealing import Resealed
    from pagersync.integrations.secret_key import Sealed

app = typer.Typer(invoke_without_command=True, help="Make, accept or rotate the secret key.")


@app.callback()
def secret_key(context: typer.Context) -> None:
    """Print a new key for PAGERSYNC_SECRET_KEY; the subcommands work on the database."""
    from pagersync.integrations.vault import new_secret_key

    if context.invoked_subcommand is None:
        say(new_secret_key())


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
    say("The present secret key is the right one from now on.")
    for each in broken:
        say(f"{each.kind} of {each.name!r} is lost: {_remedy(each)}")


def _remedy(lost: "Sealed") -> str:
    if lost.table == "integrations":
        return f"`pagersync integrations set-api-key {lost.name!r}`"
    if lost.table == "secrets":
        return f"`pagersync secrets rotate {lost.name}`"
    if lost.table == "sealed_values":
        return "enter the value again where the mask stands: `pagersync workflows export` shows it"
    if lost.table == "webhook_endpoints":
        return "set `custom_headers` again, with PUT /v1/webhooks/endpoints/{id}"
    return "make a new one, with POST /v1/webhooks/endpoints/{id}/rotate_secret"


@app.command()
def rotate() -> None:
    """Encrypt everything anew with the first key of PAGERSYNC_SECRET_KEY; then drop the others."""

    async def action(context: Context) -> "tuple[Resealed, bool]":
        from pagersync.database.engine import raw_connection
        from pagersync.integrations.resealing import reseal
        from pagersync.integrations.secret_key import open_checked_vault

        engine = context.sessions.kw["bind"]
        vault = await open_checked_vault(engine, context.settings)
        async with raw_connection(engine) as connection:
            return await reseal(connection, vault), vault.has_old_keys

    done, has_old = run(action)
    for each in done.left:
        say(f"{each.kind} of {each.name!r} is still encrypted with an old key.")
    if done.left:
        say("A process writes with an old key. Restart every process, then do this again.")
        raise typer.Exit(1)
    say(f"{done.rows} credentials are encrypted with the first key.")
    say(DROP if has_old else ONE_KEY)


DROP = "Drop the other keys from PAGERSYNC_SECRET_KEY now, and restart every process."
ONE_KEY = (
    "There is one key alone, so nothing was rotated. To rotate it, set PAGERSYNC_SECRET_KEY to "
    "`NEW,OLD`, restart every process, and do this again. `pagersync secret-key` prints a new key."
)
