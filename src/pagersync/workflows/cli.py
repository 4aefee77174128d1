"""`pagersync workflows`: rules that say what is done when something happens, also as files."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import typer

from pagersync.command import Context, run
from pagersync.errors import InvalidError
from pagersync.said import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pagersync.access.account_names import AccountNames
    from pagersync.workflows.apply import Plan
    from pagersync.workflows.files import Content, WorkflowFile
    from pagersync.workflows.models import Workflow, WorkflowRun

app = typer.Typer(no_args_is_help=True, help="What is done when something happens.")

REQUESTED_BY: Final = "the command line"
RUNS_SHOWN_MAX: Final = 50
STANDARD: Final = "-"

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reference = Annotated[str, typer.Argument(metavar="SLUG_OR_ID")]


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List the workflows, in the order in which they are looked at."""

    async def action(context: Context) -> "tuple[Sequence[Workflow], AccountNames]":
        from pagersync.access.account_names import account_names
        from pagersync.workflows.service import list_workflows

        async with context.sessions() as session:
            rows = await list_workflows(session)
            return rows, await account_names(session, rows)

    rows, accounts = run(action)
    if as_json:
        say(json.dumps([_described(row, accounts) for row in rows]))
        return
    for row in rows:
        triggers = ", ".join(row.triggers) or "by hand"
        state = "on " if row.enabled else "off"
        account = accounts.get(row.integration_id, "every account")
        say(f"{state}  {row.slug}  ({triggers})  {account}")
        if row.off_reason and not row.enabled:
            say(f"       {row.off_reason}")
    if not rows:
        say("There are none.")


@app.command()
def show(reference: Reference, *, as_json: Json = False) -> None:
    """Show a workflow with its tasks, as a file would have it."""

    async def action(context: Context) -> "tuple[Workflow, Content, AccountNames]":
        from pagersync.access.account_names import account_names
        from pagersync.workflows.apply import export
        from pagersync.workflows.service import get_workflow

        async with context.sessions() as session:
            workflow = await get_workflow(session, reference)
            (content,) = await export(session, [workflow.slug])
            return workflow, content, await account_names(session, [workflow])

    from pagersync.workflows.files import compact
    from pagersync.workflows.yaml_text import write_yaml

    workflow, content, accounts = run(action)
    shown = compact(content)
    if as_json:
        say(json.dumps({**_described(workflow, accounts), **shown}))
        return
    say(f"# {workflow.id}, version {workflow.version}, made by {workflow.created_by}")
    if workflow.off_reason and not workflow.enabled:
        say(f"# off: {workflow.off_reason}")
    say(write_yaml(shown), nl=False)


@app.command()
def enable(reference: Reference) -> None:
    """Switch a workflow on."""
    say(f"{_switch(reference, enabled=True)[0]} is on.")


@app.command()
def disable(reference: Reference) -> None:
    """Switch a workflow off; its runs that wait are canceled when their time comes."""
    slug, notes = _switch(reference, enabled=False)
    _tell(f"{slug} is off.", notes)


