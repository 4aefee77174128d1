"""Reading PagerTree's webhook: lenient in everything but `type` and `data.id`."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pagersync.pagertree.payloads import (
    EVENT_TYPES,
    OtherEventError,
    UnreadableError,
    decode_json,
    parse_time,
    read_snapshot,
    read_webhook,
    storable,
    storable_json,
)
from tests.support.account import event

TEXTS = st.text(st.characters(), max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


@given(st.dictionaries(st.sampled_from(["title", "status", "updatedAt", "tags", "meta"]), JSON))
def test_whatever_stands_in_the_fields_an_event_with_type_and_id_is_read(
    data: dict[str, Any],
) -> None:
    snapshot = read_snapshot(encoded(event("alert.open", "alt_1", **data)))
    assert snapshot.alert_id == "alt_1"
    assert snapshot.data is not None
    assert "\\u0000" not in snapshot.data
    assert json.loads(snapshot.data) == storable_json({"id": "alt_1", **data})


@given(st.binary(max_size=300))
def test_no_bytes_are_an_error_of_ours(body: bytes) -> None:
    with contextlib.suppress(UnreadableError):
        read_webhook(body)


def as_json_module_reads(body: bytes) -> str:
    try:
        return repr(json.loads(body.decode()))
    except (ValueError, RecursionError):
        return "refused"


def as_we_read(body: bytes) -> str:
    try:
        return repr(decode_json(body))
    except UnreadableError:
        return "refused"


@given(
    JSON.map(lambda value: json.dumps(value).encode())
    | JSON.map(lambda value: json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass"))
    | st.text('{}[]",:\\ud8ceE+-.0123456789 nulNaIfity\x00é', max_size=30).map(str.encode)
    | st.binary(max_size=20)
)
@example(b'["\\ud800"]')
@example(b'{"a": 1, "b": 2, "a": 3}')
@example(b"[-0, -0.0, 1e999, 1e-999, NaN, -Infinity, 9007199254740993.0, 18446744073709551616]")
@example(b"1" * 4300)
@example(b"1" * 4301)
@example(b"1" * 5000 + b".5")
@example(b"[" * 250 + b"]" * 250)
@example(b"[" * 100_000)
@example(b'"\xed\xa0\x80"')
@example(b"\xef\xbb\xbf{}")
@example(b'"\x1f"')
@example(b"[1,]")
def test_bodies_are_read_as_the_json_module_reads_them(body: bytes) -> None:
    assert as_we_read(body) == as_json_module_reads(body)


@given(JSON)
def test_what_was_made_storable_is_storable_and_stays_so(value: Any) -> None:
    once = storable_json(value)
    assert storable_json(once) == once
    json.dumps(once, allow_nan=False, ensure_ascii=False).encode()


def test_the_digest_ignores_the_order_of_keys_and_what_stands_beside() -> None:
    one = read_snapshot(b'{"type":"alert.open","data":{"id":"a","title":"t"}}')
    two = read_snapshot(b'{"extra":1,"data":{"title":"t","id":"a"},"type":"alert.open"}')
    other = read_snapshot(b'{"type":"alert.created","data":{"id":"a","title":"t"}}')
    assert one.content_sha256 == two.content_sha256 != other.content_sha256


def test_the_v4_names_are_read_as_well() -> None:
    moment = "2026-03-01T03:00:00.500Z"
    old = read_snapshot(encoded(event(updatedAt=moment, createdAt=moment, acknowledged=1)))
    new = read_snapshot(encoded(event(updated_at=moment, created_at=moment, acknowledged_at=1)))
    for field in ("updated_at", "created_at", "acknowledged_at"):
        assert getattr(old, field) == getattr(new, field) is not None


def test_an_event_that_is_none_of_the_eight_is_told_apart() -> None:
    assert len(EVENT_TYPES) == 8
    webhook = read_webhook(encoded({"type": "comment.created"}))
    assert webhook.alert_id is None
    with pytest.raises(OtherEventError):
        read_snapshot(encoded({"type": "comment.created"}))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-01T03:00:00.123Z", datetime(2026, 3, 1, 3, 0, 0, 123000, tzinfo=UTC)),
        ("2026-03-01T04:00:00+01:00", datetime(2026, 3, 1, 3, tzinfo=UTC)),
        ("2026-03-01T03:00:00", datetime(2026, 3, 1, 3, tzinfo=UTC)),
        (1772334000, datetime(2026, 3, 1, 3, tzinfo=UTC)),
        (0, None),
        (-1, None),
        (True, None),
        (1e300, None),
        (float("nan"), None),
        ("0001-01-01T00:00:00+23:00", None),
        ("1969-12-31T23:59:59Z", None),
        ("9999-12-31T23:59:59.999999Z", None),
        (253402300799, None),
        ("9998-12-31T23:59:59Z", datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("soon", None),
        ("", None),
        (None, None),
        ([], None),
    ],
)
def test_times_are_read_in_both_forms_and_nonsense_is_none(
    value: Any, expected: datetime | None
) -> None:
    assert parse_time(value) == expected


@pytest.mark.parametrize(
    ("handoffs", "to"),
    [
        ([{"to": "tem_1", "time": 100}], "tem_1"),
        ([{"to": "tem_1", "time": 100}, {"to": "tem_2", "time": 200}], "tem_2"),
        ([{"to": "tem_2", "time": 200}, {"to": "tem_1", "time": 100}], "tem_2"),
        ([{"to": "tem_1", "time": 100}, {"to": "tem_2", "time": 100}], "tem_2"),
        ([{"to": "tem_1"}, "odd", {"to": "rtr_2", "time": "odd"}], "rtr_2"),
        ([{"to": 7}], None),
        ([], None),
        ("odd", None),
        (None, None),
    ],
)
def test_the_newest_hand_off_says_where_an_alert_went(handoffs: object, to: str | None) -> None:
    body = {"type": "alert.handoff", "data": {"id": "alt_1", "handoffs": handoffs}}
    assert read_snapshot(json.dumps(body).encode()).handed_off_to == to


def test_text_keeps_what_can_be_stored() -> None:
    assert storable("häuser \N{PILE OF POO}") == "häuser \N{PILE OF POO}"
    assert storable("a\x00b") == "a\N{REPLACEMENT CHARACTER}b"
    assert storable("a\ud800b").replace("\N{REPLACEMENT CHARACTER}", "") == "ab"
