"""How the API shows teams, users and routers."""

from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from pagersync.access.account_names import NAME, AccountNames
from pagersync.integrations.directory_models import DirectoryEntry
from pagersync.jsonapi import EMPTY_HERE, Empty, Relationship, Resource, Timestamp

KEPT_HERE: Final = "Kept here only: PagerTree has no such attribute."


class EntryAttributes(BaseModel):
    """What is known of a team, a user or a router."""

    name: str
    integration_id: UUID
    integration_name: str | None = Field(description=NAME)
    pagertree_id: str = Field(description="The id of PagerTree's REST API.")
    prefix_id: str | None = Field(description="PagerTree's other id, for example `tem_...`.")
    fetched_at: Timestamp = Field(description="When PagerTree last listed it.")
    missing_since: Timestamp | None = Field(
        description="Since when PagerTree no longer lists it: it cannot be paged."
    )
    version: int = Field(description="Its `ETag`: how often it was changed, and once.")
    created_at: Timestamp
    updated_at: Timestamp


class TeamAttributes(EntryAttributes):
    """What is known of a team."""

    slug: str = Field(description="Of its name; several teams can have the same.")
    managed_by: Literal["catalog_sync"] = Field(
        default="catalog_sync", description="Teams are made in PagerTree; a sync brings them here."
    )
    description: str | None = Field(description=KEPT_HERE)
    color: str | None = Field(description=KEPT_HERE)
    position: int | None = Field(description=KEPT_HERE)
    external_id: str | None = Field(description=KEPT_HERE)
    user_ids: list[int] = Field(
        default=[], description="Rootly's, whose ids are numbers: ask for `include=users`."
    )
    admin_ids: list[int] = Field(default=[], description=EMPTY_HERE)
    public_description: Empty = None
    notify_emails: list[str] = Field(default=[], description=EMPTY_HERE)
    backstage_id: Empty = None
    pagerduty_id: Empty = None
    pagerduty_service_id: Empty = None
    opsgenie_id: Empty = None
    victor_ops_id: Empty = None
    cortex_id: Empty = None
    service_now_ci_sys_id: Empty = None
    scim_group_id: Empty = None
    alerts_email_enabled: bool = Field(default=False, description=EMPTY_HERE)
    alerts_email_address: Empty = None
    alert_urgency_id: Empty = None
    slack_channels: list[Any] = Field(default=[], description=EMPTY_HERE)
    slack_aliases: list[Any] = Field(default=[], description=EMPTY_HERE)
    alert_broadcast_enabled: bool = Field(default=False, description=EMPTY_HERE)
    alert_broadcast_channel: Empty = None
    incident_broadcast_enabled: bool = Field(default=False, description=EMPTY_HERE)
    incident_broadcast_channel: Empty = None
    auto_add_members_when_attached: bool = Field(default=False, description=EMPTY_HERE)
    auto_add_members_scope: Empty = None
    schedule_override_policy: Empty = None
    properties: list[Any] = Field(default=[], description=EMPTY_HERE)


class Person(BaseModel):
    """Somebody, as Rootly shows users."""

    email: str = Field(description="The primary address; empty if there is none.")
    first_name: str | None = Field(default=None, description=KEPT_HERE)
    last_name: str | None = Field(default=None, description=KEPT_HERE)
    full_name: str
    full_name_with_team: Empty = None
    time_zone: str | None = None
    created_at: Timestamp
    updated_at: Timestamp


class UserAttributes(Person, EntryAttributes):
    """What is known of an account user."""

    full_name: str = Field(description="As PagerTree has it.")
    emails: list[str] = Field(description="Every address, in lower case.")


def router_resource(row: DirectoryEntry, accounts: AccountNames) -> Resource[EntryAttributes]:
    """Return a router as the API shows it."""
    attributes = EntryAttributes(**_columns(row, accounts, EntryAttributes))
    return Resource(id=str(row.id), type="routers", attributes=attributes)


def team_resource(row: DirectoryEntry, accounts: AccountNames) -> Resource[TeamAttributes]:
    """Return a team as the API shows it; Rootly's type of teams is `groups`."""
    attributes = TeamAttributes(**_columns(row, accounts, TeamAttributes))
    return Resource(id=str(row.id), type="groups", attributes=attributes)


def user_resource(row: DirectoryEntry, accounts: AccountNames) -> Resource[UserAttributes]:
    """Return a user as the API shows it."""
    entry = EntryAttributes(**_columns(row, accounts, EntryAttributes))
    attributes = UserAttributes(
        **entry.model_dump(),
        email=next(iter(row.emails), ""),
        emails=row.emails,
        first_name=row.first_name,
        last_name=row.last_name,
        full_name=row.name,
        time_zone=row.time_zone,
    )
    return person_resource(row.id, attributes)


def _columns(
    row: DirectoryEntry, accounts: AccountNames, model: type[EntryAttributes]
) -> dict[str, Any]:
    own = {name: getattr(row, name) for name in model.model_fields if hasattr(row, name)}
    return own | {"integration_name": accounts.get(row.integration_id)}


def person_resource(id_: UUID, attributes: Any) -> Resource[Any]:
    """Return somebody as Rootly shows users, with the roles that nobody has here."""
    nobodys = {name: Relationship(data=None) for name in ("role", "on_call_role")}
    return Resource(id=str(id_), type="users", attributes=attributes, relationships=nobodys)
