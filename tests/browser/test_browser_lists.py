"""A person uploads a list, chooses its columns and checks it, in a real browser."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from playwright.sync_api import expect

from campaigns.management.accounts import add_account, add_template
from campaigns.management.campaigns import CampaignChanges, draft_campaign
from campaigns.management.files.work import do_next_job
from campaigns.secrets import make_key
from tests.browser.test_browser_console import ALL, find_violations, sign_in
from tests.store.rows import fetch
from tests.support.actors import TESTER

ROWS = "telefone,nome,cidade\n+5511999990001,Ana,Recife\n+5511999990002,Bia,Natal\n123,Caio,Olinda\n"
WORDS_OF = {
    "en": {"upload": "Upload the list", "read": "Read the list", "out": "3 rows read, 2 people ready", "on": "Go on"},
    "pt_BR": {
        "upload": "Enviar a lista",
        "read": "Ler a lista",
        "out": "3 linhas lidas, 2 pessoas prontas para receber. 1 linha fica de fora.",
        "on": "Continuar com",
    },
}


@pytest.fixture
def draft(database):
    add_account(database, "sales", phone_number_id="1", waba_id="1", token="t", secret_key=make_key(), actor=TESTER)
    add_template(database, "promo", language="pt_BR", body="Oi {{nome}}, *hoje* tem oferta!", actor=TESTER)
    asked = CampaignChanges(name="Black Friday", template="promo:pt_BR", accounts=["sales"])
    return draft_campaign(database, asked, time_zone="UTC", actor=TESTER).id


@pytest.fixture
def work(database):
    """Does what the role `files` does."""

    def do_all():
        while do_next_job(database, secret_key=None, overlap_days=7):
            pass

    return do_all


def choose_file(page, rows=ROWS):
    page.set_input_files("#file", {"name": "clientes.csv", "mimeType": "text/csv", "buffer": rows.encode()})


def tick_notes(page):
    for box in page.locator("#agrees input").all():
        box.check()


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("look", ALL)
def test_a_list_is_uploaded_and_checked_by_keyboard(open_page, draft, work, axe, look):
    words, page = WORDS_OF[look[0]], open_page(*look)
    sign_in(page)

    def look_well():
        assert find_violations(page, axe) == [], page.url
        assert fits(page), page.url

    page.goto(f"{page.url}campaigns/{draft}/list")
    look_well()
    choose_file(page)
    page.get_by_role("button", name=words["upload"]).press("Enter")
    expect(page).to_have_url(re.compile("/columns$"))
    look_well()
    work()
    expect(page.locator("#phone")).to_have_value("0")  # without a new page
    expect(page.locator("#variable_0")).to_have_value("1")
    look_well()
    page.get_by_role("button", name=words["read"]).press("Enter")
    expect(page).to_have_url(re.compile("/check$"))
    look_well()
    work()
    expect(page.locator(".verdict")).to_contain_text(words["out"])
    expect(page.locator(".bubble-body strong").first).to_have_text("hoje")
    look_well()
    rows, decision = (page.locator(each).bounding_box() for each in ("section:has(> #rejected)", "#confirm"))
    is_beside = decision["x"] > rows["x"] + rows["width"] and decision["y"] < rows["y"] + rows["height"]
    assert is_beside == (look[1] == "desktop")


def test_a_wait_leaves_the_focus_alone_and_its_end_is_said(open_page, draft, work):
    page = open_page()
    sign_in(page)
    page.goto(f"{page.url}campaigns/{draft}/list")
    choose_file(page)
    page.get_by_role("button", name="Upload the list").click()
    expect(page).to_have_url(re.compile("/columns$"))
    link = page.get_by_role("link", name="Look again")
    link.focus()
    for _turn in range(2):
        with page.expect_response("**/columns"):
            pass
    expect(link).to_be_focused()
    work()
    expect(page.locator("#said")).to_have_text("The list clientes.csv has arrived. Choose its columns.")
    expect(page.locator("#waits")).to_have_count(0)  # the page asks no more


@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_the_message_beside_the_choices_follows_them(open_page, database, draft, work, size):
    page = open_page("pt_BR", size)
    sign_in(page)
    page.goto(f"{page.url}campaigns/{draft}/list")
    choose_file(page)
    page.get_by_role("button", name="Enviar a lista").click()
    expect(page).to_have_url(re.compile("/columns$"))
    work()
    body = page.locator("#first-message .bubble-body")
    expect(body).to_have_text("Oi Ana, hoje tem oferta!")
    expect(page.locator("#text_0")).to_be_hidden()
    page.select_option("#variable_0", "2")
    expect(body).to_have_text("Oi Recife, hoje tem oferta!")
    page.select_option("#variable_0", "")
    expect(body).to_have_text("Oi {{nome}}, hoje tem oferta!")
    page.select_option("#variable_0", "same")
    page.locator("#text_0").press_sequentially("cliente")
    expect(body).to_have_text("Oi cliente, hoje tem oferta!")
    expect(page.locator("#text_0")).to_be_focused()
    page.get_by_role("button", name="Ler a lista").click()
    expect(page).to_have_url(re.compile("/check$"))
    work()
    expect(page.locator(".bubble-body").first).to_have_text("Oi cliente [para todos], hoje tem oferta!")
    assert fetch(database, "SELECT parameters FROM campaigns") == [{"nome": "cliente"}]


def test_a_button_shows_the_message_without_scripts(open_page, database, draft, work):
    page = open_page(java_script_enabled=False)
    sign_in(page)
    page.goto(f"{page.url}campaigns/{draft}/list")
    choose_file(page)
    page.get_by_role("button", name="Upload the list").click()
    work()
    page.select_option("#variable_0", "same")
    page.fill("#text_0", "cliente")
    page.get_by_role("button", name="Show it with these choices").click()
    expect(page.locator("#first-message .bubble-body")).to_have_text("Oi cliente, hoje tem oferta!")
    expect(page.locator("#variable_0")).to_have_value("same")
    assert fetch(database, "SELECT parameters FROM campaigns") == [{}]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_refused_step_violates_wcag(open_page, draft, work, axe, scheme):
    page = open_page("pt_BR", "phone", scheme, expected="status of 422")
    sign_in(page)
    root = f"{page.url}campaigns/{draft}"
    page.goto(f"{root}/check")
    assert find_violations(page, axe) == []
    page.goto(f"{root}/list")
    choose_file(page, "%PDF-1.7 ...")
    page.get_by_role("button", name="Enviar a lista").click()
    expect(page).to_have_url(re.compile("/columns$"))
    work()
    expect(page.get_by_role("alert")).to_contain_text("A lista não foi lida")
    assert find_violations(page, axe) == []
    page.goto(f"{root}/list")
    choose_file(page)
    page.get_by_role("button", name="Enviar a lista").click()
    expect(page).to_have_url(re.compile("/columns$"))
    work()
    page.select_option("#variable_0", "0")
    page.get_by_role("button", name="Ler a lista").click()
    expect(page.locator("#variable_0-error")).to_be_visible()
    expect(page.locator("#errors")).to_be_focused()
    assert find_violations(page, axe) == []
    assert fits(page)


CPFS = "CPF,nome\n11987654374,Ana\n21976543223,Bia\n31987650050,Caio\n52998224725,Davi\n1,Eva\n"


@pytest.mark.parametrize("look", ALL)
def test_one_tick_does_not_take_a_column_of_cpfs_for_phones(open_page, draft, work, axe, look):
    page = open_page(*look, expected="status of 422")
    sign_in(page)
    root = f"{page.url}campaigns/{draft}"
    page.goto(f"{root}/list")
    choose_file(page, CPFS)
    page.locator("#upload button").click()
    expect(page).to_have_url(re.compile("/columns$"))
    work()
    page.select_option("#phone", "0")
    page.locator("main form .choice button").last.click()
    expect(page).to_have_url(re.compile("/check$"))
    work()
    expect(page.locator(".grave")).to_contain_text("CPF")
    tick_notes(page)
    page.locator("#confirm button").click()
    expect(page.locator("#errors a")).to_have_attribute("href", "#sure")
    assert find_violations(page, axe) == []
    assert fits(page)
    page.goto(f"{root}/start")
    tick_notes(page)  # it may be night for these people
    page.locator("#confirm button").click()
    expect(page.locator("#errors a")).to_have_attribute("href", "#sure")
    assert find_violations(page, axe) == []
    assert fits(page)
    page.locator(".grave input").check()
    page.locator("#confirm button").click()
    expect(page).to_have_url(re.compile(r"done=started$"))


@pytest.mark.parametrize("look", ALL)
def test_a_guess_is_confirmed_at_its_choice_and_cells_that_do_not_belong_are_told(open_page, draft, work, axe, look):
    page = open_page(*look, expected="status of 422")
    sign_in(page)
    page.goto(f"{page.url}campaigns/{draft}/list")
    choose_file(page, "Contato,Dia,Cliente\n11 98765-0001,01/12/2099,Ana\n")
    page.locator("#upload button").click()
    expect(page).to_have_url(re.compile("/columns$"))
    work()
    page.reload()
    box = page.locator("input[name=sure]")
    expect(box).to_be_visible()
    page.select_option("#variable_0", "1")
    expect(page.locator("#mismatch-0")).to_contain_text("01/12/2099")
    page.locator("main form .choice button").last.click()
    expect(page.locator("#errors a")).to_have_attribute("href", "#phone")
    assert find_violations(page, axe) == []
    assert fits(page)
    page.select_option("#phone", "2")
    expect(box).to_be_hidden()
    page.select_option("#phone", "0")
    page.select_option("#variable_0", "2")
    expect(page.locator("#mismatch-0")).to_be_empty()
    box.check()
    page.locator("main form .choice button").last.dblclick()
    expect(page).to_have_url(re.compile("/check$"))
    work()
    expect(page.locator(".bubble-body").first).to_contain_text("Oi Ana [Cliente]")
    assert find_violations(page, axe) == []


def test_a_large_upload_shows_its_progress(open_page, database, draft):
    page = open_page()
    sign_in(page)
    page.goto(f"{page.url}campaigns/{draft}/list")
    network = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 500_000}
    network.send("Network.emulateNetworkConditions", slow)
    choose_file(page, ROWS + "+5511999990003,Eva,Belém\n" * 60_000)
    page.get_by_role("button", name="Upload the list").click()
    bar = page.locator("#upload-progress progress")
    expect(bar).to_be_visible()
    page.wait_for_url(f"**/campaigns/{draft}/columns")
    assert fetch(database, "SELECT sha256 IS NOT NULL FROM uploads") == [True]


def test_a_refused_upload_says_why_beside_the_file(open_page, database, draft):
    page = open_page(expected="status of 422")
    sign_in(page)
    page.goto(f"{page.url}campaigns/{draft}/list")
    page.set_input_files("#file", {"name": "empty.csv", "mimeType": "text/csv", "buffer": b""})
    page.get_by_role("button", name="Upload the list").click()
    expect(page.locator("#upload-problem")).to_contain_text("The file is empty")
    expect(page.locator("#upload-problem")).to_be_focused()
    expect(page.get_by_role("button", name="Upload the list")).to_be_enabled()
    page.evaluate("document.getElementById('upload').dataset.maxBytes = 10")
    choose_file(page)
    page.get_by_role("button", name="Upload the list").click()
    expect(page.locator("#upload-problem")).to_contain_text("more than 200 MB")


def test_an_upload_after_the_end_of_the_session_says_so(open_page, database, draft):
    page = open_page(expected="status of 401")
    sign_in(page)
    page.goto(f"{page.url}campaigns/{draft}/list")
    fetch(database, "DELETE FROM sessions")
    choose_file(page, "x" * 3_000_000)
    page.get_by_role("button", name="Upload the list").click()
    expect(page.locator("#upload-problem")).to_contain_text("Your session has ended")
    expect(page.locator("#upload-problem")).to_be_focused()


def test_the_steps_work_without_scripts(open_page, database, draft, work):
    page = open_page(java_script_enabled=False)
    sign_in(page)
    page.goto(f"{page.url}campaigns/{draft}/list")
    choose_file(page)
    page.get_by_role("button", name="Upload the list").click()
    expect(page.get_by_role("heading", name="The list is being read")).to_be_visible()
    work()
    expect(page.locator("#phone")).to_have_value("0")  # the page loads itself again
    page.get_by_role("button", name="Read the list").click()
    expect(page.get_by_role("heading", name="The list is being read")).to_be_visible()
    work()
    expect(page.locator(".verdict")).to_contain_text("1 row stays out.")


@pytest.mark.parametrize("look", ALL)
def test_people_who_want_no_messages_are_left_out_by_one_button(open_page, database, draft, work, axe, look):  # noqa: PLR0917
    page = open_page(*look)
    sign_in(page)
    page.goto(f"{page.url}campaigns/{draft}/list")
    choose_file(page, "telefone,nome,opt-in\n+5511999990001,Ana,sim\n+5511999990002,Bia,não\n")
    page.get_by_role("button", name=WORDS_OF[look[0]]["upload"]).click()
    page.wait_for_url("**/columns")
    work()
    page.get_by_role("button", name=WORDS_OF[look[0]]["read"]).click()
    page.wait_for_url("**/check")
    work()
    button = page.locator("[name=decide]").first
    expect(button).to_be_visible()
    assert find_violations(page, axe) == []
    assert fits(page)
    button.click()
    expect(page.locator("#waits")).to_be_visible()
    work()
    expect(page.locator("#confirm")).to_be_visible()
    assert fetch(database, "SELECT phone FROM messages") == ["+5511999990001"]


def test_the_first_message_is_foretold_while_a_person_types(open_page, database, draft):
    page = open_page()
    sign_in(page)
    page.goto(f"{page.url}campaigns/{draft}/pace")
    page.fill("#window_from", "09:00")
    page.fill("#window_to", "20:00")
    day = dt.datetime.now(dt.UTC) + dt.timedelta(days=3)
    page.fill("#schedule", f"{day:%Y-%m-%d}T23:30")
    expect(page.locator("#first-time")).to_contain_text(f"{day + dt.timedelta(days=1):%Y-%m-%d} 09:00")
    expect(page.locator("#schedule")).to_be_focused()
    assert fetch(database, "SELECT scheduled_at FROM campaigns") == [None]
