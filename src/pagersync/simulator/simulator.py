"""A PagerTree in one object: its REST API, its alerts' lives, its webhooks, and its faults."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from pagersync.simulator.account import seeded
from pagersync.simulator.alert_params import InvalidParamsError, find_destinations, new_fields
from pagersync.simulator.alert_views import (
    alert_view,
    comment_view,
    notification_view,
    webhook_view,
)
from pagersync.simulator.api import Api, answer_error
from pagersync.simulator.control import Control
from pagersync.simulator.directory import AccountUser, Directory, Router, Team
from pagersync.simulator.edge import Edge
from pagersync.simulator.faults import FAULTS, PlannedFault
from pagersync.simulator.incidents import draw_fields
from pagersync.simulator.life import WebhookEvent
from pagersync.simulator.lifecycle import AlertLives, NotAllowedError
from pagersync.simulator.live_sender import LiveSender
from pagersync.simulator.options import SimulatorOptions, changed, flat
from pagersync.simulator.pagertree_state import Alert, PagerTreeState, now

DEFAULT_OPTIONS: Final = SimulatorOptions()


class Simulator:
    """A PagerTree account and its API.

    Use it in the event loop that serves `app`. Alerts, notifications and requests are shown as
    the control API shows them: as JSON.

    Attributes:
        app: The ASGI application; its lifespan ends what is under way.
        options: How it behaves now.
        directory: Its teams, people and routers.
        state: What it remembers.
    """

    def __init__(self, options: SimulatorOptions = DEFAULT_OPTIONS) -> None:
        self._first_options = options
        self._sender = LiveSender()
        self._start_over(options)
        routes = [*Api(self).routes(), *Control(self).routes()]
        handlers = dict.fromkeys((HTTPException, InvalidParamsError, NotAllowedError), answer_error)
        inner = Starlette(routes=routes, exception_handlers=handlers, lifespan=self._lifespan)
        self._edge = Edge(inner, lambda: self.options, lambda: self.state)
        self.app: ASGIApp = self._edge

    def _start_over(self, options: SimulatorOptions) -> None:
        self.options = options
        self.directory = Directory(options.seed, same_name_teams=options.same_name_teams)
        self.state = PagerTreeState(options.seed, self.directory)
        self._lives = AlertLives(self.state, lambda: self.options.lifecycle, self._publish)
        self._sender.start_over(options.seed, self.directory.account.integration_id)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        yield
        await self.aclose()

    async def aclose(self) -> None:
        """End every life and every delivery that is under way."""
        self._lives.stop()
        await self._sender.aclose()

    def reset(self, options: SimulatorOptions | None = None) -> None:
        """Forget everything, planned faults too, and behave as these or the first options say."""
        self._lives.stop()
        self._edge.planned.clear()
        self._start_over(options or self._first_options)

    def change(self, **changes: Any) -> None:
        """Behave otherwise from now on; each option is named by its leaf: `change(queued_s=1)`.

        Another `seed` or `same_name_teams` makes another account only at the next reset.

        Raises:
            ValueError: There is no such option, or it cannot have that value.
        """
        self.options = changed(self.options, changes)

    def shown_options(self) -> dict[str, Any]:
        """Return every option by its name, without secrets."""
        return flat(self.options)

    def fail_next(
        self, fault: str, *, method: str = "POST", path_end: str = "", times: int = 1
    ) -> None:
        """Let a fault befall the next requests with this method whose path ends like this.

        Raises:
            ValueError: There is no such fault.
        """
        if fault not in FAULTS:
            raise ValueError(f"{fault}: there is no such fault; there are {', '.join(FAULTS)}")
        self._edge.planned.append(PlannedFault(fault, method, path_end, times))

    def alerts(self, marker: str | None = None) -> list[dict[str, Any]]:
        """Return all alerts, oldest first, or those that carry a marker.

        Args:
            marker: A `thirdparty_id` or a tag.
        """
        alerts = self.state.alerts.values()
        return [self._show(alert) for alert in alerts if not marker or alert.has_marker(marker)]

    def notifications(self, target: str | None = None) -> list[dict[str, Any]]:
        """Return who was paged, in order: one entry for each target of an alert that opened.

        Args:
            target: Only those of the target with this id, prefixed id or name.
        """
        return [
            notification_view(notification)
            for notification in self.state.notifications
            if not target or target in _names(notification.target)
        ]

    def requests(self) -> list[dict[str, Any]]:
        """Return what was asked of the API, in order, with what was answered."""
        return [asdict(seen) for seen in self.state.requests]

    def create_alert(self, params: dict[str, Any]) -> Alert:
        """Create an alert through the API, from permitted parameters.

        Raises:
            InvalidParamsError: They are not valid.
        """
        unknowns = self.options.unknowns
        fields, destinations = new_fields(params, self.directory, unknowns)
        if unknowns.duplicate_thirdparty_id == "deduplicated" and fields["thirdparty_id"]:
            for alert in self.state.with_thirdparty_id(fields["thirdparty_id"]):
                return alert
        source = self.directory.account_users[0]
        alert = self.state.add_alert(fields, destinations, source)
        self._lives.start(alert)
        return alert

    def add_alert(self, **fields: Any) -> dict[str, Any]:
        """Let an alert be born in PagerTree, from monitoring; what is not given is drawn.

        Args:
            fields: As in the API, and also `status`: "suppressed" is not routed.

        Raises:
            InvalidParamsError: A destination does not exist.
        """
        destinations, wrong = find_destinations(fields, self.directory, self.options.unknowns)
        if wrong:
            raise InvalidParamsError(wrong)
        rng = seeded(self.options.seed, "monitoring", len(self.state.alerts))
        words = draw_fields(rng)
        words |= {key: fields[key] for key in words if key in fields}
        alert = self.state.add_alert(words, destinations or [self.directory.teams[0]], None)
        alert.status = fields.get("status", alert.status)
        self._lives.start(alert)
        return self._show(alert)

    def delete_alert(self, alert: Alert) -> None:
        """Forget an alert; no webhook tells of that."""
        self._lives.forget(alert)
        del self.state.alerts[alert.id]

    def comment(self, alert: Alert, body: str) -> dict[str, Any]:
        """Comment on an alert as the person whom the API keys belong to."""
        author = self.directory.account_users[0]
        return comment_view(self.state.add_comment(alert, body, author))

    def act(
        self, id_: str, action: str, *, by: AccountUser | None = None, to: str | None = None
    ) -> dict[str, Any]:
        """Do something to an alert as a person does in PagerTree.

        Args:
            id_: The alert's, in either form.
            action: acknowledge, reject, timeout, drop, resolve or handoff; or open, which no
                person does: a queued alert is routed now.
            by: Who does it; without: whoever is on call for it.
            to: Where a handoff goes, the id of a team or a router; without: to the next team.

        Raises:
            LookupError: There is no such alert, action or destination.
            NotAllowedError: The alert's status does not allow it.
        """
        alert = self.state.find_alert(id_)
        if alert is None:
            raise LookupError(f"there is no alert {id_}")
        person = by or alert.d_user or self.directory.account_users[0]
        lives = self._lives
        actions = {
            "open": lambda: lives.open(alert),
            "acknowledge": lambda: lives.acknowledge(alert, person),
            "reject": lambda: lives.reject(alert),
            "timeout": lambda: lives.time_out(alert),
            "drop": lambda: lives.drop(alert),
            "resolve": lambda: lives.resolve(alert, person),
            "handoff": lambda: lives.hand_off(alert, self._find_receiver(alert, to)),
        }
        if action not in actions:
            raise LookupError(f"there is no action {action}; there are {', '.join(actions)}")
        actions[action]()
        return self._show(alert)

    def _find_receiver(self, alert: Alert, id_: str | None) -> Team | Router:
        if id_ is None:
            return next(team for team in self.directory.teams if team is not alert.d_team)
        receiver = self.directory.find(id_)
        if isinstance(receiver, Team | Router):
            return receiver
        raise LookupError(f"there is no team or router {id_}")

    def searchable_alerts(self) -> list[Alert]:
        """Return the alerts that a list may show now."""
        search, asked_at = self.options.search, now()
        return [
            alert
            for alert in self.state.alerts.values()
            if alert.created_at + self._lag_of(alert) <= asked_at
            and not (search.search == "never" and alert.source)
        ]

    def _lag_of(self, alert: Alert) -> timedelta:
        """Return how long after its creation an alert is not shown in lists."""
        search = self.options.search
        lag = timedelta(seconds=search.search_lag_s)
        if not lag or search.search_order == "kept":
            return lag
        return lag * seeded(self.options.seed, "search lag", alert.id).random()

    def _show(self, alert: Alert) -> dict[str, Any]:
        view = alert_view(alert, self.directory, self.options.unknowns)
        return {**view, "comments": [comment_view(comment) for comment in alert.comments]}

    def _publish(self, event_type: str, alert: Alert) -> None:
        data = webhook_view(alert, self.directory)
        event = WebhookEvent(event_type, data, alert.updated_at)
        self._sender.send(event, self.options.sending)


def _names(target: Team | Router | AccountUser) -> tuple[str, str, str]:
    return target.id, target.prefix_id, target.name
