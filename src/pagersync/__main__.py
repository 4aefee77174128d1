"""`pagersync` and `python -m pagersync`."""

import sys


def main() -> None:
    """Run the command line; a known error is one line and exit code 1, not a traceback."""
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(130)


def _run() -> None:
    from pagersync.cli import app
    from pagersync.errors import PagersyncError

    try:
        app()
    except PagersyncError as error:
        sys.exit(f"pagersync: {error.detail}")


if __name__ == "__main__":
    main()
