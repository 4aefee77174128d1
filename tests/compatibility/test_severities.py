"""Severities, by Rootly's own client."""

import inspect
from typing import Any

from rootly_sdk.api.severities import (
    create_severity,
    delete_severity,
    get_severity,
    list_severities,
    update_severity,
)
from rootly_sdk.models import NewSeverity, UpdateSeverity

from pagersync.database.base import new_id
from tests.compatibility.driving import Driver


def severity(**attributes: Any) -> NewSeverity:
    return NewSeverity.from_dict({"data": {"type": "severities", "attributes": attributes}})


async def test_a_severity_from_its_making_to_its_end(rootly: Driver) -> None:
    new = {"name": "Sev Zero", "severity": "critical", "color": "#B71C1C", "notify_emails": []}
    made = await rootly(create_severity, body=severity(**new))
    assert made.data.attributes.severity == "critical"
    assert made.data.attributes.notify_emails == []
    id_ = made.data.id
    change = {"data": {"type": "severities", "attributes": {"description": "All is lost"}}}
    changed = await rootly(update_severity, id_, body=UpdateSeverity.from_dict(change))
    assert changed.data.attributes.description == "All is lost"
    assert (await rootly(get_severity, id_)).data.attributes.slug == "sev-zero"
    assert (await rootly(get_severity, "sev-zero")).data.id == id_
    listed = await rootly(list_severities, filterslug="sev-zero", sort="-created_at")
    assert [one.id for one in listed.data] == [id_]
    assert (await rootly(delete_severity, id_)).data.id == id_
    assert (await rootly.refused(404, get_severity, id_))[0]["status"] == "404"


async def test_every_filter_of_rootlys_is_taken(rootly: Driver) -> None:
    await rootly(create_severity, body=severity(name="High", severity="high", color="#E65100"))
    await rootly(create_severity, body=severity(name="Low", severity="low"))
    names = inspect.signature(list_severities.asyncio_detailed).parameters
    columns = {"slug": "high", "name": "High", "severity": "high", "color": "#E65100"}
    for column, value in columns.items():
        for operator in ("", "eq", "in", "not_eq", "not_in"):
            filters = {f"filter{column}{operator}": value}
            assert filters.keys() <= names.keys()
            found = (await rootly(list_severities, **filters)).data
            is_negated = operator.startswith("not_")
            if column != "color":
                expected = ["Low"] if is_negated else ["High"]
                assert [each.attributes.name for each in found] == expected
    for operator, count in (("gt", 2), ("gte", 2), ("lt", 0), ("lte", 0)):
        moment = {f"filtercreated_at{operator}": "2020-01-01T00:00:00Z"}
        assert len((await rootly(list_severities, **moment)).data) == count
    assert len((await rootly(list_severities, filtersearch="low")).data) == 1


async def test_severities_are_listed_page_by_page(rootly: Driver) -> None:
    for name in ("a", "b", "c"):
        await rootly(create_severity, body=severity(name=name, severity="low"))
    last = await rootly(list_severities, pagenumber=2, pagesize=2, sort="-name")
    assert [each.attributes.name for each in last.data] == ["a"]
    assert last.meta.total_count == 3


async def test_what_cannot_be_is_refused(rootly: Driver) -> None:
    unknown = severity(name="x", severity="low", notify_emails=["a@example.com"])
    (error,) = await rootly.refused(422, create_severity, body=unknown)
    assert error["source"] == {"pointer": "/data/attributes/notify_emails"}
    change = {"data": {"type": "severities", "attributes": {"description": "x"}}}
    for reference in (str(new_id()), "nothing"):
        await rootly.refused(404, get_severity, reference)
        await rootly.refused(404, update_severity, reference, body=UpdateSeverity.from_dict(change))
        await rootly.refused(404, delete_severity, reference)


async def test_what_has_no_color_is_not_of_that_color(rootly: Driver) -> None:
    for name, color in (("One", "#B71C1C"), ("Two", None)):
        new = {"name": name, "severity": "low", "color": color}
        body = NewSeverity.from_dict({"data": {"type": "severities", "attributes": new}})
        await rootly(create_severity, body=body)
    for others in (
        await rootly(list_severities, filtercolornot_eq="#B71C1C"),
        await rootly(list_severities, filtercolornot_in="#B71C1C,#FFFFFF"),
    ):
        assert [row.attributes.name for row in others.data] == ["Two"]
