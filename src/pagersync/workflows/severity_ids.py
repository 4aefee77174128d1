"""`severity_ids`: a second name for "the incident's severity is one of these"."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.errors import InvalidError, ManyInvalidError
from pagersync.incidents.models import Severity
from pagersync.integrations.values import to_uuid
from pagersync.workflows.definition import ATTRIBUTES

NAME: Final = "severity_ids"
OPERATOR: Final = "incident_condition_severity"
VALUES: Final = "incident_severities"


def severity_ids_of(params: Mapping[str, Any]) -> list[str]:
    """Return what the condition on severities comes to as ids; nothing if that says it not all."""
    values = _values(params)
    are_ids = all(str(to_uuid(value)) == value for value in values)
    return values if are_ids and params.get(OPERATOR) == "IS" and _joins_all(params) else []


async def with_severity_ids(
    session: AsyncSession,
    values: Mapping[str, Any],
    before: Mapping[str, Any] | None = None,
    pointer: str = ATTRIBUTES,
) -> dict[str, Any]:
    """Return the values of a request with its `severity_ids` as a condition.

    An empty list takes away a condition that they made, unless the request has conditions itself.

    Args:
        session: to look for the severities.
        values: by the names of `WorkflowContent`, and perhaps `severity_ids`.
        before: the triggers and conditions of the workflow that is changed.
        pointer: where the values stand in the request.

    Raises:
        ManyInvalidError: there are no such severities, or the list contradicts the conditions.
    """
    others = {name: value for name, value in values.items() if name != NAME}
    ids: list[str] = [str(to_uuid(text) or text) for text in values.get(NAME) or ()]
    given = others.get("trigger_params")
    if not ids and (
        given is not None or values.get(NAME) is None or not severity_ids_of(before or {})
    ):
        return others
    params = dict(before or {}) if given is None else dict(given)
    if problem := _problem(params, ids, is_given=given is not None):
        raise ManyInvalidError([InvalidError(f"{NAME}: {problem}", pointer=f"{pointer}/{NAME}")])
    known = {str(each) for each in await session.scalars(select(Severity.id))}
    known.update(_values(params))  # that a severity was deleted is no reason to refuse a new name
    if unknown := [position for position, text in enumerate(ids) if text not in known]:
        raise ManyInvalidError(
            [
                InvalidError(f"there is no severity {ids[i]!r}", pointer=f"{pointer}/{NAME}/{i}")
                for i in unknown
            ]
        )
    condition = {OPERATOR: "IS" if ids else "ANY", VALUES: ids}
    return {**others, "trigger_params": params | condition}


def _problem(params: Mapping[str, Any], ids: list[str], *, is_given: bool) -> str | None:
    if params.get("trigger_type") != "incident":
        return "only a workflow for incidents can have them"
    if not _joins_all(params):
        return "they are one of ALL conditions: give incident_severities in trigger_params instead"
    says = (params.get(OPERATOR) or "ANY", set(_values(params)))
    if is_given and says not in (("ANY", set()), ("IS", set(ids))):
        return "trigger_params say something else of the severity: give one of both"
    return None


def _values(params: Mapping[str, Any]) -> list[str]:
    """Return the severities of the condition, in lower case as conditions compare them."""
    values = params.get(VALUES) or []
    return [str(value).lower() for value in (values if isinstance(values, list) else [values])]


def _joins_all(params: Mapping[str, Any]) -> bool:
    return params.get("incident_condition") in (None, "ALL")
