import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagersync.simulator.account import make_account, prefixed_id, seeded, ulid
from pagersync.simulator.life import (
    ALERT_EVENT_TYPES,
    LifeOptions,
    WebhookEvent,
    alert_life,
    full_life,
    life_along,
)
from pagersync.simulator.other_events import (
    CommentAction,
    ReminderAction,
    comment_event,
    reminder_event,
)
from pagersync.simulator.timeline import comments_on, reminders_during, timeline

START = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)
ACCOUNT = make_account(seeded("account"))

DOCUMENTED_KEYS = {
    *("sid", "id", "createdAt", "updatedAt", "meta", "tinyId", "parent_id", "thirdparty_id"),
    *("destination_ids", "title", "description", "type", "subtype", "status", "urgency"),
    *("d_team_id", "d_user_id", "s_log_id", "created", "acknowledged", "resolved", "archived"),
    *("acknowledgedby", "resolvedby", "archivedby", "livecall", "source_id"),
    *("response_requested", "responses", "responses_recorded", "tags", "additional_data"),
    *("stakeholder_ids", "handoffs"),
}
MAY_BE_ABSENT = {
    *("acknowledged", "acknowledgedby", "resolved", "resolvedby", "archived", "archivedby"),
}

# (status before, event) -> status after
DIAGRAM = {
    ("queued", "alert.open"): "open",
    ("open", "alert.timeout"): "open",
    ("open", "alert.rejected"): "open",
    ("open", "alert.acknowledged"): "acknowledged",
    ("open", "alert.dropped"): "dropped",
    ("open", "alert.resolved"): "resolved",
    ("dropped", "alert.acknowledged"): "acknowledged",
    ("dropped", "alert.resolved"): "resolved",
    ("acknowledged", "alert.handoff"): "open",
    ("acknowledged", "alert.resolved"): "resolved",
}


def life_of(seed: int) -> tuple[WebhookEvent, ...]:
    return alert_life(seeded(seed), ACCOUNT, LifeOptions(START))


any_life = st.integers().map(life_of)
quickly = settings(deadline=None)


def types(life: Sequence[WebhookEvent]) -> list[str]:
    return [event.type for event in life]


@given(any_life)
@quickly
def test_every_life_follows_the_documented_states(life: Sequence[WebhookEvent]) -> None:
    assert life[0].data["status"] == "queued"
    for before, after in pairwise(life):
        expected = DIAGRAM[before.data["status"], after.type]
        assert after.data["status"] == expected


@given(any_life)
@quickly
def test_every_life_counts_its_events_as_documented(life: Sequence[WebhookEvent]) -> None:
    assert types(life).count("alert.created") == 1
    assert life[0].type == "alert.created"
    assert types(life).count("alert.open") <= 1
    assert types(life).count("alert.dropped") <= 1
    assert "alert.resolved" not in types(life)[:-1]
    assert set(types(life)) <= set(ALERT_EVENT_TYPES)


@given(any_life)
@quickly
def test_updated_at_strictly_increases_and_is_the_time_of_the_event(
    life: Sequence[WebhookEvent],
) -> None:
    for before, after in pairwise(life):
        assert before.data["updatedAt"] < after.data["updatedAt"]
    for event in life:
        assert event.data["updatedAt"].endswith("Z")
        assert len(event.data["updatedAt"]) == len("2026-03-01T12:00:00.123Z")
        assert datetime.fromisoformat(event.data["updatedAt"]) == event.at
        assert event.data["createdAt"] == life[0].data["updatedAt"] == "2026-03-01T12:00:00.123Z"


@given(any_life)
@quickly
def test_a_snapshot_has_the_documented_keys(life: Sequence[WebhookEvent]) -> None:
    assert len(DOCUMENTED_KEYS) == 34
    for event in life:
        assert set(event.data) <= DOCUMENTED_KEYS
        assert set(event.data) >= DOCUMENTED_KEYS - MAY_BE_ABSENT


@given(any_life)
@quickly
def test_times_of_what_happened_are_unix_seconds_and_stay(life: Sequence[WebhookEvent]) -> None:
    firsts: dict[str, int] = {}
    for event in life:
        at_s = int(event.at.timestamp())
        if event.type in {"alert.created", "alert.acknowledged", "alert.resolved"}:
            firsts.setdefault(event.type.removeprefix("alert."), at_s)
        for key in ("created", "acknowledged", "resolved"):
            assert event.data.get(key) == firsts.get(key)


@given(any_life)
@quickly
def test_ids_are_prefixed_and_one_life_is_one_alert(life: Sequence[WebhookEvent]) -> None:
    prefixes = {"sid": "acc_", "id": "alt_", "source_id": "int_", "s_log_id": "log_"}
    for event in life:
        for key, prefix in prefixes.items():
            assert event.data[key].startswith(prefix)
            assert len(event.data[key]) == len(prefix) + 14
            assert event.data[key] == life[0].data[key]
        assert all(team_id.startswith("tem_") for team_id in event.data["destination_ids"])
        assert (event.data["d_user_id"] or "usr_").startswith("usr_")


@given(any_life)
@quickly
def test_snapshots_share_nothing_that_a_later_event_changed(life: Sequence[WebhookEvent]) -> None:
    handoffs = [len(event.data["handoffs"]) for event in life]
    assert handoffs == [
        types(life[: place + 1]).count("alert.handoff") for place in range(len(life))
    ]


@given(st.integers())
@quickly
def test_the_same_seed_gives_the_same_life(seed: int) -> None:
    assert life_of(seed) == life_of(seed)


