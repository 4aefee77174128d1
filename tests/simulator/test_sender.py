import base64
from collections import Counter
from urllib.parse import parse_qs, urlsplit

import pytest

from pagersync.http import ASGITransport, AsyncClient
from pagersync.simulator.account import seeded
from pagersync.simulator.schedule import Chaos, RetrySchedule, draw_start_order
from pagersync.simulator.sender import Delivery, SendOptions, send
from pagersync.simulator.simulator import Simulator
from pagersync.simulator.target import Auth, Target

from .receiver import always, receiving

AT_ONCE = RetrySchedule(time_scale=0)
SECRET = "s3cret/&=ü"


def deliveries(count: int) -> list[Delivery]:
    return [Delivery("alert.open", f"alt_{n}", b'{"n":%d}' % n) for n in range(count)]


async def test_a_delivery_looks_like_pagertrees() -> None:
    async with receiving() as receiver:
        report = await send(deliveries(1), Target(receiver.url, integration_id="int_abc"))

    (request,) = receiver.received
    assert request.body == b'{"n":0}'
    assert request.headers["accept"] == "*/*"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == (
        "pagertree outgoing webhook service; ref: int_abc; report: support@pagertree.com"
    )
    assert "authorization" not in request.headers
    (delivery,) = report.deliveries
    assert (delivery.succeeded, delivery.attempts, delivery.status_code) == (True, 1, 202)
    assert (report.events, report.requests, report.given_up) == (1, 1, 0)
    assert report.failures == {}
    assert report.duration_s > 0


async def test_the_secret_travels_in_the_query() -> None:
    async with receiving() as receiver:
        await send(deliveries(1), Target(f"{receiver.url}?a=1", SECRET))

    query = parse_qs(urlsplit(receiver.received[0].target).query)
    assert query == {"a": ["1"], "secret": [SECRET]}
    assert "authorization" not in receiver.received[0].headers


@pytest.mark.parametrize(("auth", "prefix"), [("basic", "Basic "), ("bare", "")])
async def test_the_secret_travels_as_a_password(auth: Auth, prefix: str) -> None:
    async with receiving() as receiver:
        await send(deliveries(1), Target(receiver.url, SECRET, auth, username="me"))

    expected = prefix + base64.b64encode(f"me:{SECRET}".encode()).decode()
    assert receiver.received[0].headers["authorization"] == expected
    assert urlsplit(receiver.received[0].target).query == ""


async def test_bare_base64_is_exactly_what_pagertree_was_seen_to_send() -> None:
    async with receiving() as receiver:
        await send(deliveries(1), Target(receiver.url, "password", "bare", username="username"))
    assert receiver.received[0].headers["authorization"] == "dXNlcm5hbWU6cGFzc3dvcmQ="


def test_a_target_shows_no_secret() -> None:
    target = Target("http://user:pw@127.0.0.1:8/hook?secret=s3cret#x", "s3cret", "bare")
    assert "s3cret" not in repr(target)
    assert "pw" not in repr(target)
    assert target.shown_url == "http://127.0.0.1:8/hook"


@pytest.mark.parametrize("url", ["", "127.0.0.1:80/x", "ftp://127.0.0.1/", "http://", "http://a:b"])
def test_a_url_that_cannot_be_called_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="webhook URL"):
        Target(url)


@pytest.mark.parametrize("status", [301, 302, 304, 400, 401, 404, 422, 429, 500, 503])
async def test_what_is_not_2xx_is_sent_again_with_the_same_bytes(status: int) -> None:
    async with receiving(lambda number: status if number < 3 else 200) as receiver:
        report = await send(deliveries(1), Target(receiver.url), SendOptions(retries=AT_ONCE))

    assert receiver.bodies == [b'{"n":0}'] * 4
    assert {request.target for request in receiver.received} == {"/webhooks/pagertree/1"}
    assert report.deliveries[0].attempts == 4
    assert report.deliveries[0].status_code == 200
    assert report.failures == {str(status): 3}


