"""What workflows and default targets refer to that PagerTree has renamed, removed or doubled.

After each sync the references of an account are checked once, by whichever process is first. Those
that have only a name get PagerTree's id; those that are broken are kept, and published as they
appear, so that a workflow can page somebody about them.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from shlex import quote
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.caller import CALLER, SYSTEM, Caller
from pagersync.database.engine import Sessions
from pagersync.database.session import driver_connection
from pagersync.events.publish import happened, publish
from pagersync.findings import Finding, Level
from pagersync.integrations.directory_models import DirectoryWatch
from pagersync.integrations.directory_store import open_watch
from pagersync.integrations.models import Integration
from pagersync.integrations.resolving import Resolved, resolve_each
from pagersync.integrations.saved_references import KINDS, is_template, reference_of, settle
from pagersync.integrations.service import list_integrations
from pagersync.paging.whom import or_by_name
from pagersync.settings import Settings
from pagersync.workflows import service
from pagersync.workflows.task_references import account_of, lists_of, settle_params

DEFAULTS: Final = "the default targets"
EVENT: Final = "directory.reference_broken"


@dataclass(frozen=True, slots=True)
class BrokenReference:
    """A reference that does not mean what it meant when it was saved.

    Attributes:
        where: the workflow and the task, or the default targets.
        kind: `team`, `user` or `router`.
        id: PagerTree's id, as it was saved.
        name: the name, as it was saved.
        is_paged: whether the target is paged all the same: it was renamed only.
        detail: what is wrong, one sentence.
    """

    where: str
    kind: str
    id: str | None
    name: str | None
    is_paged: bool
    detail: str


@dataclass(frozen=True, slots=True)
class _Place:
    """A list of references, and where it stands."""

    where: str
    lists: Mapping[str, Any]
    is_on: bool = True


async def check_due(sessions: Sessions) -> bool:
    """Check the references of one account that was synced since its last check; False: none was."""
    async with sessions.begin() as session:
        due = (
            select(Integration)
            .outerjoin(DirectoryWatch, DirectoryWatch.integration_id == Integration.id)
            .where(
                Integration.removed_at.is_(None),
                Integration.directory_synced_at.is_not(None),
                Integration.directory_synced_at.is_distinct_from(DirectoryWatch.checked_as_of),
            )
            .order_by(Integration.id)
            .limit(1)
            .with_for_update(of=Integration, skip_locked=True, key_share=True)
        )
        integration = await session.scalar(due)
        if integration is None:
            return False
        CALLER.set(Caller(kind=SYSTEM, id=integration.id, name="reference_check", is_audited=True))
        await check_account(session, integration)
    return True


async def check_account(session: AsyncSession, integration: Integration) -> None:
    """Give an account's references their ids, and keep and publish those that are broken."""
    await _bind(session, integration)
    watch = await open_watch(session, integration.id)
    broken = [asdict(one) for one in await find_broken(session, integration)]
    new = [one for one in broken if one not in watch.broken]
    watch.broken = broken
    watch.checked_as_of = integration.directory_synced_at
    facts = [
        happened(
            EVENT,
            integration.id,
            {**one, "account": integration.name},
            integration_id=integration.id,
            subject_type="integration",
        )
        for one in new
    ]
    await publish(await driver_connection(session), facts)


async def find_broken(session: AsyncSession, integration: Integration) -> list[BrokenReference]:
    """Return the references of an account that are broken now."""
    if integration.directory_synced_at is None:
        return []
    places = [place async for place in _places(session, integration)]
    broken = []
    for kind in KINDS:
        pairs = [
            (place.where, one)
            for place in places
            for one in place.lists.get(kind) or ()
            if not is_template(one)
        ]
        references = {kind: [reference_of(one) for _, one in pairs]}
        resolved = await resolve_each(session, integration.id, **references)
        found = [await or_by_name(session, integration.id, one) for one in resolved]
        broken += [
            _broken(where, one)
            for (where, _), one in zip(pairs, found, strict=True)
            if one.problem is not None or one.note is not None
        ]
    return broken


