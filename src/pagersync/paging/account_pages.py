"""Pages of an account that wait to be sent, canceled when the account is disabled or removed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.session import driver_connection
from pagersync.events.publish import happened, publish
from pagersync.incidents.activity import add_activity
from pagersync.paging.activity import page_activity
from pagersync.paging.models import PageStatus


@dataclass(frozen=True, slots=True)
class Canceled:
    """A page that was canceled just now."""

    id: UUID
    incident_id: UUID | None
    title: str
    depth: int
    requester: str
    operation_id: UUID


async def cancel_waiting(
    session: AsyncSession, integration_id: UUID, *, reason: str
) -> Sequence[UUID]:
    """Cancel the pages of an account of which nothing was sent; return their ids.

    Each shows the reason on itself, on the timeline of its incident and in its event. However many
    there are, it takes a few statements. A page that is on its way at this moment is left to the
    sender: it goes out, or is canceled there.
    """
    connection = await driver_connection(session)
    rows = await connection.fetch(_CANCEL, integration_id, reason)
    canceled = [Canceled(**row) for row in rows]
    facts = [
        happened(
            "page.canceled",
            page.id,
            {
                "from": PageStatus.QUEUED.value,
                "to": PageStatus.CANCELED.value,
                "operation_id": str(page.operation_id),
            },
            integration_id=integration_id,
            depth=page.depth,
            requester=page.requester,
        )
        for page in canceled
    ]
    await publish(connection, facts)
    told = [
        page_activity(fact, page, reason=reason) for fact, page in zip(facts, canceled, strict=True)
    ]
    await add_activity(connection, [each for each in told if each is not None])
    return [page.id for page in canceled]


_CANCEL: Final = """
WITH waiting AS MATERIALIZED (
    SELECT p.id, o.id AS operation_id
    FROM operations o JOIN pages p ON p.id = o.page_id AND p.status = 'queued'
    WHERE o.integration_id = $1 AND o.kind = 'create_alert' AND o.state = 'queued'
      AND NOT o.may_have_been_sent
    ORDER BY p.id FOR UPDATE OF p, o SKIP LOCKED
), ended AS (
    UPDATE operations o SET state = 'canceled', finished_at = now(), last_error = $2
    FROM waiting w WHERE o.id = w.operation_id
)
UPDATE pages p SET status = 'canceled', updated_at = now()
FROM waiting w WHERE p.id = w.id
RETURNING p.id, p.incident_id, p.title, p.depth, p.requester, w.operation_id
"""
"""Rows that somebody else holds are skipped, so this waits for nobody."""
