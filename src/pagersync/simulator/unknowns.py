"""What nobody outside PagerTree knows about its API v4: each is a switch here.

The defaults are what most of the public evidence speaks for. A client is right when it works with
every combination.
"""

from typing import Literal

from pydantic.dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknowns:
    """How the simulated API behaves where PagerTree's documentation is silent or disagrees.

    Attributes:
        thirdparty_id: Whether creating an alert keeps it. The documented list of permitted
            parameters does not name it, and Rails drops what is not named; PagerTree's own
            command line client sends it, and searches by it later.
        omitted_urgency: Documented as required, so `refused` is a 422; `defaulted` makes it
            `medium`.
        create_status: The status of a created alert. Version 3 documents 200; for version 4
            nothing is documented.
        action_answer: What acknowledge, reject and resolve answer: PagerTree's client expects the
            alert, which is documented nowhere; or nothing at all.
        tags_key: Where an alert shows its tags: the documentation says `tag_list`, PagerTree's
            client reads `tags`.
        severity_form: How `incident_severity` comes back. PagerTree stores `sev_1`; people and
            the documentation write `SEV-1`.
        duplicate_thirdparty_id: What a create does whose `thirdparty_id` belongs to an alert that
            is not resolved: `new` makes another one; `deduplicated` answers the one that is
            there, which is documented for integrations only.
        retry_after: Whether 429 and 503 carry a Retry-After header. None is documented.
        prefix_id_destinations: Whether `tem_...`, `usr_...` and `rtr_...` are taken as
            destinations. Routers are documented to take them; for alerts nothing is said.
        refused_destination: Whether the refusal of a destination names its id. What it says is
            documented nowhere.
    """

    thirdparty_id: Literal["kept", "dropped"] = "kept"
    omitted_urgency: Literal["refused", "defaulted"] = "refused"
    create_status: Literal[200, 201] = 200
    action_answer: Literal["alert", "empty"] = "alert"
    tags_key: Literal["tags", "tag_list", "both"] = "both"
    severity_form: Literal["sev_1", "SEV-1"] = "sev_1"
    duplicate_thirdparty_id: Literal["new", "deduplicated"] = "new"
    retry_after: Literal["absent", "present"] = "absent"
    prefix_id_destinations: Literal["accepted", "refused"] = "accepted"
    refused_destination: Literal["named", "unnamed"] = "named"
