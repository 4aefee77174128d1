"""What this process counts. Sizes of queues are asked of the database, by `/metrics` itself."""

from prometheus_client import Counter, Histogram, disable_created_metrics

# `_created` samples double the page and tell nobody anything.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library has no types here

WEBHOOK_REQUESTS = Counter(
    "pagersync_webhook_requests", "Webhook requests, by the status they were answered.", ["status"]
)
DELIVERIES_APPLIED = Counter(
    "pagersync_deliveries_applied", "Deliveries that workers finished, whatever their end."
)
BATCH_SECONDS = Histogram(
    "pagersync_apply_batch_seconds", "Time to apply one batch of deliveries to alerts."
)
OPERATIONS = Counter(
    "pagersync_operations",
    "Turns at operations, by kind and by the state they ended in.",
    ["kind", "state"],
)
OPERATION_SECONDS = Histogram("pagersync_operation_seconds", "Time for one turn at an operation.")
