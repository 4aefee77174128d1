"""What this process counts. Sizes of queues are asked of the database, by `/metrics` itself."""

from prometheus_client import Counter, Histogram, disable_created_metrics

# `_created` samples double the page and tell nobody anything.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library has no types here

WEBHOOK_REQUESTS = Counter(
    "pagersync_webhook_requests", "Webhook requests, by the status they were answered.", ["status"]
)
BATCH_ROWS = Counter(
    "pagersync_batch_rows", "Rows that workers finished in batches, whatever their end.", ["queue"]
)
BATCH_SECONDS = Histogram(
    "pagersync_batch_seconds", "Time to work one batch of a queue's rows.", ["queue"]
)
OPERATIONS = Counter(
    "pagersync_operations",
    "Turns at operations, by kind and by the state they ended in.",
    ["kind", "state"],
)
WORKFLOW_RUNS = Counter(
    "pagersync_workflow_runs", "Workflow runs that ended, by status.", ["status"]
)
WORKFLOW_RUNS_LIMITED = Counter(
    "pagersync_workflow_runs_limited",
    "Workflow runs over their workflow's limit a minute: `waits`, `goes_ahead` or `canceled`.",
    ["outcome"],
)
WEBHOOK_ATTEMPTS = Counter(
    "pagersync_webhook_attempts",
    "Calls of integrators' webhook endpoints, by outcome: `delivered` or `failed`.",
    ["outcome"],
)
OPERATION_SECONDS = Histogram("pagersync_operation_seconds", "Time for one turn at an operation.")
REQUESTS_REFUSED = Counter(
    "pagersync_requests_refused",
    "Requests that were refused for who sent them, by reason: without a valid API key or webhook "
    "secret, over a limit of the caller's, or beyond the scope of its key.",
    ["reason"],
)
CONNECTIONS_REFUSED = Counter(
    "pagersync_connections_refused",
    "HTTP connections that were refused or closed because of a limit, by reason.",
    ["reason"],
)
