from typing import Final

from tests.what_can_go_wrong.row import Row

TITLE: Final = "Targets"

WHOM: Final = "tests/workflows/test_whom.py::"
DOUBT: Final = "tests/integrations/test_disbelief.py::"

ROWS: Final = [
    Row(
        "One of several teams that a task names was removed.",
        "PagerTree admin",
        "The task failed and nobody was paged.",
        "The others are paged. The page lists the removed team with the reason.",
        WHOM + "test_what_pagertree_no_longer_lists_is_skipped",
    ),
    Row(
        "A task names a team that does not exist, beside one that does.",
        "colleague",
        "The task failed and nobody was paged.",
        "The team that exists is paged. Page, timeline, run and `why` say who was skipped.",
        WHOM + "test_those_that_exist_are_paged_and_the_others_are_listed_with_the_reason",
    ),
    Row(
        "Every target of a task is gone.",
        "PagerTree admin",
        "The task failed and nobody was paged.",
        "The default targets of the account are paged instead, with a note.",
        WHOM + "test_if_nobody_of_those_named_can_be_paged_the_default_targets_are",
    ),
    Row(
        "Every target of a task is gone, and the account has no default targets.",
        "operator",
        "The task failed.",
        "The task fails, and the timeline of the incident says why.",
        WHOM + "test_without_default_targets_the_task_fails_loudly",
    ),
    Row(
        "The fallback of a task does not exist.",
        "colleague",
        "The task failed and nobody was paged.",
        "The page goes out. The default targets become its fallback, or it has none and says so.",
        WHOM + "test_a_bad_fallback_never_blocks_the_page",
    ),
    Row(
        "A team is renamed; a task names it by id and by its old name.",
        "PagerTree admin",
        "The task failed: the id and the name contradicted each other.",
        "The id decides. The page notes the new name.",
        WHOM + "test_a_renamed_team_is_paged_by_its_id_and_the_page_says_so",
    ),
    Row(
        "An update of an alert names a team that does not exist.",
        "colleague",
        "The task failed and nothing was updated.",
        "Everything else is updated, and the run has a note.",
        WHOM + "test_an_update_leaves_out_targets_that_cannot_be_paged",
    ),
    Row(
        "A page by id is asked for before the directory was ever listed.",
        "integrator",
        "The task waited ten minutes for the listing.",
        "The page goes out at once.",
        WHOM + "test_before_the_first_listing_a_page_by_id_goes_out_at_once",
    ),
    Row(
        "PagerTree answers an empty list of teams.",
        "PagerTree",
        "Every team was marked as missing, and no page by a workflow went out.",
        "Nothing is marked as missing. `directory_error` says so, and PagerTree is asked again.",
        DOUBT + "test_an_empty_listing_is_not_believed_and_the_old_one_stays",
    ),
    Row(
        "Half of the teams are removed in PagerTree.",
        "PagerTree admin",
        "They were marked as missing at once.",
        "They are marked as missing when PagerTree says the same two minutes later.",
        DOUBT + "test_the_same_answer_minutes_later_is_believed",
    ),
    Row(
        "A team is paged by an id that a doubted listing lacks.",
        "integrator",
        "The page was refused.",
        "The id is sent to PagerTree as it is.",
        DOUBT
        + "test_all_that_was_resolved_goes_on_and_an_unknown_id_is_taken_while_there_is_doubt",
    ),
]
