"""The directory: what PagerTree has to page, fetched from it and found by what people call it.

PagerTree is asked between transactions, never inside one, and everything is there before anything
is written.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.engine import Sessions
from pagersync.errors import CredentialsRefused, PagersyncError, Rejected
from pagersync.http import AsyncClient
from pagersync.integrations import service
from pagersync.integrations.connect import open_pagertree
from pagersync.integrations.directory_models import DirectoryKind
from pagersync.integrations.directory_store import (
    Listed,
    Remote,
    open_watch,
    read_listed_ids,
    write_listed,
)
from pagersync.integrations.disbelief import LOOK_AGAIN, Verdict, examine
from pagersync.integrations.models import Integration
from pagersync.integrations.reachability import telling_rate_limiter
from pagersync.integrations.resolving import resolve_targets
from pagersync.integrations.targets import Target, TargetReference
from pagersync.integrations.vault import Vault
from pagersync.pagertree.client import PagerTree

__all__ = [
    "SyncResult",
    "Target",
    "TargetReference",
    "resolve_targets",
    "sync_directory",
    "sync_integration",
]

LISTS: Final[Mapping[DirectoryKind, Callable[[PagerTree], Awaitable[Sequence[Remote]]]]] = {
    DirectoryKind.TEAM: PagerTree.list_teams,
    DirectoryKind.USER: PagerTree.list_account_users,
    DirectoryKind.ROUTER: PagerTree.list_routers,
}


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What PagerTree listed, and what that changed.

    Attributes:
        added: entries that were never seen before.
        missing: entries that PagerTree listed until now.
        doubt: why it is not believed that so much is missing.
    """

    teams: int
    users: int
    routers: int
    added: int
    missing: int
    doubt: str | None = None


async def sync_integration(
    sessions: Sessions,
    http: AsyncClient,
    vault: Vault,
    integration: Integration,
    *,
    timeout_s: float,
    believe: bool = False,
) -> SyncResult:
    """Sync the directory of an account with its own API key; a failure is kept on its row.

    Raises:
        PagersyncError: as `open_pagertree` and `sync_directory` do.
    """
    try:
        pagertree = open_pagertree(http, vault, integration, timeout_s=timeout_s)
        async with telling_rate_limiter(sessions, integration):
            return await sync_directory(sessions, pagertree, integration.id, believe=believe)
    except PagersyncError as error:
        async with sessions.begin() as session:
            await _change(session, integration.id, directory_error=error.detail)
        raise


async def sync_directory(
    sessions: Sessions, pagertree: PagerTree, integration_id: UUID, *, believe: bool = False
) -> SyncResult:
    """Fetch an account's teams, users and routers, and keep them.

    A kind that PagerTree refuses to list stays as it was; the others are kept all the same. So does
    one of which too much is gone, unless a person says `believe`: see `disbelief.py`.

    Raises:
        NotFoundError: there is no such integration.
        PagerTreeError: PagerTree could not be asked, or refused to list a kind.
    """
    async with sessions() as session:
        await service.get_integration(session, integration_id)
        began_at = (await session.execute(select(func.now()))).scalar_one()
        known = await read_listed_ids(session, integration_id)
    listed: dict[DirectoryKind, Collection[Remote]] = {}
    refusal: Rejected | None = None
    for kind in DirectoryKind:
        try:
            listed[kind] = await _list(pagertree, kind, known[kind])
        except CredentialsRefused:
            raise
        except Rejected as error:
            refusal = error
    async with sessions.begin() as session:
        result = await _store(session, integration_id, listed, began_at, believe=believe)
    if refusal is not None:
        raise refusal
    return result


async def _list(pagertree: PagerTree, kind: DirectoryKind, known: set[str]) -> Collection[Remote]:
    """Return all of a kind; what seems to be gone is looked for once more.

    PagerTree's pages are offsets ("Pagination and Filters"): when something is deleted while they
    are read, the first of a later page moves to one that was read already, and is overlooked.
    """
    listed = {remote.id: remote for remote in await LISTS[kind](pagertree)}
    if known - listed.keys():
        listed |= {remote.id: remote for remote in await LISTS[kind](pagertree)}
    return listed.values()


async def _store(
    session: AsyncSession,
    integration_id: UUID,
    listed: Listed,
    began_at: datetime,
    *,
    believe: bool,
) -> SyncResult:
    """Write what was listed, unless a list that was begun later has been written meanwhile."""
    integration = await service.get_integration(session, integration_id, lock=True)
    counts: dict[str, Any] = {f"{kind}s": len(listed.get(kind, ())) for kind in DirectoryKind}
    last = integration.directory_synced_at
    if last is not None and last >= began_at:
        return SyncResult(**counts, added=0, missing=0)
    watch = await open_watch(session, integration_id)
    verdict = Verdict()
    if not believe:
        known = await read_listed_ids(session, integration_id)
        verdict = examine(known, listed, watch.doubt, began_at)
    watch.doubt = verdict.doubt
    added, missing = await write_listed(
        session, integration_id, listed, began_at, doubted=verdict.doubted
    )
    columns: dict[str, Any] = {"directory_synced_at": began_at}
    if verdict.doubt is not None:
        columns = {"directory_sync_at": func.now() + LOOK_AGAIN}
    await _change(session, integration_id, directory_error=verdict.detail, **columns)
    return SyncResult(**counts, added=added, missing=missing, doubt=verdict.detail)


async def _change(session: AsyncSession, integration_id: UUID, **columns: Any) -> None:
    """Set columns about the directory: the integration itself does not change by that."""
    await session.execute(
        update(Integration)
        .where(Integration.id == integration_id)
        .values(**columns, updated_at=Integration.updated_at)
    )
