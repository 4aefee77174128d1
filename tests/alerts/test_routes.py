"""`/v1/alerts` as an integrator uses it."""

from typing import Any

import pytest
from sqlalchemy import text

from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient
from tests.support.account import Account, event
from tests.support.events import at, eight_bodies
from tests.support.wait import eventually


async def play(api: AsyncClient, account: Account, *bodies: dict[str, Any]) -> None:
    """Send bodies and wait until all are applied."""
    for body in bodies:
        await account.post(body)

    async def waiting() -> int:
        answer = await api.get("/v1/deliveries", params={"filter[state][in]": "queued,running"})
        count: int = answer.json()["meta"]["total_count"]
        return count

    await eventually(waiting, lambda count: count == 0)


async def test_an_alert_is_shown_with_rootlys_attributes(
    api: AsyncClient, account: Account
) -> None:
    body = event(
        "alert.open",
        "alt_1",
        title="Disk full",
        description="on db-1",
        urgency="high",
        createdAt=at(0),
        updatedAt=at(1),
    )
    await play(api, account, body)
    (listed,) = (await api.get("/v1/alerts")).json()["data"]
    assert listed["type"] == "alerts"
    attributes = listed["attributes"]
    assert (
        attributes
        | {
            "source": "pagertree",
            "status": "triggered",
            "summary": "Disk full",
            "description": "on db-1",
            "external_id": "alt_1",
            "external_url": "https://app.pagertree.com/#/alert/alt_1",
            "labels": [
                {"key": "pagertree_status", "value": "open"},
                {"key": "pagertree_urgency", "value": "high"},
            ],
            "data": body["data"],
            "integration_id": str(account.id),
            "started_at": "2026-03-01T03:00:00.000Z",
            "ended_at": None,
        }
        == attributes
    )
    for reference in (listed["id"], attributes["short_id"], attributes["short_id"].lower()):
        shown = await api.get(f"/v1/alerts/{reference}")
        assert shown.json() == {"data": listed}
        assert shown.headers["content-type"].startswith("application/vnd.api+json")


@pytest.mark.parametrize(
    "reference", ["ABC234", "nothing", "01a208cf-fef7-741f-b5a2-3e10a979588c", "%00", "ABC23%0A"]
)
async def test_an_unknown_alert_is_404_in_the_one_error_shape(
    api: AsyncClient, reference: str
) -> None:
    for path in (f"/v1/alerts/{reference}", f"/v1/alerts/{reference}/events"):
        answer = await api.get(path)
        assert answer.status_code == 404
        (error,) = answer.json()["errors"]
        assert (error["status"], error["code"]) == ("404", "not_found")


async def test_the_events_of_an_alert_are_listed_newest_first(
    api: AsyncClient, account: Account
) -> None:
    await play(api, account, *eight_bodies())
    (alert,) = (await api.get("/v1/alerts")).json()["data"]
    events = (await api.get(f"/v1/alerts/{alert['id']}/events")).json()["data"]
    assert len(events) == 8
    assert {one["type"] for one in events} == {"alert_events"}
    acknowledged = await api.get(
        f"/v1/alerts/{alert['id']}/events", params={"filter[action]": "acknowledged"}
    )
    (one,) = acknowledged.json()["data"]
    assert one["attributes"]["event_type"] == "alert.acknowledged"
    assert one["attributes"]["alert_id"] == alert["id"]


async def test_filters_choose_by_status_source_label_and_time(
    api: AsyncClient, account: Account
) -> None:
    await play(
        api,
        account,
        event("alert.open", "a", status="open", urgency="high", createdAt=at(0)),
        event("alert.resolved", "b", status="resolved", urgency="low", createdAt=at(60)),
        event("alert.created", "c", status="queued", createdAt=at(120)),
    )
    expected = {
        "filter[status]=triggered": 1,
        "filter[status]=triggered,resolved": 2,
        "filter[status][eq]=open": 1,
        "filter[status][not_eq]=open": 2,
        "filter[status][in]=open,resolved": 2,
        "filter[status][not_in]=open,resolved": 1,
        "filter[status]=deferred": 0,
        "filter[source]=pagertree": 3,
        "filter[source][not_eq]=pagertree": 0,
        "filter[labels]=pagertree_urgency:low": 1,
        "filter[labels]=pagertree_urgency:low,pagertree_urgency:high": 2,
        "filter[labels][not_eq]=pagertree_urgency:low": 2,
        f"filter[started_at][gt]={at(60)}": 1,
        f"filter[started_at][gte]={at(60)}": 2,
        f"filter[started_at][lt]={at(60)}": 1,
        f"filter[started_at][gte]={at(0)}&filter[started_at][lte]={at(60)}": 2,
        f"filter[ended_at][lt]={at(0)}": 0,
        "filter[started_at][gt]=2026-03-01T02:00:00+00:00": 3,
        "filter[started_at][gt]=2026-03-01 04:00:00.5+01:00": 2,
    }
    for query, count in expected.items():
        answer = await api.get(f"/v1/alerts?{query}")
        assert (query, answer.json()["meta"]["total_count"]) == (query, count)


