from typing import Final

from tests.what_can_go_wrong.row import Row

TITLE: Final = "Pages that wait"
HERE: Final = "tests/paging/test_waiting.py::"

ROWS: Final = [
    Row(
        "The API key of an account is revoked.",
        "PagerTree admin",
        "Pages waited as `queued`, and nothing said why.",
        "The page, its operation, `page --wait` and `operations list` say since when PagerTree "
        "refuses the key, and which command enters a new one.",
        f"{HERE}test_a_page_and_its_operation_say_why_they_wait",
    ),
    Row(
        "A key is revoked, and a directory sync is the first call to see it.",
        "PagerTree admin",
        "Pages went on trying the refused key.",
        "The sync shuts the rate limiter of the account: pages wait and say why.",
        f"{HERE}test_a_key_that_is_refused_for_a_sync_is_not_tried_again_for_pages",
    ),
    Row(
        "PagerTree works again, and a sync is the first call to see it.",
        "PagerTree",
        "Pages waited up to five minutes longer.",
        "An accepted call of any kind lets waiting pages go out at once.",
        f"{HERE}test_a_sync_that_pagertree_accepts_lets_waiting_pages_go_out",
    ),
    Row(
        "Somebody asks who is on call while pages wait.",
        "colleague",
        "PagerTree answered, and the pages went on waiting.",
        "The answer lets them go out.",
        f"{HERE}test_an_on_call_request_that_pagertree_accepts_lets_waiting_pages_go_out",
    ),
    Row(
        "The same key is entered again, after PagerTree switched it back on.",
        "operator",
        "It depended on the path: some kept the pages waiting for minutes.",
        "A key that is new or confirmed lets waiting pages go out at once.",
        f"{HERE}test_a_key_that_is_confirmed_lets_waiting_pages_go_out_even_if_it_is_the_same",
    ),
    Row(
        "One of two accounts has a refused key.",
        "PagerTree admin",
        "Its pages waited without a reason.",
        "Its pages say so by the account's name; those of the other account go out.",
        f"{HERE}test_a_shut_account_says_nothing_of_another",
    ),
    Row(
        "PagerTree is away while an incident is declared.",
        "PagerTree",
        "The timeline said that people were paged, and nothing after that.",
        "After ten seconds the timeline says, once, that the page waits, why, and when it is "
        "tried again.",
        f"{HERE}test_an_incident_is_told_once_that_its_page_waits",
    ),
    Row(
        "No worker runs.",
        "operator",
        "A page stayed `queued` without a reason.",
        "It says that no worker has taken it and asks whether one is running.",
        f"{HERE}test_an_operation_of_an_account_that_works_says_what_it_waits_for",
    ),
]
