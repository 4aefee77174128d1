"""What requests may say of an endpoint. Pure."""

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import Field

from pagersync.errors import InvalidError
from pagersync.events.webhook_types import unknown_selectors
from pagersync.jsonapi import Attributes, Ignored
from pagersync.outbound import (
    OutboundRefusedError,
    address_without_lookup,
    check_addresses,
    parse_url,
)
from pagersync.secrets.references import MARKER, marked_text
from pagersync.webhooks.signing import standard_key
from pagersync.workflows.http_task import HEADER_NAME, HEADER_VALUE, HEADERS_OF_THE_CONNECTION

HEADERS_MAX: Final = 10
PRIVATE_ADDRESSES_SETTING: Final = "PAGERSYNC_WEBHOOK_PRIVATE_ADDRESSES"

RESERVED: Final = HEADERS_OF_THE_CONNECTION | {
    "accept",
    "content-encoding",
    "content-type",
    "user-agent",
    "x-rootly-signature",
}
"""Header names that cannot be set, besides those that begin as pagersync's own do."""

RESERVED_PREFIXES: Final = ("webhook-", "x-pagersync-")

Name = Annotated[
    str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]*$", examples=["Status board"])
]
EventTypes = Annotated[
    list[str],
    Field(
        max_length=100,
        description="Event types, or patterns such as `incident.*`; an empty list means all.",
        examples=[["incident.created", "incident.resolved", "page.*"]],
    ),
]


class CustomHeader(Attributes):
    """A header that is sent with each delivery."""

    name: str = Field(min_length=1, max_length=256, examples=["Authorization"])
    value: str = Field(max_length=8192)


CustomHeaders = Annotated[
    list[CustomHeader],
    Field(
        max_length=HEADERS_MAX,
        description="Headers that are sent with each delivery. Reserved names, such as "
        "`Content-Type`, `Host` and those of the signatures, are refused.",
    ),
]


class NewEndpoint(Attributes):
    """An endpoint to add."""

    name: Name
    url: str = Field(
        min_length=1, max_length=2000, examples=["https://hooks.example.com/pagersync"]
    )
    secret: str | None = Field(
        default=None,
        min_length=16,
        max_length=256,
        pattern=r"^[!-~]+$",
        description="Signs what is sent. By default one is made.",
    )
    event_types: EventTypes | None = None
    enabled: bool | None = True
    custom_headers: CustomHeaders | None = None
    slug: Ignored = None


class ChangedEndpoint(Attributes):
    """What to change; what is left out stays. The URL and the secret cannot be changed."""

    name: Name | None = None
    event_types: EventTypes | None = None
    enabled: bool | None = None
    custom_headers: CustomHeaders | None = None
    slug: Ignored = None


def problems_of(new: NewEndpoint | ChangedEndpoint, *, allows_private: bool) -> list[InvalidError]:
    """Return everything that is wrong with an endpoint, as far as it can be told by looking."""
    problems = [
        *_problems_of_event_types(new.event_types or ()),
        *_problems_of_headers(new.custom_headers or ()),
    ]
    if isinstance(new, NewEndpoint):
        problems += [*_problems_of_url(new.url, allows_private), *_problems_of_secret(new.secret)]
    return problems


def _problems_of_event_types(event_types: Sequence[str]) -> list[InvalidError]:
    unknown = unknown_selectors(event_types)
    return [
        _invalid(f"event_types/{position}", f"{selector!r}: {unknown[selector]}")
        for position, selector in enumerate(event_types)
        if selector in unknown
    ]


def _problems_of_headers(headers: Sequence[CustomHeader]) -> list[InvalidError]:
    problems, seen = [], set()
    for position, header in enumerate(headers):
        name = header.name.lower()
        if not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(header.value):
            why = "it cannot be sent: use printable ASCII"
        elif name in RESERVED or name.startswith(RESERVED_PREFIXES):
            why = "this name is reserved"
        elif name in seen:
            why = "there is another header of this name"
        else:
            seen.add(name)
            continue
        problems.append(_invalid(f"custom_headers/{position}", f"{header.name[:100]!r}: {why}"))
    return problems


def _problems_of_url(url: str, allows_private: bool) -> list[InvalidError]:  # noqa: FBT001 - private
    marked = marked_text(url)
    if MARKER.match(marked):  # an address that is a secret is looked at when it is called
        return []
    try:
        parsed = parse_url(marked)
        if MARKER.search(parsed.host):
            return [_invalid("url", "a secret cannot be a part of the host")]
        address = address_without_lookup(parsed)
        if address and not allows_private:
            check_addresses(parsed.host, [address], setting=PRIVATE_ADDRESSES_SETTING)
    except OutboundRefusedError as error:
        return [_invalid("url", error.detail)]
    return []


def _problems_of_secret(secret: str | None) -> list[InvalidError]:
    try:
        standard_key(secret or "")
    except ValueError as error:
        return [_invalid("secret", str(error))]
    return []


def _invalid(where: str, why: str) -> InvalidError:
    return InvalidError(why, pointer=f"/data/attributes/{where}")
