"""`make smoke-meta` against the simulator: the API and the webhooks are reached over TLS, as Meta is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.smoke import NEEDED
from devstack.ports import free_port
from devstack.roles import PROJECT
from devstack.stack import Stack, await_http
from tests.simulator.far_end import PATIENCE_SECONDS
from tests.support.serving import serving
from tests.support.tls import Authority, TlsFront

PHONE = "+5511987654321"
SECRETS = {"SMOKE_TOKEN": "EAAsmoke-token-77", "META_APP_SECRET": "f" * 32, "META_VERIFY_TOKEN": "smoke-verify-33"}
SCRIPT = {
    "tokens": [SECRETS["SMOKE_TOKEN"]],
    "accounts": {"1065": {"waba_id": "2201"}},
    "templates": [{"name": "hello_world", "language": "en_US", "category": "UTILITY", "body": "Hello World"}],
}


class FarEnd:
    """The simulator behind TLS, and a tunnel with TLS in front of the receiver. `environment`: that of the command."""

    def __init__(self, url: str, environment: dict[str, str]) -> None:
        self.url, self.environment = url, environment

    def script(self, **patch: Any) -> None:
        request = urllib.request.Request(f"{self.url}/_simulator/script", json.dumps(patch).encode())
        urllib.request.urlopen(request, timeout=PATIENCE_SECONDS).close()

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/_simulator/stats", timeout=PATIENCE_SECONDS) as answer:
            return dict(json.load(answer))

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "benchmarks.smoke"]
        with subprocess.Popen(
            command, cwd=PROJECT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            yield process
            process.terminate()


@pytest.fixture
def far(tmp_path: Path) -> Iterator[FarEnd]:
    authority = Authority(tmp_path / "authority")
    certificate, port, receiver_port = authority.issue(), free_port(), free_port()
    (tmp_path / "script.json").write_text(json.dumps(SCRIPT))
    with ExitStack() as block:
        stack = block.enter_context(Stack(tmp_path / "far", os.environ | {"SSL_CERT_FILE": str(authority.path)}))
        command = [sys.executable, "-m", "simulator", "--port", str(port), "--script", str(tmp_path / "script.json")]
        stack.start_process("simulator", command)
        await_http(f"http://127.0.0.1:{port}/_simulator/stats", stack, seconds=PATIENCE_SECONDS)
        api, tunnel = (block.enter_context(serving(TlsFront(each, certificate))) for each in (port, receiver_port))
        webhook_url = f"https://localhost:{tunnel.port}/webhooks/whatsapp"
        far = FarEnd(
            f"http://127.0.0.1:{port}",
            os.environ
            | SECRETS
            | {
                "GRAPH_API_URL": f"https://localhost:{api.port}/v24.0",
                "PORT": str(receiver_port),
                "REQUESTS_CA_BUNDLE": str(authority.path),
                "SMOKE_PHONE_NUMBER_ID": "1065",
                "SMOKE_SECONDS": str(PATIENCE_SECONDS),
                "SMOKE_TO": PHONE,
                "SMOKE_WABA_ID": "2201",
                "SMOKE_WEBHOOK_URL": webhook_url,
            },
        )
        far.script(webhooks={"callback_url": webhook_url, "app_secret": SECRETS["META_APP_SECRET"]})
        yield far


def find_leaks(output: str) -> list[str]:
    return [secret for secret in (*SECRETS.values(), PHONE.removeprefix("+")) if secret in output]


def test_a_message_arrives_after_the_person_has_entered_the_tunnel_at_meta(far: FarEnd) -> None:
    far.script(app_webhook_fields={"callback_url": "https://old.example.com/webhooks/whatsapp"})
    with far.running() as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "✗" in line:
                assert far.stats()["accepted"] == 0
                far.script(app_webhook_fields={"callback_url": far.environment["SMOKE_WEBHOOK_URL"]})
    output = "".join(lines)
    assert process.returncode == 0, output
    assert "callback URL" in output
    steps = re.compile(r"^([a-z][a-z -]+[a-z]) +\d+\.\d s  ", re.MULTILINE)
    assert steps.findall(output) == steps.findall((PROJECT / "docs/smoke-meta.md").read_text("utf-8"))
    assert re.search(r"^wait for the webhooks .* (?:delivered|read)$", output, re.MULTILINE), output
    assert output.endswith("PASSED  hello_world:en_US arrived, and Meta's webhooks said so.\n")
    assert far.stats()["accepted"] == 1
    assert find_leaks(output) == []


def test_a_refused_message_fails_the_run_with_metas_reason(far: FarEnd) -> None:
    far.script(outcome="error:131026")
    with far.running() as process:
        output, _ = process.communicate()
    assert process.returncode == 1, output
    assert "FAILED  Meta refused the message: 131026 " in output
    assert find_leaks(output) == []


def test_missing_variables_are_named() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in NEEDED}
    command = [sys.executable, "-m", "benchmarks.smoke"]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert all(name in done.stderr for name in NEEDED)
