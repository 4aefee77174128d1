"""Every table, imported so that `Base.metadata` is complete. Only migrations need this."""

import pagersync.access.models
import pagersync.alerts.models
import pagersync.backup.models
import pagersync.database.presence
import pagersync.events.models
import pagersync.inbox.models
import pagersync.incidents.models
import pagersync.incidents.unpaged
import pagersync.integrations.directory_models
import pagersync.integrations.gate
import pagersync.integrations.models
import pagersync.paging.lags
import pagersync.paging.models
import pagersync.retention.models
import pagersync.secrets.models
import pagersync.webhooks.models
import pagersync.workflows.models
from pagersync.database.base import Base

__all__ = ["Base", "pagersync"]
