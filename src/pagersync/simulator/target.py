"""Where deliveries go, and how they prove who sends them."""

import base64
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, urlsplit, urlunsplit

from pagersync.http import URL, InvalidURL

Auth = Literal["query", "basic", "bare"]
"""How the secret travels.

`query`: in the URL. `basic`: as a password, `Authorization: Basic <base64>`. `bare`: the same
without the word `Basic`, which is what PagerTree was seen to send.
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A webhook URL with its secret; neither shows in the repr.

    Attributes:
        url: http or https; may hold the secret in its query already.
        secret: Added according to `auth`; empty when the URL holds it or none is wanted.
        auth: How the secret travels.
        username: Goes with the secret in the two basic forms.
        integration_id: PagerTree's id of its outgoing webhook, named in the User-Agent.

    Raises:
        ValueError: The URL cannot be called.
    """

    url: str = field(repr=False)
    secret: str = field(default="", repr=False)
    auth: Auth = "query"
    username: str = "pagertree"
    integration_id: str = "int_simulator"

    def __post_init__(self) -> None:
        try:
            url = URL(self.url)
        except InvalidURL:
            raise ValueError("The webhook URL cannot be read.") from None
        if url.scheme not in {"http", "https"} or not url.host:
            raise ValueError("The webhook URL must begin with http:// or https:// and a host.")

    @property
    def request_url(self) -> str:
        """The URL to post to, with the secret if it travels there."""
        if not self.secret or self.auth != "query":
            return self.url
        parts = urlsplit(self.url)
        secret = f"secret={quote(self.secret, safe='')}"
        query = f"{parts.query}&{secret}" if parts.query else secret
        return urlunsplit(parts._replace(query=query))

    @property
    def shown_url(self) -> str:
        """The URL without anything that may be secret: no query, no user, no fragment."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every delivery."""
        agent = f"ref: {self.integration_id}; report: support@pagertree.com"
        headers = {
            "Accept": "*/*",
            "User-Agent": f"pagertree outgoing webhook service; {agent}",
            "Content-Type": "application/json",
        }
        if self.secret and self.auth != "query":
            credentials = base64.b64encode(f"{self.username}:{self.secret}".encode()).decode()
            prefix = "Basic " if self.auth == "basic" else ""
            headers["Authorization"] = prefix + credentials
        return headers
