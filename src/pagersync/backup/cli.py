"""`pagersync backup`, `restore`, `database upgrade` and `database restored`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pagersync.command import Context, load_settings, run
from pagersync.said import say

if TYPE_CHECKING:
    from pagersync.backup.archive import Manifest

WITHOUT_KEY: Final = (
    "WARNING: the secret key is NOT in this backup. After a restore nobody can be paged without "
    "it. Keep a copy of it elsewhere, or use --with-secret-key and guard the file."
)
WITH_KEY: Final = "The secret key is in this backup: who can read the file can read every API key."


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE|DIR", help="A new file, or a directory.")],
    *,
    with_secret_key: Annotated[
        bool, typer.Option("--with-secret-key", help="Put the secret key into the backup, too.")
    ] = False,
) -> None:
    """Back up the embedded database, while pagersync runs or without."""

    async def action(context: Context) -> "tuple[Path, Manifest]":
        from pagersync.backup.make import make_backup

        return await make_backup(context.settings, target, with_key=with_secret_key)

    path, manifest = run(action, unhurried=True)
    rows = sum(manifest.rows.values())
    say(f"{path}: {rows} rows, {path.stat().st_size} bytes, as of {manifest.made_at}.")
    say(WITH_KEY if with_secret_key else WITHOUT_KEY, err=True)


def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="What `backup` wrote.")],
) -> None:
    """Restore a backup into an empty data directory. pagersync must not run."""
    from pagersync.backup.restore import restore_backup

    manifest, pages, warning = restore_backup(load_settings(), source)
    say(f"Restored and checked: {sum(manifest.rows.values())} rows.")
    say(_looked_for(pages))
    if warning:
        say(f"WARNING: {warning}", err=True)


def restored(*, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """After a restore of an external database: look for pages before sending them.

    Run it before `pagersync serve`.
    """
    if not yes:
        typer.confirm(
            "Pages that wait will be searched for before they are sent. Go on?", abort=True
        )

    async def action(context: Context) -> int:
        from pagersync.database.engine import raw_connection
        from pagersync.paging.restored import mark_restored

        async with raw_connection(context.sessions.kw["bind"]) as connection:
            return await mark_restored(connection)

    say(_looked_for(run(action)))


def upgrade(
    *,
    programs: Annotated[
        Path | None,
        typer.Option(help="A directory with the programs of the PostgreSQL that made the data."),
    ] = None,
    same_version: Annotated[
        bool, typer.Option("--same-version", help="Make a new cluster although nothing is newer.")
    ] = False,
) -> None:
    """Bring the embedded database to the installed major version of PostgreSQL."""
    from pagersync.backup.upgrade import upgrade_cluster

    aside = upgrade_cluster(load_settings(), programs, same_version=same_version)
    if aside is None:
        say("The database is of the installed version already.")
    else:
        say(f"Upgraded and checked. The old data is in {aside}: remove it when all is well.")


def _looked_for(pages: int) -> str:
    return (
        f"{pages} pages had not certainly been sent at that moment. pagersync looks for each in "
        "PagerTree before it sends it."
    )
