"""`pagersync deliveries`: PagerTree's webhooks that became nothing, listed and applied again."""

import json
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from pagersync.command import Context, run
from pagersync.said import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pagersync.inbox.models import Delivery
    from pagersync.inbox.service import Replay

app = typer.Typer(no_args_is_help=True, help="Webhooks that PagerTree sent.")

State: TypeAlias = Literal["queued", "running", "done", "ignored", "invalid", "limited", "dead"]
Ended: TypeAlias = Literal["ignored", "invalid", "limited", "dead"]


@app.command("list")
def list_(
    *,
    state: Annotated[State, typer.Option(help="Only these.")] = "dead",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Newest first.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List webhooks, newest first."""

    async def action(context: Context) -> "Sequence[Delivery]":
        from sqlalchemy import select
        from sqlalchemy.orm import defer

        from pagersync.inbox.models import Delivery

        statement = select(Delivery).where(Delivery.state == state).options(defer(Delivery.body))
        async with context.sessions() as session:
            return (
                await session.scalars(statement.order_by(Delivery.id.desc()).limit(limit))
            ).all()

    rows = run(action)
    if as_json:
        say(json.dumps([_described(row) for row in rows]))
        return
    for row in rows:
        said = f"{row.id}  {row.received_at:%Y-%m-%d %H:%M:%S}  {row.event_type or '-'}"
        say(f"{said}  {row.last_error or ''}".rstrip())
    if not rows:
        say("There are none.")


@app.command()
def replay(state: Annotated[Ended, typer.Option(help="All that are so, at most 10,000.")]) -> None:
    """Apply webhooks once more. What they say counts once."""

    async def action(context: Context) -> "Replay":
        from pagersync.inbox.models import Delivery
        from pagersync.inbox.service import replay_deliveries

        async with context.sessions.begin() as session:
            return await replay_deliveries(session, [Delivery.state == state])

    say(f"Queued once more: {run(action).replayed}.")


def _described(row: "Delivery") -> dict[str, object]:
    return {
        "id": str(row.id),
        "integration_id": str(row.integration_id),
        "state": row.state,
        "event_type": row.event_type,
        "received_at": row.received_at.isoformat(),
        "last_error": row.last_error,
    }
