"""The body of a delivery: what happened, and to what, as the API shows it."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.account_names import account_names
from pagersync.alerts.models import Alert
from pagersync.alerts.views import alert_resource
from pagersync.events.models import DomainEvent
from pagersync.events.webhook_types import BY_NAME
from pagersync.incidents.models import Incident, IncidentEvent
from pagersync.incidents.views import entry_resource, incident_resources
from pagersync.jsonapi import Resource, Timestamp
from pagersync.paging.models import Page
from pagersync.paging.routes import names_of_people, page_resource
from pagersync.webhooks.models import WebhookDelivery
from pagersync.workflows.models import WorkflowRun
from pagersync.workflows.run_views import run_resource


class WebhookEvent(BaseModel):
    """What happened."""

    id: UUID = Field(
        description="The same in every attempt and replay: what was seen before can be left out."
    )
    type: str = Field(examples=["incident.created"])
    issued_at: Timestamp = Field(description="When pagersync noted it.")


class WebhookBody(BaseModel):
    """The body of a webhook that pagersync sends."""

    event: WebhookEvent
    data: dict[str, Any] = Field(
        description="The attributes of what it happened to, with its `id`, as the API shows them."
    )


async def build_payload(session: AsyncSession, delivery: WebhookDelivery) -> str:
    """Return the body of a delivery, as JSON in ASCII.

    Raises:
        LookupError: the event is gone.
    """
    statement = select(DomainEvent).where(DomainEvent.id == delivery.domain_event_id)
    event = await session.scalar(statement)
    if event is None:
        raise LookupError("the event was removed before it was ever sent: it was too old")
    body = WebhookBody(
        event=WebhookEvent(
            id=delivery.event_id, type=delivery.event_type, issued_at=event.created_at
        ),
        data=await _data(session, delivery.event_type, event),
    )
    return body.model_dump_json(ensure_ascii=True)


async def _data(session: AsyncSession, event_type: str, event: DomainEvent) -> dict[str, Any]:
    """Return the resource as it is now, or what the event tells of one that is gone."""
    kind = BY_NAME[event_type].data
    if kind == "broken_references":
        return {"integration_id": str(event.subject_id), **event.data}
    if kind == "incident_events":
        entry_id = UUID(event.data["event_id"])
        resource = await _resource(session, kind, entry_id)
        gone = {"id": str(entry_id), "event": event.data["event"]}
        gone["incident_id"] = str(event.subject_id)
    else:
        resource = await _resource(session, kind, event.subject_id)
        gone = {"id": str(event.subject_id)}
    if resource is None:
        return gone
    return {"id": resource.id, **resource.attributes.model_dump(mode="json")}


async def _resource(session: AsyncSession, kind: str, row_id: UUID) -> Resource[Any] | None:
    if kind == "incidents":
        incident = await session.scalar(select(Incident).where(Incident.id == row_id))
        return None if incident is None else (await incident_resources(session, [incident]))[0]
    table = _TABLES[kind]
    row = await session.scalar(select(table).where(table.id == row_id))
    if row is None:
        return None
    if kind == "incident_events":
        return entry_resource(row)
    accounts = await account_names(session, [row])
    if kind == "pages":
        return page_resource(row, accounts, await names_of_people(session, [row]))
    return alert_resource(row, accounts) if kind == "alerts" else run_resource(row, accounts)


_TABLES: dict[str, Any] = {
    "alerts": Alert,
    "incident_events": IncidentEvent,
    "pages": Page,
    "workflow_runs": WorkflowRun,
}
