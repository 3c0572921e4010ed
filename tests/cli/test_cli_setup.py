"""`check-setup` against the simulator, a real webhook receiver, and everything away."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from campaigns.broker import inspection
from campaigns.broker.inspection import BrokerError, LiveProcesses
from campaigns.doctor.setup_checks import QUEUES
from campaigns.store.migrate import list_migrations
from simulator.config import APP
from tests.simulator.far_end import PATIENCE_SECONDS
from tests.support.serving import serving
from webhooks.receiver.app import make_app

SECRET, WORD = "5d1c" * 8, "verify-word-9c2"
TOKEN = "EAAG-secret-token"
# For an API that does not answer.
IMPATIENCE = {"REVOADA_HEALTH_TIMEOUT_SECONDS": "1"}
OLD = "https://old.example.com/webhooks/whatsapp"


@pytest.fixture
def far(far):
    far.script(webhooks={"app_secret": SECRET}, app_webhook_fields={"callback_url": OLD})
    return far


@pytest.fixture
def alive(monkeypatch):
    """All processes answer; a test may take some away."""
    answer = LiveProcesses({queue: {"worker@here"} for queue in QUEUES}, {"celerybeat@here"})
    monkeypatch.setattr(inspection, "find_live_processes", lambda _app, _seconds: answer)
    return answer


class Stored:
    def __init__(self):
        self.bodies = []

    def add(self, body):
        self.bodies.append(body)

    def notify(self):
        pass


@contextmanager
def serve(app):
    with serving(make_server("127.0.0.1", 0, app, threaded=True)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def inbox():
    return Stored()


@pytest.fixture
def webhook(inbox):
    app = make_app(app_secret=SECRET, verify_token=WORD, inbox=inbox, notifier=inbox, is_ready=lambda: True)
    with serve(app) as url:
        yield url


@pytest.fixture
def ready(house, far, alive, valkey):
    """An installation to which nothing is missing."""
    house.environment |= {
        "GRAPH_API_URL": f"{far.url}/v24.0",
        "REVOADA_CONNECT_TIMEOUT_SECONDS": str(PATIENCE_SECONDS),
        "REVOADA_HEALTH_TIMEOUT_SECONDS": str(PATIENCE_SECONDS),
        "META_APP_SECRET": SECRET,
        "META_VERIFY_TOKEN": WORD,
        "REDIS_URL": valkey.url,
    }
    return house


def look(revoada, *arguments, exit_code=0, **environment):
    """The state and text of each check, by subject and name; nothing secret is in them."""
    result = revoada("check-setup", "--json", *arguments, **environment)
    assert result.exit_code == exit_code, result.output
    for secret in (TOKEN, SECRET, WORD):
        assert secret not in result.output
    checks = json.loads(result.stdout)
    assert all(check["advice"] for check in checks if check["state"] == "missing")
    return {(check["subject"], check["name"]): (check["state"], check["text"]) for check in checks}


def missing(found):
    return {key for key, (state, _) in found.items() if state == "missing"}


def test_a_whole_setup_lacks_nothing(ready, far, webhook, inbox):
    far.script(app_webhook_fields={"callback_url": f"{webhook}/webhooks/whatsapp"})
    found = look(ready, "--webhook-url", webhook)
    assert {key for key, (state, _) in found.items() if state != "ok"} == {("webhook", "address")}
    assert len(found) == 31
    assert len(inbox.bodies) == 1
    assert json.loads(inbox.bodies[0]) == {"object": "whatsapp_business_account", "entry": []}


def test_people_see_marks_and_what_to_do(ready, far):
    far.script(token_fields={"scopes": ["whatsapp_business_management"]})
    result = ready("check-setup", "sales")
    assert result.exit_code == 1
    for shown in ("✓ Postgres", "✗ permissions: lacks whatsapp_business_messaging", "→ Make a token", "? address"):
        assert shown in result.stdout
    assert result.stdout.endswith("1 of 21 is missing.\n")


def test_named_accounts_are_looked_at_alone(ready):
    assert {subject for subject, _ in look(ready, "support") if subject.startswith("account")} == {"account support"}


def test_an_account_that_is_not_there_is_refused(ready):
    refused = ready.refusal("check-setup", "nobody")
    assert refused.startswith("There is no account nobody. The accounts are: sales, support. `revoada account list`")


def test_without_an_account_one_is_missing(revoada, ready, database):
    database.run(lambda connection: connection.execute("DELETE FROM accounts"))
    assert missing(look(ready, exit_code=1)) == {("accounts", "accounts")}


def test_a_number_that_is_not_registered_is_missing(ready, far):
    far.script(accounts={"1065": {"health_fields": {"status": "PENDING", "platform_type": "NOT_APPLICABLE"}}})
    found = look(ready, exit_code=1)
    assert missing(found) == {("account sales", "number"), ("account sales", "registration")}


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("html", "Request failed with status code 502"),
        ("hang", "No answer: ReadTimeout"),
        ("error:100", "Request failed with status code 400 (code 100)"),
        ("error:190", "Request failed with status code 401 (code 190)"),
        ("garbage", "The answer is not a JSON object"),
        ("empty", "The answer is not a JSON object"),
        ("lost", "No answer: ConnectionError"),
    ],
)
def test_bad_answers_end_as_checks_that_failed(ready, far, script, text):
    far.script(accounts={"1065": {"health": script}}, subscribed_apps=script, debug_token=script)
    found = look(ready, "sales", exit_code=1, **(IMPATIENCE if script == "hang" else {}))
    for name in ("number", "webhook subscription", "token"):
        state, said = found["account sales", name]
        # Meta may keep from a good token what it is.
        assert state == ("unknown" if (script, name) == ("error:100", "token") else "missing")
        assert said.startswith(text)
        assert (said != text) == script.startswith("error")


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("html", "Request failed with status code 502"),
        ("hang", "No answer: ReadTimeout"),
        ("error:100", "Request failed with status code 400 (code 100)"),
        ("garbage", "The answer is not a JSON object"),
        ("lost", "No answer: ConnectionError"),
    ],
)
def test_bad_answers_about_the_app_end_as_a_check_that_failed(ready, far, script, text):
    far.script(app_webhooks=script)
    found = look(ready, "sales", exit_code=1, **(IMPATIENCE if script == "hang" else {}))
    state, said = found[f"app {APP}", "callback URL"]
    assert (state, said[: len(text)]) == ("missing", text)
    assert (said != text) == script.startswith("error")


def test_an_api_that_is_not_there_is_missing(ready):
    found = look(ready, "sales", exit_code=1, GRAPH_API_URL="http://127.0.0.1:9")
    assert found["account sales", "number"] == ("missing", "No answer: ConnectionError")


def test_a_waba_of_another_app_is_missing(ready, far):
    far.script(subscribed_app_ids=["1"])
    assert missing(look(ready, "sales", exit_code=1)) == {("account sales", "webhook subscription")}


def test_the_app_must_post_to_our_webhook(ready, far, webhook):
    subject = f"app {APP}"
    text = f"Meta posts to {OLD}: compare this with the public address of your webhooks"
    assert look(ready, "sales")[subject, "callback URL"] == ("unknown", text)
    found = look(ready, "sales", "--webhook-url", webhook, exit_code=1)
    assert found[subject, "callback URL"] == ("missing", f"Meta posts to {OLD}, not to {webhook}/webhooks/whatsapp")
    far.script(app_webhook_fields={"callback_url": f"{webhook}/webhooks/whatsapp", "fields": ["messages"]})
    found = look(ready, "sales", "--webhook-url", webhook, exit_code=1)
    assert missing(found) == {(subject, "fields")}


def test_a_secret_of_another_app_is_missing(ready):
    found = look(ready, "sales", exit_code=1, META_APP_SECRET="another")
    text = "Request failed with status code 401 (code 190): Invalid OAuth access token signature"
    assert found[f"app {APP}", "callback URL"] == ("missing", text)
    assert look(ready, "sales", exit_code=1, META_APP_SECRET=None)[f"app {APP}", "callback URL"][0] == "unknown"


def test_an_app_that_nobody_names_is_not_asked(ready, far):
    far.script(token_fields={"app_id": "../me"})
    assert not [subject for subject, _ in look(ready, "sales") if subject.startswith("app")]


def test_templates_of_campaigns_must_be_approved(ready, far, create):
    key = ("account sales", "template promo:pt_BR")
    campaign_id = create()
    assert look(ready, exit_code=1)[key] == ("missing", "is not in WABA 22")
    far.script(
        templates=[{"name": "promo", "language": "en"}, {"name": "promo", "language": "pt_BR", "status": "PAUSED"}]
    )
    assert look(ready, exit_code=1)[key] == ("missing", "PAUSED in WABA 22")
    many = [{"name": f"promo_{index}", "language": "pt_BR"} for index in range(120)]
    far.script(templates=[*many, {"name": "promo", "language": "pt_BR"}])
    assert look(ready)[key] == ("ok", "approved in WABA 22")
    ready.ok("campaign", "cancel", campaign_id)
    assert key not in look(ready)


def test_a_token_of_another_key_is_missing_and_nothing_is_asked(ready, far):
    found = look(ready, "sales", exit_code=1, REVOADA_SECRET_KEY="kR0YlN8s7JYlP8oYdYkLhDq0a0Qm0c8c1z9Yb1m0YyQ=")
    assert missing(found) == {("account sales", "token")}
    assert far.stats()["health_requests"] == 0


def test_secrets_that_lack_are_named(ready):
    found = look(ready, exit_code=1, REVOADA_SECRET_KEY=None, META_APP_SECRET=None, META_VERIFY_TOKEN=None)
    assert missing(found) == {
        ("settings", name) for name in ("REVOADA_SECRET_KEY", "META_APP_SECRET", "META_VERIFY_TOKEN")
    }


@pytest.mark.parametrize("secret", ["your-app-secret", "5d1c" * 7, "5D1C" * 8, "EAAG" * 8])
def test_a_text_that_is_no_app_secret_is_named(ready, secret):
    checks = json.loads(ready("check-setup", "--json", META_APP_SECRET=secret).stdout)
    (check,) = [each for each in checks if each["name"] == "META_APP_SECRET"]
    assert check["state"] == "unknown"
    assert check["text"] == "is no app secret of Meta's, which has 32 characters from 0-9 and a-f"


def test_a_host_that_does_not_exist_is_said_to_be_missing(ready):
    found = look(ready, "--webhook-url", "https://hooks.invalid", exit_code=1)
    assert found["webhook", "handshake"] == ("missing", "No answer: the host of the address was not found")
    found = look(ready, "sales", exit_code=1, GRAPH_API_URL="https://graph.invalid/v24.0")
    assert found["account sales", "token"][1] == "No answer: the host of the address was not found"


def test_a_webhook_with_other_secrets_refuses(ready, webhook, inbox):
    found = look(
        ready, "--webhook-url", f"{webhook}/", exit_code=1, META_APP_SECRET="another", META_VERIFY_TOKEN="another"
    )
    assert found["webhook", "handshake"] == ("missing", "the verify token is refused")
    assert found["webhook", "signed event"] == ("missing", "refused: signed with another secret")
    assert found["webhook", "wrong signature"][0] == "ok"
    assert inbox.bodies == []


def test_an_address_that_takes_everything_is_no_webhook(ready):
    def app(_environment, start_response):
        start_response("200 OK", [("Content-Type", "text/html")])
        return [b"<html>Welcome</html>"]

    with serve(app) as url:
        found = look(ready, "--webhook-url", f"{url}/hook", exit_code=1)
    assert found["webhook", "handshake"] == ("missing", "answers 200, without Meta's challenge")
    assert found["webhook", "wrong signature"] == ("missing", "answers 200")


def test_a_webhook_that_is_not_there_is_missing(ready, far):
    far.script(app_webhook_fields={"callback_url": "http://127.0.0.1:9/webhooks/whatsapp"})
    found = look(ready, "--webhook-url", "http://127.0.0.1:9/webhooks/whatsapp", exit_code=1)
    assert missing(found) == {("webhook", name) for name in ("handshake", "signed event", "wrong signature")}
    assert found["webhook", "handshake"][1] == "No answer: ConnectionError"


def test_an_address_that_is_none_is_refused(ready):
    assert "'--webhook-url'" in ready.refusal("check-setup", "--webhook-url", "hooks.example.com", exit_code=2)


def test_processes_that_do_not_answer_are_named(ready, alive):
    alive.queues.pop("webhooks")
    alive.beats.clear()
    assert missing(look(ready, exit_code=1)) == {("processes", "queue webhooks"), ("processes", "beat")}


def test_a_broker_that_is_away_is_one_line(ready, monkeypatch):
    def fail(_app, _seconds):
        raise BrokerError("ConnectionError")

    monkeypatch.setattr(inspection, "find_live_processes", fail)
    assert look(ready, exit_code=1)["processes", "broker"] == ("missing", "does not answer: ConnectionError")


def test_servers_that_are_away_are_told_and_end_nothing(ready):
    found = look(
        ready,
        exit_code=1,
        DATABASE_URL="postgresql://nobody:hush@127.0.0.1:9/none",
        REDIS_URL="redis://:hush@127.0.0.1:9/0",
    )
    assert missing(found) == {("servers", "Postgres"), ("servers", "Valkey")}
    assert "hush" not in str(found)
    assert found["accounts", "accounts"][0] == "unknown"


def test_a_database_that_is_not_migrated_is_told(ready, postgres):
    url = postgres.create_database("setup_empty")
    lacks = f"lacks {len(list_migrations())} migrations"
    assert look(ready, exit_code=1, DATABASE_URL=url)["servers", "Postgres"] == ("missing", lacks)


def test_a_webhook_that_hangs_is_missing(ready):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        found = look(ready, "--webhook-url", url, exit_code=1, REVOADA_HEALTH_TIMEOUT_SECONDS="0.2")
    assert found["webhook", "handshake"] == ("missing", "No answer: ReadTimeout")
    assert found["webhook", "signed event"] == ("missing", "No answer: ReadTimeout")


def test_with_everything_away_it_ends_and_says_so(tmp_path):
    """In a process of its own: Celery reads its settings once."""
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": "postgresql://nobody:hush@127.0.0.1:9/none",
        "REDIS_URL": "redis://:hush@127.0.0.1:9/0",
    }
    command = [Path(sys.executable).with_name("revoada"), "check-setup"]
    answer = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert answer.returncode == 1
    for shown in ("✗ Postgres", "✗ Valkey", "✗ broker", "✗ META_APP_SECRET", "? accounts"):
        assert shown in answer.stdout
    assert "hush" not in answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr


def test_each_advice_names_the_account_and_the_end_does_not_hide_what_is_not_known(ready, far):
    result = ready("check-setup", "sales")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == (
        "Nothing is missing, as far as this command could look. It could not check 2 of 21 parts: look at the lines"
        " with a ?."
    )
    far.script(accounts={"1065": {"health": "error:190"}}, tokens=["another"])
    output = ready("check-setup", "sales", "support").stdout
    assert "ACCOUNT" not in output
    for name in ("sales", "support"):
        assert f"`revoada account set {name} --token-stdin`" in output
    assert "Cannot parse access token" in output


def test_settings_of_the_terminal_that_differ_from_the_file_are_named(revoada, tmp_path, monkeypatch):
    """A person has changed a value in `.env` and removed another, and has loaded `.revoada/env` before."""
    monkeypatch.setenv("REVOADA_SLOTS", "x")
    monkeypatch.delenv("REVOADA_SLOTS")  # so that what the file brings in is taken back after the test
    (tmp_path / ".revoada").mkdir()
    lines = "REVOADA_CONFIRM_ABOVE=1 REVOADA_REGION=BR REVOADA_OVERLAP_DAYS=3 DATABASE_URL=postgresql:///x"
    (tmp_path / ".revoada/env").write_text("".join(f"export {line}\n" for line in lines.split()))
    (tmp_path / ".env").write_text("REVOADA_REGION=GB\nREVOADA_SLOTS=9\nREVOADA_OVERLAP_DAYS=3\nDATABASE_URL=\n")
    (tmp_path / ".env").chmod(0o600)
    loaded = dict(line.split("=") for line in lines.split())
    told = revoada("check-setup", **loaded).stderr
    assert told.startswith(
        "Warning: settings of this terminal differ from .env, and those of the terminal count: REVOADA_REGION,"
        " REVOADA_CONFIRM_ABOVE. To use"
    )
    assert "DATABASE_URL" not in told.splitlines()[0]
    (tmp_path / ".env").write_text("".join(f"{line}\n" for line in lines.split()))
    assert "differ" not in revoada("check-setup", **loaded).stderr
