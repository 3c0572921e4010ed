from __future__ import annotations

import ssl

import pytest

from campaigns.valkey_url import read_server_url

VERIFIED = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}


@pytest.fixture
def authority(tmp_path):
    path = tmp_path / "ca.pem"
    path.touch()
    return path


def test_a_plain_url_has_a_host_a_port_a_database_and_a_login():
    server = read_server_url("redis://ana:p%40ss%25@valkey.example/3")
    assert (server.hosts, server.database) == ((("valkey.example", 6379),), 3)
    assert (server.username, server.password) == ("ana", "p@ss%")
    assert (server.tls, server.master_name) == (None, None)
    assert server.broker_url == "redis://ana:p%40ss%25@valkey.example:6379/3"


def test_tls_is_verified_unless_the_url_switches_it_off(authority):
    assert read_server_url("rediss://h").tls == VERIFIED
    private = read_server_url(f"rediss://:p@h:6380/1?ssl_ca_certs={authority}")
    assert private.tls == VERIFIED | {"ssl_ca_certs": str(authority)}
    assert private.broker_url == "rediss://:p@h:6380/1"
    for spelled in ("none", "CERT_NONE"):
        server = read_server_url(f"rediss://h?ssl_cert_reqs={spelled}&ssl_check_hostname=false")
        assert server.tls == {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False}


@pytest.mark.parametrize(
    "url",
    [
        "sentinel://:p@a:1/2;sentinel://:p@b/2;sentinel://:p@[::1]:3/2?master_name=main",
        "sentinel://:p@a:1;sentinel://b;sentinel://[::1]:3/2?master_name=main",
        "sentinel://:p@a:1/2?master_name=main;sentinel://b;sentinel://[::1]:3",
    ],
)
def test_sentinels_may_repeat_the_login_and_the_database(url):
    server = read_server_url(url)
    assert (server.hosts, server.database) == ((("a", 1), ("b", 26379), ("::1", 3)), 2)
    assert (server.password, server.master_name, server.tls) == ("p", "main", None)
    assert server.broker_url == "sentinel://:p@a:1/2;sentinel://:p@b:26379/2;sentinel://:p@[::1]:3/2"


def test_sentinels_have_a_login_of_their_own_and_tls_by_an_option(authority):
    server = read_server_url(
        f"sentinel://a?master_name=main&sentinel_username=s&sentinel_password=p%26&ssl=true&ssl_ca_certs={authority}"
    )
    assert (server.username, server.password) == (None, None)
    assert (server.sentinel_username, server.sentinel_password) == ("s", "p&")
    assert server.tls == VERIFIED | {"ssl_ca_certs": str(authority)}


def test_no_password_is_in_the_repr():
    server = read_server_url("sentinel://:pass-word@a?master_name=main&sentinel_password=pass-word")
    assert "pass-word" not in repr(server)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("amqp://hush@localhost//", "must look like redis://host:6379/0, rediss://… or sentinel://host:26379/0"),
        ("amqps://hush@localhost//", "must look like"),
        ("redis://", "must look like"),
        ("redis://:hush@", "must look like"),
        ("redis://hush:65536", "must look like"),
        ("redis://hush:x", "must look like"),
        ("redis://[hush", "must look like"),
        ("redis://a;redis://b", "several hosts only as sentinel://"),
        ("sentinel://a;b?master_name=hush", "must look like"),
        ("sentinel://a;rediss://b?master_name=hush", "must look like"),
        ("sentinel://hush", "must end with ?master_name=…"),
        ("sentinel://hush?master_name=", "must end with ?master_name=…"),
        ("sentinel://:hush@a;sentinel://:other@b?master_name=m", "different users or passwords"),
        ("sentinel://a/1;sentinel://b/2?master_name=m", "the number of one database"),
        ("redis://hush/x", "the number of one database"),
        ("redis://a?ssl_ca_certs=/hush", "TLS needs rediss://"),
        ("sentinel://a?master_name=m&ssl_cert_reqs=none", "TLS needs ssl=true"),
        ("rediss://a?ssl_ca_certs=/hush", "names a file that does not exist: ssl_ca_certs"),
        ("rediss://a?ssl_cert_reqs=hush", "ssl_cert_reqs that is neither required nor none"),
        ("rediss://a?ssl_check_hostname=hush", "ssl_check_hostname that is neither true nor false"),
        ("sentinel://a?master_name=m&ssl=hush", "ssl that is neither true nor false"),
        ("redis://a?master_name=hush", "may have only the options ssl_ca_certs"),
        ("rediss://a?hush=1", "may have only the options"),
        ("redis://:hush?hush@a", "must look like"),
        ("redis://a#hush", "may have only the options"),
        ("rediss://a?ssl_cert_reqs=none&ssl_cert_reqs=required", "one option twice"),
    ],
)
def test_another_form_is_refused_with_the_reason_and_without_a_word_of_it(url, reason):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read_server_url(url)
    assert reason in str(caught.value)
    assert "hush" not in str(caught.value)
