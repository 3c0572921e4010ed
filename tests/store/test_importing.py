from __future__ import annotations

import pytest

from campaigns.domain.phone.number import PhoneKind
from campaigns.domain.recipients import Choice
from campaigns.domain.statement import Refusal
from campaigns.management.accounts import add_account, add_template
from campaigns.management.campaigns import CampaignChanges, create_campaign
from campaigns.management.drafts.imports import add_recipients
from campaigns.management.recipients import Reading, find_overlaps
from campaigns.secrets import make_key
from campaigns.sheets.xlsx import ADVICE
from campaigns.store.database import query
from campaigns.store.recipients import stream_import_errors
from tests.domain.test_phone import ELSEWHERE
from tests.sheets.test_xlsx import write_rows
from tests.support.actors import TESTER

ANA, BIA, CAIO = "+5511999990001", "+5511999990002", "+5511999990003"


@pytest.fixture
def load(database, tmp_path):
    """Imports a file of these bytes into a new campaign with one variable; returns its id and the counts."""
    add_account(database, "sales", phone_number_id="1", waba_id="1", token="t", secret_key=make_key(), actor=TESTER)
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)
    file = tmp_path / "people.csv"

    def load_one(content, template="promo:en", **reading):
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        changes = CampaignChanges(name="Sale", template=template, accounts=["sales"])
        created = create_campaign(database, changes, file, Reading(**reading), time_zone="UTC", actor=TESTER)
        counts = created.imported.counts
        return created.id, (counts.recipient_count, counts.duplicate_count, counts.rejected_count)

    return load_one


@pytest.fixture
def rows(database):
    def read(text):
        return database.run(lambda connection: connection.execute(text).fetchall())

    return read


def test_a_template_without_variables_needs_phones_only(database, load, rows, tmp_path):
    add_template(database, "plain", language="en", body="Hi!", actor=TESTER)
    (tmp_path / "plain.csv").write_text(f"phone\n{ANA}\n")
    changes = CampaignChanges(name="Sale", template="plain:en", accounts=["sales"])
    create_campaign(database, changes, tmp_path / "plain.csv", time_zone="UTC", actor=TESTER)
    assert people(rows) == [(ANA, [])]


def test_variables_keep_their_order(database, load, rows, tmp_path):
    add_template(database, "named", language="en", body="{{first}} {{last}} {{code}}", actor=TESTER)
    (tmp_path / "named.csv").write_text(f"code,phone,last,first\nC,{ANA},L,F\n")
    changes = CampaignChanges(name="Sale", template="named:en", accounts=["sales"])
    create_campaign(database, changes, tmp_path / "named.csv", time_zone="UTC", actor=TESTER)
    assert people(rows) == [(ANA, ["F", "L", "C"])]


def people(rows):
    return rows("SELECT phone, variables FROM messages ORDER BY id")


def errors(rows):
    return rows("SELECT row_number, column_name, reason FROM import_errors ORDER BY id")


@pytest.mark.parametrize(
    "content",
    [
        f"phone,name\n{ANA},Ana\n{BIA},José\n",
        f"phone,name\n{ANA},Ana\n{BIA},José",
        f"phone,name\r\n{ANA},Ana\r\n{BIA},José\r\n",
        f"\ufeffphone,name\n{ANA},Ana\n{BIA},José\n",
        f'"phone","name"\n"{ANA}","Ana"\n"{BIA}","José"\n',
        f"name,PHONE\nAna,{ANA}\nJosé, {BIA} \n",
        f"phone,name,\n{ANA},Ana,\n\n{BIA},José,\n,,\n",
        f"phone;name\r\n{ANA};Ana\r\n{BIA};José\r\n".encode("cp1252"),
        f"sep=;\nphone;name\n{ANA};Ana\n{BIA};José\n",
        f"phone\tname\r\n{ANA}\tAna\r\n{BIA}\tJosé\r\n".encode("utf-16"),
        f"phone,name\r{ANA},Ana\r{BIA},José\r",
    ],
    ids=[
        *("plain", "no last line end", "CRLF", "BOM", "quotes", "another order", "blanks"),
        *("Excel in Brazil", "sep=", "UTF-16", "CR"),
    ],
)
def test_a_file_is_read_however_it_was_saved(load, rows, content):
    assert load(content)[1] == (2, 0, 0)
    assert people(rows) == [(ANA, ["Ana"]), (BIA, ["José"])]


