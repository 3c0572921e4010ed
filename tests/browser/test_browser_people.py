"""The pages about people, opt-outs, the audit and users, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from campaigns.domain.users.rights import Role
from campaigns.management.suppressions import suppress_phones
from campaigns.secrets import make_key
from tests.browser.test_browser_console import ALL, find_violations, sign_in
from tests.console.conftest import WORDS
from tests.store.rows import add_account, add_campaign, add_message, fetch
from tests.support.actors import TESTER

PHONE = "+5511987650021"


@pytest.fixture
def person(database):
    """A person with messages, opt-outs of others, and an answer that waits for a decision."""

    def work(connection):
        account = add_account(connection, name="sales-1")
        for status in ("failed", "read", "suppressed", "uncertain"):
            campaign = add_campaign(connection, "running", accounts=[account], name=f"Black Friday {status}")
            add_message(connection, campaign, status, phone=PHONE, recipient_key=PHONE)
        connection.execute(
            "INSERT INTO optout_reviews (recipient_key, answer, source, detail, text, said_at, phone_number_id)"
            " VALUES (%s, sha256('1'::bytea), 'word', 'sair', 'não sei se quero sair', now(), '1')",
            (PHONE,),
        )

    database.run(work)
    phones = [f"+55119876511{number:02}" for number in range(30)]
    suppress_phones(database, phones, actor=TESTER, reason="pediu por e-mail", secret_key=make_key())
    return PHONE


def search(page, root):
    page.goto(f"{root}people")
    page.fill("#phone", "(11) 8765-0021")
    page.press("#phone", "Enter")
    expect(page.locator("h1")).to_contain_text("+5511987650021")


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize("look", ALL)
def test_no_page_about_people_violates_wcag(open_page, database, axe, look):
    page = open_page(*look, role=Role.ADMIN, expected="status of 422")
    sign_in(page)
    root = page.url

    def check(name):
        for scheme in ("light", "dark"):
            # Without motion, because a colour that is just changing has no contrast of its own.
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert find_violations(page, axe) == [], (name, scheme)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name

    (user_id,) = fetch(database, "SELECT id FROM users")
    own = [f"users/{user_id}{rest}" for rest in ("", "/role", "/password", "/disable", "/enable", "/sessions")]
    for each in (
        *("people", "optouts", "optouts/new", "optouts/file", "optouts/review", "audit", "audit?campaign=x"),
        *("downloads", "users", "users/new", "settings", "settings/password", "hooks", "hooks/new", *own),
    ):
        page.goto(f"{root}{each}")
        check(each)
    search(page, root)
    check("person")
    address = page.url
    for each in ("opt-out", "opt-in", "erase"):
        page.goto(f"{address}/{each}")
        check(each)
        page.locator("main form button").click()
        expect(page.locator("#problems")).to_be_focused()
        check(f"{each} with errors")
    fetch(database, "UPDATE sessions SET confirmed_at = now() - interval '1 hour' RETURNING 1")
    page.goto(f"{root}users/new")
    expect(page.locator("#password")).to_be_focused()
    check("confirm")


@pytest.mark.parametrize(("language", "size"), ALL)
def test_a_person_is_searched_and_opted_out(open_page, database, person, language, size):
    words = {"en": ("People", "Send no more"), "pt_BR": ("Pessoas", "Não enviar mais")}[language]
    page = open_page(language, size)
    sign_in(page)
    page.get_by_role("link", name=words[0], exact=True).click()
    page.fill("#phone", "(11) 8765-0021")
    page.press("#phone", "Enter")
    page.get_by_role("button", name=words[1]).click()
    page.fill("#reason", "pediu por telefone")
    page.press("#reason", "Enter")
    expect(page.locator(".done")).to_be_visible()
    assert "87650021" not in re.sub(r"%..|\D", "", page.url)
    assert fetch(database, "SELECT detail FROM suppressions WHERE recipient_key = %s", PHONE) == ["pediu por telefone"]


def test_the_password_is_asked_and_the_user_is_added_without_scripts(open_page, database):
    page = open_page(role=Role.ADMIN, java_script_enabled=False)
    sign_in(page)
    fetch(database, "UPDATE sessions SET confirmed_at = now() - interval '1 hour' RETURNING 1")
    page.goto(f"{page.url}users/new")
    page.fill("#password", WORDS)
    page.press("#password", "Enter")
    page.fill("#name", "joao")
    page.fill("#password", "outras palavras bem longas")
    page.fill("#again", "outras palavras bem longas")
    page.press("#again", "Enter")
    expect(page.locator(".done")).to_contain_text("joao is added.")


def test_the_list_of_optouts_is_prepared_as_a_download(open_page, person):
    page = open_page()
    sign_in(page)
    page.goto(f"{page.url}optouts")
    page.get_by_role("button", name="Download this list").click()
    page.wait_for_url("**/downloads*")
    expect(page.get_by_text("opt-outs", exact=False).first).to_be_visible()


@pytest.mark.parametrize("language", ["en", "pt_BR"])
def test_the_table_of_users_fits_on_a_phone(open_page, language):
    page = open_page(language, "phone", role=Role.ADMIN)
    sign_in(page)
    page.goto(f"{page.url}users")
    table = page.locator("table.users")
    expect(table).to_be_visible()
    assert table.evaluate("each => each.parentElement.scrollWidth <= each.parentElement.clientWidth")


def test_the_words_beside_a_file_come_back_after_the_login(open_page, database, axe):
    page = open_page(role=Role.ADMIN, expected="status of 401")
    sign_in(page)
    page.goto(f"{page.url}optouts/file")
    page.set_input_files(
        "#file", {"name": "people.csv", "mimeType": "text/csv", "buffer": b"+5511999990001\n" * 60_000}
    )
    page.fill("#reason", "asked by e-mail")
    fetch(database, "DELETE FROM sessions RETURNING 1")
    page.locator("main form button").click()
    expect(page.locator(".problem")).to_contain_text("Your session has ended")
    page.fill("#name", "maria-en")
    page.fill("#password", WORDS)
    page.press("#password", "Enter")
    page.get_by_role("button", name="Show the form with what I typed").click()
    expect(page.locator("#reason")).to_have_value("asked by e-mail")
    expect(page.get_by_text("Choose the file again.")).to_be_visible()
    assert find_violations(page, axe) == []
