"""Whether the time of an answer tells strangers which integrations there are: paired measurements.

`python -m bench.strangers URL ID`, against a running service with the integration ID. Each round
asks for the existing and for an unknown one, in an order that changes.
"""

import asyncio
import random
import statistics
import sys
import time
from typing import Final
from uuid import UUID, uuid4

from pagersync.http import AsyncClient

ROUNDS: Final = 200
WAYS: Final[dict[str, dict[str, str]]] = {
    "without a secret": {},
    "with a wrong secret": {"secret": "wrong"},
}


async def measure(
    client: AsyncClient, url: str, existing: UUID, query: dict[str, str]
) -> list[list[float]]:
    """Return milliseconds of each round: of the existing integration, and of the unknown one."""
    took: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        asked = list(enumerate((existing, uuid4())))
        random.shuffle(asked)
        for kind, integration_id in asked:
            began_s = time.perf_counter()
            target = f"{url}/webhooks/pagertree/{integration_id}"
            await client.post(target, params=query, content=b"{}")
            took[kind].append((time.perf_counter() - began_s) * 1000)
    return took


async def main(url: str, existing: UUID) -> None:
    """Print medians of both, and of the differences."""
    async with AsyncClient(trust_env=False) as client:
        for way, query in WAYS.items():
            known, unknown = await measure(client, url, existing, query)
            differences = [a - b for a, b in zip(known, unknown, strict=True)]
            print(
                f"{way}: existing {statistics.median(known):.2f} ms, "
                f"unknown {statistics.median(unknown):.2f} ms, "
                f"difference {statistics.median(differences):+.2f} ms "
                f"(spread {statistics.stdev(differences):.2f})"
            )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1].rstrip("/"), UUID(sys.argv[2])))
