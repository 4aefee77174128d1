"""Who is in which team: what `include` asks for of teams and users."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import any_, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from pagersync.access.account_names import AccountNames, account_names
from pagersync.integrations.directory_models import DirectoryEntry, DirectoryKind
from pagersync.integrations.directory_views import (
    TeamAttributes,
    UserAttributes,
    team_resource,
    user_resource,
)
from pagersync.jsonapi import Resource
from pagersync.shape import related_max


async def load_members(
    session: AsyncSession, team_ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[Resource[UserAttributes]]]:
    """Return the users of teams."""
    return await _load(session, DirectoryKind.TEAM, team_ids, user_resource)


async def load_teams(
    session: AsyncSession, user_ids: Sequence[UUID]
) -> Mapping[UUID, Sequence[Resource[TeamAttributes]]]:
    """Return the teams of users."""
    return await _load(session, DirectoryKind.USER, user_ids, team_resource)


async def _load(
    session: AsyncSession,
    kind: DirectoryKind,
    ids: Sequence[UUID],
    shown: Callable[[DirectoryEntry, AccountNames], Resource[Any]],
) -> Mapping[UUID, Sequence[Resource[Any]]]:
    team, user = aliased(DirectoryEntry), aliased(DirectoryEntry)
    of, other = (team, user) if kind == DirectoryKind.TEAM else (user, team)
    place = func.row_number().over(partition_by=of.id, order_by=other.id.desc())
    pairs = (
        select(of.id.label("of_id"), other.id.label("id"), place.label("place"))
        .where(
            of.id.in_(ids),
            team.integration_id == user.integration_id,
            team.kind == DirectoryKind.TEAM,
            user.kind == DirectoryKind.USER,
            user.pagertree_id == any_(team.member_ids),
            other.removed_at.is_(None),
        )
        .subquery()
    )
    result = await session.execute(
        select(pairs.c.of_id, DirectoryEntry)
        .join(DirectoryEntry, DirectoryEntry.id == pairs.c.id)
        .where(pairs.c.place <= related_max(len(ids)))
        .order_by(pairs.c.place)
    )
    rows = result.all()
    accounts = await account_names(session, [row for _, row in rows])
    found: defaultdict[UUID, list[Resource[Any]]] = defaultdict(list)
    for of_id, row in rows:
        found[of_id].append(shown(row, accounts))
    return found
