"""`pagersync incidents`: incidents from a terminal."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from pagersync.command import Context, run
from pagersync.errors import InvalidError
from pagersync.events.publish import Cause
from pagersync.said import say

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from pagersync.incidents.models import Incident, IncidentEvent
    from pagersync.incidents.requests import NewIncidentAttributes

app = typer.Typer(no_args_is_help=True, help="Incidents: create, list, show, resolve.")

CAUSE: Final = Cause("the command line", "cli")
TIMELINE_MAX: Final = 1000
TIMES: Final = ("started_at", "acknowledged_at", "mitigated_at", "resolved_at", "cancelled_at")

Described = dict[str, Any]

Status = Literal[
    "in_triage",
    "started",
    "detected",
    "acknowledged",
    "mitigated",
    "resolved",
    "closed",
    "cancelled",
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reference = Annotated[str, typer.Argument(metavar="NUMBER_OR_ID")]


@app.command()
def create(
    title: Annotated[str | None, typer.Argument(help="Without one it gets one.")] = None,
    *,
    summary: Annotated[str | None, typer.Option(help="More about it.")] = None,
    severity: Annotated[str | None, typer.Option(help="A severity: name, slug or id.")] = None,
    status: Annotated[Status, typer.Option(help="Where it begins.")] = "started",
    label: Annotated[list[str] | None, typer.Option(help="KEY:VALUE. Repeatable.")] = None,
    as_json: Json = False,
) -> None:
    """Create an incident."""
    labels = dict(_split(text) for text in label or [])
    attributes = _checked(title=title, summary=summary, status=status, labels=labels)

    async def action(context: Context) -> Described:
        from pagersync.incidents.requests import to_new_incident
        from pagersync.incidents.service import create_incident
        from pagersync.incidents.severities import find_severity

        async with context.sessions.begin() as session:
            if severity is not None:
                attributes.severity_id = (await find_severity(session, severity)).id
            new = to_new_incident(attributes)
            incident = await create_incident(session, new, CAUSE)
            _tell(new.notes)
            return (await describe(session, [incident]))[0]

    show_row(run(action), as_json=as_json)


@app.command("list")
def list_(
    *,
    status: Annotated[
        Status | None, typer.Option(help="Only these. Without it: all that are not over.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List incidents, newest first."""

    async def action(context: Context) -> list[Described]:
        from sqlalchemy import select

        from pagersync.incidents.lifecycle import OVER
        from pagersync.incidents.models import Incident

        wanted = Incident.status == status if status else Incident.status.not_in(OVER)
        statement = (
            select(Incident)
            .where(wanted, Incident.removed_at.is_(None))
            .order_by(Incident.id.desc())
            .limit(limit)
        )
        async with context.sessions() as session:
            return await describe(session, (await session.scalars(statement)).all())

    rows = run(action)
    if as_json:
        say(json.dumps(rows))
        return
    for row in rows:
        severity = row["severity"] or "-"
        say(f"{row['sequential_id']:>6}  {row['status']:<12} {severity:<10} {row['title']}")
    if not rows:
        say("There are none.")


@app.command()
def show(reference: Reference, *, as_json: Json = False) -> None:
    """Show an incident with its timeline."""

    async def action(context: Context) -> "tuple[Described, Sequence[IncidentEvent]]":
        from sqlalchemy import select

        from pagersync.incidents.models import IncidentEvent
        from pagersync.incidents.service import get_incident

        async with context.sessions() as session:
            incident = await get_incident(session, reference)
            own = select(IncidentEvent).where(IncidentEvent.incident_id == incident.id)
            ordered = own.order_by(IncidentEvent.occurred_at, IncidentEvent.id)
            entries = (await session.scalars(ordered.limit(TIMELINE_MAX))).all()
            return (await describe(session, [incident]))[0], entries

    incident, entries = run(action)
    if as_json:
        timeline = [
            {"occurred_at": each.occurred_at.isoformat(), "event": each.event, "kind": each.kind}
            for each in entries
        ]
        say(json.dumps(incident | {"timeline": timeline}))
        return
    for key, value in incident.items():
        say(f"{key:<18} {'-' if value is None else value}")
    for each in entries:
        say(f"{each.occurred_at:%Y-%m-%d %H:%M:%S}  {each.event}")


@app.command()
def resolve(
    reference: Reference,
    *,
    message: Annotated[str | None, typer.Option(help="How it was resolved.")] = None,
    as_json: Json = False,
) -> None:
    """Resolve an incident."""

    async def action(context: Context) -> Described:
        from pagersync.incidents.requests import Resolution
        from pagersync.incidents.service import get_incident, move_incident

        said = Resolution(resolution_message=message)
        async with context.sessions.begin() as session:
            incident = await get_incident(session, reference, lock=True)
            moved = await move_incident(
                session, incident, "resolved", CAUSE, said.resolution_message, said.notes
            )
            _tell(said.notes)
            return (await describe(session, [moved]))[0]

    show_row(run(action), as_json=as_json)


def _split(label: str) -> tuple[str, str]:
    from pagersync.labels import label_of

    pair = label_of(label)
    if pair is None:
        raise InvalidError(f"--label {label!r} is not of the form KEY:VALUE")
    return pair


def _tell(notes: "Sequence[str]") -> None:
    """Say what was cut, beside what the command prints."""
    for note in notes:
        say(note, err=True)


def _checked(**values: Any) -> "NewIncidentAttributes":
    """Return what was entered, as a request would say it.

    Raises:
        InvalidError: it cannot be right.
    """
    from pydantic import ValidationError

    from pagersync.incidents.requests import NewIncidentAttributes

    try:
        return NewIncidentAttributes.model_validate(values)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)[0]
        raise InvalidError(f"{wrong['loc'][0]}: {wrong['msg']}") from None


def show_row(row: Described, *, as_json: bool) -> None:
    """Print an incident: in one line, or as JSON."""
    say(
        json.dumps(row)
        if as_json
        else f"Incident {row['sequential_id']} is {row['status']}: {row['title']}"
    )


async def describe(session: "AsyncSession", rows: "Sequence[Incident]") -> list[Described]:
    """Return incidents as JSON, by the API's names; a severity by its name."""
    from pagersync.incidents.severities import list_severities

    names = {severity.id: severity.name for severity in await list_severities(session)}
    return [
        {
            "sequential_id": row.number,
            "id": str(row.id),
            "title": row.title,
            "summary": row.summary,
            "status": row.status,
            "severity": names.get(row.severity_id) if row.severity_id else None,
            "labels": row.labels,
            "created_by": row.created_by,
            "created_at": row.created_at.isoformat(),
            **{name: _time(getattr(row, name)) for name in TIMES},
            "resolution_message": row.resolution_message,
        }
        for row in rows
    ]


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