def test_quotes_keep_commas_and_quotes(load, rows):
    load(f'phone,name\n{ANA},"Silva, ""Zé"""\n')
    assert people(rows) == [(ANA, ['Silva, "Zé"'])]


@pytest.mark.parametrize("value", ["\\N\\", "{a,b}", 'a"b\\c', "NULL e Cia", "%s", "a    b", "👩‍👩‍👧"])
def test_a_variable_arrives_as_it_stands_in_the_file(load, rows, value):
    escaped = value.replace('"', '""')
    load(f'phone,name\n{ANA},"{escaped}"\n')
    assert people(rows) == [(ANA, [value])]


def test_ids_ascend_in_the_order_of_the_file(load, rows):
    phones = [f"+55119{(number * 7919) % 100_000:08}" for number in range(5000)]
    load("phone,name\n" + "".join(f"{phone},x\n" for phone in phones))
    assert [phone for phone, _ in people(rows)] == phones


def test_the_first_of_a_phone_wins_and_the_others_are_counted(load, rows):
    assert load(f"phone,name\n{ANA},first\n{BIA},Bia\n{ANA},second\n{ANA},third\n")[1] == (2, 2, 0)
    assert people(rows) == [(ANA, ["first"]), (BIA, ["Bia"])]


def test_each_duplicate_is_listed_with_the_row_that_won(load, rows):
    load(f"phone,name\n{ANA},first\n{BIA},Bia\n{ANA},second\n11 99999-0001,third\n{BIA[:-1]}/,again\n")
    assert errors(rows) == [
        (6, "phone", "has characters that no phone number has"),
        (4, "phone", "belongs to the person of row 2"),
        (5, "phone", "belongs to the person of row 2"),
    ]
    assert rows("SELECT DISTINCT code FROM import_errors ORDER BY code") == [
        ("duplicate_in_file",),
        ("phone_characters",),
    ]


def test_a_person_of_the_campaign_is_a_duplicate_by_that_and_others_of_the_file_by_their_row(database, load, tmp_path):
    campaign_id, _ = load(f"phone,name\n{ANA},Ana\n")
    (tmp_path / "more.csv").write_text(f"phone,name\n{BIA},Bia\n{ANA},Ana\n{ANA},Ana\n{BIA},Bia\n")
    imported = add_recipients(
        database, campaign_id, tmp_path / "more.csv", Reading(choice=Choice(mapping={"1": "name"})), actor=TESTER
    ).imported
    assert [(group.code, group.row_count, group.rows) for group in imported.groups] == [
        (
            "duplicate_in_campaign",
            2,
            [(3, "phone", "is in the campaign already"), (4, "phone", "is in the campaign already")],
        ),
        ("duplicate_in_file", 1, [(5, "phone", "belongs to the person of row 2")]),
    ]
    assert imported.first.body == "Hi Bia!"


def test_landlines_are_counted_and_left_out_on_request(database, load, rows, tmp_path):
    campaign_id, _ = load(f"phone,name\n{ANA},Ana\n")
    (tmp_path / "more.csv").write_text("phone,name\n11 3456-7890,Fixo\n1187654321,Velho\n11 99999-1111,Nova\n")
    reading = Reading(choice=Choice(mapping={"1": "name"}), is_mobile_only=True)
    imported = add_recipients(database, campaign_id, tmp_path / "more.csv", reading, actor=TESTER).imported
    assert (imported.counts.recipient_count, dict(imported.kinds)) == (2, {PhoneKind.WITHOUT_NINE: 1})
    assert errors(rows) == [(2, "phone", "is a landline, and this import takes mobile phones only")]
    imported = add_recipients(
        database, campaign_id, tmp_path / "more.csv", Reading(choice=Choice(mapping={"1": "name"})), actor=TESTER
    ).imported
    assert (imported.counts.recipient_count, imported.kinds[PhoneKind.LANDLINE]) == (1, 1)


def test_two_forms_of_a_number_are_one_person_who_is_written_to_as_given_first(load, rows):
    assert load("phone,name\n+551187654321,old\n+5511987654321,new\n+551134567890,landline\n")[1] == (2, 1, 0)
    assert people(rows) == [("+551187654321", ["old"]), ("+551134567890", ["landline"])]


def test_the_same_phone_in_two_campaigns_is_no_duplicate(load):
    assert load(f"phone,name\n{ANA},a\n")[1] == load(f"phone,name\n{ANA},a\n")[1] == (1, 0, 0)


