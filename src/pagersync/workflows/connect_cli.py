"""`pagersync integrations add`: an account connected, with its default workflows."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import SecretStr

from pagersync.command import Context, checked, run
from pagersync.errors import InvalidError
from pagersync.integrations.cli import Json, print_secret
from pagersync.integrations.models import PAGERTREE_URL
from pagersync.integrations.service import NewSecret, change_integration, find_integration
from pagersync.integrations.values import checked_api_key, checked_name, checked_url
from pagersync.paging.cli import reference_of
from pagersync.said import say

if TYPE_CHECKING:
    from pagersync.workflows.models import Workflow


def add(  # noqa: PLR0913, PLR0917 - arguments and options of a command
    name: Annotated[str, typer.Argument(help="What you call the account.")],
    api_key: Annotated[
        str,
        typer.Option(
            envvar="PAGERTREE_API_KEY",
            prompt="PagerTree API key",
            hide_input=True,
            help="A PagerTree API key; better in the environment than on the command line.",
        ),
    ],
    pagertree_url: Annotated[str, typer.Option(help="Base of PagerTree's API.")] = PAGERTREE_URL,
    alerts_per_day_max: Annotated[
        int | None,
        typer.Option(min=0, max=1_000_000_000, help="New alerts a day (UTC) at most."),
    ] = None,
    default_team: Annotated[
        list[str] | None,
        typer.Option(help="A team that workflows page that name nobody. May be repeated."),
    ] = None,
    default_user: Annotated[
        list[str] | None, typer.Option(help="As --default-team: a user, by name or e-mail.")
    ] = None,
    default_router: Annotated[
        list[str] | None, typer.Option(help="As --default-team: a router.")
    ] = None,
    *,
    default_workflows: Annotated[
        bool,
        typer.Option(
            "--default-workflows/--no-default-workflows",
            help="Page when an incident is created, resolve when it is resolved.",
        ),
    ] = True,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Ask PagerTree whether the key works.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Connect a PagerTree account: print its webhook's URL and secret, once."""
    columns: dict[str, Any] = {
        "name": checked("NAME", checked_name, name),
        "pagertree_url": checked("--pagertree-url", checked_url, pagertree_url),
        "alerts_per_day_max": alerts_per_day_max,
        "default_targets": targets(default_team, default_user, default_router),
    }
    key = checked("--api-key", checked_api_key, SecretStr(api_key))

    async def action(context: Context) -> None:
        new, left = await _connect(
            context, columns, key=key, verify=verify, default_workflows=default_workflows
        )
        print_secret(context, new, as_json=as_json, more=left)

    run(action)


async def _connect(
    context: Context,
    columns: dict[str, Any],
    *,
    key: SecretStr,
    verify: bool,
    default_workflows: bool,
) -> tuple[NewSecret, list[str]]:
    from pagersync.integrations.connect import take_api_key
    from pagersync.integrations.default_targets import list_named_kinds
    from pagersync.integrations.secret_key import open_checked_vault
    from pagersync.pagertree.client import create_http_client
    from pagersync.workflows.connect import connect_integration

    vault = await open_checked_vault(context.sessions.kw["bind"], context.settings)
    async with create_http_client(timeout_s=context.settings.pagertree_timeout_s) as client:
        key_columns = await take_api_key(
            client,
            vault,
            api_key=key.get_secret_value(),
            pagertree_url=columns["pagertree_url"],
            verify=verify,
        )
        listed = await list_named_kinds(client, columns, api_key=key, verify=verify)
    async with context.sessions.begin() as session:
        return await connect_integration(
            session,
            requested_by="the command line",
            default_workflows=default_workflows,
            listed=listed,
            **columns,
            **key_columns,
        )


def default_targets(
    reference: Annotated[str, typer.Argument(metavar="NAME_OR_ID")],
    *,
    team: Annotated[list[str] | None, typer.Option(help="By name or id. May be repeated.")] = None,
    user: Annotated[
        list[str] | None, typer.Option(help="By name, e-mail or id. May be repeated.")
    ] = None,
    router: Annotated[
        list[str] | None, typer.Option(help="By name or id. May be repeated.")
    ] = None,
) -> None:
    """Replace the default targets: whom workflows page that name nobody."""
    chosen = targets(team, user, router)
    if not any(chosen.values()):
        raise InvalidError("name at least one team, user or router")

    notes: list[str] = []

    async def action(context: Context) -> "tuple[list[str], Workflow | None]":
        from pagersync.integrations.default_targets import found_targets
        from pagersync.integrations.target_params import Targets
        from pagersync.paging.requests import find_targets
        from pagersync.workflows.defaults import CREATE, find_default_workflow

        async with context.sessions.begin() as session:
            integration = await find_integration(session, reference)
            wanted = Targets.model_validate(chosen)
            found = await find_targets(session, integration.id, wanted, notes)
            settled = found_targets(found)
            await change_integration(session, integration.id, default_targets=settled)
            names = [str(each["name"]) for each in found]
            return names, await find_default_workflow(session, integration.id, CREATE)

    names, workflow = run(action)
    say(f"Workflows that name nobody page {', '.join(names)}, and nobody else.")
    for note in notes:
        say(f"  note: {note}")
    if workflow is not None and not workflow.enabled:
        say(
            f"The workflow {workflow.name!r} is still off: "
            f"`pagersync workflows enable {workflow.slug}` switches it on."
        )


def targets(
    teams: list[str] | None, users: list[str] | None, routers: list[str] | None
) -> dict[str, Any]:
    """Return default targets as an integration keeps them."""
    kinds = {"teams": teams, "users": users, "routers": routers}
    return {
        kind: [reference_of(text).model_dump(exclude_none=True) for text in texts or ()]
        for kind, texts in kinds.items()
    }
