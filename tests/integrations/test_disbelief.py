"""Listings that lost a lot are not believed at once: nobody is forgotten by a bad answer."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient
from pagersync.integrations.directory import SyncResult, sync_integration
from pagersync.integrations.directory_models import DirectoryKind, DirectoryWatch
from pagersync.integrations.disbelief import BELIEVE_AFTER, doubted, examine
from pagersync.integrations.models import Integration
from pagersync.integrations.resolving import resolve_targets
from pagersync.integrations.targets import TargetReference
from pagersync.integrations.vault import Vault
from pagersync.pagertree.resources import RemoteTeam
from tests.integrations.conftest import kept, reread
from tests.support.lists import Lists, team

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Account:
    """A connected account, and what is known of it."""

    def __init__(
        self, sessions: Sessions, http: AsyncClient, vault: Vault, integration: Integration
    ) -> None:
        self.sessions, self.http, self.vault = sessions, http, vault
        self.integration = integration

    async def sync(self) -> SyncResult:
        return await sync_integration(
            self.sessions, self.http, self.vault, self.integration, timeout_s=5
        )

    async def missing(self) -> set[str]:
        return {key for key, entry in (await kept(self.sessions)).items() if entry.missing_since}

    async def minutes_pass(self) -> None:
        """Let the doubt be older than it is."""
        async with self.sessions.begin() as session:
            doubt = await session.scalar(select(DirectoryWatch.doubt))
            assert doubt is not None
            since = datetime.fromisoformat(doubt["since"]) - BELIEVE_AFTER
            aged = doubt | {"since": since.isoformat()}
            await session.execute(update(DirectoryWatch).values(doubt=aged))


@pytest.fixture
async def account(
    sessions: Sessions, http: AsyncClient, vault: Vault, integration: Integration, lists: Lists
) -> Account:
    lists.rows["teams"] = [team(number, f"team {number}") for number in range(12)]
    account = Account(sessions, http, vault, integration)
    await account.sync()
    return account


async def test_an_empty_listing_is_not_believed_and_the_old_one_stays(
    account: Account, lists: Lists, sessions: Sessions
) -> None:
    before = await reread(sessions, account.integration.id)
    lists.rows["teams"].clear()
    result = await account.sync()
    assert await account.missing() == set()
    after = await reread(sessions, account.integration.id)
    assert after.directory_error == result.doubt
    assert str(result.doubt).startswith("PagerTree listed only 0 of the 12 teams")
    assert after.directory_synced_at == before.directory_synced_at
    assert after.updated_at == before.updated_at
    wait = after.directory_sync_at - datetime.now(UTC)
    assert wait < timedelta(minutes=2), "the next look is soon"


async def test_the_same_answer_minutes_later_is_believed(
    account: Account, lists: Lists, sessions: Sessions
) -> None:
    del lists.rows["teams"][5:]
    await account.sync()
    assert (await account.sync()).missing == 0, "a second look at once proves nothing"
    await account.minutes_pass()
    assert (await account.sync()).missing == 7
    assert (await reread(sessions, account.integration.id)).directory_error is None
    assert len(await account.missing()) == 7


async def test_another_answer_minutes_later_is_doubted_anew(account: Account, lists: Lists) -> None:
    del lists.rows["teams"][5:]
    await account.sync()
    await account.minutes_pass()
    del lists.rows["teams"][3:]
    assert (await account.sync()).doubt is not None
    assert await account.missing() == set()


async def test_a_third_or_less_is_believed_at_once(account: Account, lists: Lists) -> None:
    del lists.rows["teams"][8:]
    result = await account.sync()
    assert (result.missing, result.doubt) == (4, None)


async def test_the_full_listing_ends_the_doubt(
    account: Account, lists: Lists, sessions: Sessions
) -> None:
    rows = [*lists.rows["teams"]]
    lists.rows["teams"].clear()
    await account.sync()
    lists.rows["teams"] = rows
    assert (await account.sync()).doubt is None
    assert (await reread(sessions, account.integration.id)).directory_error is None
    async with sessions() as session:
        assert await session.scalar(select(DirectoryWatch.doubt)) is None


async def test_all_that_was_resolved_goes_on_and_an_unknown_id_is_taken_while_there_is_doubt(
    account: Account, lists: Lists, sessions: Sessions
) -> None:
    lists.rows["teams"].clear()
    await account.sync()
    by_id = TargetReference(id="01HZZZZZZZZZZZZZZZZZZZZZZZ")
    known = TargetReference(name="team 3")
    async with sessions() as session:
        found = await resolve_targets(session, account.integration.id, teams=[known, by_id])
    assert [target.pagertree_id for target in found] == [team(3, "")["id"], by_id.id]


async def test_what_is_new_in_a_doubted_listing_can_be_paged(
    account: Account, lists: Lists, sessions: Sessions
) -> None:
    lists.rows["teams"] = [team(99, "Fresh")]
    assert (await account.sync()).added == 1
    async with sessions() as session:
        named = [TargetReference(name="fresh"), TargetReference(name="team 1")]
        assert len(await resolve_targets(session, account.integration.id, teams=named)) == 2


def listing(numbers: set[int]) -> dict[DirectoryKind, list[RemoteTeam]]:
    return {DirectoryKind.TEAM: [RemoteTeam(str(n), None, f"team {n}") for n in numbers]}


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_a_listing_is_doubted_exactly_when_more_than_a_third_is_gone(
    before: set[int], now: set[int]
) -> None:
    known = {DirectoryKind.TEAM: {str(n) for n in before}}
    lost = before - now
    assert bool(doubted(known, listing(now))) is (len(lost) > len(before) / 3)


@given(st.sets(st.integers(0, 30), min_size=1), st.integers(0, 600))
def test_a_doubt_lasts_two_minutes_of_the_same_answer(numbers: set[int], later_s: int) -> None:
    known = {DirectoryKind.TEAM: {str(n) for n in numbers}}
    first = examine(known, listing(set()), None, NOW)
    assert first.doubt is not None
    assert re.match(rf"PagerTree listed only 0 of the {len(numbers)} teams", str(first.detail))
    later = NOW + timedelta(seconds=later_s)
    second = examine(known, listing(set()), first.doubt, later)
    assert (second.doubt is None) is (later_s >= BELIEVE_AFTER.total_seconds())
