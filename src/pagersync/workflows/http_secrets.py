"""Secrets of the task `http_client`: checked and sealed when it is saved.

What a person writes into headers, parameters, body or address and looks like a secret is kept
encrypted, and a mask stands in its place. A mask that comes back keeps the value it stands for.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.errors import InvalidError, ManyInvalidError
from pagersync.integrations.vault import Vault
from pagersync.secrets.literals import FIELDS, MASK, NO_VALUE, masks_of
from pagersync.secrets.references import MARKER, mark, names_in
from pagersync.secrets.sealing import Sealer, keep_new, sealer_for
from pagersync.secrets.service import problems_of_names
from pagersync.workflows.models import WorkflowTask

TASK_TYPE: Final = "http_client"
ATTRIBUTES: Final = "/data/attributes"
Params: TypeAlias = Mapping[str, Any]

FIXED_BEGINNING: Final = re.compile(r"(https?://[^/?#\\@{}%\s]+)(?=[/?#]|$)", re.IGNORECASE)


def is_call(params: Params) -> bool:
    """Tell whether parameters are those of a call."""
    return params.get("task_type") == TASK_TYPE


async def secure_tasks(
    session: AsyncSession,
    vault: Vault | None,
    tasks: Sequence[Mapping[str, Any]],
    saved: Sequence[Params],
    *,
    integration_id: UUID | None,
    pointer: str,
) -> list[dict[str, Any]]:
    """Return tasks as they may be kept: with masks for the secrets that stand in them.

    Args:
        session: inside a transaction.
        vault: encrypts; None where nothing is to be encrypted.
        tasks: each with its `task_params`.
        saved: the `task_params` of the same workflow that are saved already.
        integration_id: the account of the workflow.
        pointer: where the tasks stand.

    Raises:
        ManyInvalidError: references to secrets or masks that cannot be right.
        SecretKeyError: there is no key to encrypt with.
    """
    sealer = await checked_sealer(
        session, vault, tasks, saved, integration_id=integration_id, pointer=pointer
    )
    sealed = [
        {**task, "task_params": sealer.seal(params)} if is_call(params) else dict(task)
        for task in tasks
        for params in [task["task_params"]]
    ]
    keep_new(session, sealer)
    return sealed


async def secure_task(
    session: AsyncSession,
    vault: Vault | None,
    params: Params,
    saved: Sequence[Params],
    *,
    integration_id: UUID | None,
) -> dict[str, Any]:
    """Return the parameters of one task as `secure_tasks` does.

    Raises:
        ManyInvalidError: as there.
    """
    try:
        (secured,) = await secure_tasks(
            session,
            vault,
            [{"task_params": params}],
            saved,
            integration_id=integration_id,
            pointer="",
        )
    except ManyInvalidError as error:
        problems = [
            InvalidError(one.detail, pointer=f"{ATTRIBUTES}{(one.pointer or '')[2:]}")
            for one in error.problems
        ]
        raise ManyInvalidError(problems) from None
    return dict(secured["task_params"])


async def check_secrets(
    session: AsyncSession,
    tasks: Sequence[WorkflowTask],
    integration_id: UUID | None,
    pointer: str,
) -> None:
    """Check that tasks may use the secrets they refer to when their workflow gets an account.

    Raises:
        ManyInvalidError: they may not.
    """
    where = f"{pointer}/integration_id"
    calls = [task.task_params for task in tasks if is_call(task.task_params)]
    named = [(where, name) for params in calls for _, name in names_in(params)]
    if problems := await problems_of_names(session, named, integration_id):
        raise ManyInvalidError(problems)


async def checked_sealer(
    session: AsyncSession,
    vault: Vault | None,
    tasks: Sequence[Mapping[str, Any]],
    saved: Sequence[Params],
    *,
    integration_id: UUID | None,
    pointer: str,
) -> Sealer:
    """Return what seals tasks, whose secrets are in order.

    Raises:
        ManyInvalidError: references to secrets or masks that cannot be right.
    """
    calls = [
        (f"{pointer}/{index}/task_params", task["task_params"])
        for index, task in enumerate(tasks)
        if is_call(task["task_params"])
    ]
    named = [(f"{at}/{field}", name) for at, params in calls for field, name in names_in(params)]
    problems = await problems_of_names(session, named, integration_id)
    problems += [each for at, params in calls for each in mask_problems(params, saved, at)]
    if problems:
        raise ManyInvalidError(problems)
    return await sealer_for(session, vault, filter(is_call, saved), [each for _, each in calls])


def mask_problems(params: Params, saved: Sequence[Params], pointer: str) -> list[InvalidError]:
    """Return what is wrong with the masks in the parameters of a call. Pure.

    A mask is good in the workflow that it was made for, and for the scheme and host that it was
    sent to: who may write workflows may not find out a value by letting it be sent elsewhere, or in
    clear. Where a template decides about these, the address must stay as it is.
    """
    problems = []
    for field in FIELDS:
        text = params.get(field)
        if not isinstance(text, str):
            continue
        for mask in dict.fromkeys(MASK.findall(text)):
            owners = [each for each in saved if is_call(each) and mask in masks_of(dict(each))]
            if detail := _mask_problem(mask, params, owners):
                problems.append(InvalidError(f"{field}: {detail}", pointer=f"{pointer}/{field}"))
        if found := NO_VALUE.search(text):
            detail = f"{found.group()} stands where a value was hidden. Enter the value."
            problems.append(InvalidError(f"{field}: {detail}", pointer=f"{pointer}/{field}"))
    return problems


def _mask_problem(mask: str, params: Params, owners: Sequence[Params]) -> str | None:
    if not owners:
        return (
            f"{mask} stands for a secret that no task of this workflow has. Enter the value, or "
            "use a named secret: {{ secrets.NAME }}."
        )
    url, urls = _url(params), [_url(owner) for owner in owners]
    if url in urls:
        return None
    beginnings = {fixed_beginning(each) for each in urls}
    if (beginning := fixed_beginning(url)) is not None and beginning in beginnings:
        return None
    known = ", ".join(sorted(host_of(owner) for owner in owners))
    return f"{mask} was entered for {known}. Enter it again for {beginning or url}."


def fixed_beginning(url: str) -> str | None:
    """Return the scheme and the host of an address, if no template decides about them. Pure.

    What stands before the first tag is sent as it is, so behind the host a tag may say anything.
    """
    found = FIXED_BEGINNING.match(url)
    return found.group(1).lower() if found else None


def _url(params: Params) -> str:
    return str(params.get("url", "")).strip()


def host_of(params: Params) -> str:
    """Return the host in an address, as it is written. Pure."""
    rest = str(params.get("url", "")).strip().partition("://")[2]
    host = rest.replace("\\", "/").partition("/")[0].partition("?")[0].partition("#")[0]
    return host.rpartition("@")[2].lower()


def reference_problems(params: Params, pointer: str) -> list[InvalidError]:
    """Return what is wrong with where references to secrets stand. Pure.

    The host of a call is looked at before it is made, and errors name it: only the whole address,
    or its beginning, may be a secret.
    """
    if not is_call(params) or not MARKER.search(host_of(mark(params))):
        return []
    detail = "url: a secret cannot be a part of the host. Make the beginning of the address one."
    return [InvalidError(detail, pointer=f"{pointer}/url")]
