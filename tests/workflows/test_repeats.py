"""Runs that come again: how often, how long, and what ends that, for any workflow."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from pagersync.workflows.models import Workflow, WorkflowRun
from pagersync.workflows.runs import next_repetition

EVERY = timedelta(minutes=10)
SPAN_MAX = 6
LONG = 20
"""More repetitions than any of these workflows stops after, if it stops."""

KEPT = (
    *("integration_id", "workflow_id", "domain_event_id", "incident_id", "alert_id", "page_id"),
    *("triggered_by", "requested_by", "depth", "context"),
)

workflows = st.builds(
    Workflow,
    enabled=st.just(value=True),
    repeat_every_duration=st.just("10 min"),
    repeat_condition_number_of_repeats=st.none() | st.integers(0, SPAN_MAX),
    repeat_condition_duration_since_first_run=st.none()
    | st.integers(0, SPAN_MAX).map(lambda number: f"{number * 10 + 5} min"),
    continuously_repeat=st.booleans(),
)


def first_run() -> WorkflowRun:
    return WorkflowRun(
        id=uuid4(),
        integration_id=uuid4(),
        workflow_id=uuid4(),
        domain_event_id=uuid4(),
        incident_id=uuid4(),
        triggered_by="workflow",
        requested_by="a test",
        depth=3,
        repeat_number=0,
        started_at=datetime.now(UTC),
        context={"from": "a test"},
    )


def next_of(run: WorkflowRun, workflow: Workflow, *, was_canceled: bool) -> WorkflowRun | None:
    """Return the repetition that a run is followed by."""
    return next_repetition(run, workflow, was_canceled=was_canceled, now=datetime.now(UTC))


def repetitions(
    workflow: Workflow, is_canceled: Callable[[int], bool] = lambda _: False
) -> Iterator[WorkflowRun]:
    """Yield a run's repetitions, as time passes: its first run is a while ago by then."""
    run: WorkflowRun | None = first_run()
    for number in range(LONG):
        assert run is not None
        run = next_of(run, workflow, was_canceled=is_canceled(number))
        if run is None:
            return
        yield run
        assert run.first_run_at is not None
        run.first_run_at -= EVERY


@given(workflows)
def test_a_run_comes_again_until_the_first_of_its_stops(workflow: Workflow) -> None:
    number = workflow.repeat_condition_number_of_repeats
    span = workflow.repeat_condition_duration_since_first_run
    stops = [number, None if span is None else int(span.split()[0]) // 10]
    expected = min((stop for stop in stops if stop is not None), default=LONG)
    assert [run.repeat_number for run in repetitions(workflow)] == list(range(1, expected + 1))


@given(workflows, st.sets(st.integers(0, SPAN_MAX)))
def test_a_run_whose_conditions_do_not_hold_is_the_last_unless_it_is_repeated_continuously(
    workflow: Workflow, canceled: set[int]
) -> None:
    came = len(list(repetitions(workflow, lambda number: number in canceled)))
    always = len(list(repetitions(workflow)))
    if workflow.continuously_repeat or not canceled:
        assert came == always
    else:
        assert came == min(always, *canceled)


@given(workflows)
def test_a_repetition_is_about_the_same_and_comes_after_the_pause(workflow: Workflow) -> None:
    first, now = first_run(), datetime.now(UTC)
    repetition = next_of(first, workflow, was_canceled=False)
    if repetition is None:
        return
    assert {name: getattr(repetition, name) for name in KEPT} == {
        name: getattr(first, name) for name in KEPT
    }
    assert repetition.id != first.id
    assert repetition.first_run_at == first.started_at
    assert now + EVERY <= repetition.run_at <= datetime.now(UTC) + EVERY


@given(
    workflows,
    st.sampled_from(
        [
            {"enabled": False},
            {"removed_at": datetime.now(UTC)},
            {"repeat_every_duration": None},
        ]
    ),
)
def test_a_workflow_that_is_off_or_gone_or_not_to_be_repeated_is_not(
    workflow: Workflow, change: dict[str, object]
) -> None:
    for name, value in change.items():
        setattr(workflow, name, value)
    assert list(repetitions(workflow)) == []
