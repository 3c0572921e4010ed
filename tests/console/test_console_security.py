"""What the console refuses, and the headers of its answers."""

from __future__ import annotations

import io
import re

import pytest

from campaigns.config import SettingsError, read_settings
from campaigns.domain.users.rights import Right, Role, list_rights
from campaigns.secrets import seal_key
from campaigns.store.hooks.hooks import insert_hook
from campaigns.store.hooks.outbox import write_test_event
from console.rights import PUBLIC, find_demand
from console.security import PublicAddress, read_public_address
from tests.console.conftest import read_text, read_token
from tests.store.rows import add_account, add_campaign, fetch


@pytest.fixture
def campaign_id(database):
    return database.run(add_campaign, "running")


def status_of(database):
    return fetch(database, "SELECT status::text FROM campaigns")


def test_a_change_needs_the_token_of_its_session(console, database, campaign_id):
    browser, other = console.sign_in(name="maria"), console.sign_in(name="joao")
    path = f"/campaigns/{campaign_id}/pause"
    foreign = read_token(other.get(path).text)
    for data in ({}, {"csrf_token": "x"}, {"csrf_token": foreign}):
        answer = browser.post_raw(path, data)
        assert answer.status_code == 400
        assert "Nothing was changed." in answer.text
    assert status_of(database) == ["running"]
    assert browser.post(path).status_code == 302
    assert status_of(database) == ["paused"]


def test_the_token_of_a_visit_is_not_that_of_the_session(console, campaign_id):
    browser = console.browser()
    before = read_token(browser.get("/login").text)
    console.sign_in(name="maria")
    browser.log_in("maria")
    assert browser.post_raw(f"/campaigns/{campaign_id}/pause", {"csrf_token": before}).status_code == 400


def test_a_login_needs_the_token_of_its_visit(console):
    console.sign_in(name="maria")
    stranger = read_token(console.browser().get("/login").text)
    forged = console.browser().post_raw("/login", {"name": "maria", "password": "x", "csrf_token": stranger})
    assert forged.status_code == 400


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_change_from_another_site_is_refused(console, database, campaign_id, site):
    browser = console.sign_in()
    path = f"/campaigns/{campaign_id}/pause"
    answer = browser.post(path, headers={"Sec-Fetch-Site": site})
    assert answer.status_code == 403
    assert "Another web site sent this request." in answer.text
    assert status_of(database) == ["running"]
    assert browser.get("/", headers={"Sec-Fetch-Site": site}).status_code == 200  # a link from a mail


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:9", "[::1]:8080"])
def test_without_an_address_this_machine_is_served(console, host):
    assert console.browser().get("/login", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "[::1", "a:b:c", "10.0.0.1"]
)
def test_another_host_is_refused_with_the_setting_that_names_ours(console, host):
    answer = console.browser().get("/login", headers={"Host": host})
    assert answer.status_code == 400
    assert "REVOADA_PUBLIC_URL" in answer.text
    assert host not in answer.text.replace("localhost, 127.0.0.1 and [::1]", "")


def test_only_the_public_address_is_served(make_console):
    browser = make_console(public_url="https://revoada.example").browser()
    for host, status in (
        ("revoada.example", 200),
        ("revoada.example:443", 200),
        ("REVOADA.example", 200),
        ("revoada.example:8080", 400),
        ("localhost", 400),
    ):
        assert browser.get("/login", headers={"Host": host}).status_code == status, host
    # A health check comes by the address of the container.
    assert browser.get("/healthz", headers={"Host": "127.0.0.1:8080"}).status_code == 200


