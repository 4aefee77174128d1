"""References to teams, users and routers as they are saved: with PagerTree's id, and with a name.

The id decides when somebody is paged; the name is for people. What was saved before stays as it
is, so that a rename in PagerTree neither refuses nor changes what nobody touches.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.errors import InvalidError
from pagersync.integrations.models import Integration
from pagersync.integrations.resolving import Resolved, resolve_each
from pagersync.integrations.targets import TargetReference, name_key

KINDS: Final = ("teams", "users", "routers")
LIQUID: Final = ("{{", "{%")

References = Mapping[str, Sequence[Mapping[str, Any]]]
"""By kind, as a request names them."""


async def settle(
    session: AsyncSession,
    integration: Integration,
    given: References,
    saved: References,
    pointer: str,
) -> tuple[dict[str, list[dict[str, Any]]], list[InvalidError]]:
    """Return references as they are to be saved, and what is wrong with them.

    Before the first sync nothing is wrong: what the directory does not have stays as it is.

    Args:
        session: to look them up.
        integration: the account.
        given: what somebody wrote.
        saved: the references that are saved already.
        pointer: where the lists stand.
    """
    settled = {kind: [dict(one) for one in given.get(kind) or ()] for kind in KINDS}
    problems: list[InvalidError] = []
    for kind in KINDS:
        open_: list[int] = []
        for index, reference in enumerate(settled[kind]):
            if (known := _saved(reference, saved.get(kind) or ())) is not None:
                settled[kind][index] = dict(known)
            elif not is_template(reference):
                open_.append(index)
        references = [reference_of(settled[kind][index]) for index in open_]
        found = await resolve_each(session, integration.id, **{kind: references})
        for index, one in zip(open_, found, strict=True):
            if one.target is not None:
                settled[kind][index] = _with_id(one)
            elif integration.directory_synced_at is not None and one.problem is not None:
                where = f"{pointer}/{kind}/{index}"
                problems.append(InvalidError(one.problem.detail, pointer=where))
    return {kind: settled[kind] for kind in KINDS if kind in given}, problems


def is_template(reference: Mapping[str, Any]) -> bool:
    """Tell whether a reference says whom only when a workflow runs."""
    texts = (reference.get("id") or "", reference.get("name") or "")
    return any(mark in text for text in texts for mark in LIQUID)


def _saved(
    reference: Mapping[str, Any], saved: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """Return the saved reference with an id that somebody has written once more."""
    id_, name = reference.get("id"), reference.get("name")
    for known in saved:
        if not known.get("id"):
            continue
        same_name = not name or name_key(name) == name_key(known.get("name") or "")
        if same_name and (id_ == known["id"] or (not id_ and name)):
            return known
    return None


def reference_of(one: Mapping[str, Any]) -> TargetReference:
    """Return a reference as the directory looks it up."""
    return TargetReference(id=one.get("id"), name=one.get("name"))


def _with_id(one: Resolved) -> dict[str, Any]:
    """Return a reference with PagerTree's id, and with the name that was written, or is now."""
    assert one.target is not None  # noqa: S101 - asked by the caller
    name = one.reference.name or one.target.name
    kept = {"id": one.target.pagertree_id, "name": name}
    return {"id": kept["id"]} if is_template(kept) else kept
