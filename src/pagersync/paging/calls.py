"""The calls that operations make, and what each needs of its page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pagersync.errors import CredentialsRefused, Rejected
from pagersync.pagertree.client import PagerTree
from pagersync.pagertree.resources import AlertChanges, NewAlert, RemoteAlert
from pagersync.pagertree.severity import Severity, urgency_to_send
from pagersync.paging.models import OperationKind
from pagersync.paging.page_targets import paged
from pagersync.paging.step import Work


@dataclass(frozen=True, slots=True)
class PageContent:
    """What a page says and whom it is for."""

    title: str
    description: str | None
    urgency: str
    severity: str | None
    tags: list[str]
    targets: list[dict[str, Any]]
    is_incident: bool = False


def new_alert(content: PageContent, marker: str, *, must_name: bool) -> NewAlert:
    """Return exactly what is sent to create a page's alert. Pure.

    Args:
        content: the page.
        marker: by which the alert can be found again.
        must_name: PagerTree wants an urgency, so `auto` is not left out.
    """
    severity = Severity(content.severity) if content.severity else None
    return NewAlert(
        title=content.title,
        description=content.description,
        urgency=urgency_to_send(content.urgency, severity, must_name=must_name),
        severity=severity,
        team_ids=_ids(content.targets, "team"),
        router_ids=_ids(content.targets, "router"),
        account_user_ids=_ids(content.targets, "user"),
        tags=(*content.tags, marker),
        thirdparty_id=marker,
        is_incident=content.is_incident,
    )


def _ids(targets: Sequence[Mapping[str, Any]], kind: str) -> tuple[str, ...]:
    return tuple(target["pagertree_id"] for target in paged(targets) if target["kind"] == kind)


async def call(pagertree: PagerTree, work: Work) -> RemoteAlert | None:
    """Make the call of an operation that creates no alert; return the alert where it is answered.

    Raises:
        PagerTreeError: it did not end in a value.
    """
    assert work.target is not None  # noqa: S101 - decided by `next_step`
    match work.kind:
        case OperationKind.ACKNOWLEDGE_ALERT:
            return await pagertree.acknowledge_alert(work.target)
        case OperationKind.RESOLVE_ALERT:
            return await pagertree.resolve_alert(work.target)
        case OperationKind.UPDATE_ALERT:
            return await pagertree.update_alert(work.target, alert_changes(work.params))
        case OperationKind.ADD_COMMENT:
            await _comment_once(pagertree, work.target, work)
            return None
        case OperationKind.CREATE_ALERT:
            raise AssertionError("creating is another step")


def alert_changes(params: dict[str, Any]) -> AlertChanges:
    """Return what an `update_alert` operation changes. Pure."""
    severity = params.get("severity")
    urgency = params.get("urgency")
    targets = params.get("targets", ())
    return AlertChanges(
        title=params.get("title"),
        description=params.get("description"),
        urgency=urgency and urgency_to_send(urgency, None, must_name=False),
        severity=Severity(severity) if severity else None,
        tags=tuple(params["tags"]) if "tags" in params else None,
        team_ids=_ids(targets, "team") or None,
        account_user_ids=_ids(targets, "user") or None,
    )


async def _comment_once(pagertree: PagerTree, alert_id: str, work: Work) -> None:
    """Add a comment, unless an earlier attempt did: comments carry no mark but their text."""
    body = str(work.params["body"])
    if work.attempt > 1:
        comments = await pagertree.list_comments(alert_id)
        if any(comment.body == body for comment in comments):
            return
    await pagertree.add_comment(alert_id, body)


def is_refusal_of_state(work: Work, error: Exception) -> bool:
    """Tell whether PagerTree may have refused because of how the alert stands."""
    kinds = (
        OperationKind.ACKNOWLEDGE_ALERT,
        OperationKind.RESOLVE_ALERT,
        OperationKind.UPDATE_ALERT,
    )
    is_refusal = isinstance(error, Rejected) and not isinstance(error, CredentialsRefused)
    return is_refusal and work.kind in kinds
