"""Users and the current user, by Rootly's own client."""

from typing import Any

import pytest
from rootly_sdk import AuthenticatedClient
from rootly_sdk.api.users import (
    delete_user,
    get_current_user,
    get_user,
    list_users,
    update_user,
)
from rootly_sdk.models import UpdateUser
from rootly_sdk.models.list_users_include import LIST_USERS_INCLUDE_VALUES
from rootly_sdk.models.list_users_sort import LIST_USERS_SORT_VALUES

from tests.compatibility.directory import ConnectedLists
from tests.compatibility.driving import Driver

BOTH = ["Ben Okafor", "Olivia Ortiz"]
LONG_AGO = "2020-01-01T00:00:00Z"


def changed(**attributes: Any) -> UpdateUser:
    return UpdateUser.from_dict({"data": {"type": "users", "attributes": attributes}})


async def test_a_user_is_shown_changed_and_removed(rootly: Driver, listed: ConnectedLists) -> None:
    olivia = (await rootly(get_user, "usr_1")).data
    attributes = olivia.attributes
    assert (attributes.full_name, attributes.email) == ("Olivia Ortiz", "olivia@acme.test")
    assert (attributes.time_zone, attributes.first_name) == ("Europe/Lisbon", None)
    assert olivia.relationships.role.data is None
    assert olivia.relationships.on_call_role.data is None
    assert (await rootly(get_user, "usr_2")).data.attributes.email == ""
    change = changed(first_name="Olivia", last_name="Ortiz", role_id=None)
    shown = (await rootly(update_user, olivia.id, body=change)).data.attributes
    assert (shown.first_name, shown.last_name) == ("Olivia", "Ortiz")
    listed.lists.rows["account_users"].pop(0)
    await listed.sync()
    assert (await rootly(delete_user, olivia.id)).data.id == olivia.id
    for operation in (get_user, delete_user):
        await rootly.refused(404, operation, olivia.id)
    await rootly.refused(404, update_user, olivia.id, body=change)


LISTED: list[tuple[dict[str, Any], list[str]]] = [
    ({"filtersearch": "olivia"}, ["Olivia Ortiz"]),
    ({"filteremail": "Olivia@acme.test"}, ["Olivia Ortiz"]),
    *[({f"filtercreated_at{operator}": LONG_AGO}, BOTH) for operator in ("gt", "gte")],
    *[({f"filtercreated_at{operator}": LONG_AGO}, []) for operator in ("lt", "lte")],
    *[({"sort": sort}, BOTH) for sort in LIST_USERS_SORT_VALUES],
    *[({"include": name}, BOTH) for name in LIST_USERS_INCLUDE_VALUES],
    ({"pagenumber": 2, "pagesize": 2}, []),
]


@pytest.mark.usefixtures("listed")
async def test_users_are_listed_by_every_filter(rootly: Driver) -> None:
    for options, names in LISTED:
        found = (await rootly(list_users, **options)).data
        assert sorted(one.attributes.full_name for one in found) == names, options


@pytest.mark.usefixtures("listed")
async def test_a_user_is_shown_with_the_teams(rootly: Driver) -> None:
    shown = await rootly(get_user, "usr_1", include="teams")
    assert [(one.type_, one.attributes["name"]) for one in shown.included] == [("groups", "SRE")]
    for name in ("role", "on_call_role"):
        shown = await rootly(get_user, "usr_1", include=name)
        assert shown.data.relationships.to_dict()[name] == {"data": None}


async def test_the_current_user_is_the_api_key(rootly: Driver, server: str) -> None:
    me = (await rootly(get_current_user)).data
    assert (me.attributes.full_name, me.attributes.email) == ("test", "")
    async with AuthenticatedClient(server, "psk_none", httpx_args={"trust_env": False}) as nobody:
        await Driver(nobody).refused(401, get_current_user)
