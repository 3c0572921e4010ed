"""The steps of a draft: what each page saves, what it refuses, and where it leads."""

from __future__ import annotations

import re

import pytest
from psycopg.types.json import Jsonb

from campaigns.domain.users.rights import Role
from campaigns.management.accounts import add_account
from campaigns.management.campaigns import CampaignChanges, make_draft_in
from campaigns.secrets import make_key
from console.texts import style
from devstack.demo import CAMPAIGNS, _make_campaigns
from tests.console.conftest import read_text
from tests.simulator.far_end import WABA
from tests.store import rows
from tests.store.rows import Beside, add_campaign, add_message, add_messages, add_template, await_blocked, fetch, hold
from tests.support.actors import TESTER

LANGUAGES = ["en", "pt_BR"]


@pytest.fixture
def template(database):
    body = {"type": "BODY", "text": "Oi {{1}}, *hoje* só para você"}
    return database.run(
        add_template, name="promo", language="pt_BR", category="MARKETING", components=Jsonb([body]), status="approved"
    )


def drafts(database):
    return fetch(
        database,
        "SELECT c.name, t.name, c.status::text FROM campaigns c JOIN templates t ON t.id = c.template_id ORDER BY c.id",
    )


def test_a_draft_begins_with_a_template_and_a_name(console, database, template):
    browser = console.sign_in(Role.PLANNER)
    assert 'href="/campaigns/new"' in browser.get("/").text
    assert 'href="/campaigns/new"' in browser.get("/campaigns").text
    answer = browser.post("/campaigns/new", {"template": "promo:pt_BR", "name": " Black Friday "})
    assert answer.status_code == 302
    assert drafts(database) == [("Black Friday", "promo", "draft")]
    row = fetch(database, "SELECT what, actor FROM audit_events WHERE what = 'campaign.create'")
    assert row == [("campaign.create", "planner-en")]
    page = browser.get("/campaigns").text
    assert "/draft" in page
    opened = browser.get(page.split('class="row-name"')[1].split('href="')[1].split('"')[0])
    assert opened.status_code == 302


