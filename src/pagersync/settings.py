"""Settings: one frozen object, read from `PAGERSYNC_*` variables when a command starts."""

import os
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, HttpUrl, SecretStr, field_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from pagersync.front_settings import FrontSettings, Positive

NotNegative = Annotated[int, Field(ge=0)]


def default_data_dir() -> Path:
    """Where state lives when nobody says: the system's place for root, the user's otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/pagersync")
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "pagersync"


class Settings(FrontSettings):
    """Everything an operator can set. Sizes, counts and times carry their unit in the name."""

    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Directory for the embedded PostgreSQL and the generated secret key. "
        "`/var/lib/pagersync` for root, `~/.local/share/pagersync` otherwise.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="External PostgreSQL (14 or newer), for example "
        "`postgresql://user:password@host/pagersync`. Unset: the embedded one is used.",
    )
    secret_key: SecretStr | None = Field(
        default=None,
        description="Encrypts stored PagerTree API keys, secrets of calls and webhook endpoints, "
        "and answers. Several, separated by commas, rotate it: the first encrypts, all decrypt. "
        "Unset: made once, in `<data_dir>/secret.key`.",
    )
    public_url: HttpUrl | None = Field(
        default=None,
        description="The address at which PagerTree reaches this service; it begins the webhook "
        "URLs. Unset: `http://127.0.0.1:<port>`, which only a simulator reaches.",
    )
    host: str = Field(default="127.0.0.1", description="The address that `serve` listens on.")
    port: int = Field(
        default=8080, ge=0, le=65535, description="The port that `serve` listens on; 0: a free one."
    )
    ops_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="A port of its own, at the same address, for `/metrics`, the details of "
        "`/readyz`, `/docs`, `/redoc` and `/openapi.json`; 0: a free one. The public port then has "
        "none of them. Unset: everything is on the one port.",
    )
    trusted_proxies: str | None = Field(
        default=None,
        description="Addresses of proxies whose `X-Forwarded-For` is believed, separated by "
        "commas; `*`: of all. Unset: nobody's is.",
    )
    admin_key: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="An API key for everything, at least 32 characters. `serve` creates or "
        "restores it when it starts. Unset: the first `serve` on an empty database makes one and "
        "prints it, once.",
    )
    reads_per_minute_max: NotNegative = Field(
        default=3000, description="Requests that only read, for each API key; 0: no limit."
    )
    writes_per_minute_max: NotNegative = Field(
        default=3000, description="Other requests, for each API key; 0: no limit."
    )
    alerts_per_minute_max: NotNegative = Field(
        default=50, description="Alerts created through the API, for each API key; 0: no limit."
    )
    failed_logins_per_minute_max: NotNegative = Field(
        default=30,
        description="Requests without a valid API key, for each source address, before they are "
        "answered 429; 0: no limit. Valid keys are never slowed.",
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="`json` lines, `text` for people, `auto`: text on a terminal."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe level that is logged."
    )
    body_bytes_max: Positive = Field(
        default=1024 * 1024, description="Largest webhook or API request body; over it: 413."
    )
    ingest_batch_rows_max: Positive = Field(
        default=500, description="Most webhook requests stored by one commit."
    )
    ingest_queue_rows_max: Positive = Field(
        default=10_000, description="Most webhook requests waiting to be stored; over it: 503."
    )
    ingest_queue_bytes_max: Positive = Field(
        default=64 * 1024 * 1024,
        description="Most bytes of webhook bodies waiting to be stored; over it: 503.",
    )
    ingest_timeout_s: float = Field(
        default=5, gt=0, description="Longest wait for a commit before a webhook is answered 503."
    )
    apply_batch_rows_max: Positive = Field(
        default=500, description="Most deliveries applied to alerts by one transaction."
    )
    apply_attempts_max: Positive = Field(
        default=8, description="Attempts to apply a delivery before it is kept as dead."
    )
    apply_lease_s: float = Field(
        default=60,
        gt=0,
        description="A worker that holds a delivery for longer is taken for dead, and it is "
        "applied again by another.",
    )
    database_connections_max: Positive = Field(
        default=24,
        description="Connections to PostgreSQL that one process opens at most; fewer than 15 are "
        "taken for 15. A third is for requests, an eighth for what can wait, and the rest for "
        "paging. All processes together need fewer than PostgreSQL's `max_connections`.",
    )
    request_statement_s: float = Field(
        default=10,
        gt=0,
        le=15,
        description="Longest time that one database statement of an API request takes; over it: "
        "503.",
    )
    disk_free_mib_min: NotNegative = Field(
        default=256,
        description="Free MiB on the embedded database's disk. With less, changes that page nobody "
        "are answered 503; with half of it, webhooks and all changes are. 0: no check.",
    )
    preview_cpu_s: float = Field(
        default=3,
        gt=0,
        le=10,
        description="Computing time that a preview, or the check of a workflow's long templates, "
        "may take. They run in a separate process, one at a time.",
    )
    preview_cpu_s_per_minute: float = Field(
        default=20,
        gt=0,
        description="Computing time that previews and checks of long templates of one API key may "
        "take in a minute; over it: 429.",
    )
    retention_days: Positive = Field(
        default=90,
        description="Days to keep deliveries, domain events, workflow runs, webhook deliveries and "
        "attempts. `docs/data.md` has a table of everything that is kept.",
    )
    deliveries_days: Positive | None = Field(
        default=None,
        description="Days to keep deliveries that were applied or ignored. Unset: "
        "`PAGERSYNC_RETENTION_DAYS`.",
    )
    attention_days: NotNegative = Field(
        default=365,
        description="Days to keep deliveries, events and webhook deliveries that failed and wait "
        "for a person; 0: for ever.",
    )
    pages_days: NotNegative = Field(
        default=730,
        description="Days to keep pages that have ended, and operations; 0: for ever. Pages of an "
        "incident are kept as long as the incident.",
    )
    alerts_days: NotNegative = Field(
        default=730,
        description="Days to keep resolved alerts; 0: for ever. Attached alerts are kept as long "
        "as the incident.",
    )
    incidents_days: NotNegative = Field(
        default=3650,
        description="Days to keep incidents after their last change; 0: for ever. Open ones stay.",
    )
    audit_days: Positive = Field(
        default=365, description="How long the audit log keeps its entries."
    )
    idempotency_days: Positive = Field(
        default=30, description="How long the answer to an `Idempotency-Key` is kept."
    )
    backup_age_days: NotNegative = Field(
        default=7,
        description="`pagersync doctor` warns if the last backup of the embedded database is older "
        "than these days; 0: never.",
    )
    secret_grace_hours: float = Field(
        default=24,
        ge=0,
        le=8760,
        description="How long an old webhook secret works after a rotation, PagerTree's and those "
        "that sign outgoing webhooks.",
    )
    pagertree_timeout_s: float = Field(
        default=10, gt=0, description="Longest wait for an answer of PagerTree's API."
    )
    pagertree_calls_per_s: float = Field(
        default=10,
        ge=0.2,
        le=1000,
        description="Calls to PagerTree's API per second and integration, of all processes "
        "together. PagerTree publishes no limit.",
    )
    pagertree_burst_calls: Positive = Field(
        default=20, description="Calls that may go out at once after a quiet time."
    )
    operation_concurrency: Positive = Field(
        default=8, description="Calls to PagerTree that one process makes at the same time."
    )
    operation_attempts_max: Positive = Field(
        default=100,
        description="Attempts at an operation before it is kept as `dead` or `unknown`. The pauses "
        "between them grow to 15 minutes; while PagerTree is away altogether none is used up.",
    )
    operation_lease_s: float = Field(
        default=60,
        gt=0,
        description="A worker that holds an operation for longer is taken for dead. It must be "
        "longer than `PAGERSYNC_PAGERTREE_TIMEOUT_S` by far.",
    )
    search_settle_s: float = Field(
        default=20,
        gt=0,
        description="How long PagerTree's search may lag behind at most. A page that may have been "
        "sent is sent again after this time, if searches do not find it; sooner where the lag was "
        "measured.",
    )
    search_settle: Literal["measured", "careful"] = Field(
        default="measured",
        description="`measured`: the lag of each account's search is measured, and three times the "
        "highest lag is waited for. `careful`: always `PAGERSYNC_SEARCH_SETTLE_S`.",
    )
    page_stuck_s: float = Field(
        default=120,
        gt=0,
        description="A page that PagerTree has but pages nobody for is `stuck` after this time.",
    )
    unpaged_s: float = Field(
        default=60,
        ge=0,
        description="An incident or alert that a workflow should have paged for, and that nobody "
        "was paged for after this time, is an `incident.unpaged` or `alert.unpaged`; 0: no check.",
    )
    unknown_elsewhere_s: float = Field(
        default=300,
        ge=0,
        description="A page that is `unknown`, or waits for an account that cannot be called, for "
        "this time is sent to the default targets of another account, if there is one. One that "
        "failed, or whose account was disabled or removed, is sent there at once. 0: never.",
    )
    workflow_concurrency: Positive = Field(
        default=8,
        description="Workflow runs that one process executes at the same time for one requester. "
        "As many more are for others.",
    )
    workflow_attempts_max: Positive = Field(
        default=8, description="Attempts to go on with a workflow run before it is kept as failed."
    )
    workflow_lease_s: float = Field(
        default=120,
        gt=0,
        description="A worker that holds a task of a workflow run for longer is taken for dead.",
    )
    workflow_depth_max: Positive = Field(
        default=5,
        description="Longest chain of workflow runs that trigger each other. A run beyond it is "
        "`canceled` with the reason, and can be retried.",
    )
    directory_sync_s: float = Field(
        default=900,
        ge=0,
        description="How often the teams, users and routers of each account are listed anew, "
        "give or take a tenth; 0: only on demand.",
    )
    http_client_hosts: str = Field(
        default="",
        description="Hosts that the workflow task `http_client` may call, separated by commas: "
        "`hooks.example.com`, or `*.example.com` for all below it. Unset: none.",
    )
    http_client_private_addresses: bool = Field(
        default=False,
        description="Whether `http_client` may call hosts with private, local or reserved "
        "addresses.",
    )
    http_client_timeout_s: float = Field(
        default=10, gt=0, le=60, description="Longest time that one call of `http_client` takes."
    )

    webhook_concurrency: Positive = Field(
        default=16,
        description="Calls of webhook endpoints that one process makes at the same time; at most "
        "four of them to one endpoint.",
    )
    webhook_timeout_s: float = Field(
        default=15, gt=0, le=60, description="Longest time that one call of an endpoint takes."
    )
    webhook_private_addresses: bool = Field(
        default=False,
        description="Whether webhook endpoints may have private, local or reserved addresses.",
    )

    @field_validator("database_url")
    @classmethod
    def _use_asyncpg(cls, url: SecretStr | None) -> SecretStr | None:
        text = url.get_secret_value().strip() if url else ""
        return SecretStr(_to_asyncpg(text)) if text else None

    @property
    def base_url(self) -> str:
        """The address at which this service is reached, without a slash at its end."""
        return str(self.public_url or f"http://127.0.0.1:{self.port}").rstrip("/")

    def at_database(self, url: str) -> Self:
        """Return these settings, pointed at the database that was found or started."""
        return self.model_copy(update={"database_url": SecretStr(url)})


DATABASE_OPTIONS: Final = frozenset({"host", "port", "ssl"})
"""What may stand behind the `?` of a database URL; `sslmode` is taken for `ssl`."""


def _to_asyncpg(text: str) -> str:
    """Accept what people paste: any PostgreSQL URL means PostgreSQL through asyncpg.

    Raises:
        ValueError: it is no such URL, or asks for what asyncpg does not know.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # several hosts, for example; the text may hold a password
        raise ValueError("must be of the form postgresql://user:password@host/database") from None
    if url.drivername.partition("+")[0] not in ("postgres", "postgresql"):
        raise ValueError("must begin with postgresql://")
    options = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
    unknown = sorted(options.keys() - DATABASE_OPTIONS)
    if unknown:
        raise ValueError(f"{unknown[0]} cannot stand behind its ?: only sslmode, host and port can")
    return url.set(drivername="postgresql+asyncpg", query=options).render_as_string(
        hide_password=False
    )
