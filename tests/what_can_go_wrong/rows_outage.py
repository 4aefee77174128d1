from typing import Final

from tests.what_can_go_wrong.row import Row

TITLE: Final = "Outages and limits"

ROWS: Final = [
    Row(
        "90 incidents are declared within a minute; the workflow's limit is 60.",
        "integrator",
        "30 were never paged. All requests were answered 201, and nothing said so.",
        "60 are paged. One more page goes out two seconds later and names the other 29, which are "
        "paged in the next minute.",
        "tests/workflows/test_limits.py::test_all_of_ninety_incidents_of_a_minute_are_paged_and_those_that_wait_are_named_at_once",
    ),
    Row(
        "Far more incidents are declared in a minute than the limits of five minutes allow.",
        "integrator",
        "All over the limit were canceled.",
        "The limit gives way: the last one is paged after five minutes.",
        "tests/workflows/test_limits.py::test_only_the_first_of_a_minute_goes_ahead_and_no_run_waits_longer_than_five_minutes",
    ),
    Row(
        "More incidents are resolved in a minute than the workflow's limit.",
        "colleague",
        "Their pages went on: the run that resolves was canceled.",
        "The run waits for a minute with room.",
        "tests/workflows/test_limits.py::test_resolving_waits_for_its_limit_and_is_never_canceled",
    ),
    Row(
        "A storm starts thousands of runs that only write to timelines.",
        "PagerTree",
        "Runs over the limit were canceled; only the run said so.",
        "They wait for up to an hour. What finds no room is canceled, with an event, a metric, a "
        "log line and an entry on the timeline.",
        "tests/workflows/test_limits.py::test_runs_that_nobody_is_unpaged_for_wait_for_an_hour_at_most_and_end_with_a_reason",
    ),
    Row(
        "Workflows lead to one another more often than PAGERSYNC_WORKFLOW_DEPTH_MAX.",
        "colleague",
        "The workflow did not run. Only the verdict on the event said so.",
        "Its run is canceled with the reason, which is on the timeline; it can be retried.",
        "tests/workflows/test_limits.py::test_a_page_that_too_many_runs_led_to_is_told_of",
    ),
    Row(
        "The conditions of one workflow cannot be evaluated.",
        "operator",
        "It was left out, or its event ended dead and no workflow ran at all.",
        "Its run fails with the reason; all other workflows run.",
        "tests/workflows/test_limits.py::test_a_workflow_whose_conditions_cannot_be_read_fails_aloud_and_stops_no_other",
    ),
    Row(
        "The account's limit of new alerts a day is reached, and a person asks for an alert with "
        "targets.",
        "operator",
        "The request was refused with 409: nobody was paged.",
        "The alert is created and its page goes out: the limit is for what PagerTree sends.",
        "tests/paging/test_alert_actions.py::test_who_asks_for_an_alert_gets_it_also_over_the_limit_a_day",
    ),
    Row(
        "The workflow that pages is off, and an incident is declared.",
        "colleague",
        "Nobody was paged, and nothing said so.",
        "After a minute it is `incident.unpaged`: on the timeline, in `doctor`, "
        "`/readyz`, the metrics and the incident itself.",
        "tests/unpaged/test_sweep.py::test_a_workflow_that_is_off_leaves_an_incident_unpaged_and_that_is_told_once_everywhere",
    ),
    Row(
        "The workflow is switched off while its run waits.",
        "colleague",
        "The run was canceled; only the run said so.",
        "The incident is found unpaged, with the reason.",
        "tests/unpaged/test_sweep.py::test_a_run_whose_workflow_was_switched_off_meanwhile_is_a_reason",
    ),
    Row(
        "The API key is revoked in PagerTree, and an incident is declared.",
        "PagerTree admin",
        "Its page waited. Nothing about the incident said so.",
        "The incident is found unpaged after a minute, with PagerTree's words.",
        "tests/unpaged/test_sweep.py::test_a_key_that_pagertree_refuses_is_the_reason",
    ),
    Row(
        "The default targets are removed, and the task fails.",
        "operator",
        "The run failed; nobody was told.",
        "The incident is found unpaged. A page by hand ends that, and the timeline says "
        "how late it was.",
        "tests/unpaged/test_sweep.py::test_a_task_that_fails_is_the_reason_and_a_page_by_hand_ends_it",
    ),
    Row(
        "The workers stand still, or an event cannot be looked at.",
        "operator",
        "The incident was answered 201, and nothing happened.",
        "The first worker that runs finds it unpaged and says why.",
        "tests/unpaged/test_sweep.py::test_a_limit_an_unseen_event_and_a_depth_are_reasons",
    ),
    Row(
        "A workflow for alerts fails to page.",
        "colleague",
        "The run failed; nobody was told.",
        "The alert is found: `alert.unpaged`.",
        "tests/unpaged/test_sweep.py::test_an_alert_whose_workflow_failed_to_page_is_found",
    ),
]
