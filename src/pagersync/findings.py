"""A finding: something that a person should look at before it keeps a page from going out."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Level(StrEnum):
    """How bad a finding is: `critical` means that somebody may not be paged right now."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        code: what kind of thing, for machines: `page_unknown`, `reference_broken`.
        level: how bad it is.
        detail: what is wrong and with what, one sentence for people.
        remedy: what to do about it, best a command.
        integration_id: the account that it is about, if it is about one.
    """

    code: str
    level: Level
    detail: str
    remedy: str
    integration_id: UUID | None = None
