"""Should somebody have been paged, and was nobody?"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.paging.models import PageStatus
from pagersync.unpaged.decision import (
    FINE,
    PAGES,
    Evidence,
    OffSeen,
    PageSeen,
    RunSeen,
    find_problem,
    is_paged,
)
from pagersync.workflows.models import RunStatus

RUN = RunSeen(id="1", workflow="Page", status="failed")
OFF = OffSeen(workflow="Page", slug="page", number="7")

pages = st.builds(
    PageSeen,
    status=st.sampled_from(list(PageStatus)),
    was_confirmed=st.booleans(),
    is_for_later=st.booleans(),
    is_unsure=st.booleans(),
    error=st.none() | st.just("401: the key is refused"),
)
runs = st.builds(
    RunSeen,
    id=st.just("1"),
    workflow=st.just("Page"),
    status=st.sampled_from(list(RunStatus)),
    message=st.none() | st.sampled_from(["canceled by Ada", "the workflow was switched off"]),
    is_over_limit=st.booleans(),
    is_due=st.booleans(),
    is_toothless=st.booleans(),
    error=st.none() | st.just("no targets"),
)
offs = st.builds(
    OffSeen,
    workflow=st.just("Page"),
    slug=st.just("page"),
    number=st.just("7"),
    is_on_now=st.booleans(),
    reason=st.none() | st.just("there is nobody to page"),
    is_spare=st.booleans(),
    is_removed=st.booleans(),
    is_alone=st.booleans(),
    was_on=st.booleans(),
    account=st.none() | st.just("acme"),
)
evidence = st.builds(
    Evidence,
    pages=st.lists(pages, max_size=2),
    runs=st.lists(runs, max_size=2),
    waiting=st.booleans(),
    dead=st.none() | st.just("boom"),
    off=st.lists(offs, max_size=2),
)


def reason(**given: object) -> str | None:
    problem = find_problem(Evidence(**given))  # type: ignore[arg-type] # built by the tests below
    return None if problem is None else problem.reason


@pytest.mark.parametrize("status", sorted(FINE))
def test_a_page_that_pagertree_has_is_no_problem(status: str) -> None:
    assert reason(pages=[PageSeen(status=status)], runs=[RUN]) is None


@pytest.mark.parametrize("status", sorted(set(PAGES) - FINE))
def test_a_page_that_reached_nobody_is_a_problem_unless_it_did_once(status: str) -> None:
    page = PageSeen(status=status, error="401: the key is refused.")
    problem = find_problem(Evidence(pages=[page]))
    assert problem is not None
    assert problem.reason == f"page_{status}"
    assert problem.detail.endswith(": 401: the key is refused")
    assert reason(pages=[replace(page, was_confirmed=True)]) is None


def test_a_page_that_stays_sent_is_a_problem_though_pagertree_has_it() -> None:
    page = PageSeen(status="sent", is_unsure=True)
    assert reason(pages=[page]) == "page_sent"
    assert reason(pages=[page, PageSeen(status="confirmed")]) is None


def test_a_run_whose_task_was_taken_from_it_is_a_problem() -> None:
    run = replace(RUN, status="completed", is_toothless=True)
    assert reason(runs=[run]) == "run_without_page"
    assert reason(runs=[replace(run, is_toothless=False)]) is None


def test_what_a_person_decided_is_no_problem() -> None:
    assert reason(pages=[PageSeen(status="canceled", error="canceled by a person")]) is None
    assert reason(runs=[replace(RUN, status="canceled", message="canceled by Ada")]) is None
    assert reason(pages=[PageSeen(status="queued", is_for_later=True)]) is None
    assert reason(runs=[replace(RUN, status="queued", is_due=False, error=None)]) is None
    assert reason() is None


def test_a_page_that_a_person_canceled_hides_no_other_page_that_failed() -> None:
    canceled = PageSeen(status="canceled", error="canceled by a person")
    assert reason(pages=[canceled, PageSeen(status="failed")]) == "page_failed"
    assert reason(pages=[canceled, canceled]) is None


def test_a_page_that_was_canceled_with_its_account_is_a_problem() -> None:
    page = PageSeen(status="canceled", error="the account 'acme' was removed")
    assert reason(pages=[page]) == "page_canceled"


def test_a_run_that_paged_nobody_is_a_problem() -> None:
    told = replace(RUN, status="canceled", message="canceled by Ada", error="not listed yet")
    assert reason(runs=[told]) is None
    assert reason(runs=[RUN]) == "run_failed"
    off = replace(RUN, status="canceled", message="the workflow was switched off")
    assert reason(runs=[off]) == "run_canceled"
    removed = replace(RUN, status="canceled", message="the workflow was removed")
    problem = find_problem(Evidence(runs=[removed]))
    assert problem is not None
    assert "page by hand" in problem.remedy
    waits = replace(RUN, status="queued", is_over_limit=True, is_due=False)
    problem = find_problem(Evidence(runs=[waits]))
    assert problem is not None
    assert (problem.reason, "page by hand" in problem.remedy) == ("run_waits", True)
    assert reason(runs=[replace(RUN, status="started")]) == "run_late"
    put_off = replace(RUN, status="queued", is_due=False, error="not listed yet")
    assert reason(runs=[put_off]) == "run_late"


def test_events_that_nobody_looked_at_are_a_problem() -> None:
    assert reason(dead="boom") == "event_dead"
    assert reason(waiting=True) == "event_late"


def test_a_workflow_that_is_off_is_a_problem_where_no_other_one_decided() -> None:
    assert reason(off=[replace(OFF, is_alone=True)]) == "workflow_off"
    assert reason(off=[OFF]) is None
    by_pagersync = replace(OFF, reason="there is nobody to page")
    assert reason(off=[by_pagersync]) == "workflow_off"
    assert reason(off=[replace(by_pagersync, is_spare=True)]) is None


def test_a_workflow_that_was_on_when_it_should_have_run_is_a_problem_in_any_case() -> None:
    problem = find_problem(Evidence(off=[replace(OFF, was_on=True)]))
    assert problem is not None
    assert problem.detail == "the workflow 'Page' is off since it should have run"
    removed = find_problem(Evidence(off=[replace(OFF, was_on=True, is_removed=True)]))
    assert removed is not None
    assert removed.detail == "the workflow 'Page' was removed before it ran"


@pytest.mark.parametrize(
    ("off", "remedy"),
    [
        (OFF, "pagersync workflows enable page && pagersync workflows run page --incident 7"),
        (
            replace(OFF, account="acme"),
            "pagersync integrations enable acme && pagersync workflows run page --incident 7",
        ),
        (replace(OFF, is_on_now=True), "pagersync workflows run page --incident 7"),
        (replace(OFF, kind="alert", is_on_now=True), "pagersync workflows run page --alert 7"),
        (replace(OFF, is_removed=True), "page by hand: pagersync page --team NAME --title TITLE"),
    ],
)
def test_the_remedy_is_what_pages_somebody(off: OffSeen, remedy: str) -> None:
    problem = find_problem(Evidence(off=[replace(off, is_alone=True)]))
    assert problem is not None
    assert problem.remedy == remedy


@pytest.mark.parametrize("status", ["dropped", "stuck", "canceled"])
def test_a_page_that_operations_list_does_not_show_has_another_remedy(status: str) -> None:
    page = PageSeen(status=status, error="the account 'acme' is disabled")
    problem = find_problem(Evidence(pages=[page]))
    assert problem is not None
    assert "pagersync page --team" in problem.remedy


@given(evidence)
def test_nothing_is_silent_but_what_is_paged_decided_or_asked_of_nobody(found: Evidence) -> None:
    problem = find_problem(found)
    if is_paged(found):
        assert problem is None
        return
    if problem is not None:
        assert problem.detail
        assert problem.remedy
        return
    is_decided = any(page.status == "canceled" and page.error is None for page in found.pages)
    if not is_decided:
        assert all(page.is_for_later for page in found.pages)
        assert not any(run.status == "failed" for run in found.runs)
        assert not found.waiting
        assert found.dead is None
        assert not any(off.is_alone or off.was_on for off in found.off)


@given(evidence, pages)
def test_another_page_never_makes_a_problem_of_what_is_paged(
    found: Evidence, page: PageSeen
) -> None:
    if is_paged(found):
        assert find_problem(replace(found, pages=[*found.pages, page])) is None
