"""Everything that decides how the simulated PagerTree behaves: one frozen tree.

The names of all leaves are different, so that a change names a leaf alone: `queued_s`,
`lost_response`, `tags_key`.
"""

from collections.abc import Mapping
from dataclasses import field, fields, is_dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic.dataclasses import dataclass

from pagersync.simulator.target import Auth, Target
from pagersync.simulator.unknowns import Unknowns

Rate = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]

CONCURRENCY_MAX = 100

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """When something happens to an alert by itself.

    Attributes:
        queued_s: How long it stays queued before it opens, or drops when nobody is on call.
        acknowledge_after_s: How long it stays open until the first person on call acknowledges;
            None: nobody ever does.
        resolve_after_s: How long after that the same person resolves it; None: never.
    """

    queued_s: Seconds = 0.02
    acknowledge_after_s: Seconds | None = None
    resolve_after_s: Seconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What lists and filters of alerts show; an alert's own page always shows it.

    Attributes:
        search: `works`; `ignores_thirdparty_id`: that filter is passed over, so that a list shows
            everything; `never`: alerts that were created through the API are never shown.
        search_lag_s: How long after its creation an alert is not shown yet.
        search_order: `kept`: alerts are shown in the order of their creation, each after
            `search_lag_s`; `mixed`: each has a lag of its own, up to `search_lag_s`.
    """

    search: Literal["works", "ignores_thirdparty_id", "never"] = "works"
    search_lag_s: Seconds = 0.0
    search_order: Literal["kept", "mixed"] = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRates:
    """The share (0 to 1) of requests that each fault befalls; a request has one at most.

    Attributes:
        rate_limited: 429; whether with Retry-After is an unknown.
        rate_limited_retry_after: 429 with Retry-After.
        internal_error: 500, before anything was done.
        bad_gateway: 502 with a page of HTML, before anything was done.
        timeout_before: Silence for `hold_s`, then the connection is closed; nothing was done.
        timeout_after: The same, but the work was done.
        truncated: The work was done, and half of the answer comes.
        lost_response: The work was done, and the connection is closed without an answer.
        slow: The work was done, and the answer comes `slow_s` later.
    """

    rate_limited: Rate = 0.0
    rate_limited_retry_after: Rate = 0.0
    internal_error: Rate = 0.0
    bad_gateway: Rate = 0.0
    timeout_before: Rate = 0.0
    timeout_after: Rate = 0.0
    truncated: Rate = 0.0
    lost_response: Rate = 0.0
    slow: Rate = 0.0

    def __post_init__(self) -> None:
        total = sum(getattr(self, item.name) for item in fields(type(self)))
        if total > 1 + _ROUNDING:
            raise ValueError(f"the rates of all faults together are {total:g}, more than 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """How faults are, and what befalls every request.

    Attributes:
        hold_s: How long a timeout holds the connection.
        slow_s: How long a slow answer takes.
        retry_after_s: What Retry-After says.
        key_refused: Every key is answered 401, as if it had been revoked.
        outage: `unavailable`: 503 to everything; `closed`: every connection is closed unanswered.
    """

    hold_s: Seconds = 0.2
    slow_s: Seconds = 0.2
    retry_after_s: Count = 1
    key_refused: bool = False
    outage: Literal["none", "unavailable", "closed"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """Where webhooks go, and what goes wrong on their way.

    Attributes:
        webhook_url: Where to; empty: nowhere.
        webhook_secret: The secret of that webhook, if its URL does not hold it.
        webhook_auth: How the secret travels.
        webhooks: `off`: none is sent, as if nobody had ticked the events in PagerTree.
        storm: How many times every webhook is sent.
        duplicate_rate: Share of the deliveries that are sent again after a success.
        reorder_s: Each delivery starts up to this much later than its event.
        late_rate: Share of the deliveries that are held back.
        late_s: How long they are held back.
        retries_max: Retries after the first attempt; PagerTree documents 14.
        first_pause_s: Pause before the first of them; each further one is twice as long.
        concurrency: Deliveries under way at once, at most.
    """

    webhook_url: str = field(default="", repr=False)
    webhook_secret: str = field(default="", repr=False)
    webhook_auth: Auth = "query"
    webhooks: Literal["on", "off"] = "on"
    storm: Annotated[int, Field(ge=1)] = 1
    duplicate_rate: Rate = 0.0
    reorder_s: Seconds = 0.0
    late_rate: Rate = 0.0
    late_s: Seconds = 0.5
    retries_max: Count = 14
    first_pause_s: Seconds = 0.02
    concurrency: Annotated[int, Field(ge=1, le=CONCURRENCY_MAX)] = 8

    def __post_init__(self) -> None:
        if self.webhook_url:
            self.target("int_unknown")

    def target(self, integration_id: str) -> Target:
        """Return where webhooks go.

        Raises:
            ValueError: The URL cannot be called.
        """
        return Target(
            self.webhook_url,
            self.webhook_secret,
            self.webhook_auth,
            integration_id=integration_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """How the simulated PagerTree behaves; by default it is quick and nothing goes wrong.

    Attributes:
        api_keys: The keys that are let in; none of them empty.
        seed: Decides the account and every fault.
        same_name_teams: Two teams share a name.
        lifecycle: What happens to alerts by itself.
        search: What lists show.
        fault_rates: How many requests go wrong.
        trouble: How they do.
        sending: Where webhooks go.
        unknowns: What is not known about the real API.
    """

    api_keys: frozenset[str] = field(default=frozenset(), repr=False)
    seed: int = 0
    same_name_teams: bool = False
    lifecycle: Lifecycle = Lifecycle()
    search: Search = Search()
    fault_rates: FaultRates = FaultRates()
    trouble: Trouble = Trouble()
    sending: Sending = Sending()
    unknowns: Unknowns = Unknowns()


def changed(options: SimulatorOptions, changes: Mapping[str, Any]) -> SimulatorOptions:
    """Return the options with some leaves changed.

    Raises:
        ValueError: There is no such leaf, or it cannot have that value; the message says which.
    """
    groups: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        groups.setdefault(_group_of(name), {})[name] = value
    try:
        own = groups.pop("", {})
        new = {name: replace(getattr(options, name), **groups[name]) for name in groups}
        return replace(options, **new, **own)
    except ValidationError as error:
        wrong = (": ".join([*map(str, entry["loc"]), entry["msg"]]) for entry in error.errors())
        raise ValueError("; ".join(wrong)) from None


def _group_of(leaf: str) -> str:
    """Return the name of the group that a leaf is in; the root's own leaves are in ''."""
    if leaf not in _GROUPS:
        raise ValueError(f"{leaf}: there is no such option; there are {', '.join(sorted(_GROUPS))}")
    return _GROUPS[leaf]


def check_group(group: type, changes: Mapping[str, Any]) -> None:
    """Return if each change names a leaf of this group.

    Raises:
        ValueError: One does not; the message says which there are.
    """
    names = [item.name for item in fields(group)]
    for name in changes:
        if name not in names:
            raise ValueError(f"{name}: there is no such name; there are {', '.join(names)}")


def flat(options: SimulatorOptions) -> dict[str, Any]:
    """Return the value of every leaf by its name; those that stay secret are left out."""
    shown: dict[str, Any] = {}
    for item in fields(options):
        value = getattr(options, item.name)
        if is_dataclass(value):
            shown |= {leaf.name: getattr(value, leaf.name) for leaf in fields(value) if leaf.repr}
        elif item.repr:
            shown[item.name] = value
    return shown


def _find_groups() -> dict[str, str]:
    groups: dict[str, str] = {}
    for item in fields(SimulatorOptions):
        if is_dataclass(item.default):
            groups |= {leaf.name: item.name for leaf in fields(item.default)}
        elif item.name != "api_keys":
            groups[item.name] = ""
    return groups


_GROUPS = _find_groups()
