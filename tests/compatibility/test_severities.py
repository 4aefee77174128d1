"""Severities, by Rootly's own client."""

from rootly_sdk.api.severities import (
    create_severity,
    delete_severity,
    get_severity,
    list_severities,
    update_severity,
)
from rootly_sdk.models import (
    NewSeverity,
    UpdateSeverity,
)

from tests.compatibility.driving import Driver


async def test_a_severity_from_its_making_to_its_end(rootly: Driver) -> None:
    new = {"name": "Sev Zero", "severity": "critical", "color": "#B71C1C", "notify_emails": []}
    body = NewSeverity.from_dict({"data": {"type": "severities", "attributes": new}})
    made = await rootly(create_severity, body=body)
    assert made.data.attributes.severity == "critical"
    assert made.data.attributes.notify_emails == []
    id_ = made.data.id
    change = {"data": {"type": "severities", "attributes": {"description": "All is lost"}}}
    changed = await rootly(update_severity, id_, body=UpdateSeverity.from_dict(change))
    assert changed.data.attributes.description == "All is lost"
    assert (await rootly(get_severity, id_)).data.attributes.slug == "sev-zero"
    listed = await rootly(list_severities, filterslug="sev-zero", sort="-created_at")
    assert [one.id for one in listed.data] == [id_]
    assert (await rootly(delete_severity, id_)).data.id == id_
    assert (await rootly.refused(404, get_severity, id_))[0]["status"] == "404"
