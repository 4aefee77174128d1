"""Whatever people change, an incident pages somebody, or a loud failure exists: never silence.

Random sequences of changes of directories, workflows, accounts and texts, then one incident.
`PAGERSYNC_PEOPLE_SEED=7 make test ARGS="-k somebody_is_paged"` replays one sequence.
"""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from random import Random
from typing import Final

import pytest
from sqlalchemy import select

from pagersync.database.engine import Sessions
from pagersync.events.models import DomainEvent
from pagersync.http import AsyncClient
from pagersync.incidents.models import IncidentEvent
from pagersync.settings import Settings
from tests.support.pagertree import SimulatedPagerTree, simulated_pagertree
from tests.support.people import World, declare, play
from tests.support.server import running_server
from tests.support.wait import eventually

pytestmark = pytest.mark.long

SEQUENCES: Final = 60
BY_DAY: Final = 10
MOVES_MAX: Final = 7

PAGED: Final = ("sent", "confirmed", "acknowledged", "resolved", "stuck")
LOUD: Final = "incident.unpaged"


def sequences() -> list[int]:
    """Return the seeds of today; all come within six days."""
    if given := os.environ.get("PAGERSYNC_PEOPLE_SEED"):
        return [int(given)]
    day = int(os.environ.get("TESTS_DAY", datetime.now(UTC).toordinal()))
    runs = int(os.environ.get("PAGERSYNC_PEOPLE_RUNS", BY_DAY))
    return [(day * BY_DAY + number) % max(SEQUENCES, runs) for number in range(runs)]


@pytest.fixture
async def pagertree() -> AsyncIterator[SimulatedPagerTree]:
    async with simulated_pagertree() as running:
        yield running


@pytest.fixture
async def api(
    sessions: Sessions, settings: Settings, token: str, pagertree: SimulatedPagerTree
) -> AsyncIterator[AsyncClient]:
    """Yield a client of a service that is quick to say what is wrong."""
    del sessions, pagertree  # needed only to be there
    quick = settings.model_copy(
        update={
            "search_settle_s": 0.3,
            "pagertree_timeout_s": 1.0,
            "pagertree_calls_per_s": 1000.0,
            "pagertree_burst_calls": 1000,
            "unpaged_s": 1.0,
        }
    )
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        running_server(quick) as url,
        AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30) as client,
    ):
        yield client


@pytest.mark.parametrize("seed", sequences())
async def test_somebody_is_paged_or_a_loud_failure_exists_whatever_people_change(
    api: AsyncClient, pagertree: SimulatedPagerTree, sessions: Sessions, seed: int
) -> None:
    rng = Random(seed)
    pagertree.simulator.reset()
    world = World(rng, api, pagertree)
    team = pagertree.simulator.directory.teams[0].name
    assert await world.connect("acme", default_targets={"teams": [{"name": team}]})
    await play(world, rng.randint(1, MOVES_MAX))
    answer = await declare(world)
    assert answer.status_code == 201, (seed, world.told)
    incident_id = answer.json()["data"]["id"]

    async def ending() -> str | None:
        if await is_paged(api, incident_id):
            return "paged"
        return "loud" if await is_loud(sessions, incident_id) else None

    try:
        await eventually(ending, timeout_s=20)
    except AssertionError:
        story = "\n".join(world.told)
        raise AssertionError(f"PAGERSYNC_PEOPLE_SEED={seed}: silence after\n{story}") from None


async def is_paged(api: AsyncClient, incident_id: str) -> bool:
    """Tell whether PagerTree has a page of the incident."""
    found = (await api.get(f"/v1/pages?filter[incident_id]={incident_id}")).json()["data"]
    return any(page["attributes"]["status"] in PAGED for page in found)


async def is_loud(sessions: Sessions, incident_id: str) -> bool:
    """Tell whether the event and the timeline both say that nobody was paged."""
    async with sessions() as session:
        told = select(DomainEvent.id).where(
            DomainEvent.type == LOUD, DomainEvent.subject_id == incident_id
        )
        shown = select(IncidentEvent.id).where(
            IncidentEvent.incident_id == incident_id,
            IncidentEvent.event.startswith("Nobody was paged"),
        )
        return None not in (
            await session.scalar(told.limit(1)),
            await session.scalar(shown.limit(1)),
        )
