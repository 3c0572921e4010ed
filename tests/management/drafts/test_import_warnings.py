"""Before a start, a person is warned of an imported file that may be wrong."""

from __future__ import annotations

import datetime as dt

import pytest
import xlsxwriter

from campaigns.domain.message import Status
from campaigns.domain.phone.documents import is_document
from campaigns.domain.recipients import Choice
from campaigns.management.accounts import add_template
from campaigns.management.campaigns import CampaignChanges, change_campaign
from campaigns.management.drafts.copies import copy_campaign
from campaigns.management.drafts.imports import replace_recipients
from campaigns.management.recipients import Reading
from tests.management.drafts.lists import ANA, LIST
from tests.store.rows import fetch
from tests.support.actors import TESTER

PHONES = [phone for number in range(45) if not is_document(phone := f"119999900{number:02}")][:40]
# Numbers with valid check digits. The first three also have the form of a mobile phone.
CPFS = ["11987654374", "21976543223", "31987650050", "529.982.247-25", "111.444.777-35", "168.995.350-09"]


@pytest.fixture
def write_amounts(tmp_path):
    """Writes a workbook with an amount of 1500, which English and Portuguese show in different ways."""

    def write(number=1500, code="#,##0"):
        file = tmp_path / "amounts.xlsx"
        with xlsxwriter.Workbook(file) as book:
            sheet, shown = book.add_worksheet(), book.add_format({"num_format": code})
            sheet.write_row(0, 0, ["phone", "1"])
            sheet.write(1, 0, ANA)
            sheet.write(1, 1, number, shown)
        return file

    return write


def test_values_that_were_written_for_another_language_are_warned_of(
    database, filled_draft, look, write_amounts, warn_codes
):
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)
    campaign_id, file = filled_draft(template="promo:en"), write_amounts()
    replace_recipients(database, campaign_id, file, Reading(), actor=TESTER)
    assert "values_in_other_language" not in warn_codes(campaign_id)
    changed = change_campaign(database, campaign_id, CampaignChanges(template="promo:pt_BR"), actor=TESTER)
    (asked,) = look(campaign_id)
    assert asked.message.body == "Oi 1,500!"
    (warning,) = [each for each in asked.warnings if each.code == "values_in_other_language"]
    assert "The numbers and dates of amounts.xlsx are written as in en, but the template is in pt_BR" in str(warning)
    assert str(warning) in map(str, changed.warnings)
    renamed = change_campaign(database, campaign_id, CampaignChanges(name="Other"), actor=TESTER)
    assert renamed.warnings == []
    replace_recipients(database, campaign_id, file, Reading(), actor=TESTER)
    (asked,) = look(campaign_id)
    assert asked.message.body == "Oi 1.500!"
    assert "values_in_other_language" not in warn_codes(campaign_id)


def test_values_that_all_languages_write_alike_are_not_warned_of(database, filled_draft, write_amounts, warn_codes):
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)
    campaign_id = filled_draft(template="promo:en")
    replace_recipients(database, campaign_id, write_amounts(0.2, "0%"), Reading(), actor=TESTER)
    change_campaign(database, campaign_id, CampaignChanges(template="promo:pt_BR"), actor=TESTER)
    assert "values_in_other_language" not in warn_codes(campaign_id)


def test_values_of_a_csv_file_are_the_same_in_each_language(database, filled_draft, warn_codes):
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)
    campaign_id = filled_draft(template="promo:en")
    change_campaign(database, campaign_id, CampaignChanges(template="promo:pt_BR"), actor=TESTER)
    assert "values_in_other_language" not in warn_codes(campaign_id)


def test_a_copy_with_a_template_in_another_language_is_warned_of(database, filled_draft, warn_codes):
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)
    copy = copy_campaign(
        database, filled_draft(), name="Copy", statuses=[Status.PENDING], quiet_hours=None, actor=TESTER
    )
    assert "values_in_other_language" not in warn_codes(copy.id)
    changed = change_campaign(database, copy.id, CampaignChanges(template="promo:en"), actor=TESTER)
    assert "values_in_other_language" in [each.code for each in changed.warnings]
    assert "values_in_other_language" in warn_codes(copy.id)


def test_rows_with_one_phone_and_other_values_are_warned_of(filled_draft, look):
    (asked,) = look(filled_draft(f"{LIST}{ANA},Eva\n{ANA},Ana\n{ANA},Lia\n"))
    (warning,) = asked.warnings
    assert warning.code == "rows_differ"
    assert str(warning).startswith("The file has 2 rows with the phone of an earlier row, but with other values.")
    assert str(warning).endswith("The first of these rows is row 4.")