def test_a_forwarded_host_does_not_count(console):
    answer = console.browser().get(
        "/campaigns", headers={"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    )
    assert answer.location == "/login?next=/campaigns"


def test_the_console_works_under_a_path(make_console, campaign_id):
    console = make_console(public_url="http://localhost:8080/revoada")
    browser = console.browser()
    assert browser.get("/login").status_code == 404
    assert browser.get("/revoadas/login").status_code == 404
    answer = browser.get(f"/revoada/campaigns/{campaign_id}")
    assert answer.location == f"/revoada/login?next=/revoada/campaigns/{campaign_id}"
    page = browser.get("/revoada/login").text
    assert '"/revoada/static/' in page
    assert 'href="/login' not in page
    assert browser.get("/healthz").text == browser.get("/revoada/healthz").text == "ok"


def list_answers(console, campaign_id):
    browser = console.sign_in()
    yield "page", browser.get("/")
    yield "login", console.browser().get("/login")
    yield "redirect", console.browser().get("/")
    yield "static", browser.get("/static/app.css")
    yield "fragment", browser.get(f"/numbers/row?ids={campaign_id}")
    yield "probe", browser.get("/healthz")
    yield "400", browser.get("/", headers={"Host": "evil.example"})
    yield "404", browser.get("/nowhere")
    yield "405", browser.post_raw("/campaigns")
    yield "413", browser.post_raw("/login", {"name": "x" * 70_000})


def test_each_answer_has_the_headers(console, make_console, campaign_id):
    for name, answer in list_answers(console, campaign_id):
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';"), name
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff", name
        assert answer.headers["Referrer-Policy"] == "same-origin", name
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin", name
        assert "Strict-Transport-Security" not in answer.headers, name
        cache = "public, max-age=31536000, immutable" if name == "static" else "no-store"
        assert answer.headers["Cache-Control"] == cache, name
    secure = make_console(public_url="https://revoada.example").browser()
    assert "Strict-Transport-Security" in secure.get("/login", headers={"Host": "revoada.example"}).headers


def test_no_page_has_inline_scripts_or_styles(project):
    for template in (project / "console/templates").rglob("*.html"):
        text = template.read_text()
        assert "<style" not in text, template
        assert " style=" not in text, template
        assert "javascript:" not in text, template
        assert "hx-on" not in text, template
        assert "js:" not in text, template
        for tag in text.split("<script")[1:]:
            assert tag.partition(">")[0].strip().startswith("src="), template
            assert tag.partition(">")[2].startswith("</script>"), template


# There is no account that could read templates, no campaign is a test, no list was uploaded, the only work that was
# asked for is a download, which is not written yet, a campaign that runs is not deleted, and no message failed.
_OWN_STATUSES = {
    "sync_templates": 404,
    "test": 404,
    "withdraw_test": 404,
    "ask_approval": 409,
    "discard": 409,
    "download_rejected": 503,
    "copying": 404,
    "take_people": 422,
    "taking_people": 404,
    "download_file": 503,
    "optout_file_read": 404,
    "named_account": 404,
    "retry": 409,
    "retry_uncertain": 409,
    "read_templates": 429,
    "check_account": 503,
    "load_prices": 400,
    "ask_remove_prices": 404,
    "remove_prices": 404,
    "ask_revoke_token": 404,
    "revoke_token": 404,
}


def list_views(app):
    for rule in app.url_map.iter_rules():
        yield rule, find_demand(app, rule.endpoint)


def test_each_view_names_a_right_or_is_public(console):
    public = set()
    for rule, demand in list_views(console.app):
        assert demand is not None, f"{rule.endpoint} names no right: see console/rights.py"
        if demand == PUBLIC:
            public.add(rule.endpoint)
    assert public == {"static", "login", "log_in", "healthz", "readyz"}


@pytest.mark.parametrize("role", list(Role))
def test_each_role_reaches_the_views_of_its_rights_and_no_others(console, database, role):
    campaigns = {}
    for rule, _ in list_views(console.app):
        campaigns[rule.endpoint] = database.run(add_campaign, "paused" if "resume" in rule.endpoint else "running")
    console.sign_in(Role.VIEWER, name="somebody")
    (user_id,) = fetch(database, "SELECT id FROM users WHERE name = 'somebody'")
    person = seal_key(console.settings.secret_key, "person +5511987650021")
    browser = console.sign_in(role)
    account_id = None
    # The account comes last, because it could read templates.
    for rule, demand in sorted(list_views(console.app), key=lambda view: "account_id" in view[0].arguments):
        if demand == PUBLIC or rule.endpoint == "log_out":
            continue
        if "account_id" in rule.arguments:
            account_id = account_id or database.run(add_account)  # its token is not readable, so Meta is not asked
        path = rule.rule.replace("<kind>", "row").replace("<sealed>", person).replace(str(2**63 - 1), "N")
        path = path.replace("<int(max=N):campaign_id>", str(campaigns[rule.endpoint]))
        path = path.replace("<int(max=N):user_id>", str(user_id)).replace("<int(max=N):job_id>", "1")
        path = path.replace("<int(max=N):token_id>", "1")
        path = path.replace("<day>", "2026-01-01").replace("<int(max=N):account_id>", str(account_id))
        if "hook_id" in rule.arguments:
            hook_id = database.run(insert_hook, "https://example.com/", types=["export.ready"], secret=b"sealed")
            event_id = database.run(write_test_event, hook_id)
            path = path.replace("<int(max=N):hook_id>", str(hook_id)).replace("<int(max=N):event_id>", str(event_id))
        query = f"?ids={campaigns[rule.endpoint]}" if rule.arguments == {"kind"} else ""
        if "POST" in rule.methods:
            answer = browser.post(path + query, {"name": "Sale", "updates": "on"}, form="/")
        elif "PUT" in rule.methods:
            answer = browser.put(path, b"phone", form="/")
        else:
            answer = browser.get(path + query, buffered=False)
        answer.close()
        may = demand in list_rights(role)
        # Some forms lack values.
        is_reached = answer.status_code < 400 or answer.status_code in {422, _OWN_STATUSES.get(rule.endpoint)}
        assert is_reached == may, (rule.endpoint, answer.status_code)
        assert may or answer.status_code == 403


def test_each_change_needs_a_token(console, database, campaign_id):
    browser, count = console.sign_in(Role.ADMIN), 0
    for rule, _ in list_views(console.app):
        path = re.sub("<kind>", "row", re.sub(r"<(int\(max=\d+\):\w+|sealed)>", str(campaign_id), rule.rule))
        for method in {"POST", "PUT", "PATCH", "DELETE"} & rule.methods:
            answer = browser.client.open(path, method=method, headers=browser.headers, base_url=browser.base_url)
            assert answer.status_code == 400, (method, rule.endpoint)
            count += 1
    assert count > 30
    assert status_of(database) == ["running"]


def test_a_view_without_a_right_answers_nothing(console):
    console.app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    answer = console.sign_in(Role.ADMIN).get("/forgotten")
    assert answer.status_code == 500
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://revoada.example", PublicAddress("https", "revoada.example")),
        ("https://example.org:8443/a/b/", PublicAddress("https", "example.org", 8443, "/a/b")),
        ("http://localhost:8080", PublicAddress("http", "localhost", 8080)),
    ],
)
def test_a_public_address_is_read(text, address):
    assert read_public_address(read_settings({"REVOADA_PUBLIC_URL": text})) == address