async def find_reference_problems(session: AsyncSession, settings: Settings) -> list[Finding]:
    """Return the broken references of every account, for `pagersync doctor`."""
    del settings
    accounts = await list_integrations(session)
    broken = {each.id: await find_broken(session, each) for each in accounts}
    places = [place for each in accounts async for place in _places(session, each)]
    off = {place.where for place in places} - {place.where for place in places if place.is_on}
    return [
        Finding(
            "reference_broken",
            Level.WARNING if one.is_paged or one.where in off else Level.CRITICAL,
            f"{integration.name}: {one.where}: {one.detail}.",
            _remedy(integration, one, broken[integration.id]),
            integration.id,
        )
        for integration in accounts
        for one in broken[integration.id]
    ]


def _remedy(
    integration: Integration, broken: BrokenReference, others: Sequence[BrokenReference]
) -> str:
    """Return what mends a reference: name somebody whom PagerTree has."""
    if broken.where == DEFAULTS:
        gone = [one for one in others if one.where == DEFAULTS and not one.is_paged]
        return default_targets_command(integration.name, integration.default_targets, gone)
    return (
        "name another target in the workflow: `pagersync directory list` shows all, `pagersync "
        "workflows export` and `apply` change it"
    )


def default_targets_command(
    account: str, saved: Mapping[str, Any], gone: Sequence[BrokenReference]
) -> str:
    """Return the command that keeps the default targets, but for those that are gone. Pure.

    The command replaces all of them: it must name those that stay, too.
    """
    left_out = {(one.kind, one.id, one.name) for one in gone}
    stay = [
        f"--{kind.removesuffix('s')} {quote(one.get('id') or one['name'])}"
        for kind in KINDS
        for one in saved.get(kind) or ()
        if (kind.removesuffix("s"), one.get("id"), one.get("name")) not in left_out
    ]
    options = [*stay, *(["--team NAME"] if gone else [])]
    return f"pagersync integrations default-targets {quote(account)} {' '.join(options)}"


def _broken(where: str, one: Resolved) -> BrokenReference:
    problem = one.problem.detail if one.problem else None
    return BrokenReference(
        where=where,
        kind=one.kind.value,
        id=one.reference.id,
        name=one.reference.name,
        is_paged=problem is None,
        detail=problem or one.note or "",
    )


async def _places(session: AsyncSession, integration: Integration) -> AsyncIterator[_Place]:
    yield _Place(DEFAULTS, integration.default_targets)
    workflows = await service.list_workflows(session)
    tasks = await service.list_tasks(session, [workflow.id for workflow in workflows])
    for workflow in workflows:
        kind = service.trigger_type_of(workflow)
        for task in tasks.get(workflow.id, ()):
            params = task.task_params
            account = await account_of(session, params, workflow.integration_id, kind)
            if account is None or account.id != integration.id:
                continue
            for place, lists in lists_of(params):
                where = f"the task {task.name!r} of the workflow {workflow.name!r}"
                where = f"the {place} of {where}" if place else where
                yield _Place(where, lists, is_on=workflow.enabled and task.enabled)


async def _bind(session: AsyncSession, integration: Integration) -> None:
    """Give the references of an account that have only a name PagerTree's id."""
    if any(_lack_ids(integration.default_targets)):
        settled, _ = await settle(session, integration, integration.default_targets, {}, "")
        if settled != integration.default_targets:
            integration.default_targets = {**integration.default_targets, **settled}
    for workflow_id in await _with_names(session):
        workflow = await service.get_workflow(session, workflow_id, lock=True)
        kind = service.trigger_type_of(workflow)
        for task in (await service.list_tasks(session, [workflow.id]))[workflow.id]:
            params = task.task_params
            account = await account_of(session, params, workflow.integration_id, kind)
            if account is not None and account.id == integration.id:
                settled, _ = await settle_params(session, integration, params, [params], "")
                task.task_params = settled
    await session.flush()


async def _with_names(session: AsyncSession) -> Sequence[UUID]:
    """Return the workflows that have references with only a name."""
    workflows = await service.list_workflows(session)
    tasks = await service.list_tasks(session, [workflow.id for workflow in workflows])
    return [
        workflow.id
        for workflow in workflows
        if any(
            any(_lack_ids(lists))
            for task in tasks.get(workflow.id, ())
            for _, lists in lists_of(task.task_params)
        )
    ]


def _lack_ids(lists: Mapping[str, Any]) -> Iterator[bool]:
    """Yield for each reference whether it lacks an id."""
    for kind in KINDS:
        for one in lists.get(kind) or ():
            yield not one.get("id") and not is_template(one)
