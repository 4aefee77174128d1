"""Times look the same in every answer; the `api` fixture checks those that other tests get."""

from typing import Any

import httpx
import pytest

from tests.support.times import check_times


def answer(**attributes: Any) -> httpx.Response:
    request = httpx.Request("GET", "http://localhost/v1/alerts")
    document = {"data": [{"id": "1", "type": "alerts", "attributes": attributes}]}
    return httpx.Response(200, json=document, request=request)


async def test_a_time_in_utc_with_milliseconds_passes_and_what_others_sent_is_theirs() -> None:
    await check_times(answer(created_at="2026-03-01T03:00:00.000Z", ended_at=None))
    await check_times(answer(data={"created_at": "yesterday"}))


@pytest.mark.parametrize(
    "time",
    ["2026-03-01T03:00:00Z", "2026-03-01T03:00:00.000+00:00", "2026-03-01T03:00:00.000000Z"],
)
async def test_any_other_form_fails(time: str) -> None:
    with pytest.raises(AssertionError, match="created_at"):
        await check_times(answer(tasks=[{"created_at": time}]))
