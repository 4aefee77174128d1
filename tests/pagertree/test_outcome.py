"""What an exchange ended in: every row of the table."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.errors import (
    Ambiguous,
    Contract,
    CredentialsRefused,
    PagerTreeError,
    Rejected,
    Unavailable,
)
from pagersync.pagertree.outcome import (
    MESSAGE_CHARACTERS_MAX,
    RETRY_AFTER_S_MAX,
    Answer,
    Failure,
    error_of,
    is_urgency_demanded,
    kind_of,
    messages_of,
    retry_after_of,
)

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def said(body: bytes, *, status: int = 422) -> PagerTreeError:
    answer = Answer(status=status, body=bytearray(body))
    error = error_of(answer, changes=True, secret="k-planted", now=NOW)
    assert error is not None
    return error


@pytest.mark.parametrize(
    ("status", "changing", "reading"),
    [
        (200, None, None),
        (201, None, None),
        (204, None, None),
        (301, Contract, Contract),
        (302, Contract, Contract),
        (307, Contract, Contract),
        (400, Rejected, Rejected),
        (401, CredentialsRefused, CredentialsRefused),
        (403, Rejected, Rejected),
        (404, Rejected, Rejected),
        (405, Rejected, Rejected),
        (408, Ambiguous, Unavailable),
        (409, Ambiguous, Unavailable),
        (413, Rejected, Rejected),
        (422, Rejected, Rejected),
        (425, Unavailable, Unavailable),
        (429, Unavailable, Unavailable),
        (499, Rejected, Rejected),
        (500, Ambiguous, Unavailable),
        (502, Ambiguous, Unavailable),
        (503, Ambiguous, Unavailable),
        (504, Ambiguous, Unavailable),
        (599, Ambiguous, Unavailable),
        (600, Contract, Contract),
    ],
)
def test_a_whole_answer_is_judged_by_its_status(
    status: int, changing: type[PagerTreeError] | None, reading: type[PagerTreeError] | None
) -> None:
    assert kind_of(status, None, changes=True) is changing
    assert kind_of(status, None, changes=False) is reading


@pytest.mark.parametrize(
    ("failure", "changing", "reading"),
    [
        (Failure.NOT_CALLABLE, Rejected, Rejected),
        (Failure.KEY_NOT_SENDABLE, CredentialsRefused, CredentialsRefused),
        (Failure.NOT_SENT, Unavailable, Unavailable),
        (Failure.LOST, Ambiguous, Unavailable),
        (None, Ambiguous, Unavailable),
    ],
)
def test_without_an_answer_only_what_was_surely_not_sent_may_be_sent_again(
    failure: Failure | None, changing: type[PagerTreeError], reading: type[PagerTreeError]
) -> None:
    assert kind_of(None, failure, changes=True) is changing
    assert kind_of(None, failure, changes=False) is reading


@pytest.mark.parametrize(
    ("status", "failure", "changing", "reading"),
    [
        (201, Failure.LOST, Contract, Unavailable),
        (201, Failure.TOO_LARGE, Contract, Contract),
        (302, Failure.LOST, Contract, Contract),
        (401, Failure.LOST, CredentialsRefused, CredentialsRefused),
        (422, Failure.LOST, Rejected, Rejected),
        (422, Failure.TOO_LARGE, Rejected, Rejected),
        (429, Failure.LOST, Unavailable, Unavailable),
        (500, Failure.LOST, Ambiguous, Unavailable),
        (500, Failure.TOO_LARGE, Ambiguous, Unavailable),
    ],
)
def test_the_status_counts_even_when_the_body_was_lost(
    status: int,
    failure: Failure,
    changing: type[PagerTreeError],
    reading: type[PagerTreeError],
) -> None:
    assert kind_of(status, failure, changes=True) is changing
    assert kind_of(status, failure, changes=False) is reading


@given(st.none() | st.integers(100, 999), st.none() | st.sampled_from(Failure))
def test_what_only_reads_is_never_ambiguous(status: int | None, failure: Failure | None) -> None:
    assert kind_of(status, failure, changes=False) is not Ambiguous


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        (b'{"errors":[{"message":"title can\'t be blank"}],"code":422}', "title can't be blank"),
        (b'{"errors":[{"message":"a"},{"message":"b"}]}', "a; b"),
        (b'{"errors":["a", 1, null, {"message": 2}, {}, " "]}', "a"),
        (b'{"errors":{"title":["no"]}}', ""),
        (b'{"code":422}', ""),
        (b"[1]", ""),
        (b"null", ""),
        (b"", ""),
        (b"<html><body>Bad Gateway</body></html>", ""),
        (b'{"errors":[{"mess', ""),
        (b"Retry\n  later\n", "Retry later"),
        (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}" * 2),
        (b"[" * 100_000, ""),
    ],
)
def test_pagertrees_own_words_are_found(body: bytes, messages: str) -> None:
    assert messages_of(body) == messages


@given(st.binary(max_size=200))
def test_no_body_of_an_error_is_an_error_of_ours(body: bytes) -> None:
    assert type(said(body)) is Rejected


def test_a_refusal_carries_the_status_and_pagertrees_words() -> None:
    error = said(b'{"errors":[{"message":"title can\'t be blank"}]}')
    assert error.http_status == 422
    assert error.detail == "PagerTree refused (HTTP 422): title can't be blank"
    assert said(b"<html>").detail == "PagerTree refused (HTTP 422)"


def test_words_are_bounded_and_can_be_stored() -> None:
    error = said(b'{"errors":[{"message":"\\u0000\\ud800' + b"x" * 9000 + b'"}]}')
    assert "\x00" not in error.detail
    error.detail.encode()
    assert len(error.detail) < MESSAGE_CHARACTERS_MAX + 50


@pytest.mark.parametrize("padding", ["", "x" * (MESSAGE_CHARACTERS_MAX - 4)])
def test_a_key_that_pagertree_quotes_is_taken_out_even_where_it_would_be_cut(padding: str) -> None:
    body = f'{{"errors":[{{"message":"{padding}k-planted is no key"}}]}}'.encode()
    assert "k-p" not in said(body).detail
    assert said(body, status=401).detail.startswith("PagerTree refused the API key (HTTP 401)")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("1.5", 1.5),
        ("3601", RETRY_AFTER_S_MAX),
        ("9" * 5000, RETRY_AFTER_S_MAX),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("Sun, 01 Mar 2026 13:00:30 +0100", 30),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Sun, 01 Mar 2099 11:00:00 GMT", RETRY_AFTER_S_MAX),
        ("-5", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("\N{ARABIC-INDIC DIGIT FIVE}", None),
        ("Sun, 01 Mar 99999999 11:00:00 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_nonsense_is_ignored(
    header: str | None, seconds: float | None
) -> None:
    assert retry_after_of(header, now=NOW) == seconds


@given(st.text())
def test_no_retry_after_is_an_error(header: str) -> None:
    wait_s = retry_after_of(header, now=NOW)
    assert wait_s is None or 0 <= wait_s <= RETRY_AFTER_S_MAX


@pytest.mark.parametrize(
    ("status", "changes", "carries"),
    [(429, True, True), (503, True, True), (503, False, True), (422, True, False)],
)
def test_retry_after_is_carried_by_what_may_be_tried_again(
    *, status: int, changes: bool, carries: bool
) -> None:
    answer = Answer(status=status, retry_after="7")
    error = error_of(answer, changes=changes, secret="k", now=NOW)
    assert error is not None
    assert error.retry_after_s == (7 if carries else None)


@pytest.mark.parametrize(
    ("status", "message", "demanded"),
    [
        (422, "Urgency can't be blank", True),
        (422, "param is missing or the value is empty: urgency", True),
        (422, "title can't be blank", False),
        (400, "urgency is missing", False),
        (None, "urgency", False),
    ],
)
def test_a_demand_for_an_urgency_is_recognised(
    status: Any,
    message: str,
    demanded: bool,  # noqa: FBT001
) -> None:
    error = Rejected(message, http_status=status)
    assert is_urgency_demanded(error) is demanded
