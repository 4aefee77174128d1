"""Calls to PagerTree's REST API v4. So far: is this API key good?

Facts are from PagerTree's public API documentation: bearer authentication, the list form
`{"data": [...], "has_more", "total_count"}`, and errors `{"errors": [{"message"}], "code"}`, which
only most failures have.
"""

from importlib.metadata import version
from typing import Any, Final

from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from pagersync.errors import Contract, Rejected, Unavailable
from pagersync.http import AsyncClient, HTTPError, InvalidURL, Response, Timeout

ATTEMPTS_MAX: Final = 2
RETRIED_STATUSES: Final = frozenset({408, 425, 429})
"""4xx answers that refuse nothing for good; PagerTree documents 429 with "exponential backoff"."""


def create_http_client(*, timeout_s: float) -> AsyncClient:
    """Return the one HTTP client of a process. It follows no redirect and reads no environment."""
    return AsyncClient(
        timeout=Timeout(timeout_s),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": f"pagersync/{version('pagersync')}", "Accept": "application/json"},
    )


async def verify_api_key(client: AsyncClient, *, pagertree_url: str, api_key: str) -> None:
    """Return if PagerTree accepts the key, by asking for one team.

    Raises:
        Rejected: PagerTree refuses the key.
        Unavailable: PagerTree could not be asked.
        Contract: what answered does not look like PagerTree's API.
    """
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(Unavailable),
        stop=stop_after_attempt(ATTEMPTS_MAX),
        wait=wait_random_exponential(multiplier=0.2, max=1),
        reraise=True,
    )
    await retrying(_ask_for_a_team, client, pagertree_url, api_key)


async def _ask_for_a_team(client: AsyncClient, pagertree_url: str, api_key: str) -> None:
    try:
        response = await client.get(
            f"{pagertree_url.rstrip('/')}/teams",
            params={"limit": 1},
            headers={"Authorization": f"Bearer {api_key}"},
        )
    except (InvalidURL, ValueError) as error:  # ValueError: a host name that cannot be encoded
        raise Rejected(f"{pagertree_url} is no usable address: {error}") from None
    except HTTPError as error:
        raise Unavailable(f"PagerTree at {pagertree_url} could not be reached: {error!r}") from None
    _expect_list(response)


def _expect_list(response: Response) -> None:
    if response.status_code in (401, 403):
        raise Rejected(f"PagerTree refused the API key (HTTP {response.status_code})")
    if response.status_code in RETRIED_STATUSES or response.is_server_error:
        raise Unavailable(f"PagerTree answered HTTP {response.status_code}: try again later")
    if not response.is_success:
        raise Contract(
            f"HTTP {response.status_code}{_messages(response)}: is the address PagerTree's API?"
        )
    answer = _json(response)
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        raise Contract("the answer is no list of teams: is the address PagerTree's API?")


def _messages(response: Response) -> str:
    """Return what PagerTree says in `errors`, if it says anything."""
    answer = _json(response)
    entries = answer.get("errors") if isinstance(answer, dict) else None
    if not isinstance(entries, list):
        return ""
    texts = [str(entry.get("message")) for entry in entries if isinstance(entry, dict)]
    return f" ({'; '.join(texts)[:500]})" if texts else ""


def _json(response: Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
