"""The directory: PagerTree's lists fetched over HTTP and kept, whatever goes wrong."""

import pytest
from sqlalchemy import text

from pagersync.database.engine import Sessions
from pagersync.errors import (
    CredentialsRefused,
    InvalidError,
    ManyInvalidError,
    NotFoundError,
    PagerTreeError,
    Rejected,
)
from pagersync.http import AsyncClient
from pagersync.integrations import service
from pagersync.integrations.connect import open_pagertree
from pagersync.integrations.directory import (
    SyncResult,
    TargetReference,
    resolve_targets,
    sync_integration,
)
from pagersync.integrations.models import Integration
from pagersync.integrations.vault import SecretKeyError, Vault, new_secret_key
from tests.integrations.conftest import kept, reread
from tests.support.lists import Lists, team, user


@pytest.fixture
def sync(sessions: Sessions, http: AsyncClient, vault: Vault, integration: Integration) -> "Sync":
    return Sync(sessions, http, vault, integration)


class Sync:
    """Syncs the account when it is called."""

    def __init__(
        self, sessions: Sessions, http: AsyncClient, vault: Vault, integration: Integration
    ) -> None:
        self.sessions, self.http, self.vault = sessions, http, vault
        self.integration = integration

    async def __call__(self, *, believe: bool = False) -> SyncResult:
        return await sync_integration(
            self.sessions, self.http, self.vault, self.integration, timeout_s=5, believe=believe
        )


async def test_everything_that_pagertree_lists_is_kept(
    sync: Sync, sessions: Sessions, integration: Integration
) -> None:
    assert await sync() == SyncResult(teams=2, users=2, routers=1, added=5, missing=0)
    entries = await kept(sessions)
    assert {key: (entry.kind, entry.name) for key, entry in entries.items()} == {
        "tem_1": ("team", "SRE"),
        "tem_2": ("team", "Checkout"),
        "usr_1": ("user", "Olivia Ortiz"),
        "usr_2": ("user", "Ben Okafor"),
        "rtr_1": ("router", "Business Hours"),
    }
    assert entries["tem_1"].pagertree_id == "01TEAM00000000000000000001"
    assert entries["usr_1"].emails == ["olivia@acme.test", "olivia@private.test"]
    assert {entry.integration_id for entry in entries.values()} == {integration.id}
    now = await reread(sessions, integration.id)
    assert {entry.fetched_at for entry in entries.values()} == {now.directory_synced_at}
    assert now.updated_at == integration.updated_at, "a sync is no change of the account"


async def test_an_entry_keeps_its_row_while_its_name_changes(
    sync: Sync, sessions: Sessions, lists: Lists
) -> None:
    await sync()
    before = await kept(sessions)
    lists.rows["teams"][0] = team(1, "Reliability")
    assert await sync() == SyncResult(teams=2, users=2, routers=1, added=0, missing=0)
    after = await kept(sessions)
    assert (after["tem_1"].id, after["tem_1"].name) == (before["tem_1"].id, "Reliability")
    assert after["tem_1"].updated_at > before["tem_1"].updated_at
    assert after["tem_2"].updated_at == before["tem_2"].updated_at
    assert after["tem_2"].fetched_at > before["tem_2"].fetched_at


async def test_what_pagertree_no_longer_lists_is_marked_and_comes_back(
    sync: Sync, sessions: Sessions, lists: Lists
) -> None:
    await sync()
    before = await kept(sessions)
    gone = lists.rows["teams"].pop(0)
    assert (await sync(believe=True)).missing == 1
    first = (await kept(sessions))["tem_1"]
    assert (first.name, first.fetched_at) == ("SRE", before["tem_1"].fetched_at)
    assert first.missing_since is not None
    assert (await sync()).missing == 0, "it is noticed once"
    assert (await kept(sessions))["tem_1"].missing_since == first.missing_since
    lists.rows["teams"].append(gone)
    assert (await sync()).added == 0
    back = (await kept(sessions))["tem_1"]
    assert (back.id, back.missing_since) == (before["tem_1"].id, None)


async def test_an_entry_that_a_deletion_shifts_to_a_page_that_was_read_is_not_missing(
    sync: Sync, sessions: Sessions, lists: Lists
) -> None:
    lists.rows["teams"] = [team(number, f"team {number}") for number in range(150)]
    await sync()

    async def delete_one_between_pages(path: str, offset: int) -> None:
        if path == "teams" and offset:
            lists.before_page = None
            del lists.rows["teams"][0]

    lists.before_page = delete_one_between_pages
    await sync()
    missing = {key for key, entry in (await kept(sessions)).items() if entry.missing_since}
    assert missing <= {"tem_0"}
    await sync()
    missing = {key for key, entry in (await kept(sessions)).items() if entry.missing_since}
    assert missing == {"tem_0"}


