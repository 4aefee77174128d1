"""What the things of a causal chain are called."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pagersync.database.base import new_id
from pagersync.events.models import DomainEvent
from pagersync.events.webhook_types import EVENT_TYPES
from pagersync.paging.models import Operation, Page
from pagersync.workflows.trace_story import Story
from pagersync.workflows.trace_summary import summarise, summarise_page
from pagersync.workflows.trace_text import event_text, page_text

TYPES = sorted(
    {each.name for each in EVENT_TYPES if not each.is_alias} | {"directory.reference_broken"}
)


def event(type_: str, **data: Any) -> DomainEvent:
    return DomainEvent(
        id=new_id(),
        integration_id=new_id(),
        type=type_,
        subject_type=type_.partition(".")[0],
        subject_id=new_id(),
        data=data,
    )


def page(*names: str, **columns: Any) -> Page:
    targets = [{"kind": "team", "pagertree_id": name, "name": name} for name in names]
    values = {"title": "Down", "requested_by": "Ada", "notes": [], "status": "queued"}
    return Page(
        id=new_id(),
        integration_id=new_id(),
        targets=targets,
        created_at=datetime.now(UTC),
        **{**values, **columns},
    )


def create(of: Page, **columns: Any) -> Operation:
    return Operation(
        id=new_id(), integration_id=of.integration_id, page_id=of.id, kind="create_alert", **columns
    )


def told(of: Page, operation: Operation, why: str | None = None) -> str:
    story = Story()
    story.add("page", [of])
    story.add("operation", [operation])
    story.waits = {operation.id: why} if why else {}
    causes = {("page", of.id): None}
    return summarise_page(story, causes, of)  # type: ignore[arg-type] # kinds are literals


@pytest.mark.parametrize("type_", TYPES)
def test_every_event_has_a_sentence(type_: str) -> None:
    assert type_ not in event_text(Story(), event(type_)).lower()


def test_what_nobody_was_paged_for_says_why() -> None:
    about = event("incident.unpaged", detail="the workflow 'Page' is off", after_s=120)
    assert event_text(Story(), about) == (
        "nobody was paged within 120 s for an incident that is gone: the workflow 'Page' is off"
    )


def test_the_headline_of_a_page_that_waits_says_why() -> None:
    of = page("SRE")
    said = told(of, create(of, state="queued"), why="PagerTree refused the API key at 03:12 UTC.")
    assert said.startswith(
        "SRE is not paged yet: the page is queued: PagerTree refused the API key at 03:12 UTC. "
    )


@pytest.mark.parametrize(
    ("names", "status", "said"),
    [
        (("A", "B"), "queued", "A and B are not paged yet"),
        (("A",), "failed", "A was not paged"),
        (("A", "B"), "failed", "A and B were not paged"),
        (("A", "B"), "confirmed", "A and B were paged because"),
        (("A", "B"), "unknown", "Nobody can tell yet whether A and B were paged"),
    ],
)
def test_several_targets_are_paged_and_one_is(names: tuple[str], status: str, said: str) -> None:
    of = page(*names, status=status)
    assert told(of, create(of, state="queued")).startswith(said)


def test_other_pages_are_counted_as_pages() -> None:
    story = Story()
    story.add("page", [first := page("A"), page("B")])
    causes = {("page", each.id): None for each in (first, *story.pages)}
    said = summarise(story, causes)  # type: ignore[arg-type] # kinds are literals
    assert said.endswith("1 more page is shown below.")


def test_a_page_of_another_account_says_that_the_first_one_cannot_page() -> None:
    of = page("SRE", repeat_of=new_id(), is_elsewhere=True)
    assert "because the other account cannot page" in page_text(Story(), of)
