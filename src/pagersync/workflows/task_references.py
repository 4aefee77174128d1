"""Whom tasks name, as it is saved (`integrations/saved_references.py`), and whom they may call."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.errors import InvalidError, ManyInvalidError, NotFoundError
from pagersync.integrations.default_account import pick
from pagersync.integrations.models import Integration
from pagersync.integrations.saved_references import KINDS, LIQUID, settle
from pagersync.integrations.service import find_integration, list_integrations
from pagersync.outbound import OutboundError, check_host, parse_url
from pagersync.workflows.definition import ATTRIBUTES
from pagersync.workflows.http_task import HOSTS_SETTING

PAGING: Final = ("create_pagertree_alert", "page_pagertree", "update_pagertree_alert")

Params = Mapping[str, Any]


async def settle_tasks(
    session: AsyncSession,
    tasks: Sequence[Mapping[str, Any]],
    saved: Sequence[Params],
    *,
    integration_id: UUID | None,
    trigger_type: str,
    pointer: str,
) -> list[dict[str, Any]]:
    """Return tasks whose references have PagerTree's ids, as far as their account is known.

    Args:
        session: to look them up.
        tasks: each with its `task_params`.
        saved: the `task_params` of the same workflow that are saved already.
        integration_id: the account of the workflow.
        trigger_type: of the workflow.
        pointer: where the tasks stand.

    Raises:
        ManyInvalidError: references that fit nobody, or several.
    """
    settled, problems = [], []
    for index, task in enumerate(tasks):
        params = task["task_params"]
        account = await account_of(session, params, integration_id, trigger_type)
        if account is not None:
            where = f"{pointer}/{index}/task_params"
            params, wrong = await settle_params(session, account, params, saved, where)
            problems += wrong
        settled.append({**task, "task_params": params})
    if problems:
        raise ManyInvalidError(problems)
    return settled


async def settle_task(
    session: AsyncSession,
    params: Params,
    saved: Sequence[Params],
    integration_id: UUID | None,
    trigger_type: str,
) -> dict[str, Any]:
    """Return the parameters of one task as `settle_tasks` does.

    Raises:
        ManyInvalidError: they name what fits nobody, or several.
    """
    try:
        (settled,) = await settle_tasks(
            session,
            [{"task_params": params}],
            saved,
            integration_id=integration_id,
            trigger_type=trigger_type,
            pointer="",
        )
    except ManyInvalidError as error:
        raise ManyInvalidError(
            [
                InvalidError(one.detail, pointer=f"{ATTRIBUTES}{(one.pointer or '')[2:]}")
                for one in error.problems
            ]
        ) from None
    return dict(settled["task_params"])


async def account_of(
    session: AsyncSession, params: Params, integration_id: UUID | None, trigger_type: str
) -> Integration | None:
    """Return the account that a task will page through; None if only its run can say.

    A workflow without an account that is about alerts or pages pages through theirs.
    """
    if params.get("task_type") not in PAGING:
        return None
    named = params.get("integration") or (integration_id and str(integration_id))
    if named:
        try:
            return await find_integration(session, named)
        except NotFoundError:
            return None
    every = await list_integrations(session)
    return pick(every) if trigger_type == "incident" or len(every) == 1 else None


def lists_of(params: Params) -> Iterator[tuple[str, Params]]:
    """Yield where in a task's parameters targets are named, and the parameters there."""
    if params.get("task_type") in PAGING:
        yield "", params
        if isinstance(fallback := params.get("fallback"), Mapping):
            yield "fallback", fallback


async def settle_params(
    session: AsyncSession,
    account: Integration,
    params: Params,
    saved: Sequence[Params],
    pointer: str,
) -> tuple[dict[str, Any], list[InvalidError]]:
    """Return a task's parameters with PagerTree's ids, and what is wrong with its references."""
    known = {
        kind: [
            one for each in saved for _, holder in lists_of(each) for one in holder.get(kind) or ()
        ]
        for kind in KINDS
    }
    changed, problems = dict(params), []
    for place, holder in lists_of(params):
        where = f"{pointer}/{place}" if place else pointer
        lists, wrong = await settle(session, account, holder, known, where)
        problems += wrong
        if place:
            changed[place] = {**holder, **lists}
        else:
            changed.update(lists)
    return changed, problems


def check_hosts(tasks: Sequence[Mapping[str, Any]], hosts: Sequence[str], pointer: str) -> None:
    """Return if every host that an `http_client` task names literally may be called.

    Raises:
        ManyInvalidError: some may not; each has its pointer.
    """
    problems = []
    for index, task in enumerate(tasks):
        params = task.get("task_params") or {}
        if detail := host_problem(params, hosts):
            where = f"{pointer}/{index}/task_params/url"
            problems.append(InvalidError(detail, pointer=where))
    if problems:
        raise ManyInvalidError(problems)


def host_problem(params: Params, hosts: Sequence[str]) -> str | None:
    """Return why the host that a task names literally may not be called. Pure."""
    url = params.get("url")
    if params.get("task_type") != "http_client" or not isinstance(url, str):
        return None
    scheme, _, rest = url.strip().partition("://")
    host = rest.partition("/")[0].partition("?")[0]
    if any(mark in part for part in (scheme, host) for mark in LIQUID):
        return None
    try:
        check_host(parse_url(f"{scheme}://{host}/"), hosts, setting=HOSTS_SETTING)
    except OutboundError as error:
        return f"url: {error.detail}"
    return None
