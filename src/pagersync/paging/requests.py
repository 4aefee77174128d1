"""What a request for a page says, and everything that is wrong with it at once."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from shlex import quote
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AwareDatetime, Field
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.caller import CALLER
from pagersync.errors import InvalidError, ManyInvalidError, NotFoundError
from pagersync.events.publish import NO_INTEGRATION
from pagersync.integrations.default_account import pick
from pagersync.integrations.models import Integration
from pagersync.integrations.resolving import resolve_targets
from pagersync.integrations.service import find_integration, list_integrations
from pagersync.integrations.target_params import Targets
from pagersync.pagertree.payloads import YEARS
from pagersync.pagertree.severity import AUTO, SEV, Severity, Urgency, read_severity
from pagersync.paging.models import MARKER_PREFIX
from pagersync.paging.page_targets import kept
from pagersync.paging.service import NewPage
from pagersync.paging.whom import references_of
from pagersync.texts import fit_tags, fit_text

TITLE_CHARACTERS_MAX: Final = 500
DESCRIPTION_CHARACTERS_MAX: Final = 20_000
TAG_CHARACTERS_MAX: Final = 100
TAGS_MAX: Final = 20

URGENCIES: Final = (*Urgency, AUTO)
SEVERITIES: Final = (*Severity, *SEV.values())


Title = Annotated[
    str,
    Field(
        description=f"Cut to {TITLE_CHARACTERS_MAX} characters.",
        json_schema_extra={"minLength": 1, "examples": ["Checkout is down"]},
    ),
]
Description = Annotated[
    str | None, Field(description=f"Cut to {DESCRIPTION_CHARACTERS_MAX} characters.")
]
UrgencyText = Annotated[
    str,
    Field(description="`auto` leaves it to PagerTree.", json_schema_extra={"enum": [*URGENCIES]}),
]
SeverityText = Annotated[
    str | None,
    Field(
        description="Makes the alert an incident in PagerTree: critical is SEV-1, low is SEV-4.",
        json_schema_extra={"enum": [*SEVERITIES, None]},
    ),
]
Tags = Annotated[
    list[str],
    Field(
        description=f"Each cut to {TAG_CHARACTERS_MAX} printable characters; the first {TAGS_MAX} "
        f"are kept. None may begin with `{MARKER_PREFIX}`."
    ),
]


class PageRequest(Targets):
    """A page to send."""

    title: Title
    description: Description = None
    urgency: UrgencyText = AUTO
    severity: SeverityText = None
    tags: Tags = Field(default_factory=list)
    integration: str | None = Field(
        default=None, description="Its name or id; by default the default account."
    )
    incident_id: Annotated[UUID | None, Field(strict=False)] = None
    expires_at: Annotated[AwareDatetime | None, Field(strict=False)] = Field(
        default=None,
        description="A page that could not be sent by then is `expired`, and not sent any more.",
    )
    dry_run: bool = Field(
        default=False, description="Answer what would be sent and to whom, and send nothing."
    )


async def to_new_page(  # noqa: PLR0913 - all but the first two are named
    session: AsyncSession,
    request: PageRequest,
    *,
    requested_by: str,
    alert_id: UUID | None = None,
    title_name: str = "title",
    needs_targets: bool = True,
    account_id: UUID | None = None,
) -> NewPage:
    """Return the page that a request asks for, its targets resolved.

    Args:
        session: to look things up.
        request: what is asked for, of the right types.
        requested_by: who asks, for people.
        alert_id: the alert that it is about.
        title_name: what the request calls the title.
        needs_targets: whether a page without a target is wrong.
        account_id: the account, if the caller has chosen one that can page.

    Raises:
        ManyInvalidError: values that cannot be right, every one of them.
    """
    problems = list(problems_of(request, title_name, now=datetime.now(UTC)))
    integration_id = account_id
    targets: list[dict[str, Any]] = []
    target_notes: list[str] = []
    pages = needs_targets or bool(request.teams or request.users or request.routers)
    try:
        if integration_id is None:
            integration_id = await _account_id(session, request.integration, pages=pages)
        if pages:
            targets = await find_targets(session, integration_id, request, target_notes)
    except ManyInvalidError as error:
        problems += error.problems
    except InvalidError as error:
        problems.append(error)
        if needs_targets and not (request.teams or request.users or request.routers):
            problems.append(no_target())
    if problems or integration_id is None:
        raise ManyInvalidError(problems)
    severity = read_severity(request.severity)
    notes: list[str] = []
    return NewPage(
        integration_id=integration_id,
        title=fit_text(title_name, request.title.strip(), TITLE_CHARACTERS_MAX, notes),
        description=fit_description(request.description, notes) or None,
        targets=targets,
        urgency=request.urgency,
        severity=severity.value if severity else None,
        tags=fit_tags(
            request.tags, tags_max=TAGS_MAX, characters_max=TAG_CHARACTERS_MAX, notes=notes
        ),
        incident_id=request.incident_id,
        alert_id=alert_id,
        expires_at=request.expires_at,
        requested_by=requested_by,
        notes=[*notes, *target_notes],
    )


async def choose_integration(session: AsyncSession, reference: str | None) -> Integration:
    """Return the integration that a request means: the named one, or the default account.

    A default account that is disabled is passed over for one that is enabled.

    Raises:
        InvalidError: there is none, or the named one is disabled.
    """
    pointer = "/data/attributes/integration"
    if reference is not None:
        try:
            chosen = await find_integration(session, reference)
        except NotFoundError as error:
            raise InvalidError(error.detail, pointer=pointer) from None
    else:
        every = await list_integrations(session)
        found = pick(every)
        if found is None:
            raise InvalidError(_nobody_can(every), pointer=pointer)
        chosen = found
    if not chosen.enabled:
        said = f"the integration {chosen.name!r} is disabled: {_enable(chosen)}"
        raise InvalidError(said, pointer=pointer)
    return chosen


def _nobody_can(accounts: Sequence[Integration]) -> str:
    """Return that none of these accounts can page, and the command that mends it."""
    if not accounts:
        return "no PagerTree account is connected: `pagersync integrations add NAME`"
    names = ", ".join(repr(each.name) for each in accounts)
    first = next((each for each in accounts if each.is_default), accounts[0])
    return f"every connected account is disabled ({names}): {_enable(first)}"


def _enable(account: Integration) -> str:
    return f"`pagersync integrations enable {quote(account.name)}`"


async def _account_id(session: AsyncSession, reference: str | None, *, pages: bool) -> UUID:
    """Return the account of a request; what pages nobody needs none that could page.

    Raises:
        InvalidError: there is none that could page, or the named one is disabled.
    """
    if pages or reference is not None:
        return (await choose_integration(session, reference)).id
    every = await list_integrations(session)
    if chosen := pick(every) or next(iter(every), None):
        return chosen.id
    caller = CALLER.get()  # who is bound to an account that is gone still sees only what is its
    return caller.integration_id if caller and caller.integration_id else NO_INTEGRATION


async def find_targets(
    session: AsyncSession, integration_id: UUID, request: Targets, notes: list[str] | None = None
) -> list[dict[str, Any]]:
    """Return the targets of a request as a page keeps them; notes say what has changed of them.

    Raises:
        ManyInvalidError: there is none, or one cannot be found.
    """
    if not (request.teams or request.users or request.routers):
        raise ManyInvalidError([no_target()])
    found = await resolve_targets(session, integration_id, **references_of(request), notes=notes)
    return [kept(target) for target in found]


def no_target() -> InvalidError:
    """Return the error of a page that is for nobody."""
    return InvalidError(
        "name at least one target: a team, a user or a router", pointer="/data/attributes/teams"
    )


def problems_of(request: PageRequest, title_name: str, *, now: datetime) -> Iterator[InvalidError]:
    """Yield everything that is wrong with a page's own values. Pure."""
    yield from title_problems(request.title, title_name)
    yield from severity_problems(request.urgency, request.severity)
    yield from tag_problems(request.tags)
    if request.expires_at is not None and request.expires_at.year not in YEARS:
        yield _invalid("expires_at", f"must lie in the years {YEARS.start} to {YEARS.stop - 1}")
    elif request.expires_at is not None and request.expires_at <= now:
        yield _invalid("expires_at", "lies in the past")


