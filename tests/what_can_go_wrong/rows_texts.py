from typing import Final

from tests.what_can_go_wrong.row import Row

TITLE: Final = "Texts"
REQUESTS: Final = "tests/paging/test_fitting_requests.py"
TASKS: Final = "tests/workflows/test_task_texts.py"
TEMPLATES: Final = "tests/workflows/test_templates.py"

ROWS: Final = [
    Row(
        "The title of an incident is longer than a page's may be.",
        "colleague",
        "The title was cut, and nobody was told.",
        "The title is cut; the page, the run and the timeline say so.",
        f"{TASKS}::test_somebody_is_paged_whatever_the_texts_and_the_page_says_what_was_done",
    ),
    Row(
        "A monitoring tool sends a page with a title of 700 characters or a description of 21,000.",
        "integrator",
        "422, nobody is paged.",
        "Both are cut; `meta.notes` and the page say so.",
        f"{REQUESTS}::test_a_page_with_texts_and_tags_that_do_not_fit_goes_out",
    ),
    Row(
        "A page has more than 20 tags, or one that is too long or cannot be printed.",
        "integrator",
        "422, nobody is paged.",
        "Tags are cut or left out, with a note; the page goes out.",
        f"{REQUESTS}::test_a_page_with_texts_and_tags_that_do_not_fit_goes_out",
    ),
    Row(
        "An alert has a long summary, source, external id or address.",
        "integrator",
        "422: no alert, and nobody is paged.",
        "What is too long is cut, the address left out; the alert's history says so.",
        f"{REQUESTS}::test_an_alert_with_values_that_do_not_fit_is_made_and_pages",
    ),
    Row(
        "Deduplication keys are longer than 255 characters and differ only at their end.",
        "integrator",
        "422. Merely cut, two alerts would have been one.",
        "They are cut and end with a digest of the whole, so they stay two alerts.",
        f"{REQUESTS}::test_long_keys_that_differ_at_their_end_are_two_alerts",
    ),
    Row(
        "An integration sends an empty deduplication key with every alert.",
        "integrator",
        "All its alerts were the first one; nobody was paged for the others.",
        "An empty key is none: each is an alert and pages.",
        f"{REQUESTS}::test_long_keys_that_differ_at_their_end_are_two_alerts",
    ),
    Row(
        "An incident is declared with a summary of 22,000 characters.",
        "colleague",
        "422: no incident, and no workflow pages.",
        "The summary is cut; the answer and the timeline say so.",
        f"{REQUESTS}::test_an_incident_with_texts_that_do_not_fit_is_declared_and_changed",
    ),
    Row(
        "A long message is sent along when an incident is resolved.",
        "colleague",
        "422: the incident stays open, and people stay paged.",
        "The incident is resolved; the message is cut.",
        f"{REQUESTS}::test_an_incident_with_texts_that_do_not_fit_is_declared_and_changed",
    ),
    Row(
        "A text of a request holds a NUL character or half a surrogate pair.",
        "integrator",
        "422, nobody is paged.",
        "The character is replaced, with a note.",
        f"{REQUESTS}::test_what_cannot_be_stored_is_replaced_in_whichever_text",
    ),
    Row(
        "A label holds a comma or a colon, a number, true or null, or is very long.",
        "integrator",
        "422: no alert, no incident, and nobody is paged.",
        "Every label is kept as well as it can be, and filters find it.",
        f"{REQUESTS}::test_labels_with_commas_and_colons_are_found_by_either_list",
    ),
    Row(
        "An incident lacks the label or the severity that a template names.",
        "colleague",
        "The template was an error: the task failed, and nobody was paged.",
        "It is empty, and the run says which value is.",
        f"{TEMPLATES}::test_what_is_not_there_is_empty_and_noted_once",
    ),
    Row(
        "A filter of a template fails on what it is given at night.",
        "colleague",
        "The task failed, and nobody was paged.",
        "The text ends there, a title has a substitute, somebody is paged, and the page says why.",
        f"{TASKS}::test_somebody_is_paged_whatever_the_texts_and_the_page_says_what_was_done",
    ),
    Row(
        "A template loops over very much, or its output is very long.",
        "colleague",
        "The task failed, and nobody was paged.",
        "Loops are stopped and output is cut, with a note.",
        f"{TEMPLATES}::test_what_is_too_large_is_cut_and_noted",
    ),
    Row(
        "A task before the one that pages has an empty or failing text.",
        "colleague",
        "It failed, and the page behind it was skipped.",
        "It ends with a note, and the next task pages.",
        f"{TASKS}::test_a_text_before_a_page_keeps_nobody_from_being_paged",
    ),
    Row(
        "The template of the alert that is to be resolved is empty.",
        "colleague",
        "All linked alerts were resolved.",
        "The task fails and says so: which alert is meant is never guessed.",
        f"{TASKS}::test_which_alert_is_meant_is_never_guessed",
    ),
    Row(
        "A workflow that was saved by another version names an urgency that is not known.",
        "operator",
        "The task failed, and nobody was paged.",
        "The urgency is left to PagerTree, with a note.",
        f"{TASKS}::test_what_does_not_fit_a_task_is_cut_or_left_out_and_named",
    ),
]
