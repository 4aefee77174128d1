"""`/v1/pages`: pages of PagerTree teams, users and routers."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.account_names import NAME, AccountNames, account_names
from pagersync.access.guard import needs, requester
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import Scope
from pagersync.cut_columns import Wide
from pagersync.database.caller import is_bound
from pagersync.database.session import SessionDep, driver_connection
from pagersync.filters import Filters
from pagersync.integrations.directory_names import Named, load_names
from pagersync.integrations.gate import IntegrationGate
from pagersync.jsonapi import (
    Collection,
    Document,
    JsonApiResponse,
    NewDocument,
    Resource,
    Timestamp,
    errors,
)
from pagersync.pagination import PageDep, find
from pagersync.paging import service
from pagersync.paging.calls import PageContent, new_alert
from pagersync.paging.hidden_names import title_without_others, without_others
from pagersync.paging.models import MARKER_PREFIX, Page, PageStatus
from pagersync.paging.operation_routes import OperationAttributes, WaitsDep, operation_attributes
from pagersync.paging.requests import PageRequest, to_new_page
from pagersync.paging.waiting import Waits, why_page_waits

router = APIRouter(
    prefix="/v1",
    tags=["Pages"],
    default_response_class=JsonApiResponse,
    route_class=IdempotentRoute,
)

FILTERS = Filters(
    texts={
        "status": Page.status,
        "urgency": Page.urgency,
        "severity": Page.severity,
        "integration_id": Page.integration_id,
        "alert_id": Page.alert_id,
        "incident_id": Page.incident_id,
        "pagertree_alert_id": Page.pagertree_alert_id,
    },
    choices={"status": list(PageStatus)},
    times={"created_at": Page.created_at, "updated_at": Page.updated_at},
)


class TargetAttributes(BaseModel):
    """Whom a page goes to."""

    kind: str
    name: str
    pagertree_id: str | None = Field(description="Null only for one that was skipped.")
    prefix_id: str | None
    skipped: str | None = Field(default=None, description="Why it was not paged; null: it was.")


class PageAttributes(BaseModel):
    """What is known of a page."""

    status: PageStatus
    title: str
    description: str | None
    urgency: str
    severity: str | None
    tags: list[str]
    targets: list[TargetAttributes]
    integration_id: UUID
    integration_name: str | None = Field(description=NAME)
    alert_id: UUID | None = Field(description="The alert that it became, or that it is about.")
    incident_id: UUID | None
    requested_by: str
    pagertree_alert_id: str | None = Field(description="As PagerTree's webhooks name the alert.")
    pagertree_id: str | None = Field(description="As PagerTree's API names the alert.")
    pagertree_status: str | None
    send_at: Timestamp | None = Field(
        description="Not sent before, and only if its alert is not resolved by then."
    )
    standby_for: UUID | None = Field(
        description="The alert that pages the same people already: the page is sent at `send_at`, "
        "or when PagerTree drops the alert, unless somebody acknowledges it."
    )
    expires_at: Timestamp | None
    sent_at: Timestamp | None
    confirmed_at: Timestamp | None = Field(description="When PagerTree was seen to page people.")
    acknowledged_at: Timestamp | None
    acknowledged_by: str | None = Field(description="Their name, or PagerTree's id of them.")
    acknowledged_by_id: str | None = Field(description="What PagerTree names them by.")
    resolved_at: Timestamp | None
    dropped_at: Timestamp | None
    stuck_at: Timestamp | None
    notes: list[str] = Field(
        description="What was cut, dropped or replaced so that the page could go out."
    )
    created_at: Timestamp
    updated_at: Timestamp


class PageWithOperations(PageAttributes):
    """A page with every operation and attempt that it led to."""

    waits_because: str | None = Field(
        description="Why it has not gone out yet: since when, the reason, and what to do."
    )
    operations: list[OperationAttributes]


class PagePreview(BaseModel):
    """What a page would send, and to whom. Nothing was sent and nothing is kept."""

    integration_id: UUID
    integration_name: str | None = Field(description=NAME)
    targets: list[TargetAttributes]
    method: str
    path: str
    body: dict[str, Any] = Field(description="The request body, but for the id in its mark.")
    notes: list[str] = Field(description="What was cut, dropped or replaced.")


@router.post(
    "/pages",
    summary="Page teams, users and routers",
    description="Answers as soon as the page is certain to be sent; `GET /v1/pages/{id}` tells "
    "what became of it. With `dry_run` it answers 200 with what would be sent.",
    status_code=202,
    dependencies=[needs(Scope.PAGE, bound=True)],
    responses=errors(400, 409, 422)
    | {200: {"model": Document[PagePreview], "description": "With `dry_run`"}},
)
async def create_page(
    request: Request,
    response: Response,
    session: SessionDep,
    body: NewDocument[Literal["pages"], PageRequest],
    waits: WaitsDep,
) -> Document[PageWithOperations] | Document[PagePreview]:
    new = await to_new_page(session, body.data.attributes, requested_by=requester(request))
    if body.data.attributes.dry_run:
        response.status_code = 200
        return (await _preview(session, new)).noting(new.notes)
    shown = await _shown(session, await service.create_page(session, new), waits)
    return shown.noting(new.notes)


@router.get(
    "/pages",
    summary="List pages",
    dependencies=[needs(Scope.READ, bound=True)],
    openapi_extra=FILTERS.openapi(),
    responses=errors(422),
)
async def list_pages(
    session: SessionDep,
    page: PageDep,
    where: Annotated[list[ColumnElement[bool]], Depends(FILTERS)],
) -> Collection[PageAttributes]:
    wide = [Page.description]
    found = await find(session, select(Page).where(*where), Page.id, page, wide=Wide(wide))
    accounts, names = (
        await account_names(session, found.rows),
        await names_of_people(session, found.rows),
    )
    return Collection(
        data=[page_resource(row, accounts, names) for row in found.rows],
        links=found.links,
        meta=found.meta,
    )


@router.get(
    "/pages/{id}",
    summary="Show a page with its operations and attempts",
    dependencies=[needs(Scope.READ, bound=True)],
    responses=errors(404, 422),
)
async def get_page(session: SessionDep, id: UUID, waits: WaitsDep) -> Document[PageWithOperations]:
    return await _shown(session, await service.get_page(session, id), waits)


def page_resource(
    page: Page, accounts: AccountNames, names: Mapping[Named, str] = {}
) -> Resource[PageAttributes]:
    """Return a page as lists show it, without its operations; `names` of who acknowledged."""
    attributes = PageAttributes(**_columns(page, accounts, names))
    return Resource(id=str(page.id), type="pages", attributes=attributes)


async def names_of_people(session: AsyncSession, pages: Sequence[Page]) -> dict[Named, str]:
    """Return what those are called who acknowledged pages, as far as the directory knows them."""
    people = {Named(page.integration_id, by) for page in pages if (by := page.acknowledged_by)}
    return await load_names(await driver_connection(session), people) if people else {}


async def _shown(session: AsyncSession, page: Page, waits: Waits) -> Document[PageWithOperations]:
    operations = await service.list_operations_of(session, [page.id])
    attempts = await service.list_attempts_of(session, [each.id for each in operations])
    reasons = await waits.of(session, operations)
    accounts = await account_names(session, [page])
    attributes = PageWithOperations(
        **_columns(page, accounts, await names_of_people(session, [page])),
        waits_because=why_page_waits(page.status, operations, reasons),
        operations=[operation_attributes(each, accounts, attempts, reasons) for each in operations],
    )
    return Document(data=Resource(id=str(page.id), type="pages", attributes=attributes))


async def _preview(session: AsyncSession, new: service.NewPage) -> Document[PagePreview]:
    await service.keep_incident(session, new.incident_id)
    gate = await session.get(IntegrationGate, new.integration_id)
    content = PageContent(**{name: getattr(new, name) for name in PageContent.__dataclass_fields__})
    alert = new_alert(
        content, f"{MARKER_PREFIX}<id>", must_name=gate is not None and gate.names_urgency
    )
    preview = PagePreview(
        integration_id=new.integration_id,
        integration_name=(await account_names(session, [new])).get(new.integration_id),
        targets=[TargetAttributes(**target) for target in new.targets],
        method="POST",
        path="/alerts",
        body=alert.to_json(),
        notes=new.notes,
    )
    return Document(data=Resource(id="preview", type="page_previews", attributes=preview))


def _without_others(page: Page, own: str | None) -> dict[str, Any]:
    """Return the texts of a page without the names of other accounts."""
    return {
        "title": title_without_others(page.title, own),
        "description": page.description and without_others(page.description, own),
        "notes": [without_others(note, own) for note in page.notes],
    }


def _columns(page: Page, accounts: AccountNames, names: Mapping[Named, str]) -> dict[str, Any]:
    columns = {name: getattr(page, name, None) for name in PageAttributes.model_fields}
    by = page.acknowledged_by
    if is_bound():
        columns |= _without_others(page, accounts.get(page.integration_id))
    return columns | {
        "integration_name": accounts.get(page.integration_id),
        "acknowledged_by": by and names.get(Named(page.integration_id, by), by),
        "acknowledged_by_id": by,
        "pagertree_status": page.remote_status,
        "targets": [TargetAttributes(**target) for target in page.targets],
    }
