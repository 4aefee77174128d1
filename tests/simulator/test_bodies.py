import json
from datetime import UTC, datetime
from typing import Any

import pytest

from pagersync.simulator.account import make_account, seeded
from pagersync.simulator.bodies import chat_message, drop_fields, keep_fields, wire_body
from pagersync.simulator.life import LifeOptions, full_life
from pagersync.simulator.other_events import comment_event

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ACCOUNT = make_account(seeded("account"))
LIFE = full_life(seeded(1), ACCOUNT, LifeOptions(START))
CREATED, ACKNOWLEDGED = LIFE[0], LIFE[5]


def read(body: bytes) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(body)
    return parsed


def test_the_default_body_is_type_and_data() -> None:
    body = wire_body(CREATED)
    assert list(read(body)) == ["type", "data"]
    assert read(body) == {"type": "alert.created", "data": CREATED.data}


def test_the_same_event_is_the_same_bytes() -> None:
    assert wire_body(CREATED) == wire_body(CREATED)


def test_text_outside_ascii_is_utf_8() -> None:
    event = type(CREATED)("alert.created", {"id": "alt_1", "title": "Café → 30 °C"}, START)
    assert "Café → 30 °C".encode() in wire_body(event)


def test_rules_land_beside_type_and_data() -> None:
    body = read(wire_body(CREATED, rules={"region": "eu", "level": {"n": 3}}))
    assert body == {
        "type": "alert.created",
        "data": CREATED.data,
        "region": "eu",
        "level": {"n": 3},
    }


def test_a_rule_can_replace_the_type() -> None:
    assert read(wire_body(CREATED, rules={"type": "mine"}))["type"] == "mine"


def test_a_rule_that_redirects_leaves_no_trace() -> None:
    rules = {"webhook_url": "http://127.0.0.1:1/"}
    assert wire_body(CREATED, rules=rules) == wire_body(CREATED)


def test_a_template_can_keep_a_few_fields() -> None:
    body = read(wire_body(CREATED, template=keep_fields(["id", "title", "nothing_like_it"])))
    assert body == {
        "type": "alert.created",
        "data": {"id": CREATED.data["id"], "title": CREATED.data["title"]},
    }


def test_a_template_can_lose_the_id() -> None:
    body = read(wire_body(CREATED, template=drop_fields(["id"])))
    assert set(body["data"]) == set(CREATED.data) - {"id"}


def test_a_template_can_have_another_shape() -> None:
    body = read(wire_body(ACKNOWLEDGED, template=chat_message))
    assert list(body) == ["text"]
    assert body["text"].endswith(
        f"is acknowledged: https://app.pagertree.com/#/alert/{LIFE[0].data['id']}"
    )


def test_rules_apply_to_what_a_template_wrote() -> None:
    body = read(wire_body(CREATED, template=chat_message, rules={"channel": "#ops"}))
    assert set(body) == {"text", "channel"}


@pytest.mark.parametrize("text", ["{{#if}}", "", '{"type": '])
def test_a_template_that_gives_no_json_falls_back_to_the_default_body(text: str) -> None:
    assert wire_body(CREATED, template=lambda _event: text) == wire_body(CREATED)


def test_a_template_that_gives_a_list_is_sent_without_rules() -> None:
    assert wire_body(CREATED, template=lambda _event: "[1]", rules={"a": 1}) == b"[1]"


def test_linked_objects_stand_beside_the_ids() -> None:
    data = read(wire_body(ACKNOWLEDGED, linked=ACCOUNT))["data"]
    assert data["d_team"]["id"] == data["d_team_id"]
    assert data["d_user"]["id"] == data["d_user_id"]
    assert data["d_user"]["emails"][0]["email"].endswith("@example.com")
    assert data["source"]["id"] == data["source_id"]
    assert data["s_log"]["id"] == data["s_log_id"]
    assert isinstance(data["s_log"]["content"]["params"], dict)


def test_nobody_is_linked_before_the_alert_is_routed() -> None:
    data = read(wire_body(CREATED, linked=ACCOUNT))["data"]
    assert data["d_team"] is None
    assert data["d_user"] is None


def test_a_comment_has_no_linked_objects() -> None:
    event = comment_event(seeded(2), ACCOUNT, action="created", at=START)
    assert wire_body(event, linked=ACCOUNT) == wire_body(event)
