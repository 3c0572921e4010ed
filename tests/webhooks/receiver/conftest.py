"""The receiver as it runs: gunicorn by the command of the Procfile, a Postgres and a Valkey of its own."""

import pytest

from campaigns.store.migrate import migrate
from devstack.ports import LOOPBACK, free_port
from devstack.stack import Stack, await_http
from tests.simulator.far_end import PATIENCE_SECONDS
from tests.webhooks.webhook_bodies import APP_SECRET, VERIFY_TOKEN


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("service"), {}) as stack:
        stack.postgres = stack.start_postgres(fsync=False)
        stack.valkey = stack.start_valkey()
        stack.database_url = stack.postgres.create_database("revoada")
        migrate(stack.database_url)
        stack.environment |= {
            "DATABASE_URL": stack.database_url,
            "REDIS_URL": stack.valkey.url,
            "META_APP_SECRET": APP_SECRET,
            "META_VERIFY_TOKEN": VERIFY_TOKEN,
            "REVOADA_INBOX_WAIT_SECONDS": str(PATIENCE_SECONDS),
            "HOST": LOOPBACK,
            "PORT": str(free_port()),
        }
        stack.start_role("webhooks")
        await_http(f"{stack.webhooks_url}/healthz", stack)
        yield stack