@pytest.mark.parametrize(
    "query",
    [
        "filter[colour]=red",
        "filter[status]=purple",
        "filter[status][like]=open",
        "filter[started_at][gt]=soon",
        "filter[started_at]=2026",
        "filter[labels]=no-colon",
        "filter[labels]=a:%00",
        "filter[source]=%00",
        "filter=1",
        "fitler[status]=open",
        "Filter[status]=open",
        "status=open",
        "sort=created_at",
        "include=nonsense",
        "page[limit]=1",
        "filter[started_at][gt]=9999-12-31T23:59:59Z",
        "page[size]=0",
        "page[size]=201",
        "page[size]=x",
        "page[number]=0",
        "page[number]=1000000",
        "page[after]=nonsense",
        "page[after]=%00",
    ],
)
async def test_a_query_that_makes_no_sense_is_422_and_names_the_parameter(
    api: AsyncClient, query: str
) -> None:
    answer = await api.get(f"/v1/alerts?{query}")
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["source"]["parameter"] == query.partition("=")[0]
    assert error["detail"]


async def test_pages_by_number_and_by_cursor_show_every_alert_once(
    api: AsyncClient, account: Account
) -> None:
    await play(api, account, *[event("alert.open", f"a{n}") for n in range(7)])
    unfiltered = (await api.get("/v1/alerts")).json()
    assert unfiltered["meta"]["total_count"] == 7
    everything = [row["id"] for row in unfiltered["data"]]
    assert len(everything) == 7
    assert everything == sorted(everything, reverse=True)
    numbered: list[str] = []
    number, page = 1, unfiltered
    while number is not None:
        query = f"page[size]=3&page[number]={number}&filter[status]=triggered"
        page = (await api.get(f"/v1/alerts?{query}")).json()
        numbered += [row["id"] for row in page["data"]]
        number = page["meta"]["next_page"]
    assert numbered == everything
    assert page["meta"] | {"total_count": 7, "total_pages": 3, "current_page": 3} == page["meta"]
    by_cursor = []
    cursor: str | None = ""
    while cursor is not None:
        params = {"page[size]": "2"} | ({"page[after]": cursor} if cursor else {})
        page = (await api.get("/v1/alerts", params=params)).json()
        by_cursor += [row["id"] for row in page["data"]]
        cursor = page["meta"]["next_cursor"]
        await play(api, account, event("alert.open", f"late-{len(by_cursor)}"))
    assert by_cursor == everything, "alerts that arrive meanwhile neither shift nor repeat a page"
    by_link, link = [], "/v1/alerts?page[size]=4"
    everything = [row["id"] for row in (await api.get("/v1/alerts")).json()["data"]]
    while link:
        page = (await api.get(link)).json()
        by_link += [row["id"] for row in page["data"]]
        link = page["links"]["next"]
        await play(api, account, event("alert.open", f"later-{len(by_link)}"))
    assert by_link == everything, "nor do they for who follows the links"


async def test_large_lists_are_counted_by_estimate(
    api: AsyncClient, sessions: Sessions, account: Account
) -> None:
    await play(api, account, event("alert.open", "a0"))
    async with sessions.begin() as session:
        await session.execute(
            text(
                "INSERT INTO alerts (integration_id, id, short_id, external_id, external_url, "
                "status, summary, fold) SELECT integration_id, gen_random_uuid(), 's' || n, "
                "'e' || n, '', 'open', '', '{}' FROM alerts, generate_series(1, 10500) n"
            )
        )
        await session.execute(text("ANALYZE alerts"))
    answer = (await api.get("/v1/alerts", params={"filter[source]": "pagertree"})).json()
    assert answer["meta"]["total_count"] > 10_000
    assert len(answer["data"]) == 50
