from typing import Final

from tests.what_can_go_wrong.row import Row

TITLE: Final = "Pages that may have arrived"

STEP: Final = "tests/paging/test_step.py"
SETTLE: Final = "tests/paging/test_settle.py"
REPEATS: Final = "tests/paging/test_repeats.py"

ROWS: Final = [
    Row(
        "PagerTree loses the answer to a creating call.",
        "PagerTree",
        "The first search came seven seconds later.",
        "The page is searched for at once, in the same turn.",
        f"{STEP}::test_what_may_have_been_sent_is_looked_for_at_once",
    ),
    Row(
        "The search that looks for such a page fails.",
        "PagerTree",
        "The page was told to be unknown, and the next search came after a growing pause.",
        "The search is repeated in the same turn, and again soon.",
        f"{STEP}::test_a_search_that_failed_is_made_again_soon_at_first",
    ),
    Row(
        "PagerTree's search shows new alerts after less than a second.",
        "PagerTree",
        "Twenty seconds were waited for all the same.",
        "The lag is measured, and three times the highest lag is waited for.",
        f"{SETTLE}::test_the_wait_has_the_factor_over_all_but_one_of_a_hundred_samples",
    ),
    Row(
        "PagerTree's search suddenly becomes slower.",
        "PagerTree",
        "Only the fixed time counted.",
        "An alert that is not found yet makes the wait longer at once.",
        f"{SETTLE}::test_an_alert_that_is_not_found_yet_makes_the_wait_longer_at_once",
    ),
    Row(
        "PagerTree answers some calls and fails others.",
        "PagerTree",
        "The breaker shut for up to five minutes, although calls succeeded.",
        "It is shut for no longer than half of the time without a success.",
        "tests/paging/test_gate.py::test_how_long_a_failure_shuts_the_gate",
    ),
    Row(
        "Nobody can tell whether PagerTree has a page.",
        "PagerTree",
        "The page stayed unknown, perhaps for ever.",
        "With `when_unknown: page_again` one new page goes out and says that it may be a repeat.",
        f"{REPEATS}::test_a_page_that_stays_unknown_is_sent_again_once_and_says_so_everywhere",
    ),
    Row(
        "An account cannot be searched for minutes.",
        "PagerTree",
        "Nobody else was paged.",
        "The default targets of another account are paged, once.",
        f"{REPEATS}::test_a_page_that_is_unknown_for_long_goes_to_the_default_targets_of_another_account",
    ),
    Row(
        "A page that was sent again turns up in PagerTree after all.",
        "PagerTree",
        "This could not happen.",
        "Both pages are known, and the timeline says that people may be paged twice.",
        f"{REPEATS}::test_when_the_first_page_turns_up_after_all_both_are_known_and_it_is_told",
    ),
]
