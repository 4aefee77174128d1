"""The targets that a page keeps: those it is sent to, and those that were skipped. Pure.

A target is `{"kind", "pagertree_id", "prefix_id", "name"}`. One that could not be paged has the
reason under `skipped`, and perhaps no `pagertree_id`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

from pagersync.integrations.resolving import Resolved
from pagersync.integrations.targets import Target

PageTarget: TypeAlias = dict[str, Any]


def kept(target: Target) -> PageTarget:
    """Return a target as a page keeps it."""
    return asdict(target)


def skipped(one: Resolved) -> PageTarget:
    """Return a reference that cannot be paged as a page keeps it, with the reason."""
    assert one.problem is not None  # noqa: S101 - asked by the caller
    reference = one.reference
    return {
        "kind": one.kind.value,
        "pagertree_id": reference.id,
        "prefix_id": None,
        "name": reference.name or reference.id or "",
        "skipped": one.problem.detail,
    }


def paged(targets: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the targets that a page is sent to."""
    return [target for target in targets if not target.get("skipped")]


def names_of(targets: Sequence[Mapping[str, Any]]) -> str:
    """Return those that a page is sent to, for people: `team SRE, user Olivia`."""
    return ", ".join(f"{target['kind']} {target['name']}" for target in paged(targets))


def be(targets: Sequence[Mapping[str, Any]], singular: str) -> str:
    """Return `is` or `was` in the number that fits those that a page is sent to."""
    plural = {"is": "are", "was": "were"}
    return plural[singular] if len(paged(targets)) > 1 else singular


def skipped_note(target: Mapping[str, Any]) -> str:
    """Return the note that a target was skipped, and why."""
    return f"the {target['kind']} {target['name']!r} is skipped: {target['skipped']}"
