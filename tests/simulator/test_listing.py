"""Lists of the simulated API: filters, operators, search, order, pages, and what search hides."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.pagertree import SimulatedPagerTree
from tests.support.wait import eventually

MARKER = "pagersync:1"


async def titles(pagertree: SimulatedPagerTree, **params: Any) -> list[str]:
    response = await pagertree.client.get("alerts", params=params)
    return [alert["title"] for alert in response.json()["data"]]


async def add_three(pagertree: SimulatedPagerTree) -> None:
    for title, urgency, tags in (("ab", "low", ["x"]), ("ac", "high", []), ("bc", "low", ["y"])):
        pagertree.simulator.add_alert(title=title, urgency=urgency, tags=tags, thirdparty_id=title)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["bc", "ac", "ab"]),
        ({"title": "ac"}, ["ac"]),
        ({"title": "a"}, []),
        ({"title": "ac", "ops": "title:equals"}, ["ac"]),
        ({"title": "ac", "ops": "title:ne"}, ["bc", "ab"]),
        ({"title": "a", "ops": "title:beginsWith"}, ["ac", "ab"]),
        ({"title": "c", "ops": "title:contains"}, ["bc", "ac"]),
        ({"title": "ac", "ops": "title:lt"}, ["ab"]),
        ({"title": "ac", "ops": "title:lte"}, ["ac", "ab"]),
        ({"title": "ac", "ops": "title:gt"}, ["bc"]),
        ({"title": "ac", "ops": "title:gte"}, ["bc", "ac"]),
        ({"title": "ab..ac", "ops": "title:between"}, ["ac", "ab"]),
        ({"tiny_id": "2", "ops": "tiny_id:gte"}, ["bc", "ac"]),
        ({"urgency": "low", "title": "a", "ops": "title:beginsWith,urgency:equals"}, ["ab"]),
        ({"created_at": "2020-01-01..2020-01-02", "ops": "created_at:between"}, []),
        ({"created_at": "2020-01-01", "ops": "created_at:gt", "limit": 1}, ["bc"]),
        ({"tags": "x"}, ["ab"]),
        ({"tag_list": "y"}, ["bc"]),
        ({"thirdparty_id": "ac"}, ["ac"]),
        ({"incident": "true"}, []),
        ({"resolved_at": "2020-01-01", "ops": "resolved_at:gt"}, []),
        ({"q": "BC"}, ["bc"]),
        ({"sort": "title"}, ["ab", "ac", "bc"]),
        ({"sort": "title", "direction": "desc"}, ["bc", "ac", "ab"]),
        ({"sort": "tiny_id", "limit": 2}, ["ab", "ac"]),
        ({"sort": "title", "limit": 2, "page": 2}, ["bc"]),
        ({"sort": "title", "offset": 1, "limit": 1}, ["ac"]),
        ({"no_such_attribute": "1"}, ["bc", "ac", "ab"]),
    ],
)
async def test_a_list_shows_what_is_asked_for(
    pagertree: SimulatedPagerTree, params: dict[str, Any], expected: list[str]
) -> None:
    await add_three(pagertree)
    meta: dict[str, Any] = {}
    for alert in pagertree.simulator.state.alerts.values():
        alert.fields["meta"] = meta
    assert await titles(pagertree, **params) == expected


@pytest.mark.parametrize(
    ("params", "count", "has_more"),
    [
        ({}, 10, True),
        ({"limit": 0}, 1, True),
        ({"limit": 100}, 12, False),
        ({"limit": 101}, 12, False),
        ({"limit": "many"}, 10, True),
        ({"page": 2}, 2, False),
        ({"page": 3}, 0, False),
        ({"offset": 11}, 1, False),
        ({"limit": 6, "page": 1}, 6, True),
        ({"limit": 6, "page": 2}, 6, False),
    ],
)
async def test_a_list_is_cut_into_pages(
    pagertree: SimulatedPagerTree, params: dict[str, Any], count: int, *, has_more: bool
) -> None:
    for _ in range(12):
        pagertree.simulator.add_alert()
    page = (await pagertree.client.get("alerts", params=params)).json()
    assert (len(page["data"]), page["has_more"], page["total_count"]) == (count, has_more, 12)


async def test_a_team_lists_its_own_alerts(pagertree: SimulatedPagerTree) -> None:
    first, second = pagertree.simulator.directory.teams[:2]
    await pagertree.created(title="mine")
    await pagertree.created(title="theirs", destination_team_ids=[second.id])
    page = (await pagertree.client.get(f"teams/{first.prefix_id}/alerts")).json()
    assert [alert["title"] for alert in page["data"]] == ["mine"]


async def test_an_alert_is_found_by_its_thirdparty_id_and_its_tag(
    pagertree: SimulatedPagerTree,
) -> None:
    pagertree.simulator.add_alert()
    alert = await pagertree.created(thirdparty_id=MARKER, tags=[MARKER])
    for params in ({"thirdparty_id": MARKER}, {"tags": MARKER}):
        page = (await pagertree.client.get("alerts", params=params)).json()
        assert [row["id"] for row in page["data"]] == [alert["id"]]


async def test_a_search_may_pass_over_thirdparty_ids(pagertree: SimulatedPagerTree) -> None:
    pagertree.simulator.change(search="ignores_thirdparty_id")
    pagertree.simulator.add_alert(title="other")
    await pagertree.created(title="mine", thirdparty_id=MARKER)
    assert await titles(pagertree, thirdparty_id=MARKER) == ["mine", "other"]
    assert await titles(pagertree, title="mine") == ["mine"]


async def test_a_search_may_never_show_what_the_api_created(pagertree: SimulatedPagerTree) -> None:
    pagertree.simulator.change(search="never")
    pagertree.simulator.add_alert(title="other")
    alert = await pagertree.created(title="mine", thirdparty_id=MARKER)
    assert await titles(pagertree) == ["other"]
    assert await titles(pagertree, thirdparty_id=MARKER) == []
    shown = await pagertree.client.get(f"alerts/{alert['id']}")
    assert shown.json()["title"] == "mine"


async def test_a_search_may_lag_behind(pagertree: SimulatedPagerTree) -> None:
    pagertree.simulator.change(search_lag_s=3600)
    alert = await pagertree.created(title="mine")
    assert await titles(pagertree) == []
    assert (await pagertree.client.get(f"alerts/{alert['id']}")).is_success
    pagertree.simulator.change(search_lag_s=0.001)
    await eventually(lambda: titles(pagertree), lambda shown: shown == ["mine"])


async def test_a_search_that_lags_behind_may_mix_up_the_order(
    pagertree: SimulatedPagerTree,
) -> None:
    simulator = pagertree.simulator
    simulator.change(search_lag_s=3600, search_order="mixed")
    for _ in range(30):
        await pagertree.created(title="mine")
    for alert in simulator.state.alerts.values():
        alert.created_at -= timedelta(seconds=1800)
    shown = simulator.searchable_alerts()
    assert 0 < len(shown) < 30
    assert shown != list(simulator.state.alerts.values())[: len(shown)]
    assert shown == simulator.searchable_alerts(), "each alert keeps its lag"
