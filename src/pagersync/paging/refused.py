"""A page that PagerTree refuses because of one of its targets: the others are paged.

Which one it refuses is known if its words name an id of it, or its name in quotes. That one is
skipped. If they name none, or all of them, the default targets of the account are tried once.
Nothing was sent, so a process that dies here leaves a page that is looked for and sent again.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Connection, create_sessions
from pagersync.database.queue import Outcome
from pagersync.database.session import driver_connection
from pagersync.errors import PagerTreeError, Rejected
from pagersync.incidents.activity import Activity, add_activity
from pagersync.integrations.models import Integration
from pagersync.paging.models import Page
from pagersync.paging.page_targets import PageTarget, paged
from pagersync.paging.step import End, Work
from pagersync.paging.store import note_run
from pagersync.paging.whom import look_up_defaults

ABOUT_TARGETS: Final = (400, 404, 422)
"""Statuses of refusals that may be about a target: what PagerTree says of one is not documented."""


async def send_to_others_if_refused(
    engine: AsyncEngine, work: Work, error: PagerTreeError
) -> End | None:
    """Let a page that PagerTree refused go out to other targets; None if there are none to try."""
    is_refused = isinstance(error, Rejected) and not error.is_cut
    if not is_refused or error.http_status not in ABOUT_TARGETS or work.page_id is None:
        return None
    refusal = error
    async with create_sessions(engine).begin() as session:
        page = await session.get_one(
            Page, (work.page_id, work.integration_id), with_for_update=True, populate_existing=True
        )
        targets = without_named(page.targets, refusal.detail)
        note = f"PagerTree refused {_names(page.targets, targets)}: {refusal.detail}"
        if targets is None:
            account = await session.get_one(Integration, work.integration_id)
            defaults = (await look_up_defaults(session, account)).targets
            targets = with_defaults(page.targets, paged(defaults), refusal.detail)
            note = (
                f"PagerTree refused the page: {refusal.detail}; so the default targets of the "
                f"account {account.name!r} are tried instead"
            )
        if targets is None:
            return None
        await _write(await driver_connection(session), page, targets, note)
    return End(Outcome.snooze(work.id, delay_s=0, reason=note))


def without_named(targets: Sequence[PageTarget], said: str) -> list[PageTarget] | None:
    """Return targets with those skipped that a refusal names; None if it names none, or all. Pure.

    Args:
        targets: of the page.
        said: PagerTree's words.
    """
    before = paged(targets)
    named = [target for target in before if _is_named(target, said)]
    if not named or len(named) == len(before):
        return None
    return [_skipped(one, said) if one in named else one for one in targets]


def with_defaults(
    targets: Sequence[PageTarget], defaults: Sequence[Mapping[str, Any]], said: str
) -> list[PageTarget] | None:
    """Return default targets in the place of refused ones; None if all were tried already. Pure."""
    tried = {target["pagertree_id"] for target in targets}
    fresh = [dict(one) for one in defaults if one["pagertree_id"] not in tried]
    if not fresh:
        return None
    return [*fresh, *(one if one.get("skipped") else _skipped(one, said) for one in targets)]


def _is_named(target: Mapping[str, Any], said: str) -> bool:
    ids = [target["pagertree_id"], target.get("prefix_id")]
    quoted = [f"{mark}{target['name']}{mark}" for mark in "'\""]
    return any(each in said for each in (*ids, *quoted) if each)


def _skipped(target: PageTarget, said: str) -> PageTarget:
    return {**target, "skipped": f"PagerTree refused it: {said}"}


def _names(before: Sequence[PageTarget], after: Sequence[PageTarget] | None) -> str:
    left = paged(after or ())
    gone = [one for one in paged(before) if one not in left]
    return ", ".join(f"the {one['kind']} {one['name']!r}" for one in gone)


async def _write(
    connection: Connection, page: Page, targets: Sequence[PageTarget], note: str
) -> None:
    """Change whom a page is for, and tell the page, the run that asked for it, and timelines."""
    now = await connection.fetchval(_CHANGE, page.id, json.dumps([*targets]), note)
    await note_run(connection, page.id, note)
    if page.incident_id is not None:
        activity = Activity(
            incident_id=page.incident_id,
            event=f"The page {page.title!r}: {note}.",
            source="system",
            occurred_at=now,
            page_id=page.id,
            workflow_run_id=page.workflow_run_id,
        )
        await add_activity(connection, [activity])


_CHANGE: Final = """
UPDATE pages SET targets = $2::jsonb, notes = notes || $3::text, updated_at = now()
WHERE id = $1 RETURNING now() AS now
"""
