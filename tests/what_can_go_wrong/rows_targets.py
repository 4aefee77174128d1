from typing import Final

from tests.what_can_go_wrong.row import Row

TITLE: Final = "Targets"

WHOM: Final = "tests/workflows/test_whom.py::"
DOUBT: Final = "tests/integrations/test_disbelief.py::"

SAVED: Final = "tests/workflows/test_saved_references.py::"
CHECK: Final = "tests/workflows/test_reference_check.py::"

ROWS: Final = [
    Row(
        "A team that a workflow names is renamed.",
        "PagerTree admin",
        "The next page failed, since no team had the name.",
        "The saved id is paged. The rename is a finding, an event and a note.",
        CHECK + "test_what_is_broken_is_told_once_and_again_when_it_breaks_anew",
    ),
    Row(
        "A workflow is saved with a misspelt team.",
        "colleague",
        "It was saved, and the first page failed.",
        "It is refused with the closest names.",
        SAVED + "test_a_name_that_fits_nobody_is_refused_with_candidates",
    ),
    Row(
        "A file with a name that was renamed in PagerTree is applied again.",
        "colleague",
        "The plan was empty, and pages failed.",
        "The plan is empty, and the saved id is paged.",
        SAVED + "test_a_file_with_names_and_its_export_are_applied_once",
    ),
    Row(
        "A workflow is saved that calls a host which is not allowed.",
        "colleague",
        "It was saved, and its runs failed.",
        "It is refused when it is saved and by `workflows apply`.",
        SAVED + "test_a_host_that_may_not_be_called_is_refused_when_it_is_saved",
    ),
    Row(
        "A workflow is saved before the first sync.",
        "operator",
        "Its targets were names for ever.",
        "After the sync they have PagerTree's ids.",
        CHECK + "test_references_with_only_a_name_get_the_id_after_a_sync",
    ),
    Row(
        "A second team gets the name of the first.",
        "PagerTree admin",
        "The next page failed.",
        "The saved id is paged. Where only a name is known, it is a finding and an event.",
        CHECK + "test_a_second_team_of_the_name_is_found_where_only_a_name_is_known",
    ),
    Row(
        "A team that a workflow names is removed.",
        "PagerTree admin",
        "Nobody was told until the page failed.",
        "A workflow can page somebody about it as soon as the directory is synced.",
        CHECK + "test_a_workflow_can_page_somebody_about_it",
    ),
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
