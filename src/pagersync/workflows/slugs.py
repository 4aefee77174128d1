"""Names of workflows for addresses and files: lower case, with dashes, and nobody else's."""

from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access import names
from pagersync.workflows.models import Workflow

SLUG_CHARACTERS_MAX: Final = 80


def slug_of(name: str, *, otherwise: str = "workflow") -> str:
    """Return a name in lower case, its words joined by dashes; `otherwise` if it has none. Pure."""
    return names.slug_of(name)[:SLUG_CHARACTERS_MAX].strip("-") or otherwise


async def lock_slugs(session: AsyncSession) -> None:
    """Wait for others who make workflows, and let them wait until the transaction ends."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtext("workflows"))))


async def unique_slug(session: AsyncSession, name: str) -> str:
    """Return a slug that no other workflow has, and let nobody else take it meanwhile."""
    await lock_slugs(session)
    base = slug_of(name)
    statement = select(Workflow.slug).where(
        Workflow.removed_at.is_(None), Workflow.slug.startswith(base, autoescape=True)
    )
    taken = set(await session.scalars(statement))
    if base not in taken:
        return base
    return next(slug for n in range(2, len(taken) + 3) if (slug := f"{base}-{n}") not in taken)
