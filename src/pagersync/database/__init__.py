"""The kernel: tables, connections, queues, wake-up calls, the embedded PostgreSQL."""
