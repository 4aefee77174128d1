"""`pagersync workflows update-defaults`: what default workflows of earlier versions lack."""

from typing import Final

import typer

from pagersync.command import Context, run
from pagersync.integrations.cli import Reference
from pagersync.said import say
from pagersync.workflows.account_cli import Yes

REQUESTED_BY: Final = "the command line"


def update_defaults(reference: Reference, *, yes: Yes = False) -> None:
    """Give an account's default workflows what those of a new account have."""

    async def action(context: Context, *, keeps: bool) -> list[str]:
        from pagersync.integrations.service import find_integration
        from pagersync.workflows.earlier_defaults import add_lacking

        async with context.sessions() as session:
            account = await find_integration(session, reference)
            done = await add_lacking(session, account, REQUESTED_BY)
            await (session.commit() if keeps else session.rollback())
            return done

    if not yes:
        plan = run(lambda context: action(context, keeps=False))
        for line in plan:
            say(line)
        if plan:
            typer.confirm("Change this?", abort=True)
    done = run(lambda context: action(context, keeps=True))
    for line in done if yes else []:
        say(line)
    say("Done." if done else f"The default workflows of {reference} lack nothing.")
