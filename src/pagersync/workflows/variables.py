"""The variables of a template: loaded for a run, or an example for a preview."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from pagersync.alerts.models import Alert
from pagersync.database.session import driver_connection
from pagersync.incidents.models import Incident, IncidentAlert, IncidentEvent, Severity
from pagersync.integrations.directory_names import Named, load_names
from pagersync.paging.models import Page
from pagersync.workflows.variable_names import (
    Variables,
    alert_variables,
    incident_variables,
    page_variables,
)

EVENTS_MAX: Final = 100
ALERTS_MAX: Final = 100
PAGES_MAX: Final = 100
NO_LISTS: Final[Mapping[str, Any]] = MappingProxyType({"events": (), "alerts": (), "pages": ()})


async def load_variables(
    session: AsyncSession,
    *,
    incident_id: UUID | None,
    alert_id: UUID | None,
    page_id: UUID | None,
    public_url: str,
    with_lists: bool = True,
) -> Variables:
    """Return `incident`, `alert` and `page`, as far as they exist, for what a run is about.

    A page brings its incident and its alert along. Of an incident's entries, alerts and pages the
    newest hundred are there, oldest first; its alerts come without their `data`. Without
    `with_lists` those lists are empty.
    """
    found: Variables = {}
    page = await session.scalar(select(Page).where(Page.id == page_id)) if page_id else None
    if page is not None:
        found["page"] = page_variables(page)
        incident_id, alert_id = incident_id or page.incident_id, alert_id or page.alert_id
    if incident_id and (incident := await session.get(Incident, incident_id)):
        lists = await _lists(session, incident.id, public_url) if with_lists else NO_LISTS
        level = incident.severity_id
        severity = None if level is None else await session.get(Severity, level)
        url = _url(public_url, "incidents", incident.id)
        found["incident"] = incident_variables(incident, severity, url=url, **lists)
    if alert_id and (alert := await session.scalar(select(Alert).where(Alert.id == alert_id))):
        url = _url(public_url, "alerts", alert.id)
        found["alert"] = alert_variables(alert, url=url, data=alert.data)
    await _name_people(session, found)
    return found


async def _name_people(session: AsyncSession, found: Variables) -> None:
    """Give people whom PagerTree names by an id their names; the id stays beside the name."""
    incident = found.get("incident", {})
    places = [found.get("page"), found.get("alert"), *incident.get("pages", ())]
    people = [
        (Named(UUID(place["integration_id"]), person["name"]), person)
        for place in [*places, *incident.get("alerts", ())]
        if place
        for person in (place.get("acknowledged_by"), place.get("resolved_by"))
        if person
    ]
    if not people:
        return
    names = await load_names(await driver_connection(session), {named for named, _ in people})
    for named, person in people:
        if name := names.get(named):
            person.update(id=named.id, name=name, full_name=name)


async def _lists(session: AsyncSession, incident_id: UUID, public_url: str) -> dict[str, Any]:
    return {
        "events": await _events(session, incident_id),
        "alerts": [
            alert_variables(alert, url=_url(public_url, "alerts", alert.id), data=None)
            for alert in await _alerts(session, incident_id)
        ],
        "pages": [page_variables(page) for page in await _pages(session, incident_id)],
    }


async def _events(session: AsyncSession, incident_id: UUID) -> list[IncidentEvent]:
    newest = (
        select(IncidentEvent)
        .where(IncidentEvent.incident_id == incident_id)
        .order_by(IncidentEvent.occurred_at.desc(), IncidentEvent.id.desc())
        .limit(EVENTS_MAX)
    )
    return list(reversed((await session.scalars(newest)).all()))


async def _alerts(session: AsyncSession, incident_id: UUID) -> list[Alert]:
    newest = (
        select(Alert)
        .join(
            IncidentAlert,
            (IncidentAlert.alert_id == Alert.id)
            & (IncidentAlert.integration_id == Alert.integration_id),
        )
        .where(IncidentAlert.incident_id == incident_id)
        .order_by(IncidentAlert.attached_at.desc(), Alert.id.desc())
        .limit(ALERTS_MAX)
        .options(defer(Alert.data), defer(Alert.fold))
    )
    return list(reversed((await session.scalars(newest)).all()))


async def _pages(session: AsyncSession, incident_id: UUID) -> list[Page]:
    newest = (
        select(Page)
        .where(Page.incident_id == incident_id)
        .order_by(Page.id.desc())
        .limit(PAGES_MAX)
    )
    return list(reversed((await session.scalars(newest)).all()))


def _url(public_url: str, collection: str, id: UUID) -> str:  # noqa: A002 - the API's word
    return f"{public_url.rstrip('/')}/v1/{collection}/{id}"


_NOON: Final = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
_URL: Final = "https://pagersync.example.com"
_SEVERITY: Final = Severity(
    id=UUID(int=1), name="SEV1", slug="sev1", severity="critical", color="#e74c3c", position=1
)
_INCIDENT: Final = Incident(
    id=UUID(int=2),
    number=42,
    title="Checkout is failing",
    summary="Half of all payments end in an error.",
    status="resolved",
    kind="example",
    private=False,
    labels={"team": "payments"},
    source="api",
    created_by="the API key 'example'",
    started_at=_NOON,
    started_by="the API key 'example'",
    acknowledged_at=_NOON + timedelta(minutes=4),
    acknowledged_by="Jane Doe",
    mitigated_at=_NOON + timedelta(minutes=30),
    mitigated_by="Jane Doe",
    resolved_at=_NOON + timedelta(minutes=30),
    resolved_by="Jane Doe",
    resolution_message="The payment service was rolled back.",
    created_at=_NOON,
    updated_at=_NOON + timedelta(minutes=30),
)
_EVENT: Final = IncidentEvent(
    id=UUID(int=3),
    event="Acknowledged in PagerTree by Jane Doe.",
    kind="trail",
    source="pagertree",
    visibility="internal",
    user_display_name="Jane Doe",
    occurred_at=_NOON + timedelta(minutes=4),
    created_at=_NOON + timedelta(minutes=4),
)
_ALERT: Final = Alert(
    id=UUID(int=4),
    integration_id=UUID(int=5),
    short_id="K7QXWM",
    external_id="alt_example",
    external_url="https://app.pagertree.com/#/alert/alt_example",
    source="pagertree",
    status="acknowledged",
    summary="Payment errors above 5 %",
    description="5xx of the payment service, over five minutes",
    labels={"pagertree_status": "acknowledged", "pagertree_urgency": "critical"},
    started_at=_NOON - timedelta(minutes=2),
    acknowledged_at=_NOON + timedelta(minutes=4),
    created_at=_NOON - timedelta(minutes=2),
    updated_at=_NOON + timedelta(minutes=4),
)
_ALERT_DATA: Final = MappingProxyType(
    {
        "id": "alt_example",
        "title": "Payment errors above 5 %",
        "status": "acknowledged",
        "urgency": "critical",
        "acknowledgedby": "Jane Doe",
    }
)
_PAGE: Final = Page(
    id=UUID(int=6),
    integration_id=UUID(int=5),
    incident_id=UUID(int=2),
    status="acknowledged",
    title="Checkout is failing",
    urgency="critical",
    severity="SEV-1",
    tags=["checkout"],
    targets=[{"kind": "team", "name": "Payments"}],
    requested_by="the API key 'example'",
    pagertree_alert_id="alt_example",
    remote_status="acknowledged",
    sent_at=_NOON + timedelta(seconds=1),
    confirmed_at=_NOON + timedelta(seconds=3),
    acknowledged_at=_NOON + timedelta(minutes=4),
    acknowledged_by="Jane Doe",
    created_at=_NOON,
    updated_at=_NOON + timedelta(minutes=4),
)
_ALERT_URL: Final = _url(_URL, "alerts", UUID(int=4))

EXAMPLE_VARIABLES: Final = MappingProxyType(
    {
        "incident": incident_variables(
            _INCIDENT,
            _SEVERITY,
            url=_url(_URL, "incidents", UUID(int=2)),
            events=[_EVENT],
            alerts=[alert_variables(_ALERT, url=_ALERT_URL, data=None)],
            pages=[page_variables(_PAGE)],
        ),
        "alert": alert_variables(_ALERT, url=_ALERT_URL, data=dict(_ALERT_DATA)),
        "page": page_variables(_PAGE),
    }
)
"""An incident with an alert and a page, for a preview that is about none in particular."""
