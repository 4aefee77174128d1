"""What threads that compute leave to the event loop."""

import sys
from collections.abc import Iterator

import pytest

from pagersync.threads import SWITCH_S, let_the_loop_go_first


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def test_threads_that_compute_keep_the_lock_for_less_than_a_millisecond() -> None:
    sys.setswitchinterval(0.005)
    let_the_loop_go_first()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_S)
    assert SWITCH_S < 0.001
