"""A page that PagerTree refuses because of one of its targets goes out to the others."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.paging.page_targets import paged
from pagersync.paging.refused import with_defaults, without_named
from tests.paging.conftest import Paging
from tests.paging.repeating import changed, incident, timeline


def target(id_: str, name: str = "Ghosts", **more: Any) -> dict[str, Any]:
    return {"kind": "team", "pagertree_id": id_, "prefix_id": f"tem_{id_}", "name": name, **more}


def of_team(paging: Paging, position: int) -> dict[str, Any]:
    team = paging.simulator.directory.teams[position]
    return {
        "kind": "team",
        "pagertree_id": team.id,
        "prefix_id": team.prefix_id,
        "name": team.name,
    }


GONE = target("01GONE")


async def test_the_target_that_pagertree_names_is_skipped_and_the_others_are_paged(
    paging: Paging,
) -> None:
    declared = await incident(paging)
    page_id = await paging.page(targets=[of_team(paging, 0), GONE], incident_id=declared.id)
    page = await paging.reaches(page_id, "confirmed")
    assert [one["name"] for one in paged(page.targets)] == [of_team(paging, 0)["name"]]
    (skipped,) = [one for one in page.targets if one.get("skipped")]
    assert "01GONE does not exist" in skipped["skipped"]
    assert "the team 'Ghosts'" in page.notes[-1]
    assert any("refused the team 'Ghosts'" in line for line in await timeline(paging, declared.id))
    assert len(paging.simulator.alerts()) == 1


@pytest.mark.parametrize("named", ["named", "unnamed"])
async def test_where_nobody_else_is_left_or_known_the_default_targets_are_paged_once(
    paging: Paging, named: str
) -> None:
    paging.simulator.change(refused_destination=named)
    team = of_team(paging, 1)
    await changed(paging, default_targets={"teams": [{"id": team["pagertree_id"]}]})
    targets = [GONE] if named == "named" else [of_team(paging, 0), GONE]
    page = await paging.reaches(await paging.page(targets=targets), "confirmed")
    assert [one["name"] for one in paged(page.targets)] == [team["name"]]
    assert "default targets of the account 'acme' are tried instead" in page.notes[-1]


async def test_a_page_fails_loudly_when_the_default_targets_are_refused_too(
    paging: Paging,
) -> None:
    paging.simulator.change(refused_destination="unnamed")
    team = of_team(paging, 1)
    await changed(paging, default_targets={"teams": [{"id": team["pagertree_id"]}]})
    page_id = await paging.page(targets=[team, GONE])
    page = await paging.reaches(page_id, "failed")
    assert "page.failed" in await paging.events(page_id)
    assert len(page.targets) == 2


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True), st.text("abcd "))
def test_somebody_is_always_left_and_nobody_is_forgotten(ids: list[str], said: str) -> None:
    before = [target(f"01{id_}", id_) for id_ in ids]
    after = without_named(before, said.replace("a", "01a"))
    if after is not None:
        assert paged(after)
        assert [one["pagertree_id"] for one in after] == [one["pagertree_id"] for one in before]
    again = with_defaults(before, [target("01a"), target("01z")], said)
    assert again is not None
    assert [one["pagertree_id"] for one in paged(again)][-1] == "01z"
    assert with_defaults(again, [target("01a"), target("01z")], said) is None, "once"


def test_a_name_counts_only_in_quotes() -> None:
    before = [target("01a", "data"), target("01b", "SRE")]
    assert without_named(before, "the data is invalid") is None
    after = without_named(before, "team 'data' is disabled")
    assert after is not None
    assert [one["name"] for one in paged(after)] == ["SRE"]
