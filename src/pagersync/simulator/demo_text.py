"""What the demo says at the end: at most 90 columns, some 70 lines. Pure."""

import json
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pagersync.simulator.demo_checks import (
    Check,
    Kept,
    Row,
    Sent,
    count_overtaken,
    happened_at,
    is_overtaken,
    received_at,
)
from pagersync.simulator.demo_incident_checks import IncidentStory
from pagersync.simulator.demo_paging_checks import Paged, WatchedPage

STATUSES: Final = ("open", "triggered", "acknowledged", "resolved")
SHOWN_MAX: Final = 6
COLUMNS_MAX: Final = 90
STEPS_SHOWN_MAX: Final = 9
TITLE_CHARACTERS_MAX: Final = 50
PATH_CHARACTERS_MAX: Final = 60


def sent_and_kept(sent: Sent, kept: Kept) -> Iterator[str]:
    """Say what went in and what came of it, in numbers."""
    yield "Sent as PagerTree sends: out of order, some late, some twice; the secret by turns in the"
    yield "URL and as basic authentication without the word Basic"
    yield _count(sent.events, f"events of {len(sent.lives)} alerts")
    yield _count(len(sent.others), "events about comments, which are no alerts")
    yield _count(sent.duplicates, "requests that repeat one that had succeeded")
    wrong = (f"1 {name} ({status})" for name, status in sent.answers.items())
    yield _count(len(sent.answers), f"requests to be refused: {', '.join(wrong)}")
    yield ""
    yield "Kept"
    yield _count(len(kept.alerts), f"alerts: {_tally(kept.alerts, 'status')}")
    overtaken = count_overtaken(sent, kept)
    events = sum(map(len, kept.events.values()))
    yield _count(events, f"events in their histories; {overtaken} came after a newer one")
    yield _count(len(kept.deliveries), f"bodies as they came: {_tally(kept.deliveries, 'state')}")


def _count(number: int, what: str) -> str:
    return f"{number:>7}  {what}"


def _tally(rows: Sequence[Row], name: str) -> str:
    tally = Counter(row[name] for row in rows)
    return ", ".join(f"{number} {value}" for value, number in tally.most_common())


def some_alerts(kept: Kept) -> Iterator[str]:
    """Show a few of the alerts, of every status if there are such."""
    yield f"{'ALERT':<8}{'STATUS':<14}{'URGENCY':<10}{'EVENTS':>6}  WHAT"
    for alert in _choose(kept.alerts):
        urgency = label(alert, "pagertree_urgency")
        events = len(kept.events[alert["id"]])
        what = alert["summary"][:TITLE_CHARACTERS_MAX]
        yield f"{alert['short_id']:<8}{alert['status']:<14}{urgency:<10}{events:>6}  {what}"


def _choose(alerts: Sequence[Row]) -> list[Row]:
    """Take turns among the statuses."""
    by_status = [[alert for alert in alerts if alert["status"] == status] for status in STATUSES]
    turns = [(turn, group[turn]) for group in by_status for turn in range(len(group))]
    chosen = [alert for _, alert in sorted(turns, key=lambda pair: pair[0])]
    return sorted(chosen[:SHOWN_MAX], key=lambda alert: STATUSES.index(alert["status"]))


def label(alert: Row, key: str) -> str:
    """Return a label of an alert, or a dash."""
    return next((str(pair["value"]) for pair in alert["labels"] if pair["key"] == key), "-")


def one_history(kept: Kept) -> Iterator[str]:
    """Show the most eventful alert: when things happened, and when word of them came."""
    alert = max(kept.alerts, key=lambda alert: _variety(kept.events[alert["id"]]), default=None)
    if alert is None:
        return
    events = sorted(kept.events[alert["id"]], key=happened_at)
    deliveries = {delivery["id"]: delivery for delivery in kept.deliveries}
    came_at = [received_at(deliveries[event["delivery_id"]]) for event in events]
    began = min(map(received_at, kept.deliveries))
    yield f"{alert['short_id']}: what happened, and when word of it came"
    for place, event in enumerate(events):
        delivery = deliveries[event["delivery_id"]]
        came_ms = (came_at[place] - began).total_seconds() * 1000
        happened = f"{happened_at(event):%H:%M:%S}  {event['event_type']:<20}"
        remarks = _remarks(delivery, is_late=is_overtaken(came_at, place))
        yield f"  {happened}  {came_ms:>6.0f} ms{remarks}"


