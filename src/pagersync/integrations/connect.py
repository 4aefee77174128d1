"""Taking in a PagerTree API key: PagerTree is asked, then the key is encrypted.

It calls out, so it runs before any transaction begins.
"""

from datetime import UTC, datetime
from typing import Any

from pagersync.http import AsyncClient
from pagersync.integrations.vault import Vault
from pagersync.pagertree.client import verify_api_key


async def take_api_key(
    client: AsyncClient, vault: Vault, *, api_key: str, pagertree_url: str, verify: bool
) -> dict[str, Any]:
    """Return the columns of an integration that its API key becomes.

    Raises:
        PagerTreeError: `verify` was asked for, and PagerTree did not accept the key.
    """
    if verify:
        await verify_api_key(client, pagertree_url=pagertree_url, api_key=api_key)
    return {
        "api_key_encrypted": vault.encrypt(api_key),
        "verified_at": datetime.now(UTC) if verify else None,
    }
