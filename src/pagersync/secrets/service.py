"""Named secrets: added, changed, removed, and who uses them."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.base import new_id
from pagersync.database.engine import Connection
from pagersync.database.session import driver_connection
from pagersync.errors import ConflictError, InvalidError, NotFoundError
from pagersync.integrations.models import Integration
from pagersync.integrations.values import to_uuid
from pagersync.integrations.vault import SecretKeyError, Vault
from pagersync.pagertree.payloads import storable
from pagersync.secrets.literals import REFERENCE
from pagersync.secrets.models import Secret
from pagersync.secrets.references import NAME, names_in
from pagersync.secrets.sealing import may_use

SECRETS_MAX: Final = 1_000
VALUE_CHARACTERS_MIN: Final = 6
VALUE_CHARACTERS_MAX: Final = 8_000
ATTRIBUTES: Final = "/data/attributes"


@dataclass(frozen=True, slots=True)
class Use:
    """What refers to a secret: a task of a workflow, or an endpoint."""

    kind: str
    name: str

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.kind} {self.name!r}"


def checked_name(name: str) -> str:
    """Return a name by which a secret can be referred to.

    Raises:
        ValueError: it cannot.
    """
    if not NAME.fullmatch(name):
        raise ValueError("must begin with a letter and have letters, digits and _, 64 at most")
    return name


def checked_value(value: str) -> str:
    """Return a value that can be kept, sent, and found again in answers.

    Raises:
        ValueError: it cannot.
    """
    if not VALUE_CHARACTERS_MIN <= len(value) <= VALUE_CHARACTERS_MAX:
        raise ValueError(
            f"must have {VALUE_CHARACTERS_MIN} to {VALUE_CHARACTERS_MAX} characters: a shorter one "
            "cannot be hidden in answers"
        )
    if value != storable(value):
        raise ValueError("holds a NUL character or half a surrogate pair")
    return value


async def add_secret(
    session: AsyncSession, vault: Vault, values: Mapping[str, Any], *, requested_by: str
) -> Secret:
    """Add a secret: `name`, `value`, `integration_ids`.

    Raises:
        ConflictError: the name is taken, or there are too many.
        InvalidError: it is for an account that there is not.
    """
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtext("secrets"))))
    names = await names_of(session)
    if values["name"] in names:
        detail = f"There is a secret {values['name']!r} already: change its value instead."
        raise ConflictError(detail, pointer=f"{ATTRIBUTES}/name")
    if len(names) >= SECRETS_MAX:
        raise ConflictError(f"Limit of {SECRETS_MAX} secrets reached. Remove one first.")
    secret = Secret(id=new_id(), name=values["name"], version=0, created_by=requested_by)
    session.add(secret)
    return await change_secret(session, vault, secret, values, requested_by=requested_by)


async def change_secret(
    session: AsyncSession,
    vault: Vault,
    secret: Secret,
    values: Mapping[str, Any],
    *,
    requested_by: str,
) -> Secret:
    """Set the value of a secret, which is locked, or the accounts that it is for.

    Raises:
        InvalidError: it is for an account that there is not.
    """
    with session.no_autoflush:  # a new one is not whole before
        if (ids := values.get("integration_ids")) is not None:
            secret.integration_ids = await _checked_accounts(session, ids)
    if (value := values.get("value")) is not None:
        secret.value_encrypted = vault.encrypt(value)
    secret.updated_by = requested_by
    secret.version += 1
    await session.flush()
    await session.refresh(secret)
    return secret


async def get_secret(session: AsyncSession, reference: UUID | str, *, lock: bool = False) -> Secret:
    """Return a secret by its id or its name.

    Raises:
        NotFoundError: there is none.
    """
    text = str(reference)
    secret_id = to_uuid(text)
    is_it = Secret.name == text if secret_id is None else Secret.id == secret_id
    statement = select(Secret).where(is_it)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    secret = await session.scalar(statement) if text.isprintable() else None
    if secret is None:
        raise NotFoundError(f"There is no secret {text!r}: `pagersync secrets list`")
    return secret


async def list_secrets(session: AsyncSession) -> Sequence[Secret]:
    """Return every secret, by name."""
    return (await session.scalars(select(Secret).order_by(Secret.name))).all()


async def names_of(session: AsyncSession) -> list[str]:
    """Return the names of all secrets."""
    return list(await session.scalars(select(Secret.name).order_by(Secret.name)))


async def remove_secret(
    session: AsyncSession, vault: Vault, secret: Secret, *, force: bool
) -> list[Use]:
    """Remove a secret, which is locked; return who used it.

    Raises:
        ConflictError: somebody uses it, and `force` is not given.
    """
    uses = await uses_of(session, vault, secret.name)
    if uses and not force:
        users = ", ".join(map(str, uses))
        raise ConflictError(
            f"The secret {secret.name!r} is used by {users}. Change them first, or remove it all "
            "the same with `force`: their calls will fail."
        )
    await session.execute(delete(Secret).where(Secret.id == secret.id))
    return uses


async def uses_of(session: AsyncSession, vault: Vault, name: str) -> list[Use]:
    """Return the tasks of workflows and the endpoints that refer to a secret."""
    connection = await driver_connection(session)
    calls = await list_calls(connection, like=f"%secrets.{name}%")
    endpoints = await connection.fetch(_ENDPOINTS)
    return [
        *(
            Use(f"the task {task!r} of the workflow", workflow)
            for workflow, task, params in calls
            if name in {each for _, each in names_in(params)}
        ),
        *(
            Use("the webhook endpoint", row["name"])
            for row in endpoints
            if name
            in REFERENCE.findall(f"{row['url']} {_headers(vault, row['custom_headers_encrypted'])}")
        ),
    ]


async def list_calls(
    connection: Connection, *, like: str = "%"
) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the calls of workflows that are like a pattern: workflow, task and parameters."""
    rows = await connection.fetch(_CALLS, like)
    return [(row["workflow"], row["task"], json.loads(row["params"])) for row in rows]


