"""https: the certificate that the simulator makes, and what it serves with it."""

import socket
import ssl

import pytest
import requests
from far_end import PATIENCE_SECONDS, PHONE, SimulatorClient, start_simulator


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """The URL of https, that of http, and the file with the certificate to trust."""
    ca_file = tmp_path_factory.mktemp("simulator") / "ca.pem"
    with start_simulator("--ca-file", str(ca_file)) as (process, plain):
        line = process.stdout.readline()
        assert line.startswith("simulator listening on https://127.0.0.1:")
        yield line.split()[-1], plain, ca_file


def test_a_message_may_arrive_by_https_and_is_counted_with_the_others(secure):
    url, plain, ca_file = secure
    client = SimulatorClient(url)
    assert client.send(verify=str(ca_file)).json()["contacts"][0]["input"] == PHONE
    assert SimulatorClient(plain).send().ok
    assert SimulatorClient(plain).stats()["accepted"] == 2


def test_only_who_trusts_the_file_accepts_the_certificate(secure):
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{secure[0]}/_simulator/stats", timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_alpn_chooses_http_1_1(secure, host):
    url, _, ca_file = secure
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["h2", "http/1.1"])
    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    with (
        socket.create_connection(address, PATIENCE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        assert connection.selected_alpn_protocol() == "http/1.1"


def test_the_next_page_is_an_https_address_too(secure):
    url, plain, ca_file = secure
    templates = [{"name": f"t{number}", "body": "Oi"} for number in range(3)]
    SimulatorClient(plain).script(templates=templates)
    headers = {"Authorization": "Bearer t"}
    page = requests.get(
        f"{url}/1/message_templates?limit=1", headers=headers, verify=str(ca_file), timeout=PATIENCE_SECONDS
    )
    assert page.json()["paging"]["next"].startswith(f"{url}/")
