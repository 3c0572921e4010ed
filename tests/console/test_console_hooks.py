"""The pages about hooks, which only an admin opens."""

from __future__ import annotations

import re

import pytest

from campaigns.domain.hooks.events import EventType
from campaigns.domain.users.rights import Role
from campaigns.store.hooks import outbox
from tests.console.conftest import read_text
from tests.store.rows import fetch

URL = "https://crm.example.com/hook?key=1"


@pytest.fixture
def admin(console):
    return console.sign_in(Role.ADMIN, name="eva")


@pytest.fixture
def hooked(admin):
    answer = admin.post("/hooks/new", {"url": URL, "types": ["export.ready", "campaign.completed"]})
    assert answer.status_code == 200
    admin.secret = re.search(r"whsec_[A-Za-z0-9+/=]+", answer.text)[0]
    return admin


def read_whats(database):
    return fetch(database, "SELECT what FROM audit_events WHERE what LIKE 'hook.%%' AND actor = 'eva' ORDER BY id")


def test_a_hook_is_added_and_its_secret_is_shown_once(hooked, database):
    assert fetch(database, "SELECT url, types FROM hooks") == [(URL, ["campaign.completed", "export.ready"])]
    for path in ("/hooks", "/hooks/1", "/audit"):
        page = hooked.get(path)
        assert page.status_code == 200
        assert hooked.secret not in page.text
    assert URL in read_text(hooked.get("/hooks").text)
    assert 'href="/hooks"' in hooked.get("/settings").text


def test_a_new_form_has_all_events_but_those_with_a_phone(admin):
    page = admin.get("/hooks/new").text
    checked = set(re.findall(r'value="([a-z_.]+)" checked', page))
    assert checked == set(EventType) - {EventType.PERSON_OPTED_OUT}


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        ({"url": "", "types": ["export.ready"]}, 422, "Enter the address of the receiver."),
        ({"url": URL, "types": []}, 422, "Choose at least one event."),
        ({"url": URL, "types": ["campaign.exploded"]}, 422, "Choose at least one event."),
        ({"url": "ftp://example.com", "types": ["export.ready"]}, 422, "The URL must be an https address"),
        ({"url": "http://example.com/", "types": ["export.ready"]}, 403, "The URL must be an https address"),
    ],
)
def test_a_wrong_form_is_shown_again(admin, database, data, status, words):
    answer = admin.post("/hooks/new", data)
    assert answer.status_code == status
    assert words in read_text(answer.text)
    assert fetch(database, "SELECT id FROM hooks") == []


def test_the_page_shows_what_the_receiver_answered_and_sends_an_event_again(hooked, database):
    database.run(outbox.write_event, EventType.EXPORT_READY, {"job_id": "1"})
    database.run(outbox.plan_deliveries, limit=9)
    done = "due_at = NULL, try_count = 10, status = 500, answer = '<b>no</b>'"
    fetch(database, f"UPDATE hook_deliveries SET {done} RETURNING hook_id")
    page = hooked.get("/hooks/1").text
    assert "500 <b>no</b>" in read_text(page)
    assert "<b>no</b>" not in page
    assert "given up" in read_text(page)
    answer = hooked.post("/hooks/1/events/1", follow_redirects=True)
    assert "The event is sent again within a few seconds." in read_text(answer.text)
    assert fetch(database, "SELECT try_count, due_at IS NOT NULL FROM hook_deliveries") == [(0, True)]
    assert hooked.post("/hooks/1/events/9").status_code == 404


def write(database, count):
    for _ in range(count):
        database.run(outbox.write_event, EventType.EXPORT_READY, {"job_id": "1"})
    database.run(outbox.plan_deliveries, limit=9)
    fetch(database, "UPDATE hook_deliveries SET due_at = NULL, delivered_at = now(), try_count = 1 RETURNING 1")


def test_an_event_and_all_later_ones_are_sent_again(hooked, database):
    write(database, 3)
    assert 'href="/hooks/1/events/2/replay"' in hooked.get("/hooks/1").text
    assert "Send event 2 and all later events again?" in read_text(hooked.get("/hooks/1/events/2/replay").text)
    answer = hooked.post("/hooks/1/events/2/replay", follow_redirects=True)
    assert "2 events are sent again, one after the other." in read_text(answer.text)
    assert fetch(database, "SELECT event_id FROM hook_deliveries WHERE due_at IS NOT NULL ORDER BY 1") == [2, 3]
    answer = hooked.post("/hooks/1/events/9/replay", follow_redirects=True)
    assert "0 events are sent again, one after the other." in read_text(answer.text)


