"""The audit log: who changed what, when, from where; and nobody changes it."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.access.keys import create_key
from pagersync.access.models import ApiKey, AuditEntry, Scope
from pagersync.database.base import Base
from pagersync.database.caller import CALLER, SYSTEM, Caller
from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient, Response
from pagersync.incidents.models import Severity
from pagersync.settings import Settings
from tests.support.program import Setup
from tests.support.wait import eventually

AUDITED = {
    "secrets",
    "api_keys",
    "incident_alerts",
    "incident_events",
    "incidents",
    "integrations",
    "pages",
    "severities",
    "webhook_endpoints",
    "webhook_secrets",
    "webhook_signing_secrets",
    "workflow_tasks",
    "workflows",
}
AUDITED_WHERE_ASKED = {
    "alert_events",
    "alerts",
    "directory_entries",
    "domain_events",
    "operations",
    "webhook_deliveries",
    "workflow_runs",
}
"""What pagersync does to these by itself, their own rows say."""
NOT_AUDITED = {
    "alerts_per_day": "a count",
    "attempts": "written by the sender, and never changed",
    "audit_log": "is it",
    "deliveries": "a queue; its bodies are large, and a replay is in the log as an act",
    "idempotency_keys": "of a request that is in the log by itself",
    "incident_numbers": "a count",
    "directory_watches": "what is doubted and broken in a directory, as the last sync found it",
    "integration_gates": "how PagerTree's API is doing",
    "retention_runs": "what retention did last",
    "last_backup": "when a backup was made",
    "search_lags": "how PagerTree's search is doing",
    "processes": "which processes of pagersync run",
    "request_counts": "a count",
    "secret_key_fingerprint": "made of the secret key, by commands that an operator runs",
    "webhook_attempts": "written by the sender, and never changed",
    "verdict_sets": "what conditions came to",
    "unpaged": "what the check found; the timeline and an event say so",
    "webhook_refusals": "a count",
    "sealed_values": "what a mask stands for; what has the mask is audited",
    "requester_minutes": "a count",
    "workflow_minutes": "a count",
    "workflow_task_runs": "what a run did",
}
"""Every table is in one of the three: a new one has to be decided about."""


def severity(**attributes: Any) -> dict[str, Any]:
    given = {"name": "Fatal", "severity": "critical", **attributes}
    return {"data": {"type": "severities", "attributes": given}}


async def entries(sessions: Sessions, **where: Any) -> list[AuditEntry]:
    """Return entries, oldest first."""
    async with sessions() as session:
        statement = select(AuditEntry).filter_by(**where).order_by(AuditEntry.id)
        return list(await session.scalars(statement))


def good(answer: Response) -> Any:
    assert answer.status_code // 100 == 2, answer.text
    return answer.json()["data"] if answer.content else None


async def test_a_change_is_kept_with_who_what_and_from_where(
    api: AsyncClient, sessions: Sessions
) -> None:
    made = good(await api.post("/v1/severities", json=severity(color="#ff0000")))
    await api.put(f"/v1/severities/{made['id']}", json=severity(name="Deadly", color="#ff0000"))
    await api.delete(f"/v1/severities/{made['id']}")
    created, changed, removed = await entries(sessions, resource_type="severities")
    async with sessions() as session:
        key = (await session.scalars(select(ApiKey))).one()
    for entry in (created, changed, removed):
        who = (entry.actor_kind, entry.actor_id, entry.actor_name, entry.address)
        assert who == ("api_key", key.id, "test", "127.0.0.1")
        assert entry.resource_id == made["id"]
    assert (created.operation, created.action, created.before) == (
        "createSeverity",
        "create",
        None,
    )
    assert created.after is not None
    assert created.after["name"] == "Fatal"
    assert (changed.operation, changed.action) == ("updateSeverity", "update")
    assert (changed.before, changed.after) == ({"name": "Fatal"}, {"name": "Deadly"})
    assert (removed.operation, removed.action, removed.after) == (
        "deleteSeverity",
        "delete",
        None,
    )
    assert removed.before is not None
    assert removed.before["color"] == "#ff0000"


async def test_what_was_only_asked_or_refused_is_not_in_it(
    api: AsyncClient, sessions: Sessions
) -> None:
    good(await api.post("/v1/severities", json=severity()))
    before = len(await entries(sessions))
    refusals = [
        await api.post("/v1/severities", json=severity()),
        await api.post("/v1/severities", json=severity(name="")),
        await api.delete(f"/v1/severities/{uuid4()}"),
        await api.post(f"/v1/deliveries/{uuid4()}/replay"),
    ]
    assert {answer.status_code for answer in refusals} == {404, 409, 422}
    good(await api.get("/v1/severities"))
    good(await api.post("/v1/deliveries/replay"))
    assert len(await entries(sessions)) == before


async def test_a_request_that_is_sent_again_stands_once(
    api: AsyncClient, sessions: Sessions
) -> None:
    for _ in range(2):
        good(await api.post("/v1/severities", json=severity(), headers={"Idempotency-Key": "k"}))
    assert len(await entries(sessions, operation="createSeverity")) == 1


async def test_the_use_of_a_key_is_no_change_of_it(api: AsyncClient, sessions: Sessions) -> None:
    good(await api.get("/v1/api_keys/current"))
    async with sessions() as session:
        assert (await session.scalars(select(ApiKey.last_used_at))).one() is not None
    assert [entry.action for entry in await entries(sessions)] == ["create"]


async def test_commands_say_who_typed_them(
    settings: Settings, sessions: Sessions, tmp_path: Any
) -> None:
    assert settings.database_url is not None
    url = settings.database_url.get_secret_value()
    setup = Setup(tmp_path, {"PAGERSYNC_DATABASE_URL": url})
    await setup.tell("keys", "create", "typed", "--scope", "read")
    (entry,) = await entries(sessions)
    assert (entry.actor_kind, entry.operation) == ("cli", "keys create")
    assert entry.resource_type == "api_keys"
    assert entry.actor_name


async def test_what_nobody_asked_for_is_the_systems(sessions: Sessions) -> None:
    run = uuid4()
    token = CALLER.set(Caller(kind=SYSTEM, id=run, name="workflow_run", is_audited=True))
    async with sessions.begin() as session:
        session.add(Severity(name="a", slug="a", severity="high", position=1))
    CALLER.reset(token)
    async with sessions.begin() as session:
        session.add(Severity(name="b", slug="b", severity="high", position=2))
    of_run, of_nobody = await entries(sessions)
    assert (of_run.actor_kind, of_run.actor_id, of_run.actor_name) == (
        "system",
        run,
        "workflow_run",
    )
    assert (of_nobody.actor_kind, of_nobody.actor_id) == ("system", None)


async def test_what_a_workflow_does_names_its_run(api: AsyncClient, sessions: Sessions) -> None:
    task = {"task_type": "add_to_timeline", "event": "seen"}
    attributes = {
        "name": "Note",
        "trigger_params": {"trigger_type": "incident", "triggers": ["incident_created"]},
        "tasks": [{"name": "note", "task_params": task}],
    }
    body = {"data": {"type": "workflows", "attributes": attributes}}
    workflow = good(await api.post("/v1/workflows", json=body))
    incident = {"data": {"type": "incidents", "attributes": {"title": "x"}}}
    good(await api.post("/v1/incidents", json=incident))

    async def by_run() -> list[AuditEntry]:
        return await entries(sessions, actor_name="workflow_run", resource_type="incident_events")

    found = await eventually(by_run)
    runs = good(await api.get(f"/v1/workflows/{workflow['id']}/workflow_runs"))
    assert {str(entry.actor_id) for entry in found} == {run["id"] for run in runs}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET actor_name = 'somebody else'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "SELECT set_config('pagersync.audit_retention', 'yes', true); DELETE FROM audit_log",
    ],
)
async def test_it_is_append_only(engine: AsyncEngine, token: str, statement: str) -> None:
    assert token  # its making is the entry
    async with engine.connect() as connection:
        *before, last = statement.split(";")
        for each in before:
            await connection.execute(text(each))
        with pytest.raises(DBAPIError, match="append-only"):
            await connection.execute(text(last))
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM audit_log")) == 1


async def test_what_is_old_enough_goes_by_the_one_way_out(
    engine: AsyncEngine, sessions: Sessions, token: str
) -> None:
    assert token
    insert = """
    INSERT INTO audit_log (id, actor_kind, action, resource_id, created_at)
    SELECT gen_random_uuid(), 'system', 'act', days::text, now() - make_interval(days => days)
    FROM unnest('{5, 50}'::int[]) AS days
    """
    async with engine.begin() as connection:
        await connection.execute(text(insert))
        for days, removed in ((30, 1), (30, 0), (0, 1)):
            call = text(f"SELECT pagersync_remove_old_audit({days}, 100)")
            assert await connection.scalar(call) == removed
    assert [entry.action for entry in await entries(sessions)] == ["create"]


async def test_every_table_is_audited_or_is_not_for_a_reason(engine: AsyncEngine) -> None:
    triggers = "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE '%_audit'"
    async with engine.connect() as connection:
        assert set(await connection.scalars(text(triggers))) == AUDITED | AUDITED_WHERE_ASKED
        asked = set(await connection.scalars(text(f"{triggers} AND tgqual IS NOT NULL")))
    assert asked == AUDITED_WHERE_ASKED
    decided = [*AUDITED, *AUDITED_WHERE_ASKED, *NOT_AUDITED]
    assert sorted(decided) == sorted(Base.metadata.tables)


async def test_no_column_of_bytes_is_shown(engine: AsyncEngine) -> None:
    shown = text("SELECT pagersync_audit_shown(:name, '\"x\"') #>> '{}'")
    async with engine.connect() as connection:
        for name in AUDITED:
            for column in Base.metadata.tables[name].columns:
                if column.type.python_type is bytes:
                    value = await connection.scalar(shown, {"name": column.name})
                    assert value == "(hidden)", column


async def test_no_secret_is_in_it(
    api: AsyncClient, sessions: Sessions, engine: AsyncEngine
) -> None:
    planted = [f"planted-{number}" for number in range(5)]
    attributes = {"name": "acme", "api_key": planted[0], "verify_api_key": False}
    body: dict[str, Any] = {"data": {"type": "integrations", "attributes": attributes}}
    made = good(await api.post("/v1/integrations", json=body))
    rotated = good(await api.post(f"/v1/integrations/{made['id']}/rotate_secret"))
    body["data"]["attributes"] = {"api_key": planted[1], "verify_api_key": False}
    good(await api.patch(f"/v1/integrations/{made['id']}", json=body))
    call = {
        "task_type": "http_client",
        "url": f"https://me:{planted[2]}@hooks.example.com/x?key={planted[3]}",
        "headers": f'{{"Authorization": "{planted[4]}"}}',
        "succeed_on_status": "200",
    }
    attributes = {
        "name": "Call",
        "trigger_params": {"trigger_type": "incident", "triggers": ["incident_created"]},
        "tasks": [{"name": "call", "task_params": call}],
    }
    body = {"data": {"type": "workflows", "attributes": attributes}}
    answer = await api.post("/v1/workflows", json=body)
    if answer.status_code == 422:  # an address that carries a password may be refused
        call["url"] = f"https://hooks.example.com/x?key={planted[3]}"
        answer = await api.post("/v1/workflows", json=body)
    good(answer)
    key = {"data": {"type": "api_keys", "attributes": {"name": "k", "scopes": ["read"]}}}
    new = good(await api.post("/v1/api_keys", json=key))
    again = good(await api.post(f"/v1/api_keys/{new['id']}/rotate"))
    planted += [each["attributes"]["webhook_secret"] for each in (made, rotated)]
    planted += [each["attributes"]["token"] for each in (new, again)]
    async with engine.connect() as connection:
        rows = await connection.scalars(text("SELECT a::text FROM audit_log AS a"))
        written = "\n".join(rows)
        hashes = await connection.scalars(
            text(
                "SELECT encode(token_sha256, 'hex') FROM api_keys UNION ALL "
                "SELECT encode(sha256, 'hex') FROM webhook_secrets UNION ALL "
                "SELECT encode(api_key_encrypted, 'hex') FROM integrations"
            )
        )
        planted += list(hashes)
    assert "hooks.example.com/x" in written
    assert [secret for secret in planted if secret in written] == []
    (hidden,) = await entries(sessions, operation="changeIntegration")
    assert hidden.after is not None
    assert hidden.after["api_key_encrypted"] == "(hidden)"


async def test_it_is_listed_filtered_and_paged(api: AsyncClient, sessions: Sessions) -> None:
    for name in ("A", "B", "C"):
        good(await api.post("/v1/severities", json=severity(name=name)))
    (key,) = await entries(sessions, resource_type="api_keys")

    async def names(query: str) -> list[str]:
        found = good(await api.get(f"/v1/audit?{query}"))
        return [row["attributes"]["after"]["name"] for row in found]

    assert await names("") == ["C", "B", "A", "test"]
    assert await names("filter[operation]=createSeverity") == ["C", "B", "A"]
    assert await names("filter[resource_type]=api_keys") == ["test"]
    assert await names(f"filter[resource_id]={key.resource_id}") == ["test"]
    assert await names("filter[actor_kind]=system") == ["test"]
    assert await names(f"filter[actor_id]={key.resource_id}") == ["C", "B", "A"]
    assert await names("filter[created_at][gt]=2999-01-01T00:00:00Z") == []
    first = (await api.get("/v1/audit?page[size]=3")).json()
    following = (await api.get(first["links"]["next"])).json()
    assert [row["attributes"]["after"]["name"] for row in following["data"]] == ["test"]
    one = good(await api.get(f"/v1/audit/{first['data'][0]['id']}"))
    assert one == first["data"][0]
    assert (await api.get(f"/v1/audit/{uuid4()}")).status_code == 404


async def test_only_admins_read_it(server: str, sessions: Sessions) -> None:
    async with sessions.begin() as session:
        token = (await create_key(session, "w", [Scope.WRITE])).token
    headers = {"Authorization": f"Bearer {token}"}
    async with AsyncClient(base_url=server, headers=headers, trust_env=False) as client:
        for path in ("/v1/audit", f"/v1/audit/{UUID(int=1)}"):
            assert (await client.get(path)).status_code == 403