def test_bad_rows_are_kept_with_the_number_that_a_spreadsheet_shows(load, rows):
    content = f'phone,name\n{ANA},Ana\n5511,Bia\n\n{BIA},"two\nlines"\n{CAIO}\n{CAIO},\n{CAIO},Caio,more\n{CAIO},Caio\n'
    assert load(content)[1] == (2, 0, 5)
    assert errors(rows) == [
        (3, "phone", ELSEWHERE),
        (5, "name", "has a line break"),
        (6, "name", "is empty"),
        (7, "name", "is empty"),
        (8, "column 3", "is not in the header"),
    ]


def test_a_nul_byte_rejects_its_row_only(load, rows):
    assert load(f"phone,name\n{ANA},A\x00na\n{BIA},Bia\n")[1] == (1, 0, 1)
    assert errors(rows) == [(2, "name", "has a control character")]


def test_a_file_of_bad_rows_leaves_a_draft_without_recipients(load):
    assert load("phone,name\n123,Ana\n")[1] == (0, 0, 1)


def test_the_counters_are_right_just_after_the_import(load, rows):
    campaign_id, _ = load(f"phone,name\n{ANA},a\n{ANA},a\nx,a\n{BIA},b\n")
    assert rows("SELECT campaign_id, status::text, count FROM tallies") == [(campaign_id, "pending", 2)]
    assert rows("SELECT recipient_count, duplicate_count, rejected_count FROM campaigns") == [(2, 1, 1)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "the file is empty, its first row must name the columns"),
        ("\n", "the first row is empty, it must name the columns"),
        ("phone,name\n", "there is no row below the header"),
        ("phone,name\n\n\n", "there is no row below the header"),
        (f"{ANA},Ana\n", "the first row has somebody's number in it, it must name the columns"),
        ("Ana,(11) 98765-4321\n", "the first row has somebody's number in it, it must name the columns"),
        (
            f"phone\n{ANA}\n",
            (
                'the template takes 1 variable (1), and the file has no column for 1 ("Hi {{1}}!"): add the columns,'
                ' or give all recipients the same value with "value for all recipients 1"'
            ),
        ),
        (
            f"phone,name,code\n{ANA},a,b\n",
            (
                'the template takes 1 variable (1), and no column has the name of 1 ("Hi {{1}}!"): choose from the'
                ' columns name, code with "column of variable 1=name", or give all recipients the same value with'
                ' "value for all recipients 1"'
            ),
        ),
        (f'phone,name\n{ANA},"Ana\n{BIA},Bia\n', "row 2 opens a quote that is never closed"),
        (
            f"phone,name\n{ANA},Ana\n{BIA},{'x' * 200_000}\n",
            "row 3 has a cell of more than 131,072 characters: is a quote not closed?",
        ),
        (
            f"phone,name\n{ANA},{'x' * 2_100_000}\n",
            "a line of it is longer than 1,000,000 bytes, so it is no CSV file",
        ),
        ('"phone" x,name\n', "row 1: a cell goes on behind its closing quote"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_and_where_and_leaves_nothing(load, rows, tmp_path, content, reason):
    with pytest.raises(Refusal) as refused:
        load(content)
    assert str(refused.value) == f"{tmp_path / 'people.csv'}: {reason}."
    assert rows("SELECT (SELECT count(*) FROM campaigns) + (SELECT count(*) FROM messages)") == [(0,)]


def test_phones_of_a_list_from_brazil_become_e164(load, rows):
    assert load("nome;telefone\nAna;(11) 99999-0001\nBia;5511999990002\nCaio;11 99999 0003\n")[1] == (3, 0, 0)
    assert people(rows) == [(ANA, ["Ana"]), (BIA, ["Bia"]), (CAIO, ["Caio"])]


def test_the_region_is_that_of_numbers_without_a_country_code(load, rows):
    load(f"phone,name\n912 345 678,Ana\n{BIA},Bia\n", region="PT")
    assert people(rows) == [("+351912345678", ["Ana"]), (BIA, ["Bia"])]


def test_columns_are_chosen_by_name(load, rows):
    choice = Choice(phone="fone 2", mapping={"1": "apelido"})
    load(f"fone 1,fone 2,nome,apelido\n{ANA},{BIA},Beatriz,Bia\n", choice=choice)
    assert people(rows) == [(BIA, ["Bia"])]


def test_the_consent_is_kept_with_the_message(load, rows):
    load(f"phone,nome,origem\n{ANA},Ana,site \\N 2026\n{BIA},Bia,\n")
    assert rows("SELECT consent FROM messages ORDER BY id") == [("site \\N 2026",), (None,)]


def test_a_bad_row_of_each_kind_stops_no_other(load, rows):
    bad = ["abc,x", '"q" z,x', "5.51E+12,x", f"{ANA}/{BIA},x", f"{ANA},Jos\ufffd", f"{ANA},a,b", ","]
    assert load("phone,name\n" + "".join(f"{row}\n{CAIO[:-2]}{n:02},ok\n" for n, row in enumerate(bad)))[1] == (7, 0, 6)
    assert [row_number for row_number, _, _ in errors(rows)] == [2, 4, 6, 8, 10, 12]


def test_a_flood_of_bad_rows_is_kept_whole_and_read_back_in_order(database, load):
    campaign_id, counts = load("phone,name\n" + "x,y\n" * 30_000)
    assert counts == (0, 0, 30_000)
    read = database.run(lambda connection: [row.row_number for row in stream_import_errors(connection, campaign_id)])
    assert read == list(range(2, 30_002))


def test_a_second_file_adds_to_the_first_and_its_bad_rows_come_after(database, load, rows, tmp_path):
    campaign_id, _ = load(f"phone,name\n{ANA},Ana\nx,x\n")
    (tmp_path / "more.csv").write_text(f"celular,nome\n{BIA},Bia\n{ANA},Ana\ny,y\n")
    reading = Reading(choice=Choice(mapping={"1": "nome"}))
    imported = add_recipients(database, campaign_id, tmp_path / "more.csv", reading, actor=TESTER).imported
    assert (imported.counts.recipient_count, imported.counts.duplicate_count, imported.counts.rejected_count) == (
        1,
        1,
        1,
    )
    assert people(rows) == [(ANA, ["Ana"]), (BIA, ["Bia"])]
    assert rows("SELECT file_name, row_number, code FROM import_errors ORDER BY id") == [
        ("people.csv", 3, "phone_words"),
        ("more.csv", 4, "phone_words"),
        ("more.csv", 3, "duplicate_in_campaign"),
    ]
    assert rows("SELECT recipient_count, duplicate_count, rejected_count FROM campaigns") == [(2, 1, 2)]


def test_a_file_that_breaks_off_leaves_the_campaign_as_it_was(database, load, rows, tmp_path):
    campaign_id, _ = load(f"phone,name\n{ANA},Ana\n")
    (tmp_path / "torn.csv").write_text(f'phone,name\n{BIA},Bia\n{CAIO},"Caio\n')
    with pytest.raises(Refusal, match="row 3 opens a quote"):
        add_recipients(database, campaign_id, tmp_path / "torn.csv", Reading(), actor=TESTER)
    assert people(rows) == [(ANA, ["Ana"])]
    assert rows("SELECT count(*) FROM imports") == [(1,)]


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("pt_BR", ["20%", "R$ 1.234,50", "30/11/2026", "000123", "VERDADEIRO"]),
        ("en_US", ["20%", "R$ 1,234.50", "11/30/2026", "000123", "TRUE"]),
        ("en_GB", ["20%", "R$ 1,234.50", "30/11/2026", "000123", "TRUE"]),
    ],
)
def test_a_workbook_brings_what_excel_shows_in_the_language_of_the_template(database, load, rows, language, shown):
    add_template(database, "oferta", language=language, body="Oi {{1}}!", actor=TESTER)
    values = [(0.2, "0%"), (1234.5, '"R$" #,##0.00'), (46356, 14), (123, "000000"), True]
    load(
        write_rows(["phone", "campo"], *zip(range(5511999990000, 5511999990005), values, strict=True)),
        f"oferta:{language}",
    )
    *texts, logical = shown
    assert people(rows) == [(f"+551199999000{number}", [each]) for number, each in enumerate(texts)]
    ((row_number, code, reason),) = rows("SELECT row_number, code, reason FROM import_errors")
    assert (row_number, code) == (6, "value_missing")
    assert reason.startswith(f"is {logical}, which a spreadsheet writes for yes or no")


