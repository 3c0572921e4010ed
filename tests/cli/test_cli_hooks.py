from __future__ import annotations

import pytest

from campaigns.domain.hooks.events import EventType
from campaigns.store.hooks import outbox
from tests.store.rows import fetch

URL = "https://crm.example.com/hook?key=1"


@pytest.fixture
def hooked(revoada, database):
    revoada.ok("hook", "add", URL)
    return revoada


def write(database, count=1):
    for _ in range(count):
        database.run(outbox.write_event, EventType.EXPORT_READY, {"job_id": "1"})
    database.run(outbox.plan_deliveries, limit=100)


def test_the_secret_is_shown_once(revoada, database):
    output = revoada.ok("hook", "add", URL, "--type", "export.ready", "--type", "person.opted_out")
    secret = output.splitlines()[-1]
    assert secret.startswith("whsec_")
    assert len(secret) == 50
    (row,) = revoada.json("hook", "list")
    assert (row["url"], row["types"]) == (URL, ["export.ready", "person.opted_out"])
    everything = (
        revoada.ok("hook", "list") + revoada.ok("hook", "show", "1") + revoada.ok("hook", "show", "1", "--json")
    )
    assert secret not in everything + str(fetch(database, "SELECT e::text FROM audit_events e"))
    rotated = revoada.ok("hook", "rotate", "1").splitlines()[-1]
    assert rotated.startswith("whsec_")
    assert rotated != secret


def test_a_hook_shows_its_last_events_with_the_answers(hooked, database):
    write(database)
    fetch(
        database,
        "UPDATE hook_deliveries SET try_count = 2, status = 500, answer = 'no' RETURNING hook_id",
    )
    hooked.ok("hook", "test", "1")
    assert "500 no" in hooked.ok("hook", "show", "1")
    assert [each["type"] for each in hooked.json("hook", "show", "1")["deliveries"]] == ["hook.test", "export.ready"]
    assert [each["type"] for each in hooked.json("hook", "show", "1", "--limit", "1")["deliveries"]] == ["hook.test"]


def test_a_replay_begins_with_an_event_or_at_a_time(hooked, database):
    write(database, 3)
    assert hooked.ok("hook", "replay", "1", "--from", "3") == "1 event is sent again.\n"
    assert hooked.json("hook", "replay", "1", "--from", "2020-01-01T00:00Z") == {"event_count": 3}
    (tomorrow,) = fetch(database, "SELECT to_char(now() + interval '1 day', 'YYYY-MM-DD\"T\"HH24:MI\"Z\"')")
    assert hooked.json("hook", "replay", "1", "--from", tomorrow) == {"event_count": 0}


def test_the_types_of_a_hook_are_changed(hooked, database):
    output = hooked.ok("hook", "set", "1", "--type", "export.ready", "--type", "campaign.waiting", "--reason", "less")
    assert output == "Hook 1 gets these events: campaign.waiting, export.ready.\n"
    assert hooked.json("hook", "set", "1", "--type", "person.opted_out")["types"] == ["person.opted_out"]
    write(database)
    assert fetch(database, "SELECT count(*) FROM hook_deliveries") == [0]
    assert fetch(database, "SELECT what, reason FROM audit_events WHERE what = 'hook.change' ORDER BY id") == [
        ("hook.change", "less"),
        ("hook.change", None),
    ]


def test_a_disabled_hook_is_enabled_again_and_a_removed_one_is_gone(hooked):
    hooked.ok("hook", "disable", "1", "--reason", "the CRM moves")
    assert "disabled" in hooked.ok("hook", "list")
    assert hooked.refusal("hook", "test", "1") == "Hook 1 is disabled, so nothing is sent to it. Enable it first."
    hooked.ok("hook", "enable", "1")
    hooked.ok("hook", "test", "1")
    assert hooked.ok("hook", "remove", "1") == "Hook 1 is removed.\n"
    assert hooked.json("hook", "list") == []


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (
            ("add", "http://example.com/"),
            "The URL must be an https address. An http address may only lead to a network",
        ),
        (("add", "https://a:b@example.com/"), "The URL must be an https address with a host, without a user name"),
        (("show", "7"), "There is no hook 7; `revoada hook list` shows all."),
        (("rotate", "7"), "There is no hook 7"),
        (("set", "7", "--type", "export.ready"), "There is no hook 7"),
        (("replay", "7", "--from", "1"), "There is no hook 7"),
    ],
)
def test_bad_input_is_refused(revoada, database, arguments, start):
    assert revoada.refusal("hook", *arguments).startswith(start)
    assert fetch(database, "SELECT id FROM hooks") == []


def test_http_is_added_for_a_network_of_the_setting(revoada):
    revoada.ok("hook", "add", "http://10.0.0.7/hook", REVOADA_EGRESS_NETWORKS="10.0.0.7")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("disabled_at = now(), disabled_reason = 'gone'", "hook_disabled"),
        ("disabled_at = now(), disabled_reason = 'failing'", "hook_disabled"),
        ("disabled_at = now(), disabled_reason = 'person'", None),
        ("failing_since = now() - interval '2 hours'", "hook_failing"),
        ("failing_since = now() - interval '2 minutes'", None),
    ],
)
def test_the_doctor_reports_a_hook_that_needs_a_person(hooked, database, change, code):
    fetch(database, f"UPDATE hooks SET {change} RETURNING id")
    findings = hooked("doctor", "--json").stdout
    assert {each for each in ("hook_disabled", "hook_failing") if f'"{each}"' in findings} == (
        {code} if code else set()
    )
    assert "key=1" not in findings
