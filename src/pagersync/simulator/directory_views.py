"""How PagerTree's REST API v4 shows teams, people and routers. Pure."""

from datetime import datetime
from typing import Any

from pagersync.simulator.directory import AccountUser, Directory, Router, Team
from pagersync.simulator.snapshot import iso_millis

_MADE_AT = "2025-03-03T10:00:00.000Z"


def _common(thing: Team | Router | AccountUser, directory: Directory) -> dict[str, Any]:
    return {
        "id": thing.id,
        "account_id": directory.account.ulid,
        "prefix_id": thing.prefix_id,
        "created_at": _MADE_AT,
        "updated_at": _MADE_AT,
        "meta": {},
    }


def team_view(team: Team, directory: Directory) -> dict[str, Any]:
    """Show a team as the API does."""
    return {
        **_common(team, directory),
        "tiny_id": directory.teams.index(team) + 1,
        "name": team.name,
        "escalation_policy_id": None,
        "schedule_id": None,
        "member_account_user_ids": [member.id for member in team.members],
        "admin_account_user_ids": [team.members[0].id],
        "drop_notifications": "none",
        "handoff_notifications": "none",
        "drop_notification_account_user_ids": [],
        "handoff_notification_account_user_ids": [],
        "notes": "",
        "attachments": [],
    }


def on_call_view(team: Team, at: datetime) -> list[dict[str, Any]]:
    """Show who is on call as the API does: a bare list, empty when nobody is."""
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    end = day.replace(hour=23, minute=59, second=59)
    return [
        {
            "layer": layer,
            "start_time": iso_millis(day),
            "end_time": iso_millis(end),
            "attendees": [{"attendee_id": person.id}],
        }
        for layer, person in enumerate(team.on_call, start=1)
    ]


def router_view(router: Router, directory: Directory) -> dict[str, Any]:
    """Show a router; its rules are left out."""
    tiny_id = directory.routers.index(router) + 1
    return {**_common(router, directory), "tiny_id": tiny_id, "name": router.name}


def account_user_view(person: AccountUser, directory: Directory) -> dict[str, Any]:
    """Show a person's place in the account as the API does."""
    is_first = person is directory.account_users[0]
    return {
        **_common(person, directory),
        "tiny_id": directory.account_users.index(person) + 1,
        "roles": {
            "admin": is_first,
            "billing": is_first,
            "broadcaster": False,
            "communicator": False,
        },
        "notification_rule_id": None,
        "user": user_view(person),
    }


def user_view(person: AccountUser) -> dict[str, Any]:
    """Show the person behind an account user as the API does."""
    return {
        "id": person.user_id,
        "prefix_id": person.user_prefix_id,
        "name": person.name,
        "time_zone": "Etc/UTC",
        "emails": [
            {"id": f"{person.user_id}-1", "email": f"old.{person.email}", "primary": False},
            {"id": f"{person.user_id}-2", "email": person.email, "primary": True},
        ],
        "phones": [],
    }
