"""What people change of the directory: what PagerTree has no attribute for, and what is gone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.session import SessionDep
from pagersync.errors import ConflictError, InvalidError
from pagersync.etag import IfMatch, check_if_match
from pagersync.integrations.directory_models import DirectoryEntry, DirectoryKind
from pagersync.integrations.directory_requests import PAGERTREES
from pagersync.integrations.directory_store import find_entry, having_id, is_shown
from pagersync.integrations.targets import CANDIDATES_MAX, has_id, name_key


@dataclass(frozen=True, slots=True)
class ToChange:
    """The entry that a request is to change, as it names it."""

    session: SessionDep
    id: str
    if_match: IfMatch = None

    async def lock(self, kind: DirectoryKind) -> DirectoryEntry:
        """Return it; nobody else changes it until the request is answered.

        Raises:
            NotFoundError: there is none.
            InvalidError: there are several.
            PreconditionFailedError: it has changed since the request was made up.
        """
        entry = await find_entry(self.session, kind, self.id, lock=True)
        check_if_match(self.if_match, entry.version)
        return entry


ToChangeDep = Annotated[ToChange, Depends()]


async def take_team(session: AsyncSession, values: Mapping[str, Any]) -> DirectoryEntry:
    """Return the team of PagerTree's that is described, and keep what PagerTree has no place for.

    Raises:
        InvalidError: PagerTree lists no such team, or several, or it is another one by name.
    """
    by = "pagertree_id" if values.get("pagertree_id") else "name"
    fits = DirectoryEntry.name_key == name_key(values[by])
    teams = (
        await session.scalars(
            select(DirectoryEntry)
            .where(
                DirectoryEntry.kind == DirectoryKind.TEAM,
                DirectoryEntry.missing_since.is_(None),
                is_shown(),
                fits if by == "name" else having_id([values[by]]),
            )
            .order_by(DirectoryEntry.id)
            .with_for_update(key_share=True)
        )
    ).all()
    if not teams:
        raise InvalidError(
            f"PagerTree lists no team whose {by} is {values[by]!r}: teams are made in PagerTree; "
            "the next sync brings them here, or POST /v1/integrations/{id}/sync at once",
            pointer=f"/data/attributes/{by}",
        )
    if len(teams) > 1:
        ids = ", ".join(str(team.id) for team in teams[:CANDIDATES_MAX])
        raise InvalidError(
            f"{len(teams)} teams of PagerTree's have the {by} {values[by]!r}: give as "
            f"pagertree_id one of {ids}",
            pointer=f"/data/attributes/{by}",
        )
    return await change_team(session, teams[0], values)


async def change_team(
    session: AsyncSession, team: DirectoryEntry, values: Mapping[str, Any]
) -> DirectoryEntry:
    """Change a team, which is locked.

    Raises:
        InvalidError: what PagerTree decides is to become something else.
    """
    for name in PAGERTREES:
        if (said := values.get(name)) is not None and not _is_so(team, name, said):
            raise InvalidError(
                f"{name}: PagerTree decides it, and it is {getattr(team, name)!r}: change it "
                "there, or leave it out",
                pointer=f"/data/attributes/{name}",
            )
    kept = {name: value for name, value in values.items() if name not in PAGERTREES}
    return await change_entry(session, team, kept)


def _is_so(team: DirectoryEntry, name: str, said: str) -> bool:
    """Tell whether what PagerTree decides about a team is what a request says."""
    if name == "pagertree_id":
        return has_id(team, said)
    return name_key(said) == team.name_key if name == "name" else said == team.slug


async def change_entry(
    session: AsyncSession, entry: DirectoryEntry, values: Mapping[str, Any]
) -> DirectoryEntry:
    """Set columns of an entry, which is locked. What changes nothing has no effect."""
    changed = {name: new for name, new in values.items() if getattr(entry, name) != new}
    for name, value in changed.items():
        setattr(entry, name, value)
    if changed:
        entry.version += 1
        await session.flush()
        await session.refresh(entry)
    return entry


async def remove_entry(session: AsyncSession, entry: DirectoryEntry) -> DirectoryEntry:
    """Take an entry, which is locked, out of the directory; what happened goes on naming it.

    Raises:
        ConflictError: PagerTree lists it.
    """
    if entry.missing_since is None:
        raise ConflictError(
            f"PagerTree lists the {entry.kind} {entry.name!r}: remove it there first; the next "
            f"sync notices, or POST /v1/integrations/{entry.integration_id}/sync at once"
        )
    removed_at = (await session.execute(select(func.now()))).scalar_one()
    return await change_entry(session, entry, {"removed_at": removed_at})
