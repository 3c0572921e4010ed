from __future__ import annotations

import pytest

from campaigns.directory import add_account, add_template
from campaigns.domain.recipients import RecipientsError
from campaigns.planning import Wishes, create_campaign
from campaigns.tokens import make_key

ANA, BIA, CAIO = "+5511999990001", "+5511999990002", "+5511999990003"


@pytest.fixture
def load(database, tmp_path):
    """Imports a file of these bytes into a new campaign with one variable; returns its id and the counts."""
    add_account(database, "sales", phone_number_id="1", waba_id="1", token="t", secret_key=make_key())
    add_template(database, "promo", language="en", body="Hi {{1}}!")
    file = tmp_path / "people.csv"

    def load_one(content):
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        wishes = Wishes(name="Sale", template="promo:en", accounts=["sales"], recipients=file)
        planned = create_campaign(database, wishes, time_zone="UTC")
        counts = planned.counts
        return planned.id, (counts.recipient_count, counts.duplicate_count, counts.rejected_count)

    return load_one


@pytest.fixture
def rows(database):
    def read(text):
        return database.run(lambda connection: connection.execute(text).fetchall())

    return read


def test_a_template_without_variables_needs_phones_only(database, load, rows, tmp_path):
    add_template(database, "plain", language="en", body="Hi!")
    (tmp_path / "plain.csv").write_text(f"phone\n{ANA}\n")
    wishes = Wishes(name="Sale", template="plain:en", accounts=["sales"], recipients=tmp_path / "plain.csv")
    create_campaign(database, wishes, time_zone="UTC")
    assert people(rows) == [(ANA, [])]


def test_variables_keep_their_order(database, load, rows, tmp_path):
    add_template(database, "named", language="en", body="{{first}} {{last}} {{code}}")
    (tmp_path / "named.csv").write_text(f"code,phone,last,first\nC,{ANA},L,F\n")
    wishes = Wishes(name="Sale", template="named:en", accounts=["sales"], recipients=tmp_path / "named.csv")
    create_campaign(database, wishes, time_zone="UTC")
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
    ],
    ids=["plain", "no last line end", "CRLF", "BOM", "quotes", "another order", "blanks"],
)
def test_a_file_is_read_however_it_was_saved(load, rows, content):
    assert load(content)[1] == (2, 0, 0)
    assert people(rows) == [(ANA, ["Ana"]), (BIA, ["José"])]


def test_quotes_keep_commas_and_quotes(load, rows):
    load(f'phone,name\n{ANA},"Silva, ""Zé"""\n')
    assert people(rows) == [(ANA, ['Silva, "Zé"'])]


@pytest.mark.parametrize("value", ["\\N", "{a,b}", 'a"b\\c', "NULL", "%s", "a    b", "👩‍👩‍👧"])
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


def test_two_forms_of_a_number_are_one_person_who_is_written_to_as_given_first(load, rows):
    assert load("phone,name\n+551187654321,old\n+5511987654321,new\n+551134567890,landline\n")[1] == (2, 1, 0)
    assert people(rows) == [("+551187654321", ["old"]), ("+551134567890", ["landline"])]


def test_the_same_phone_in_two_campaigns_is_no_duplicate(load):
    assert load(f"phone,name\n{ANA},a\n")[1] == load(f"phone,name\n{ANA},a\n")[1] == (1, 0, 0)


def test_bad_rows_are_kept_with_the_number_that_a_spreadsheet_shows(load, rows):
    content = f'phone,name\n{ANA},Ana\n5511,Bia\n\n{BIA},"two\nlines"\n{CAIO}\n{CAIO},\n{CAIO},Caio,more\n{CAIO},Caio\n'
    assert load(content)[1] == (2, 0, 5)
    assert errors(rows) == [
        (3, "phone", "does not start with + and the country code"),
        (5, "name", "has a line break"),
        (6, "name", "is missing"),
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
        (f"phone;name\n{ANA};Ana\n", "its columns are separated by semicolons, they must be separated by commas"),
        (f"{ANA},Ana\n", "the first row names no column phone"),
        (f"phone\n{ANA}\n", "the header has no columns beside phone, the template takes 1 variable ({{1}})"),
        (
            f"phone,name,code\n{ANA},a,b\n",
            "the header has 2 columns beside phone (name, code), the template takes 1 variable ({{1}})",
        ),
        (
            f"phone,name\n{ANA},Ana\n{BIA},José\n".encode("latin-1"),
            "line 3 is not UTF-8 (byte 0xE9 at position 19), save the file as CSV UTF-8",
        ),
        (f"phone,name\n{ANA},Ana\n".encode("utf-16"), "the file is UTF-16, save it as CSV UTF-8"),
        (f'phone,name\n{ANA},"Ana\n{BIA},Bia\n', "row 2 opens a quote that is never closed"),
        (f'phone,name\n{ANA},"Ana" B\n', "row 2 is not CSV: ',' expected after '\"'"),
        (
            f"phone,name\n{ANA},Ana\n{BIA},{'x' * 200_000}\n",
            "row 3 has a cell of more than 131,072 characters: is a quote not closed?",
        ),
        (f"phone,name\n{ANA},{'x' * 2_000_000}\n", "line 2 is longer than 1,000,000 bytes"),
        (f"phone,name\r{ANA},Ana\r", "row 1 ends with a carriage return alone: save the file with normal line ends"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_and_where_and_leaves_nothing(load, rows, tmp_path, content, reason):
    with pytest.raises(RecipientsError) as refused:
        load(content)
    assert str(refused.value) == f"{tmp_path / 'people.csv'}: {reason}."
    assert rows("SELECT (SELECT count(*) FROM campaigns) + (SELECT count(*) FROM messages)") == [(0,)]
