"""What users are promised, and the tests that show it.

Each promise is a sentence for users; behind it stand the tests whose names say the same. A promise
whose test was renamed or removed fails here: rename it here too, or show it anew.
"""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]

CONNECTING: Final = {
    "An account is connected with its API key, which is tried and kept.": (
        "tests/integrations/test_routes.py::test_a_connected_account_receives_alerts_with_what_it_was_given",
        "tests/integrations/test_routes.py::test_a_key_that_pagertree_refuses_is_not_stored",
        "tests/integrations/test_routes.py::test_the_api_key_is_stored_encrypted_and_never_shown",
    ),
    "Whoever connects accounts needs a key that may do so.": (
        "tests/access/test_keys.py::test_every_operation_asks_for_its_scope",
        "tests/access/test_keys.py::test_each_scope_includes_the_lesser_ones",
    ),
    "What calls PagerTree and what lets its webhooks in are two credentials.": (
        "tests/integrations/test_routes.py::test_the_api_key_and_the_webhook_secret_are_two_credentials",
    ),
    "Pages, new alerts and changes of alerts are sent with the account's API key.": (
        "tests/pagertree/test_client.py::test_a_good_key_is_asked_for_one_team_with_a_bearer_header",
        "tests/paging/test_paging.py::test_a_refused_key_is_shown_and_burns_no_attempt_until_a_new_one_is_there",
        "tests/integrations/test_routes.py::test_a_changed_key_is_asked_of_pagertree_first",
    ),
    "The webhook's URL and its secret are shown once the account is saved.": (
        "tests/integrations/test_routes.py::test_a_connected_account_receives_alerts_with_what_it_was_given",
        "tests/flows/test_cli.py::test_commands_beside_a_running_serve_take_effect_in_it",
    ),
    "The teams and users that can be paged are known.": (
        "tests/integrations/test_directory.py::test_everything_that_pagertree_lists_is_kept",
        "tests/integrations/test_directory_routes.py::test_the_lists_show_what_pagertree_has",
    ),
}

WEBHOOK: Final = {
    "PagerTree's own body, a type and its data, is taken as it comes.": (
        "tests/inbox/test_endpoint.py::test_an_event_is_kept_byte_for_byte_and_answered_202",
        "tests/simulator/test_bodies.py::test_the_default_body_is_type_and_data",
    ),
    "The secret may stand in the URL's query, and in the other usual places.": (
        "tests/inbox/test_endpoint.py::test_every_form_of_the_secret_opens_the_door",
        "tests/inbox/test_credentials.py::test_a_secret_is_found_where_it_may_stand",
    ),
    "A request whose secret is wrong or missing is refused with 401.": (
        "tests/inbox/test_endpoint.py::test_a_wrong_or_missing_secret_is_401_and_leaves_no_row",
    ),
    "A customised body works as long as type, data, ids and the alert's fields are in it.": (
        "tests/alerts/test_apply.py::test_a_customised_payload_with_the_usual_fields_is_a_whole_alert",
        "tests/pagertree/test_payloads.py::test_whatever_stands_in_the_fields_an_event_with_type_and_id_is_read",
    ),
}

EVENTS: Final = {
    "Created, open, acknowledged, rejected, timeout, resolved, dropped and handoff: each can make "
    "the alert.": (
        "tests/alerts/test_apply.py::test_each_of_the_eight_events_makes_the_alert_where_it_is_the_first_to_come",
    ),
    "Each of the eight can update the alert.": (
        "tests/alerts/test_apply.py::test_each_of_the_eight_events_updates_the_alert_that_is_there",
        "tests/alerts/test_fold.py::test_the_eight_events_fold_to_the_same_row_in_all_40320_orders",
    ),
    "Each of the eight is activity on an incident that its alert is linked to.": (
        "tests/alerts/test_linked.py::test_what_happens_to_an_attached_alert_is_activity_at_its_own_time",
        "tests/paging/test_incident_pages.py::test_what_happens_to_a_page_in_pagertree_is_activity_with_its_cause_and_no_alert",
        "tests/paging/test_incident_pages.py::test_a_hand_off_and_a_second_acknowledgement_are_activity_too",
        "tests/paging/test_incident_pages.py::test_a_page_that_nobody_is_on_call_for_is_dropped_on_the_timeline",
    ),
    "Other events are kept, and make no alert.": (
        "tests/inbox/test_endpoint.py::test_other_events_are_kept_and_ignored",
    ),
}

