from typing import Final

from tests.what_can_go_wrong.row import Row

TITLE: Final = "Incidents and the alerts they are made of"

LATE: Final = "tests/incidents/test_attached_late.py"
AGAIN: Final = "tests/alerts/test_repeats.py"
RESTART: Final = "tests/workflows/test_restart.py"
UNPAGED: Final = "tests/unpaged/test_sweep.py"

OF_ALERT: Final = "tests/workflows/test_incident_of_alert.py"

ROWS: Final = [
    Row(
        "The task that pages is taken from a workflow that should have run already.",
        "colleague",
        "The run was `completed`, and nobody was paged.",
        "The incident or alert is `unpaged`, and says why.",
        f"{UNPAGED}::test_a_workflow_that_loses_its_task_after_an_alert_came_is_found",
    ),
    Row(
        "An account is disabled or removed just after PagerTree took a page.",
        "operator",
        "The page stayed `sent`; nobody could see whether PagerTree paged anybody for it.",
        "After a few minutes it is `unpaged`: look in PagerTree, or page by hand.",
        f"{UNPAGED}::test_a_page_that_pagertree_has_and_cannot_be_asked_about_is_found",
    ),
    Row(
        "The workflow is off that pages for an alert which only pagersync knows.",
        "colleague",
        "Nothing was said, as if PagerTree paged for the alert.",
        "The alert is `alert.unpaged`, and says which workflow is off.",
        f"{UNPAGED}::"
        "test_an_alert_that_pagertree_does_not_have_is_found_whoever_switched_its_workflow_off",
    ),
    Row(
        "A workflow for alerts is switched off or removed before it looked at an alert.",
        "colleague",
        "Nothing said that it paged nobody for the alert.",
        "The alert is `alert.unpaged`, in `doctor` and in the metric, and says which workflow.",
        f"{UNPAGED}::test_an_alert_whose_workflow_ended_after_it_should_have_run_is_found",
    ),
    Row(
        "Workflows cannot look at an alert: its event waits too long, or is dead.",
        "operator",
        "It was counted in `doctor`, and no check said that nobody was paged for the alert.",
        "The alert is `alert.unpaged`, if a workflow that pages waits for it.",
        f"{UNPAGED}::test_an_alert_whose_event_is_late_or_dead_is_found_if_a_workflow_waits_for_it",
    ),
    Row(
        "An incident is restarted, and what should page then fails.",
        "colleague",
        "A page of before the restart counted: nothing said that nobody was paged since.",
        "Only what was paged since the restart counts; each restart is told.",
        f"{UNPAGED}::test_pages_of_before_a_restart_do_not_hide_that_nobody_was_paged_since",
    ),
    Row(
        "A severity that a workflow names is deleted or misspelt.",
        "colleague",
        "The task failed: no incident, and nobody paged for it.",
        "The incident is made without a severity; the run notes it.",
        f"{OF_ALERT}::test_every_severity_makes_an_incident_and_one_that_does_not_exist_is_noted",
    ),
    Row(
        "A workflow makes an incident of an alert that pages people.",
        "integrator",
        "The same people were paged twice, the second time less urgently.",
        "The incident's page stands by, and is canceled when somebody acknowledges the alert.",
        f"{OF_ALERT}::test_an_incident_made_of_an_alert_does_not_page_the_same_people_again",
    ),
    Row(
        "Nobody acknowledges the alert of an incident: PagerTree drops it, or it is resolved.",
        "PagerTree",
        "It was up to the second page.",
        "The incident's page goes out at once.",
        f"{OF_ALERT}::test_the_incident_is_paged_for_when_nobody_takes_its_alert",
    ),
    Row(
        "PagerTree's webhooks stop while the page of an incident stands by.",
        "PagerTree",
        "There was no such page.",
        "The page goes out after 15 minutes.",
        f"{OF_ALERT}::test_the_incident_is_paged_for_in_time_even_if_no_webhook_tells_of_its_alert",
    ),
    Row(
        "The alert of an incident is less urgent than the incident, or pages other people.",
        "colleague",
        "The incident's page went out.",
        "It still does, and says why; its urgency is at least the alert's.",
        f"{OF_ALERT}::test_other_people_or_a_higher_urgency_are_paged_at_once",
    ),
    Row(
        "A trigger comes while the resolve of its alert waits or is under way.",
        "integrator",
        "It counted as a duplicate; the resolve ended both, and nobody was paged.",
        "A new alert is made and pages.",
        f"{AGAIN}::test_an_alert_whose_resolve_waits_is_no_duplicate",
    ),
    Row(
        "A trigger comes again after PagerTree dropped its alert: nobody was on call.",
        "PagerTree",
        "It counted as a duplicate of an alert that pages nobody.",
        "A new alert is made and pages.",
        f"{AGAIN}::test_an_alert_that_pagertree_dropped_is_no_duplicate",
    ),
    Row(
        "A trigger comes again when the incident of its alert is over.",
        "colleague",
        "It counted as a duplicate of an alert that was about to be resolved.",
        "A new alert is made and pages.",
        f"{AGAIN}::test_an_alert_whose_end_was_asked_for_elsewhere_is_no_duplicate",
    ),
    Row(
        "A trigger comes again, more urgent or more severe.",
        "integrator",
        "The alert stayed as urgent as before.",
        "The alert is raised here and in PagerTree; its incident's timeline tells it.",
        f"{AGAIN}::test_a_repeat_that_is_more_urgent_raises_the_alert_here_and_in_pagertree",
    ),
    Row(
        "A trigger comes again, more urgent than what somebody acknowledged.",
        "integrator",
        "Nobody was paged, and the answer did not say so.",
        "People are paged again; a repeat that is not more urgent says that nobody is.",
        f"{AGAIN}::test_a_repeat_of_an_acknowledged_alert_says_that_nobody_is_paged",
    ),
    Row(
        "An alert is snoozed, and its trigger comes again, more urgent.",
        "colleague",
        "Nobody was paged before the snooze's end.",
        "The snooze ends: people are paged at once.",
        f"{AGAIN}::test_a_snooze_ends_when_the_alert_is_asked_for_more_urgently",
    ),
    Row(
        "A trigger without targets made an alert; the next one names a team.",
        "integrator",
        "It counted as a duplicate, and the team was never paged.",
        "The team is paged for the alert.",
        f"{AGAIN}::test_a_repeat_with_targets_pages_for_an_alert_that_paged_nobody",
    ),
    Row(
        "An incident that was resolved is restarted.",
        "colleague",
        "Nobody was paged, and nothing said so.",
        "The answer and the command say that nobody is paged, and how to change that.",
        f"{RESTART}::test_a_restart_that_pages_nobody_says_so",
    ),
    Row(
        "The default workflow for restarts is switched on, and an incident is restarted.",
        "operator",
        "There was no trigger for it.",
        "The default targets are paged again.",
        f"{RESTART}::test_the_default_workflow_pages_for_a_restart_once_it_is_on",
    ),
    Row(
        "The workflow that paged for restarts is switched off, or its conditions exclude them.",
        "colleague",
        "Restarts were silent.",
        "Each restart says that nobody is paged.",
        f"{RESTART}::test_a_workflow_that_is_off_or_does_not_match_pages_nobody",
    ),
    Row(
        "An open alert is attached to an incident that is over.",
        "integrator",
        "It stayed open for ever, and paged people, without a word.",
        "It stays open; the answer and the timeline name it.",
        f"{LATE}::test_an_open_alert_attached_to_an_incident_that_is_over_is_named_and_stays_open",
    ),
    Row(
        "An open alert is attached to an incident that is over, with `resolve_open_alerts`.",
        "integrator",
        "There was no such thing.",
        "The alert and the pages about it are resolved in PagerTree.",
        f"{LATE}::test_an_alert_in_pagertree_and_the_pages_about_it_are_resolved_there",
    ),
    Row(
        "An alert is attached while somebody resolves the incident.",
        "colleague",
        "The resolve missed it, and it stayed open silently.",
        "The one waits for the other: it is resolved with the incident, or named in the answer.",
        f"{LATE}::test_an_alert_attached_while_the_incident_is_being_resolved_is_not_left_open_silently",
    ),
    Row(
        "An incident is removed whose alert is still open.",
        "colleague",
        "The alert paged people for an incident that nobody could see.",
        "The answer names the alert.",
        f"{LATE}::test_an_incident_that_is_removed_names_the_alerts_that_stay_open",
    ),
]
