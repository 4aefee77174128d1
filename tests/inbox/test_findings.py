"""Webhooks of PagerTree that became nothing: `doctor` counts them, and names the command."""

import hashlib

import pytest

from pagersync.database.base import new_id
from pagersync.database.engine import Sessions
from pagersync.inbox.findings import find_delivery_problems
from pagersync.inbox.models import Delivery
from pagersync.settings import Settings


async def ended(sessions: Sessions, state: str, error: str) -> None:
    body = f"{state} {error}".encode()
    async with sessions.begin() as session:
        session.add(
            Delivery(
                integration_id=new_id(),
                body_sha256=hashlib.sha256(body).digest(),
                body=body,
                state=state,
                last_error=error,
            )
        )


@pytest.mark.parametrize("state", ["dead", "invalid", "limited"])
async def test_webhooks_that_became_nothing_are_counted_with_reason_and_command(
    sessions: Sessions, settings: Settings, state: str
) -> None:
    await ended(sessions, state, "the first")
    await ended(sessions, state, "the second.")
    for fine in ("done", "ignored"):
        await ended(sessions, fine, "")
    async with sessions() as session:
        (finding,) = await find_delivery_problems(session, settings)
    assert finding.code == f"deliveries_{state}"
    assert finding.detail.endswith(": 2. The newest: the second.")
    assert finding.remedy.endswith(f"pagersync deliveries replay --state {state}")
