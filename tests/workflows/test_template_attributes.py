"""Attributes of variables that never exist are refused when a template is saved."""

import pytest

from pagersync.errors import InvalidError
from pagersync.workflows.templates import check_template, render


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        (
            "a\n{{ incident.titel }}",
            "line 2, column 4: 'incident' has no attribute 'titel': did you mean title, ",
        ),
        ("{{ alert['sumary'] | upcase }}", "'alert' has no attribute 'sumary'"),
        ("{% if page.nonsense %}x{% endif %}", "'page' has no attribute 'nonsense'"),
        ("{{ 'x' | append: incident.ownr.name }}", "'incident' has no attribute 'ownr'"),
        ("{% assign t = incident.title %}{{ t }}{{ incident.zzz | default: 1 }}", "'zzz'"),
    ],
)
def test_an_attribute_that_a_variable_never_has_is_refused(source: str, detail: str) -> None:
    with pytest.raises(InvalidError) as error:
        check_template(source, "/message")
    assert detail in error.value.detail
    assert error.value.pointer == "/message"


@pytest.mark.parametrize(
    "source",
    [
        "{{ incident.labels.whatever }} {{ alert.labels['a b'] }} {{ alert.data.host.names[0] }}",
        "{{ context.anything }} {{ workflow.id }} {{ event.type }}",
        "{{ incident[context.name] }} {{ incident }} {{ incident.size }}",
        "{{ incident.zendesk_ticket_url }} {{ incident.services | size }}",
        "{% for e in incident.events %}{{ e.whatever }}{% endfor %}",
        "{% for incident in incident.alerts %}{{ incident.whatever }}{% endfor %}",
        "{% assign page = alert %}{{ page.whatever }}",
    ],
)
def test_what_may_exist_when_a_task_runs_is_left_alone(source: str) -> None:
    check_template(source, "/message")


def test_a_template_that_was_saved_before_is_still_rendered_as_far_as_it_goes() -> None:
    source = "{% if false %}{{ incident.nonsense }}{% endif %}x"
    assert render(source, {"incident": {"title": "t"}}) == "x"
