"""the audit log has before and after of what people do to alerts, the directory and queues."""

from collections.abc import Sequence

from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

AUDIT_ASKED = """
CREATE FUNCTION pagersync_audit_asked(
    audited text, ignored text[] DEFAULT '{}', events text DEFAULT 'INSERT OR UPDATE OR DELETE'
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    arguments text := (
        SELECT string_agg(quote_literal(name), ', ')
        FROM unnest('{created_at,updated_at,version}'::text[] || ignored) AS name);
BEGIN
    EXECUTE format(
        'CREATE TRIGGER %I AFTER %s ON %I FOR EACH ROW WHEN ('
        '    nullif(current_setting(''pagersync.actor'', true), '''')::jsonb ->> ''kind'''
        '        <> ''system'''
        ') EXECUTE FUNCTION pagersync_audit_row(%s)',
        audited || '_audit', events, audited, arguments);
END
$$
"""
"""As `pagersync_audit`, for tables that pagersync itself writes by the thousand: what nobody asked
for costs the look at one setting."""

SHOWN = """
CREATE OR REPLACE FUNCTION pagersync_audit_shown(key text, value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
SELECT CASE
    WHEN value = 'null' THEN value
    WHEN key ~ '(_encrypted|sha256|secret|token|password)$' THEN '"(hidden)"'
    WHEN key = 'task_params' AND value ->> 'task_type' = 'http_client' THEN (
        SELECT jsonb_object_agg(p.key, CASE
            WHEN p.value = 'null' THEN p.value
            WHEN p.key IN ('headers', 'params', 'body') THEN '"(hidden)"'
            WHEN p.key = 'event_url' THEN pagersync_audit_shown('url', p.value)
            ELSE pagersync_audit_shown(p.key, p.value) END)
        FROM jsonb_each(value) AS p)
    WHEN key IN ('url', 'external_url') THEN to_jsonb(regexp_replace(
        regexp_replace(value #>> '{}', '[?#].*$', '?(hidden)'), '//[^/@]*@', '//'))
    ELSE value END
$$
"""
"""Addresses without their query, wherever they stand."""

QUEUE = "lock_key,lease_token,leased_until"
ASKED = {
    "alerts": "'{fold,data}'",
    "alert_events": "'{content_sha256}'",
    "directory_entries": (
        "'{prefix_id,name,name_key,slug,emails,time_zone,member_ids,fetched_at,missing_since}', "
        "'UPDATE'"
    ),
    "operations": f"'{{{QUEUE}}}', 'UPDATE'",
    "domain_events": f"'{{{QUEUE}}}', 'UPDATE'",
    "webhook_deliveries": f"'{{{QUEUE}}}', 'UPDATE'",
    "workflow_runs": f"'{{{QUEUE}}}', 'UPDATE'",
}


def upgrade() -> None:
    op.execute(SHOWN)
    op.execute(AUDIT_ASKED)
    for table, arguments in ASKED.items():
        op.execute(f"SELECT pagersync_audit_asked('{table}', {arguments})")


def downgrade() -> None:
    """Take the triggers away; what hides more than before stays as it is."""
    for table in ASKED:
        op.execute(f"DROP TRIGGER {table}_audit ON {table}")
    op.execute("DROP FUNCTION pagersync_audit_asked(text, text[], text)")
