"""`revoada forward`: targets that get the webhooks too."""

from __future__ import annotations

import json

import pytest

from campaigns.management.forwards.send import sign_body
from campaigns.management.forwards.targets import MAX_ENABLED
from campaigns.secrets import decrypt_token, make_key
from tests.simulator.far_end import Receiver
from tests.store.rows import fetch
from tests.support.serving import serving
from tests.support.tls import Authority, TlsFront

CHAT = "https://chat.example.com/webhooks/whatsapp/+551130000000"


@pytest.fixture
def forwarding(house):
    house.environment |= {"META_APP_SECRET": "s3cret", "REVOADA_EGRESS_NETWORKS": "127.0.0.0/8"}
    return house


@pytest.fixture
def target():
    with serving(Receiver()) as server:
        yield server


def read_audit(database):
    return fetch(database, "SELECT what || ' ' || coalesce(after, before)::text FROM audit_events WHERE what ~ '^forw'")


def test_a_forward_is_added_listed_disabled_enabled_and_removed(forwarding, database):
    said = forwarding.ok("forward", "add", CHAT, "--fields", "messages, calls", "--numbers", "sales,99")
    assert said == f"Forward 1 is added: webhooks that arrive from now on go to {CHAT} too.\n"
    (row,) = forwarding.json("forward", "list")
    assert (row["fields"], row["phone_number_ids"]) == (["messages", "calls"], ["1065", "99"])
    assert "new" in forwarding.ok("forward", "list")
    forwarding.ok("forward", "disable", "1")
    forwarding.ok("forward", "disable", "1")
    assert "disabled" in forwarding.ok("forward", "show", "1")
    forwarding.ok("forward", "enable", "1")
    forwarding.ok("forward", "remove", "1")
    assert forwarding.json("forward", "list") == []
    acts = read_audit(database)
    names = [each.partition(" ")[0].removeprefix("forward.") for each in acts]
    assert names == ["add", "disable", "enable", "disable", "remove"]
    # The path of the URL may hold a secret or a phone.
    assert json.loads(acts[0].partition(" ")[2]) == {
        "name": "chat.example.com",
        "fields": ["messages", "calls"],
        "phone_number_ids": ["1065", "99"],
    }


def test_a_target_is_tested_without_content(forwarding, target):
    forwarding.ok("forward", "add", target.url)
    assert forwarding.ok("forward", "test", "1").startswith("The target accepts: HTTP 200 after ")
    ((headers, body, _),) = target.posts
    assert target.values() == [
        {"messaging_product": "whatsapp", "metadata": {"display_phone_number": "0", "phone_number_id": "0"}}
    ]
    assert headers["X-Hub-Signature-256"] == sign_body(body, "s3cret")
    target.answers = [401, 401]
    assert forwarding.refusal("forward", "test", "1") == "The target does not accept: HTTP 401."
    answer = forwarding("forward", "test", "1", "--json")
    assert (answer.exit_code, json.loads(answer.stdout)["status"]) == (1, 401)


def test_the_certificate_of_a_target_may_be_of_an_authority_of_our_own(forwarding, target, tmp_path):
    authority = Authority(tmp_path / "authority")
    with serving(TlsFront(target.server_address[1], authority.issue("localhost"))) as front:
        forwarding.ok("forward", "add", f"https://localhost:{front.port}/")
        assert forwarding.refusal("forward", "test", "1") == "The target does not accept: tls_failed."
        assert "HTTP 200" in forwarding.ok("forward", "test", "1", REQUESTS_CA_BUNDLE=str(authority.path))


def test_a_secret_is_kept_encrypted_and_is_encrypted_anew_with_a_newer_key(forwarding, database, target):
    forwarding.ok("forward", "add", target.url, "--secret-stdin", stdin="of the CRM\n")
    forwarding.ok("forward", "add", target.url, "--secret-env", "CRM_SECRET", CRM_SECRET="other")
    old, new = forwarding.environment["REVOADA_SECRET_KEY"], make_key()
    forwarding.environment["REVOADA_SECRET_KEY"] = f"{new},{old}"
    assert forwarding.json("rekey")["token_count"] == 4  # of two accounts and two forwards
    secrets = fetch(database, "SELECT secret FROM forwards ORDER BY id")
    assert [decrypt_token(new, each) for each in secrets] == ["of the CRM", "other"]
    forwarding.environment["REVOADA_SECRET_KEY"] = make_key()
    assert "the secret of forward 2. Add its key, or remove it" in forwarding("rekey").stdout
    assert "the secret of this forward: add that key" in forwarding.refusal("forward", "test", "1")
    forwarding.environment["REVOADA_SECRET_KEY"] = new
    forwarding.ok("forward", "test", "1")
    assert target.posts[0][0]["X-Hub-Signature-256"] == sign_body(target.posts[0][1], "of the CRM")


def test_what_cannot_be_a_forward_is_refused(forwarding):
    add = ("forward", "add")
    assert "REVOADA_EGRESS_NETWORKS" in forwarding.refusal(*add, "http://10.0.0.5/hook", REVOADA_EGRESS_NETWORKS="")
    assert "an https address" in forwarding.refusal(*add, "ftp://crm.example.com/")
    assert "'Messages'" in forwarding.refusal(*add, CHAT, "--fields", "Messages").replace(
        "Messages is", "'Messages' is"
    )
    assert "neither the name of an account" in forwarding.refusal(*add, CHAT, "--numbers", "nobody")
    assert "META_APP_SECRET is not set" in forwarding.refusal(*add, CHAT, META_APP_SECRET="")
    assert "not both" in forwarding.refusal(*add, CHAT, "--secret-stdin", "--secret-env", "X", exit_code=2)
    assert "secret is empty" in forwarding.refusal(*add, CHAT, "--secret-env", "CRM_SECRET")
    for action in ("show", "disable", "enable", "remove", "test"):
        said = forwarding.refusal("forward", action, "7")
        assert said == "There is no forward 7; `revoada forward list` shows all."


def test_only_so_many_forwards_are_enabled(forwarding):
    for _ in range(MAX_ENABLED):
        forwarding.ok("forward", "add", CHAT)
    assert forwarding.refusal("forward", "add", CHAT).startswith(f"{MAX_ENABLED} forwards are enabled")
    forwarding.ok("forward", "disable", "1")
    forwarding.ok("forward", "add", CHAT)
    assert forwarding.refusal("forward", "enable", "1").startswith(f"{MAX_ENABLED} forwards are enabled")


def test_the_doctor_names_a_target_that_has_failed_for_an_hour(forwarding, database):
    forwarding.ok("forward", "add", CHAT)
    failing = "UPDATE forwards SET failing_since = now() - %s * interval '1 minute', last_error = 'timeout'"

    def find():
        found = json.loads(forwarding("doctor", "--json").stdout)
        return [each["text"] for each in found if "forward" in each["text"]]

    fetch(database, failing, 50)
    assert find() == []
    fetch(database, failing, 70)
    (finding,) = find()
    assert finding == (
        "The target of forward 1 (chat.example.com) has failed for 70 min (timeout)."
        " It still has to get 0 webhook events."
    )
    forwarding.ok("forward", "disable", "1")
    assert find() == []
