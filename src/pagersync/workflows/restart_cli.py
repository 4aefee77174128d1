"""`pagersync incidents restart`: an incident started again, and whether that pages anybody."""

from pagersync.command import Context, run
from pagersync.incidents import cli as incidents
from pagersync.incidents.cli import CAUSE, Json, Reference
from pagersync.said import say


def restart(reference: Reference, *, as_json: Json = False) -> None:
    """Start an incident again, and say whether that pages anybody."""

    async def action(context: Context) -> incidents.Described:
        from pagersync.incidents.lifecycle import is_restart, note_on_start
        from pagersync.incidents.service import get_incident, move_incident
        from pagersync.workflows.restart import notes_on_restart

        async with context.sessions.begin() as session:
            incident = await get_incident(session, reference, lock=True)
            before = incident.status
            moved = await move_incident(session, incident, "started", CAUSE)
            notes = note_on_start(moved.number, before, moved.status)
            if is_restart(before, moved.status):
                notes = await notes_on_restart(session, moved, before)
            (described,) = await incidents.describe(session, [moved])
            return described | {"notes": notes}

    row = run(action)
    incidents.show_row(row, as_json=as_json)
    if not as_json:
        for note in row["notes"]:
            say(note)
