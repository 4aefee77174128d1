"""Severities and urgencies, in PagerTree's words and back."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.pagertree.severity import (
    AUTO,
    SEV,
    Severity,
    Urgency,
    normalise_sev,
    read_severity,
    to_meta,
    urgency_to_send,
)


@pytest.mark.parametrize(
    ("severity", "sev"),
    [("critical", "SEV-1"), ("high", "SEV-2"), ("medium", "SEV-3"), ("low", "SEV-4")],
)
def test_a_severity_makes_the_alert_an_incident_of_its_number(severity: str, sev: str) -> None:
    assert to_meta(Severity(severity)) == {"incident": True, "incident_severity": sev}
    assert read_severity(sev) == read_severity(severity) == Severity(severity)


def test_every_severity_has_a_number_of_its_own() -> None:
    assert set(SEV) == set(Severity)
    assert len(set(SEV.values())) == len(Severity)


@pytest.mark.parametrize(
    ("text", "sev", "severity"),
    [
        ("sev_1", "SEV-1", Severity.CRITICAL),
        ("SEV-1", "SEV-1", Severity.CRITICAL),
        ("sev 1", "SEV-1", Severity.CRITICAL),
        (" Sev1\n", "SEV-1", Severity.CRITICAL),
        ("sev_2", "SEV-2", Severity.HIGH),
        ("SEV_3", "SEV-3", Severity.MEDIUM),
        ("sev-4", "SEV-4", Severity.LOW),
        ("SEV-5", "SEV-5", None),
        ("sev_unknown", "SEV-UNKNOWN", None),
        ("SEV-UNKNOWN", "SEV-UNKNOWN", None),
        (" CRITICAL ", None, Severity.CRITICAL),
        ("low", None, Severity.LOW),
        ("sev-6", None, None),
        ("sev-11", None, None),
        ("sev-\N{SUPERSCRIPT ONE}", None, None),
        ("sev-un\N{KELVIN SIGN}nown", None, None),
        ("1", None, None),
        ("", None, None),
        (None, None, None),
        (1, None, None),
        (["sev-1"], None, None),
    ],
)
def test_a_severity_is_read_however_it_is_spelt(
    text: object, sev: str | None, severity: Severity | None
) -> None:
    assert normalise_sev(text) == sev
    assert read_severity(text) == severity


@given(st.text())
def test_no_text_is_an_error(text: str) -> None:
    assert read_severity(text) in {None, *Severity}


@pytest.mark.parametrize(
    ("urgency", "severity", "must_name"),
    list(product(Urgency, [None, *Severity], [False, True])),
)
def test_an_urgency_is_sent_as_given(
    urgency: Urgency,
    severity: Severity | None,
    must_name: bool,  # noqa: FBT001
) -> None:
    assert urgency_to_send(urgency, severity, must_name=must_name) == urgency


@pytest.mark.parametrize("severity", [None, *Severity])
def test_auto_is_left_out(severity: Severity | None) -> None:
    assert urgency_to_send(AUTO, severity, must_name=False) is None


@pytest.mark.parametrize(
    ("severity", "urgency"),
    [
        (Severity.CRITICAL, "critical"),
        (Severity.HIGH, "high"),
        (Severity.MEDIUM, "medium"),
        (Severity.LOW, "low"),
        (None, "medium"),
    ],
)
def test_auto_comes_from_the_severity_where_it_must_be_named(
    severity: Severity | None, urgency: str
) -> None:
    assert urgency_to_send(AUTO, severity, must_name=True) == urgency
