"""Data directories of the embedded PostgreSQL, copied: to make one takes a second."""

import atexit
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from pagersync.database.embedded import EmbeddedPostgres


def copy_cluster(root: Path) -> None:
    """Make the directory of an embedded PostgreSQL that has an empty database."""
    subprocess.run(["/bin/cp", "-a", str(_template()), str(root)], check=True)


@cache
def _template() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="ps-", dir="/tmp"))  # a socket's path has a limit
    atexit.register(shutil.rmtree, directory)
    directory.chmod(0o711)
    with EmbeddedPostgres(directory / "postgres", durable=False):
        return directory / "postgres"
