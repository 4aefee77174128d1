"""What happens to a simulated alert, by itself and by somebody's hand.

Statuses and what leads from one to another are PagerTree's documented ones. Where its API and its
app disagree, the wider rule of the API holds. Handing an alert off opens it again elsewhere:
assumed, no status is documented.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

from pagersync.simulator.directory import AccountUser, Destination, Router, Team
from pagersync.simulator.options import Lifecycle
from pagersync.simulator.pagertree_state import Alert, Notification, PagerTreeState

Publish = Callable[[str, Alert], None]
"""Is told the event's type, and the alert as it is after it."""

ALLOWED_FROM = {
    "open": ("queued",),
    "acknowledge": ("open", "dropped", "suppressed"),
    "reject": ("open",),
    "timeout": ("open",),
    "drop": ("queued", "open"),
    "resolve": ("open", "dropped", "acknowledged"),
    "handoff": ("acknowledged",),
}
"""The statuses in which something can be done to an alert."""


class NotAllowedError(Exception):
    """It cannot be done to the alert as it is; the message says why."""


class AlertLives:
    """Moves alerts along, each with one timer of the running event loop at most."""

    def __init__(
        self, state: PagerTreeState, lifecycle: Callable[[], Lifecycle], publish: Publish
    ) -> None:
        self._state = state
        self._lifecycle = lifecycle
        self._publish = publish
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def start(self, alert: Alert) -> None:
        """Announce a new alert, and open it in time."""
        self._publish("alert.created", alert)
        if alert.status == "queued":
            self._later(alert, self._lifecycle().queued_s, lambda: self._route(alert))

    def forget(self, alert: Alert) -> None:
        """Let nothing more happen to an alert by itself."""
        timer = self._timers.pop(alert.id, None)
        if timer is not None:
            timer.cancel()

    def stop(self) -> None:
        """Let nothing more happen to any alert by itself."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def open(self, alert: Alert) -> None:
        """Open a queued alert now where somebody is on call; drop it where nobody is."""
        check_allowed("open", alert)
        self.forget(alert)
        self._route(alert)

    def acknowledge(self, alert: Alert, by: AccountUser) -> None:
        """Acknowledge; a second time does not move the documented first one."""
        check_allowed("acknowledge", alert)
        at = self._set_status(alert, "acknowledged")
        alert.acknowledged_at = alert.acknowledged_at or at
        alert.acknowledged_by = by
        alert.handoffs = [{**handoff, "acknowledged": True} for handoff in alert.handoffs]
        self._publish("alert.acknowledged", alert)
        self._later(alert, self._lifecycle().resolve_after_s, lambda: self.resolve(alert, by))

    def reject(self, alert: Alert) -> None:
        """Reject: the status stays, and the next person of the team is asked."""
        check_allowed("reject", alert)
        self._escalate("alert.rejected", alert)

    def time_out(self, alert: Alert) -> None:
        """Let a layer of the escalation policy run out: the next person is asked."""
        check_allowed("timeout", alert)
        self._escalate("alert.timeout", alert)

    def drop(self, alert: Alert) -> None:
        """Give up: nobody is on call, or nobody has answered."""
        check_allowed("drop", alert)
        self._set_status(alert, "dropped")
        self._publish("alert.dropped", alert)

    def resolve(self, alert: Alert, by: AccountUser | None) -> None:
        """Resolve, for good."""
        check_allowed("resolve", alert)
        alert.resolved_at = self._set_status(alert, "resolved")
        alert.resolved_by = by
        self._publish("alert.resolved", alert)

    def hand_off(self, alert: Alert, to: Team | Router) -> None:
        """Hand an acknowledged alert to a team or a router, where it opens again."""
        check_allowed("handoff", alert)
        team = to if isinstance(to, Team) else to.team
        at = self._set_status(alert, "open")
        handoff = {
            "to": to.prefix_id,
            "from": alert.d_team.prefix_id if alert.d_team else None,
            "time": int(at.timestamp()),
            "acknowledged": False,
        }
        alert.handoffs = [*alert.handoffs, handoff]
        alert.d_team, alert.d_user = team, next(iter(to.on_call), None)
        self._notify(alert, [to])
        self._publish("alert.handoff", alert)
        self._await_acknowledgement(alert)

    def _route(self, alert: Alert) -> None:
        """Open a queued alert where somebody is on call; drop it where nobody is."""
        staffed = [to for to in alert.destinations if to.on_call]
        if not staffed:
            self.drop(alert)
            return
        self._set_status(alert, "open")
        alert.d_team = next((_team_of(to) for to in staffed if _team_of(to)), None)
        alert.d_user = staffed[0].on_call[0]
        self._notify(alert, staffed)
        self._publish("alert.open", alert)
        self._await_acknowledgement(alert)

    def _await_acknowledgement(self, alert: Alert) -> None:
        by = alert.d_user
        if by is not None:
            wait_s = self._lifecycle().acknowledge_after_s
            self._later(alert, wait_s, lambda: self.acknowledge(alert, by))

    def _escalate(self, event_type: str, alert: Alert) -> None:
        members = alert.d_team.members if alert.d_team else ()
        if alert.d_user in members:
            alert.d_user = members[(members.index(alert.d_user) + 1) % len(members)]
        alert.touch()
        self._publish(event_type, alert)

    def _notify(self, alert: Alert, targets: list[Destination]) -> None:
        at = alert.updated_at
        self._state.notifications += [Notification(at, alert, to) for to in targets if to.on_call]

    def _set_status(self, alert: Alert, status: str) -> datetime:
        self.forget(alert)
        alert.status = status
        return alert.touch()

    def _later(self, alert: Alert, wait_s: float | None, act: Callable[[], None]) -> None:
        if wait_s is not None:
            loop = asyncio.get_running_loop()
            self._timers[alert.id] = loop.call_later(wait_s, act)


def check_allowed(action: str, alert: Alert) -> None:
    """Return if the alert's status allows the action.

    Raises:
        NotAllowedError: It does not.
    """
    allowed = ALLOWED_FROM[action]
    if alert.status not in allowed:
        statuses = " or ".join(allowed)
        raise NotAllowedError(f"alert is {alert.status}: to {action} it must be {statuses}")


def _team_of(destination: Destination) -> Team | None:
    if isinstance(destination, Team):
        return destination
    return destination.team if isinstance(destination, Router) else None
