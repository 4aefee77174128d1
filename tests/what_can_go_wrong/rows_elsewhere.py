from typing import Final

from tests.what_can_go_wrong.row import Row

TITLE: Final = "Accounts that cannot page any more"
HERE: Final = "tests/paging/test_elsewhere.py::"

ROWS: Final = [
    Row(
        "PagerTree refuses the API key of an account while its pages wait.",
        "PagerTree admin",
        "They waited until somebody entered a new key. Nobody was paged.",
        "After five minutes the default targets of another account are paged, and told why.",
        f"{HERE}test_a_page_that_waits_for_a_refused_key_goes_to_another_account_and_says_why",
    ),
    Row(
        "An account is disabled or removed while its pages wait.",
        "operator",
        "They were canceled. Nobody was paged.",
        "The default targets of another account are paged at once.",
        f"{HERE}test_a_page_whose_account_ends_goes_to_another_account_at_once",
    ),
    Row(
        "An account is disabled while nobody can tell whether PagerTree has its page.",
        "operator",
        "Nobody else was paged for five minutes.",
        "The default targets of another account are paged at once.",
        f"{HERE}test_an_unknown_page_whose_account_ends_goes_to_another_account_at_once",
    ),
    Row(
        "PagerTree refuses a page, or every attempt to send it fails.",
        "PagerTree",
        "It failed, and the event said so. Nobody was paged.",
        "The default targets of another account are paged at once, and told the error.",
        f"{HERE}test_a_page_that_failed_goes_to_another_account_and_names_the_error",
    ),
    Row(
        "The other account's page fails, too, or waits for that account.",
        "PagerTree",
        "Nothing followed. Nobody was paged.",
        "The next account that was not tried yet pages; when none is left, it is told.",
        f"{HERE}test_a_page_that_fails_at_the_other_account_too_goes_to_a_third_and_then_it_is_told",
    ),
    Row(
        "PagerTree fails for every account.",
        "PagerTree",
        "Pages wait.",
        "Pages wait, and none is doubled: the other account must have been answered since.",
        f"{HERE}test_a_pagertree_that_fails_for_all_accounts_is_not_given_the_page_twice",
    ),
    Row(
        "One page among those that reach nobody cannot be read.",
        "operator",
        "No page in its batch was sent again.",
        "It is passed over and logged; the others are sent.",
        f"{HERE}test_a_page_that_cannot_be_read_holds_no_other_back",
    ),
    Row(
        "PagerTree refuses one of several targets of a page.",
        "PagerTree admin",
        "The page failed for all of them.",
        "That target is skipped, with PagerTree's words; the others are paged.",
        "tests/paging/test_refused.py::"
        "test_the_target_that_pagertree_names_is_skipped_and_the_others_are_paged",
    ),
    Row(
        "PagerTree refuses a page and does not say because of which target.",
        "PagerTree",
        "The page failed.",
        "The default targets of the account are tried once, and the page says so.",
        "tests/paging/test_refused.py::"
        "test_where_nobody_else_is_left_or_known_the_default_targets_are_paged_once",
    ),
    Row(
        "A workflow that pages when the severity is raised is switched off.",
        "colleague",
        "Nobody was paged, and the check did not look at it.",
        "The incident is found, and `doctor` names the workflow.",
        "tests/unpaged/test_sweep.py::test_a_workflow_for_another_trigger_that_is_off_is_found",
    ),
    Row(
        "A workflow that missed an incident is removed.",
        "colleague",
        "The finding ended, as if somebody had been paged.",
        "It stays until somebody is paged or the incident is over.",
        "tests/unpaged/test_sweep.py::test_removing_a_workflow_does_not_hide_what_it_missed",
    ),
    Row(
        "PagerTree goes on failing while an alert is to be acknowledged or changed.",
        "PagerTree",
        "Nobody was told before all attempts were over.",
        "After a minute the timeline and an event say so; it is still tried.",
        "tests/workflows/test_failed_calls.py::"
        "test_another_call_that_goes_on_failing_is_told_before_its_attempts_are_over",
    ),
    Row(
        "An alert is asked for again whose page failed or was canceled.",
        "integrator",
        "Nobody was paged, and the answer said nothing.",
        "The targets of the failed page are paged again. After a cancel the answer says that "
        "nobody is paged.",
        "tests/alerts/test_repeats.py::"
        "test_a_repeat_without_targets_of_an_alert_whose_page_ended_pages_again_or_says_so",
    ),
    Row(
        "Two people change what belongs together at the same moment.",
        "colleague",
        "PostgreSQL could end one of them as a deadlock.",
        "Locks are taken in one order.",
        "tests/paging/test_lock_order.py::"
        "test_who_learns_that_a_page_was_dropped_holds_no_page_while_it_waits_for_an_incident",
    ),
]
