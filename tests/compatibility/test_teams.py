"""Teams, by Rootly's own client."""

from typing import Any

import pytest
from rootly_sdk.api.teams import create_team, delete_team, get_team, list_teams, update_team
from rootly_sdk.models import NewTeam, UpdateTeam
from rootly_sdk.models.list_teams_include import LIST_TEAMS_INCLUDE_VALUES

from tests.compatibility.directory import ConnectedLists
from tests.compatibility.driving import Driver
from tests.support.lists import team

BOTH = ["Checkout", "SRE"]
LONG_AGO = "2020-01-01T00:00:00Z"


def new(**attributes: Any) -> NewTeam:
    return NewTeam.from_dict({"data": {"type": "groups", "attributes": attributes}})


def changed(**attributes: Any) -> UpdateTeam:
    return UpdateTeam.from_dict({"data": {"type": "groups", "attributes": attributes}})


async def test_a_team_from_its_taking_in_to_its_end(rootly: Driver, listed: ConnectedLists) -> None:
    made = await rootly(create_team, body=new(name="sre", color="#B71C1C", notify_emails=[]))
    assert made.data.attributes.name == "SRE"
    assert made.data.attributes.pagertree_id == team(1, "SRE")["id"]
    assert made.data.attributes.managed_by == "catalog_sync"
    id_ = made.data.id
    change = changed(
        name="SRE", description="Those who are woken", position=3, external_id="42", user_ids=[]
    )
    attributes = (await rootly(update_team, id_, body=change)).data.attributes
    assert (attributes.description, attributes.position) == ("Those who are woken", 3)
    assert (attributes.external_id, attributes.color) == ("42", "#B71C1C")
    for reference in (id_, "sre", "tem_1"):
        assert (await rootly(get_team, reference)).data.id == id_
    listed.lists.rows["teams"] = [team(2, "Checkout")]
    await listed.sync()
    assert (await rootly(delete_team, id_)).data.id == id_
    for operation in (get_team, delete_team):
        await rootly.refused(404, operation, id_)
    await rootly.refused(404, update_team, id_, body=change)
    (left,) = (await rootly(list_teams)).data
    assert left.attributes.name == "Checkout"


@pytest.mark.usefixtures("listed")
async def test_a_team_that_pagertree_has_not_is_refused_in_words(rootly: Driver) -> None:
    (error,) = await rootly.refused(422, create_team, body=new(name="Nobody"))
    assert "teams are made in PagerTree" in error["detail"]
    taken = await rootly(create_team, body=new(name="Checkout", pagertree_id="tem_2"))
    assert taken.data.attributes.slug == "checkout"


LISTED: list[tuple[dict[str, Any], list[str]]] = [
    ({}, BOTH),
    ({"filtersearch": "woken"}, ["SRE"]),
    *[({f"filter{name}": "sre"}, ["SRE"]) for name in ("slug", "slugeq", "slugin")],
    *[({f"filterslug{operator}": "sre"}, ["Checkout"]) for operator in ("not_eq", "not_in")],
    *[({f"filter{name}": "SRE"}, ["SRE"]) for name in ("name", "nameeq", "namein")],
    *[({f"filtername{operator}": "SRE"}, ["Checkout"]) for operator in ("not_eq", "not_in")],
    *[({f"filter{name}": "#B71C1C"}, ["SRE"]) for name in ("color", "coloreq", "colorin")],
    *[({f"filtercolor{operator}": "#B71C1C"}, ["Checkout"]) for operator in ("not_eq", "not_in")],
    ({"filterexternal_id": "42"}, ["SRE"]),
    *[({f"filter{name}_id": "x"}, []) for name in ("backstage", "cortex", "opslevel")],
    *[
        ({f"filter{kind}_broadcast_enabled{operator}": value}, names)
        for kind in ("alert", "incident")
        for operator, value, names in (
            ("", False, BOTH),
            ("eq", "true", []),
            ("in", "true,false", BOTH),
            ("not_eq", "true", BOTH),
            ("not_in", "true,false", []),
        )
    ],
    *[({f"filtercreated_at{operator}": LONG_AGO}, BOTH) for operator in ("gt", "gte")],
    *[({f"filtercreated_at{operator}": LONG_AGO}, []) for operator in ("lt", "lte")],
    ({"pagenumber": 2, "pagesize": 1, "sort": "name"}, ["SRE"]),
    ({"pagesize": 1, "sort": "-name"}, ["SRE"]),
    *[({"include": name}, BOTH) for name in LIST_TEAMS_INCLUDE_VALUES],
]


@pytest.mark.usefixtures("listed")
async def test_teams_are_listed_by_every_filter(rootly: Driver) -> None:
    change = changed(description="Those who are woken", color="#B71C1C", external_id="42")
    await rootly(update_team, "sre", body=change)
    await rootly(update_team, "checkout", body=changed(color="#00C853"))
    for options, names in LISTED:
        found = (await rootly(list_teams, **options)).data
        assert sorted(one.attributes.name for one in found) == names, options


@pytest.mark.usefixtures("listed")
async def test_a_team_is_shown_with_its_users(rootly: Driver) -> None:
    shown = await rootly(get_team, "sre", include="users")
    assert [one.attributes["full_name"] for one in shown.included] == ["Olivia Ortiz"]
    listed = await rootly(list_teams, include="users", sort="name")
    assert [one.type_ for one in listed.included] == ["users"]
