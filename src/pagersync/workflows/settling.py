"""Tasks as they are saved: with PagerTree's ids of whom they name, and masks for their secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.integrations.vault import Vault
from pagersync.workflows.http_secrets import secure_task, secure_tasks
from pagersync.workflows.task_references import settle_task, settle_tasks


@dataclass(frozen=True, slots=True)
class Settling:
    """What tasks of one workflow are settled with.

    Attributes:
        vault: encrypts the secrets that stand in calls.
        saved: the `task_params` of the workflow that are saved already.
        integration_id: the account of the workflow.
        kind: its `trigger_type`.
    """

    session: AsyncSession
    vault: Vault | None
    saved: Sequence[Mapping[str, Any]]
    integration_id: UUID | None
    kind: str

    async def values(self, values: Mapping[str, Any], pointer: str) -> Mapping[str, Any]:
        """Return a workflow's values with its tasks settled, if they have tasks.

        Raises:
            ManyInvalidError: they name what fits nobody, or several, or a secret that there is not.
        """
        if not values.get("tasks"):
            return values
        integration_id = values.get("integration_id", self.integration_id)
        where = f"{pointer}/tasks"
        tasks: Sequence[Mapping[str, Any]] = await settle_tasks(
            self.session,
            values["tasks"],
            self.saved,
            integration_id=integration_id,
            trigger_type=values.get("trigger_params", {}).get("trigger_type") or self.kind,
            pointer=where,
        )
        tasks = await secure_tasks(
            self.session,
            self.vault,
            tasks,
            self.saved,
            integration_id=integration_id,
            pointer=where,
        )
        return {**values, "tasks": tasks}

    async def params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of one task, settled.

        Raises:
            ManyInvalidError: as `values`.
        """
        settled = await settle_task(
            self.session, params, self.saved, self.integration_id, self.kind
        )
        return await secure_task(
            self.session, self.vault, settled, self.saved, integration_id=self.integration_id
        )
