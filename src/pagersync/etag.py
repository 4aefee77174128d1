"""`ETag` and `If-Match`: a change that names the version it was made of loses nobody else's.

As RFC 9110, 13.1.1. A proxy that compresses an answer makes its tag weak, so weak ones count too.
"""

import hashlib
from datetime import datetime
from typing import Annotated

from fastapi import Header

from pagersync.errors import PreconditionFailedError

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=1000,
        description="The `ETag` of the answer that the change was made of. If that has changed "
        "since, the answer is 412 and nothing happens.",
    ),
]


def etag(version: int) -> str:
    """Return the tag of a version."""
    return f'"{version}"'


def etag_of(updated_at: datetime) -> str:
    """Return the tag of what has no versions, but the time of its last change."""
    return etag(version_of(updated_at))


def version_of_content(*values: object) -> int:
    """Return a version of what is often written for other reasons than a change: of its content."""
    digest = hashlib.sha256(repr(values).encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:6])


def version_of(updated_at: datetime) -> int:
    """Return the time of a change as a version, to the microsecond."""
    return round(updated_at.timestamp() * 1_000_000)


def check_if_match(if_match: str | None, version: int) -> None:
    """Check that a request was made of the version that there is, if it says of which.

    Raises:
        PreconditionFailedError: it was made of another one.
    """
    if if_match is None:
        return
    tags = {tag.strip().removeprefix("W/") for tag in if_match.split(",")}
    if not tags & {"*", etag(version)}:
        raise PreconditionFailedError(
            f"it is at version {etag(version)} by now, not {if_match}: read it again",
            parameter="If-Match",
        )
