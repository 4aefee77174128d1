"""What follows an attempt."""

from datetime import UTC, datetime, timedelta

import pytest

from pagersync.webhooks.retry import ATTEMPTS_MAX, PAUSES_S, Answer, after, asked_s, why_disable

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)


def answer(status: int | None, retry_after: str | None = None) -> Answer:
    error = None if status else "hooks.example.com did not answer"
    return Answer(NOW, 12, status, error, retry_after)


@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_every_2xx_is_a_success(status: int) -> None:
    assert after(answer(status), attempt=1, jitter=0).state == "done"
    assert answer(status).problem is None


@pytest.mark.parametrize("status", [None, 301, 400, 404, 408, 429, 500, 503])
def test_anything_else_is_tried_again_for_three_days(status: int | None) -> None:
    pauses = []
    for attempt in range(1, ATTEMPTS_MAX):
        least = after(answer(status), attempt=attempt, jitter=0)
        most = after(answer(status), attempt=attempt, jitter=1)
        assert least.state == most.state == "queued"
        assert most.delay_s == least.delay_s * 1.2
        pauses.append(least.delay_s)
    assert pauses == sorted(pauses) == list(PAUSES_S)
    assert timedelta(days=3) < timedelta(seconds=sum(pauses)) < timedelta(days=4)
    assert after(answer(status), attempt=ATTEMPTS_MAX, jitter=0).state == "dead"


def test_410_ends_it_at_once() -> None:
    assert after(answer(410), attempt=1, jitter=0).state == "dead"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("120", 120),
        (" 120 ", 120),
        ("99999999999999999999", 86_400),
        ("Sat, 01 Aug 2026 12:10:00 GMT", 600),
        ("Sat, 01 Aug 2026 11:00:00 GMT", 0),
        ("Sat, 01 Aug 2099 12:00:00 GMT", 86_400),
        ("Sat, 01 Aug 99999 12:00:00 GMT", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_a_day_at_most(
    header: str | None, seconds: float
) -> None:
    assert asked_s(header, NOW) == seconds


def test_retry_after_never_shortens_a_pause() -> None:
    assert after(answer(503, "3600"), attempt=1, jitter=0).delay_s == 3600
    assert after(answer(503, "1"), attempt=2, jitter=0).delay_s == 300


def test_an_endpoint_is_disabled_when_it_is_gone_or_has_failed_for_days() -> None:
    days = timedelta(days=1)
    assert why_disable(answer(500), NOW - 2.9 * days) is None
    assert "3 days" in str(why_disable(answer(500), NOW - 3 * days))
    assert "did not answer" in str(why_disable(answer(None), NOW - 4 * days))
    assert "410" in str(why_disable(answer(410), NOW))
    assert why_disable(answer(200), NOW - 9 * days) is None
