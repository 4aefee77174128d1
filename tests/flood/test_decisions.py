"""Who gives way: the arithmetic, without any connection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.front.decisions import (
    SLOW_S,
    Pool,
    Unread,
    is_too_slow,
    unread_to_close,
)

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["hold", "release", "postpone"]),
        st.integers(0, 7),
        st.integers(0, 60),
        st.floats(0, 2),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 100))
def test_a_pool_never_holds_more_than_its_limit_and_only_the_slow_give_way(
    steps: list[tuple[str, int, int, float]], bytes_max: int
) -> None:
    pool: Pool[int] = Pool(bytes_max)
    now, model = 0.0, dict[int, tuple[float, int]]()
    for step, who, size, passed in steps:
        now += passed
        if step == "release":
            pool.release(who)
            model.pop(who, None)
        elif step == "postpone" and who in pool:
            pool.postpone(who, passed)
            model[who] = (model[who][0] + passed, model[who][1])
        elif step == "hold":
            victims = pool.hold(who, size, now)
            since, _ = model.pop(who, (now, 0))
            for each in victims or ():
                assert each != who
                assert now - model.pop(each)[0] >= SLOW_S
            if victims is not None:
                model[who] = (since, size)
        assert dict(pool.items()) == model
        assert pool.held == sum(size for _, size in model.values()) <= bytes_max


@given(st.lists(st.integers(1, 10), max_size=9), st.integers(1, 10), st.floats(0, 3))
def test_nobody_gives_way_without_need_and_the_oldest_goes_first(
    sizes: list[int], size: int, later_s: float
) -> None:
    pool: Pool[int] = Pool(40)
    held = [who for who, each in enumerate(sizes) if pool.hold(who, each, 0) == []]
    free = 40 - pool.held
    victims = pool.hold(99, size, later_s)
    if free >= size:
        assert victims == []
    elif victims is not None:
        assert victims == held[: len(victims)]
        assert sum(sizes[each] for each in victims[:-1]) + free < size
    else:
        assert later_s < SLOW_S
        assert 99 not in pool


@given(
    st.lists(st.tuples(st.floats(0, 60), st.integers(0, 100), st.integers(0, 100)), max_size=9),
    st.integers(1, 300),
)
def test_answers_that_nobody_reads_end_below_their_limit_once_they_are_slow(
    many: list[tuple[float, int, int]], bytes_max: int
) -> None:
    answers = [
        Unread(number, waited_s, most + left, left)
        for number, (waited_s, most, left) in enumerate(sorted(many, reverse=True))
    ]
    closed = unread_to_close(answers, grace_s=10, bytes_per_s=10, bytes_max=bytes_max)
    kept = [each for each in answers if each.holder not in closed]
    assert sum(e.left for e in kept if e.waited_s >= SLOW_S) <= bytes_max
    assert not any(each.waited_s > 10 + (each.most - each.left) / 10 for each in kept)
    if sum(each.left for each in answers) <= bytes_max:
        assert all(a.waited_s > 10 for a in answers if a.holder in closed)


@pytest.mark.parametrize(
    ("elapsed_s", "moved", "expected"),
    [(10, 0, False), (10.1, 0, True), (12, 32, False), (12, 16, True)],
)
def test_a_transfer_has_its_grace_and_then_a_lowest_speed(
    elapsed_s: float, moved: int, *, expected: bool
) -> None:
    assert is_too_slow(elapsed_s, moved, grace_s=10, bytes_per_s=16) is expected
