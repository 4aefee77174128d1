"""What a request for a page says, and everything that is wrong with it at once."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
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
from pagersync.pagertree.payloads import YEARS, storable
from pagersync.pagertree.severity import AUTO, SEV, Severity, Urgency, read_severity
from pagersync.paging.models import MARKER_PREFIX
from pagersync.paging.page_targets import kept
from pagersync.paging.service import NewPage
from pagersync.paging.whom import references_of

TITLE_CHARACTERS_MAX: Final = 500
DESCRIPTION_CHARACTERS_MAX: Final = 20_000
TAG_CHARACTERS_MAX: Final = 100
TAGS_MAX: Final = 20

URGENCIES: Final = (*Urgency, AUTO)
SEVERITIES: Final = (*Severity, *SEV.values())


def shown(**schema: Any) -> Any:
    """Return a field whose limits stand in the API's document but are checked here.

    So that an answer names every attribute that is wrong, not the first kind of wrong.
    """
    return Field(json_schema_extra=schema)


Title = Annotated[
    str,
    shown(minLength=1, maxLength=TITLE_CHARACTERS_MAX, examples=["Checkout is down"]),
]
Description = Annotated[str | None, shown(maxLength=DESCRIPTION_CHARACTERS_MAX)]
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
    shown(maxItems=TAGS_MAX, items={"type": "string", "maxLength": TAG_CHARACTERS_MAX}),
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


async def to_new_page(
    session: AsyncSession,
    request: PageRequest,
    *,
    requested_by: str,
    alert_id: UUID | None = None,
    title_name: str = "title",
    needs_targets: bool = True,
) -> NewPage:
    """Return the page that a request asks for, its targets resolved.

    Args:
        session: to look things up.
        request: what is asked for, of the right types.
        requested_by: who asks, for people.
        alert_id: the alert that it is about.
        title_name: what the request calls the title.
        needs_targets: whether a page without a target is wrong.

    Raises:
        ManyInvalidError: values that cannot be right, every one of them.
    """
    problems = list(problems_of(request, title_name, now=datetime.now(UTC)))
    integration_id: UUID | None = None
    targets: list[dict[str, Any]] = []
    target_notes: list[str] = []
    pages = needs_targets or bool(request.teams or request.users or request.routers)
    try:
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
    return NewPage(
        integration_id=integration_id,
        title=request.title.strip(),
        description=request.description or None,
        targets=targets,
        urgency=request.urgency,
        severity=severity.value if severity else None,
        tags=list(dict.fromkeys(request.tags)),
        incident_id=request.incident_id,
        alert_id=alert_id,
        expires_at=request.expires_at,
        requested_by=requested_by,
        notes=target_notes,
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
            raise InvalidError(
                "every connected account is disabled: `pagersync integrations enable NAME`"
                if every
                else "no PagerTree account is connected: `pagersync integrations add NAME`",
                pointer=pointer,
            )
        chosen = found
    if not chosen.enabled:
        raise InvalidError(f"the integration {chosen.name!r} is disabled", pointer=pointer)
    return chosen


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
    yield from text_problems(request.title, request.description, title_name)
    yield from severity_problems(request.urgency, request.severity)
    yield from tag_problems(request.tags)
    if request.expires_at is not None and request.expires_at.year not in YEARS:
        yield _invalid("expires_at", f"must lie in the years {YEARS.start} to {YEARS.stop - 1}")
    elif request.expires_at is not None and request.expires_at <= now:
        yield _invalid("expires_at", "lies in the past")


def text_problems(
    title: str | None, description: str | None, title_name: str
) -> Iterator[InvalidError]:
    """Yield what is wrong with a title and a description; None is nothing to check."""
    if title is not None and not title.strip():
        yield _invalid(title_name, "must not be empty")
    texts = (
        (title_name, title, TITLE_CHARACTERS_MAX),
        ("description", description, DESCRIPTION_CHARACTERS_MAX),
    )
    for name, text, characters_max in texts:
        if text is not None and len(text) > characters_max:
            yield _invalid(name, f"has {len(text)} characters: at most {characters_max}")
        if text is not None and text != storable(text):
            yield _invalid(name, "holds a NUL character or half a surrogate pair")


def severity_problems(urgency: str | None, severity: str | None) -> Iterator[InvalidError]:
    """Yield what is wrong with an urgency and a severity; None is nothing to check."""
    if urgency is not None and urgency not in URGENCIES:
        yield _invalid("urgency", f"{urgency!r} is none of {', '.join(URGENCIES)}")
    if severity is not None and read_severity(severity) is None:
        yield _invalid("severity", f"{severity!r} is none of {', '.join(SEVERITIES)}")


def tag_problems(tags: Sequence[str]) -> Iterator[InvalidError]:
    """Yield what is wrong with tags."""
    if len(tags) > TAGS_MAX:
        yield _invalid("tags", f"has {len(tags)} tags: at most {TAGS_MAX}")
    for position, tag in enumerate(tags[: TAGS_MAX + 1]):
        if not tag.strip() or len(tag) > TAG_CHARACTERS_MAX or not tag.isprintable():
            detail = f"must be 1 to {TAG_CHARACTERS_MAX} printable characters"
            yield _invalid(f"tags/{position}", detail)
        if tag.strip().startswith(MARKER_PREFIX):
            yield _invalid(f"tags/{position}", f"must not begin with {MARKER_PREFIX}: marks do")


def _invalid(name: str, detail: str) -> InvalidError:
    return InvalidError(f"{name}: {detail}", pointer=f"/data/attributes/{name}")
