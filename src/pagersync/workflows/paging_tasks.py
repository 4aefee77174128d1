"""Tasks that page, and that change, acknowledge and resolve what was paged."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.alerts import actions
from pagersync.alerts.models import Alert
from pagersync.alerts.store import AlertKey, lock_alerts
from pagersync.database.session import driver_connection
from pagersync.events.publish import Cause
from pagersync.fitting import fit, sentence_of
from pagersync.incidents.lifecycle import is_over
from pagersync.incidents.models import Incident
from pagersync.incidents.timeline import add_trail
from pagersync.integrations.target_params import Targets
from pagersync.pagertree.severity import AUTO, read_severity
from pagersync.paging import requests
from pagersync.paging.models import OperationKind, Page, PageStatus
from pagersync.paging.page_targets import paged
from pagersync.paging.service import NewPage, create_page, request_operation, resolve_page
from pagersync.paging.task_account import TaskAccount, account_for_task
from pagersync.paging.whom import find_whom, look_up
from pagersync.texts import few
from pagersync.workflows.already_paged import beside_its_alert
from pagersync.workflows.context import TaskContext, TaskFailedError, TaskResult
from pagersync.workflows.linked import Linked, find_linked
from pagersync.workflows.page_texts import title_of, without_marks
from pagersync.workflows.paging_targets import (
    account_named,
    find_fallback,
    named_targets,
    wait_for_directory,
)
from pagersync.workflows.task_params import (
    AcknowledgePagerTreeAlertParams,
    CreatePagerTreeAlertParams,
    PagePagerTreeParams,
    PagerTreeAlertParams,
    ResolvePagerTreeAlertParams,
    UpdatePagerTreeAlertParams,
)
from pagersync.workflows.waiting import name_waiting

TITLE_MAX: Final = requests.TITLE_CHARACTERS_MAX


async def create_pagertree_alert(
    context: TaskContext, params: CreatePagerTreeAlertParams | PagePagerTreeParams
) -> TaskResult:
    """Page those whom the task names, or the integration's default targets."""
    account = await account_of(context, params)
    await wait_for_directory(context, params, account)
    new, said = await beside_its_alert(
        context,
        await plan_page(context, params, account),
        skips=params.skip_if_alert_pages,
        minutes=params.unacknowledged_minutes_max,
    )
    if new is None:
        return await _not_paged(context, str(said))
    if said is None:  # what is not sent now names nobody who waits
        new = await name_waiting(context, new)
    return await _page(context, new, said)


async def account_of(context: TaskContext, params: PagerTreeAlertParams) -> TaskAccount:
    """Return the account that a task pages through.

    Raises:
        InvalidError: there is none that can page.
    """
    return await account_for_task(context.session, account_named(context, params))


async def plan_page(
    context: TaskContext, params: PagerTreeAlertParams, account: TaskAccount
) -> NewPage:
    """Return the page that a task asks for by an account; nothing is changed.

    Raises:
        NobodyError: nobody can be paged.
        ManyInvalidError: a value cannot be right.
    """
    new = await _new_page(context, params, account)
    fallback, notes = await find_fallback(context.session, new.integration_id, params)
    context.notes.extend((*new.notes, *notes))
    return replace(new, fallback_targets=fallback, notes=few([*new.notes, *notes]))


async def update_pagertree_alert(
    context: TaskContext, params: UpdatePagerTreeAlertParams
) -> TaskResult:
    """Change what the task sets; what it leaves out stays."""
    linked = await find_linked(context, params.pagertree_alert_id)
    values = await _changes(context, params)
    if not values and context.notes:
        return TaskResult({"skipped": "nothing is left to change"})
    if not values:
        raise TaskFailedError("there is nothing to change: set a title, an urgency or the like")
    operation_ids = []
    for page in linked.pages:
        operation = await request_operation(
            context.session,
            OperationKind.UPDATE_ALERT,
            integration_id=page.integration_id,
            page=page,
            params=values,
            requested_by=context.cause.requested_by,
            workflow_run_id=context.run.id,
        )
        operation_ids.append(operation.id)
    await _lock(context, linked.alerts)
    for alert in linked.alerts:
        await actions.change_alert(context.session, alert, values, context.cause)
    return TaskResult(summary(linked), operation_ids=operation_ids)


async def acknowledge_pagertree_alert(
    context: TaskContext, params: AcknowledgePagerTreeAlertParams
) -> TaskResult:
    """Acknowledge the named alert, or all that are linked."""
    linked = await find_linked(context, params.pagertree_alert_id)
    operation_ids = []
    for page in linked.pages:
        operation = await request_operation(
            context.session,
            OperationKind.ACKNOWLEDGE_ALERT,
            integration_id=page.integration_id,
            page=page,
            requested_by=context.cause.requested_by,
            workflow_run_id=context.run.id,
        )
        operation_ids.append(operation.id)
    await _for_each(context, linked.alerts, actions.acknowledge_alert)
    return TaskResult(summary(linked), operation_ids=operation_ids)


