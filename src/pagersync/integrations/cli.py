"""`pagersync integrations`: connected PagerTree accounts."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

import typer

from pagersync.command import Context, run
from pagersync.events.publish import NO_INTEGRATION
from pagersync.integrations import service
from pagersync.integrations.directory_store import read_broken
from pagersync.integrations.gate import list_gates
from pagersync.integrations.models import Integration, WebhookRefusal, WhenUnknown
from pagersync.said import say

app = typer.Typer(no_args_is_help=True, help="Connected PagerTree accounts.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reference = Annotated[str, typer.Argument(metavar="NAME_OR_ID")]


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List the connected accounts."""

    async def action(context: Context) -> tuple[list[dict[str, Any]], Sequence[WebhookRefusal]]:
        async with context.sessions() as session:
            rows = await service.list_integrations(session)
            strangers = await service.list_refusals(session, [NO_INTEGRATION])
            return [_described(context, row) for row in rows], strangers

    rows, strangers = run(action)
    if as_json:
        say(json.dumps(rows))
    for row in [] if as_json else rows:
        state = "enabled" if row["enabled"] else "disabled"
        say(f"{row['id']}  {row['name']}  {state}{'  default' * row['default']}")
    for refusal in [] if as_json else strangers:
        say(
            f"\n{refusal.times} requests came to webhook addresses that do not exist, "
            f"the last at {refusal.last_at:%Y-%m-%d %H:%M:%S %Z}."
        )


@app.command()
def show(reference: Reference, *, as_json: Json = False) -> None:
    """Show one account, and what was refused at its webhook."""

    async def action(context: Context) -> dict[str, Any]:
        async with context.sessions() as session:
            integration = await service.find_integration(session, reference)
            refusals = await service.list_refusals(session, [integration.id])
            gates = await list_gates(session, [integration.id])
            broken = (await read_broken(session, [integration.id])).get(integration.id, [])
        gate = gates.get(integration.id)
        return _described(context, integration) | {
            "api_state": (gate and gate.reason) or "ok",
            "api_error": gate and gate.last_error,
            "broken_references": broken,
            "refusals": [
                {"reason": r.reason, "times": r.times, "last_at": r.last_at.isoformat()}
                for r in refusals
            ],
        }

    shown = run(action)
    if as_json:
        say(json.dumps(shown))
        return
    refusals, broken = shown.pop("refusals"), shown.pop("broken_references")
    for key, value in shown.items():
        say(f"{key:<20} {'-' if value is None else value}")
    for one in broken:
        say(f"{'broken reference':<20} {one['where']}: {one['detail']}")
    for r in refusals:
        say(f"{'refused':<20} {r['times']} x {r['reason']}, last {r['last_at']}")


@app.command("rotate-secret")
def rotate_secret(
    reference: Reference,
    grace_hours: Annotated[
        float | None,
        typer.Option(
            min=0, max=8760, help="How long the old secret still works. By default the setting's."
        ),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Make a new webhook secret and print it, once."""

    async def action(context: Context) -> None:
        hours = context.settings.secret_grace_hours if grace_hours is None else grace_hours
        async with context.sessions.begin() as session:
            integration = await service.find_integration(session, reference)
            new = await service.rotate_secret(session, integration.id, grace=timedelta(hours=hours))
        print_secret(context, new, as_json=as_json)

    run(action)


@app.command("default")
def default(reference: Reference) -> None:
    """Make an account the default: used by pages, alerts and tasks that name no account."""
    _change(reference, is_default=True)
    say(f"{reference} is the default account.")


@app.command("when-unknown")
def when_unknown(
    reference: Reference,
    action: Annotated[WhenUnknown, typer.Argument(help="What to do.")],
    after_s: Annotated[
        int | None,
        typer.Option(min=10, max=86_400, help="After how many seconds to page again."),
    ] = None,
) -> None:
    """Set what to do about a page of which nobody can tell whether PagerTree has it."""
    columns: dict[str, Any] = {"when_unknown": action.value}
    if after_s is not None:
        columns["page_again_after_s"] = after_s
    _change(reference, **columns)
    again = action is WhenUnknown.PAGE_AGAIN
    said = "is also sent again, once" if again else "is looked for until it is known"
    say(f"A page of {reference} that stays unknown {said}.")


def _change(reference: str, **columns: Any) -> None:
    async def action(context: Context) -> None:
        async with context.sessions.begin() as session:
            integration = await service.find_integration(session, reference)
            await service.change_integration(session, integration.id, **columns)

    run(action)


def _described(context: Context, row: Integration) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "name": row.name,
        "enabled": row.enabled,
        "default": row.is_default,
        "when_unknown": row.when_unknown,
        "page_again_after_s": row.page_again_after_s,
        "pagertree_url": row.pagertree_url,
        "webhook_url": service.webhook_url(context.settings, row.id),
        "alert_url_template": row.alert_url_template,
        "alerts_per_day_max": row.alerts_per_day_max,
        "verified_at": row.verified_at and row.verified_at.isoformat(),
        "directory_synced_at": row.directory_synced_at and row.directory_synced_at.isoformat(),
        "directory_error": row.directory_error,
    }


def print_secret(
    context: Context, new: service.NewSecret, *, as_json: bool, more: Sequence[str] = ()
) -> None:
    """Print an account's new webhook secret, and what is left to do."""
    answer = {
        "id": str(new.integration.id),
        "name": new.integration.name,
        "webhook_url": service.webhook_url(context.settings, new.integration.id),
        "webhook_secret": new.webhook_secret,
    }
    if as_json:
        say(json.dumps(answer))
        return
    for key, value in answer.items():
        say(f"{key:<15} {value}")
    say("\nThe secret is not shown again. What is left to do:")
    for number, step in enumerate([*service.setup_steps(context.settings, new), *more], start=1):
        say(f"  {number}. {step}")
    if context.settings.public_url is None:
        say("\nPagerTree cannot reach the address above: set PAGERSYNC_PUBLIC_URL to one it can.")
