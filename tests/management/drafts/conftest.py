"""Drafts, with and without people."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import xlsxwriter

from campaigns.domain.recipients import Choice
from campaigns.management import lifecycle
from campaigns.management.accounts import add_account, add_template
from campaigns.management.campaigns import CampaignChanges, create_campaign, draft_campaign
from campaigns.management.drafts.starts import look_before_start
from campaigns.management.recipients import Reading
from campaigns.secrets import make_key
from tests.management.drafts.lists import ANA, BIA, CAIO, LIST
from tests.support.actors import TESTER


@pytest.fixture
def house(database):
    add_account(database, "sales", phone_number_id="1", waba_id="1", token="t", secret_key=make_key(), actor=TESTER)
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)
    add_template(database, "offer", language="en", body="{{1}}, {{2}} off!", actor=TESTER)
    return database


@pytest.fixture
def write(tmp_path):
    """Writes a file with these phones, and the same word in each other column; returns its path."""

    def write_one(*phones, columns="phone,name"):
        file = tmp_path / "people.csv"
        row = ",Someone" * columns.count(",")
        file.write_text(f"{columns}\n" + "".join(f"{phone}{row}\n" for phone in phones))
        return file

    return write_one


@pytest.fixture
def draft(house):
    """Makes drafts without people; returns their ids."""

    def draft_one(**changes):
        asked = {"name": "Sale", "template": "promo:en", "accounts": ["sales"]} | changes
        return draft_campaign(house, CampaignChanges(**asked), time_zone="UTC", actor=TESTER).id

    return draft_one


@pytest.fixture
def sale(house, write):
    """A draft to Ana, Bia and Caio, with one row rejected and one duplicate."""
    changes = CampaignChanges(name="Sale", template="promo:en", accounts=["sales"])
    return create_campaign(house, changes, write(ANA, BIA, CAIO, ANA, "12"), time_zone="UTC", actor=TESTER).id


@pytest.fixture
def filled_draft(database, tmp_path):
    """Makes drafts from the text of a file; returns their ids."""
    add_account(database, "sales", phone_number_id="1", waba_id="1", token="t", secret_key=make_key(), actor=TESTER)
    add_account(database, "support", phone_number_id="2", waba_id="1", token="t", secret_key=make_key(), actor=TESTER)
    add_template(database, "promo", language="pt_BR", body="Oi {{1}}!", actor=TESTER)

    def make(text=LIST, *, phone=None, **changes):
        file = tmp_path / "people.csv"
        file.write_text(text)
        asked = {"name": "Sale", "template": "promo:pt_BR", "accounts": ["sales"]} | changes
        reading = Reading(choice=Choice(phone=phone))
        return create_campaign(database, CampaignChanges(**asked), file, reading, time_zone="UTC", actor=TESTER).id

    return make


@pytest.fixture
def look(database):
    """Reads the facts that a person is told before a start."""

    def look_at(*ids):
        return look_before_start(database, ids, quiet=None, overlap_days=7)

    return look_at


@pytest.fixture
def start(database):
    """Starts campaigns with the facts that a person was told."""

    def start_told(*looks):
        told = {each.campaign.id: each.told for each in looks}
        return lifecycle.start_campaigns(database, list(told), told=told, actor=TESTER)

    return start_told


@pytest.fixture
def warn_codes(look):
    """Returns the codes of the warnings about one campaign."""

    def list_codes(campaign_id):
        (told,) = look(campaign_id)
        return [each.code for each in told.warnings]

    return list_codes


@pytest.fixture
def start_draft(look, start):
    return lambda campaign_id: start(*look(campaign_id))


PLANS = "Your plan {{plan}} renews on {{date}} for {{price}}, {{discount}} off."


@pytest.fixture
def read(database, filled_draft, tmp_path):
    """Makes a draft of a file; returns what the import says. The template has variables for a plan."""
    filled_draft()  # for its accounts and templates
    for language in ("en_GB", "en_US", "en"):
        add_template(database, "plan", language=language, body=PLANS, actor=TESTER)

    def read_one(file: Path | str, *, template="plan:en_GB", **reading):
        if isinstance(file, str):
            (tmp_path / "list.csv").write_text(file)
            file = tmp_path / "list.csv"
        asked = CampaignChanges(name="Renewals", template=template, accounts=["sales"])
        return create_campaign(database, asked, file, Reading(**reading), time_zone="UTC", actor=TESTER)

    return read_one


@pytest.fixture
def write_book(tmp_path):
    """Writes rows to a workbook; a cell may be a pair of a value and its format. Returns the path."""

    def write(*rows):
        file = tmp_path / "list.xlsx"
        with xlsxwriter.Workbook(file) as book:
            sheet = book.add_worksheet()
            for number, row in enumerate(rows):
                for column, cell in enumerate(row):
                    value, form = cell if isinstance(cell, tuple) else (cell, {})
                    write_cell = sheet.write_datetime if isinstance(value, dt.date) else sheet.write
                    write_cell(number, column, value, book.add_format(form))
        return file

    return write