async def resolve_pagertree_alert(
    context: TaskContext, params: ResolvePagerTreeAlertParams
) -> TaskResult:
    """Resolve the named alert, or all that are linked; a page that was not sent is not sent."""
    if not params.pagertree_alert_id and await _was_restarted(context):
        return TaskResult({"skipped": "the incident was restarted since"})
    linked = await find_linked(
        context, params.pagertree_alert_id, but=(PageStatus.RESOLVED,), with_pages_about=True
    )
    operation_ids = []
    for page in linked.pages:
        operation = await resolve_page(
            context.session,
            page,
            requested_by=context.cause.requested_by,
            workflow_run_id=context.run.id,
        )
        if operation is not None:
            operation_ids.append(operation.id)
    await _for_each(context, linked.alerts, actions.resolve_alert)
    return TaskResult(summary(linked), operation_ids=operation_ids)


async def _was_restarted(context: TaskContext) -> bool:
    """Tell whether the incident, whose end started the run, goes on; it stays as it is meanwhile.

    Those who were paged since are needed.
    """
    if context.incident_id is None or context.event is None:
        return False
    changes = context.event["data"].get("changes", {})
    if not is_over(changes.get("status", {}).get("to", "")):
        return False
    status = select(Incident.status).where(Incident.id == context.incident_id)
    return not is_over(str(await context.session.scalar(status.with_for_update(read=True))))


async def _for_each(
    context: TaskContext,
    alerts: Sequence[Alert],
    act: Callable[[AsyncSession, Alert, Cause], Awaitable[Alert]],
) -> None:
    await _lock(context, alerts)
    for alert in alerts:
        await act(context.session, alert, context.cause)


async def _lock(context: TaskContext, alerts: Sequence[Alert]) -> None:
    """Lock alerts in the order in which webhooks of them do."""
    keys = [AlertKey(alert.integration_id, alert.external_id) for alert in alerts]
    await lock_alerts(await driver_connection(context.session), keys)


async def _page(context: TaskContext, new: NewPage, said: str | None) -> TaskResult:
    page: Page = await create_page(context.session, new)
    names = [target["name"] for target in paged(page.targets)]
    result = {"page_id": str(page.id), "title": page.title, "targets": names}
    return TaskResult({**result, **({"not_paged_again": said} if said else {})}, page.id)


async def _not_paged(context: TaskContext, said: str) -> TaskResult:
    """Say that somebody has the alert already, and nobody is paged."""
    context.notes.append(said)
    if context.incident_id is not None:
        add_trail(context.session, context.incident_id, sentence_of(said), context.cause)
    return TaskResult({"not_paged_again": said})


async def _new_page(
    context: TaskContext, params: PagerTreeAlertParams, account: TaskAccount
) -> NewPage:
    severity = await _severity(context, params)
    chosen = account.integration
    request = requests.PageRequest.model_construct(
        title=await title_of(context, params.title),
        description=params.description,
        urgency=params.urgency,
        severity=severity,
        tags=without_marks(getattr(params, "tags", []), context.notes),
        integration=str(chosen.id),
        incident_id=context.incident_id,
        teams=[],
        users=[],
        routers=[],
    )
    new = await requests.to_new_page(
        context.session,
        request,
        requested_by=context.cause.requested_by,
        alert_id=context.alert_id,
        needs_targets=False,
        account_id=chosen.id,
    )
    named = named_targets(params) if account.is_asked else Targets()
    whom = await find_whom(context.session, chosen, named)
    return replace(
        new,
        targets=whom.targets,
        notes=[*context.notes, *new.notes, *account.notes, *whom.notes],
        is_incident=bool(severity) if params.incident is None else params.incident,
        workflow_run_id=context.run.id,
        depth=context.run.depth,
    )


async def _severity(context: TaskContext, params: PagerTreeAlertParams) -> str | None:
    if params.incident is False:
        return None
    if params.severity != AUTO:
        named = read_severity(params.severity)
        return named.value if named else None
    return await context.severity()


async def _changes(context: TaskContext, params: UpdatePagerTreeAlertParams) -> dict[str, Any]:
    values: dict[str, Any] = {
        "title": fit("title", (params.title or "").strip(), TITLE_MAX, context.notes) or None,
        "description": requests.fit_description(params.description, context.notes),
        "urgency": params.urgency,
        "severity": await _severity(context, params) if params.severity else None,
    }
    if params.teams or params.users:
        chosen = await requests.choose_integration(context.session, context.integration)
        targets = Targets(teams=params.teams, users=params.users)
        whom = await look_up(context.session, chosen.id, targets)
        context.notes.extend(whom.notes)
        values["targets"] = paged(whom.targets) or None
    return {name: value for name, value in values.items() if value is not None}


def summary(linked: Linked) -> dict[str, Any]:
    """Return what a task acts on, for people."""
    return {
        "pages": [str(page.id) for page in linked.pages],
        "alerts": [str(alert.id) for alert in linked.alerts],
    }
