"""Rootly's attributes of an incident that pagersync has nothing for: what comes and goes empty."""

from typing import Annotated, TypeAlias

from pydantic import BaseModel, Field

from pagersync.jsonapi import EMPTY_HERE, Attributes, Empty, Ignored, Nothing

EmptyList: TypeAlias = Annotated[list[str], Field(max_length=0, description=EMPTY_HERE)]


class EmptyOfIncident(BaseModel):
    """What an answer about an incident has for Rootly's clients only."""

    parent_incident_id: Empty = None
    public_title: Empty = None
    environments: EmptyList = []
    incident_types: EmptyList = []
    services: EmptyList = []
    functionalities: EmptyList = []
    groups: EmptyList = []
    slack_channel_id: Empty = None
    slack_channel_name: Empty = None
    slack_channel_url: Empty = None
    slack_channel_short_url: Empty = None
    slack_channel_deep_link: Empty = None
    slack_channel_archived: Empty = None
    slack_last_message_ts: Empty = None
    zoom_meeting_id: Empty = None
    zoom_meeting_start_url: Empty = None
    zoom_meeting_join_url: Empty = None
    zoom_meeting_password: Empty = None
    zoom_meeting_pstn_password: Empty = None
    zoom_meeting_h323_password: Empty = None
    zoom_meeting_global_dial_in_numbers: EmptyList = []
    google_drive_id: Empty = None
    google_drive_parent_id: Empty = None
    google_drive_url: Empty = None
    google_meeting_id: Empty = None
    google_meeting_url: Empty = None
    microsoft_teams_meeting_id: Empty = None
    microsoft_teams_meeting_url: Empty = None
    microsoft_teams_channel_id: Empty = None
    microsoft_teams_channel_name: Empty = None
    microsoft_teams_channel_url: Empty = None
    microsoft_teams_channel_short_url: Empty = None
    microsoft_teams_chat_id: Empty = None
    microsoft_teams_chat_url: Empty = None
    microsoft_teams_team_id: Empty = None
    google_chat_space_id: Empty = None
    google_chat_space_name: Empty = None
    google_chat_space_url: Empty = None
    google_chat_space_short_url: Empty = None
    google_chat_space_archived: Empty = None
    google_chat_space_domain_id: Empty = None
    webex_meeting_id: Empty = None
    webex_meeting_url: Empty = None
    jira_issue_key: Empty = None
    jira_issue_id: Empty = None
    jira_issue_url: Empty = None
    github_issue_id: Empty = None
    github_issue_url: Empty = None
    gitlab_issue_id: Empty = None
    gitlab_issue_url: Empty = None
    asana_task_id: Empty = None
    asana_task_url: Empty = None
    linear_issue_key: Empty = None
    linear_issue_id: Empty = None
    linear_issue_url: Empty = None
    trello_card_id: Empty = None
    trello_card_url: Empty = None
    zendesk_ticket_id: Empty = None
    zendesk_ticket_url: Empty = None
    pagerduty_incident_id: Empty = None
    pagerduty_incident_number: Empty = None
    pagerduty_incident_url: Empty = None
    opsgenie_incident_id: Empty = None
    opsgenie_incident_url: Empty = None
    opsgenie_alert_id: Empty = None
    opsgenie_alert_url: Empty = None
    service_now_incident_id: Empty = None
    service_now_incident_key: Empty = None
    service_now_incident_url: Empty = None
    mattermost_channel_id: Empty = None
    mattermost_channel_name: Empty = None
    mattermost_channel_url: Empty = None
    confluence_page_id: Empty = None
    confluence_page_url: Empty = None
    datadog_notebook_id: Empty = None
    datadog_notebook_url: Empty = None
    shortcut_story_id: Empty = None
    shortcut_story_url: Empty = None
    shortcut_task_id: Empty = None
    shortcut_task_url: Empty = None
    motion_task_id: Empty = None
    motion_task_url: Empty = None
    clickup_task_id: Empty = None
    clickup_task_url: Empty = None
    victor_ops_incident_id: Empty = None
    victor_ops_incident_url: Empty = None
    quip_page_id: Empty = None
    quip_page_url: Empty = None
    sharepoint_page_id: Empty = None
    sharepoint_page_url: Empty = None
    airtable_base_key: Empty = None
    airtable_table_name: Empty = None
    airtable_record_id: Empty = None
    airtable_record_url: Empty = None
    freshservice_ticket_id: Empty = None
    freshservice_ticket_url: Empty = None
    freshservice_task_id: Empty = None
    freshservice_task_url: Empty = None
    scheduled_for: Empty = None
    scheduled_until: Empty = None
    muted_service_ids: EmptyList = []
    retrospective_progress_status: Empty = None


class UnknownOfIncident(Attributes):
    """What a request about an incident may say, and what has no meaning here."""

    parent_incident_id: Nothing = None
    public_title: Ignored = None
    environment_ids: Nothing = None
    incident_type_ids: Nothing = None
    service_ids: Nothing = None
    functionality_ids: Nothing = None
    group_ids: Nothing = None
    cause_ids: Nothing = None
    muted_service_ids: Nothing = None
    slack_channel_name: Nothing = None
    slack_channel_id: Nothing = None
    slack_channel_url: Nothing = None
    slack_channel_archived: Nothing = None
    google_drive_parent_id: Nothing = None
    google_drive_url: Ignored = None
    linear_issue_key: Ignored = None
    linear_issue_id: Ignored = None
    linear_issue_url: Ignored = None
    jira_issue_key: Ignored = None
    jira_issue_id: Ignored = None
    jira_issue_url: Ignored = None
    scheduled_for: Nothing = None
    scheduled_until: Nothing = None


class UnknownOfNewIncident(UnknownOfIncident):
    """As `UnknownOfIncident`, with what only the making of one may say."""

    user_id: Nothing = None
    notify_emails: Nothing = None
    url: Ignored = None
