"""What requests may say about teams and users."""

from typing import Annotated, Final

from pydantic import Field

from pagersync.jsonapi import Attributes, Ignored, Nothing

PAGERTREES: Final = ("name", "slug", "pagertree_id")
"""Attributes of a team that PagerTree decides: a request may say them as they are."""

Text = Annotated[str, Field(max_length=20_000, pattern=r"^[^\x00]*$")]
Label = Annotated[str, Field(max_length=255, pattern=r"^[^\x00]*$")]
Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]*$", examples=["SRE"])]
Color = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$", examples=["#B71C1C"])]
Position = Annotated[int, Field(ge=0, le=1_000_000)]


class _Team(Attributes):
    slug: Label | None = Field(default=None, description="As it is: it follows the name.")
    pagertree_id: Label | None = Field(
        default=None, description="PagerTree's id of the team, or its prefix id, as it is."
    )
    description: Text | None = None
    color: Color | None = None
    position: Position | None = None
    external_id: Label | None = None
    public_description: Ignored = None
    backstage_id: Ignored = None
    pagerduty_id: Ignored = None
    pagerduty_service_id: Ignored = None
    opsgenie_id: Ignored = None
    opsgenie_team_id: Ignored = None
    victor_ops_id: Ignored = None
    cortex_id: Ignored = None
    service_now_ci_sys_id: Ignored = None
    scim_group_id: Ignored = None
    scim_group_external_id: Ignored = None
    notify_emails: Nothing = None
    user_ids: Nothing = None
    admin_ids: Nothing = None
    alerts_email_enabled: Nothing = None
    alert_urgency_id: Nothing = None
    slack_channels: Nothing = None
    slack_aliases: Nothing = None
    alert_broadcast_enabled: Nothing = None
    alert_broadcast_channel: Nothing = None
    incident_broadcast_enabled: Nothing = None
    incident_broadcast_channel: Nothing = None
    auto_add_members_when_attached: Nothing = None
    auto_add_members_scope: Nothing = None
    schedule_override_policy: Nothing = None
    properties: Nothing = None


class NewTeam(_Team):
    """A team of PagerTree's, and what is kept of it here."""

    name: Name = Field(description="As PagerTree has it, without regard to case.")


class ChangedTeam(_Team):
    """What to change of a team; what is left out stays."""

    name: Name | None = Field(default=None, description="As it is: PagerTree names teams.")


class ChangedUser(Attributes):
    """What to change of a user; what is left out stays."""

    first_name: Label | None = None
    last_name: Label | None = None
    role_id: Nothing = None
    on_call_role_id: Nothing = None
