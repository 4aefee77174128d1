"""`/v1/alerts`: alerts made, changed, acknowledged, resolved and escalated."""

from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.guard import needs, requester
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.alerts import actions
from pagersync.alerts.models import Alert
from pagersync.alerts.routes import AlertAttributes, alert_resource, find_alert
from pagersync.database.session import SessionDep
from pagersync.errors import ManyInvalidError
from pagersync.events.publish import Cause
from pagersync.incidents.routes import cause_of
from pagersync.integrations.target_params import Targets
from pagersync.jsonapi import Attributes, Document, JsonApiResponse, NewDocument, errors
from pagersync.pagertree.payloads import storable_json
from pagersync.pagertree.severity import AUTO, read_severity
from pagersync.paging import requests
from pagersync.paging.service import NewPage, create_page

router = APIRouter(
    prefix="/v1",
    tags=["Alerts"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)
LABELS_MAX: Final = 50
TARGETS: Final = ("teams", "users", "routers")


class AlertLabel(Attributes):
    """A label to give an alert."""

    key: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^:,\x00]+$")]
    value: Annotated[str, Field(max_length=255, pattern=r"^[^,\x00]*$")]


Labels = Annotated[list[AlertLabel], Field(max_length=LABELS_MAX)]


class NewAlertAttributes(Targets):
    """An alert to make here, and in PagerTree when targets are given."""

    summary: requests.Title
    description: requests.Description = None
    labels: Labels = Field(default_factory=list)
    data: dict[str, Any] = Field(default_factory=dict)
    urgency: requests.UrgencyText = AUTO
    severity: requests.SeverityText = None
    tags: requests.Tags = Field(default_factory=list)
    integration: str | None = Field(
        default=None, description="Its name or id; needed when there are several."
    )


class ChangedAlert(Attributes):
    """What to change; what is left out stays."""

    summary: requests.Title | None = None
    description: requests.Description = None
    labels: Labels | None = None
    urgency: requests.UrgencyText | None = None
    severity: requests.SeverityText = None


class Escalation(Targets):
    """Whom to page about an alert, and how urgently."""

    urgency: requests.UrgencyText = AUTO
    severity: requests.SeverityText = None


@router.post(
    "/alerts",
    summary="Create an alert",
    description="With targets it is created in PagerTree too, which pages them.",
    status_code=201,
    dependencies=[needs(Scope.PAGE, bound=True)],
    responses=errors(400, 409, 422),
)
async def create_alert(
    request: Request,
    session: SessionDep,
    body: NewDocument[Literal["alerts"], NewAlertAttributes],
) -> Document[AlertAttributes]:
    new = body.data.attributes
    return Document(data=alert_resource(await _create(session, new, requester(request))))


@router.patch(
    "/alerts/{id}",
    summary="Change an alert",
    description="Texts, urgency and severity are changed in PagerTree too, if it lives there.",
    dependencies=[needs(Scope.PAGE, bound=True)],
    responses=errors(400, 404, 422),
)
async def change_alert(
    request: Request,
    session: SessionDep,
    id: str,
    body: NewDocument[Literal["alerts"], ChangedAlert],
) -> Document[AlertAttributes]:
    values = _changed_values(body.data.attributes)
    alert = await find_alert(session, id)
    changed = await actions.change_alert(session, alert, values, cause_of(request))
    return Document(data=alert_resource(changed))


@router.post(
    "/alerts/{id}/acknowledge",
    summary="Acknowledge an alert",
    description="One that lives in PagerTree is acknowledged there, and shown as acknowledged when "
    "PagerTree says so: `GET /v1/operations?filter[alert_id]=` tells how far that has come.",
    dependencies=[needs(Scope.PAGE, bound=True)],
    responses=errors(404, 409),
)
async def acknowledge_alert(
    request: Request, session: SessionDep, id: str
) -> Document[AlertAttributes]:
    alert = await find_alert(session, id)
    acknowledged = await actions.acknowledge_alert(session, alert, cause_of(request))
    return Document(data=alert_resource(acknowledged))


@router.post(
    "/alerts/{id}/resolve",
    summary="Resolve an alert",
    description="As acknowledging. An alert that PagerTree has not begun to page for is resolved "
    "as soon as it has: PagerTree refuses it before.",
    dependencies=[needs(Scope.PAGE, bound=True)],
    responses=errors(404, 409),
)
async def resolve_alert(
    request: Request, session: SessionDep, id: str
) -> Document[AlertAttributes]:
    alert = await find_alert(session, id)
    resolved = await actions.resolve_alert(session, alert, cause_of(request))
    return Document(data=alert_resource(resolved))


@router.post(
    "/alerts/{id}/escalate",
    summary="Page more people about an alert",
    description="PagerTree's API cannot hand an alert off, so they get a page of their own.",
    dependencies=[needs(Scope.PAGE, bound=True)],
    responses=errors(400, 404, 409, 422),
)
async def escalate_alert(
    request: Request,
    session: SessionDep,
    id: str,
    body: NewDocument[Literal["alerts"], Escalation],
) -> Document[AlertAttributes]:
    alert = await find_alert(session, id)
    page = await _page_about(session, alert, body.data.attributes, requester(request))
    return Document(data=alert_resource(await actions.escalate_alert(session, alert, page)))


async def _create(session: AsyncSession, new: NewAlertAttributes, requested_by: str) -> Alert:
    page = await requests.to_new_page(
        session,
        requests.PageRequest.model_construct(
            title=new.summary,
            **new.model_dump(exclude={"summary", "labels", "data", *TARGETS}),
            **{name: getattr(new, name) for name in TARGETS},
        ),
        requested_by=requested_by,
        title_name="summary",
        needs_targets=False,
    )
    alert = await actions.create_alert(
        session,
        actions.NewLocalAlert(
            integration_id=page.integration_id,
            summary=page.title,
            description=page.description,
            labels={label.key: label.value for label in new.labels},
            data=storable_json(new.data),
            cause=Cause(requested_by),
        ),
    )
    if page.targets:
        await create_page(session, replace(page, alert_id=alert.id))
    return alert


async def _page_about(
    session: AsyncSession, alert: Alert, escalation: Escalation, requested_by: str
) -> NewPage:
    return await requests.to_new_page(
        session,
        requests.PageRequest.model_construct(
            title=alert.summary[: requests.TITLE_CHARACTERS_MAX],
            description=(alert.description or "")[: requests.DESCRIPTION_CHARACTERS_MAX],
            integration=str(alert.integration_id),
            urgency=escalation.urgency,
            severity=escalation.severity,
            **{name: getattr(escalation, name) for name in TARGETS},
        ),
        requested_by=requested_by,
        alert_id=alert.id,
    )


def _changed_values(changed: ChangedAlert) -> dict[str, Any]:
    """Return what a request changes, by the names of an alert's state and of an operation.

    Raises:
        ManyInvalidError: values that cannot be right, every one of them.
    """
    problems = [
        *requests.text_problems(changed.summary, changed.description, "summary"),
        *requests.severity_problems(changed.urgency, changed.severity),
    ]
    if problems:
        raise ManyInvalidError(problems)
    severity = read_severity(changed.severity)
    values: dict[str, Any] = {
        "title": changed.summary,
        "description": changed.description,
        "urgency": changed.urgency,
        "severity": severity.value if severity else None,
        "labels": changed.labels and {label.key: label.value for label in changed.labels},
    }
    return {name: value for name, value in values.items() if value is not None}
