"""Secrets that we hand out, API tokens and webhook secrets alike. Pure but for the randomness.

They carry 256 random bits, so a plain SHA-256 is enough to keep: there is nothing to guess.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable

API_TOKEN_PREFIX = "psk_"  # noqa: S105 - lets secret scanners recognise a leaked one
WEBHOOK_SECRET_PREFIX = "pswh_"  # noqa: S105 - likewise


def new_token(prefix: str) -> str:
    """Return a fresh secret of letters, digits, `-` and `_`, safe in a URL."""
    return prefix + secrets.token_urlsafe(32)


def hash_token(token: str) -> bytes:
    """Return what is stored of a secret."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def matches_any(token: str, hashes: Iterable[bytes]) -> bool:
    """Tell whether `token` is one of the hashed secrets; takes the same time whichever it is."""
    presented = hash_token(token)
    is_match = False
    for known in hashes:
        is_match |= hmac.compare_digest(presented, known)
    return is_match
