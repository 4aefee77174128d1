"""Stand-ins for what the client of PyPI imports, and does not contain.

`rootly` 3.0.1 was published without 23 models of parameters of tasks (of Slack, Teams, PagerDuty
and so on), which its models of workflow tasks import: as published it can neither send nor read a
task, whatever the server. None of the 23 is of a task that pagersync has.
"""

import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rootly_sdk import models

IMPORT = re.compile(r"from \.\.models\.(\w+) import \(?\s*(\w+)")


class NotPublished:
    """A model that fits nothing."""

    @classmethod
    def from_dict(cls, _: Mapping[str, Any]) -> None:
        """Say, as models do, that something is no such thing."""
        raise TypeError


def not_published() -> dict[str, str]:
    """Return the models that those of workflow tasks import in vain, by their modules."""
    source = Path(str(models.__file__)).with_name("workflow_task.py").read_text("utf-8")
    return {
        f"{models.__name__}.{module}": model
        for module, model in IMPORT.findall(source)
        if importlib.util.find_spec(f"{models.__name__}.{module}") is None
    }


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the client read and send workflow tasks."""
    for name, model in not_published().items():
        module = ModuleType(name)
        setattr(module, model, type(model, (NotPublished,), {}))
        monkeypatch.setitem(sys.modules, name, module)