def _headers(vault: Vault, encrypted: bytes | None) -> str:
    """Return an endpoint's headers; none that cannot be decrypted: they are sent nowhere."""
    with suppress(SecretKeyError):
        return vault.decrypt(encrypted or b"")
    return ""


async def problems_of_names(
    session: AsyncSession, named: Sequence[tuple[str, str]], integration_id: UUID | None
) -> list[InvalidError]:
    """Return what is wrong with references, each with its pointer; those that are right stay.

    Nobody can remove a secret that is being referred to until the transaction ends.
    """
    if not named:
        return []
    wanted = [name for _, name in named]
    statement = select(Secret).where(Secret.name.in_(wanted)).order_by(Secret.id)
    found = await session.scalars(statement.with_for_update(read=True, key_share=True))
    known = {secret.name: secret.integration_ids for secret in found}
    every = await names_of(session) if known.keys() != set(wanted) else []
    problems = []
    for pointer, name in named:
        if name not in known:
            problems.append(InvalidError(_unknown(name, every), pointer=pointer))
        elif not may_use(known[name], integration_id):
            detail = f"The secret {name!r} is for other accounts than this is for."
            problems.append(InvalidError(detail, pointer=pointer))
    return problems


def _unknown(name: str, every: Sequence[str]) -> str:
    near = get_close_matches(name, every)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    known = f" There are {', '.join(every[:20])}." if every else ""
    return f"There is no secret {name!r}.{hint}{known} `pagersync secrets add {name}` adds it."


async def _checked_accounts(session: AsyncSession, ids: Sequence[UUID]) -> list[UUID]:
    statement = select(Integration.id).where(
        Integration.id.in_(ids), Integration.removed_at.is_(None)
    )
    known = set(await session.scalars(statement))
    for position, each in enumerate(ids):
        if each not in known:
            pointer = f"{ATTRIBUTES}/integration_ids/{position}"
            raise InvalidError(f"There is no integration {each}.", pointer=pointer)
    return list(dict.fromkeys(ids))


_CALLS: Final = """
SELECT w.name AS workflow, t.name AS task, t.task_params::text AS params
FROM workflow_tasks t JOIN workflows w ON w.id = t.workflow_id
WHERE w.removed_at IS NULL AND t.task_params ->> 'task_type' = 'http_client'
  AND t.task_params::text LIKE $1
ORDER BY w.id, t.position
"""

_ENDPOINTS: Final = """
SELECT name, url, custom_headers_encrypted FROM webhook_endpoints
WHERE removed_at IS NULL ORDER BY id
"""