def _variety(events: Sequence[Row]) -> tuple[bool, int]:
    kinds = {event["event_type"] for event in events}
    return len(events) <= STEPS_SHOWN_MAX, len(kinds)


def _remarks(delivery: Row, *, is_late: bool) -> str:
    times = delivery["times_received"]
    remarks = ["late"] * is_late + [f"{times} times"] * (times > 1)
    return f"  {', '.join(remarks)}" if remarks else ""


def directory_synced(listed: Row) -> str:
    """Say whom the service found that it can page."""
    found = ", ".join(f"{listed[kind]} {kind}" for kind in ("teams", "users", "routers"))
    return f"directory synced, {found}: POST .../ID/sync"


def one_page(watched: WatchedPage) -> Iterator[str]:
    """Show a page: its statuses since it was asked for, its operations and their attempts."""
    page = watched.page
    targets = ", ".join(target["name"] for target in page["targets"])
    yield f"PAGE  {page['title']} -> {targets}; {watched.story}"
    for step in watched.steps:
        by = f" by {page['acknowledged_by']}" if step.status == "acknowledged" else ""
        yield f"{step.after_ms:>7} ms  {step.status}{by}"
    for operation in page["operations"]:
        yield f"  {operation['kind']}: {operation['state']}, with the mark {watched.mark}"
        for attempt in operation["attempts"]:
            yield f"    {_attempt(attempt)}"


def _attempt(attempt: Row) -> str:
    path = attempt["path"].partition("&")[0][:PATH_CHARACTERS_MAX]
    ended = attempt["http_status"] or "no answer"
    return f"{attempt['duration_ms']:>3} ms  {attempt['method']:<4} {path}  {ended}"


def pagertree_saw(paged: Paged) -> Iterator[str]:
    """Say what the simulated PagerTree saw of the pages, and whom it paged."""
    methods = Counter(request["method"] for request in paged.alert_requests)
    asked = ", ".join(f"{number} x {method} /alerts" for method, number in methods.items())
    yield "What PagerTree saw"
    yield _count(len(paged.alert_requests), f"requests about them: {asked}")
    for watched in paged.pages:
        alerts = sum(alert["thirdparty_id"] == watched.mark for alert in paged.alerts)
        notified = sum(
            each["thirdparty_id"] == watched.mark and each["target_name"] == paged.team
            for each in paged.notifications
        )
        title = watched.page["title"]
        yield _count(
            alerts, f"alerts with the mark of {title!r}; {paged.team} was paged {notified} x"
        )


def timeline(story: IncidentStory) -> Iterator[str]:
    """Show what happened to an incident, at its own time."""
    incident = story.incident
    yield f"INCIDENT {incident['sequential_id']}  {incident['title']}, {incident['status']}"
    for entry in story.timeline:
        said = f"  {happened_at(entry):%H:%M:%S}  "
        lines = textwrap.wrap(entry["event"], COLUMNS_MAX - len(said))
        yield said + lines[0]
        yield from (" " * len(said) + line for line in lines[1:])


def check_lines(checks: Sequence[Check]) -> Iterator[str]:
    """Give each check a tick, or what is wrong."""
    yield "Checked against what the simulator knows"
    for check in checks:
        yield f"  ✓ {check.name}" if check.passed else f"  ✗ FAILED: {check.name}"
        if not check.passed:
            yield from (f"      {difference}" for difference in check.differences())


def invitation(url: str, token: str, directory: Path, *, team: str) -> str:
    """Say what can be looked at and done while the service goes on."""
    attributes = {"title": "It burns", "teams": [{"name": team}]}
    page = json.dumps({"data": {"type": "pages", "attributes": attributes}})
    return f"""
Look around; Ctrl-C ends the demo and removes all of it, this API key included.
  documentation   {url}/docs
  metrics         {url}/metrics
  data, logs      {directory}
  page a team     curl -H 'Authorization: Bearer {token}' \\
                       -H 'Content-Type: application/json' {url}/v1/pages \\
                       -d '{page}'
  alerts          curl -H 'Authorization: Bearer {token}' \\
                       {url}/v1/alerts"""
