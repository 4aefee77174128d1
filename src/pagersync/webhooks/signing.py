"""How deliveries are signed: as Rootly signs, and as Standard Webhooks says. Pure.

Both headers carry one signature for each secret that is valid, the newest first. Standard Webhooks
is https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final
from uuid import UUID

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - Standard Webhooks' name for what follows
SIGNATURE_HEADER: Final = "X-Pagersync-Signature"


def to_secret(random_bytes: bytes) -> str:
    """Return a secret in the form that Standard Webhooks gives it."""
    return SECRET_PREFIX + base64.b64encode(random_bytes).decode()


def standard_key(secret: str) -> bytes:
    """Return what Standard Webhooks signs with: the bytes that a `whsec_` secret stands for.

    Any other secret stands for itself.

    Raises:
        ValueError: it begins with `whsec_`, and what follows is no base64.
    """
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"what follows {SECRET_PREFIX} must be base64") from None


def signed_headers(
    secrets: Sequence[str], event_id: UUID, timestamp_s: int, body: bytes
) -> dict[str, str]:
    """Return the headers that prove who sends a body, and when."""
    moment = str(timestamp_s)
    return {
        SIGNATURE_HEADER: ",".join(
            [f"t={moment}", *(f"v1={_own(s, moment, body)}" for s in secrets)]
        ),
        "webhook-id": str(event_id),
        "webhook-timestamp": moment,
        "webhook-signature": " ".join(
            f"v1,{_standard(secret, event_id, moment, body)}" for secret in secrets
        ),
    }


def _own(secret: str, moment: str, body: bytes) -> str:
    return hmac.new(secret.encode(), moment.encode() + body, hashlib.sha256).hexdigest()


def _standard(secret: str, event_id: UUID, moment: str, body: bytes) -> str:
    signed = f"{event_id}.{moment}.".encode() + body
    return base64.b64encode(hmac.digest(standard_key(secret), signed, "sha256")).decode()
