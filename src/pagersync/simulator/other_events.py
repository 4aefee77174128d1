"""Events that PagerTree can send and that are about no alert: comments and on-call reminders."""

import random
from datetime import datetime
from typing import Any, Literal

from pagersync.simulator.account import Account, ulid
from pagersync.simulator.life import WebhookEvent
from pagersync.simulator.snapshot import iso_millis

CommentAction = Literal["created", "updated", "destroyed"]
ReminderAction = Literal["going_on_call", "going_off_call"]

_REMARKS = (
    "Looking at it.",
    "The deploy of 14:02 is the cause, rolling back.",
    "Restarted the worker, the queue drains again.",
    "False alarm: the sensor was unplugged.",
)


def comment_event(
    rng: random.Random,
    account: Account,
    *,
    action: CommentAction,
    at: datetime,
    comment_id: str | None = None,
) -> WebhookEvent:
    """Draw a `comment.*` event; its data is the comment, not the alert.

    Known are the names of the keys, and that a destroyed comment has only two. Assumed are the
    values: ids of the v4 form, a null `prefix_id` (no prefix for comments is documented), and an
    `account_user` cut down to its id.

    Args:
        rng: Draws the comment.
        account: Where it was written.
        action: What happened to the comment.
        at: When; an aware time.
        comment_id: The id of a comment that exists already; a new one without it.
    """
    ids = {"account_id": account.ulid, "id": comment_id or ulid(rng, at)}
    data = ids if action == "destroyed" else ids | _draw_comment(rng, account, at)
    return WebhookEvent(f"comment.{action}", data, at)


def _draw_comment(rng: random.Random, account: Account, at: datetime) -> dict[str, Any]:
    account_user_id = ulid(rng, at)
    return {
        "prefix_id": None,
        "meta": {},
        "commentable_type": "Alert",
        "commentable_id": ulid(rng, at),
        "parent_id": None,
        "account_user_id": account_user_id,
        "account_user": {"id": account_user_id},
        "created_by_name": rng.choice(account.users).name,
        "updated_at": iso_millis(at),
        "created_at": iso_millis(at),
        "body": rng.choice(_REMARKS),
    }


def reminder_event(
    rng: random.Random, account: Account, *, action: ReminderAction, at: datetime
) -> WebhookEvent:
    """Draw an `event_reminder.*` event.

    The shape of its data is not known. It holds the two keys that every object of PagerTree's v4
    has, `account_id` and `id`, and nothing else.
    """
    data = {"account_id": account.ulid, "id": ulid(rng, at)}
    return WebhookEvent(f"event_reminder.{action}", data, at)
