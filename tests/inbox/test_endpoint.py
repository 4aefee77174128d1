"""The webhook over real HTTP: who is let in, what is kept, what is answered."""

from pagersync.database.engine import Sessions
from pagersync.inbox.models import Delivery
from sqlalchemy import select

from tests.support.account import Account, event


async def deliveries(sessions: Sessions) -> list[Delivery]:
    async with sessions() as session:
        return list((await session.scalars(select(Delivery).order_by(Delivery.id))).all())


async def test_an_event_is_kept_byte_for_byte_and_answered_202(
    account: Account, sessions: Sessions
) -> None:
    body = b'{ "type":"alert.created",  "data":{"id":"alt_1"} }'
    answer = await account.post(body)
    assert answer.status_code == 202
    (kept,) = await deliveries(sessions)
    assert answer.json() == {
        "data": {"id": str(kept.id), "type": "deliveries"},
        "meta": {"created": True},
    }
    assert kept.body == body
