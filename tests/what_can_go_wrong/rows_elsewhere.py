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
]
