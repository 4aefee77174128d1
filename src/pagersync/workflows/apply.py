"""Applying a file of workflows: first a plan that people can read, then exactly that."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.errors import ConflictError, InvalidError, ManyInvalidError
from pagersync.integrations.models import Integration
from pagersync.integrations.vault import Vault
from pagersync.secrets.literals import hide_literals
from pagersync.workflows import service
from pagersync.workflows.files import Content, WorkflowFile, content_of
from pagersync.workflows.http_secrets import checked_sealer, is_call
from pagersync.workflows.slugs import lock_slugs
from pagersync.workflows.task_references import check_hosts, settle_tasks

Action = Literal["create", "change", "unchanged", "remove"]

SHOWN_CHARACTERS_MAX: Final = 60
SIGNS: Final[Mapping[Action, str]] = {
    "create": "+",
    "change": "~",
    "unchanged": "=",
    "remove": "-",
}


@dataclass(frozen=True, slots=True)
class Accounts:
    """What files call the connected accounts: of each its name, and of each name the account.

    One that was removed keeps its name in files, which say that it was removed.
    """

    names: Mapping[UUID | None, str | None]
    ids: Mapping[str | None, UUID | None]


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done about one workflow.

    Attributes:
        changes: what differs: where, and from what to what, for people.
        values: what to save.
    """

    action: Action
    slug: str
    changes: Sequence[tuple[str, str, str]] = ()
    values: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done so that the workflows are as a file says."""

    steps: Sequence[Step]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return all(step.action == "unchanged" for step in self.steps)

    def lines(self) -> Iterator[str]:
        """Yield the plan in words."""
        for step in self.steps:
            yield f"{SIGNS[step.action]} {step.action:<9}  {step.slug}"
            for path, before, after in step.changes:
                yield f"      {path}: {before} -> {after}"
        counts = [
            f"{count} to {action}"
            for action in ("create", "change", "remove")
            if (count := sum(step.action == action for step in self.steps))
        ]
        yield ", ".join(counts) + "." if counts else "Nothing to do."


async def make_plan(  # noqa: PLR0913 - options of one command
    session: AsyncSession,
    file: WorkflowFile,
    *,
    prune: bool = False,
    prune_defaults: Collection[str] = (),
    lock: bool = False,
    hosts: Sequence[str] | None = None,
    vault: Vault | None = None,
) -> Plan:
    """Return what is to be done so that the workflows are as a file says.

    Args:
        session: to look things up.
        file: what is wanted.
        prune: whether to remove what the file does not have.
        prune_defaults: slugs of workflows that came with an integration, to be removed too.
        lock: whether nobody else changes workflows until the transaction ends.
        hosts: those that tasks may call; None: not looked at.
        vault: tells whether a secret in the file is the one that is kept.

    Raises:
        InvalidError: the file names an account that there is not, or nothing can be pruned so.
    """
    if lock:
        await lock_slugs(session)
    accounts = await _read_accounts(session)
    workflows = await service.list_workflows(session, lock=lock)
    existing = {workflow.slug: workflow for workflow in workflows}
    tasks = await service.list_tasks(session, [workflow.id for workflow in workflows])
    steps = []
    for slug, written in file.contents.items():
        known = existing.get(slug)
        own_tasks = tasks.get(known.id, []) if known else []
        settling = _Settling(session, accounts, file.places[slug], hosts, vault)
        wanted = await settling.settled(written, [task.task_params for task in own_tasks])
        if known is None:
            steps.append(Step("create", slug, values=_values(wanted, slug, accounts, file)))
            continue
        own = content_of(known, own_tasks, accounts.names[known.integration_id])
        changed = {name: wanted[name] for name in wanted if wanted[name] != own[name]}
        if changed:
            values = _values(changed, slug, accounts, file)
            steps.append(
                Step("change", slug, list(_differences(own, _without_secrets(wanted))), values)
            )
        else:
            steps.append(Step("unchanged", slug))
    gone = [workflow for slug, workflow in existing.items() if slug not in file.contents]
    _check_prune(prune_defaults, [workflow.slug for workflow in gone])
    for workflow in gone if prune or prune_defaults else ():
        is_default = workflow.default_key is not None
        if workflow.slug in prune_defaults or (prune and not is_default):
            steps.append(Step("remove", workflow.slug))
    return Plan(steps)


async def apply_plan(
    session: AsyncSession,
    plan: Plan,
    again: Plan,
    *,
    requested_by: str,
    vault: Vault | None = None,
) -> None:
    """Do what a plan says.

    Args:
        session: inside a transaction.
        plan: as somebody has seen it.
        again: made once more, in this transaction, with everything locked.
        requested_by: who applies it, for people.
        vault: encrypts the secrets that stand in calls.

    Raises:
        ManyInvalidError: values that cannot be right after all.
        ConflictError: the workflows have changed meanwhile, or there would be too many.
    """
    if again != plan:
        raise ConflictError("the workflows have changed meanwhile: look at the plan again")
    for step in sorted(plan.steps, key=lambda step: step.action != "remove"):
        if step.action == "create":
            await service.create_workflow(
                session, step.values or {}, requested_by=requested_by, vault=vault
            )
        elif step.action != "unchanged":
            workflow = await service.get_workflow(session, step.slug, lock=True)
            if step.action == "remove":
                await service.remove_workflow(session, workflow)
            else:
                await service.change_workflow(session, workflow, step.values or {}, vault=vault)


async def export(session: AsyncSession, slugs: Collection[str] | None = None) -> list[Content]:
    """Return workflows, all by default, as files have them, but for the defaults."""
    accounts = await _read_accounts(session)
    workflows = await service.list_workflows(session)
    tasks = await service.list_tasks(session, [workflow.id for workflow in workflows])
    return [
        content_of(workflow, tasks.get(workflow.id, []), accounts.names[workflow.integration_id])
        for workflow in workflows
        if slugs is None or workflow.slug in slugs
    ]


async def _read_accounts(session: AsyncSession) -> Accounts:
    rows = await session.execute(
        select(Integration.id, Integration.name, Integration.removed_at.is_not(None))
    )
    names: dict[UUID | None, str | None] = {None: None}
    ids: dict[str | None, UUID | None] = {None: None}
    for row_id, name, is_removed in rows:
        names[row_id] = f"{name} (removed)" if is_removed else name
        if not is_removed:
            ids[name] = row_id
    return Accounts(names, ids)


@dataclass(frozen=True, slots=True)
class _Settling:
    """What a workflow of a file is settled with, and where it stands."""

    session: AsyncSession
    accounts: Accounts
    place: str
    hosts: Sequence[str] | None
    vault: Vault | None

    async def settled(self, written: Content, saved: Sequence[Mapping[str, Any]]) -> Content:
        """Return it with PagerTree's ids of whom it names, and masks for secrets that are kept.

        Raises:
            InvalidError: it names what fits nobody or several, calls a host that may not be
                called, or uses a secret that there is not.
        """
        try:
            return {**written, "tasks": await self._tasks(written, saved)}
        except ManyInvalidError as error:
            lines = [f"{self.place}: {one.pointer}: {one.detail}" for one in error.problems]
            raise InvalidError("\n".join(lines)) from None

    async def _tasks(
        self, written: Content, saved: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        if self.hosts is not None:
            check_hosts(written["tasks"], self.hosts, "/tasks")
        account = self.accounts.ids.get(written["integration"])
        tasks = await settle_tasks(
            self.session,
            written["tasks"],
            saved,
            integration_id=account,
            trigger_type=written["trigger_params"]["trigger_type"],
            pointer="/tasks",
        )
        sealer = await checked_sealer(
            self.session, self.vault, tasks, saved, integration_id=account, pointer="/tasks"
        )
        return [
            {**task, "task_params": sealer.reuse(params)} if is_call(params) else task
            for task in tasks
            for params in [task["task_params"]]
        ]


def _without_secrets(content: Content) -> Content:
    tasks = [
        {**task, "task_params": hide_literals(params)} if is_call(params) else task
        for task in content["tasks"]
        for params in [task["task_params"]]
    ]
    return {**content, "tasks": tasks}


def _values(
    values: Mapping[str, Any], slug: str, accounts: Accounts, file: WorkflowFile
) -> dict[str, Any]:
    """Return what to save, with the account's id for its name.

    Raises:
        InvalidError: there is no such account.
    """
    saved = {name: value for name, value in values.items() if name != "integration"}
    if "integration" not in values:
        return saved
    name = values["integration"]
    if name not in accounts.ids:
        known = ", ".join(repr(each) for each in accounts.ids if each) or "none"
        raise InvalidError(
            f"{file.places[slug]}: there is no integration {name!r}: there is {known}"
        )
    return {**saved, "integration_id": accounts.ids[name]}


def _check_prune(prune_defaults: Collection[str], gone: Collection[str]) -> None:
    unknown = sorted(set(prune_defaults) - set(gone))
    if unknown:
        raise InvalidError(f"{unknown[0]!r} is in the file, or there is no such workflow")


def _differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield what differs: where, and from what to what, for people."""
    if isinstance(before, dict) and isinstance(after, dict):
        pairs = [(name, before.get(name), after.get(name)) for name in {**before, **after}]
    elif isinstance(before, list) and isinstance(after, list) and _has_objects(before, after):
        longest = max(len(before), len(after))
        pairs = [(str(i), _at(before, i), _at(after, i)) for i in range(longest)]
    else:
        if before != after:
            yield path, _shown(before), _shown(after)
        return
    for name, one, other in pairs:
        yield from _differences(one, other, f"{path}/{name}" if path else name)


def _has_objects(*lists: Sequence[Any]) -> bool:
    return any(isinstance(item, dict) for items in lists for item in items)


def _at(items: Sequence[Any], index: int) -> Any:
    return items[index] if index < len(items) else None


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    is_long = len(text) > SHOWN_CHARACTERS_MAX
    return f"{text[: SHOWN_CHARACTERS_MAX - 1]}…" if is_long else text