def test_a_cell_that_cannot_be_shown_rejects_its_row_with_its_place(load, rows):
    values = [(7, "0*."), (0.5, "0%"), (5, "0*-")]
    content = write_rows(["phone", "desconto", "x"], *zip((ANA, BIA, CAIO), values, [(7, "0*.")] * 3, strict=True))
    assert load(content, choice=Choice(mapping={"1": "desconto"}))[1] == (1, 0, 2)
    assert people(rows) == [(BIA, ["50%"])]
    assert errors(rows) == [
        (2, "desconto", f"in Plan1!B2 has the number format 0*., which fills the width of the cell with .: {ADVICE}"),
        (4, "desconto", f"in Plan1!B4 has the number format 0*-, which fills the width of the cell with -: {ADVICE}"),
    ]


@pytest.fixture
def overlaps(database):
    """Returns (campaign, shared people, people, same file) of each overlap."""

    def find(campaign_id, days=7):
        found = find_overlaps(database, campaign_id, days=days)
        return [(each.campaign_id, each.shared_count, each.people_count, each.has_same_file) for each in found]

    return find


def test_people_of_another_campaign_are_counted_in_whatever_form(load, overlaps):
    first, _ = load("phone,name\n+551187654321,a\n+5511999990001,b\n")
    second, _ = load("phone,name\n11 98765-4321,c\n+5511999990002,d\n")
    assert overlaps(second) == [(first, 1, 2, False)]


