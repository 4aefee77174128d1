"""keys are bound, rotated and counted; what people change is in an audit log."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

UUID7 = """
CREATE FUNCTION pagersync_uuid7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
SELECT encode(set_bit(set_bit(overlay(
    uuid_send(gen_random_uuid())
    PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
    FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$
"""
"""PostgreSQL has such a function of its own from version 18 on."""

SHOWN = """
CREATE FUNCTION pagersync_audit_shown(key text, value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
SELECT CASE
    WHEN value = 'null' THEN value
    WHEN key ~ '(_encrypted|sha256|secret|token|password)$' THEN '"(hidden)"'
    WHEN key = 'task_params' AND value ->> 'task_type' = 'http_client' THEN (
        SELECT jsonb_object_agg(p.key, CASE
            WHEN p.value = 'null' THEN p.value
            WHEN p.key IN ('headers', 'params', 'body') THEN '"(hidden)"'
            WHEN p.key IN ('url', 'event_url')
            THEN to_jsonb(regexp_replace(
                regexp_replace(p.value #>> '{}', '[?#].*$', '?(hidden)'), '//[^/@]*@', '//'))
            ELSE p.value END)
        FROM jsonb_each(value) AS p)
    ELSE value END
$$
"""
"""A value as the audit log may keep it: nothing that opens something."""

NOTE = """
CREATE FUNCTION pagersync_audit_note(
    action text, resource_type text, resource_id text,
    before jsonb DEFAULT NULL, after jsonb DEFAULT NULL
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    actor jsonb := coalesce(nullif(current_setting('pagersync.actor', true), ''), '{}')::jsonb;
BEGIN
    INSERT INTO audit_log (id, actor_kind, actor_id, actor_name, operation, address, request_id,
                           action, resource_type, resource_id, before, after)
    VALUES (pagersync_uuid7(), coalesce(actor ->> 'kind', 'system'), (actor ->> 'id')::uuid,
            actor ->> 'name', actor ->> 'operation', actor ->> 'address', actor ->> 'request_id',
            action, resource_type, resource_id, before, after);
    PERFORM set_config('pagersync.audited', 'yes', true);
END
$$
"""

ROW = """
CREATE FUNCTION pagersync_audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - TG_ARGV END;
    new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - TG_ARGV END;
    row_id text := coalesce(new_row ->> 'id', old_row ->> 'id',
                            new_row ->> 'incident_id', old_row ->> 'incident_id');
    before jsonb;
    after jsonb;
BEGIN
    SELECT jsonb_object_agg(key, pagersync_audit_shown(key, value)) INTO before
    FROM jsonb_each(old_row) WHERE value IS DISTINCT FROM new_row -> key;
    SELECT jsonb_object_agg(key, pagersync_audit_shown(key, value)) INTO after
    FROM jsonb_each(new_row) WHERE value IS DISTINCT FROM old_row -> key;
    IF before IS NULL AND after IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM pagersync_audit_note(
        CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'UPDATE' THEN 'update' ELSE 'delete' END,
        TG_TABLE_NAME::text, row_id, before, after);
    RETURN NULL;
END
$$
"""

AUDIT = """
CREATE FUNCTION pagersync_audit(
    audited text, ignored text[] DEFAULT '{}', events text DEFAULT 'INSERT OR UPDATE OR DELETE'
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    arguments text := (
        SELECT string_agg(quote_literal(name), ', ')
        FROM unnest('{created_at,updated_at,version,search}'::text[] || ignored) AS name);
BEGIN
    EXECUTE format(
        'CREATE TRIGGER %I AFTER %s ON %I FOR EACH ROW EXECUTE FUNCTION pagersync_audit_row(%s)',
        audited || '_audit', events, audited, arguments);
END
$$
"""
"""What a later migration calls for a table of its own: `SELECT pagersync_audit('its_name')`."""

KEEP = """
CREATE FUNCTION pagersync_audit_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF current_setting('pagersync.audit_retention', true) = 'yes'
            AND OLD.created_at < now() - interval '1 day' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only: % is refused', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$
"""

APPEND_ONLY = """
CREATE TRIGGER audit_log_rows BEFORE UPDATE OR DELETE ON audit_log
FOR EACH ROW EXECUTE FUNCTION pagersync_audit_keep()
"""

APPEND_ONLY_AS_A_WHOLE = """
CREATE TRIGGER audit_log_whole BEFORE TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION pagersync_audit_keep()
"""

RETENTION = """
CREATE FUNCTION pagersync_remove_old_audit(days integer, rows_max integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    removed bigint;
BEGIN
    PERFORM set_config('pagersync.audit_retention', 'yes', true);
    DELETE FROM audit_log WHERE id IN (
        SELECT id FROM audit_log
        WHERE created_at < now() - make_interval(days => greatest(days, 1))
        ORDER BY id LIMIT rows_max);
    GET DIAGNOSTICS removed = ROW_COUNT;
    PERFORM set_config('pagersync.audit_retention', '', true);
    RETURN removed;
END
$$
"""
"""The one way out of the audit log: by age."""

SYNC_COLUMNS = "{directory_sync_at,directory_synced_at,directory_error}"
AUDITED = (
    "SELECT pagersync_audit('api_keys', '{last_used_at}')",
    f"SELECT pagersync_audit('integrations', '{SYNC_COLUMNS}')",
    "SELECT pagersync_audit('webhook_secrets')",
    "SELECT pagersync_audit('workflows')",
    "SELECT pagersync_audit('workflow_tasks')",
    "SELECT pagersync_audit('severities')",
    "SELECT pagersync_audit('incidents')",
    "SELECT pagersync_audit('incident_events')",
    "SELECT pagersync_audit('incident_alerts')",
    "SELECT pagersync_audit('pages', events => 'INSERT')",
)
TABLES = (
    *("api_keys", "integrations", "webhook_secrets", "workflows", "workflow_tasks"),
    *("severities", "incidents", "incident_events", "incident_alerts", "pages"),
)
FUNCTIONS = (
    "pagersync_remove_old_audit(integer, integer)",
    "pagersync_audit_keep()",
    "pagersync_audit(text, text[], text)",
    "pagersync_audit_row()",
    "pagersync_audit_note(text, text, text, jsonb, jsonb)",
    "pagersync_audit_shown(text, jsonb)",
    "pagersync_uuid7()",
)


def upgrade() -> None:
    _keys()
    _counts()
    _log()
    for function in (UUID7, SHOWN, NOTE, ROW, AUDIT, KEEP, RETENTION):
        op.execute(function)
    for statement in (APPEND_ONLY, APPEND_ONLY_AS_A_WHOLE, *AUDITED):
        op.execute(statement)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TRIGGER {table}_audit ON {table}")
    op.drop_table("audit_log")
    op.drop_table("request_counts")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    op.drop_constraint("api_keys_integration_id_fkey", "api_keys", type_="foreignkey")
    op.drop_constraint("api_keys_origin_key", "api_keys", type_="unique")
    op.drop_constraint("api_keys_old_token_sha256_key", "api_keys", type_="unique")
    for column in (
        *("updated_at", "version", "origin", "integration_id", "old_expires_at"),
        "old_token_sha256",
    ):
        op.drop_column("api_keys", column)


def _keys() -> None:
    op.add_column("api_keys", sa.Column("old_token_sha256", sa.LargeBinary(), nullable=True))
    op.add_column(
        "api_keys", sa.Column("old_expires_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("api_keys", sa.Column("integration_id", sa.Uuid(), nullable=True))
    op.add_column("api_keys", sa.Column("origin", sa.Text(), nullable=True))
    op.add_column(
        "api_keys", sa.Column("version", sa.BigInteger(), server_default="1", nullable=False)
    )
    op.add_column(
        "api_keys",
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    )
    op.create_unique_constraint(
        op.f("api_keys_old_token_sha256_key"), "api_keys", ["old_token_sha256"]
    )
    op.create_unique_constraint(op.f("api_keys_origin_key"), "api_keys", ["origin"])
    op.create_foreign_key(
        op.f("api_keys_integration_id_fkey"),
        "api_keys",
        "integrations",
        ["integration_id"],
        ["id"],
    )


def _counts() -> None:
    op.create_table(
        "request_counts",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("minute", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("used_before", sa.BigInteger(), nullable=False),
        sa.Column("allowed_max", sa.BigInteger(), nullable=False),
        sa.Column("is_refused", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "kind", name=op.f("request_counts_pkey")),
        prefixes=["UNLOGGED"],
        postgresql_with={"fillfactor": 50},
    )
    op.create_index("request_counts_minute_idx", "request_counts", ["minute"])


def _log() -> None:
    texts = ("operation", "resource_type", "resource_id", "address", "request_id")
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=True) for name in texts),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_log_pkey")),
    )
    op.create_index("audit_log_resource_idx", "audit_log", ["resource_type", "resource_id", "id"])
    op.create_index("audit_log_actor_idx", "audit_log", ["actor_id", "id"])