def test_a_form_that_is_sent_twice_makes_one_draft(console, database, template):
    browser = console.sign_in()
    page = browser.get("/campaigns/new").text
    once = page.split('name="once" value="')[1].split('"')[0]
    data = {"template": "promo:pt_BR", "name": "Sale", "once": once}
    answers = [browser.post("/campaigns/new", data) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [302, 302]
    assert answers[0].location == answers[1].location
    assert drafts(database) == [("Sale", "promo", "draft")]
    # A person who went back and typed another name wants another draft, and another person's form is another form.
    browser.post("/campaigns/new", data | {"name": "Other"})
    console.sign_in(name="olga").post("/campaigns/new", data)
    assert [name for name, _template, _status in drafts(database)] == ["Sale", "Other", "Sale"]
    assert fetch(database, "SELECT count(*) FROM audit_events WHERE what = 'campaign.create'") == [3]
    assert browser.get("/campaigns/new").text.split('name="once" value="')[1].split('"')[0] != once


def test_a_second_form_waits_for_the_first_and_finds_its_draft(database, template):
    def make(connection):
        asked = CampaignChanges(name="Sale", template="promo:pt_BR")
        return make_draft_in(connection, asked, TESTER, time_zone="UTC", quiet_hours=None, draft_key=b"key")

    first, may_commit = hold(database, make)
    second = Beside(database.run, make)
    await_blocked(database)
    may_commit.set()
    assert first.result().id == second.result().id
    assert drafts(database) == [("Sale", "promo", "draft")]


def test_a_viewer_makes_no_draft(console, template):
    browser = console.sign_in(Role.VIEWER)
    assert "/campaigns/new" not in browser.get("/campaigns").text
    assert browser.get("/campaigns/new").status_code == 403


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_missing_is_said_at_the_field_and_nothing_is_lost(console, database, template, language):
    browser = console.sign_in(language=language)
    answer = browser.post("/campaigns/new", {"name": "Black Friday"})
    assert answer.status_code == 422
    assert 'href="#template"' in answer.text
    assert 'id="template-error"' in answer.text
    assert 'value="Black Friday"' in answer.text
    answer = browser.post("/campaigns/new", {"template": "promo:pt_BR", "name": "  "})
    assert 'href="#name"' in answer.text
    assert 'aria-describedby="name-error"' in answer.text
    assert 'value="promo:pt_BR" checked' in answer.text
    assert drafts(database) == []


def test_a_name_of_two_lines_is_refused_at_its_field(console, database, template):
    answer = console.sign_in().post("/campaigns/new", {"template": "promo:pt_BR", "name": "a\nb"})
    assert answer.status_code == 422
    assert 'id="name-error"' in answer.text
    assert drafts(database) == []


def test_a_campaign_that_is_no_draft_has_no_steps(console, database):
    campaign_id = database.run(add_campaign, "running")
    browser = console.sign_in()
    for step in ("draft", "text"):
        answer = browser.get(f"/campaigns/{campaign_id}/{step}")
        assert answer.location == f"/campaigns/{campaign_id}?done=no-draft"
    assert "This campaign is no draft any more" in read_text(browser.get(answer.location).text)
    assert browser.get("/campaigns/999/text").status_code == 404


def test_the_header_names_the_step_and_what_is_missing(console, database, template):
    campaign_id = database.run(add_campaign, "draft", template_id=template)
    page = console.sign_in().get(f"/campaigns/{campaign_id}/text").text
    assert page.count('aria-current="step"') == 1
    assert "Text" in read_text(page.split('aria-current="step"')[1].split("</a>")[0])
    assert "nobody is on the list yet" in read_text(page)


def test_no_step_is_called_done_where_the_person_is_or_where_the_page_says_what_is_wrong(console, database, template):
    account = database.run(rows.add_account)
    columns = {"template_id": template, "accounts": [account], "columns": ["1"], "recipient_count": 1}
    campaign_id = database.run(add_campaign, "draft", **columns)
    database.run(lambda connection: add_message(connection, campaign_id, variables=["Ana"]))
    browser = console.sign_in()

    def list_done(step):
        steps = browser.get(f"/campaigns/{campaign_id}/{step}").text.split('class="steps"')[1].split("</ol>")[0]
        done = [each for each in steps.split("<li")[1:] if "<small>done<" in each]
        return [read_text(each.split("</a>")[0]).split()[-1] for each in done]

    assert list_done("pace") == ["Text", "List", "Columns", "Check"]
    assert list_done("check") == ["Text", "List", "Columns", "pace"]
    fetch(database, "UPDATE accounts SET active = false, inactive_reason = 'by hand' RETURNING 1")
    assert list_done("start") == []


def test_the_gallery_shows_each_template_once_and_says_why_one_cannot_be_chosen(console, database, template):
    hello = Jsonb([{"type": "BODY", "text": "Hello"}])
    for waba_id, status in (("1", "rejected"), ("2", "approved")):
        database.run(add_template, name="both", components=hello, waba_id=waba_id, status=status)
    database.run(add_template, name="gone", components=hello, status="paused")
    unsupported = Jsonb([{"type": "BODY", "text": "Hi"}, {"type": "CAROUSEL", "cards": []}])
    database.run(add_template, name="odd", components=unsupported, status="approved")
    used = database.run(add_template, name="used", components=hello, status="approved")
    database.run(add_campaign, "running", template_id=used, started_at="2026-10-01T11:00Z")
    page = console.sign_in().get("/campaigns/new").text
    cards = {name: page.split(f"<strong>{name}</strong>")[1].split("</li>")[0] for name in ("gone", "odd", "used")}
    assert page.count("<strong>both</strong>") == 1
    assert "Cannot be chosen: for Meta it is paused since" in read_text(cards["gone"])
    assert "A campaign cannot fill the template odd:en" in read_text(cards["odd"])
    assert "last used 2026-10-01 11:00" in read_text(cards["used"])
    inputs = {part.split('"')[0]: part.split(">")[0] for part in page.split('name="template" value="')[1:]}
    assert sorted(key for key, text in inputs.items() if "disabled" in text) == ["gone:en", "odd:en"]


def test_the_gallery_is_filtered_by_its_address_and_goes_on_by_key(console, database, template):
    for number in range(53):
        database.run(add_template, name=f"news_{number:02}")
    browser = console.sign_in()
    first = browser.get("/campaigns/new?text=NEWS").text
    assert first.count('class="card') == 50
    following = re.search(r'name="show" value="(news[^"]*)"', first)[1]
    more = browser.post("/campaigns/new", {"show": following, "text": "NEWS"})
    assert more.text.count('class="card') == 3
    assert browser.get("/campaigns/new?language=pt_BR").text.count('class="card') == 1
    assert "No template fits this filter." in browser.get("/campaigns/new?text=nothing").text


def test_a_filter_keeps_the_chosen_template_and_the_name(console, database, template):
    for number in range(53):
        database.run(add_template, name=f"news_{number:02}")
    browser = console.sign_in()
    chosen = {"name": "Sale", "template": "promo:pt_BR", "filtered": ":"}
    for asked, said in (
        ({"show": "filter", "text": "news"}, "You have chosen the template promo:pt_BR, which is not shown now."),
        ({"text": "news"}, "You have chosen the template promo:pt_BR"),  # the Enter key in the field of the filter
        ({"show": "filter", "text": "nothing"}, "You have chosen the template promo:pt_BR"),
        ({"show": "filter", "text": "promo"}, 'value="promo:pt_BR" checked'),
        ({"show": "all", "text": "nothing"}, "You have chosen the template promo:pt_BR"),
        ({"show": "news_49:pt_BR"}, 'value="promo:pt_BR" checked'),
    ):
        answer = browser.post("/campaigns/new", chosen | asked)
        assert answer.status_code == 200, asked
        assert said in answer.text, asked
        assert 'value="Sale"' in answer.text
    assert drafts(database) == []
    filtered = browser.post("/campaigns/new", chosen | {"show": "filter", "text": "news"}).text
    sent = chosen | {"text": "news", "filtered": "news:"}
    assert 'name="filtered" value="news:"' in filtered
    assert filtered.index('name="template" value="news_00') < filtered.index('name="template" value="promo:pt_BR"')
    assert browser.post("/campaigns/new", sent).status_code == 302
    assert drafts(database) == [("Sale", "promo", "draft")]
    campaign = fetch(database, "SELECT id FROM campaigns")[0]
    answer = browser.post(f"/campaigns/{campaign}/text", {"name": "Other", "show": "filter", "text": "news"})
    assert 'value="Other"' in answer.text
    assert "The campaign keeps its template promo:pt_BR" in answer.text


def test_a_refused_template_is_said_at_the_field_with_its_variables(console, database, template):
    two = Jsonb([{"type": "BODY", "text": "Oi {{1}}, {{2}}!"}])
    database.run(add_template, name="two", language="pt_BR", components=two, status="approved")
    campaign = database.run(add_campaign, "draft", template_id=template, columns=["1"], recipient_count=1, name="Sale")
    database.run(add_messages, campaign, 1)
    answer = console.sign_in().post(f"/campaigns/{campaign}/text", {"template": "two:pt_BR", "name": "Other"})
    assert answer.status_code == 409
    at_field = answer.text.split('id="template-error"')[1].split("</small>")[0]
    assert "needs 2 values (1, 2) for each" in read_text(at_field)
    assert 'value="Other"' in answer.text
    assert drafts(database) == [("Sale", "promo", "draft")]


PICTURE = [
    {"type": "HEADER", "format": "IMAGE"},
    {"type": "BODY", "text": "Oi {{1}}"},
    {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Parar"}]},
]


def test_values_for_everybody_are_kept_with_the_draft(console, database):
    database.run(add_template, name="foto", language="pt_BR", components=Jsonb(PICTURE), status="approved")
    browser = console.sign_in()
    answer = browser.post("/campaigns/new", {"template": "foto:pt_BR", "name": "Sale"})
    assert answer.location.endswith("/text#values")
    path = answer.location.partition("#")[0]
    browser.post(path, {"name": "Sale", "value_0": "https://example.com/a.png", "value_2": "STOP"})
    read = lambda: fetch(database, "SELECT parameters, columns FROM campaigns")  # noqa: E731
    assert read() == [({"header": "https://example.com/a.png", "button 1": "STOP"}, ["1"])]
    page = browser.get(path).text
    assert 'value="https://example.com/a.png"' in page
    wrong = browser.post(path, {"name": "Sale", "value_0": "http://example.com/a.png", "value_2": "STOP"})
    assert wrong.status_code == 422
    assert 'id="value_0-error"' in wrong.text
    assert 'value="http://example.com/a.png"' in wrong.text
    browser.post(path, {"name": "Sale", "value_0": "", "value_2": ""})
    assert read() == [({"header": None}, ["header", "1"])]


def test_a_draft_keeps_its_template_if_the_page_does_not_show_it(console, database, template):
    campaign = database.run(add_campaign, "draft", template_id=template, columns=["1"], name="Sale")
    browser = console.sign_in()
    page = browser.get(f"/campaigns/{campaign}/text?text=nothing")
    assert "The campaign keeps its template promo:pt_BR" in page.text
    assert browser.post(f"/campaigns/{campaign}/text", {"name": "Other"}).status_code == 302
    assert drafts(database) == [("Other", "promo", "draft")]


def test_the_templates_are_read_from_meta_at_most_once_a_minute(make_console, database, far, settings):
    console = make_console(graph_api_url=f"{far.url}/v24.0")
    key = settings.secret_key
    add_account(database, "sales", phone_number_id="1", waba_id=WABA, token="token-1", secret_key=key, actor=TESTER)
    far.script(templates=[])
    browser = console.sign_in()
    assert "The templates were never read from Meta." in browser.get("/campaigns/new").text
    empty = browser.post("/campaigns/templates/sync", form="/campaigns/new").text
    assert "Meta has no templates for these accounts." in empty
    assert "Nothing has changed." not in empty
    assert "never read" not in empty
    forget_time(console)
    far.script(templates=[{"name": "novo", "body": "Oi {{1}}!", "language": "pt_BR", "status": "APPROVED"}])
    page = browser.post("/campaigns/templates/sync", {"name": "Sale"}, form="/campaigns/new").text
    news = read_text(page.split('id="news"')[1].split("</div>")[0])
    assert "1 template was read. New: novo (pt_BR), approved.".replace(". ", ".") in news.replace(". ", ".")
    assert "<strong>novo</strong>" in page
    assert "Read from Meta 20" in page
    assert 'value="Sale"' in page, "what was typed is kept"
    again = browser.post("/campaigns/templates/sync", form="/campaigns/new")
    assert again.status_code == 429
    assert "Try again in a minute." in again.text
    forget_time(console)
    assert "Nothing has changed." in browser.post("/campaigns/templates/sync", form="/campaigns/new").text
    forget_time(console)
    far.script(templates=[{"name": "novo", "body": "Oi {{1}}!", "language": "pt_BR", "status": "PAUSED"}])
    page = browser.post("/campaigns/templates/sync", form="/campaigns/new").text
    assert "Changed: novo (pt_BR), status approved → paused" in page
    forget_time(console)
    far.script(templates=[])
    assert "Meta has novo (pt_BR) no longer." in browser.post("/campaigns/templates/sync", form="/campaigns/new").text


def forget_time(console):
    """Let the next reading of Meta's list be the first one."""
    console.app.extensions.pop("revoada.template_sync")


def test_a_draft_keeps_its_template_and_its_filter_when_the_list_is_read_again(make_console, database, far, template):
    console = make_console(graph_api_url=f"{far.url}/v24.0")
    campaign_id = database.run(add_campaign, "draft", template_id=template, name="Sale")
    page = console.sign_in().get(f"/campaigns/{campaign_id}/text?text=pro").text
    address = page.split('formaction="')[1].split('"')[0]
    sent = {"campaign_id": str(campaign_id), "text": "pro"}
    answer = console.sign_in(name="olga").post(address, sent, form="/campaigns/new")
    assert f'action="/campaigns/{campaign_id}/text"' in answer.text
    assert 'value="promo:pt_BR" checked' in answer.text
    assert 'type="search" value="pro"' in answer.text


def test_templates_that_cannot_be_read_leave_a_reason_and_the_list(make_console, database, far, template):
    console = make_console(graph_api_url=f"{far.url}/v24.0")
    other_key = make_key()
    add_account(database, "sales", phone_number_id="1", waba_id=WABA, token="t", secret_key=other_key, actor=TESTER)
    answer = console.sign_in().post("/campaigns/templates/sync", form="/campaigns/new")
    assert answer.status_code == 503
    assert "REVOADA_SECRET_KEY" in answer.text
    assert "The list below is the one that was read before." in answer.text
    assert "<strong>promo</strong>" in answer.text


def test_a_reading_while_meta_is_away_says_so_and_keeps_the_list(make_console, database, settings, template):
    console = make_console(graph_api_url="http://127.0.0.1:1/v24.0")
    key = settings.secret_key
    add_account(database, "sales", phone_number_id="1", waba_id=WABA, token="token-1", secret_key=key, actor=TESTER)
    answer = console.sign_in().post("/campaigns/templates/sync", {"name": "Sale"}, form="/campaigns/new")
    assert answer.status_code == 503
    assert 'role="alert"' in answer.text
    assert "The list below is the one that was read before." in answer.text
    assert "<strong>promo</strong>" in answer.text
    assert 'value="Sale"' in answer.text


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Oi *Ana*, _hoje_ ~50~", "Oi <strong>Ana</strong>, <em>hoje</em> <s>50</s>"),
        ("*bold _both_ end*", "<strong>bold <em>both</em> end</strong>"),
        ("`x<y` ```a\nb```", "<code>x&lt;y</code> <code>a\nb</code>"),
        ("2*3*4 snake_case_name {{first_name}}", "2*3*4 snake_case_name {{first_name}}"),
        ("*no\nline* * space *", "*no\nline* * space *"),
        ("<b>*<i>*", "&lt;b&gt;<strong>&lt;i&gt;</strong>"),
    ],
)
def test_a_bubble_has_the_styles_of_whatsapp_and_no_html_of_a_text(text, html):
    assert style(text) == html


def test_the_templates_of_the_demo_have_a_category_as_at_meta(console, database, tmp_path):
    _make_campaigns(database, tmp_path, make_key())
    assert fetch(database, "SELECT category FROM templates") == ["MARKETING"] * len(CAMPAIGNS)
    assert read_text(console.sign_in().get("/campaigns/new").text).count("marketing ·") == len(CAMPAIGNS)