@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_any_2xx_is_a_success(status: int) -> None:
    async with receiving(always(status)) as receiver:
        report = await send(deliveries(1), Target(receiver.url))
    assert report.given_up == 0
    assert report.deliveries[0].status_code == status


async def test_a_delivery_is_given_up_after_14_retries_of_the_first_attempt() -> None:
    async with receiving(always(503)) as receiver:
        report = await send(deliveries(2), Target(receiver.url), SendOptions(retries=AT_ONCE))

    assert Counter(receiver.bodies) == {b'{"n":0}': 15, b'{"n":1}': 15}
    assert [delivery.attempts for delivery in report.deliveries] == [15, 15]
    assert [delivery.succeeded for delivery in report.deliveries] == [False, False]
    assert report.deliveries[0].failures == ("503",) * 15
    assert (report.given_up, report.requests, report.failures) == (2, 30, {"503": 30})


async def test_a_lost_connection_is_a_failure() -> None:
    async with receiving(lambda number: 0 if number == 0 else 202) as receiver:
        report = await send(deliveries(1), Target(receiver.url), SendOptions(retries=AT_ONCE))
    assert report.failures == {"RemoteProtocolError": 1}
    assert report.deliveries[0].succeeded


async def test_nobody_listening_is_a_failure_without_a_status() -> None:
    async with receiving() as receiver:
        url = receiver.url
    report = await send(deliveries(1), Target(url), SendOptions(retries=AT_ONCE))
    assert report.failures == {"ConnectError": 15}
    assert report.deliveries[0].status_code is None


async def test_a_receiver_that_is_too_slow_has_failed() -> None:
    options = SendOptions(retries=RetrySchedule(retries_max=1, time_scale=0), timeout_s=0.2)
    async with receiving(pause_s=1.0) as receiver:
        report = await send(deliveries(1), Target(receiver.url), options)
    assert report.failures == {"ReadTimeout": 2}
    assert SendOptions().timeout_s == 15


async def test_without_chaos_deliveries_start_in_order() -> None:
    given = deliveries(30)
    async with receiving() as receiver:
        await send(given, Target(receiver.url))
    assert receiver.bodies == [delivery.body for delivery in given]


async def test_a_waiting_delivery_holds_no_other_one_up() -> None:
    options = SendOptions(retries=RetrySchedule(first_pause_s=0.1))
    async with receiving(lambda number: 500 if number == 0 else 202) as receiver:
        await send(deliveries(3), Target(receiver.url), options)
    assert receiver.bodies == [b'{"n":0}', b'{"n":1}', b'{"n":2}', b'{"n":0}']


async def test_concurrency_is_reached_and_kept() -> None:
    async with receiving(pause_s=0.05) as receiver:
        await send(deliveries(40), Target(receiver.url), SendOptions(concurrency=8))
    assert receiver.under_way_most == 8
    assert len(receiver.received) == 40


async def test_one_at_a_time_by_default() -> None:
    async with receiving(pause_s=0.002) as receiver:
        await send(deliveries(10), Target(receiver.url))
    assert receiver.under_way_most == 1


async def test_duplicates_repeat_a_success_byte_for_byte() -> None:
    async with receiving() as receiver:
        options = SendOptions(chaos=Chaos(duplicate_rate=1.0))
        report = await send(deliveries(5), Target(receiver.url), options)

    assert set(Counter(receiver.bodies).values()) == {2}
    assert (report.duplicates, report.requests, report.events) == (5, 10, 5)
    assert {delivery.attempts for delivery in report.deliveries} == {1}


async def test_some_duplicates_are_some() -> None:
    async with receiving() as receiver:
        options = SendOptions(chaos=Chaos(duplicate_rate=0.3), seed=1)
        report = await send(deliveries(100), Target(receiver.url), options)
    assert 10 < report.duplicates < 60


