"""What parts above incidents do for requests about incidents. `app.py` sets it.

Incidents know neither alerts nor workflows: what is needed of those comes from here.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.events.publish import Cause
from pagersync.incidents.models import Incident

ResolveAlerts: TypeAlias = Callable[[AsyncSession, Sequence[UUID], Cause], Awaitable[None]]
NotesOnRestart: TypeAlias = Callable[[AsyncSession, Incident, str], Awaitable[list[str]]]


async def _resolve_none(_: AsyncSession, alert_ids: Sequence[UUID], cause: Cause) -> None:
    raise NotImplementedError(alert_ids, cause)


async def _no_notes(_: AsyncSession, incident: Incident, before: str) -> list[str]:
    del incident, before
    return []


@dataclass
class Hooks:
    """What other parts do.

    Attributes:
        resolve_alerts: resolves alerts, in PagerTree too, with the pages about them.
        notes_on_restart: returns who is not paged by a restart, given the status before it.
    """

    resolve_alerts: ResolveAlerts = _resolve_none
    notes_on_restart: NotesOnRestart = _no_notes


HOOKS = Hooks()
