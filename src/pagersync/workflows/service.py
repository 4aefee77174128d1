"""Workflows and their tasks: made, found, changed, removed.

Whoever changes a workflow or one of its tasks has locked the workflow's row, and each change counts
its version up, so that those who keep it compiled compile it anew.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.base import new_id
from pagersync.errors import ConflictError, InvalidError, ManyInvalidError, NotFoundError
from pagersync.integrations.directory_store import forget_check
from pagersync.integrations.models import Integration
from pagersync.integrations.values import to_uuid
from pagersync.integrations.vault import Vault
from pagersync.workflows.definition import (
    ATTRIBUTES,
    TASKS_MAX,
    misfits,
    problems_of,
    task_name,
    task_problems,
)
from pagersync.workflows.http_secrets import check_secrets
from pagersync.workflows.models import Workflow, WorkflowTask
from pagersync.workflows.settling import Settling
from pagersync.workflows.slugs import lock_slugs, unique_slug
from pagersync.workflows.trigger_params import parse_trigger_params, to_json

WORKFLOWS_MAX: Final = 1_000


async def create_workflow(
    session: AsyncSession,
    values: Mapping[str, Any],
    *,
    requested_by: str,
    pointer: str = ATTRIBUTES,
    vault: Vault | None = None,
) -> Workflow:
    """Make a workflow with its tasks.

    Args:
        session: inside a transaction.
        values: by the names of `WorkflowContent`, and perhaps `slug` and `integration_id`.
        requested_by: who makes it, for people.
        pointer: where the values stand in the request.
        vault: encrypts the secrets that stand in its calls.

    Raises:
        ManyInvalidError: values that cannot be right, every one of them.
        SecretKeyError: there are secrets, and no key to encrypt them with.
        ConflictError: the slug is taken, or there are too many workflows.
    """
    await _check(session, None, values, pointer)
    settling = Settling(session, vault, (), values.get("integration_id"), "simple")
    values = await settling.values(values, pointer)
    await lock_slugs(session)
    alive = select(func.count()).where(Workflow.removed_at.is_(None))
    if (await session.scalar(alive) or 0) >= WORKFLOWS_MAX:
        raise ConflictError(f"limit of {WORKFLOWS_MAX} workflows reached: remove one first")
    workflow = Workflow(created_by=requested_by, version=0)
    workflow.slug = await _new_slug(session, values, pointer)
    session.add(workflow)
    return await _write(session, workflow, values)


async def draft_workflow(
    session: AsyncSession, values: Mapping[str, Any], *, pointer: str
) -> tuple[Workflow, list[WorkflowTask]]:
    """Return the workflow that `create_workflow` would make of the same values; none is made.

    Raises:
        ManyInvalidError: values that cannot be right, every one of them.
    """
    await _check(session, None, values, pointer)
    workflow = Workflow(id=new_id())
    _set(workflow, values)
    contents = enumerate(values.get("tasks", ()), start=1)
    tasks = [_fill(WorkflowTask(), position, content) for position, content in contents]
    return workflow, tasks


async def get_workflow(
    session: AsyncSession, reference: UUID | str, *, lock: bool = False
) -> Workflow:
    """Return a workflow by its id or its slug; with `lock`, nobody else changes it meanwhile.

    Raises:
        NotFoundError: there is none, or it was removed.
    """
    text = str(reference)
    workflow_id = to_uuid(text)
    is_called = Workflow.slug == text if workflow_id is None else Workflow.id == workflow_id
    statement = select(Workflow).where(is_called, Workflow.removed_at.is_(None))
    if lock:  # runs, which only refer to it, need not wait
        statement = statement.with_for_update(key_share=True)
        statement = statement.execution_options(populate_existing=True)
    workflow = await session.scalar(statement) if text.isprintable() else None
    if workflow is None:
        raise NotFoundError(f"there is no workflow {text!r}: `pagersync workflows list`")
    return workflow


async def list_workflows(session: AsyncSession, *, lock: bool = False) -> Sequence[Workflow]:
    """Return every workflow, in the order in which they are looked at, locked if asked."""
    statement = select(Workflow).where(Workflow.removed_at.is_(None))
    if lock:
        statement = statement.with_for_update(key_share=True)
    return (await session.scalars(statement.order_by(Workflow.position, Workflow.id))).all()


async def list_tasks(
    session: AsyncSession, workflow_ids: Sequence[UUID]
) -> Mapping[UUID, list[WorkflowTask]]:
    """Return the tasks of workflows, by workflow, in their order."""
    statement = select(WorkflowTask).where(WorkflowTask.workflow_id.in_(workflow_ids))
    tasks: defaultdict[UUID, list[WorkflowTask]] = defaultdict(list)
    for task in await session.scalars(statement.order_by(WorkflowTask.position)):
        tasks[task.workflow_id].append(task)
    return tasks


async def change_workflow(
    session: AsyncSession,
    workflow: Workflow,
    values: Mapping[str, Any],
    pointer: str = ATTRIBUTES,
    vault: Vault | None = None,
) -> Workflow:
    """Set values of a workflow, which is locked; `tasks` replaces all of its tasks.

    What was switched off for a reason is switched on without it.

    Raises:
        ManyInvalidError: values that cannot be right, every one of them.
    """
    tasks = (await list_tasks(session, [workflow.id])).get(workflow.id, [])
    await _check(session, workflow, values, pointer, tasks)
    settling = _settling(session, vault, workflow, tasks)
    return await _write(session, workflow, await settling.values(values, pointer))


async def remove_workflow(session: AsyncSession, workflow: Workflow) -> Workflow:
    """Remove a workflow, which is locked; its runs stay, and those that wait are canceled."""
    workflow.removed_at = datetime.now(UTC)
    return await note_change(session, workflow)


async def get_task(
    session: AsyncSession, task_id: UUID, *, lock: bool = False
) -> tuple[WorkflowTask, Workflow]:
    """Return a task and its workflow; with `lock`, nobody else changes either meanwhile.

    Raises:
        NotFoundError: there is none, or it or its workflow was removed.
    """
    statement = select(WorkflowTask).where(WorkflowTask.id == task_id)
    task = await session.scalar(statement)
    if task is None:
        raise NotFoundError(f"there is no workflow task {task_id}")
    workflow = await get_workflow(session, task.workflow_id, lock=lock)
    task = await session.scalar(statement.execution_options(populate_existing=True))
    if task is None:  # it was removed while the workflow was waited for
        raise NotFoundError(f"there is no workflow task {task_id}")
    return task, workflow


async def add_task(
    session: AsyncSession,
    workflow: Workflow,
    values: Mapping[str, Any],
    vault: Vault | None = None,
) -> WorkflowTask:
    """Add a task to a workflow, which is locked: at its position, or as the last.

    Raises:
        ManyInvalidError: values that cannot be right; a position that is taken is one.
        ConflictError: there are too many tasks.
    """
    tasks = (await list_tasks(session, [workflow.id])).get(workflow.id, [])
    if len(tasks) >= TASKS_MAX:
        raise ConflictError(f"a workflow has at most {TASKS_MAX} tasks")
    last = tasks[-1].position if tasks else 0
    task = WorkflowTask(workflow_id=workflow.id, position=last + 1)
    _set_task(task, workflow, tasks, values)
    settling = _settling(session, vault, workflow, tasks)
    task.task_params = await settling.params(task.task_params)
    session.add(task)
    await note_change(session, workflow)
    await session.refresh(task)
    return task


async def change_task(
    session: AsyncSession,
    task: WorkflowTask,
    workflow: Workflow,
    values: Mapping[str, Any],
    vault: Vault | None = None,
) -> WorkflowTask:
    """Set values of a task, whose workflow is locked.

    Parameters that do not say of which task they are are of the one that it is.

    Raises:
        ManyInvalidError: values that cannot be right; a position that is taken is one.
    """
    tasks = (await list_tasks(session, [workflow.id]))[workflow.id]
    if "task_params" in values:
        own = {"task_type": task.task_params["task_type"]}
        values = {**values, "task_params": own | values["task_params"]}
    settling = _settling(session, vault, workflow, tasks)
    _set_task(task, workflow, [each for each in tasks if each.id != task.id], values)
    if "task_params" in values:
        task.task_params = await settling.params(task.task_params)
    await note_change(session, workflow)
    await session.refresh(task)
    return task


async def remove_task(session: AsyncSession, task: WorkflowTask, workflow: Workflow) -> None:
    """Remove a task, whose workflow is locked; runs that began keep it."""
    await session.delete(task)
    await note_change(session, workflow)


def _settling(
    session: AsyncSession, vault: Vault | None, workflow: Workflow, tasks: Sequence[WorkflowTask]
) -> Settling:
    saved = [each.task_params for each in tasks]
    kind = trigger_type_of(workflow)
    return Settling(session, vault, saved, workflow.integration_id, kind)


async def _check(
    session: AsyncSession,
    workflow: Workflow | None,
    values: Mapping[str, Any],
    pointer: str,
    tasks: Sequence[WorkflowTask] = (),
) -> None:
    problems = problems_of(values, pointer, trigger_type_of(workflow) if workflow else None)
    kept = () if "tasks" in values else tasks
    if kept and "trigger_params" in values:
        kind = values["trigger_params"].get("trigger_type")
        for task in kept:
            problems += misfits(kind, {"task_params": task.task_params}, pointer)
    if kept and "integration_id" in values:
        await check_secrets(session, kept, values["integration_id"], pointer)
    integration_id = values.get("integration_id")
    if integration_id is not None and await _find_integration(session, integration_id) is None:
        detail = f"there is no integration {integration_id}"
        problems.append(InvalidError(detail, pointer=f"{pointer}/integration_id"))
    if problems:
        raise ManyInvalidError(problems)


async def _find_integration(session: AsyncSession, integration_id: UUID) -> UUID | None:
    statement = select(Integration.id).where(
        Integration.id == integration_id, Integration.removed_at.is_(None)
    )
    return await session.scalar(statement)


async def _new_slug(session: AsyncSession, values: Mapping[str, Any], pointer: str) -> str:
    """Return the slug that was asked for, or one made of the name.

    Raises:
        ConflictError: somebody has it.
    """
    slug: str | None = values.get("slug")
    if slug is None:
        return await unique_slug(session, values["name"])
    taken = select(Workflow.id).where(Workflow.slug == slug, Workflow.removed_at.is_(None))
    if await session.scalar(taken) is not None:
        raise ConflictError(f"there is a workflow {slug!r} already", pointer=f"{pointer}/slug")
    return slug


COLUMNS: Final = (
    "name",
    "description",
    "enabled",
    "position",
    "integration_id",
    "wait",
    "repeat_every_duration",
    "repeat_condition_duration_since_first_run",
    "repeat_condition_number_of_repeats",
    "continuously_repeat",
    "runs_per_minute_max",
)
"""Values that are kept as they are given."""


async def _write(session: AsyncSession, workflow: Workflow, values: Mapping[str, Any]) -> Workflow:
    _set(workflow, values)
    await session.flush()
    if "tasks" in values:
        await _replace_tasks(session, workflow, values["tasks"])
    return await note_change(session, workflow)


def _set(workflow: Workflow, values: Mapping[str, Any]) -> None:
    for name in COLUMNS:
        if name in values:
            setattr(workflow, name, values[name])
    workflow.name = workflow.name.strip()
    if values.get("enabled"):
        workflow.off_reason = None
        workflow.off_by = None
    if "trigger_params" in values:
        params = parse_trigger_params(values["trigger_params"])
        workflow.trigger_params = to_json(params)
        workflow.triggers = list(params.triggers)


def trigger_type_of(workflow: Workflow) -> str:
    """Return the kind of a workflow: `incident`, `alert`, `page` or `simple`."""
    return str(workflow.trigger_params["trigger_type"])


async def _replace_tasks(
    session: AsyncSession, workflow: Workflow, contents: Sequence[Mapping[str, Any]]
) -> None:
    """Let a workflow have these tasks, in this order; those that are there become them."""
    existing = (await list_tasks(session, [workflow.id])).get(workflow.id, [])
    for task in existing[len(contents) :]:
        await session.delete(task)
    for index, content in enumerate(contents):
        is_new = index >= len(existing)
        task = WorkflowTask(workflow_id=workflow.id) if is_new else existing[index]
        session.add(_fill(task, index + 1, content))
    await session.flush()


def _fill(task: WorkflowTask, position: int, content: Mapping[str, Any]) -> WorkflowTask:
    task.position = position
    task.name = task_name(content)
    task.enabled = content.get("enabled", True)
    task.skip_on_failure = content.get("skip_on_failure", False)
    task.task_params = content["task_params"]
    return task


def _set_task(
    task: WorkflowTask,
    workflow: Workflow,
    others: Sequence[WorkflowTask],
    values: Mapping[str, Any],
) -> None:
    problems = [
        *task_problems(values),
        *misfits(trigger_type_of(workflow), values, ATTRIBUTES),
    ]
    taken = {other.position: other.name for other in others}
    if (position := values.get("position")) in taken:
        detail = f"position: {taken[position]!r} has the position {position}"
        problems.append(InvalidError(detail, pointer=f"{ATTRIBUTES}/position"))
    if problems:
        raise ManyInvalidError(problems)
    for name, value in values.items():
        setattr(task, name, value)
    task.name = task_name({"name": task.name, "task_params": task.task_params})


async def note_change(session: AsyncSession, workflow: Workflow) -> Workflow:
    """Count a change of a workflow, which is locked, or of its tasks."""
    workflow.version += 1
    await forget_check(session)
    await session.flush()
    await session.refresh(workflow)
    return workflow