async def test_what_never_succeeded_is_not_duplicated() -> None:
    options = SendOptions(chaos=Chaos(duplicate_rate=1.0), retries=AT_ONCE)
    async with receiving(always(500)) as receiver:
        report = await send(deliveries(1), Target(receiver.url), options)
    assert (report.duplicates, report.requests) == (0, 15)


async def test_a_refused_duplicate_does_not_undo_the_success() -> None:
    options = SendOptions(chaos=Chaos(duplicate_rate=1.0))
    async with receiving(lambda number: 202 if number == 0 else 500) as receiver:
        report = await send(deliveries(1), Target(receiver.url), options)
    assert (report.given_up, report.duplicates, report.failures) == (0, 1, {"500": 1})
    assert report.deliveries[0].status_code == 202


async def test_reordered_deliveries_all_arrive_out_of_order_and_are_reported_in_order() -> None:
    given = deliveries(50)
    async with receiving() as receiver:
        options = SendOptions(chaos=Chaos(reorder=10), seed=2)
        report = await send(given, Target(receiver.url), options)

    sent = [delivery.body for delivery in given]
    assert receiver.bodies != sent
    assert sorted(receiver.bodies) == sorted(sent)
    assert [delivery.subject for delivery in report.deliveries] == [d.subject for d in given]


async def test_late_deliveries_wait_for_all_others_even_for_their_retries() -> None:
    chaos = Chaos(late_rate=0.3)
    options = SendOptions(chaos=chaos, seed=3, retries=RetrySchedule(first_pause_s=0.1))
    async with receiving(lambda number: 500 if number == 0 else 202) as receiver:
        await send(deliveries(20), Target(receiver.url), options)

    prompt, late = draw_start_order(20, chaos, seeded(3, "order"))
    assert late
    assert receiver.bodies[len(prompt) + 1 :] == [b'{"n":%d}' % n for n in late]
    assert receiver.bodies[len(prompt)] == receiver.bodies[0]


async def test_the_same_seed_sends_the_same_requests_in_the_same_order() -> None:
    options = SendOptions(chaos=Chaos(duplicate_rate=0.3, reorder=5, late_rate=0.2), seed=4)
    sent = []
    for _ in range(2):
        async with receiving() as receiver:
            await send(deliveries(40), Target(receiver.url), options)
        sent.append(receiver.bodies)
    assert sent[0] == sent[1]


async def test_a_client_of_the_callers_is_used_and_left_open() -> None:
    transport = ASGITransport(Simulator().app)
    async with AsyncClient(transport=transport) as client:
        for _ in range(2):
            options = SendOptions(retries=RetrySchedule(retries_max=0))
            target = Target("http://127.0.0.1/api/v4/alerts")
            report = await send(deliveries(1), target, options, client=client)
            assert report.failures == {"401": 1}


async def test_nothing_to_send_is_a_report_of_nothing() -> None:
    report = await send([], Target("http://127.0.0.1:1/"))
    assert (report.events, report.requests, report.deliveries) == (0, 0, ())


def test_events_move_less_than_the_window() -> None:
    order, late = draw_start_order(200, Chaos(reorder=7), seeded(5))

    assert sorted(order) == list(range(200))
    assert order != sorted(order)
    assert late == []
    for place, index in enumerate(order):
        assert all(index - earlier > -7 for earlier in order[:place])


def test_everything_can_be_late() -> None:
    prompt, late = draw_start_order(5, Chaos(late_rate=1.0), seeded(6))
    assert (prompt, late) == ([], [0, 1, 2, 3, 4])


def test_pauses_grow_and_are_compressed_by_the_time_scale() -> None:
    pauses = RetrySchedule().draw_pauses_s(seeded(7))
    compressed = RetrySchedule(time_scale=0.001).draw_pauses_s(seeded(7))

    assert len(pauses) == 14
    assert pauses == sorted(pauses)
    assert all(10 * 2**n <= pause <= 12 * 2**n for n, pause in enumerate(pauses))
    assert compressed == pytest.approx([pause / 1000 for pause in pauses])
