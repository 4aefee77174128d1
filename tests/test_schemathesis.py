"""Every operation is asked with generated data, good and bad, and each answer is checked."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from tests.support import schemathesis_hooks
from tests.support.account import Account

pytestmark = pytest.mark.long

CONFIG: Final = """
hooks = "{hooks}"

[generation]
codec = "ascii"  # which characters can be printed is in no regular expression

[checks.not_a_server_error]
# PagerTree cannot be reached from everywhere: where the document has 502, it is a good answer.
expected-statuses = ["2xx", "3xx", "4xx", "502"]

[checks.positive_data_acceptance]
# 412: an `If-Match` of a version that there never was is a good request.
expected-statuses = {accepted}

[phases.stateful.inference]
# The document's own links alone: what is inferred follows attributes that are null, to `/None`.
algorithms = []

[phases.stateful.generation]
max-examples = 15
"""
ACCEPTED: Final = ["2xx", "3xx", "401", "403", "404", "409", "412", "429", "502", "503"]

REFUSED_FOR: Final[Mapping[str, str]] = MappingProxyType(
    {
        "createAlert": "whom it names must exist in PagerTree",
        "updateAlert": "the alert must live here, or in PagerTree",
        "escalateAlert": "whom it names must exist in PagerTree",
        "snoozeAlert": "somebody must have been paged from here, or be named",
        "createPage": "whom it names must exist in PagerTree",
        "createIncident": "severities, alerts and incidents that it names must exist",
        "updateIncident": "severities, alerts and incidents that it names must exist",
        "mitigateIncident": "the lifecycle must allow it",
        "resolveIncident": "the lifecycle must allow it",
        "cancelIncident": "the lifecycle must allow it",
        "triageIncident": "the lifecycle must allow it",
        "restartIncident": "the lifecycle must allow it",
        "unmarkAsDuplicateIncident": "it must be marked as one",
        "markAsDuplicateIncident": "the other incident must exist",
        "attachAlert": "the alerts must exist",
        "createIntegration": "the key must be one of PagerTree's",
        "changeIntegration": "the key must be one of PagerTree's",
        "createSecret": "the value must be long enough to be hidden, the accounts must exist",
        "updateSecret": "the value must be long enough to be hidden, the accounts must exist",
        "createTeam": "PagerTree must have the team",
        "updateTeam": "its name is PagerTree's",
        "createWebhooksEndpoint": "the name must be free, the address public, the secret a key",
        "updateWebhooksEndpoint": "the name must be free, the headers not reserved",
        "createWorkflow": "triggers, conditions, tasks and templates must fit each other",
        "updateWorkflow": "triggers, conditions, tasks and templates must fit each other",
        "createWorkflowTask": "the task must fit its workflow, and its templates be right",
        "updateWorkflowTask": "the task must fit its workflow, and its templates be right",
        "previewWorkflow": "a workflow or the id of one, and what it looks at must exist",
        "createWorkflowRun": "what the run is about must exist",
    }
)
"""Operations that may answer a request that fits its schema with 422, and why."""

OPERATION: Final = """
[[operations]]
include-operation-id = "{name}"  # {reason}
[operations.checks.positive_data_acceptance]
expected-statuses = {accepted}
"""


def config() -> str:
    hooks = Path(schemathesis_hooks.__file__)
    parts = [CONFIG.format(hooks=hooks, accepted=ACCEPTED)]
    for name, reason in REFUSED_FOR.items():
        parts.append(OPERATION.format(name=name, reason=reason, accepted=[*ACCEPTED, "422"]))
    return "".join(parts).replace("'", '"')


@pytest.mark.timeout(600)  # on a machine that does much else besides
async def test_schemathesis_finds_no_broken_answer(
    server: str, token: str, account: Account, tmp_path: Path
) -> None:
    del account  # needed only to be connected
    (tmp_path / "schemathesis.toml").write_text(config())
    asking = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{server}/openapi.json",
        f"--header=Authorization: Bearer {token}",
        "--phases=examples,fuzzing,stateful",
        "--max-examples=3",
        "--seed=1",
        "--no-color",
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asking.communicate()
    assert asking.returncode == 0, said.decode()[-20_000:]