def test_the_very_same_file_is_noticed_even_when_all_its_rows_are_bad(load, overlaps):
    first, _ = load("phone,name\nx,y\n")
    second, _ = load("phone,name\nx,y\n")
    assert overlaps(second) == [(first, 0, 0, True)]


def test_campaigns_without_these_people_are_no_overlap(load, overlaps):
    load(f"phone,name\n{ANA},a\n")
    assert overlaps(load(f"phone,name\n{BIA},a\n")[0]) == []


@pytest.mark.parametrize(
    ("change", "is_counted"),
    [
        ("status = 'running', started_at = now() - interval '1 year'", True),
        ("status = 'paused'", True),
        ("status = 'scheduled'", True),
        (
            "status = 'completed', started_at = now() - interval '9 days', completed_at = now() - interval '6 days'",
            True,
        ),
        (
            "status = 'completed', started_at = now() - interval '9 days', completed_at = now() - interval '8 days'",
            False,
        ),
        ("status = 'cancelled', started_at = now() - interval '6 days'", True),
        ("status = 'cancelled', started_at = now() - interval '8 days'", False),
        ("status = 'draft', created_at = now() - interval '6 days'", True),
        ("status = 'draft', created_at = now() - interval '8 days'", False),
    ],
)
def test_campaigns_count_while_they_are_alive_or_recent(database, load, overlaps, change, is_counted):
    first, _ = load(f"phone,name\n{ANA},a\n")
    long_ago = "created_at = now() - interval '2 years', " if "created_at" not in change else ""
    database.run(lambda connection: connection.execute(f"UPDATE campaigns SET {long_ago}{change}"))
    second, _ = load(f"phone,name\n{ANA},b\n")
    assert overlaps(second) == ([(first, 1, 1, False)] if is_counted else [])


def test_messages_that_never_leave_and_tests_are_no_overlap(database, load, overlaps):
    load(f"phone,name\n{ANA},a\n")
    load(f"phone,name\n{ANA},b\n")
    database.run(
        lambda connection: connection.execute("UPDATE messages SET status = 'cancelled' WHERE campaign_id = 1")
    )
    database.run(lambda connection: connection.execute("UPDATE campaigns SET test_of = 1 WHERE id = 2"))
    assert overlaps(load(f"phone,name\n{ANA},c\n")[0]) == []


def test_a_claim_right_after_an_import_reads_what_it_takes_and_not_the_list(database, load, rows):
    """The planner must know the list before autovacuum does."""
    people = "".join(f"+5511{910_000_000 + number},Ana\n" for number in range(5_000))
    load(f"phone,name\n{people}")
    database.run(lambda connection: connection.execute("UPDATE campaigns SET status = 'running', started_at = now()"))
    database.run(lambda connection: connection.execute("UPDATE leases SET epoch = 1, until = 'infinity'"))
    parameters = {
        "campaign_id": 1, "epoch": 1, "claim_count": 0, "cursor": 0, "accounts": [1], "counts": [10], "active": [1],
        "open_zones": None,
    }  # fmt: skip
    explain = b"EXPLAIN (ANALYZE, COSTS off, TIMING off, BUFFERS off, FORMAT JSON) " + query("claim_messages")
    ((plan,),) = database.run(lambda connection: connection.execute(explain, parameters).fetchall())
    assert plan[0]["Plan"]["Actual Rows"] == 10
    assert max(_list_row_counts(plan[0]["Plan"])) < 100


def _list_row_counts(node):
    yield node["Actual Rows"]
    for child in node.get("Plans", []):
        yield from _list_row_counts(child)