def test_the_full_life_holds_all_eight_events() -> None:
    life = full_life(seeded(1), ACCOUNT, LifeOptions(START, tiny_id=7))

    assert set(types(life)) == set(ALERT_EVENT_TYPES)
    assert len(ALERT_EVENT_TYPES) == 8
    assert types(life)[-1] == "alert.resolved"
    assert types(life).count("alert.acknowledged") == 2
    assert {event.data["tinyId"] for event in life} == {7}
    for before, after in pairwise(life):
        assert after.data["status"] == DIAGRAM[before.data["status"], after.type]


def test_a_handoff_opens_the_alert_for_another_team() -> None:
    life = full_life(seeded(2), ACCOUNT, LifeOptions(START))
    handed_off, acknowledged_again = life[6], life[7]

    (handoff,) = handed_off.data["handoffs"]
    assert handed_off.data["status"] == "open"
    assert handoff["to"] == handed_off.data["d_team_id"] != handoff["from"]
    assert handoff["acknowledged"] is False
    assert acknowledged_again.data["handoffs"][0]["acknowledged"] is True
    assert acknowledged_again.data["acknowledged"] == life[5].data["acknowledged"]


def test_many_lives_show_everything_that_a_receiver_should_expect() -> None:
    lives = [life_of(seed) for seed in range(600)]

    assert {event.type for life in lives for event in life} == set(ALERT_EVENT_TYPES)
    assert {life[-1].type == "alert.resolved" for life in lives} == {True, False}
    urgencies = {life[0].data["urgency"] for life in lives}
    assert urgencies == {"silent", "low", "medium", "high", "critical"}
    metas = [life[0].data["meta"] for life in lives]
    assert any(meta.get("incident") for meta in metas)
    assert not all(metas)
    assert any(life[0].data["additional_data"] for life in lives)
    assert any("acknowledged" not in life[0].data for life in lives)
    assert any("acknowledged" in life[0].data for life in lives)
    assert {len(life[0].data["destination_ids"]) for life in lives} == {1}


def test_a_life_can_be_told_along_any_path() -> None:
    path = ["alert.created", "alert.open", "alert.resolved"]
    assert types(life_along(path, seeded(3), ACCOUNT, LifeOptions(START))) == path


def test_the_start_is_turned_into_utc() -> None:
    start = START.astimezone(timezone(timedelta(hours=5, minutes=30)))
    life = alert_life(seeded(4), ACCOUNT, LifeOptions(start))
    assert life[0].data["createdAt"] == "2026-03-01T12:00:00.123Z"
    assert life[0].at.tzinfo == UTC


def test_a_timeline_merges_lives_in_true_order() -> None:
    events = timeline(seeded(5), ACCOUNT, alerts=40, started_at=START)

    assert [event.at for event in events] == sorted(event.at for event in events)
    assert len({event.data["id"] for event in events}) == 40
    assert {event.data["tinyId"] for event in events} == set(range(1, 41))


def test_another_start_only_moves_the_timeline() -> None:
    events = timeline(seeded(6), ACCOUNT, alerts=10, started_at=START)
    moved = timeline(seeded(6), ACCOUNT, alerts=10, started_at=START + timedelta(days=3))

    assert [event.at + timedelta(days=3) for event in events] == [event.at for event in moved]
    assert [event.data["id"] for event in events] == [event.data["id"] for event in moved]


@pytest.mark.parametrize("action", ["created", "updated"])
def test_a_comment_has_its_documented_keys(action: CommentAction) -> None:
    event = comment_event(seeded(7), ACCOUNT, action=action, at=START)

    assert event.type == f"comment.{action}"
    assert set(event.data) == {
        *("account_id", "id", "prefix_id", "meta", "commentable_type", "commentable_id"),
        *("parent_id", "account_user_id", "account_user", "created_by_name", "updated_at"),
        *("created_at", "body"),
    }


def test_a_destroyed_comment_has_two_keys() -> None:
    event = comment_event(seeded(8), ACCOUNT, action="destroyed", at=START, comment_id="c1")
    assert event.data == {"account_id": ACCOUNT.ulid, "id": "c1"}


@pytest.mark.parametrize("action", ["going_on_call", "going_off_call"])
def test_a_reminder_has_only_what_every_object_has(action: ReminderAction) -> None:
    event = reminder_event(seeded(9), ACCOUNT, action=action, at=START)
    assert event.type == f"event_reminder.{action}"
    assert set(event.data) == {"account_id", "id"}


def test_a_comment_is_told_about_with_the_same_id_until_it_is_gone() -> None:
    alerts = timeline(seeded(10), ACCOUNT, alerts=40, started_at=START)
    comments = list(comments_on(seeded(11), ACCOUNT, alerts))

    assert {event.type for event in comments} == {
        *("comment.created", "comment.updated", "comment.destroyed"),
    }
    created = {event.data["id"] for event in comments if event.type == "comment.created"}
    assert {event.data["id"] for event in comments} == created
    assert len(created) == types(alerts).count("alert.acknowledged")


def test_reminders_come_with_each_change_of_shift() -> None:
    alerts = full_life(seeded(12), ACCOUNT, LifeOptions(START))
    reminders = list(reminders_during(seeded(13), ACCOUNT, alerts))
    assert types(reminders) == ["event_reminder.going_off_call", "event_reminder.going_on_call"]


def test_ids_have_the_forms_of_both_versions() -> None:
    assert len(prefixed_id(seeded(14), "alt")) == 18
    assert len(ulid(seeded(15), START)) == 26
    assert ulid(seeded(15), START)[:10] == ulid(seeded(16), START)[:10]
    assert ulid(seeded(15), START) < ulid(seeded(15), START + timedelta(seconds=1))


def test_a_snapshot_is_plain_json() -> None:
    for event in full_life(seeded(17), ACCOUNT, LifeOptions(START)):
        assert json.loads(json.dumps(event.data)) == event.data
