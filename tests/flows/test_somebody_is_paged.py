"""Whatever people change, incidents and alerts page somebody, or it is told: never silence.

Random sequences of changes of directories, workflows, accounts and texts, then one incident or one
alert, and a few changes just after it.
`PAGERSYNC_PEOPLE_SEED=7 make test ARGS="-k somebody_is_paged"` replays one sequence.
"""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from random import Random
from typing import Final
from uuid import UUID

import pytest
from sqlalchemy import select

from pagersync.database.engine import Sessions
from pagersync.events.models import DomainEvent
from pagersync.http import AsyncClient
from pagersync.incidents.models import IncidentEvent
from pagersync.paging.models import Page
from pagersync.settings import Settings
from tests.support.pagertree import SimulatedPagerTree, simulated_pagertree
from tests.support.people import (
    ENDING,
    LATE,
    MOVES,
    World,
    declare,
    page_for_alerts,
    play,
    raise_alert,
    raise_alert_for_a_workflow,
)
from tests.support.server import running_server
from tests.support.wait import eventually

pytestmark = pytest.mark.long

SEQUENCES: Final = 60
BY_DAY: Final = 10
MOVES_MAX: Final = 7
LATE_MAX: Final = 2

PAGED: Final = ("confirmed", "acknowledged", "resolved")
"""PagerTree pages people. One that it has, and pages nobody for, must be told like any other."""

LOUD: Final = "nobody_pages"
"""The finding that no workflow pages for new incidents."""


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
            "page_stuck_s": 1.0,
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
    world = await begin(api, pagertree, seed)
    await play(world, world.rng.randint(1, MOVES_MAX), MOVES + ENDING)
    answer = await declare(world)
    await play(world, world.rng.randint(0, LATE_MAX), LATE)
    assert answer.status_code == 201, world.told
    await is_no_silence(world, sessions, "incident", answer.json()["data"]["id"])


@pytest.mark.parametrize("seed", sequences())
async def test_an_alert_that_names_teams_pages_somebody_or_is_refused_or_told(
    api: AsyncClient, pagertree: SimulatedPagerTree, sessions: Sessions, seed: int
) -> None:
    world = await begin(api, pagertree, seed)
    await play(world, world.rng.randint(1, MOVES_MAX), MOVES + ENDING)
    answer = await raise_alert(world)
    await play(world, world.rng.randint(0, LATE_MAX), LATE)
    if answer.status_code != 201:
        assert answer.status_code == 422, world.told
        return
    await is_no_silence(world, sessions, "alert", answer.json()["data"]["id"])


@pytest.mark.parametrize("seed", sequences())
async def test_an_alert_that_a_workflow_pages_for_pages_somebody_or_is_told(
    api: AsyncClient, pagertree: SimulatedPagerTree, sessions: Sessions, seed: int
) -> None:
    world = await begin(api, pagertree, seed)
    await page_for_alerts(world)
    await play(world, world.rng.randint(1, MOVES_MAX))
    answer = await raise_alert_for_a_workflow(world)
    await play(world, world.rng.randint(0, LATE_MAX), LATE)
    assert answer.status_code == 201, world.told
    await is_no_silence(world, sessions, "alert", answer.json()["data"]["id"])


async def begin(api: AsyncClient, pagertree: SimulatedPagerTree, seed: int) -> World:
    pagertree.simulator.reset()
    world = World(Random(seed), api, pagertree)
    team = pagertree.simulator.directory.teams[0].name
    assert await world.connect("acme", default_targets={"teams": [{"name": team}]})
    world.told.insert(0, f"PAGERSYNC_PEOPLE_SEED={seed}")
    return world


async def is_no_silence(world: World, sessions: Sessions, kind: str, id_: str) -> None:
    """Wait until somebody is paged, or people are told that nobody is."""

    async def ending() -> str | None:
        if await is_paged(sessions, kind, id_):
            return "paged"
        return "loud" if await is_loud(world.api, sessions, kind, id_) else None

    try:
        await eventually(ending, timeout_s=20)
    except AssertionError:
        raise AssertionError("silence after\n" + "\n".join(world.told)) from None


async def is_paged(sessions: Sessions, kind: str, id_: str) -> bool:
    """Tell whether PagerTree pages people for a page of the incident or alert."""
    column = Page.incident_id if kind == "incident" else Page.alert_id
    async with sessions() as session:
        own = select(Page.id).where(column == UUID(id_), Page.status.in_(PAGED))
        return await session.scalar(own.limit(1)) is not None


async def is_loud(api: AsyncClient, sessions: Sessions, kind: str, id_: str) -> bool:
    """Tell whether an event and, of an incident, its timeline say that nobody was paged.

    Where nobody wants incidents to page, `doctor` says so.
    """
    async with sessions() as session:
        told = select(DomainEvent.id).where(
            DomainEvent.type == f"{kind}.unpaged", DomainEvent.subject_id == id_
        )
        shown = select(IncidentEvent.id).where(
            IncidentEvent.incident_id == id_, IncidentEvent.event.startswith("Nobody was paged")
        )
        is_told = await session.scalar(told.limit(1)) is not None
        is_shown = kind == "alert" or await session.scalar(shown.limit(1)) is not None
    if is_told and is_shown:
        return True
    found = (await api.get("/v1/findings")).json()["data"]
    return kind == "incident" and any(each["attributes"]["code"] == LOUD for each in found)
