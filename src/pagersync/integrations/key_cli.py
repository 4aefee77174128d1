"""`pagersync integrations set-api-key`: a new API key for a connected account."""

from typing import Annotated

import typer
from pydantic import SecretStr

from pagersync.command import Context, checked, run
from pagersync.integrations.cli import Reference
from pagersync.integrations.service import change_integration, find_integration
from pagersync.integrations.values import checked_api_key
from pagersync.said import say


def set_api_key(
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
    """Give an account a new API key. Pages that waited for it go out at once."""
    key = checked("--api-key", checked_api_key, SecretStr(api_key))

    async def action(context: Context) -> str:
        from pagersync.integrations.connect import take_api_key
        from pagersync.integrations.secret_key import open_checked_vault
        from pagersync.pagertree.client import create_http_client

        vault = await open_checked_vault(context.sessions.kw["bind"], context.settings)
        async with context.sessions() as session:
            before = await find_integration(session, reference)
        async with create_http_client(timeout_s=context.settings.pagertree_timeout_s) as client:
            columns = await take_api_key(
                client,
                vault,
                api_key=key.get_secret_value(),
                pagertree_url=before.pagertree_url,
                verify=verify,
            )
        async with context.sessions.begin() as session:
            await change_integration(session, before.id, **columns)
        return before.name

    say(f"{run(action)} has a new API key. What waited for it is sent now.")
