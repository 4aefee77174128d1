"""Work that an API key causes, as the service would do it for a request."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from pagersync.database.base import new_id
from pagersync.database.caller import CALLER, Caller

KEY_ID: Final[UUID] = new_id()
KEY: Final = f"key {KEY_ID}"
"""A requester."""


@contextmanager
def by_key(id_: UUID = KEY_ID) -> Iterator[str]:
    """Do what follows for an API key; yield the requester."""
    token = CALLER.set(Caller(kind="api_key", id=id_, name="flood", is_audited=True))
    try:
        yield f"key {id_}"
    finally:
        CALLER.reset(token)
