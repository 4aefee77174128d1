"""Whom a workflow's page can reach: what was asked for, else the default targets of the account.

Nothing that a task names may keep the page from going out. What cannot be paged is skipped, and
stays on the page with the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.errors import InvalidError
from pagersync.integrations.models import Integration
from pagersync.integrations.resolving import Resolved, resolve_each
from pagersync.integrations.target_params import Targets
from pagersync.integrations.targets import TargetReference
from pagersync.paging.page_targets import PageTarget, kept, paged, skipped, skipped_note

NO_DEFAULTS = "name a team or a user in the task, or set default_targets"


class NobodyError(InvalidError):
    """Nobody of whom was asked for can be paged, and there are no default targets."""


@dataclass(frozen=True, slots=True)
class Whom:
    """Whom a page is for.

    Attributes:
        targets: as a page keeps them; those that are paged first.
        notes: what was skipped or replaced, and names that have changed.
    """

    targets: list[PageTarget]
    notes: list[str] = field(default_factory=list)


async def find_whom(session: AsyncSession, integration: Integration, named: Targets) -> Whom:
    """Return whom a page is for that names these targets; without any, the default targets.

    Raises:
        NobodyError: none of them can be paged, and no default target can.
    """
    asked = await look_up(session, integration.id, named)
    if paged(asked.targets):
        return asked
    instead = await look_up_defaults(session, integration)
    if not paged(instead.targets):
        raise NobodyError(_nobody(integration.name, asked, instead))
    if not asked.targets:
        return instead
    replaced = (
        "nobody whom the task names can be paged: the default targets of the account "
        f"{integration.name!r} are paged instead"
    )
    notes = [*asked.notes, replaced, *instead.notes]
    return Whom([*instead.targets, *asked.targets], notes)


async def look_up_defaults(session: AsyncSession, integration: Integration) -> Whom:
    """Return the default targets of an account, as `look_up` does."""
    defaults = Targets.model_validate(integration.default_targets)
    return await look_up(session, integration.id, defaults)


async def look_up(session: AsyncSession, integration_id: UUID, named: Targets) -> Whom:
    """Return the named targets: those that can be paged, each once, then those that are skipped."""
    resolved = await resolve_each(session, integration_id, **references_of(named))
    resolved = [await or_by_name(session, integration_id, one) for one in resolved]
    found = list(dict.fromkeys(one.target for one in resolved if one.target is not None))
    left_out = [skipped(one) for one in resolved if one.problem is not None]
    notes = [one.note for one in resolved if one.note]
    return Whom(
        [*map(kept, found), *left_out], [*notes, *(skipped_note(target) for target in left_out)]
    )


async def or_by_name(session: AsyncSession, integration_id: UUID, one: Resolved) -> Resolved:
    """Return what a reference means whose id is gone: the one that has its name now, if one has."""
    name = one.reference.name
    if one.problem is None or not one.reference.id or not name:
        return one
    (again,) = await resolve_each(
        session, integration_id, **{f"{one.kind}s": [TargetReference(name=name)]}
    )
    if again.target is None:
        return one
    note = f"the {one.kind} {one.reference.id} is gone: the {one.kind} {name!r} of today is paged"
    return replace(again, position=one.position, reference=one.reference, note=note)


def references_of(named: Targets) -> dict[str, Sequence[TargetReference]]:
    """Return targets as the directory looks them up."""
    return {
        kind: [TargetReference(id=one.id, name=one.name) for one in getattr(named, kind)]
        for kind in ("teams", "users", "routers")
    }


def _nobody(account: str, asked: Whom, defaults: Whom) -> str:
    """Return why nobody can be paged."""
    reasons = "; ".join(
        f"{target['kind']} {target['name']!r}: {target['skipped']}"
        for target in (*asked.targets, *defaults.targets)
    )
    if not asked.targets:
        head = "the task names nobody to page"
    else:
        head = "nobody whom the task names can be paged"
    missing = "none of its default targets can be paged" if defaults.targets else None
    of_account = f"and the integration {account!r} has no default targets"
    if missing:
        of_account = f"and of the integration {account!r} {missing}"
    return f"{head}, {of_account}: {NO_DEFAULTS}" + (f" ({reasons})" if reasons else "")
