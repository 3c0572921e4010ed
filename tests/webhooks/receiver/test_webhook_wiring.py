"""The public port is light: it loads neither the sender nor the libraries that only the sender needs."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import json, sys
from webhooks import create_app
create_app()
print(json.dumps(sorted(sys.modules)))
"""
ENVIRONMENT = {
    "DATABASE_URL": "postgresql://localhost/none", "REDIS_URL": "redis://127.0.0.1:1/0",
    "META_APP_SECRET": "secret", "META_VERIFY_TOKEN": "word", "REVOADA_REGION": "PT",
}  # fmt: skip
HEAVY = ("pycurl", "phonenumbers", "requests", "rich")
# Of `campaigns`: what the contract of imports allows.
ALLOWED = ("store", "broker", "config", "logs", "metrics", "valkey", "valkey_url", "clock", "language", "domain")


def test_the_public_port_loads_no_sender_and_connects_to_nothing(project):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=project, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    assert not [name for name in loaded if name.partition(".")[0] in HEAVY]
    ours = {name.split(".")[1] for name in loaded if name.startswith("campaigns.")}
    assert ours <= set(ALLOWED)
    assert not [name for name in loaded if name.startswith(("webhooks.applier", "celery.worker.consumer"))]
