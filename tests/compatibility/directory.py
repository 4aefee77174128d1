"""An account at PagerTree with teams and users, connected to a running pagersync."""

from dataclasses import dataclass

from pagersync.http import AsyncClient
from tests.support.lists import GOOD_KEY, Lists, team, user


@dataclass(frozen=True, slots=True)
class ConnectedLists:
    """What the account lists, and the integration here."""

    lists: Lists
    api: AsyncClient
    id: str

    async def sync(self) -> None:
        """Bring here what PagerTree lists now."""
        answer = await self.api.post(f"/v1/integrations/{self.id}/sync?believe=true")
        assert answer.status_code == 200, answer.text


async def connect(api: AsyncClient, lists: Lists) -> ConnectedLists:
    """Connect an account of the teams SRE, whose member is Olivia, and Checkout, and sync it."""
    olivia = user(1, "Olivia Ortiz", "olivia@acme.test")
    olivia["user"]["time_zone"] = "Europe/Lisbon"
    lists.rows["account_users"] = [olivia, user(2, "Ben Okafor")]
    sre = team(1, "SRE") | {"member_account_user_ids": [olivia["id"]]}
    lists.rows["teams"] = [sre, team(2, "Checkout")]
    attributes = {"name": "acme", "api_key": GOOD_KEY, "pagertree_url": lists.url}
    body = {"data": {"type": "integrations", "attributes": {**attributes, "verify_api_key": False}}}
    made = await api.post("/v1/integrations", json=body)
    assert made.status_code == 201, made.text
    connected = ConnectedLists(lists, api, made.json()["data"]["id"])
    await connected.sync()
    return connected
