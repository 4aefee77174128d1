"""Integrations: found by what people call them, changed by one at a time."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from pagersync.database.engine import Sessions
from pagersync.errors import NotFoundError
from pagersync.integrations import service
from pagersync.integrations.models import Integration, WebhookSecret


@pytest.fixture
async def added(sessions: Sessions) -> UUID:
    async with sessions.begin() as session:
        return (await service.add_integration(session, name="acme")).integration.id


async def test_an_integration_is_found_by_id_in_any_form_or_by_name(
    sessions: Sessions, added: UUID
) -> None:
    async with sessions() as session:
        for reference in ("acme", str(added), str(added).upper(), added.hex):
            assert (await service.find_integration(session, reference)).id == added
        for reference in ("nobody", str(UUID(int=7)), "\udcff", "a\x00", ""):
            with pytest.raises(NotFoundError):
                await service.find_integration(session, reference)


async def test_an_id_finds_the_account_that_has_it_not_one_that_is_called_so(
    sessions: Sessions, added: UUID
) -> None:
    async with sessions.begin() as session:
        await service.add_integration(session, name=str(added))
        assert (await service.find_integration(session, str(added))).name == "acme"


async def test_rotations_at_once_leave_one_secret_without_an_end(
    sessions: Sessions, added: UUID
) -> None:
    async def rotate() -> None:
        async with sessions.begin() as session:
            await service.rotate_secret(session, added, grace=timedelta(hours=1))

    await asyncio.gather(*[rotate() for _ in range(5)])
    async with sessions() as session:
        ends = (await session.scalars(select(WebhookSecret.expires_at))).all()
    assert (len(ends), ends.count(None)) == (6, 1)


async def test_a_change_that_waits_for_a_removal_finds_nothing_to_change(
    sessions: Sessions, added: UUID
) -> None:
    async def change() -> None:
        async with sessions.begin() as session:
            assert await session.get(Integration, added), "seen before it was removed"
            started.set()
            await service.change_integration(session, added, api_key_encrypted=b"k")

    started = asyncio.Event()
    async with sessions.begin() as session:
        await service.remove_integration(session, added)
        changing = asyncio.create_task(change())
        await started.wait()
        await session.flush()
        await asyncio.sleep(0.1)
        assert not changing.done()
    with pytest.raises(NotFoundError):
        await changing
    async with sessions() as session:
        assert await session.scalar(select(Integration.api_key_encrypted)) is None
