"""Checks of what an operator enters for an integration. Pure."""

from typing import Final
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from pydantic import SecretStr

from pagersync.access import names

API_KEY_CHARACTERS_MAX: Final = 1000


def checked_name(name: str) -> str:
    """Return the name without surrounding space.

    Raises:
        ValueError: it is no name, or a UUID, which would be taken for an id.
    """
    name = names.checked_name(name)
    if to_uuid(name) is not None:
        raise ValueError("must not be a UUID: ids are")
    return name


def to_uuid(text: str) -> UUID | None:
    """Return the UUID that a text is, or None."""
    try:
        return UUID(text)
    except ValueError:
        return None


def checked_api_key(api_key: SecretStr) -> SecretStr:
    """Return the key without surrounding space.

    Raises:
        ValueError: it is empty, too long, or cannot be sent in a header.
    """
    key = api_key.get_secret_value().strip()
    if not 0 < len(key) <= API_KEY_CHARACTERS_MAX or not key.isascii() or not key.isprintable():
        raise ValueError(f"must be 1 to {API_KEY_CHARACTERS_MAX} printable ASCII characters")
    return SecretStr(key)


def checked_url(url: str) -> str:
    """Return the address without a slash at its end.

    Raises:
        ValueError: it is no http or https address, or carries what belongs elsewhere.
    """
    url = url.strip().rstrip("/")
    parts = _split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable():
        raise ValueError("must be an address that begins with https:// or http://")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must have neither a user name nor ? nor #")
    return url


def _split(url: str) -> SplitResult:
    """Split an address whose port is a number and whose host can be asked for."""
    try:
        parts = urlsplit(url)
        _ = parts.port
        (parts.hostname or "").encode("idna").decode("idna")
    except ValueError:
        raise ValueError("must have a host and a port that can exist") from None
    return parts


def checked_template(template: str) -> str:
    """Return the template of an alert's link.

    Raises:
        ValueError: it is no address, or `{id}` is missing.
    """
    if not template.startswith(("https://", "http://")) or not template.isprintable():
        raise ValueError("must begin with https:// or http://")
    if "{id}" not in template:
        raise ValueError("must contain {id}, which becomes PagerTree's id of the alert")
    return template