def test_events_are_sent_again_from_a_time_in_the_zone_of_the_user(hooked, database):
    write(database, 3)
    fetch(database, "UPDATE users SET time_zone = 'America/Sao_Paulo' WHERE name = 'eva' RETURNING 1")
    fetch(database, "UPDATE hook_events SET at = '2026-03-02T21:30Z' WHERE id = 1 RETURNING 1")
    page = hooked.get("/hooks/1/replay").text
    assert 'type="datetime-local"' in page
    assert "The time is that of America/Sao_Paulo." in read_text(page)
    for start, count in (("2026-03-02T18:30", 3), ("2026-03-02T18:31", 2)):
        answer = hooked.post("/hooks/1/replay", {"start": start})
        assert answer.location == f"/hooks/1?replayed={count}"
    assert read_whats(database)[-1] == "hook.replay"


@pytest.mark.parametrize(
    ("start", "words"),
    [("", "Enter the time of the first event."), ("soon", "is not a time"), ("2026-13-01T09:00", "is not a time")],
)
def test_a_time_that_is_none_replays_nothing(hooked, database, start, words):
    write(database, 1)
    answer = hooked.post("/hooks/1/replay", {"start": start})
    assert answer.status_code == 422
    assert words in read_text(answer.text)
    assert fetch(database, "SELECT count(*) FROM hook_deliveries WHERE due_at IS NOT NULL") == [0]


def test_a_disabled_hook_gets_nothing_again(hooked, database):
    write(database, 1)
    hooked.post("/hooks/1/disable")
    assert 'href="/hooks/1/replay"' not in hooked.get("/hooks/1").text
    for path, data in (("/hooks/1/replay", {"start": "2026-03-02T18:30"}), ("/hooks/1/events/1/replay", {})):
        answer = hooked.post(path, data)
        assert answer.status_code == 409
        assert "Hook 1 is disabled, so nothing is sent to it." in read_text(answer.text)


def test_the_types_of_a_hook_are_changed(hooked, database):
    page = hooked.get("/hooks/1/types").text
    assert set(re.findall(r'value="([a-z_.]+)" checked', page)) == {"campaign.completed", "export.ready"}
    assert hooked.post("/hooks/1/types", {"types": []}).status_code == 422
    answer = hooked.post("/hooks/1/types", {"types": ["worker.stalled"]}, follow_redirects=True)
    assert "The hook gets these events from now on." in read_text(answer.text)
    assert fetch(database, "SELECT types FROM hooks") == [["worker.stalled"]]
    assert read_whats(database) == ["hook.add", "hook.change"]
    hooked.post("/hooks/1/types", {"types": ["worker.stalled"]})
    assert read_whats(database) == ["hook.add", "hook.change"], "nothing was changed"
    assert "eva changed hook 1." in read_text(hooked.get("/audit").text)
    assert hooked.post("/hooks/9/types", {"types": ["worker.stalled"]}).status_code == 404


def test_each_act_has_its_question_and_its_row_in_the_audit(hooked, database):
    for act in ("test", "disable", "enable", "remove"):
        assert URL in read_text(hooked.get(f"/hooks/1/{act}").text)
        assert hooked.post(f"/hooks/1/{act}").status_code == 302
    assert read_whats(database) == ["hook.add", "hook.test", "hook.disable", "hook.enable", "hook.remove"]
    assert hooked.get("/hooks/1").status_code == 404
    assert "The hook is removed." in read_text(hooked.get("/hooks?done=remove").text)
    assert "eva removed hook 1." in read_text(hooked.get("/audit").text)


def test_a_disabled_hook_is_not_tested(hooked, database):
    hooked.post("/hooks/1/disable")
    answer = hooked.post("/hooks/1/test")
    assert answer.status_code == 409
    assert "Hook 1 is disabled, so nothing is sent to it." in read_text(answer.text)
    assert "disabled" in read_text(hooked.get("/hooks").text)


def test_a_rotation_shows_the_new_secret_once(hooked, database):
    answer = hooked.post("/hooks/1/rotate")
    new = re.search(r"whsec_[A-Za-z0-9+/=]+", answer.text)[0]
    assert new != hooked.secret
    page = hooked.get("/hooks/1").text
    assert "Both secrets sign until" in page
    assert new not in page


def test_a_secret_is_shown_only_to_somebody_who_has_typed_the_password(hooked, database):
    fetch(database, "UPDATE sessions SET confirmed_at = now() - interval '1 hour' RETURNING 1")
    for path in ("/hooks/new", "/hooks/1/rotate"):
        assert hooked.get(path).location == f"/confirm?next={path}"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PLANNER, Role.OPERATOR])
def test_others_see_no_hooks(console, role):
    browser = console.sign_in(role)
    assert browser.get("/hooks").status_code == 403
    assert 'href="/hooks"' not in browser.get("/settings").text


def test_the_pages_are_translated(console, database):
    admin = console.sign_in(Role.ADMIN, language="pt_BR")
    assert "Adicionar um hook" in admin.get("/hooks").text
    assert "uma campanha terminou" in admin.get("/hooks/new").text
