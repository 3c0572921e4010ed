"""A broker over TLS: real handshakes of all roles and commands, with certificates that are good and that are not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fixtures import installed
from harness import Flow, wait_for

from campaigns.throttle.inspection import examine
from campaigns.valkey import ServerUnavailable, make_client
from devstack.valkey import Valkey, start_valkey
from tests.simulator.far_end import PATIENCE_SECONDS
from tests.support.serving import serving
from tests.support.tls import Authority, TlsFront


@dataclass(frozen=True)
class Secured:
    """An installation whose Valkey is reached over TLS by the name localhost. The others are not of its authority."""

    flow: Flow
    server: Valkey
    front: TlsFront
    authority: Authority
    stranger: Authority

    @property
    def url(self) -> str:
        """The URL without an authority."""
        return f"rediss://localhost:{self.front.port}/0"


@pytest.fixture(scope="module")
def secured(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, simulator_url: str, shared_url: str
) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    ours, theirs = Authority(folder / "ours"), Authority(folder / "theirs")
    with start_valkey(folder / "valkey") as server, serving(TlsFront(server.port, ours.issue())) as front:
        urls = {"database_url": shared_url, "redis_url": server.url, "simulator_url": simulator_url}
        with installed(request, folder, **urls) as flow:
            flow.stack.environment["REDIS_URL"] = f"rediss://localhost:{front.port}/0?ssl_ca_certs={ours.path}"
            flow.start("webhooks", "events", "worker", "beat", tick_seconds=1)
            flow.await_ready()
            yield Secured(flow, server, front, ours, theirs)
            front.show(ours.issue())  # without a broker the roles stop slowly


CODES = ("valkey_tls", "broker_tls", "valkey_away", "broker_away")


def find_texts(flow: Flow, **environment: str) -> dict[str, str]:
    """Return what the doctor finds about connections to Valkey, by code."""
    before = dict(flow.stack.environment)
    flow.stack.environment |= environment
    try:
        done = flow.run_command("revoada", "doctor", "--json")
    finally:
        flow.stack.environment = before
    assert done.stderr == ""
    return {each["kind"]: each["text"] for each in json.loads(done.stdout) if each["kind"] in CODES}


def test_all_roles_and_commands_work_over_verified_tls(secured: Secured) -> None:
    flow = secured.flow
    campaign = flow.add_campaign("TLS", [flow.add_account("TLS", rate=50)], people=60)
    done = flow.run_command("revoada", "campaign", "start", str(campaign.id))
    assert done.returncode == 0, done.stderr
    flow.await_arrival(campaign)
    flow.assert_everybody_got_one(campaign)
    assert flow.events("throttle_unreachable") == flow.events("doorbell_failed") == []
    answered = flow.run_command("celery", "-A", "campaigns", "inspect", "ping", "--timeout", "10")
    assert "pong" in answered.stdout, answered.stderr
    assert find_texts(flow) == {}
    assert secured.front.refused_count == 0


def test_the_authority_may_be_in_the_environment(secured: Secured) -> None:
    """OpenSSL reads SSL_CERT_FILE."""
    assert find_texts(secured.flow, REDIS_URL=secured.url, SSL_CERT_FILE=str(secured.authority.path)) == {}


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("an unknown authority", "unable to get local issuer certificate"),
        ("another authority", "unable to get local issuer certificate"),
        ("another name", "Hostname mismatch, certificate is not valid for 'localhost'"),
        ("expired", "certificate has expired"),
    ],
)
def test_a_wrong_certificate_is_refused_by_the_broker_and_the_throttle_alike(
    secured: Secured, case: str, reason: str
) -> None:
    ours, theirs = secured.authority, secured.stranger
    certificates = {"another name": ours.issue("valkey.example"), "expired": ours.issue(is_expired=True)}
    trusted = {"an unknown authority": "", "another authority": f"?ssl_ca_certs={theirs.path}"}
    with serving(TlsFront(secured.server.port, certificates.get(case) or ours.issue())) as front:
        url = f"rediss://localhost:{front.port}/0{trusted.get(case, f'?ssl_ca_certs={ours.path}')}"
        found = find_texts(secured.flow, REDIS_URL=url)
        assert found.keys() == {"valkey_tls", "broker_tls"}
        assert all(f"({reason})" in text for text in found.values()), found
        with make_client(url, timeout_seconds=PATIENCE_SECONDS) as client, pytest.raises(ServerUnavailable):
            client.ping()
        assert examine(url, timeout_seconds=PATIENCE_SECONDS).tls_error == reason


def test_the_check_can_be_switched_off_by_name_only(secured: Secured) -> None:
    assert find_texts(secured.flow, REDIS_URL=f"{secured.url}?ssl_cert_reqs=none") == {}


def test_a_client_can_show_a_certificate_of_its_own(secured: Secured) -> None:
    ours = secured.authority
    own: Path = ours.issue("worker")
    with serving(TlsFront(secured.server.port, ours.issue(), client_authority=ours.path)) as front:
        url = f"rediss://localhost:{front.port}/0?ssl_ca_certs={ours.path}"
        assert find_texts(secured.flow, REDIS_URL=f"{url}&ssl_certfile={own}&ssl_keyfile={own}") == {}
        # In TLS 1.3 the client may see the end of the connection before it reads the reason.
        found = find_texts(secured.flow, REDIS_URL=url)
        assert {code.partition("_")[0] for code in found} == {"valkey", "broker"}


def test_celerys_own_options_verify_too(secured: Secured) -> None:
    """With a URL of the option -b, which our settings do not see, kombu alone would verify nothing."""
    flow = secured.flow
    flow.stack.environment["REDIS_URL"], url = secured.server.url, flow.stack.environment["REDIS_URL"]
    done = flow.run_command("celery", "-A", "campaigns", "-b", secured.url, "inspect", "ping", "--timeout", "1")
    flow.stack.environment["REDIS_URL"] = url
    assert done.returncode != 0
    assert "certificate verify failed" in done.stdout + done.stderr


def test_roles_name_the_reason_and_go_on_once_the_certificate_is_good_again(secured: Secured) -> None:
    flow = secured.flow
    campaign = flow.add_campaign("Renewed", [flow.add_account("Renewed", rate=10)], people=100)
    flow.start_campaigns(campaign)
    flow.await_accepted(campaign, 5)
    secured.front.show(secured.authority.issue(is_expired=True))
    wait_for(lambda: flow.events("throttle_unreachable"), "the worker goes on without tokens of Valkey")
    wait_for(
        lambda: any(each["role"] == "webhooks" for each in flow.events("doorbell_failed")), "the receiver reports it"
    )
    log = flow.role("beat").log_path
    wait_for(lambda: "certificate has expired" in log.read_text(encoding="utf-8"), "so does beat")
    secured.front.show(secured.authority.issue())
    flow.await_arrival(campaign)
    flow.assert_everybody_got_one(campaign)
    told = [*flow.sentences("throttle_unreachable"), *flow.sentences("doorbell_failed")]
    # Each process reports the first failure only. Beat reaches a new handshake, so its log names the certificate. The
    # first failure of another process may be the end of a connection, or of a handshake, that was open before.
    reasons = "certificate has expired|Connection|EOF|Timeout|handshake failure"
    assert all(re.search(reasons, text) for text in told), told
    flow.stack.check_alive()