@pytest.mark.parametrize("status", [500, 429, 401])
async def test_a_page_that_fails_changes_nothing_and_is_kept_as_the_reason(
    sync: Sync, sessions: Sessions, lists: Lists, status: int
) -> None:
    lists.rows["account_users"] = [user(number, f"user {number}") for number in range(150)]
    await sync()
    before = await reread(sessions, sync.integration.id)
    lists.rows["teams"].clear()

    async def fail_later_pages(path: str, offset: int) -> None:
        if path == "account_users" and offset:
            lists.refusing[path] = status

    lists.before_page = fail_later_pages
    with pytest.raises(PagerTreeError) as failed:
        await sync()
    entries = await kept(sessions)
    assert len(entries) == 153
    assert [entry for entry in entries.values() if entry.missing_since] == []
    after = await reread(sessions, sync.integration.id)
    assert after.directory_error == failed.value.detail
    assert after.directory_synced_at == before.directory_synced_at
    lists.before_page = None
    lists.refusing.clear()
    assert (await sync(believe=True)).missing == 2
    assert (await reread(sessions, sync.integration.id)).directory_error is None


async def test_a_kind_that_pagertree_refuses_to_list_does_not_hold_up_the_others(
    sync: Sync, sessions: Sessions, lists: Lists
) -> None:
    await sync()
    lists.refusing["routers"] = 403
    lists.rows["routers"].clear()
    lists.rows["teams"].append(team(3, "Payments"))
    with pytest.raises(Rejected, match="no routers for you"):
        await sync()
    entries = await kept(sessions)
    assert entries["tem_3"].name == "Payments"
    assert entries["rtr_1"].missing_since is None
    assert "no routers for you" in (await reread(sessions, sync.integration.id)).directory_error


async def test_a_list_that_was_begun_earlier_does_not_overwrite_a_later_one(
    sync: Sync, sessions: Sessions, lists: Lists
) -> None:
    await sync()

    async def be_overtaken(path: str, _offset: int) -> None:
        if path == "routers":
            lists.before_page = None
            lists.rows["teams"] = [team(2, "Payments")]
            assert (await sync(believe=True)).missing == 1

    lists.before_page = be_overtaken
    assert await sync() == SyncResult(teams=2, users=2, routers=1, added=0, missing=0)
    entries = await kept(sessions)
    assert entries["tem_1"].missing_since is not None
    assert entries["tem_2"].name == "Payments"


async def test_no_transaction_is_open_while_pagertree_is_asked(
    sync: Sync, sessions: Sessions, lists: Lists
) -> None:
    seen: list[int] = []

    async def count_transactions(_path: str, _offset: int) -> None:
        async with sessions() as session:
            seen.append((await session.execute(OPEN_TRANSACTIONS)).scalar_one())

    lists.before_page = count_transactions
    await sync()
    assert seen == [0, 0, 0]


OPEN_TRANSACTIONS = text(
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND state = 'idle in transaction'"
)


async def test_a_nameless_user_is_called_by_the_address(
    sync: Sync, sessions: Sessions, lists: Lists
) -> None:
    lists.rows["account_users"] = [
        user(1, "", "nameless@acme.test"),
        {"id": "01BARE", "prefix_id": None},
    ]
    await sync()
    names = {entry.name for entry in (await kept(sessions)).values()}
    assert {"nameless@acme.test", "01BARE"} <= names


async def test_an_account_without_a_key_or_removed_is_not_called(
    sync: Sync, sessions: Sessions, http: AsyncClient, vault: Vault, lists: Lists
) -> None:
    async with sessions.begin() as session:
        keyless = (await service.add_integration(session, name="keyless")).integration
        removed = await service.get_integration(session, sync.integration.id)
        await service.remove_integration(session, removed.id)
    with pytest.raises(InvalidError, match="'keyless' has no API key"):
        open_pagertree(http, vault, keyless, timeout_s=5)
    with pytest.raises(InvalidError, match="'acme' was removed"):
        open_pagertree(http, vault, removed, timeout_s=5)
    with pytest.raises(NotFoundError):
        await sync()
    assert lists.requests == []


async def test_a_key_of_another_vault_is_a_clear_failure_that_is_kept(
    sync: Sync, sessions: Sessions
) -> None:
    sync.vault = Vault([new_secret_key()])
    with pytest.raises(SecretKeyError):
        await sync()
    after = await reread(sessions, sync.integration.id)
    assert "another PAGERSYNC_SECRET_KEY" in after.directory_error


async def test_a_refused_key_is_named_as_that(sync: Sync, lists: Lists) -> None:
    lists.refusing["teams"] = 401
    with pytest.raises(CredentialsRefused):
        await sync()
    assert {path for path, _ in lists.requests} == {"teams"}, "one refusal is enough"


async def test_an_unknown_id_is_told_with_the_time_of_the_last_sync(
    sync: Sync, sessions: Sessions
) -> None:
    await sync()
    synced_at = (await reread(sessions, sync.integration.id)).directory_synced_at
    async with sessions() as session:
        with pytest.raises(ManyInvalidError) as refused:
            await resolve_targets(session, sync.integration.id, teams=[TargetReference(id="tem_9")])
    assert f"'tem_9' as of {synced_at:%Y-%m-%d %H:%M:%S}" in refused.value.detail
