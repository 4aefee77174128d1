"""What PagerTree accounts are called, for whoever sees a row of theirs."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.session import driver_connection

AccountNames: TypeAlias = Mapping[UUID | None, str]
"""By the account's id; of what belongs to no account there is none."""

NAME: Final = "What the account was called last; null: it belongs to none."


async def account_names(session: AsyncSession, rows: Iterable[Any]) -> AccountNames:
    """Return what the accounts of rows are called, removed ones too, with one query for all.

    Nobody learns a name by it whose rows they do not see: ask for rows that were read for them.
    """
    ids = {row.integration_id for row in rows if row.integration_id is not None}
    if not ids:
        return {}
    found = await (await driver_connection(session)).fetch(_NAMES, ids)
    return {row["id"]: row["name"] for row in found}


_NAMES: Final = "SELECT id, name FROM integrations WHERE id = ANY ($1::uuid[])"
