"""What creating and updating an alert takes, and what it refuses. Pure.

The permitted parameters are PagerTree's documented list; Rails drops all others without a word.
The texts of the refusals are ours, except for the documented "title can't be blank".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pagersync.simulator.directory import AccountUser, Destination, Directory, Router, Team
from pagersync.simulator.unknowns import Unknowns

URGENCIES = ("silent", "low", "medium", "high", "critical")
SEVERITIES = ("SEV-1", "SEV-2", "SEV-3", "SEV-4", "SEV-5", "SEV-UNKNOWN")
DEFAULT_URGENCY = "medium"

_TEXTS = ("title", "description", "urgency")
_META_KEYS = ("incident", "incident_severity", "incident_message")
_KINDS: Mapping[str, type] = {
    "destination_team_ids": Team,
    "destination_router_ids": Router,
    "destination_account_user_ids": AccountUser,
}


class InvalidParamsError(Exception):
    """PagerTree refuses the parameters; the messages say why."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = list(messages)


def permit(body: Mapping[str, Any], unknowns: Unknowns) -> dict[str, Any]:
    """Keep what PagerTree takes of a request's body, and drop the rest without a word."""
    texts = (*_TEXTS, "thirdparty_id") if unknowns.thirdparty_id == "kept" else _TEXTS
    kept: dict[str, Any] = {
        key: None if body[key] is None else str(body[key])
        for key in texts
        if key in body and not isinstance(body[key], dict | list)
    }
    for key in ("tags", *_KINDS):
        if isinstance(body.get(key), list):
            kept[key] = [str(item) for item in body[key] if not isinstance(item, dict | list)]
    if isinstance(body.get("meta"), dict):
        kept["meta"] = {key: body["meta"][key] for key in _META_KEYS if key in body["meta"]}
    return kept


def new_fields(
    params: Mapping[str, Any], directory: Directory, unknowns: Unknowns
) -> tuple[dict[str, Any], list[Destination]]:
    """Return the fields and destinations of an alert that is to be created.

    Raises:
        InvalidParamsError: It cannot be; all that is wrong is named at once.
    """
    fields: dict[str, Any] = {
        "description": "",
        "tags": [],
        "meta": {},
        "thirdparty_id": None,
        "title": None,
    }
    fields |= {key: value for key, value in params.items() if key not in _KINDS}
    if unknowns.omitted_urgency == "defaulted":
        fields["urgency"] = fields.get("urgency") or DEFAULT_URGENCY
    destinations, wrong = find_destinations(params, directory, unknowns)
    if not destinations and not wrong:
        wrong.append("must have at least one destination")
    _refuse([*_check(fields), *wrong])
    return fields, destinations


def changed_fields(
    before: Mapping[str, Any], params: Mapping[str, Any], directory: Directory, unknowns: Unknowns
) -> tuple[dict[str, Any], list[Destination] | None]:
    """Return the fields of an alert after an update, and its destinations if they change.

    Raises:
        InvalidParamsError: It would not be valid any more.
    """
    fields = {**before, **{key: value for key, value in params.items() if key not in _KINDS}}
    destinations, wrong = find_destinations(params, directory, unknowns)
    _refuse([*_check(fields), *wrong])
    return fields, destinations or None


def find_destinations(
    params: Mapping[str, Any], directory: Directory, unknowns: Unknowns
) -> tuple[list[Destination], list[str]]:
    """Look destinations up; return them, and what is wrong with the others."""
    found: list[Destination] = []
    wrong = []
    for key, kind in _KINDS.items():
        for id_ in params.get(key, ()):
            destination = directory.find(id_)
            is_prefix_id = destination is not None and id_ == destination.prefix_id
            if not isinstance(destination, kind) or (
                is_prefix_id and unknowns.prefix_id_destinations == "refused"
            ):
                named = f"{key.removesuffix('s')} {id_} does not exist"
                is_named = unknowns.refused_destination == "named"
                wrong.append(named if is_named else "destinations are invalid")
            elif destination is not None and destination not in found:
                found.append(destination)
    return found, wrong


def _check(fields: Mapping[str, Any]) -> list[str]:
    wrong = []
    if not (fields["title"] or "").strip():
        wrong.append("title can't be blank")
    if not fields.get("urgency"):
        wrong.append("urgency can't be blank")
    elif fields["urgency"] not in URGENCIES:
        wrong.append("urgency is not included in the list")
    return wrong + _check_incident(fields["meta"])


def _check_incident(meta: Mapping[str, Any]) -> list[str]:
    """Want a severity of an incident; that it must be one of the six is assumed."""
    if meta.get("incident") not in (True, "true", 1, "1"):
        return []
    severity = meta.get("incident_severity")
    if not severity:
        return ["incident_severity can't be blank"]
    known = str(severity).upper().replace("_", "-") in SEVERITIES
    return [] if known else ["incident_severity is not included in the list"]


def _refuse(wrong: list[str]) -> None:
    if wrong:
        raise InvalidParamsError(wrong)
