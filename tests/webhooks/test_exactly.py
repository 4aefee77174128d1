"""Nothing is lost and nothing is invented, whatever breaks off."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import raw_connection
from pagersync.events.publish import Cause
from pagersync.incidents.service import NewIncident, create_incident
from pagersync.integrations.vault import open_vault
from pagersync.retention import sweep
from pagersync.settings import Settings
from pagersync.webhooks.models import WebhookState
from pagersync.webhooks.sender import WebhookSender, webhooks_queue
from pagersync.webhooks.service import change_endpoint, get_endpoint
from pagersync.worker import create_clients
from tests.support.awaits import MOMENTS, chosen
from tests.support.hurry import let_leases_run_out
from tests.support.kill_points import Gallows, Job, Moment, running_gallows
from tests.support.wait import eventually
from tests.support.workers import Workers
from tests.webhooks.conftest import Hooks

pytestmark = pytest.mark.long

PERSON = Cause("Ada", "api")


async def declare(hooks: Hooks, title: str = "Checkout is down") -> None:
    async with hooks.sessions.begin() as session:
        await create_incident(session, NewIncident(title=title), PERSON)


async def rows(engine: AsyncEngine, statement: str, *values: Any) -> list[dict[str, Any]]:
    async with raw_connection(engine) as connection:
        return [dict(row) for row in await connection.fetch(statement, *values)]


async def take_back(engine: AsyncEngine) -> None:
    """Take everybody who sends for dead."""
    async with raw_connection(engine) as connection:
        await let_leases_run_out(connection, "webhook_deliveries")
        await webhooks_queue().expire(connection)


async def test_what_is_rolled_back_is_told_to_nobody(quiet: Hooks) -> None:
    await quiet.add()
    async with quiet.sessions() as session:
        await create_incident(session, NewIncident(title="never was"), PERSON)
        await session.rollback()
    assert await rows(quiet.engine, "SELECT FROM webhook_deliveries") == []


async def test_deliveries_are_there_when_their_event_is(quiet: Hooks) -> None:
    for path in ("/a", "/b"):
        await quiet.add(path, event_types=["incident.created"])
    await declare(quiet)
    found = await rows(
        quiet.engine,
        "SELECT w.* FROM webhook_deliveries w JOIN domain_events d ON d.id = w.domain_event_id",
    )
    assert [(row["event_id"], row["state"]) for row in found] == 2 * [
        (found[0]["domain_event_id"], "queued")
    ]
    assert all(row["id"].version == 7 for row in found)
    assert len({row["id"] for row in found}) == 2


async def test_a_call_whose_end_was_not_recorded_is_made_again(
    quiet: Hooks, hook_settings: Settings
) -> None:
    quiet.receiver.held.add("/hook")
    made = await quiet.add(event_types=["incident.created"])
    await declare(quiet)
    queue = webhooks_queue()
    async with raw_connection(quiet.engine) as connection:
        batch = await queue.claim(connection, rows_max=1)
    clients = create_clients(hook_settings)
    sender = WebhookSender(
        quiet.engine,
        queue,
        http=clients.webhooks,
        vault=open_vault(hook_settings),
        settings=hook_settings,
    )
    sending = asyncio.create_task(sender.take(batch.token, batch.rows[0]["id"]))
    await quiet.received(1)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await clients.aclose()
    (running,) = await quiet.deliveries(made)
    assert (running["state"], running["delivered_at"]) == ("running", None)
    quiet.receiver.released.set()
    await take_back(quiet.engine)
    workers = Workers(hook_settings)
    workers.start()
    (done,) = await quiet.reached(made, "done")
    await workers.stop()
    first, second = await quiet.received(2)
    assert (first.id, first.body) == (second.id, second.body)
    assert done["attempt"] == 2


@pytest.fixture(scope="module")
async def gallows(hook_settings: Settings) -> AsyncIterator[Gallows]:
    async with running_gallows(hook_settings) as gallows:
        yield gallows


@pytest.mark.parametrize(("moment", "step"), MOMENTS)
async def test_a_sender_that_is_killed_anywhere_loses_nothing(
    quiet: Hooks, gallows: Gallows, moment: Moment, step: int
) -> None:
    made = await quiet.add(event_types=["incident.created"])
    await declare(quiet, "0")
    await gallows.run(Job(made["id"], "tell", is_rehearsal=True))
    survived: int | None = None
    for fatal in chosen(step):
        await declare(quiet, str(fatal))
        survived = await gallows.run(Job(made["id"], "tell", fatal, moment))
        await take_back(quiet.engine)
        assert await gallows.run(Job(made["id"], "tell"))
        if survived is not None:
            break
    told = await rows(quiet.engine, "SELECT id, event_id, state, payload FROM webhook_deliveries")
    assert Counter(row["state"] for row in told) == {"done": len(told)}
    assert survived is not None
    assert survived > 40, "so many awaits there are at least, at whichever of them it was killed"
    bodies = {(row["event_id"], row["payload"].encode()) for row in told}
    assert {(UUID(request.id), request.body) for request in quiet.receiver.requests} == bodies


async def test_what_waits_is_not_held_when_its_endpoint_is_enabled_at_that_very_moment(
    quiet: Hooks, hook_settings: Settings
) -> None:
    made = await quiet.add(event_types=["incident.created"])
    await declare(quiet)
    await quiet.change(made, enabled=False)
    workers = Workers(hook_settings)
    async with quiet.sessions.begin() as session:
        endpoint = await get_endpoint(session, made["id"], lock=True)
        await change_endpoint(session, open_vault(hook_settings), endpoint, {"enabled": True})
        workers.start()
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        await eventually(lambda: rows(quiet.engine, waiting))
    await quiet.reached(made, "done")
    await workers.stop()


async def test_an_event_that_was_removed_first_is_no_reason_to_try_for_ever(
    quiet: Hooks, hook_settings: Settings
) -> None:
    made = await quiet.add()
    await declare(quiet)
    await quiet.execute("DELETE FROM domain_events; UPDATE webhook_deliveries SET attempt = 9")
    workers = Workers(hook_settings)
    workers.start()
    (dead,) = await quiet.reached(made, "dead")
    await workers.stop()
    assert "it was too old" in dead["last_error"]
    assert (await quiet.show(made))["failing_since"] is None


@pytest.mark.parametrize("rows_max", [1, 1000])
async def test_what_was_delivered_goes_after_a_while_and_the_rest_stays(
    quiet: Hooks, settings: Settings, monkeypatch: pytest.MonkeyPatch, rows_max: int
) -> None:
    monkeypatch.setattr(sweep, "ROWS_MAX", rows_max)
    made = await quiet.add(event_types=["incident.created"])
    states = [state.value for state in WebhookState]
    for state in (*states, "done"):
        await declare(quiet, state)
    await quiet.execute(
        """
        UPDATE webhook_deliveries
        SET id = ('018' || substr(id::text, 4))::uuid, updated_at = now() - interval '31 days';
        UPDATE webhook_deliveries w SET state = d.data ->> 'title'
        FROM domain_events d WHERE d.id = w.domain_event_id;
        INSERT INTO webhook_attempts (id, delivery_id, started_at, duration_ms)
        SELECT gen_random_uuid(), id, now(), 1 FROM webhook_deliveries
        """
    )
    async with raw_connection(quiet.engine) as connection:
        for_ever = settings.model_copy(update={"retention_days": 30, "attention_days": 0})
        await sweep.remove_old_rows(connection, for_ever, asyncio.Event())
    kept = {delivery["state"] for delivery in await quiet.deliveries(made)}
    assert kept == set(states) - {"done", "canceled"}
    assert len(await rows(quiet.engine, "SELECT FROM webhook_attempts")) == len(kept)


async def test_a_name_with_a_private_address_is_never_called(
    quiet: Hooks, settings: Settings
) -> None:
    made = await quiet.add(url=quiet.url.replace("127.0.0.1", "localhost"))
    await declare(quiet)
    workers = Workers(settings)  # for which nothing private may be called
    workers.start()

    async def failed() -> bool:
        (delivery,) = await quiet.deliveries(made)
        return bool(delivery["last_error"])

    await eventually(failed)
    await workers.stop()
    (delivery,) = await quiet.deliveries(made)
    assert delivery["state"] == "queued"
    assert "PAGERSYNC_WEBHOOK_PRIVATE_ADDRESSES=true would allow it" in delivery["last_error"]
    assert quiet.receiver.requests == []
