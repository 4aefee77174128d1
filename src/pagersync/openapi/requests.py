"""Requests written by hand: the attributes of an example that can be tried as it stands."""

from types import MappingProxyType
from typing import Any, Final

REQUESTS: Final = MappingProxyType[str, dict[str, Any]](
    {
        "createIncident": {
            "title": "Checkout is down",
            "summary": "Every second payment fails since the last deployment.",
            "labels": {"service": "checkout"},
        },
        "updateIncident": {"summary": "Payments fail for cards of one bank."},
        "createIncidentEvent": {"event": "Rolled the last deployment back."},
        "createSeverity": {"name": "Brown-out", "severity": "medium", "color": "#996515"},
        "createAlert": {
            "summary": "Checkout is slow",
            "description": "p99 of POST /checkout over 2 s for five minutes",
            "labels": [{"key": "service", "value": "checkout"}],
        },
        "changeAlert": {"summary": "Checkout is slow for everybody"},
        "createWorkflow": {
            "name": "Page when an incident is created",
            "enabled": False,
            "trigger_params": {"trigger_type": "incident", "triggers": ["incident_created"]},
        },
        "updateWorkflow": {"name": "Page at once"},
    }
)
"""By the operation's name."""