ALERTS: Final = {
    "An event is stored, then processed to alert activity.": (
        "tests/alerts/test_apply.py::test_an_event_becomes_an_alert",
        "tests/alerts/test_routes.py::test_the_events_of_an_alert_are_listed_newest_first",
        "tests/flows/test_kill.py::test_nothing_that_was_answered_is_lost_or_applied_twice_by_kills",
    ),
    "The alert refers to PagerTree's by its id, and links to it.": (
        "tests/alerts/test_routes.py::test_an_alert_is_shown_with_rootlys_attributes",
    ),
    "The title is the summary, or else the description.": (
        "tests/alerts/test_routes.py::test_an_alert_is_shown_with_rootlys_attributes",
        "tests/alerts/test_fold.py::test_the_summary_falls_back_to_the_description_and_then_to_the_id",
    ),
    "PagerTree's status and urgency are labels, by which alerts are found.": (
        "tests/alerts/test_routes.py::test_an_alert_is_shown_with_rootlys_attributes",
        "tests/alerts/test_routes.py::test_filters_choose_by_status_source_label_and_time",
    ),
    "An alert that was made for an incident comes back as activity of it, not as a second alert.": (
        "tests/paging/test_incident_pages.py::test_what_happens_to_a_page_in_pagertree_is_activity_with_its_cause_and_no_alert",
        "tests/paging/test_incident_pages.py::test_a_webhook_that_overtakes_the_answer_adds_activity_once_and_no_alert",
    ),
}

SEVERITIES: Final = {
    "Critical is SEV-1, high SEV-2, medium SEV-3 and low SEV-4.": (
        "tests/pagertree/test_severity.py::test_a_severity_makes_the_alert_an_incident_of_its_number",
    ),
    "A workflow that creates an alert gives it the incident's severity.": (
        "tests/workflows/test_paging_tasks.py::test_the_severity_of_the_incident_becomes_pagertrees",
    ),
    "A workflow that updates an alert does so too.": (
        "tests/workflows/test_paging_tasks.py::test_the_severity_of_the_incident_becomes_pagertrees_when_the_alert_is_updated_too",
    ),
    "A workflow can name the urgency: critical, high, medium or low.": (
        "tests/workflows/test_paging_tasks.py::test_each_urgency_that_a_task_names_is_sent",
        "tests/pagertree/test_severity.py::test_an_urgency_is_sent_as_given",
    ),
    "An urgency of auto leaves it to PagerTree.": (
        "tests/workflows/test_paging_tasks.py::test_an_urgency_of_auto_is_left_to_pagertree",
        "tests/paging/test_confirm.py::test_auto_urgency_is_left_out_and_named_only_where_pagertree_wants_it",
        "tests/pagertree/test_severity.py::test_auto_is_left_out",
    ),
}

PAGING: Final = {
    "Teams and users are paged by name, e-mail address or id.": (
        "tests/paging/test_routes.py::test_a_page_names_its_targets_by_name_email_or_id",
        "tests/workflows/test_paging_tasks.py::test_users_and_teams_are_paged",
    ),
    "An incident that needs more people pages them.": (
        "tests/paging/test_incident_pages.py::test_the_api_pages_for_an_incident_until_it_is_over",
        "tests/paging/test_alert_actions.py::test_escalating_pages_others_about_the_same_alert",
    ),
    "Whatever people work in, a chat's bot or a terminal, can page.": (
        "tests/paging/test_incident_pages.py::test_the_api_pages_for_an_incident_until_it_is_over",
        "tests/flows/test_paging_cli.py::test_a_person_pages_a_team_from_a_terminal_and_learns_how_it_ended",
    ),
    "A workflow creates the alert in PagerTree by itself.": (
        "tests/workflows/test_paging_tasks.py::test_the_severity_of_the_incident_becomes_pagertrees",
        "tests/workflows/test_defaults.py::test_both_at_work_page_for_a_new_incident_and_resolve_what_was_paged_with_it",
    ),
    "A page goes out once.": (
        "tests/paging/test_paging.py::test_a_lost_answer_is_looked_for_and_not_sent_again",
        "tests/paging/test_chaos.py::test_in_chaos_every_page_goes_out_once",
    ),
}

WORKFLOWS: Final = {
    "Connecting an account makes the two default workflows.": (
        "tests/workflows/test_defaults.py::test_an_account_comes_with_both_and_says_why_one_is_off",
        "tests/workflows/test_defaults.py::test_with_default_targets_both_are_on",
        "tests/workflows/test_defaults.py::test_connecting_again_makes_no_second_pair_and_keeps_what_people_changed",
    ),
    "They need not be made.": ("tests/workflows/test_defaults.py::test_they_can_be_left_out",),
    "A new incident creates an alert in PagerTree.": (
        "tests/workflows/test_defaults.py::test_both_at_work_page_for_a_new_incident_and_resolve_what_was_paged_with_it",
        "tests/workflows/test_chaos.py::test_in_chaos_an_incident_is_paged_for_once_at_most_and_nothing_stays_open",
    ),
    "Resolving an incident resolves its alerts in PagerTree.": (
        "tests/workflows/test_defaults.py::test_both_at_work_page_for_a_new_incident_and_resolve_what_was_paged_with_it",
        "tests/workflows/test_paging_tasks.py::test_the_alert_is_resolved_in_pagertree_when_the_incident_is",
        "tests/workflows/test_paging_tasks.py::test_attached_alerts_are_resolved_too",
    ),
    "They can be reviewed and made to fit.": (
        "tests/workflows/test_defaults.py::test_they_can_be_reviewed_changed_and_switched_off",
        "tests/workflows/test_preview.py::test_a_preview_says_whom_a_task_would_page",
    ),
}

