"""The prices that all see, and the price lists that an admin loads and removes."""

from __future__ import annotations

import datetime as dt
import io
import re
from html import unescape

import pytest

from campaigns.domain.users.rights import Role
from tests.console.conftest import read_text
from tests.sheets.test_xlsx import write_rows
from tests.store.rows import fetch

HEADER = "market,countries,currency,valid_from,marketing,utility"
LIST = f"{HEADER}\nBrazil,BR,USD,2026-01-01,0.0625,0.008\nIberia,ES PT,USD,2026-01-01,0.05,\n"
LOAD = "/settings/prices/load"


@pytest.fixture
def admin(console):
    return console.sign_in(Role.ADMIN, name="eva")


def send_file(browser, text=LIST, name="prices.csv"):
    content = text if isinstance(text, bytes) else text.encode()
    return browser.post(LOAD, {"file": (io.BytesIO(content), name)}, content_type="multipart/form-data")


def confirm(browser, page, **fields):
    sent = {}
    for name in ("encoded", "name", "seen"):
        sent[name] = unescape(re.search(rf'name="{name}"[^>]*value="([^"]*)"', page)[1])
    return browser.post(f"{LOAD}/confirm", sent | fields, form=LOAD)


def load(browser, text=LIST):
    answer = confirm(browser, send_file(browser, text).text)
    assert answer.status_code == 302, read_text(answer.text)
    return answer


def list_prices(database):
    return fetch(database, "SELECT country, category, valid_from::text, amount::text FROM prices ORDER BY 1, 2, 3")


def test_a_list_is_loaded_after_a_page_that_shows_what_it_changes(admin, database):
    page = send_file(admin)
    assert page.status_code == 200
    shown = read_text(page.text)
    assert "4new prices" in shown
    assert "$0.0625" in shown
    assert "Portugal, Spain" in shown or "Spain, Portugal" in shown
    assert list_prices(database) == []
    answer = confirm(admin, page.text, reason="January")
    assert "The prices are loaded." in read_text(admin.get(answer.location).text)
    assert len(list_prices(database)) == 4
    (event,) = fetch(database, "SELECT actor, reason, after->>'file' FROM audit_events WHERE what = 'prices.load'")
    assert event == ("eva", "January", "prices.csv")


def test_a_corrected_price_is_shown_before_and_after(admin, database):
    load(admin)
    page = send_file(admin, LIST.replace("0.0625", "0.07"))
    shown = read_text(page.text)
    assert "0new prices" in shown
    assert "1corrected price" in shown
    assert "$0.0625$0.07" in shown
    confirm(admin, page.text)
    assert ("BR", "marketing", "2026-01-01", "0.07") in list_prices(database)


def test_the_same_list_again_changes_nothing_and_offers_no_button(admin):
    load(admin)
    page = read_text(send_file(admin).text)
    assert "The file changes nothing" in page
    assert "Load these prices" not in page


def test_changes_that_nobody_has_seen_are_shown_first(admin, database):
    page = send_file(admin).text
    fetch(database, "INSERT INTO prices VALUES ('BR', 'marketing', '2026-01-01', 'USD', 0.09, 'Brazil') RETURNING 1")
    answer = confirm(admin, page)
    assert answer.status_code == 409
    assert "Somebody has changed the prices" in answer.text
    assert "$0.09$0.0625" in read_text(answer.text)
    assert len(list_prices(database)) == 1
    assert confirm(admin, answer.text).status_code == 302
    assert len(list_prices(database)) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{HEADER}\nChile,XX,USD,2026-01-01,0.05,\nPeru,PE,USD,soon,0.05,\n", "Row 3, valid_from: must be a day"),
        ("name\nAna\n", "countries: is missing in the first row"),
        ("", "the file is empty"),
        (write_rows(HEADER.split(",")), "may hide decimals"),
        ("x" * 300_001, "This file is too large for a price list."),
    ],
)
def test_a_wrong_file_is_refused_with_its_rows_and_without_a_path_of_the_server(admin, database, text, said):
    answer = send_file(admin, text)
    assert answer.status_code == 422
    assert said in read_text(answer.text)
    assert "/tmp" not in answer.text
    assert list_prices(database) == []


def test_no_file_and_a_made_up_confirmation_are_refused(admin):
    assert "Choose a file." in admin.post(LOAD, {}, content_type="multipart/form-data").text
    answer = admin.post(f"{LOAD}/confirm", {"encoded": "no base64!", "name": "x", "seen": ""}, form=LOAD)
    assert answer.status_code == 400


def test_all_see_the_prices_in_force_and_those_of_each_day(console, admin):
    today = dt.datetime.now(dt.UTC).date()
    rows = [
        f"{name},BR,USD,{today + dt.timedelta(days=days)},{price},"
        for name, days, price in (("Old", -40, "0.01"), ("Now", -4, "0.02"), ("New", 4, "0.03"))
    ]
    load(admin, "\n".join([HEADER, *rows]))
    viewer = console.sign_in(Role.VIEWER)
    shown = read_text(viewer.get("/settings/prices").text)
    assert "$0.02" in shown
    assert "$0.01" not in shown
    assert all(state in shown for state in ("not yet in force", "in force", "replaced by newer prices"))
    assert "$0.03" in read_text(viewer.get(f"/settings/prices?day={today + dt.timedelta(days=4)}").text)
    assert viewer.get("/settings/prices?day=2001-01-01").status_code == 404
    assert viewer.get("/settings/prices?day=x").status_code == 404


def test_the_prices_of_a_day_are_removed(admin, database):
    load(admin)
    path = "/settings/prices/remove/2026-01-01"
    assert "4 prices are removed." in read_text(admin.get(path).text)
    answer = admin.post(path, {"reason": "wrong year"})
    assert "The prices from 2026-01-01 on are removed." in read_text(admin.get(answer.location).text)
    assert list_prices(database) == []
    assert fetch(database, "SELECT reason FROM audit_events WHERE what = 'prices.remove'") == ["wrong year"]
    assert admin.get(path).status_code == 404
    assert admin.get("/settings/prices/remove/x").status_code == 404


def test_the_example_can_be_downloaded_and_is_marked_once_it_is_loaded(admin):
    example = admin.get("/settings/prices/example.csv").data
    page = send_file(admin, example)
    assert "This is the example. Its prices are invented" in page.text
    confirm(admin, page.text)
    shown = read_text(admin.get("/settings/prices").text)
    assert "The invented prices of the example are in force" in shown
    assert "Invented example: one country example" in shown


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PLANNER, Role.OPERATOR])
def test_only_an_admin_changes_prices(console, role):
    browser = console.sign_in(role)
    page = browser.get("/settings/prices").text
    assert f'href="{LOAD}"' not in page
    assert browser.get(LOAD).status_code == 403
    assert browser.get("/settings/prices/remove/2026-01-01").status_code == 403


def test_names_in_a_file_are_shown_as_text(admin):
    page = send_file(admin, LIST.replace("Brazil", "<script>alert(1)</script>"), "<b>.csv").text
    assert "<script>alert" not in page
    assert "<b>.csv" not in page
