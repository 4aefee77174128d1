"""Timelines of incidents, by Rootly's own client."""

from typing import Any

from rootly_sdk.api.incident_events import (
    create_incident_event,
    delete_incident_event,
    get_incident_events,
    list_incident_events,
    update_incident_event,
)
from rootly_sdk.api.incidents import create_incident
from rootly_sdk.models import NewIncident, NewIncidentEvent, UpdateIncidentEvent

from pagersync.database.base import new_id
from tests.compatibility.driving import Driver, body_of


def body(model: Any, **attributes: Any) -> Any:
    return body_of(model, "incident_events", attributes)


async def made(rootly: Driver) -> str:
    new = {"data": {"type": "incidents", "attributes": {"title": "x"}}}
    return str((await rootly(create_incident, body=NewIncident.from_dict(new))).data.id)


async def test_an_entry_from_its_making_to_its_end(rootly: Driver) -> None:
    incident_id = await made(rootly)
    new = body(NewIncidentEvent, event="We look into it", visibility="external")
    entry = (await rootly(create_incident_event, incident_id, body=new)).data
    assert entry.attributes.visibility == "external"
    assert entry.attributes.occurred_at.endswith("Z")
    change = body(UpdateIncidentEvent, event="We know", visibility="internal")
    changed = (await rootly(update_incident_event, entry.id, body=change)).data.attributes
    assert (changed.event, changed.visibility) == ("We know", "internal")
    shown = (await rootly(get_incident_events, entry.id)).data
    assert shown.attributes.to_dict() == changed.to_dict()
    assert (await rootly(delete_incident_event, entry.id)).data.id == entry.id
    assert (await rootly.refused(404, get_incident_events, entry.id))[0]["status"] == "404"


async def test_a_timeline_is_listed_page_by_page(rootly: Driver) -> None:
    incident_id = await made(rootly)
    for event in ("one", "two"):
        new = body(NewIncidentEvent, event=event)
        await rootly(create_incident_event, incident_id, body=new)
    whole = await rootly(list_incident_events, incident_id)
    assert [each.attributes.event for each in whole.data][1:] == ["one", "two"]
    last = await rootly(list_incident_events, incident_id, pagenumber=2, pagesize=2)
    assert [each.attributes.event for each in last.data] == ["two"]
    assert last.meta.total_count == 3


async def test_what_cannot_be_is_refused(rootly: Driver) -> None:
    incident_id = await made(rootly)
    empty = body(NewIncidentEvent, event=" ")
    (error,) = await rootly.refused(422, create_incident_event, incident_id, body=empty)
    assert error["source"] == {"pointer": "/data/attributes/event"}
    change = body(UpdateIncidentEvent, event="x")
    for reference in (str(new_id()), "nothing"):
        await rootly.refused(404, get_incident_events, reference)
        await rootly.refused(404, update_incident_event, reference, body=change)
        await rootly.refused(404, delete_incident_event, reference)
