"""The commands `pagersync simulator ...`: a PagerTree to try a receiver with."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from pagersync.simulator.play import Script
    from pagersync.simulator.sender import Report

app = typer.Typer(
    help="A PagerTree look-alike: sends webhooks like PagerTree and answers like its API.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

_GIVEN_UP_SHOWN_MAX = 10

_SLOW_AS_IN_LIFE = {"hold_s": 30.0, "slow_s": 5.0, "first_pause_s": 10.0}


def _parse_time(text: str) -> datetime:
    """Read an ISO 8601 time; without an offset it is in UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("write the time like 2026-01-31T09:00:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


UrlOption = Annotated[
    str,
    typer.Option(help="The webhook to send to. Its query may hold the secret already."),
]
SecretOption = Annotated[
    str,
    typer.Option(help="The webhook's secret, if it is not in the URL. It is never shown."),
]
AuthOption = Annotated[
    Literal["query", "basic", "bare"],
    typer.Option(
        help="How the secret travels: in the URL's query; as the password of basic authentication; "
        "or as the same without the word 'Basic', as PagerTree was seen to send it.",
    ),
]
AlertsOption = Annotated[int, typer.Option(min=1, help="How many alerts live.")]
SeedOption = Annotated[
    int | None,
    typer.Option(
        help="Decides every detail: the same seed sends the same bytes. Default: a new one.",
    ),
]
StartOption = Annotated[
    datetime | None,
    typer.Option(
        parser=_parse_time,
        metavar="TIME",
        help="When the first alert begins (ISO 8601). Default: with --seed the first of January "
        "2026, otherwise so that the last event happens now.",
    ),
]
DuplicatesOption = Annotated[
    float,
    typer.Option(
        min=0, max=1, help="Share (0 to 1) of the deliveries that are sent again after a success."
    ),
]
ReorderOption = Annotated[
    int,
    typer.Option(
        min=0, help="Window in events: those less than this far apart may start in any order."
    ),
]
LateOption = Annotated[
    float,
    typer.Option(
        min=0, max=1, help="Share (0 to 1) of the deliveries held back until all others are done."
    ),
]
ConcurrencyOption = Annotated[int, typer.Option(min=1, help="Requests under way at once, at most.")]
TimeScaleOption = Annotated[
    float,
    typer.Option(
        min=0,
        help="Multiplies the pauses before retries. At 1 a delivery that always fails is given up "
        "after two days, at 0.0001 after some 20 seconds.",
    ),
]
CommentsOption = Annotated[bool, typer.Option("--comments", help="Send events about comments too.")]
RemindersOption = Annotated[bool, typer.Option("--reminders", help="Send on-call reminders too.")]
RuleOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        help="Set a key beside `type` and `data`, as PagerTree's outgoing rules do. The value may "
        "be JSON. Repeatable.",
    ),
]
DropOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD",
        help="Leave a key out of `data`, as a custom template may. Repeatable.",
    ),
]
LinkedOption = Annotated[
    bool,
    typer.Option(
        "--linked", help="Add the team, user, source and log objects, as `send_linked` does."
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print the report as JSON, with every delivery."),
]


@app.command("send")
def send_alerts(  # noqa: PLR0913 - typer reads one parameter per option
    *,
    url: UrlOption,
    secret: SecretOption = "",
    auth: AuthOption = "query",
    alerts: AlertsOption = 10,
    seed: SeedOption = None,
    start: StartOption = None,
    duplicates: DuplicatesOption = 0.0,
    reorder: ReorderOption = 0,
    late: LateOption = 0.0,
    concurrency: ConcurrencyOption = 1,
    time_scale: TimeScaleOption = 0.0001,
    comments: CommentsOption = False,
    reminders: RemindersOption = False,
    rule: RuleOption = None,
    drop: DropOption = None,
    linked: LinkedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Play alerts to a webhook, and exit with 1 if a delivery was given up."""
    # Only this command needs the HTTP client; the help of pagersync should not wait for it.
    from pagersync.simulator import play, schedule, sender
    from pagersync.simulator.target import Target

    script = play.write_script(
        play.Play(
            alerts=alerts,
            seed=seed,
            started_at=start,
            comments=comments,
            reminders=reminders,
            rules=_parse_pairs(rule or [], "--rule"),
            drop=drop or [],
            linked=linked,
        ),
        now=datetime.now(UTC),
    )
    options = sender.SendOptions(
        chaos=schedule.Chaos(duplicate_rate=duplicates, reorder=reorder, late_rate=late),
        retries=schedule.RetrySchedule(time_scale=time_scale),
        concurrency=concurrency,
        seed=script.seed,
    )
    try:
        target = Target(url, secret, auth, integration_id=script.account.integration_id)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--url") from None
    report = asyncio.run(sender.send(script.deliveries, target, options))
    typer.echo(_to_json(report, script) if as_json else _to_text(report, script, target.shown_url))
    raise typer.Exit(1 if report.given_up else 0)


def _parse_pairs(pairs: list[str], option: str) -> dict[str, Any]:
    """Read KEY=VALUE pairs; a value that is no JSON is a string.

    Raises:
        typer.BadParameter: There is no key or no equals sign.
    """
    parsed = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise typer.BadParameter("write it as KEY=VALUE", param_hint=option)
        try:
            parsed[key] = json.loads(value)
        except json.JSONDecodeError:
            parsed[key] = value
    return parsed


def _to_json(report: "Report", script: "Script") -> str:
    seed = {"seed": script.seed, "started_at": script.started_at.isoformat()}
    return json.dumps({**seed, **asdict(report)}, indent=2)


def _to_text(report: "Report", script: "Script", shown_url: str) -> str:
    return "\n".join(_lines(report, script, shown_url))


def _lines(report: "Report", script: "Script", shown_url: str) -> Iterator[str]:
    kinds = ", ".join(f"{count} x {name}" for name, count in sorted(report.failures.items()))
    failed = sum(report.failures.values())
    yield f"{report.events} events to {shown_url}"
    yield ""
    yield f"delivered        {report.events - report.given_up:>7}"
    yield f"given up         {report.given_up:>7}"
    yield f"requests         {report.requests:>7}"
    yield f"  failed         {failed:>7}{f'  ({kinds})' if kinds else ''}"
    yield f"  duplicates     {report.duplicates:>7}"
    yield f"seconds          {report.duration_s:>7.1f}"
    yield ""
    yield from _given_up_lines(report)
    yield f"The same again: --seed {script.seed} --start {script.started_at.isoformat()}"


def _given_up_lines(report: "Report") -> Iterator[str]:
    given_up = [delivery for delivery in report.deliveries if not delivery.succeeded]
    for delivery in given_up[:_GIVEN_UP_SHOWN_MAX]:
        last = delivery.failures[-1]
        name = f"{delivery.type} {delivery.subject}"
        yield f"Given up: {name} after {delivery.attempts} attempts, the last: {last}"
    if len(given_up) > _GIVEN_UP_SHOWN_MAX:
        yield f"... and {len(given_up) - _GIVEN_UP_SHOWN_MAX} more (--json shows all)"
    if given_up:
        yield ""


ApiKeyOption = Annotated[
    list[str], typer.Option(help="A key that is let in. Repeatable. It is never shown.")
]
PortOption = Annotated[
    int, typer.Option(min=0, max=65535, help="TCP port on 127.0.0.1; 0 takes a free one.")
]
ApiSeedOption = Annotated[int, typer.Option(help="Decides the account and every fault.")]
WebhookUrlOption = Annotated[
    str, typer.Option(help="Where webhooks go. Its query may hold the secret already.")
]
QueuedOption = Annotated[float, typer.Option(min=0, help="How long an alert stays queued.")]
AcknowledgeOption = Annotated[
    float | None,
    typer.Option(min=0, help="When the first person on call acknowledges. Default: never."),
]
FaultsOption = Annotated[
    float, typer.Option(min=0, max=1, help="Share (0 to 1) of requests that go wrong somehow.")
]
FaultOption = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=RATE", help="Share of one fault. Repeatable; see the README."),
]
UnknownOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Decide something that is not known about PagerTree. Repeatable; see the README.",
    ),
]


@app.command("api")
def serve_api(  # noqa: PLR0913 - typer reads one parameter per option
    *,
    api_key: ApiKeyOption,
    port: PortOption = 8089,
    seed: ApiSeedOption = 0,
    webhook_url: WebhookUrlOption = "",
    webhook_secret: SecretOption = "",
    webhook_auth: AuthOption = "query",
    queued_s: QueuedOption = 1.0,
    acknowledge_after_s: AcknowledgeOption = None,
    faults: FaultsOption = 0.0,
    fault: FaultOption = None,
    unknown: UnknownOption = None,
) -> None:
    """Serve an account by PagerTree's REST API v4, with webhooks and with faults on demand.

    Below /control, a test can look behind it, change every option and act as a person.
    """
    import uvicorn

    from pagersync.simulator.options import SimulatorOptions, changed
    from pagersync.simulator.simulator import Simulator

    if not all(api_key):
        raise typer.BadParameter("a key cannot be empty", param_hint="--api-key")
    changes = {
        **_SLOW_AS_IN_LIFE,
        "seed": seed,
        "webhook_url": webhook_url,
        "webhook_secret": webhook_secret,
        "webhook_auth": webhook_auth,
        "queued_s": queued_s,
        "acknowledge_after_s": acknowledge_after_s,
    }
    try:
        changes |= _parse_faults(faults, fault or []) | _parse_unknowns(unknown or [])
        options = changed(SimulatorOptions(api_keys=frozenset(api_key)), changes)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    uvicorn.run(Simulator(options).app, host="127.0.0.1", port=port, timeout_graceful_shutdown=1)


def _parse_faults(share: float, faults: list[str]) -> dict[str, Any]:
    """Spread a share of requests over all faults, and set some of them apart.

    Raises:
        ValueError: There is no such fault.
    """
    from pagersync.simulator.faults import spread
    from pagersync.simulator.options import FaultRates, check_group

    rates = _parse_pairs(faults, "--fault")
    check_group(FaultRates, rates)
    return spread(share) | rates


def _parse_unknowns(unknowns: list[str]) -> dict[str, Any]:
    """Read what is decided about the unknown.

    Raises:
        ValueError: There is no such unknown.
    """
    from pagersync.simulator.options import check_group
    from pagersync.simulator.unknowns import Unknowns

    values = _parse_pairs(unknowns, "--unknown")
    check_group(Unknowns, values)
    return values
