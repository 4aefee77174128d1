"""Workflows as events meet them: compiled once for each version, and looked up by trigger."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from pagersync.database.engine import Connection
from pagersync.workflows.conditions import Conditions, conditions_of
from pagersync.workflows.durations import WAIT, duration_s
from pagersync.workflows.subject import Subject
from pagersync.workflows.trace_story import PAGING_TASKS

PAYLOAD_PARAMS: Final = ("alert_condition_payload", "alert_payload_conditions")

CAN_WAIT: Final = frozenset({"add_to_timeline", "http_client", "print"})
"""Tasks whose lack leaves nobody unpaged, and nobody paged for too long."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, eq=False)
class Listener:
    """A workflow that is switched on.

    Attributes:
        head: how a verdict about it begins, as JSON.
        refusals: verdicts that it did not match, by reason: written once, said often.
        conditions: None if they cannot be read; `problem` says why.
        wait_s: between the event and the run.
        task_types: of its tasks.
    """

    id: UUID
    name: str
    integration_id: UUID | None
    triggers: frozenset[str]
    conditions: Conditions | None
    problem: str
    looks_at_payload: bool
    wait_s: float
    runs_per_minute_max: int
    task_types: frozenset[str]
    head: str
    refusals: dict[str, str] = field(default_factory=dict)

    @property
    def pages(self) -> bool:
        """Whether a task of it pages people."""
        return not PAGING_TASKS.isdisjoint(self.task_types)

    @property
    def is_needed(self) -> bool:
        """Whether people are paged too much or too little if it does not run."""
        return not self.task_types <= CAN_WAIT

    def first_failed(self, subject: Subject, now: datetime) -> str | None:
        """Return the first condition that does not hold.

        Raises:
            ValueError: they cannot be read.
        """
        if self.conditions is None:
            raise ValueError(self.problem)
        return self.conditions.first_failed(subject, now)

    def matched(self, run_id: UUID, reason: str | None = None) -> str:
        """Return the verdict that it has a run; `reason` says why that does not begin at once."""
        why = f', "reason": {json.dumps(reason)}' if reason else ""
        return f'{self.head}, "matched": true, "run_id": "{run_id}"{why}}}'

    def refused(self, reason: str) -> str:
        """Return the verdict that it did not match; of a workflow there are few different ones."""
        if reason not in self.refusals:
            verdict = f'{self.head}, "matched": false, "reason": {json.dumps(reason)}}}'
            self.refusals[reason] = verdict
        return self.refusals[reason]


class Listeners:
    """Reads workflows, and compiles those it has not seen in their newest version."""

    def __init__(self) -> None:
        self._known: dict[tuple[UUID, int], Listener] = {}

    async def load(self, connection: Connection) -> Sequence[Listener]:
        """Return every workflow that is switched on, in the order of their positions."""
        rows = await connection.fetch(_VERSIONS)
        keys = [(row["id"], row["version"]) for row in rows]
        known = {key: self._known[key] for key in keys if key in self._known}
        new = [key[0] for key in keys if key not in known]
        for row in await connection.fetch(_WORKFLOWS, new) if new else ():
            known[row["id"], row["version"]] = _compiled(row)
        self._known = known
        return [known[key] for key in keys if key in known]


def _compiled(row: asyncpg.Record) -> Listener:
    conditions, wait_s, problem = None, 0, ""
    try:
        conditions = conditions_of(row["trigger_params"])
        wait_s = duration_s(row["wait"], WAIT) if row["wait"] else 0
    except MemoryError:
        raise  # says nothing of the workflow, and what is returned is kept
    except Exception as error:
        log.exception("a workflow cannot be read", workflow_id=str(row["id"]))
        problem = f"it cannot be read: {error}"
    name = json.dumps(row["name"])
    return Listener(
        id=row["id"],
        name=row["name"],
        integration_id=row["integration_id"],
        triggers=frozenset(row["triggers"]),
        conditions=None if problem else conditions,
        problem=problem,
        looks_at_payload=any(row["trigger_params"].get(param) for param in PAYLOAD_PARAMS),
        wait_s=wait_s,
        runs_per_minute_max=row["runs_per_minute_max"],
        task_types=frozenset(row["task_types"]),
        head=f'{{"workflow_id": "{row["id"]}", "workflow": {name}',
    )


_VERSIONS = """
SELECT id, version FROM workflows WHERE enabled AND removed_at IS NULL ORDER BY position, id
"""

_WORKFLOWS = """
SELECT w.id, version, name, integration_id, triggers, trigger_params, wait, runs_per_minute_max,
    ARRAY(SELECT t.task_params ->> 'task_type' FROM workflow_tasks t
          WHERE t.workflow_id = w.id AND t.enabled) AS task_types
FROM workflows w WHERE w.id = ANY($1::uuid[])
"""