def test_due_dates_that_have_passed_since_the_import_are_warned_of(database, filled_draft, look, warn_codes):
    add_template(database, "due", language="pt_BR", body="Oi {{1}}! Vence em {{2}}.", actor=TESTER)
    today = dt.datetime.now(dt.UTC).date()
    campaign_id = filled_draft(f"phone,name,vencimento\n{ANA},Ana,{today:%d/%m/%Y}\n", template="due:pt_BR")
    assert "dates_past" not in warn_codes(campaign_id)
    three_days_ago = f'"{today - dt.timedelta(days=3)}"'
    fetch(database, "UPDATE imports SET facts = jsonb_set(facts, '{coming,0,3}', %s) RETURNING 1", three_days_ago)
    texts = [str(each) for each in look(campaign_id)[0].warnings if each.code == "dates_past"]
    assert texts == [f"All dates of the column vencimento are in the past. The latest is {today:%d/%m/%Y} in row 2."]


def test_rows_with_one_phone_and_the_same_values_are_no_warning(filled_draft, warn_codes):
    assert warn_codes(filled_draft(f"{LIST}{ANA},Ana\n")) == []


def test_phones_of_a_column_for_other_numbers_are_a_warning(filled_draft, look):
    campaign_id = filled_draft(f"CPF,name\n{ANA},Ana\n", phone="CPF")
    (warning,) = look(campaign_id)[0].warnings
    assert (warning.code, warning.values["column"]) == ("phone_column_doubtful", "CPF")


def test_some_cpfs_among_many_phones_are_a_warning_with_their_rows(filled_draft, look):
    rows = "".join(f"{phone},Ana\n" for phone in [*PHONES[:20], *CPFS[:3], *PHONES[20:]])
    (warning,) = look(filled_draft(f"telefone,name\n{rows}"))[0].warnings
    assert warning.code == "phones_are_documents"
    assert str(warning).startswith("In 3 rows, the column telefone")
    assert "(row 22, row 23, row 24)" in str(warning)


def test_a_phone_that_is_also_the_number_of_a_cpf_by_chance_is_no_warning(filled_draft, warn_codes):
    rows = "".join(f"{phone},Ana\n" for phone in [*PHONES, *CPFS[:2]])
    assert warn_codes(filled_draft(f"telefone,name\n{rows}")) == []


def test_a_column_of_cpfs_is_a_warning_whatever_its_name(filled_draft, look):
    rows = "".join(f"{cpf},Ana\n" for cpf in CPFS)
    campaign_id = filled_draft(f"telefone,name\n{rows}{ANA},Ana\n")
    (found,) = look(campaign_id)
    assert found.send_count > 1, "some of the numbers were taken for phones"
    assert [each.code for each in found.warnings] == ["phones_are_documents"]


@pytest.mark.parametrize(("count", "codes"), [(9, ["phones_are_landlines"]), (8, [])])
def test_phones_that_are_nearly_all_landlines_are_a_warning(filled_draft, look, count, codes):
    landlines = "".join(f"+55113456{number:04},Ana\n" for number in range(count))
    mobiles = "".join(f"+5511999{number:06},Ana\n" for number in range(10 - count))
    campaign_id = filled_draft(f"telefone,name\n{landlines}{mobiles}")
    warnings = look(campaign_id)[0].warnings
    assert [each.code for each in warnings] == codes
    assert [each.values["landlines"] for each in warnings] == [count] * len(codes)


def test_a_few_landlines_are_no_warning(filled_draft, warn_codes):
    campaign_id = filled_draft("telefone,name\n+551134560001,Ana\n+551134560002,Bia\n")
    assert warn_codes(campaign_id) == []


def test_a_warning_of_an_import_goes_with_the_people_who_replace_it(database, filled_draft, tmp_path, warn_codes):
    campaign_id = filled_draft(f"Registro,name\n{ANA},Ana\n", phone="Registro")
    (tmp_path / "right.csv").write_text(LIST)
    replace_recipients(
        database, campaign_id, tmp_path / "right.csv", Reading(choice=Choice(mapping={"1": "name"})), actor=TESTER
    )
    assert warn_codes(campaign_id) == []


def test_the_facts_of_an_import_by_a_newer_version_are_read(database, filled_draft, warn_codes):
    campaign_id = filled_draft()
    fetch(database, "UPDATE imports SET facts = facts || '{\"from_the_future\": [1]}' RETURNING id")
    assert warn_codes(campaign_id) == []
