"""With LOG_FORMAT=json every line of every role is JSON, from its start to its end, also if it cannot start."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from harness import Flow, wait_for

from devstack.stack import ROLES, await_http
from tests.basics.test_log_schema import LINES


def read_lines(flow: Flow, role: str) -> list[dict[str, object]]:
    """The lines of a role's log; the test fails at a line that is no JSON object."""
    lines = (flow.stack.folder / "logs" / f"{role}.log").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    for record in records:
        LINES.validate(record)
    return records


def texts(flow: Flow, role: str) -> str:
    return "\n".join(str(record["message"]) for record in read_lines(flow, role))


def test_every_line_of_every_role_is_json(flow: Flow) -> None:
    # gunicorn logs requests only if it is told to.
    flow.stack.environment |= {"LOG_FORMAT": "json", "GUNICORN_CMD_ARGS": "--access-logfile -"}
    flow.stack.start_roles()
    await_http(f"{flow.stack.webhooks_url}/readyz", flow.stack)
    await_http(f"{flow.stack.flower_url}/", flow.stack)
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{flow.stack.webhooks_url}/nothing?to=%1b[31m")
    wait_for(lambda: "ready." in texts(flow, "worker") and "ready." in texts(flow, "events"), "workers are ready")
    wait_for(lambda: "campaigns.tick" in texts(flow, "beat"), "beat runs")
    account = flow.add_account("Vendas", rate=1000)
    campaign = flow.add_campaign("Black Friday", [account], people=3)
    assert flow.run_command("revoada", "campaign", "start", str(campaign.id)).returncode == 0
    wait_for(lambda: "Starting campaign" in texts(flow, "worker"), "the campaign runs")
    for role in flow.stack.roles:
        role.stop()
    for role in ROLES:
        assert read_lines(flow, role), role
    # The lines that stayed text before.
    assert "Booting worker" in texts(flow, "webhooks")
    assert '"GET /nothing' in texts(flow, "webhooks")
    assert "Shutting down: Master" in texts(flow, "webhooks")
    assert "Visit me at http://" in texts(flow, "flower")
    assert "beat: Starting" in texts(flow, "beat")


@pytest.mark.parametrize(
    ("role", "variable", "value", "expected"),
    [
        *((role, "REVOADA_SLOTS", "many", "REVOADA_SLOTS is wrong") for role in ROLES),
        *((role, "REDIS_URL", "", "REDIS_URL is not set") for role in ROLES if role != "webhooks"),
        ("webhooks", "META_APP_SECRET", "", "META_APP_SECRET is not set"),
    ],
)
def test_a_role_that_cannot_start_says_so_in_json(
    flow: Flow, role: str, variable: str, value: str, expected: str
) -> None:
    flow.stack.environment |= {"LOG_FORMAT": "json", "PORT": "0", "FLOWER_PORT": "0"}
    flow.stack.start_role(role, environment={variable: value})
    wait_for(flow.stack.find_dead, f"{role} has ended")
    assert expected in json.dumps(read_lines(flow, role))