@app.command()
def remove(
    reference: Reference,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove a workflow; its runs stay, and those that wait are canceled."""

    async def action(context: Context, *, keeps: bool) -> tuple[str, list[str]]:
        from pagersync.workflows.account_workflows import alarm
        from pagersync.workflows.service import get_workflow, remove_workflow

        async with context.sessions() as session:
            workflow = await get_workflow(session, reference, lock=True)
            slug, notes = (await remove_workflow(session, workflow)).slug, await alarm(session)
            await (session.commit() if keeps else session.rollback())
            return slug, notes

    if not yes:
        slug, notes = run(lambda context: action(context, keeps=False))
        _tell(f"The workflow {slug} will be removed.", notes)
        typer.confirm("Remove it?", abort=True)
    slug, notes = run(lambda context: action(context, keeps=True))
    _tell(f"{slug} is removed.", notes if yes else [])


def _tell(what: str, notes: list[str]) -> None:
    for line in (what, *notes):
        say(line)


@app.command("run")
def start(  # noqa: PLR0913 - options of a command
    reference: Reference,
    *,
    incident: Annotated[str | None, typer.Option(help="About this one: number or id.")] = None,
    alert: Annotated[str | None, typer.Option(help="About this one: short id or id.")] = None,
    page: Annotated[str | None, typer.Option(help="About this one: its id.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Let the workflow's wait come first.")
    ] = False,
    check_conditions: Annotated[
        bool, typer.Option("--check-conditions", help="Only if its conditions hold.")
    ] = False,
    context: Annotated[str, typer.Option(help="For templates, as JSON.")] = "{}",
    as_json: Json = False,
) -> None:
    """Start a workflow by hand. A running `serve` or `worker` executes it."""
    from pagersync.workflows.manual import NewManualRun, start_run
    from pagersync.workflows.service import get_workflow
    from pagersync.workflows.subject_params import NamedSubject

    subject = NamedSubject(
        incident_id=incident, alert_id=alert, page_id=page, context=_json_object(context)
    )

    async def action(command: Context) -> "WorkflowRun":
        async with command.sessions.begin() as session:
            new = NewManualRun(
                about=await subject.find(session),
                immediate=not wait,
                check_conditions=check_conditions,
                context=subject.checked_context(),
            )
            workflow = await get_workflow(session, reference, lock=True)
            return await start_run(session, workflow, new, requested_by=REQUESTED_BY)

    started = run(action)
    shown = {"id": str(started.id), "status": started.status, "run_at": started.run_at.isoformat()}
    say(json.dumps(shown) if as_json else f"{started.id}  {started.status}")


@app.command()
def runs(
    status: Annotated[
        list[str] | None, typer.Option(help="Only these; by default what needs somebody.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """List runs, newest first: by default those that failed, and those that were canceled."""
    from sqlalchemy import select

    from pagersync.workflows.models import Workflow, WorkflowRun

    wanted = status or ["failed", "canceled", "completed_with_errors"]
    statement = (
        select(WorkflowRun, Workflow.name)
        .join(Workflow, Workflow.id == WorkflowRun.workflow_id)
        .where(WorkflowRun.status.in_(wanted))
        .order_by(WorkflowRun.id.desc())
        .limit(RUNS_SHOWN_MAX)
    )

    async def action(command: Context) -> list[dict[str, Any]]:
        from pagersync.access.account_names import account_names

        async with command.sessions() as session:
            rows = (await session.execute(statement)).all()
            accounts = await account_names(session, [row for row, _ in rows])
            return [
                {
                    "id": str(row.id),
                    "status": row.status,
                    "integration_name": accounts.get(row.integration_id),
                    "workflow": name,
                    "queued_at": row.created_at.isoformat(timespec="seconds"),
                    "status_message": row.status_message or row.last_error,
                }
                for row, name in rows
            ]

    found = run(action)
    if as_json:
        say(json.dumps(found))
    for row in [] if as_json else found:
        account = f"  ({row['integration_name']})" if row["integration_name"] else ""
        named = f"{row['workflow']}{account}"
        say(f"{row['id']}  {row['queued_at']}  {row['status']:<9}  {named}")
        say(f"    {row['status_message'] or '-'}")


@app.command()
def retry(run_id: Annotated[UUID, typer.Argument(metavar="RUN_ID")]) -> None:
    """Try a run again that failed or was canceled; tasks that are done stay done."""
    from pagersync.workflows.manual import get_run
    from pagersync.workflows.retry import retry_run

    async def action(command: Context) -> None:
        async with command.sessions.begin() as session:
            found = await get_run(session, run_id, lock=True)
            await retry_run(session, found, requested_by=REQUESTED_BY)

    run(action)
    say(f"{run_id} is queued.")


@app.command("export")
def export_(
    file: Annotated[Path, typer.Argument(help="Where to write; `-`: standard output.")] = Path(
        STANDARD
    ),
) -> None:
    """Write all workflows as YAML, those that came with an integration too."""
    from pagersync.workflows.apply import export
    from pagersync.workflows.files import write_file

    async def action(context: Context) -> str:
        async with context.sessions() as session:
            return write_file(await export(session))

    text = run(action)
    if str(file) == STANDARD:
        say(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidError(f"{file} cannot be written: {error.strerror}") from None


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="YAML; `-`: standard input.")],
    *,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Remove what the file does not have, but for defaults."),
    ] = False,
    prune_default: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SLUG",
            help="Remove this workflow, too, though it came with an integration. Repeatable.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Show what differs from a file, ask, and make the workflows as it says, all or none."""
    from pagersync.workflows.files import read_file

    if str(file) == STANDARD and not yes:
        raise InvalidError("the file comes from standard input, so nobody can be asked: add --yes")
    wanted = read_file(_read(file))
    options = {"prune": prune, "prune_defaults": prune_default or []}
    run(lambda context: _apply(context, wanted, options, yes=yes))


async def _apply(
    context: Context, file: "WorkflowFile", options: dict[str, Any], *, yes: bool
) -> None:
    from pagersync.integrations.secret_key import open_checked_vault
    from pagersync.workflows.apply import apply_plan, make_plan

    vault = await open_checked_vault(context.sessions.kw["bind"], context.settings)
    hosts = context.settings.http_client_hosts.split(",")
    options = {**options, "hosts": hosts, "vault": vault}
    async with context.sessions() as session:
        plan: Plan = await make_plan(session, file, **options)
    for line in plan.lines():
        say(line)
    if plan.is_empty:
        return
    if not yes:
        typer.confirm("Apply?", abort=True)
    async with context.sessions.begin() as session:
        again = await make_plan(session, file, **options, lock=True)
        await apply_plan(session, plan, again, requested_by=REQUESTED_BY, vault=vault)
    say("Applied.")


def _switch(reference: str, *, enabled: bool) -> tuple[str, list[str]]:
    """Switch a workflow on or off; return its slug, and a warning if nobody is paged now."""

    async def action(context: Context) -> tuple[str, list[str]]:
        from pagersync.workflows.account_workflows import alarm
        from pagersync.workflows.service import change_workflow, get_workflow

        async with context.sessions.begin() as session:
            workflow = await get_workflow(session, reference, lock=True)
            slug = (await change_workflow(session, workflow, {"enabled": enabled})).slug
            return slug, await alarm(session)

    return run(action)


def _read(file: Path) -> bytes:
    """Return a file's bytes, and no more than are too many.

    Raises:
        InvalidError: it cannot be read.
    """
    from pagersync.workflows.yaml_text import BYTES_MAX

    try:
        if str(file) == STANDARD:
            return sys.stdin.buffer.read(BYTES_MAX + 1)
        with file.open("rb") as opened:
            return opened.read(BYTES_MAX + 1)
    except OSError as error:
        raise InvalidError(f"{file} cannot be read: {error.strerror}") from None


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise InvalidError("--context must be a JSON object")
    return value


def _described(row: "Workflow", accounts: "AccountNames") -> dict[str, Any]:
    return {
        "id": str(row.id),
        "slug": row.slug,
        "name": row.name,
        "integration_name": accounts.get(row.integration_id),
        "enabled": row.enabled,
        "off_reason": row.off_reason,
        "triggers": row.triggers,
        "default": row.default_key is not None,
        "version": row.version,
    }
