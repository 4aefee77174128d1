"""What PagerTree's API gives, read leniently; what it takes, written exactly."""

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.errors import Contract
from pagersync.pagertree.resources import (
    AlertChanges,
    Comment,
    NewAlert,
    OnCall,
    RemoteAlert,
    RemoteRouter,
    RemoteTeam,
    RemoteUser,
    read_alert,
    read_comment,
    read_oncall,
    read_page,
    read_router,
    read_team,
    read_user,
)
from pagersync.pagertree.severity import Severity

ULID = "01G9ZET2HZSTA9B0YDAB9G7XPZ"
AT = datetime(2022, 8, 8, 19, 27, 20, 127000, tzinfo=UTC)
AT_TEXT = "2022-08-08T19:27:20.127Z"
TEXTS = st.text(st.characters(), max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        [
            *("id", "prefix_id", "title", "description", "status", "urgency", "thirdparty_id"),
            *("tags", "tag_list", "meta", "incident", "incident_severity", "created_at"),
            *("updated_at", "acknowledged_at", "resolved_at", "name", "user", "body"),
            *("created_by_name", "data", "has_more", "layer", "attendees", "start_time"),
        ]
    ),
    JSON,
)
READERS: list[Callable[[Any], Any]] = [
    *(read_alert, read_team, read_user, read_router, read_oncall, read_comment),
    lambda payload: read_page(payload, read_alert),
]


@given(JSON | FIELDS | st.lists(FIELDS, max_size=2))
def test_no_json_is_an_error_of_ours(payload: Any) -> None:
    for read in READERS:
        with contextlib.suppress(Contract):
            read(payload)


@given(FIELDS)
def test_an_alert_with_an_id_is_read_whatever_else_it_has(fields: dict[str, Any]) -> None:
    alert = read_alert({**fields, "id": ULID})
    assert alert.id == ULID
    for text in (alert.title, alert.status, alert.thirdparty_id, *alert.tags):
        assert "\x00" not in (text or "")
        (text or "").encode()


@pytest.mark.parametrize("read", [read_alert, read_team, read_user, read_router])
@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        "x",
        1,
        {},
        *({"id": id_} for id_ in (None, 7, "", " ", "a\x00", "\ud800", "x" * 256)),
    ],
)
def test_what_has_no_usable_id_is_refused(read: Callable[[Any], Any], payload: Any) -> None:
    with pytest.raises(Contract):
        read(payload)


def test_an_alert_is_read_in_full() -> None:
    alert = read_alert(
        {
            "id": ULID,
            "prefix_id": "alt_K22OuvPYNmCyvJ",
            "title": "Disk full",
            "description": "db-1",
            "status": "Open",
            "urgency": "SILENT",
            "thirdparty_id": "pagersync:1",
            "tags": ["a", "b"],
            "created_at": AT_TEXT,
            "updated_at": AT_TEXT,
            "acknowledged_at": AT_TEXT,
            "resolved_at": None,
            "incident": True,
            "incident_severity": "sev_1",
        }
    )
    assert alert == RemoteAlert(
        id=ULID,
        prefix_id="alt_K22OuvPYNmCyvJ",
        title="Disk full",
        description="db-1",
        status="open",
        urgency="silent",
        thirdparty_id="pagersync:1",
        tags=("a", "b"),
        created_at=AT,
        updated_at=AT,
        acknowledged_at=AT,
        incident=True,
        incident_severity="SEV-1",
    )


def test_tags_are_found_under_both_names() -> None:
    assert read_alert({"id": "a", "tags": ["x", 1], "tag_list": ["y", "x"]}).tags == ("x", "y")
    assert read_alert({"id": "a", "tag_list": ["y"]}).tags == ("y",)
    assert read_alert({"id": "a", "tags": "x"}).tags == ()


def test_texts_that_cannot_be_stored_are_mended() -> None:
    alert = read_alert({"id": "a", "title": "t\x00", "tags": ["x\ud800"], "status": "\x00"})
    assert "\x00" not in f"{alert.title}{alert.status}"
    "".join(alert.tags).encode()


def test_an_incident_is_found_in_meta_as_well() -> None:
    alert = read_alert({"id": "a", "meta": {"incident": False, "incident_severity": "SEV-2"}})
    assert (alert.incident, alert.incident_severity) == (False, "SEV-2")
    above = read_alert({"id": "a", "incident": True, "meta": {"incident": False}})
    assert above.incident is True


