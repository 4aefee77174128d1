"""`/v1/alerts`: alerts made, changed, acknowledged, resolved, snoozed and escalated."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.account_names import account_names
from pagersync.access.guard import needs, requester
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.keys import allows
from pagersync.access.models import Scope
from pagersync.alerts import actions
from pagersync.alerts.claims import SOURCE_OF_REQUESTS, own_external_id, own_source
from pagersync.alerts.deduplication import find_duplicate, lock_key
from pagersync.alerts.models import Alert, AlertStatus
from pagersync.alerts.repeats import repeat
from pagersync.alerts.requests import (
    URL_CHARACTERS_MAX,
    Acting,
    AlertResolution,
    ChangedAlert,
    Escalation,
    NewAlertAttributes,
    Snooze,
    changed_values,
    data_of,
    key_of,
    labels_of,
    targets_of,
    urgency_of,
)
from pagersync.alerts.routes import find_alert
from pagersync.alerts.urgency import with_severity
from pagersync.alerts.views import AlertAttributes, alert_resource
from pagersync.database.session import SessionDep
from pagersync.errors import ForbiddenError
from pagersync.etag import IfMatch, check_if_match, etag_of, version_of
from pagersync.events.publish import NO_INTEGRATION, Cause
from pagersync.incidents.lifecycle import OVER
from pagersync.incidents.models import Incident, IncidentAlert, IncidentStatus
from pagersync.incidents.routes import CauseDep
from pagersync.incidents.service import move_incident
from pagersync.integrations.target_params import Reference, Targets
from pagersync.jsonapi import Document, JsonApiResponse, NewDocument, errors
from pagersync.pagertree.severity import AUTO
from pagersync.paging import requests
from pagersync.paging.service import NewPage, create_page
from pagersync.texts import few, fit_url

router = APIRouter(
    prefix="/v1",
    tags=["Alerts"],
    default_response_class=JsonApiResponse,
    dependencies=[needs(Scope.PAGE, bound=True)],
    route_class=IdempotentRoute,
)
TARGETS: Final = ("teams", "users", "routers")


@router.post(
    "/alerts",
    summary="Create an alert",
    description="With targets it is created in PagerTree too, which pages them. With a "
    "`deduplication_key` that an unresolved alert has, it is that alert; `meta.notes` say who is "
    "not paged. A higher urgency or severity raises it, here and in PagerTree. An alert whose "
    "resolve is under way does not count: a new one is made.",
    status_code=201,
    responses=errors(400, 409, 422),
)
async def create_alert(
    request: Request,
    response: Response,
    session: SessionDep,
    body: NewDocument[Literal["alerts"], NewAlertAttributes],
) -> Document[AlertAttributes]:
    new = body.data.attributes
    return await _shown(session, response, *(await _create(session, new, requester(request))))


@router.patch(
    "/alerts/{id}",
    summary="Change an alert",
    description="Texts, urgency and severity are changed in PagerTree too, if it lives there.",
    responses=errors(400, 404, 409, 412, 422),
)
async def update_alert(
    response: Response,
    session: SessionDep,
    cause: CauseDep,
    id: str,
    body: NewDocument[Literal["alerts"], ChangedAlert],
    if_match: IfMatch = None,
) -> Document[AlertAttributes]:
    values = changed_values(body.data.attributes)
    alert = await find_alert(session, id)
    if (key := values.get("deduplication_key")) is not None:
        await lock_key(session, alert.integration_id, key)
    await actions.lock_alert(session, alert)
    check_if_match(if_match, version_of(alert.updated_at))
    notes = body.data.attributes.notes
    changed = await actions.change_alert(session, alert, values, cause, notes)
    return await _shown(session, response, changed, notes)


@router.post(
    "/alerts/{id}/acknowledge",
    summary="Acknowledge an alert",
    description="One that lives in PagerTree is acknowledged there, and shown as acknowledged when "
    "PagerTree says so: `GET /v1/operations?filter[alert_id]=` tells how far that has come.",
    responses=errors(400, 404, 422),
)
async def acknowledge_alert(
    response: Response,
    session: SessionDep,
    cause: CauseDep,
    id: str,
    body: NewDocument[Literal["alerts"], Acting] | None = None,
) -> Document[AlertAttributes]:
    del body  # it has nothing to say
    alert = await find_alert(session, id)
    return await _shown(session, response, await actions.acknowledge_alert(session, alert, cause))


@router.post(
    "/alerts/{id}/resolve",
    summary="Resolve an alert",
    description="As acknowledging. An alert that PagerTree has not begun to page for is resolved "
    "as soon as it has: PagerTree refuses it before. A message is added as a note.",
    responses=errors(400, 404, 422),
)
async def resolve_alert(
    request: Request,
    response: Response,
    session: SessionDep,
    cause: CauseDep,
    id: str,
    body: NewDocument[Literal["alerts"], AlertResolution] | None = None,
) -> Document[AlertAttributes]:
    said = body.data.attributes if body else AlertResolution()
    if said.resolve_related_incidents:
        _check_may_resolve_incidents(request)
    alert = await find_alert(session, id)
    # Incidents are locked before the alert, as everybody does.
    related = await _lock_incidents(session, alert) if said.resolve_related_incidents else ()
    resolved = await actions.resolve_alert(session, alert, cause, said.resolution_message)
    for incident in related:
        await move_incident(session, incident, IncidentStatus.RESOLVED, cause)
    return await _shown(session, response, resolved, said.notes)


@router.post(
    "/alerts/{id}/snooze",
    summary="Snooze an alert",
    description="It is acknowledged, so that nobody else is paged; when the time is over and it is "
    "not resolved, whoever was paged for it is paged again. Others can be named; of an alert that "
    "was not paged from here, they must be.",
    responses=errors(400, 404, 422),
)
async def snooze_alert(
    request: Request,
    response: Response,
    session: SessionDep,
    id: str,
    body: NewDocument[Literal["alerts"], Snooze],
) -> Document[AlertAttributes]:
    alert = await find_alert(session, id)
    page = await _page_later(session, alert, body.data.attributes, requester(request))
    return await _shown(session, response, await actions.snooze_alert(session, alert, page))


@router.post(
    "/alerts/{id}/escalate",
    summary="Page more people about an alert",
    description="PagerTree's API cannot hand an alert off, so they get a page of their own.",
    responses=errors(400, 404, 409, 422),
)
async def escalate_alert(
    request: Request,
    response: Response,
    session: SessionDep,
    id: str,
    body: NewDocument[Literal["alerts"], Escalation] | None = None,
) -> Document[AlertAttributes]:
    alert = await find_alert(session, id)
    escalation = body.data.attributes if body else Escalation()
    page = await _page_about(session, alert, escalation, requester(request))
    return await _shown(session, response, await actions.escalate_alert(session, alert, page))


async def _shown(
    session: AsyncSession, response: Response, alert: Alert, notes: Sequence[str] = ()
) -> Document[AlertAttributes]:
    response.headers["ETag"] = etag_of(alert.updated_at)
    accounts = await account_names(session, [alert])
    return Document(data=alert_resource(alert, accounts)).noting(notes)


async def _create(
    session: AsyncSession, new: NewAlertAttributes, requested_by: str
) -> tuple[Alert, Sequence[str]]:
    """Make the alert that a request asks for; return it and what the caller should know."""
    page = await requests.to_new_page(
        session,
        requests.PageRequest.model_construct(
            title=new.summary,
            description=new.description,
            urgency=urgency_of(new.urgency, new.alert_urgency_id),
            severity=new.severity,
            tags=new.tags,
            integration=new.integration,
            **_named(targets_of(new)),
        ),
        requested_by=requested_by,
        title_name="summary",
        needs_targets=False,
    )
    notes = new.notes
    notes += page.notes
    cause = Cause(requested_by)
    key = key_of("deduplication_key", new.deduplication_key, notes)
    duplicate = await find_duplicate(session, page.integration_id, key)
    if duplicate is not None and (repeated := await repeat(session, duplicate, page, cause)):
        return repeated[0], [*notes, *repeated[1]]
    alert = await actions.create_alert(
        session,
        actions.NewLocalAlert(
            integration_id=page.integration_id,
            summary=page.title,
            description=page.description,
            labels=labels_of(new.labels, notes) or {},
            data=with_severity(data_of(new.data) or {}, page.severity),
            urgency=None if page.urgency == AUTO else page.urgency,
            cause=cause,
            status=AlertStatus(new.status) if new.status else None,
            source=own_source(new.source, notes) or SOURCE_OF_REQUESTS,
            client_id=key_of("external_id", own_external_id(new.external_id, notes), notes),
            external_url=fit_url("external_url", new.external_url, URL_CHARACTERS_MAX, notes),
            deduplication_key=key,
            started_at=new.started_at,
            notes=notes,
        ),
    )
    if page.targets:
        await create_page(session, replace(page, alert_id=alert.id, notes=few(notes)))
    return alert, notes


async def _page_about(
    session: AsyncSession,
    alert: Alert,
    escalation: Escalation,
    requested_by: str,
    *,
    needs_targets: bool = True,
) -> NewPage:
    named = _named(escalation)
    is_of_none = alert.integration_id == NO_INTEGRATION
    if escalation.escalation_policy_id is not None:
        named["teams"] = [*named["teams"], Reference(id=escalation.escalation_policy_id)]
    return await requests.to_new_page(
        session,
        requests.PageRequest.model_construct(
            title=alert.summary,
            description=alert.description,
            integration=None if is_of_none else str(alert.integration_id),
            urgency=escalation.urgency,
            severity=escalation.severity,
            **named,
        ),
        requested_by=requested_by,
        alert_id=alert.id,
        needs_targets=needs_targets,
    )


async def _page_later(
    session: AsyncSession, alert: Alert, snooze: Snooze, requested_by: str
) -> NewPage:
    home = await actions.find_home(session, alert)
    whom = Escalation.model_construct(**_named(snooze), urgency=home.urgency if home else AUTO)
    page = await _page_about(session, alert, whom, requested_by, needs_targets=home is None)
    targets = page.targets or (home.targets if home else [])
    send_at = datetime.now(UTC) + timedelta(minutes=snooze.delay_minutes)
    severity = home.severity if home else None
    return replace(page, targets=targets, severity=severity, send_at=send_at)


def _check_may_resolve_incidents(request: Request) -> None:
    """Check that a key may do what `resolveIncident` does.

    Raises:
        ForbiddenError: it may not.
    """
    key = request.state.api_key
    if not allows(key.scopes, Scope.WRITE) or key.integration_id is not None:
        raise ForbiddenError(
            "resolve_related_incidents needs an API key with the scope 'write' that is not bound "
            "to one integration"
        )


async def _lock_incidents(session: AsyncSession, alert: Alert) -> Sequence[Incident]:
    """Lock the incidents that an alert is attached to, but for those that are over."""
    of_alert = select(IncidentAlert.incident_id).where(IncidentAlert.alert_id == alert.id)
    is_open = Incident.id.in_(of_alert) & Incident.status.not_in(OVER)
    locked = select(Incident).where(is_open).order_by(Incident.id).with_for_update(key_share=True)
    found = await session.scalars(locked.execution_options(populate_existing=True))
    return found.all()


def _named(targets: Targets) -> dict[str, Any]:
    return {name: getattr(targets, name) for name in TARGETS}
