"""Default targets: whom workflows page that name nobody, looked for before they are kept."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.errors import InvalidError, ManyInvalidError
from pagersync.http import AsyncClient
from pagersync.integrations.directory import LISTS, TargetReference, resolve_targets
from pagersync.integrations.directory_models import DirectoryKind
from pagersync.integrations.directory_store import Listed, write_listed
from pagersync.pagertree.client import VERIFY_TIMEOUT_S, PagerTree

Targets = Mapping[str, list[dict[str, Any]]]
"""As an integration keeps them: `teams`, `users` and `routers`, each a list of ids and names."""


async def list_named_kinds(
    client: AsyncClient, targets: Targets, *, api_key: str, pagertree_url: str
) -> Listed:
    """Return all that PagerTree has of the kinds among `targets`: of an account not yet connected.

    Raises:
        PagerTreeError: PagerTree could not be asked, or refused.
    """
    timeout_s = client.timeout.read or VERIFY_TIMEOUT_S
    pagertree = PagerTree(client, pagertree_url=pagertree_url, api_key=api_key, timeout_s=timeout_s)
    return {kind: await LISTS[kind](pagertree) for kind in DirectoryKind if targets.get(f"{kind}s")}


async def check_listed_targets(
    session: AsyncSession, integration_id: UUID, targets: Targets, listed: Listed
) -> None:
    """Keep what PagerTree has just listed for a new account, and look for its targets there.

    Raises:
        ManyInvalidError: as `check_default_targets` does.
    """
    now = (await session.execute(select(func.now()))).scalar_one()
    await write_listed(session, integration_id, listed, now)
    await check_default_targets(session, integration_id, targets)


async def check_default_targets(
    session: AsyncSession, integration_id: UUID, targets: Targets
) -> None:
    """Return if each target is in the directory.

    Raises:
        ManyInvalidError: some fit nothing, several, or what PagerTree no longer lists; each has
            its pointer.
    """
    references = {
        kind: [
            TargetReference(id=one.get("id"), name=one.get("name")) for one in targets.get(kind, ())
        ]
        for kind in ("teams", "users", "routers")
    }
    try:
        await resolve_targets(session, integration_id, **references)
    except ManyInvalidError as error:
        raise ManyInvalidError([_moved(problem) for problem in error.problems]) from None


def _moved(problem: InvalidError) -> InvalidError:
    where = (problem.pointer or "").removeprefix("/data/attributes/")
    return InvalidError(problem.detail, pointer=f"/data/attributes/default_targets/{where}")
