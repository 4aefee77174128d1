"""One listing for all who look at the same moment."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
import respx

from pagersync.errors import Unavailable
from pagersync.http import AsyncClient
from pagersync.pagertree.client import Exchange, PagerTree, create_http_client
from pagersync.paging.newest import NewestAlerts
from tests.support.wait import eventually

BASE = "https://api.pagertree.example/api/v4"
NOW = datetime(2026, 3, 8, 3, 12, 30, tzinfo=UTC)
ACCOUNT = uuid4()


@dataclass
class Listings:
    """PagerTree's list of alerts, which answers when it may."""

    begun: int = 0
    status: int = 200
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, _request: httpx.Request) -> httpx.Response:
        self.begun += 1
        number = self.begun
        await self.may_answer.wait()
        alert = {"id": f"alt_{number}", "status": "open"}
        empty = {"has_more": False, "total_count": 1}
        return httpx.Response(self.status, json={"data": [alert], **empty})

    async def are(self, count: int) -> None:
        async def begun() -> int:
            return self.begun

        await eventually(begun, lambda found: found == count)


@pytest.fixture
def listings() -> Listings:
    return Listings()


@pytest.fixture
async def http(listings: Listings) -> AsyncIterator[AsyncClient]:
    with respx.mock:
        respx.get(f"{BASE}/alerts").mock(side_effect=listings.answer)
        async with create_http_client(timeout_s=5) as client:
            yield client


@dataclass
class Looker:
    """Somebody who looks for an alert."""

    http: AsyncClient
    newest: NewestAlerts
    account: UUID = ACCOUNT
    exchanges: list[Exchange] = field(default_factory=list)

    async def look(self, sent_after: datetime = NOW) -> list[str]:
        pagertree = PagerTree(
            self.http,
            pagertree_url=BASE,
            api_key="key",
            timeout_s=5,
            record=self.exchanges.append,
            reads_max=1,
        )
        alerts = await self.newest.list(pagertree, self.account, sent_after=sent_after)
        return [alert.id for alert in alerts]


async def test_who_asks_while_a_listing_is_under_way_gets_the_next_one_with_all_others(
    http: AsyncClient, listings: Listings
) -> None:
    newest = NewestAlerts()
    lookers = [Looker(http, newest) for _ in range(4)]
    first = asyncio.create_task(lookers[0].look())
    await listings.are(1)
    later = [asyncio.create_task(looker.look()) for looker in lookers[1:]]
    await asyncio.sleep(0)
    listings.may_answer.set()
    assert await first == ["alt_1"]
    assert await asyncio.gather(*later) == [["alt_2"]] * 3
    assert listings.begun == 2
    assert [len(looker.exchanges) for looker in lookers] == [1, 1, 1, 1]


async def test_accounts_and_minutes_have_listings_of_their_own(
    http: AsyncClient, listings: Listings
) -> None:
    listings.may_answer.set()
    newest = NewestAlerts()
    await asyncio.gather(
        Looker(http, newest).look(),
        Looker(http, newest, account=uuid4()).look(),
        Looker(http, newest).look(NOW - timedelta(minutes=1)),
    )
    assert listings.begun == 3


async def test_all_who_wait_learn_that_a_listing_failed_and_the_next_one_is_made(
    http: AsyncClient, listings: Listings
) -> None:
    listings.status = 503
    listings.may_answer.set()
    newest = NewestAlerts()
    lookers = [Looker(http, newest) for _ in range(3)]
    ends = await asyncio.gather(*(looker.look() for looker in lookers), return_exceptions=True)
    assert [type(end) for end in ends] == [Unavailable] * 3
    assert [exchange.status for looker in lookers for exchange in looker.exchanges] == [503] * 3
    listings.status = 200
    assert await lookers[0].look() == [f"alt_{listings.begun}"]


async def test_who_stops_waiting_takes_nobody_with_him(
    http: AsyncClient, listings: Listings
) -> None:
    newest = NewestAlerts()
    first, second = (asyncio.create_task(Looker(http, newest).look()) for _ in range(2))
    await listings.are(1)
    first.cancel()
    listings.may_answer.set()
    assert await second


async def test_nobody_waits_any_more_once_it_is_closed(
    http: AsyncClient, listings: Listings
) -> None:
    newest = NewestAlerts()
    first = asyncio.create_task(Looker(http, newest).look())
    await listings.are(1)
    later = asyncio.create_task(Looker(http, newest).look())
    await asyncio.sleep(0)
    await newest.aclose()
    ends = await asyncio.gather(first, later, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError] * 2
