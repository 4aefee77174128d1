"""The command line. Commands are thin: they read options and call what does the work."""

from typing import Annotated, Final

import typer

from pagersync.access import cli as keys
from pagersync.backup import cli as backups
from pagersync.command import load_settings
from pagersync.doctor_cli import doctor
from pagersync.inbox import cli as deliveries
from pagersync.incidents import cli as incidents
from pagersync.integrations import cli as integrations
from pagersync.integrations import directory_cli as directory
from pagersync.integrations import key_cli, secret_key_cli
from pagersync.paging import cli as paging
from pagersync.retention import cli as database
from pagersync.said import say
from pagersync.secrets import cli as secrets
from pagersync.simulator import cli as simulator
from pagersync.workflows import account_cli, connect_cli, earlier_defaults_cli, restart_cli, why_cli
from pagersync.workflows import cli as workflows

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Keeps PagerTree and your incident process in step. Settings are PAGERSYNC_* variables.",
)
app.add_typer(integrations.app, name="integrations")
app.add_typer(directory.app, name="directory")
app.add_typer(keys.app, name="keys")
app.add_typer(secret_key_cli.app, name="secret-key")
app.add_typer(secrets.app, name="secrets")
secrets.app.command("rotate-key")(secret_key_cli.rotate)
app.add_typer(paging.app, name="operations")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(incidents.app, name="incidents")
app.add_typer(workflows.app, name="workflows")
app.add_typer(database.app, name="database")
app.add_typer(simulator.app, name="simulator")
app.command()(paging.page)
app.command()(why_cli.why)
app.command()(doctor)
app.command()(backups.backup)
app.command()(backups.restore)
database.app.command()(backups.restored)
database.app.command()(backups.upgrade)
incidents.app.command()(restart_cli.restart)
workflows.app.command()(earlier_defaults_cli.update_defaults)
integrations.app.command()(connect_cli.add)
for account_command in (account_cli.disable, account_cli.enable, account_cli.remove):
    integrations.app.command()(account_command)
integrations.app.command("set-api-key")(key_cli.set_api_key)
integrations.app.command()(connect_cli.default_targets)


FIRST_KEY: Final = """
This is the first API key. It may do everything, and it is not shown again:

    {token}
"""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Listen here; PAGERSYNC_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="0 means a free one; PAGERSYNC_PORT.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="How many serve.")] = 1,
    *,
    workers: Annotated[
        bool, typer.Option("--workers/--no-workers", help="Also apply what is received.")
    ] = True,
    migrate: Annotated[
        bool, typer.Option("--migrate", help="First bring an external database up to date.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Start even with a wrong secret key: nobody is paged then."),
    ] = False,
) -> None:
    """Receive webhooks, serve the API and work the queues."""
    import asyncio

    from pagersync import serve as serving
    from pagersync.access.first_key import ensure_key
    from pagersync.app import create_service
    from pagersync.database.access import open_database
    from pagersync.serve import check_key

    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = load_settings().model_copy(update=given)
    factory = "create_service_from_environment" if workers else "create_api_from_environment"
    with open_database(settings, keep=True, migrate=migrate) as found:
        if not force:  # a key that cannot be right is said here, in one line
            asyncio.run(check_key(found))
        if (token := asyncio.run(ensure_key(found))) is not None:
            say(FIRST_KEY.format(token=token))
        serving.serve(
            found,
            lambda served: create_service(served, with_workers=workers),
            f"pagersync.app:{factory}",
            processes=processes,
        )


@app.command()
def worker() -> None:
    """Work the queues only; run as many as you like beside `serve`."""
    import uvloop

    from pagersync.database.access import open_database
    from pagersync.serve import work

    with open_database(load_settings(), keep=True) as settings:
        uvloop.run(work(settings))


@app.command()
def migrate() -> None:
    """Bring the database up to date. The embedded one needs no such command."""
    from pagersync.database.access import open_database
    from pagersync.database.migrate import newest_revision

    with open_database(load_settings(), migrate=True):
        say(f"The database is at revision {newest_revision()}.")


@app.command()
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="End when the show is over.")] = False,
) -> None:
    """Watch a simulated PagerTree: alerts come in, a team is paged; in a temporary directory."""
    from pagersync.simulator.demo import run_demo

    raise typer.Exit(run_demo(once=once))


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed_version

    say(f"pagersync {installed_version('pagersync')}")
