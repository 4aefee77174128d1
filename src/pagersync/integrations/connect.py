"""A PagerTree API key on its way in, and out again to call PagerTree with it.

A key is tried before it is encrypted. That calls out, so it runs before any transaction begins.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func

from pagersync.errors import InvalidError, PagerTreeError, Rejected
from pagersync.http import AsyncClient
from pagersync.integrations.models import Integration
from pagersync.integrations.vault import Vault
from pagersync.pagertree.client import Exchange, PagerTree, verify_api_key


async def take_api_key(
    client: AsyncClient, vault: Vault, *, api_key: str, pagertree_url: str, verify: bool
) -> dict[str, Any]:
    """Return the columns of an integration that its API key becomes; its directory is due at once.

    Raises:
        PagerTreeError: `verify` was asked for, and PagerTree did not accept the key.
    """
    if verify:
        await verify_api_key(client, pagertree_url=pagertree_url, api_key=api_key)
    return {
        "api_key_encrypted": vault.encrypt(api_key),
        "verified_at": datetime.now(UTC) if verify else None,
        "directory_sync_at": func.now(),
    }


def open_pagertree(
    http: AsyncClient,
    vault: Vault,
    integration: Integration,
    *,
    timeout_s: float,
    record: Callable[[Exchange], None] | None = None,
) -> PagerTree:
    """Return the client that calls PagerTree as an account; nothing is called yet.

    Args:
        http: the one HTTP client of the process.
        vault: that the API key was encrypted with.
        integration: the account.
        timeout_s: longest wait for one answer.
        record: is told of every exchange; see `PagerTree`.

    Raises:
        InvalidError: the account was removed, or has no API key.
        SecretKeyError: its API key was encrypted with a key that the vault does not have.
    """
    if integration.removed_at is not None:
        raise InvalidError(f"the integration {integration.name!r} was removed")
    if integration.api_key_encrypted is None:
        raise InvalidError(f"the integration {integration.name!r} has no API key: give it one")
    return PagerTree(
        http,
        pagertree_url=integration.pagertree_url,
        api_key=vault.decrypt(integration.api_key_encrypted),
        timeout_s=timeout_s,
        record=record,
    )


@contextmanager
def blaming_pagertree() -> Iterator[None]:
    """Answer 502 where PagerTree refuses: nothing is wrong with the request that was made here."""
    try:
        yield
    except Rejected as error:
        raise PagerTreeError(error.detail, http_status=error.http_status) from None
