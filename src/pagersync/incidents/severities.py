"""Severities: an editable list; each means `critical`, `high`, `medium` or `low`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.errors import ConflictError, InvalidError, NotFoundError
from pagersync.incidents.models import Incident, Severity
from pagersync.integrations.values import to_uuid


async def get_severity(
    session: AsyncSession, reference: UUID | str, *, lock: bool = False, keep: bool = False
) -> Severity:
    """Return one severity.

    Args:
        session: to look it up.
        reference: its id or its slug.
        lock: nobody else changes it until the transaction ends.
        keep: nobody removes it until then.

    Raises:
        NotFoundError: there is none.
    """
    id_ = reference if isinstance(reference, UUID) else to_uuid(reference)
    is_called = Severity.id == id_ if id_ else Severity.slug == reference
    statement = select(Severity).where(is_called)
    if lock or keep:
        statement = statement.with_for_update(read=keep, key_share=keep)
        statement = statement.execution_options(populate_existing=True)
    is_storable = id_ is not None or str(reference).isprintable()
    severity = await session.scalar(statement) if is_storable else None
    if severity is None:
        raise NotFoundError(f"there is no severity {str(reference)!r}")
    return severity


async def find_severity(session: AsyncSession, reference: str) -> Severity:
    """Return a severity by its id, slug or name.

    Raises:
        NotFoundError: there is none.
    """
    try:
        return await get_severity(session, UUID(reference))
    except ValueError:
        name = reference.strip().lower()
    is_called = (Severity.slug == name) | (func.lower(Severity.name) == name)
    severity = None
    if name.isprintable():
        severity = await session.scalar(select(Severity).where(is_called).limit(1))
    if severity is None:
        slugs = ", ".join(each.slug for each in await list_severities(session))
        raise NotFoundError(f"there is no severity {reference!r}; there are: {slugs or 'none'}")
    return severity


async def list_severities(session: AsyncSession) -> Sequence[Severity]:
    """Return all severities, the worst first."""
    return (await session.scalars(select(Severity).order_by(Severity.position, Severity.id))).all()


async def create_severity(session: AsyncSession, values: Mapping[str, Any]) -> Severity:
    """Add a severity; without a position it stands last.

    Raises:
        ConflictError: there is one of that name.
        InvalidError: the name has no letter or digit.
    """
    await _check_name(session, values["name"])
    severity = Severity(**values, slug=_slug(values["name"]))
    if severity.position is None:
        last = await session.scalar(select(func.max(Severity.position)))
        severity.position = (last or 0) + 1
    session.add(severity)
    await session.flush()
    await session.refresh(severity)
    return severity


async def change_severity(
    session: AsyncSession, severity: Severity, values: Mapping[str, Any]
) -> Severity:
    """Change a severity, which is locked. Its slug stays: others may refer to it.

    Raises:
        ConflictError: there is another of that name.
        InvalidError: the name has no letter or digit.
    """
    if "name" in values:
        await _check_name(session, values["name"], but=severity.id)
    changes = {name: value for name, value in values.items() if getattr(severity, name) != value}
    for name, value in changes.items():
        setattr(severity, name, value)
    severity.version += bool(changes)
    await session.flush()
    await session.refresh(severity)
    return severity


async def remove_severity(session: AsyncSession, severity: Severity) -> None:
    """Remove a severity, which is locked.

    Raises:
        ConflictError: incidents have it.
    """
    has_it = Incident.severity_id == severity.id
    used = select(Incident.number).where(has_it, Incident.removed_at.is_(None)).limit(1)
    if (number := await session.scalar(used)) is not None:
        raise ConflictError(
            f"the severity {severity.name!r} is in use, by incident {number} for one: give the "
            "incidents another first"
        )
    await session.execute(update(Incident).where(has_it).values(severity_id=None))  # removed ones
    await session.delete(severity)
    await session.flush()


async def _check_name(session: AsyncSession, name: str, *, but: UUID | None = None) -> None:
    """Check that a name is free, and keep others from taking it until the transaction ends."""
    slug = _slug(name)
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtext("severities"))))
    is_same = (func.lower(Severity.name) == func.lower(name)) | (Severity.slug == slug)
    taken = select(Severity.name).where(is_same, Severity.id != but if but else is_same)
    if (other := await session.scalar(taken.limit(1))) is not None:
        raise ConflictError(f"there is a severity {other!r} already")


def _slug(name: str) -> str:
    slug = re.sub(r"[\W_]+", "-", name.lower()).strip("-")
    if not slug:
        raise InvalidError("name: needs a letter or a digit", pointer="/data/attributes/name")
    return slug
