"""Who is the user of a request that comes through a proxy."""

from __future__ import annotations

import pytest

from campaigns.domain.statement import Refusal
from campaigns.domain.users.proxy import find_client, find_header_user, read_networks

TRUSTED = read_networks("10.0.0.5, 192.168.7.0/24 2001:db8::/32")


def find(*headers, peer="10.0.0.5", header="X-Forwarded-User", trusted=TRUSTED):
    return find_header_user(headers, peer, header=header, trusted=trusted)


@pytest.mark.parametrize("peer", ["10.0.0.5", "192.168.7.9", "2001:db8::1", "::ffff:10.0.0.5"])
@pytest.mark.parametrize("name", ["X-Forwarded-User", "x-forwarded-user", "X_Forwarded_User"])
def test_a_trusted_proxy_names_the_user(peer, name):
    assert find(("Host", "x"), (name, " Maria@example.com "), peer=peer) == "maria@example.com"


@pytest.mark.parametrize("peer", ["10.0.0.6", "192.168.8.1", "2001:db9::1", "::ffff:10.0.0.6", "", "not-an-address"])
def test_the_header_of_another_peer_is_ignored(peer):
    assert find(("X-Forwarded-User", "maria"), peer=peer) is None


def test_without_the_setting_the_header_or_a_trusted_network_there_is_no_user():
    assert find(("X-Forwarded-User", "maria"), header=None) is None
    assert find(("X-Forwarded-User", "maria"), trusted=()) is None
    assert find(("X-Other", "maria")) is None
    assert find(("X-Forwarded-User", " ")) is None


@pytest.mark.parametrize("second", ["X-Forwarded-User", "x_forwarded_user"])
def test_a_second_header_which_the_browser_may_have_sent_is_refused(second):
    with pytest.raises(Refusal) as raised:
        find(("X-Forwarded-User", "maria"), (second, "admin"))
    assert raised.value.code == "user_header_repeated"


@pytest.mark.parametrize("value", ["maria, admin", "maria silva", "é", "a" * 65])
def test_a_name_that_no_user_can_have_is_refused(value):
    with pytest.raises(Refusal) as raised:
        find(("X-Forwarded-User", value))
    assert raised.value.code == "user_name_invalid"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0.0.0.0/0", "every address"),
        ("10.0.0.1 ::/0", "every address"),
        ("10.0.0.1/8", "host bits"),
        ("proxy", "IPv4"),
        ("10.0.0.0/33", "IPv4"),
    ],
)
def test_networks_that_are_wrong_or_have_every_address_are_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        read_networks(text)


@pytest.mark.parametrize(
    ("forwarded", "peer", "client"),
    [
        ("198.51.100.7", "10.0.0.5", "198.51.100.7"),
        ("1.2.3.4, 198.51.100.7, 192.168.7.3", "10.0.0.5", "198.51.100.7"),
        ("10.0.0.5", "10.0.0.5", "10.0.0.5"),
        ("198.51.100.7:4711", "::ffff:10.0.0.5", "198.51.100.7"),
        ("[2001:db9::7]:4711", "10.0.0.5", "2001:db9::7"),
        ("2001:db9::7", "2001:db8::1", "2001:db9::7"),
        ("fe80::1%eth0", "10.0.0.5", "fe80::1"),
        ("1.2.3.4, unknown", "10.0.0.5", "10.0.0.5"),
        (" , ", "10.0.0.5", "10.0.0.5"),
        ("198.51.100.7", "10.0.0.6", "10.0.0.6"),
        ("198.51.100.7", "", ""),
    ],
)
def test_the_client_is_the_last_address_before_the_trusted_proxies(forwarded, peer, client):
    assert find_client(forwarded, peer, trusted=TRUSTED) == client
