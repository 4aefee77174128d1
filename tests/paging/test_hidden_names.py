"""A key that is bound to one account reads no other account's name in pages."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.access.keys import create_key
from pagersync.access.models import Scope
from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient
from pagersync.paging.hidden_names import title_without_others, without_others
from pagersync.settings import Settings
from tests.paging.conftest import Paging
from tests.paging.repeating import ELSEWHERE_S, changed, other_account, repeats
from tests.paging.test_elsewhere import waiting
from tests.support.wait import eventually

names = st.text(min_size=1, max_size=20)


async def read(sessions: Sessions, server: str, account_id: UUID, page_id: UUID) -> str:
    """Return what a key that is bound to an account is answered about a page."""
    async with sessions.begin() as session:
        name = f"bound to {account_id}"
        token = (await create_key(session, name, [Scope.READ], integration_id=account_id)).token
    headers = {"Authorization": f"Bearer {token}"}
    async with AsyncClient(base_url=server, headers=headers, trust_env=False) as client:
        answers = [await client.get(f"/v1/pages/{page_id}"), await client.get("/v1/pages")]
    assert [each.status_code for each in answers] == [200, 200]
    return "\n".join(each.text for each in answers)


async def test_a_bound_key_reads_no_name_of_another_account_in_a_page_that_was_sent_elsewhere(
    idle: Paging, settings: Settings, server: str, api: AsyncClient
) -> None:
    other = await other_account(idle, settings, "Secret Partner")
    await changed(idle, api_key_encrypted=None, name="Acme Ltd")
    page_id = await waiting(idle, for_s=ELSEWHERE_S + 1)
    (new,) = await eventually(lambda: repeats(idle, page_id))  # the service looks every second
    theirs = await read(idle.sessions, server, other, new.id)
    assert "Acme Ltd" not in theirs
    assert "(another account cannot page) Database down" in theirs
    assert "Secret Partner" in theirs
    ours = await read(idle.sessions, server, idle.integration_id, page_id)
    assert "others were paged for it in another account" in ours
    assert "Secret Partner" not in ours
    team = idle.simulator.directory.teams[1].name
    assert team not in ours, "the targets of the other account are its own"
    all_of_it = (await api.get(f"/v1/pages/{page_id}")).text
    assert "Secret Partner" in all_of_it


@given(names, names)
def test_only_ones_own_name_stays(own: str, other: str) -> None:
    own, other = f"own {own}", f"other {other}"
    note = (
        f"page 1 of the account {other!r} failed, so the targets of the account {own!r} are paged"
    )
    assert without_others(note, own) == (
        f"page 1 of another account failed, so the targets of the account {own!r} are paged"
    )
    assert repr(other) not in without_others(note, None)
    paged = f"team {other} was paged for it in the account {other!r}, perhaps again"
    assert (
        without_others(paged, own) == "others were paged for it in another account, perhaps again"
    )


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Disk full (acme cannot page) ", "Disk full (acme cannot page) "),
        ("(acme cannot page) Disk full", "(another account cannot page) Disk full"),
        ("(own cannot page) Disk full", "(own cannot page) Disk full"),
        (
            "(own cannot page) (a (b) cannot page) Disk full",
            "(own cannot page) (another account cannot page) Disk full",
        ),
    ],
)
def test_a_title_names_no_other_account_that_cannot_page(title: str, shown: str) -> None:
    assert title_without_others(title, "own") == shown
