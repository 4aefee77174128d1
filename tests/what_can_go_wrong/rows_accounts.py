from typing import Final

from tests.what_can_go_wrong.row import Row

TITLE: Final = "Accounts and keys"

ACCOUNTS: Final = "tests/workflows/test_accounts.py"

ROWS: Final = [
    Row(
        "A second account is connected.",
        "operator",
        "A page that named no account was refused, and each workflow task that did failed: nobody "
        "was paged.",
        "The first account is the default account, and is used. Another can be made the default.",
        "tests/integrations/test_default_account.py::"
        "test_the_first_account_is_the_default_and_stays_it",
    ),
    Row(
        "The default account is removed.",
        "operator",
        "There was no default account.",
        "The oldest enabled account becomes the default one, and the answer says so.",
        "tests/integrations/test_default_account.py::"
        "test_the_oldest_enabled_account_becomes_the_default_when_the_default_is_removed",
    ),
    Row(
        "The default account is disabled, and a page names no account.",
        "operator",
        "The page was refused.",
        "Another enabled account is used, one with default targets first.",
        "tests/integrations/test_default_account.py::"
        "test_a_disabled_default_account_is_passed_over_for_one_that_can_page",
    ),
    Row(
        "An alert that pages nobody is created before an account is connected.",
        "integrator",
        "It was refused.",
        "It is created.",
        "tests/integrations/test_default_account.py::"
        "test_an_alert_without_targets_needs_neither_an_account_nor_the_choice_of_one",
    ),
    Row(
        "A second account comes with its default workflows.",
        "operator",
        "Two teams were paged for each incident, and each alert was resolved twice.",
        "Its default workflows are off and say why, while those of the first account work.",
        f"{ACCOUNTS}::test_a_second_account_does_not_page_for_the_same_incidents",
    ),
    Row(
        "An account is removed or disabled; its workflows stay.",
        "operator",
        "Each of them failed at each incident.",
        "They are switched off. Another account's default workflows take over.",
        f"{ACCOUNTS}::test_the_other_accounts_workflows_take_over_when_an_account_ends",
    ),
    Row(
        "The only account is removed.",
        "operator",
        "Nobody was paged for new incidents, without a word.",
        "The command, the answer of the API and `doctor` say that nobody is paged any more.",
        f"{ACCOUNTS}::test_a_removed_account_leaves_no_workflow_that_is_on",
    ),
    Row(
        "A disabled account is enabled again.",
        "operator",
        "Its workflows had failed meanwhile.",
        "The workflows that pagersync switched off are on again; what a person switched off is "
        "not.",
        f"{ACCOUNTS}::test_workflows_that_stopped_with_their_account_begin_again_with_it",
    ),
    Row(
        "An account is disabled while pages wait to be sent.",
        "operator",
        "They waited for ever, without a sign.",
        "They are canceled, with the reason on the page, the timeline and in an event.",
        f"{ACCOUNTS}::test_pages_that_wait_end_visibly_when_their_account_is_disabled",
    ),
    Row(
        "The last workflow that pages is switched off or removed.",
        "colleague",
        "Nothing was said.",
        "The answer, the command and `doctor` say that nobody is paged for new incidents.",
        f"{ACCOUNTS}::test_the_last_workflow_that_pages_is_not_removed_or_switched_off_silently",
    ),
    Row(
        "A named secret is removed by force, or cannot be decrypted, and a call before the paging "
        "task needs it.",
        "colleague",
        "There were no named secrets.",
        "That call fails and says why. The tasks behind it are executed, and `doctor` says "
        "`secret_missing`.",
        "tests/secrets/test_canary.py::test_a_secret_that_is_gone_keeps_nobody_from_being_paged",
    ),
    Row(
        "PAGERSYNC_SECRET_KEY is rotated while pages go out.",
        "operator",
        "Everything was locked in one transaction, and answers kept for Idempotency-Key were lost.",
        "Row by row, pages go out all the while; `doctor` says what still needs the old key.",
        "tests/secrets/test_rotation.py::test_the_key_is_rotated_while_pages_go_out",
    ),
    Row(
        "The file of the secret key is lost.",
        "operator",
        "A new key was made silently. Each page failed after some attempts.",
        "`serve` and `worker` do not start. They say how to restore the key or to give it up.",
        "tests/flows/test_secret_key.py::"
        "test_a_lost_key_stops_serve_until_it_is_restored_or_given_up",
    ),
    Row(
        "The database is restored to an earlier moment.",
        "operator",
        "Pages that had gone out since that moment went out again.",
        "Each is looked for in PagerTree first, and adopted. What is not there goes out.",
        "tests/backup/test_restored.py::"
        "test_a_page_that_was_sent_after_the_moment_is_found_and_not_sent_again",
    ),
    Row(
        "A backup is restored without the secret key.",
        "operator",
        "There was no backup: each page would have failed.",
        "`backup` and `restore` warn, and `serve` does not start until the key is there.",
        "tests/backup/test_backup.py::test_a_restore_without_a_key_warns_and_serve_does_not_start",
    ),
    Row(
        "PAGERSYNC_SECRET_KEY is another one than before.",
        "operator",
        "Each page failed after some attempts.",
        "`serve` and `worker` do not start; with `--force`, `/readyz` says what is wrong.",
        "tests/integrations/test_secret_key.py::"
        "test_another_key_is_refused_with_what_is_lost_and_what_to_do",
    ),
    Row(
        "An account has no API key, because a lost secret key was given up.",
        "operator",
        "Its pages were canceled.",
        "They wait, say why, and go out when the key is entered.",
        "tests/paging/test_paging.py::"
        "test_an_account_without_an_api_key_keeps_its_pages_until_it_has_one",
    ),
    Row(
        "A task names an account that was removed or disabled, or whose key was revoked.",
        "colleague",
        "The task failed at each incident: nobody was paged.",
        "The default targets of another account are paged, and page, run and timeline say so.",
        "tests/workflows/test_task_accounts.py::"
        "test_a_task_that_names_an_account_that_cannot_page_pages_anothers_default_targets",
    ),
    Row(
        "PagerTree does not take the resolve of a page whose incident is over.",
        "PagerTree",
        "The operation was `failed` or `dead`, and people went on being paged.",
        "Timeline, run, `why`, an event and `doctor` say so. It is tried until it is resolved.",
        "tests/workflows/test_failed_calls.py::"
        "test_a_failed_resolve_is_told_everywhere_and_made_again_until_it_is_done",
    ),
    Row(
        "PagerTree does not take an acknowledgement: its attempts are over.",
        "PagerTree",
        "It was told once and not tried again: people who had taken the alert went on being paged.",
        "It is told everywhere, and tried again as long as the alert is open there.",
        "tests/workflows/test_failed_calls.py::"
        "test_a_failed_acknowledgement_is_told_and_made_again_until_it_is_done",
    ),
    Row(
        "PagerTree does not take a change of an alert, and takes a newer one.",
        "PagerTree",
        "The first change was lost.",
        "It is tried again, without what the newer one says.",
        "tests/workflows/test_failed_calls.py::"
        "test_a_failed_change_is_made_again_and_undoes_no_newer_one",
    ),
    Row(
        "PagerTree does not take a resolve for longer than a week.",
        "PagerTree",
        "It was given up, and people went on being paged.",
        "It is tried, up to once a day, until PagerTree no longer has the alert open.",
        "tests/workflows/test_failed_calls.py::"
        "test_a_call_that_failed_for_months_is_tried_again_until_the_alert_is_gone",
    ),
    Row(
        "PagerTree fails, or refuses the API key, while an incident's page is to be resolved.",
        "PagerTree",
        "The resolve waited for up to a day without a word, and people went on being paged.",
        "After a minute timeline, run, `why`, an event and `doctor` say so.",
        "tests/workflows/test_failed_calls.py::"
        "test_a_resolve_that_goes_on_failing_is_told_before_its_attempts_are_over",
    ),
    Row(
        "An account is removed, and a page of it is to be resolved.",
        "operator",
        "The resolve was canceled silently.",
        "The timeline says that the alert must be resolved in PagerTree.",
        "tests/workflows/test_failed_calls.py::test_a_resolve_whose_account_was_removed_is_told",
    ),
    Row(
        "Two workflows, or two people, resolve the same alert.",
        "colleague",
        "PagerTree was asked twice.",
        "It is asked once.",
        "tests/workflows/test_failed_calls.py::test_an_alert_is_resolved_once_however_many_ask",
    ),
    Row(
        "A second account is connected, and somebody asks where a page went.",
        "operator",
        "Answers, lists and `why` showed the account's id, or nothing.",
        "Each names the account: pages, operations, alerts, teams, workflows and runs.",
        "tests/access/test_account_names.py::"
        "test_lists_and_single_answers_say_what_the_account_is_called",
    ),
    Row(
        "Two accounts have a team of the same name, and one of the teams is paged.",
        "operator",
        "`why` said that the team was paged, and not in which account.",
        "The answer of `why` and the line of the page name the account.",
        "tests/workflows/test_trace_rows.py::"
        "test_the_answer_names_the_account_only_where_there_are_several",
    ),
]
