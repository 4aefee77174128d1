"""Signatures, checked as receivers check them."""

import base64
import hashlib
import hmac
import re
import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from pagersync.webhooks.signing import signed_headers, standard_key, to_secret

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "webhooks.md"
BODY = b'{"event": {"type": "alert.created"}, "data": {}}'
SECRET = to_secret(bytes(range(32)))
OLD = to_secret(bytes(32))
NOW_S = int(time.time())


def test_the_header_that_rootly_has_holds_an_hmac_of_time_and_body() -> None:
    headers = signed_headers([SECRET], uuid4(), NOW_S, BODY)
    parts = dict(part.split("=", 1) for part in headers["X-Pagersync-Signature"].split(","))
    signed = parts["t"].encode() + BODY
    assert parts["t"] == str(NOW_S)
    assert parts["v1"] == hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("secret", [SECRET, OLD])
def test_the_standard_library_accepts_each_secret_of_a_rotation(secret: str) -> None:
    headers = signed_headers([SECRET, OLD], uuid4(), NOW_S, BODY)
    assert Webhook(secret).verify(BODY, headers)["data"] == {}
    assert headers["X-Pagersync-Signature"].count("v1=") == 2


def test_the_standard_library_refuses_what_was_changed() -> None:
    event_id, other = UUID(int=1), to_secret(b"x" * 32)
    headers = signed_headers([SECRET], event_id, NOW_S, BODY)
    for secret, given, changed in [
        (SECRET, headers, BODY + b" "),
        (SECRET, headers | {"webhook-id": str(UUID(int=2))}, BODY),
        (SECRET, headers | {"webhook-timestamp": str(NOW_S - 1)}, BODY),
        (other, headers, BODY),
    ]:
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(changed, given)


def test_a_secret_of_ones_own_is_its_own_key() -> None:
    own = "ZsPwEgiDWoXhYNT6"
    headers = signed_headers([own], uuid4(), NOW_S, BODY)
    Webhook(base64.b64encode(own.encode()).decode()).verify(BODY, headers)
    assert standard_key(own) == own.encode()
    with pytest.raises(ValueError, match="base64"):
        standard_key("whsec_no!base64")


def documented() -> list[Any]:
    """Return the functions that the documentation shows to receivers."""
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENTATION.read_text(), flags=re.DOTALL)
    functions = []
    for block in blocks:
        if "def " in block:
            names: dict[str, Any] = {}
            exec(block, names)  # noqa: S102 - our own text
            functions.append(names["is_from_pagersync"])
    return functions


def test_what_the_documentation_shows_accepts_what_is_right_and_nothing_else() -> None:
    headers = signed_headers([SECRET, OLD], uuid4(), NOW_S, BODY)
    stale = signed_headers([SECRET], uuid4(), NOW_S - 1000, BODY)
    as_rootly, standard = documented()
    for check, given, late in (
        (as_rootly, headers["X-Pagersync-Signature"], stale["X-Pagersync-Signature"]),
        (standard, headers, stale),
    ):
        assert check(given, BODY, SECRET)
        assert check(given, BODY, OLD)
        assert not check(given, BODY + b" ", SECRET)
        assert not check(given, BODY, to_secret(b"x" * 32))
        assert not check(late, BODY, SECRET)
