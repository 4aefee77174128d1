"""Secrets in the address and the headers of an endpoint: checked, sealed, and opened for a call."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.errors import InvalidError, ManyInvalidError
from pagersync.integrations.vault import Vault
from pagersync.outbound import OutboundError
from pagersync.secrets.literals import MASK, REFERENCE, find_spans, is_only_reference, replace_in
from pagersync.secrets.references import CallSecrets, marked_text
from pagersync.secrets.sealing import Sealer, keep_new, open_masks, open_named
from pagersync.secrets.service import problems_of_names
from pagersync.workflows.http_task import HEADER_VALUE, HIDDEN

Header = Mapping[str, str]


async def secured(
    session: AsyncSession, vault: Vault, values: Mapping[str, Any], saved: Sequence[Header]
) -> dict[str, Any]:
    """Return an endpoint's values as they may be kept.

    Args:
        session: inside a transaction.
        vault: encrypts.
        values: as they were given.
        saved: the headers that the endpoint has.

    Raises:
        ManyInvalidError: a reference to a secret that there is not, or a mask of nothing.
    """
    named = [("/data/attributes/url", name) for name in REFERENCE.findall(values.get("url", ""))]
    for position, header in enumerate(values.get("custom_headers", ())):
        pointer = f"/data/attributes/custom_headers/{position}/value"
        named += [(pointer, name) for name in REFERENCE.findall(header["value"])]
    problems = await problems_of_names(session, named, None)
    kept = dict(values)
    if "custom_headers" in values:
        kept["custom_headers"] = _with_saved(values["custom_headers"], saved, problems)
    if MASK.search(values.get("url", "")):
        detail = "url: a mask stands for a value that was hidden. Enter the value."
        problems.append(InvalidError(detail, pointer="/data/attributes/url"))
    if problems:
        raise ManyInvalidError(problems)
    if "url" in values:
        sealer = Sealer(vault, {})
        kept |= {"url": replace_in("url", values["url"], sealer.mask), "is_sealed": True}
        keep_new(session, sealer)
    return kept


async def opened(
    session: AsyncSession, vault: Vault, url: str, headers: Sequence[Header]
) -> tuple[str, dict[str, str], CallSecrets]:
    """Return the address and the headers of a call, and all secrets in them.

    Raises:
        SecretUnavailableError: one of them cannot be had.
    """
    values = await open_masks(session, vault, set(MASK.findall(url)))
    url = MASK.sub(lambda found: values[found.group()], url)
    texts = " ".join([url, *(header["value"] for header in headers)])
    named = await open_named(session, vault, list(dict.fromkeys(REFERENCE.findall(texts))), None)
    own = [h["value"] for h in headers if not is_only_reference(h["value"])]
    secrets = CallSecrets(named, (*values.values(), *own))
    filled = {h["name"]: secrets.fill(marked_text(h["value"])) for h in headers}
    return secrets.fill_url(marked_text(url)), filled, secrets


def check_headers(headers: Header) -> None:
    """Return if the headers can be sent, whatever a named secret holds.

    Raises:
        OutboundError: one cannot.
    """
    for name, value in headers.items():
        if not HEADER_VALUE.fullmatch(value):
            raise OutboundError(f"the header {name!r} cannot be sent: use printable ASCII")


def shown_value(name: str, value: str) -> str:
    """Return a header's value as it is shown: hidden if it looks like a secret. Pure.

    A hidden value that comes back keeps the value.
    """
    pair = json.dumps({name: value})
    return HIDDEN if find_spans("headers", pair) and not is_only_reference(value) else value


def _with_saved(
    given: Sequence[Header], saved: Sequence[Header], problems: list[InvalidError]
) -> list[Header]:
    """Return headers with the saved value for each that is hidden; note what there is none for."""
    known = {header["name"].lower(): header["value"] for header in saved}
    kept: list[Header] = []
    for position, header in enumerate(given):
        value = header["value"]
        if value == HIDDEN:
            if header["name"].lower() not in known:
                detail = f"{header['name']!r}: {HIDDEN} stands for no value. Enter the value."
                pointer = f"/data/attributes/custom_headers/{position}"
                problems.append(InvalidError(detail, pointer=pointer))
            value = known.get(header["name"].lower(), "")
        kept.append({**header, "value": value})
    return kept
