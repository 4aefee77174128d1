from pagersync.alerts.short_id import ALPHABET, SPACE, short_id


def test_short_ids_are_distinct_and_look_unrelated() -> None:
    ids = [short_id(number) for number in range(1, 100_001)]
    assert len(set(ids)) == len(ids)
    assert all(len(one) == 6 and set(one) <= set(ALPHABET) for one in ids)
    assert ids[0][:3] != ids[1][:3]


def test_the_whole_space_is_used_once_because_the_multiplier_is_odd() -> None:
    assert SPACE == 2**30
    assert short_id(7) == short_id(7 + SPACE)
