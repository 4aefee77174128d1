"""Default targets: whom workflows page that name nobody, looked for before they are kept."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.errors import InvalidError, ManyInvalidError
from pagersync.http import AsyncClient
from pagersync.integrations.directory import LISTS, resolve_targets
from pagersync.integrations.directory_models import DirectoryKind
from pagersync.integrations.directory_store import Listed, write_listed
from pagersync.integrations.saved_references import KINDS, is_template, reference_of, settle
from pagersync.integrations.service import get_integration
from pagersync.pagertree.client import VERIFY_TIMEOUT_S, PagerTree

POINTER: Final = "/data/attributes/default_targets"

Targets = Mapping[str, list[dict[str, Any]]]
"""As an integration keeps them: `teams`, `users` and `routers`, each a list of ids and names."""


async def list_named_kinds(
    client: AsyncClient,
    columns: Mapping[str, Any],
    *,
    api_key: SecretStr | None,
    verify: bool,
) -> Listed | None:
    """Return all that PagerTree has of the kinds among an account's new `default_targets`.

    Args:
        client: to ask PagerTree.
        columns: `default_targets`, if they are to be set, and `pagertree_url` with a new key.
        api_key: the new key; without one PagerTree is not asked.
        verify: False does without PagerTree.

    Raises:
        PagerTreeError: PagerTree could not be asked, or refused.
    """
    targets = columns.get("default_targets")
    if targets is None or api_key is None or not verify:
        return None
    timeout_s = client.timeout.read or VERIFY_TIMEOUT_S
    pagertree = PagerTree(
        client,
        pagertree_url=columns["pagertree_url"],
        api_key=api_key.get_secret_value(),
        timeout_s=timeout_s,
    )
    return {kind: await LISTS[kind](pagertree) for kind in DirectoryKind if targets.get(f"{kind}s")}


async def check_default_targets(
    session: AsyncSession, integration_id: UUID, targets: Targets, listed: Listed | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Return default targets as they are to be saved, with PagerTree's ids.

    Args:
        session: to look there.
        integration_id: the account.
        targets: as an integration keeps them.
        listed: what PagerTree has just listed; the directory gets it first.

    Raises:
        ManyInvalidError: some fit nothing, several, or what PagerTree no longer lists; each has
            its pointer.
    """
    if listed is not None:
        now = (await session.execute(select(func.now()))).scalar_one()
        await write_listed(session, integration_id, listed, now, doubted=listed.keys())
    integration = await get_integration(session, integration_id)
    if listed is not None and integration.directory_synced_at is None:
        # The kinds that are named have just been listed: what they lack is not there.
        teams, users, routers = (
            [reference_of(one) for one in targets.get(kind, ())] for kind in KINDS
        )
        try:
            await resolve_targets(
                session, integration_id, teams=teams, users=users, routers=routers
            )
        except ManyInvalidError as error:
            raise ManyInvalidError([_moved(problem) for problem in error.problems]) from None
    settled, problems = await settle(
        session, integration, targets, integration.default_targets, POINTER
    )
    if problems:
        raise ManyInvalidError(problems)
    return settled


def found_targets(found: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return targets that were found as an integration keeps them: with the names of now."""
    return {
        kind: [
            {"id": one["pagertree_id"]} | ({} if is_template(one) else {"name": one["name"]})
            for one in found
            if f"{one['kind']}s" == kind
        ]
        for kind in KINDS
    }


def _moved(problem: InvalidError) -> InvalidError:
    where = (problem.pointer or "").removeprefix("/data/attributes/")
    return InvalidError(problem.detail, pointer=f"{POINTER}/{where}")