def test_a_user_has_the_name_and_the_primary_address_of_the_person() -> None:
    emails = [{"email": "a@x"}, {"email": "b@x", "primary": True}, {"email": 1}, "c@x"]
    user = {"id": "global", "name": "Ada", "emails": emails, "time_zone": "Europe/Paris"}
    assert read_user({"id": "u", "prefix_id": "p", "user": user}) == RemoteUser(
        id="u",
        prefix_id="p",
        name="Ada",
        email="b@x",
        emails=("a@x", "b@x"),
        time_zone="Europe/Paris",
    )
    nobody_primary = {"id": "u", "user": {"emails": [{"email": "a@x", "primary": False}]}}
    assert read_user(nobody_primary).email == "a@x"
    assert read_user({"id": "u"}) == RemoteUser(id="u")


def test_teams_and_routers_are_read_by_name() -> None:
    payload = {"id": "t", "prefix_id": "tem_1", "name": "Ops", "notes": "x"}
    assert read_team(payload) == RemoteTeam("t", "tem_1", "Ops")
    assert read_router(payload) == RemoteRouter("t", "tem_1", "Ops")
    members = read_team(payload | {"member_account_user_ids": ["u1", None, 7, "", "u2"]})
    assert members.member_ids == ("u1", "u2")


def test_who_is_on_call_is_one_entry_for_each_attendee() -> None:
    layer = {
        "layer": 1,
        "start_time": AT_TEXT,
        "end_time": "?",
        "attendees": [{"attendee_id": "u1"}, {"attendee_id": "u2"}, {"attendee_id": 3}, "u4"],
    }
    assert read_oncall([layer, {"layer": True, "attendees": [{"attendee_id": "u5"}]}, 1]) == [
        OnCall(1, "u1", AT),
        OnCall(1, "u2", AT),
        OnCall(None, "u5"),
    ]
    assert read_oncall([]) == []
    with pytest.raises(Contract):
        read_oncall({"data": []})


def test_a_comment_is_read() -> None:
    payload = {"body": "On it", "created_at": AT_TEXT, "created_by_name": "Ada"}
    assert read_comment(payload) == Comment("On it", AT, "Ada")
    assert read_comment({}) == Comment("")


@pytest.mark.parametrize(
    ("page", "more"), [({"has_more": False}, False), ({"has_more": True}, True), ({}, True)]
)
def test_only_a_plain_no_ends_a_list(page: dict[str, Any], more: bool) -> None:  # noqa: FBT001
    assert read_page({"data": [{"id": "t"}], **page}, read_team) == ([RemoteTeam("t")], more)


@pytest.mark.parametrize("payload", [[], None, {}, {"data": {}}, {"alerts": []}, {"data": [{}]}])
def test_what_is_no_list_is_refused(payload: Any) -> None:
    with pytest.raises(Contract):
        read_page(payload, read_alert)


def test_a_new_alert_is_written_in_full() -> None:
    new = NewAlert(
        title="Disk full",
        description="db-1",
        urgency="high",
        severity=Severity.HIGH,
        team_ids=("t1", "t2"),
        router_ids=("r1",),
        account_user_ids=("u1",),
        tags=("pagersync:1",),
        thirdparty_id="pagersync:1",
    )
    assert new.to_json() == {
        "title": "Disk full",
        "description": "db-1",
        "urgency": "high",
        "meta": {"incident": True, "incident_severity": "SEV-2"},
        "destination_team_ids": ["t1", "t2"],
        "destination_router_ids": ["r1"],
        "destination_account_user_ids": ["u1"],
        "tags": ["pagersync:1"],
        "thirdparty_id": "pagersync:1",
    }


def test_what_is_not_given_is_not_written() -> None:
    assert NewAlert(title="Disk full").to_json() == {"title": "Disk full"}
    assert AlertChanges().to_json() == {}


def test_changes_can_empty_what_they_name() -> None:
    changes = AlertChanges(description="", severity=Severity.LOW, tags=(), team_ids=("t1",))
    assert changes.to_json() == {
        "description": "",
        "meta": {"incident": True, "incident_severity": "SEV-4"},
        "tags": [],
        "destination_team_ids": ["t1"],
    }


def test_what_is_written_is_json() -> None:
    new = NewAlert(title="\ud800\x00", severity=Severity.LOW, tags=("a",))
    assert json.loads(json.dumps(new.to_json()))["tags"] == ["a"]
