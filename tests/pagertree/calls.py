"""A client that keeps what it recorded, and every call that it has."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import respx

from pagersync.pagertree.client import Exchange, PagerTree
from pagersync.pagertree.resources import AlertChanges, NewAlert, RemoteAlert

BASE = "https://api.pagertree.example/api/v4"
KEY = "k-planted"
ALERT = {"id": "A1", "prefix_id": "alt_1", "status": "open"}
REMOTE = RemoteAlert(id="A1", prefix_id="alt_1", status="open")
NEW = NewAlert(title="Disk full", team_ids=("t1",))


class Account(PagerTree):
    """A client that keeps what it recorded."""

    def __init__(self, http: httpx.AsyncClient, **settings: Any) -> None:
        self.exchanges: list[Exchange] = []
        values: dict[str, Any] = {
            "pagertree_url": BASE,
            "api_key": KEY,
            "timeout_s": 1.0,
        } | settings
        super().__init__(http, **values, record=self.exchanges.append)


def page(*ids: str, has_more: bool = False) -> httpx.Response:
    data = [{"id": id_} for id_ in ids]
    return httpx.Response(200, json={"data": data, "has_more": has_more, "total_count": 1})


CHANGING: dict[str, Callable[[PagerTree], Awaitable[Any]]] = {
    "POST /alerts": lambda pagertree: pagertree.create_alert(NEW),
    "PUT /alerts/A1": lambda pagertree: pagertree.update_alert("A1", AlertChanges(title="t")),
    "POST /alerts/A1/acknowledge": lambda pagertree: pagertree.acknowledge_alert("A1"),
    "POST /alerts/A1/reject": lambda pagertree: pagertree.reject_alert("A1"),
    "POST /alerts/A1/resolve": lambda pagertree: pagertree.resolve_alert("A1"),
    "POST /alerts/A1/comments": lambda pagertree: pagertree.add_comment("A1", "On it"),
}
READING: dict[str, Callable[[PagerTree], Awaitable[Any]]] = {
    "GET /alerts": lambda pagertree: pagertree.list_alerts(),
    "GET /alerts/A1": lambda pagertree: pagertree.get_alert("A1"),
    "GET /alerts/A1/comments": lambda pagertree: pagertree.list_comments("A1"),
    "GET /teams": lambda pagertree: pagertree.list_teams(),
    "GET /teams/T1/current_oncall": lambda pagertree: pagertree.get_current_oncall("T1"),
    "GET /account_users": lambda pagertree: pagertree.list_account_users(),
    "GET /routers": lambda pagertree: pagertree.list_routers(),
}


def mock(name: str) -> respx.Route:
    method, path = name.split()
    return respx.route(method=method, url__startswith=BASE, path=f"/api/v4{path}")
