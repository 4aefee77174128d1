"""References to teams, users and routers, looked up in the directory of an account."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.errors import InvalidError, ManyInvalidError
from pagersync.integrations.directory_models import DirectoryEntry, DirectoryKind
from pagersync.integrations.directory_store import read_fitting, read_names
from pagersync.integrations.targets import (
    Known,
    Target,
    TargetReference,
    by_id_alone,
    find_fitting,
    pick,
    renamed,
    trimmed,
    unknown,
)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What became of one reference: a target, or what is wrong.

    Attributes:
        position: in the list of its kind.
        note: what a person should know although there is a target.
    """

    kind: DirectoryKind
    position: int
    reference: TargetReference
    target: Target | None = None
    problem: InvalidError | None = None
    note: str | None = None


async def resolve_each(
    session: AsyncSession,
    integration_id: UUID,
    *,
    teams: Sequence[TargetReference] = (),
    users: Sequence[TargetReference] = (),
    routers: Sequence[TargetReference] = (),
) -> list[Resolved]:
    """Return what is meant by each reference, in the order of the arguments; nothing is raised.

    The id of a reference decides. An id that the directory does not have is a target all the same
    while the directory cannot be trusted: it was never listed, or the last try failed.
    """
    given = zip(DirectoryKind, (teams, users, routers), strict=True)
    return [
        one
        for kind, references in given
        if references
        for one in await _resolve(session, integration_id, kind, [*map(trimmed, references)])
    ]


async def resolve_targets(
    session: AsyncSession,
    integration_id: UUID,
    *,
    teams: Sequence[TargetReference] = (),
    users: Sequence[TargetReference] = (),
    routers: Sequence[TargetReference] = (),
    notes: list[str] | None = None,
) -> list[Target]:
    """Return what is meant, each target once, in the order of the arguments.

    Args:
        session: to look them up.
        integration_id: the account.
        teams: references to teams.
        users: references to users.
        routers: references to routers.
        notes: gets what a person should know, for example that a name has changed.

    Raises:
        ManyInvalidError: references that fit nothing, several, or what PagerTree no longer lists;
            the pointer of each is `/data/attributes/teams/0`, with its list and position.
    """
    resolved = await resolve_each(
        session, integration_id, teams=teams, users=users, routers=routers
    )
    problems = [one.problem for one in resolved if one.problem is not None]
    if problems:
        raise ManyInvalidError(problems)
    if notes is not None:
        notes += [one.note for one in resolved if one.note]
    return list(dict.fromkeys(one.target for one in resolved if one.target is not None))


async def _resolve(
    session: AsyncSession,
    integration_id: UUID,
    kind: DirectoryKind,
    references: Sequence[TargetReference],
) -> list[Resolved]:
    """Return for each reference its target, or what is wrong with it."""
    ids = [reference.id for reference in references if reference.id]
    names = [reference.name for reference in references if reference.name]
    entries = await read_fitting(session, integration_id, kind, ids, names)
    known: Known | None = None
    resolved: list[Resolved] = []
    for position, reference in enumerate(references):
        found = find_fitting(entries, reference)
        if not found and known is None:
            known = await read_names(session, integration_id, kind)
        resolved.append(_decide(kind, position, reference, found, known))
    return resolved


def _decide(
    kind: DirectoryKind,
    position: int,
    reference: TargetReference,
    found: Sequence[DirectoryEntry],
    known: Known | None,
) -> Resolved:
    """Return what a reference means, given what fits it. Pure.

    Args:
        kind: of what kind the reference is.
        position: in the list of its kind.
        reference: trimmed.
        found: what fits it.
        known: what can be offered; needed if nothing fits.
    """
    pointer = f"/data/attributes/{kind}s/{position}"
    if found:
        try:
            target = pick(kind, reference, found, pointer)
        except InvalidError as error:
            return Resolved(kind, position, reference, problem=error)
        note = renamed(kind, reference, found[0])
        return Resolved(kind, position, reference, target, note=note)
    assert known is not None  # noqa: S101 - read by the caller
    target_by_id = by_id_alone(kind, reference, known)
    if target_by_id is None:
        problem = unknown(kind, reference, known, pointer)
        return Resolved(kind, position, reference, problem=problem)
    note = f"the {kind} {reference.id} is not in the directory, which is not up to date"
    return Resolved(kind, position, reference, target_by_id, note=note)