def title_problems(title: str | None, title_name: str) -> Iterator[InvalidError]:
    """Yield what is wrong with a title; None is nothing to check. What is too long is cut."""
    if title is not None and not title.strip():
        yield _invalid(title_name, "must not be empty")


def fit_description(description: str | None, notes: list[str]) -> str | None:
    """Return a description that can be kept, and note what was cut."""
    return fit_text("description", description, DESCRIPTION_CHARACTERS_MAX, notes)


def severity_problems(urgency: str | None, severity: str | None) -> Iterator[InvalidError]:
    """Yield what is wrong with an urgency and a severity; None is nothing to check."""
    if urgency is not None and urgency not in URGENCIES:
        yield _invalid("urgency", f"{urgency!r} is none of {', '.join(URGENCIES)}")
    if severity is not None and read_severity(severity) is None:
        yield _invalid("severity", f"{severity!r} is none of {', '.join(SEVERITIES)}")


def is_mark(tag: str) -> bool:
    """Tell whether a tag looks like one of those by which a page is found again."""
    return "".join(each for each in tag if each.isprintable()).strip().startswith(MARKER_PREFIX)


def tag_problems(tags: Sequence[str]) -> Iterator[InvalidError]:
    """Yield what is wrong with tags; those that are too long or too many are cut."""
    for position, tag in enumerate(tags):
        if is_mark(tag):
            yield _invalid(f"tags/{position}", f"must not begin with {MARKER_PREFIX}: marks do")


def _invalid(name: str, detail: str) -> InvalidError:
    return InvalidError(f"{name}: {detail}", pointer=f"/data/attributes/{name}")
