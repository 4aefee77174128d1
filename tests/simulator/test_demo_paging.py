"""What the demo says of the pages that it sent, and the checks that it makes."""

from copy import deepcopy
from typing import Any

import pytest

from pagersync.simulator.demo import report_paging
from pagersync.simulator.demo_paging_checks import Paged, Step, WatchedPage, compare_paging
from pagersync.simulator.demo_text import one_page, pagertree_saw

CREATED = ("POST", 201, None)
LOST = ("POST", None, "lost_response")
FOUND = ("GET", 200, None)


def watched(number: int, *exchanges: tuple[str, int | None, str | None]) -> WatchedPage:
    attempts = [
        {"method": method, "path": "/alerts?a=1&b=2", "http_status": status, "duration_ms": 7}
        for method, status, _ in exchanges
    ]
    page = {
        "title": f"Page {number}",
        "status": "acknowledged",
        "targets": [{"name": "Platform"}],
        "confirmed_at": "2026-05-04T12:00:00Z",
        "acknowledged_by": "usr_1",
        "operations": [
            {"id": f"op-{number}", "kind": "create_alert", "state": "done", "attempts": attempts}
        ],
    }
    return WatchedPage("no trouble", page, [Step("queued", 12), Step("acknowledged", 600)])


@pytest.fixture
def paged() -> Paged:
    """Return what a service without mistakes and its PagerTree show."""
    pages = [watched(0, CREATED), watched(1, LOST, FOUND)]
    directory: dict[str, Any] = {"method": "GET", "status": 200, "fault": None}
    return Paged(
        team="Platform",
        pages=pages,
        alerts=[{"thirdparty_id": page.mark} for page in pages],
        notifications=[{"thirdparty_id": page.mark, "target_name": "Platform"} for page in pages],
        requests=[
            {**directory, "path": "/api/v4/teams"},
            *(
                {"method": method, "path": "/api/v4/alerts", "status": status, "fault": fault}
                for method, status, fault in (CREATED, LOST, FOUND)
            ),
            {**directory, "path": "/api/v4/alerts/alt_1"},
        ],
    )


def failed(paged: Paged) -> list[str]:
    return [check.name for check in compare_paging(paged) if not check.passed]


def test_pages_without_a_mistake_pass_every_check(paged: Paged) -> None:
    assert failed(paged) == []


@pytest.mark.parametrize(
    ("mistake", "names"),
    [
        ("not confirmed", ["confirmed"]),
        ("not acknowledged", ["confirmed"]),
        ("sent twice", ["one alert", "sent once", "attempt"]),
        ("an alert without a mark", ["one alert"]),
        ("another team paged", ["one alert"]),
        ("nobody paged", ["one alert"]),
        ("not looked for", ["looked for", "attempt"]),
        ("an attempt not kept", ["attempt"]),
    ],
)
def test_each_mistake_fails_the_checks_that_are_about_it(
    paged: Paged, mistake: str, names: list[str]
) -> None:
    mistaken = deepcopy(paged)
    _make(mistaken, mistake)
    failures = failed(mistaken)
    assert all(name in failure for name, failure in zip(names, failures, strict=True)), failures


def _make(paged: Any, mistake: str) -> None:
    match mistake:
        case "not confirmed":
            paged.pages[0].page["confirmed_at"] = None
        case "not acknowledged":
            paged.pages[0].page["status"] = "confirmed"
        case "sent twice":
            paged.requests.append(paged.requests[1])
            paged.alerts.append(paged.alerts[0])
        case "an alert without a mark":
            paged.alerts[0]["thirdparty_id"] = ""
        case "another team paged":
            paged.notifications[0]["target_name"] = "Data"
        case "nobody paged":
            del paged.notifications[0]
        case "not looked for":
            del paged.requests[3]
        case "an attempt not kept":
            del paged.pages[1].page["operations"][0]["attempts"][0]


def test_a_page_that_was_sent_twice_makes_the_exit_code_1(
    paged: Paged, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_paging(paged) == 0
    _make(paged, "sent twice")
    assert report_paging(paged) == 1
    assert "alerts, pagersync:op-0: expected 1, seen 2" in capsys.readouterr().out


def test_the_text_tells_how_a_page_went(paged: Paged) -> None:
    assert list(one_page(paged.pages[1])) == [
        "PAGE  Page 1 -> Platform; no trouble",
        "     12 ms  queued",
        "    600 ms  acknowledged by usr_1",
        "  create_alert: done, with the mark pagersync:op-1",
        "      7 ms  POST /alerts?a=1  no answer",
        "      7 ms  GET  /alerts?a=1  200",
    ]
    assert list(pagertree_saw(paged)) == [
        "What PagerTree saw",
        "      3  requests about them: 2 x POST /alerts, 1 x GET /alerts",
        "      1  alerts with the mark of 'Page 0'; Platform was paged 1 x",
        "      1  alerts with the mark of 'Page 1'; Platform was paged 1 x",
    ]
