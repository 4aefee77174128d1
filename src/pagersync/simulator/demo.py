"""`pagersync demo`: a simulated PagerTree, the real service, and a check of what came of it."""

import asyncio
import io
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from time import perf_counter
from typing import Final

import typer

from pagersync.http import AsyncClient
from pagersync.simulator import demo_text as text
from pagersync.simulator.demo_checks import Check, Kept, Sent, compare
from pagersync.simulator.demo_incident import (
    declare_incident,
    receive_alert,
    resolve_incident,
    wait_until_acknowledged,
)
from pagersync.simulator.demo_incident_checks import compare_incident
from pagersync.simulator.demo_paging import (
    TEAM,
    look_at_pagertree,
    open_control,
    page_undisturbed,
    page_with_a_lost_answer,
    sync_directory,
)
from pagersync.simulator.demo_paging_checks import Paged, compare_paging
from pagersync.simulator.demo_stage import (
    DemoError,
    PagerTree,
    Service,
    running_service,
    simulated_pagertree,
    temporary_directory,
)
from pagersync.simulator.demo_traffic import (
    Webhook,
    connect,
    open_api,
    read_back,
    send_all,
    wait_until_applied,
    write_demo_script,
)

FAILED: Final = 1
INTERRUPTED: Final = 130


class Stopwatch:
    """Prints what was done, and how long it took since the last time."""

    def __init__(self) -> None:
        self._since = perf_counter()

    def lap(self, what: str) -> None:
        """Say that `what` is done."""
        now = perf_counter()
        typer.echo(f"  {now - self._since:5.2f} s  {what}")
        self._since = now


def run_demo(*, once: bool) -> int:
    """Play the demo at the terminal.

    Args:
        once: End when the checks are done, instead of serving until Ctrl-C.

    Returns:
        The exit code: 0, or 1 when something is not as it should be, or 130 when `once` was
        interrupted before that was known.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal has a tick
    try:
        return asyncio.run(_play_until_interrupted(once=once))
    except DemoError as error:
        typer.echo(f"\n{error}", err=True)
        return FAILED


async def _play_until_interrupted(*, once: bool) -> int:
    playing = asyncio.create_task(_play(once=once))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            asyncio.get_running_loop().add_signal_handler(number, _interrupt, playing)
    try:
        return await playing
    except asyncio.CancelledError:
        typer.echo("\nInterrupted. Everything is stopped and removed.")
        return INTERRUPTED if once else 0


def _interrupt(playing: asyncio.Task[int]) -> None:
    """Begin the end; a second Ctrl-C must not disturb it."""
    if not playing.cancelling():
        playing.cancel()


async def _play(*, once: bool) -> int:
    typer.echo("pagersync demo: a simulated PagerTree, and the real service on a new PostgreSQL\n")
    stopwatch = Stopwatch()
    with temporary_directory() as directory, simulated_pagertree() as pagertree:
        async with running_service(directory) as service:
            stopwatch.lap(f"the service and its PostgreSQL started: {service.url}")
            key = await service.accompany(service.command("keys", "create", "demo", "--json"))
            stopwatch.lap("an API key made: pagersync keys create demo")
            show = _show(pagertree, service, key["token"], stopwatch)
            exit_code = await service.accompany(show)
            if not once:
                typer.echo(text.invitation(service.url, key["token"], directory, team=TEAM))
                await _wait_for_ctrl_c(service)
    if not once:
        typer.echo("\nThe service is stopped, and the data is removed.")
    return exit_code


async def _show(pagertree: PagerTree, service: Service, token: str, stopwatch: Stopwatch) -> int:
    """Play, look and check; return the exit code."""
    async with open_api(service.url, token) as api:
        webhook = await connect(api, pagertree, team=TEAM)
        stopwatch.lap("PagerTree connected, which accepted its API key: POST /v1/integrations")
        script = write_demo_script(now=datetime.now(UTC))
        sent = await send_all(script, webhook)
        stopwatch.lap(f"{sent.requests} requests sent to the webhook and answered")
        await wait_until_applied(api)
        stopwatch.lap("until everything was applied")
        kept = await read_back(api, webhook.integration_id)
        received = report(sent, kept)
        async with open_control(pagertree, webhook) as control:
            paged = await _page(api, control, webhook, stopwatch)
            coordinated = await _coordinate(api, control, service, stopwatch)
        return max(received, paged, coordinated)


def report(sent: Sent, kept: Kept) -> int:
    """Print what was sent, what is kept and whether it is right; return the exit code."""
    return _print(
        [text.sent_and_kept(sent, kept), text.some_alerts(kept), text.one_history(kept)],
        compare(sent, kept),
    )


async def _page(
    api: AsyncClient, control: AsyncClient, webhook: Webhook, stopwatch: Stopwatch
) -> int:
    """Page a team, look and check; return the exit code."""
    typer.echo("\nThe other way: people are paged")
    listed = await sync_directory(api, webhook.integration_id)
    stopwatch.lap(text.directory_synced(listed))
    calm = await page_undisturbed(api)
    stopwatch.lap("a team paged by its name, until somebody acknowledged: POST /v1/pages")
    lost = await page_with_a_lost_answer(api, control)
    stopwatch.lap("the same again, but PagerTree's answer and its webhooks are lost")
    return report_paging(await look_at_pagertree(control, (calm, lost)))


async def _coordinate(
    api: AsyncClient, control: AsyncClient, service: Service, stopwatch: Stopwatch
) -> int:
    """Take an incident from its first alert to its end, look and check; return the exit code."""
    typer.echo("\nBoth ways at once: an incident, paged for and resolved by the default workflows")
    alert = await receive_alert(api, control)
    stopwatch.lap(f"PagerTree opened an alert, which came by webhook: {alert['summary']}")
    incident = await declare_incident(api, alert)
    number = str(incident["sequential_id"])
    stopwatch.lap(f"incident {number} declared, with the alert attached: POST /v1/incidents")
    await wait_until_acknowledged(api, control, incident)
    stopwatch.lap("paged by the workflow, acknowledged by somebody in PagerTree")
    story = await resolve_incident(api, control, incident)
    stopwatch.lap("incident resolved, and with it both alerts in PagerTree: PUT .../resolve")
    why = await service.text("why", "incident", number)
    return _print(
        [text.timeline(story), iter([f"pagersync why incident {number}", "", why.rstrip()])],
        list(compare_incident(story)),
    )


def report_paging(paged: Paged) -> int:
    """Print what became of the pages and whether it is right; return the exit code."""
    pages = (text.one_page(watched) for watched in paged.pages)
    return _print([*pages, text.pagertree_saw(paged)], list(compare_paging(paged)))


def _print(paragraphs: Iterable[Iterator[str]], checks: Sequence[Check]) -> int:
    for paragraph in (*paragraphs, text.check_lines(checks)):
        typer.echo("\n" + "\n".join(paragraph))
    return 0 if all(check.passed for check in checks) else FAILED


async def _wait_for_ctrl_c(service: Service) -> None:
    """Return on Ctrl-C.

    Raises:
        DemoError: the service ended.
    """
    with suppress(asyncio.CancelledError):
        await service.accompany(asyncio.Event().wait())
