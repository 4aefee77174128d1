"""What commands share: settings, a database to talk to, one line for what went wrong."""

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from getpass import getuser
from itertools import takewhile
from typing import Final, TypeVar

from pydantic import ValidationError

from pagersync.database.access import open_database
from pagersync.database.caller import CALLER, Caller
from pagersync.database.engine import (
    COMMAND_TIMEOUT_S,
    Sessions,
    create_engine,
    create_sessions,
)
from pagersync.errors import InvalidError, PagersyncError
from pagersync.log import configure_logging
from pagersync.pagertree.payloads import storable
from pagersync.settings import Settings

T = TypeVar("T")

COMMAND_WORD: Final = re.compile("[a-z][a-z-]*")
COMMAND_WORDS_END: Final = 3
"""`pagersync keys create`: no command has more words, and what follows may be anything."""


class SettingsError(PagersyncError):
    """A setting cannot be right."""

    code = "settings"
    title = "Settings"


@dataclass(frozen=True, slots=True)
class Context:
    """What a command works with."""

    settings: Settings
    sessions: Sessions


def load_settings() -> Settings:
    """Return the settings of the environment, with logging set up as they say.

    Raises:
        SettingsError: one of them cannot be right.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)[0]
        name = f"PAGERSYNC_{'_'.join(map(str, wrong['loc']))}".upper()
        raise SettingsError(f"{name}: {wrong['msg']}") from None
    configure_logging(settings)
    return settings


def run(action: Callable[[Context], Awaitable[T]], *, unhurried: bool = False) -> T:
    """Run a short command's action against the database, beside a running `serve` or without.

    Args:
        action: what it does.
        unhurried: whether a statement of it may take as long as it takes.
    """
    with open_database(load_settings()) as settings:
        return asyncio.run(_run(settings, action, unhurried=unhurried))


def checked(what: str, check: Callable[[T], T], value: T) -> T:
    """Return what `check` makes of an argument or option that was entered.

    Raises:
        InvalidError: `check` refused it.
    """
    try:
        return check(value)
    except ValueError as error:
        raise InvalidError(f"{what} {error}") from None


async def _run(
    settings: Settings, action: Callable[[Context], Awaitable[T]], *, unhurried: bool
) -> T:
    async with AsyncExitStack() as stack:
        CALLER.set(_caller())
        timeout_s = None if unhurried else COMMAND_TIMEOUT_S
        engine = create_engine(settings, command_timeout_s=timeout_s)
        stack.push_async_callback(engine.dispose)
        return await action(Context(settings, create_sessions(engine)))


def _caller() -> Caller:
    """Return who is at the command line, and with which command."""
    words = takewhile(COMMAND_WORD.fullmatch, sys.argv[1:COMMAND_WORDS_END])
    return Caller(kind="cli", name=_user(), operation=" ".join(words), is_audited=True)


def _user() -> str | None:
    with suppress(KeyError, OSError):  # a container's user may have no name
        return storable(getuser())
    return None
