from pagersync.database.base import new_id
from pagersync.paging.models import marker_of, marks_of, operation_of

OURS, OTHER = marker_of(new_id()), marker_of(new_id())


def test_a_mark_is_found_as_third_party_id_or_as_a_tag() -> None:
    assert marks_of(OURS, ()) == [OURS]
    assert marks_of(None, ("x", OURS)) == [OURS]
    assert marks_of("pagersync:12", ("y",)) == []


def test_a_mark_that_the_alert_was_created_with_counts_before_copied_ones() -> None:
    assert marks_of(OURS, (OTHER, OURS)) == [OURS]


def test_a_mark_names_its_operation() -> None:
    operation_id = new_id()
    assert operation_of(marker_of(operation_id)) == operation_id
    assert operation_of(f"other:{operation_id}") is None
