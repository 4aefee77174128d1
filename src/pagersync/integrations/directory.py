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
from pagersync.errors import (
    CredentialsRefused,
    InvalidError,
    ManyInvalidError,
    PagersyncError,
    Rejected,
)
from pagersync.http import AsyncClient
from pagersync.integrations import service
from pagersync.integrations.connect import open_pagertree
from pagersync.integrations.directory_models import DirectoryKind
from pagersync.integrations.directory_store import (
    Listed,
    Remote,
    read_fitting,
    read_listed_ids,
    read_names,
    write_listed,
)
from pagersync.integrations.models import Integration
from pagersync.integrations.reachability import telling_rate_limiter
from pagersync.integrations.targets import (
    Known,
    Target,
    TargetReference,
    find_fitting,
    pick,
    trimmed,
    unknown,
)
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
    """

    teams: int
    users: int
    routers: int
    added: int
    missing: int


async def sync_integration(
    sessions: Sessions,
    http: AsyncClient,
    vault: Vault,
    integration: Integration,
    *,
    timeout_s: float,
) -> SyncResult:
    """Sync the directory of an account with its own API key; a failure is kept on its row.

    Raises:
        PagersyncError: as `open_pagertree` and `sync_directory` do.
    """
    try:
        pagertree = open_pagertree(http, vault, integration, timeout_s=timeout_s)
        async with telling_rate_limiter(sessions, integration):
            return await sync_directory(sessions, pagertree, integration.id)
    except PagersyncError as error:
        async with sessions.begin() as session:
            await _change(session, integration.id, directory_error=error.detail)
        raise


async def sync_directory(
    sessions: Sessions, pagertree: PagerTree, integration_id: UUID
) -> SyncResult:
    """Fetch an account's teams, users and routers, and keep them.

    A kind that PagerTree refuses to list stays as it was; the others are kept all the same.

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
        result = await _store(session, integration_id, listed, began_at)
    if refusal is not None:
        raise refusal
    return result


async def resolve_targets(
    session: AsyncSession,
    integration_id: UUID,
    *,
    teams: Sequence[TargetReference] = (),
    users: Sequence[TargetReference] = (),
    routers: Sequence[TargetReference] = (),
) -> list[Target]:
    """Return what is meant, each target once, in the order of the arguments.

    Raises:
        ManyInvalidError: references that fit nothing, several, or what PagerTree no longer lists;
            the pointer of each is `/data/attributes/teams/0`, with its list and position.
    """
    given = zip(DirectoryKind, (teams, users, routers), strict=True)
    resolved = [
        one
        for kind, references in given
        if references
        for one in await _resolve(session, integration_id, kind, [*map(trimmed, references)])
    ]
    problems = [one for one in resolved if isinstance(one, InvalidError)]
    if problems:
        raise ManyInvalidError(problems)
    return list(dict.fromkeys(one for one in resolved if isinstance(one, Target)))


async def _resolve(
    session: AsyncSession,
    integration_id: UUID,
    kind: DirectoryKind,
    references: Sequence[TargetReference],
) -> list[Target | InvalidError]:
    """Return for each reference its target, or what is wrong with it."""
    ids = [reference.id for reference in references if reference.id]
    names = [reference.name for reference in references if reference.name and not reference.id]
    entries = await read_fitting(session, integration_id, kind, ids, names)
    known: Known | None = None
    resolved: list[Target | InvalidError] = []
    for position, reference in enumerate(references):
        pointer = f"/data/attributes/{kind}s/{position}"
        found = find_fitting(entries, reference)
        if not found:
            known = known or await read_names(session, integration_id, kind)
            resolved.append(unknown(kind, reference, known, pointer))
            continue
        try:
            resolved.append(pick(kind, reference, found, pointer))
        except InvalidError as error:
            resolved.append(error)
    return resolved


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
    session: AsyncSession, integration_id: UUID, listed: Listed, began_at: datetime
) -> SyncResult:
    """Write what was listed, unless a list that was begun later has been written meanwhile."""
    integration = await service.get_integration(session, integration_id, lock=True)
    added = missing = 0
    if integration.directory_synced_at is None or integration.directory_synced_at < began_at:
        added, missing = await write_listed(session, integration_id, listed, began_at)
        await _change(session, integration_id, directory_synced_at=began_at, directory_error=None)
    counts = {f"{kind}s": len(listed.get(kind, ())) for kind in DirectoryKind}
    return SyncResult(**counts, added=added, missing=missing)


async def _change(session: AsyncSession, integration_id: UUID, **columns: Any) -> None:
    """Set columns about the directory: the integration itself does not change by that."""
    await session.execute(
        update(Integration)
        .where(Integration.id == integration_id)
        .values(**columns, updated_at=Integration.updated_at)
    )
