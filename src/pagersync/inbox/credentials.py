"""Where a webhook request may carry its secret. Pure.

PagerTree can send no header of its own choice: the secret stands in the URL, or is the password
of basic authentication, which PagerTree's published sender writes without the `Basic ` prefix
(its open-source integrations, `hook_relay.rb`). A bearer token is accepted for everybody else.
"""

import base64
import binascii
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

BYTES_MAX: Final = 2048


def presented_secrets(query: bytes, authorization: bytes | None) -> tuple[str, ...]:
    """Return every secret that a request carries, in no particular order.

    PagerTree sends the same two values with every request, so a few answers are remembered. What
    is longer than any secret of ours is not even looked at.

    Args:
        query: the raw query string.
        authorization: the raw `Authorization` header, if there is one.
    """
    if len(query) > BYTES_MAX or len(authorization or b"") > BYTES_MAX:
        return ()
    return _find_secrets(query, authorization)


@lru_cache(maxsize=128)
def _find_secrets(query: bytes, authorization: bytes | None) -> tuple[str, ...]:
    secrets = _from_query(query) if query else []
    if authorization:
        secrets += _from_header(authorization.decode("latin-1").strip())
    return tuple(secrets)


def _from_query(query: bytes) -> list[str]:
    try:
        pairs = parse_qsl(query.decode("latin-1"), max_num_fields=20)
    except ValueError:
        return []
    return [value for name, value in pairs if name == "secret" and value]


def _from_header(header: str) -> list[str]:
    scheme, _, rest = header.partition(" ")
    match scheme.lower():
        case "bearer":
            return [rest.strip()] if rest.strip() else []
        case "basic":
            return _password(rest.strip())
        case _:
            return [] if rest else _password(header)


def _password(encoded: str) -> list[str]:
    try:
        user_and_password = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return []
    _, colon, password = user_and_password.partition(":")
    return [password] if colon and password else []
