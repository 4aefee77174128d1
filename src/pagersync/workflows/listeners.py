"""Workflows as events meet them: compiled once for each version, and looked up by trigger."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from pagersync.database.engine import Connection
from pagersync.workflows.conditions import Conditions, conditions_of
from pagersync.workflows.durations import WAIT, duration_s

PAYLOAD_PARAMS: Final = ("alert_condition_payload", "alert_payload_conditions")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, eq=False)
class Listener:
    """A workflow that is switched on.

    Attributes:
        head: how a verdict about it begins, as JSON.
        refusals: verdicts that it did not match, by reason: written once, said often.
        wait_s: between the event and the run.
    """

    id: UUID
    integration_id: UUID | None
    triggers: frozenset[str]
    conditions: Conditions
    looks_at_payload: bool
    wait_s: float
    runs_per_minute_max: int
    head: str
    refusals: dict[str, str] = field(default_factory=dict)

    def matched(self, run_id: UUID) -> str:
        """Return the verdict that it ran."""
        return f'{self.head}, "matched": true, "run_id": "{run_id}"}}'

    def limited(self, run_id: UUID) -> str:
        """Return the verdict that it would have run, but for its limit."""
        reason = json.dumps(limit_text(self.runs_per_minute_max))
        return f'{self.head}, "matched": true, "run_id": "{run_id}", "reason": {reason}}}'

    def refused(self, reason: str) -> str:
        """Return the verdict that it did not match; of a workflow there are few different ones."""
        if reason not in self.refusals:
            verdict = f'{self.head}, "matched": false, "reason": {json.dumps(reason)}}}'
            self.refusals[reason] = verdict
        return self.refusals[reason]


def limit_text(runs_per_minute_max: int) -> str:
    """Return why a run was canceled at once."""
    return (
        f"over the workflow's limit of {runs_per_minute_max} runs a minute "
        "(runs_per_minute_max): try it again if it is still wanted"
    )


class Listeners:
    """Reads workflows, and compiles those it has not seen in their newest version.

    One that cannot be read is None until it is changed.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[UUID, int], Listener | None] = {}

    async def load(self, connection: Connection) -> Sequence[Listener]:
        """Return every workflow that is switched on, in the order of their positions."""
        rows = await connection.fetch(_VERSIONS)
        keys = [(row["id"], row["version"]) for row in rows]
        known = {key: self._known[key] for key in keys if key in self._known}
        new = [key[0] for key in keys if key not in known]
        for row in await connection.fetch(_WORKFLOWS, new) if new else ():
            known[row["id"], row["version"]] = _compiled(row)
        self._known = known
        return [listener for key in keys if (listener := known.get(key)) is not None]


def _compiled(row: asyncpg.Record) -> Listener | None:
    try:
        conditions = conditions_of(row["trigger_params"])
    except Exception:
        log.exception("a workflow's conditions cannot be read", workflow_id=str(row["id"]))
        return None
    name = json.dumps(row["name"])
    return Listener(
        id=row["id"],
        integration_id=row["integration_id"],
        triggers=frozenset(row["triggers"]),
        conditions=conditions,
        looks_at_payload=any(row["trigger_params"].get(param) for param in PAYLOAD_PARAMS),
        wait_s=duration_s(row["wait"], WAIT) if row["wait"] else 0,
        runs_per_minute_max=row["runs_per_minute_max"],
        head=f'{{"workflow_id": "{row["id"]}", "workflow": {name}',
    )


_VERSIONS = """
SELECT id, version FROM workflows WHERE enabled AND removed_at IS NULL ORDER BY position, id
"""

_WORKFLOWS = """
SELECT id, version, name, integration_id, triggers, trigger_params, wait, runs_per_minute_max
FROM workflows WHERE id = ANY($1::uuid[])
"""