@pytest.mark.parametrize(
    "text",
    [
        "revoada.example",
        "ftp://x.example",
        "https://u:p@x.example",
        "https://x.example/?a=b",
        "http://x.example",
        "https://x:port",
    ],
)
def test_a_wrong_public_address_is_refused(text):
    with pytest.raises(SettingsError, match="REVOADA_PUBLIC_URL is wrong: must"):
        read_settings({"REVOADA_PUBLIC_URL": text})


def test_a_viewer_sees_no_rejected_rows(console, database):
    campaign_id = database.run(add_campaign, "running", rejected_count=1)
    fetch(
        database,
        "INSERT INTO import_errors (campaign_id, file_name, row_number, column_name, reason, code)"
        " VALUES (%s, 'a.csv', 2, 'phone', '+5511987654321 is too short', 'phone') RETURNING 1",
        campaign_id,
    )
    fetch(database, "UPDATE campaigns SET rejected_count = 1 WHERE id = %s RETURNING 1", campaign_id)
    page = f"/campaigns/{campaign_id}"
    assert "+5511987654321" in console.sign_in(Role.OPERATOR).get(page).text
    assert "987654321" not in console.sign_in(Role.VIEWER).get(page).text
    assert Right.PHONES_SEE not in list_rights(Role.PLANNER)
    assert read_text(console.sign_in(Role.PLANNER).get(page).text)


@pytest.mark.parametrize(
    ("path", "name"),
    [("/campaigns/pause", "ids"), ("/campaigns/cancel", "ids"), ("/campaigns/templates/sync", "campaign_id")],
)
def test_a_number_that_python_does_not_read_is_no_fault_of_the_program(console, path, name):
    browser = console.sign_in(Role.ADMIN)
    assert browser.post(path, {name: "9" * 5000}, form="/").status_code in {400, 404}


NUL_PATHS = ("/campaigns?q=%00", "/audit?actor=x%00", "/audit?%00=1", "/people?q=%00", "/optouts?q=1%00")


@pytest.mark.parametrize("path", NUL_PATHS)
def test_a_character_that_postgres_cannot_store_is_refused_in_an_address(console, path):
    answer = console.sign_in().get(path)
    assert answer.status_code == 400
    assert "NUL" in answer.text


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/optouts/new", {"phone": "11 98765-0021", "reason": "x\0"}),
        ("/optouts/file", {"reason": "x", "file": (io.BytesIO(b"11 98765-0021"), "a\0.csv")}),
        ("/settings", {"language": "en", "time_zone": "\0"}),
        ("/login", {"name": "eva\0", "password": "x"}),
        ("/login", {"name": "eva", "password": "\0"}),
    ],
)
def test_a_character_that_postgres_cannot_store_is_refused_in_a_form(console, database, path, data):
    browser = console.browser() if path == "/login" else console.sign_in()
    answer = browser.post(path, data)
    assert answer.status_code == 400
    assert "Nothing was changed." in answer.text
    assert fetch(database, "SELECT count(*) FROM suppressions") == [0]