TROUBLE: Final = {
    "PagerTree says that the webhook fails: a wrong secret is 401, and counted by its reason.": (
        "tests/inbox/test_endpoint.py::test_a_wrong_or_missing_secret_is_401_and_leaves_no_row",
        "tests/integrations/test_routes.py::test_refusals_are_counted_by_reason_with_their_last_time",
    ),
    "Nothing arrives: what PagerTree does not send is told from what is refused or ignored here.": (
        "tests/integrations/test_routes.py::test_refusals_are_counted_by_reason_with_their_last_time",
        "tests/inbox/test_routes.py::test_deliveries_are_found_by_state_event_alert_account_and_time",
        "tests/inbox/test_endpoint.py::test_other_events_are_kept_and_ignored",
    ),
    "An alert looks incomplete: the bytes that came are shown, and what was unreadable is kept.": (
        "tests/alerts/test_apply.py::test_an_alert_whose_payload_lost_its_fields_is_there_all_the_same",
        "tests/inbox/test_routes.py::test_a_delivery_is_listed_without_and_shown_with_its_body",
        "tests/inbox/test_endpoint.py::test_the_unreadable_is_422_and_kept_as_invalid",
    ),
    "PagerTree sends again, many times: an event counts once.": (
        "tests/inbox/test_endpoint.py::test_the_same_bytes_again_are_the_same_delivery",
        "tests/alerts/test_apply.py::test_one_event_in_two_bodies_stands_in_the_history_once",
        "tests/simulator/test_sender.py::test_a_delivery_is_given_up_after_14_retries_of_the_first_attempt",
    ),
    "PagerTree's id of an alert decides which alert an event is about.": (
        "tests/alerts/test_apply.py::test_a_reused_thirdparty_id_makes_a_second_alert",
        "tests/alerts/test_apply.py::test_two_accounts_may_have_alerts_of_the_same_id",
    ),
    "New alerts stopped at a limit: they are kept, shown, and can be replayed.": (
        "tests/alerts/test_apply.py::test_new_alerts_over_the_daily_limit_are_kept_as_limited_and_can_be_replayed",
        "tests/inbox/test_routes.py::test_a_bulk_replay_first_says_how_many_it_would_touch",
    ),
}

INTEGRATING: Final = {
    "Clients made for Rootly work with what both have.": (
        "tests/compatibility/test_table.py::test_rootlys_client_drives_every_shared_operation",
        "tests/compatibility/test_table.py::test_every_shared_operation_is_there_with_all_its_parameters",
        "tests/compatibility/test_table.py::test_every_attribute_that_rootlys_client_can_send_is_known",
    ),
    "Whoever has no valid key is told nothing, and a bound key nothing of others.": (
        "tests/access/test_outsiders.py::test_without_a_valid_key_everything_under_v1_is_the_same_401",
        "tests/access/test_binding.py::test_nothing_of_another_integration_is_there_for_a_bound_key",
    ),
    "Every change is in the audit log, without secrets, and stays there.": (
        "tests/access/test_audit.py::test_every_table_is_audited_or_is_not_for_a_reason",
        "tests/access/test_audit_asked.py::test_an_alert_is_shown_before_and_after",
        "tests/access/test_audit_asked.py::test_what_is_only_asked_of_pagertree_is_kept_as_an_act",
        "tests/access/test_audit.py::test_it_is_append_only",
        "tests/access/test_audit.py::test_no_secret_is_in_it",
    ),
    "Integrators' endpoints are told of what happens, signed, and none is lost.": (
        "tests/webhooks/test_exactly.py::test_a_sender_that_is_killed_anywhere_loses_nothing",
        "tests/webhooks/test_exactly.py::test_what_is_rolled_back_is_told_to_nobody",
        "tests/webhooks/test_signing.py::test_the_standard_library_accepts_each_secret_of_a_rotation",
    ),
    "The API's document is true.": (
        "tests/test_schemathesis.py::test_schemathesis_finds_no_broken_answer",
        "tests/test_openapi.py::test_a_second_validator_reads_the_document_too",
    ),
}

PROMISES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    CONNECTING | WEBHOOK | EVENTS | ALERTS | SEVERITIES | PAGING | WORKFLOWS | TROUBLE | INTEGRATING
)


@cache
def names_in(path: str) -> frozenset[str]:
    """Return the names of the tests of a file; of none, where there is no such file."""
    file = ROOT / path
    tree = ast.parse(file.read_text()) if file.is_file() else ast.Module([], [])
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    )


@pytest.mark.parametrize("promise", PROMISES)
def test_every_promise_is_shown_by_tests_that_exist(promise: str) -> None:
    shown_by = PROMISES[promise]
    assert shown_by
    missing = [
        test for test in shown_by if test.split("::")[1] not in names_in(test.split("::")[0])
    ]
    assert missing == [], f"no such test; {promise!r} is to be shown by one that exists"


def test_a_promise_whose_test_does_not_exist_is_noticed() -> None:
    assert "test_every_promise_is_shown_by_tests_that_exist" in names_in("tests/test_promises.py")
    assert "test_nothing" not in names_in("tests/test_promises.py")
    assert names_in("tests/no_such_file.py") == frozenset()
