"""`pagersync` and `python -m pagersync`."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pagersync.errors import NotFoundError


def main() -> None:
    """Run the command line; a known error is one line and exit code 1, not a traceback."""
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(130)


def _run() -> None:
    from pagersync.cli import app
    from pagersync.errors import NotFoundError, PagersyncError
    from pagersync.said import printable

    try:
        app()
    except NotFoundError as error:
        sys.exit(printable(f"pagersync: {_explained(error)}"))
    except PagersyncError as error:
        sys.exit(printable(f"pagersync: {error.detail}"))


def _explained(error: "NotFoundError") -> str:
    from datetime import UTC, datetime

    from pagersync.command import load_settings
    from pagersync.kept import explained

    return explained(error, load_settings(), datetime.now(UTC))


if __name__ == "__main__":
    main()
