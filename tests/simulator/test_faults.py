"""What goes wrong with requests to the simulated API, as a client sees it on the wire."""

import asyncio
import logging
from collections import Counter
from urllib.parse import urlsplit

import pytest

from pagersync.http import HTTPError, TimeoutException
from tests.support.pagertree import API_KEY, SimulatedPagerTree

DONE = {"timeout_after": True, "truncated": True, "lost_response": True, "timeout_before": False}


@pytest.mark.parametrize(
    ("fault", "status", "retry_after"),
    [
        ("rate_limited", 429, None),
        ("rate_limited_retry_after", 429, "7"),
        ("internal_error", 500, None),
        ("bad_gateway", 502, None),
    ],
)
async def test_a_failure_is_answered_and_nothing_is_done(
    pagertree: SimulatedPagerTree, fault: str, status: int, retry_after: str | None
) -> None:
    pagertree.simulator.change(**{fault: 1, "retry_after_s": 7})
    response = await pagertree.create()
    assert (response.status_code, response.headers.get("retry-after")) == (status, retry_after)
    assert ("<html>" in response.text) == (status == 502)
    assert pagertree.simulator.alerts() == []
    (seen,) = pagertree.simulator.requests()
    assert (seen["method"], seen["path"]) == ("POST", "/api/v4/alerts")
    assert (seen["status"], seen["fault"]) == (status, fault)


@pytest.mark.parametrize(("fault", "is_done"), DONE.items())
async def test_a_broken_connection_may_hide_work_that_was_done(
    pagertree: SimulatedPagerTree, fault: str, caplog: pytest.LogCaptureFixture, *, is_done: bool
) -> None:
    pagertree.simulator.change(**{fault: 1, "hold_s": 0.02})
    with caplog.at_level(logging.DEBUG), pytest.raises(HTTPError) as failure:
        await pagertree.create()
    assert not isinstance(failure.value, TimeoutException), "it was closed, not forgotten"
    assert len(pagertree.simulator.alerts()) == is_done
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []
    assert pagertree.simulator.requests()[0]["fault"] == fault


async def test_a_client_that_waits_less_than_the_hold_times_out(
    pagertree: SimulatedPagerTree,
) -> None:
    pagertree.simulator.change(timeout_after=1, hold_s=30)
    with pytest.raises(TimeoutException):
        await pagertree.client.get("teams", timeout=0.05)


async def raw(pagertree: SimulatedPagerTree) -> bytes:
    """Ask for teams by hand, and return all that comes until the connection is closed."""
    parts = urlsplit(pagertree.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"GET /api/v4/teams HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {API_KEY}\r\n\r\n"
    writer.write(head.encode())
    answer = await asyncio.wait_for(reader.read(), timeout=5)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_truncated_answer_promises_more_than_comes(pagertree: SimulatedPagerTree) -> None:
    pagertree.simulator.change(truncated=1)
    head, _, body = (await raw(pagertree)).partition(b"\r\n\r\n")
    (length,) = [
        int(line.split(b":")[1])
        for line in head.lower().splitlines()
        if line.startswith(b"content-length")
    ]
    assert head.startswith(b"HTTP/1.1 200")
    assert len(body) == length // 2


@pytest.mark.parametrize("fault", ["lost_response", "timeout_before", "timeout_after"])
async def test_a_lost_answer_is_not_a_single_byte(
    pagertree: SimulatedPagerTree, fault: str
) -> None:
    pagertree.simulator.change(**{fault: 1, "hold_s": 0.01})
    assert await raw(pagertree) == b""


async def test_a_slow_answer_comes(pagertree: SimulatedPagerTree) -> None:
    pagertree.simulator.change(slow=1, slow_s=0.05)
    response = await pagertree.create()
    assert response.is_success
    assert pagertree.simulator.requests()[0]["fault"] == "slow"


async def test_an_outage_answers_503_to_everything(pagertree: SimulatedPagerTree) -> None:
    pagertree.simulator.change(outage="unavailable")
    for headers in ({}, {"Authorization": "Bearer nope"}):
        response = await pagertree.client.get("teams", headers=headers)
        assert (response.status_code, response.json()["code"]) == (503, 503)
    pagertree.simulator.change(outage="none")
    assert (await pagertree.client.get("teams")).is_success


async def test_an_outage_may_close_every_connection(pagertree: SimulatedPagerTree) -> None:
    pagertree.simulator.change(outage="closed")
    assert await raw(pagertree) == b""
    with pytest.raises(HTTPError):
        await pagertree.create()
    pagertree.simulator.change(outage="none")
    assert pagertree.simulator.alerts() == []


async def test_faults_repeat_with_the_seed_and_the_number_of_the_request(
    pagertree: SimulatedPagerTree,
) -> None:
    runs = []
    for seed in (1, 1, 2):
        pagertree.simulator.reset()
        pagertree.simulator.change(seed=seed, internal_error=0.3, rate_limited=0.3)
        runs.append([(await pagertree.client.get("teams")).status_code for _ in range(60)])
    assert runs[0] == runs[1] != runs[2]
    counts = Counter(runs[0])
    assert all(8 < counts[status] < 32 for status in (200, 429, 500)), counts


async def test_a_planned_fault_befalls_the_next_requests_that_it_is_meant_for(
    pagertree: SimulatedPagerTree,
) -> None:
    pagertree.simulator.fail_next("internal_error", path_end="/alerts", times=2)
    assert (await pagertree.client.get("alerts")).status_code == 200
    assert [(await pagertree.create()).status_code for _ in range(3)] == [500, 500, 200]
    with pytest.raises(ValueError, match="there is no such fault"):
        pagertree.simulator.fail_next("meteor")
