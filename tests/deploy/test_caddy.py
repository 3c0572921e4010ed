"""The proxy of docker-compose.yml, with the Caddy of its image's version: what it lets through, and to whom."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from devstack.ports import LOOPBACK, free_port
from tests.simulator.far_end import wait_for

CADDY = Path(sys.executable).with_name("caddy")
WEBHOOK = "/webhooks/whatsapp"


class Server(BaseHTTPRequestHandler):
    """Answers each request with its own name, and keeps the request."""

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((self.path, dict(self.headers), body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.name.encode())

    do_GET = do_POST = handle_any  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def upstreams() -> Iterator[dict[str, ThreadingHTTPServer]]:
    servers = {}
    for name in ("webhooks", "console"):
        server = servers[name] = ThreadingHTTPServer((LOOPBACK, 0), Server)
        server.name, server.requests = name, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield servers
    for server in servers.values():
        server.shutdown()
        server.server_close()


def make_environment(folder, upstreams, port):
    addresses = {name: f"{LOOPBACK}:{server.server_port}" for name, server in upstreams.items()}
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "REVOADA_DOMAIN": f"http://localhost:{port}",
        "REVOADA_WEBHOOKS": addresses["webhooks"],
        "REVOADA_CONSOLE": addresses["console"],
        "REVOADA_UPLOAD_MB": "5",
    }


@pytest.fixture
def port(project, tmp_path, upstreams) -> Iterator[int]:
    """Where Caddy listens, with the Caddyfile of the project."""
    port = free_port()
    text = (project / "deploy/caddy/Caddyfile").read_text()
    # Tests share the machine, so this Caddy takes no port for its own administration.
    (tmp_path / "Caddyfile").write_text(text.replace("{\n", "{\n\tadmin off\n", 1))
    command = [str(CADDY), "run", "--config", str(tmp_path / "Caddyfile")]
    environment = make_environment(tmp_path, upstreams, port)
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: ask(port, "/ready-now") == (200, "console"))
            for server in upstreams.values():
                server.requests.clear()
            yield port
        finally:
            process.terminate()


def ask(port, path, *, method="GET", body=None, headers=None):
    connection = http.client.HTTPConnection("localhost", port, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return None
    finally:
        connection.close()


def test_the_caddyfile_is_valid_and_formatted(project, tmp_path):
    file = project / "deploy/caddy/Caddyfile"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "REVOADA_DOMAIN": "revoada.example"}
    for words in (["validate", "--config", str(file)], ["fmt", str(file)]):
        done = subprocess.run([str(CADDY), *words], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_image_has_the_version_that_is_tested(project):
    done = subprocess.run([str(CADDY), "version"], capture_output=True, text=True, check=True)
    version = done.stdout.split()[0].removeprefix("v")
    assert f"image: caddy:{version}\n" in (project / "docker-compose.yml").read_text()


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (WEBHOOK, (200, "webhooks")),
        ("/", (200, "console")),
        ("/campaigns/new", (200, "console")),
        ("/api/v1/campaigns", (200, "console")),
        *((path, (404, "")) for path in ["/metrics", "/metrics/", "/healthz", "/readyz", "/webhooks", f"{WEBHOOK}/x"]),
    ],
)
def test_the_internet_reaches_the_webhook_and_the_console_only(port, path, answer):
    assert ask(port, path) == answer


def test_a_webhook_arrives_whole_and_a_larger_one_is_refused(port, upstreams):
    body = b"x" * 2_900_000
    assert ask(port, WEBHOOK, method="POST", body=body) == (200, "webhooks")
    assert [request[2] for request in upstreams["webhooks"].requests] == [body]
    status, _ = ask(port, WEBHOOK, method="POST", body=b"x" * 3_100_000) or (413, "")
    assert status in {413, 502}
    assert len([request for request in upstreams["webhooks"].requests if len(request[2]) > 3_000_000]) == 0


def test_a_receiver_sees_no_request_before_the_request_is_whole(port, upstreams):
    connection = http.client.HTTPConnection("localhost", port, timeout=30)
    connection.putrequest("POST", WEBHOOK)
    connection.putheader("Content-Length", "10")
    connection.endheaders()
    connection.send(b"12345")
    assert ask(port, "/while-it-is-slow") == (200, "console")
    assert upstreams["webhooks"].requests == []
    connection.send(b"67890")
    assert connection.getresponse().status == 200
    connection.close()
    assert [request[2] for request in upstreams["webhooks"].requests] == [b"1234567890"]


def test_a_browser_names_neither_its_user_nor_its_address(port, upstreams):
    headers = {"X-Forwarded-User": "maria", "X-Forwarded-For": "203.0.113.9"}
    assert ask(port, "/", headers=headers) == (200, "console")
    [(_, seen, _)] = upstreams["console"].requests
    assert "X-Forwarded-User" not in seen
    assert seen["X-Forwarded-For"] in {"127.0.0.1", "::1"}
    assert seen["Host"] == f"localhost:{port}"


def test_a_list_may_be_as_large_as_the_setting_allows(port, upstreams):
    body = b"x" * 5_000_000
    assert ask(port, "/campaigns/1/uploads", method="POST", body=body) == (200, "console")
    assert len(upstreams["console"].requests[0][2]) == 5_000_000
