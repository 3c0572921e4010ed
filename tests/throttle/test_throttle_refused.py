"""A Valkey that answers with an error: the low safe rate, and a new connection when it is asked again."""

import logging

import pytest
import redis

from campaigns.throttle.bucket import Ask, Throttle
from campaigns.throttle.inspection import examine
from campaigns.valkey import RefusedError, find_error_reply, make_client
from devstack.proxy import Proxy
from devstack.valkey import start_valkey
from tests.support.refusing import REFUSALS, read_only


@pytest.fixture
def client(valkey):
    with make_client(valkey.url, timeout_seconds=120) as client:
        client.flushall()
        yield client


# Redis 7.0 words this error in another way if a script causes it.
OF_A_SCRIPT = {"no permissions": "The user executing the script can't run this command"}


# Without memory a script may still write, so the usual limit holds.
@pytest.mark.parametrize("code", sorted(REFUSALS.keys() - {"OOM"}))
def test_the_throttle_falls_back_for_as_long_as_valkey_refuses_and_comes_back(valkey, client, caplog, code):
    throttle = Throttle(client, retry_after_seconds=0)
    assert throttle.grant(1, [Ask(7, 80, 1)])[0].granted_at > 0
    with REFUSALS[code](valkey):
        assert throttle.grant(1, [Ask(7, 80, 1)])[0].granted_at == 0
        facts = examine(valkey.url, timeout_seconds=120)
        assert code in (facts.reply or facts.refusal)
    assert throttle.grant(1, [Ask(7, 80, 1)])[0].granted_at > 0
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 1 and any(each in told[0] for each in (code, OF_A_SCRIPT.get(code, code)))


def test_after_a_failover_a_new_connection_finds_the_new_primary(valkey, client, tmp_path):
    """The old primary keeps its connections, and its host name leads to the new primary."""
    with start_valkey(tmp_path) as heir, Proxy(valkey.port) as name:
        with make_client(valkey.url.replace(str(valkey.port), str(name.port)), timeout_seconds=120) as named:
            named.set("key", "old")
            with read_only(valkey):
                name.upstream_port = heir.port
                with pytest.raises(RefusedError, match=r"^READONLY You can't write against a read only replica$"):
                    named.set("key", "new")
                assert named.set("key", "new")
        with redis.Redis.from_url(heir.url) as other:
            assert other.get("key") == b"new"


def test_an_error_inside_of_a_transaction_ends_the_connection_too(client):
    client.set("key", "x")
    with pytest.raises(RefusedError, match=r"^WRONGTYPE"):
        client.pipeline().set("other", 1).lpush("key", 1).execute()
    assert client.get("other") == b"1"


def test_a_script_that_valkey_does_not_know_is_sent_to_it(client):
    double = client.register_script("return ARGV[1] * 2")
    client.script_flush()
    assert double(args=[21]) == 42


def test_a_reply_is_told_by_its_first_sentence_and_errors_without_one_are_not():
    reply = redis.ResponseError("MISCONF Valkey cannot save. Look at its log.")
    assert find_error_reply(reply) == "MISCONF Valkey cannot save"
    outer = OSError("somewhere")
    outer.__cause__ = reply
    assert find_error_reply(outer) == "MISCONF Valkey cannot save"
    assert find_error_reply(redis.ConnectionError("Error 111 connecting to u:pass-word@host")) == ""
    assert find_error_reply(None) == ""
