"""No alert that is made through the API can claim to be one of PagerTree's."""

from collections.abc import Mapping

import pytest

from pagersync.access.keys import create_key
from pagersync.access.models import Scope
from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient

CLAIMS = {
    "summary": "Checkout is failing",
    "source": " PagerTree",
    "external_id": "alt_K22OuvPYNmCyvJ",
    "labels": [
        {"key": "pagertree_status", "value": "resolved"},
        {"key": "PagerTree_urgency", "value": "low"},
        {"key": "team", "value": "sre"},
    ],
}


def document(attributes: Mapping[str, object]) -> dict[str, object]:
    return {"data": {"type": "alerts", "attributes": attributes}}


@pytest.mark.parametrize("scope", [Scope.PAGE, Scope.ADMIN])
async def test_an_alert_that_claims_to_be_pagertrees_is_made_without_the_claim_and_says_so(
    sessions: Sessions, api: AsyncClient, scope: Scope
) -> None:
    async with sessions.begin() as session:
        key = await create_key(session, "pager", [scope])
    headers = {"Authorization": f"Bearer {key.token}"}
    made = await api.post("/v1/alerts", json=document(CLAIMS), headers=headers)
    assert made.status_code == 201, made.text
    alert = made.json()["data"]["attributes"]
    assert (alert["source"], alert["external_id"]) == ("api", None)
    assert [label for label in alert["labels"] if label["key"] != "team"] == []
    assert len(made.json()["meta"]["notes"]) == 4

    path = f"/v1/alerts/{made.json()['data']['id']}"
    claim = {name: CLAIMS[name] for name in ("source", "labels")}
    changed = await api.patch(path, json=document(claim), headers=headers)
    assert changed.status_code == 200, changed.text
    assert changed.json()["data"]["attributes"]["source"] == "api"


async def test_a_source_and_an_id_of_ones_own_are_kept(api: AsyncClient) -> None:
    own = {"summary": "s", "source": "grafana", "external_id": "altitude-7"}
    made = (await api.post("/v1/alerts", json=document(own))).json()
    assert "meta" not in made or not made["meta"].get("notes")
    alert = made["data"]["attributes"]
    assert (alert["source"], alert["external_id"]) == ("grafana", "altitude-7")
