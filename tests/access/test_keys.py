"""API keys: what opens the API, and what each scope allows."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from pagersync.access.keys import allows, create_key, list_keys, revoke_key
from pagersync.access.models import Scope
from pagersync.app import create_app
from pagersync.database.engine import Sessions
from pagersync.errors import NotFoundError
from pagersync.http import AsyncClient
from pagersync.settings import Settings


@pytest.mark.parametrize(
    ("held", "allowed"),
    [
        (Scope.READ, {Scope.READ}),
        (Scope.PAGE, {Scope.READ, Scope.PAGE}),
        (Scope.WRITE, {Scope.READ, Scope.PAGE, Scope.WRITE}),
        (Scope.ADMIN, set(Scope)),
    ],
)
def test_each_scope_includes_the_lesser_ones(held: Scope, allowed: set[Scope]) -> None:
    assert {scope for scope in Scope if allows([held.value], scope)} == allowed


async def test_a_key_works_until_it_expires_or_is_revoked(server: str, sessions: Sessions) -> None:
    async with sessions.begin() as session:
        good = await create_key(session, "good", [Scope.READ])
        late = await create_key(
            session, "late", [Scope.READ], expires_at=datetime.now(UTC) - timedelta(seconds=1)
        )

    async def status(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        async with AsyncClient(base_url=server, headers=headers, trust_env=False) as client:
            return (await client.get("/v1/alerts")).status_code

    assert (await status(good.token), await status(late.token)) == (200, 401)
    async with sessions() as session:
        used = {key.name: key.last_used_at for key in await list_keys(session)}
    assert used["good"] is not None
    assert used["late"] is None
    async with sessions.begin() as session:
        await revoke_key(session, good.key.id)
    assert await status(good.token) == 401
    with pytest.raises(NotFoundError):
        async with sessions.begin() as session:
            await revoke_key(session, good.key.id)


NEEDED = {
    "listFindings": Scope.READ,
    "listAlerts": Scope.READ,
    "getAlert": Scope.READ,
    "listAlertEvents": Scope.READ,
    "listDeliveries": Scope.READ,
    "getDelivery": Scope.READ,
    "replayDelivery": Scope.WRITE,
    "replayDeliveries": Scope.WRITE,
    "listIntegrations": Scope.READ,
    "getIntegration": Scope.READ,
    "createIntegration": Scope.ADMIN,
    "changeIntegration": Scope.ADMIN,
    "removeIntegration": Scope.ADMIN,
    "rotateSecret": Scope.ADMIN,
    "createAlert": Scope.PAGE,
    "updateAlert": Scope.PAGE,
    "snoozeAlert": Scope.PAGE,
    "listAlertEventsFeed": Scope.READ,
    "createAlertEvent": Scope.PAGE,
    "getAlertEvent": Scope.READ,
    "updateAlertEvent": Scope.PAGE,
    "deleteAlertEvent": Scope.PAGE,
    "acknowledgeAlert": Scope.PAGE,
    "resolveAlert": Scope.PAGE,
    "escalateAlert": Scope.PAGE,
    "createIncident": Scope.WRITE,
    "listIncidents": Scope.READ,
    "getIncident": Scope.READ,
    "updateIncident": Scope.WRITE,
    "mitigateIncident": Scope.WRITE,
    "resolveIncident": Scope.WRITE,
    "cancelIncident": Scope.WRITE,
    "triageIncident": Scope.WRITE,
    "restartIncident": Scope.WRITE,
    "markAsDuplicateIncident": Scope.WRITE,
    "unmarkAsDuplicateIncident": Scope.WRITE,
    "deleteIncident": Scope.WRITE,
    "attachAlert": Scope.WRITE,
    "listIncidentAlerts": Scope.READ,
    "createIncidentEvent": Scope.WRITE,
    "listIncidentEvents": Scope.READ,
    "getIncidentEvents": Scope.READ,
    "updateIncidentEvent": Scope.WRITE,
    "deleteIncidentEvent": Scope.WRITE,
    "createSeverity": Scope.WRITE,
    "listSeverities": Scope.READ,
    "getSeverity": Scope.READ,
    "updateSeverity": Scope.WRITE,
    "deleteSeverity": Scope.WRITE,
    "createPage": Scope.PAGE,
    "listPages": Scope.READ,
    "getPage": Scope.READ,
    "listOperations": Scope.READ,
    "getOperation": Scope.READ,
    "redriveOperation": Scope.PAGE,
    "cancelOperation": Scope.PAGE,
    "listDomainEvents": Scope.READ,
    "getDomainEvent": Scope.READ,
    "getIncidentTrace": Scope.READ,
    "getAlertTrace": Scope.READ,
    "getPageTrace": Scope.READ,
    "listTeams": Scope.READ,
    "getTeam": Scope.READ,
    "createTeam": Scope.WRITE,
    "updateTeam": Scope.WRITE,
    "deleteTeam": Scope.WRITE,
    "getCurrentOncall": Scope.READ,
    "listUsers": Scope.READ,
    "getUser": Scope.READ,
    "getCurrentUser": Scope.READ,
    "updateUser": Scope.WRITE,
    "deleteUser": Scope.WRITE,
    "listRouters": Scope.READ,
    "getRouter": Scope.READ,
    "syncDirectory": Scope.WRITE,
    "previewWorkflow": Scope.READ,
    "createWorkflow": Scope.WRITE,
    "listWorkflows": Scope.READ,
    "getWorkflow": Scope.READ,
    "updateWorkflow": Scope.WRITE,
    "deleteWorkflow": Scope.WRITE,
    "createWorkflowTask": Scope.WRITE,
    "listWorkflowTasks": Scope.READ,
    "getWorkflowTask": Scope.READ,
    "updateWorkflowTask": Scope.WRITE,
    "deleteWorkflowTask": Scope.WRITE,
    "createWorkflowRun": Scope.PAGE,
    "ListWorkflowRuns": Scope.READ,
    "createWebhooksEndpoint": Scope.ADMIN,
    "listWebhooksEndpoints": Scope.READ,
    "getWebhooksEndpoint": Scope.READ,
    "updateWebhooksEndpoint": Scope.ADMIN,
    "deleteWebhooksEndpoint": Scope.ADMIN,
    "rotateWebhooksEndpointSecret": Scope.ADMIN,
    "listWebhooksDeliveries": Scope.READ,
    "getWebhooksDelivery": Scope.READ,
    "deliverWebhooksDelivery": Scope.WRITE,
    "getWorkflowRun": Scope.READ,
    "redriveDomainEvent": Scope.WRITE,
    "cancelWorkflowRun": Scope.PAGE,
    "retryWorkflowRun": Scope.PAGE,
    "createSecret": Scope.ADMIN,
    "listSecrets": Scope.ADMIN,
    "getSecret": Scope.ADMIN,
    "changeSecret": Scope.ADMIN,
    "replaceSecret": Scope.ADMIN,
    "deleteSecret": Scope.ADMIN,
    "createApiKey": Scope.ADMIN,
    "listApiKeys": Scope.ADMIN,
    "getCurrentApiKey": Scope.READ,
    "getApiKey": Scope.ADMIN,
    "changeApiKey": Scope.ADMIN,
    "replaceApiKey": Scope.ADMIN,
    "rotateApiKey": Scope.ADMIN,
    "revokeApiKey": Scope.ADMIN,
    "listAudit": Scope.ADMIN,
    "getAudit": Scope.ADMIN,
}


async def test_every_operation_asks_for_its_scope(
    server: str, sessions: Sessions, settings: Settings
) -> None:
    paths = create_app(settings).openapi()["paths"]
    operations = {
        operation["operationId"]: (method, path)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if path.startswith("/v1/")
    }
    assert operations.keys() == NEEDED.keys()
    for held in Scope:
        async with sessions.begin() as session:
            token = (await create_key(session, held.value, [held])).token
        headers = {"Authorization": f"Bearer {token}"}
        async with AsyncClient(base_url=server, headers=headers, trust_env=False) as client:
            for name, (method, path) in operations.items():
                url = re.sub(r"{\w+}", "x", path)
                answer = await client.request(method, url)
                is_forbidden = answer.status_code == 403
                assert is_forbidden != allows([held.value], NEEDED[name]), (name, held)
                if is_forbidden:
                    assert NEEDED[name].value in answer.json()["errors"][0]["detail"]
