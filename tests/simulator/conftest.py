from collections.abc import AsyncIterator

import pytest

from tests.support.pagertree import SimulatedPagerTree, simulated_pagertree


@pytest.fixture(scope="session")
async def served() -> AsyncIterator[SimulatedPagerTree]:
    async with simulated_pagertree() as pagertree:
        yield pagertree


@pytest.fixture
def pagertree(served: SimulatedPagerTree) -> SimulatedPagerTree:
    """Return a simulator that remembers nothing and has its default options."""
    served.simulator.reset()
    return served
