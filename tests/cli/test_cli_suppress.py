from __future__ import annotations

import io

import pytest
import xlsxwriter

from campaigns.cli import output
from campaigns.domain.phone.person import recipient_key
from campaigns.secrets import make_key
from tests.sheets.test_rows import workbook
from tests.sheets.test_xlsx import write_rows
from tests.store.rows import add_campaign, add_message, fetch

ANA, BIA = "+5511999990001", "+5511999990002"
LONG_AGO = "2025-01-01T00:00Z"


def test_people_are_suppressed_with_a_reason(revoada):
    output = revoada.ok("suppress", "add", ANA, "+55 (11) 99999-0002", "--reason", "by e-mail")
    assert output == (f"{ANA} is suppressed.\n{BIA} is suppressed.\n2 phones suppressed.\n")
    rows = revoada.json("suppress", "list")
    assert {(row["recipient_key"], row["source"], row["detail"]) for row in rows} == {
        (ANA, "manual", "by e-mail"),
        (BIA, "manual", "by e-mail"),
    }
    assert revoada.ok("suppress", "add", ANA) == f"{ANA} is suppressed; it was before, too.\n"
    added = revoada.ok("suppress", "add", ANA, ANA, "+5511999990003")
    assert added.endswith("\n1 phone suppressed, 1 was on the list already.\n")


def test_a_phone_that_is_none_suppresses_nobody(revoada):
    line = revoada.refusal("suppress", "add", ANA, "99999-0002")
    assert line == "'99999-0002' has no area code."
    assert revoada.json("suppress", "list") == []


@pytest.mark.parametrize("command", [("suppress", "add"), ("suppress", "remove"), ("forget",)])
def test_a_note_at_a_typed_phone_is_no_digit_of_it(revoada, command):
    refused = revoada(*command, "+5511999990001\u00b2")
    assert refused.exit_code == 1
    assert "has a small or circled digit, which may be a note: keep the number only." in refused.stderr


def test_a_phone_is_typed_as_it_would_stand_in_a_list(revoada):
    revoada.ok("suppress", "add", "(11) 8765-4321")
    assert [row["recipient_key"] for row in revoada.json("suppress", "list")] == ["+5511987654321"]
    assert revoada.ok("suppress", "remove", "11 98765-4321") == "+5511987654321 may be messaged again.\n"


BRITISH = "07721 234567"


@pytest.mark.parametrize("command", [("suppress", "add"), ("suppress", "remove"), ("forget",)])
def test_a_phone_that_may_be_foreign_is_refused_in_a_script(revoada, command):
    line = revoada.refusal(*command, BRITISH)
    assert line == (
        "07721 234567 has no country code, so it would be +557721234567 (BR). Write +557721234567 if that is right, or"
        " the number with + and its country code."
    )
    assert revoada(*command, "0 (11) 98765-4321").exit_code == revoada(*command, "+447721234567").exit_code == 0
    assert revoada(*command, BRITISH, REVOADA_REGION="GB").exit_code == 0


def test_a_phone_that_may_be_foreign_is_asked_about_in_a_terminal(revoada, monkeypatch):
    monkeypatch.setattr(output, "has_terminal", lambda: True)
    declined = revoada("suppress", "add", BRITISH, stdin="n\n")
    assert "07721 234567 has no country code. Is +557721234567 (BR) the right phone? [y/N]: n\n" in declined.stdout
    assert "Nothing was changed. Write the phone with + and its country code" in declined.stderr
    assert revoada.json("suppress", "list") == []
    added = revoada("suppress", "add", BRITISH, stdin="y\n")
    assert added.stdout.endswith("+557721234567 is suppressed.\n")


@pytest.mark.parametrize(
    "text",
    [
        "+55 (011) 98765-4321",
        "+5511987654321.0",
        "+44 07911 123456",
        "+54 011 15 2345-6789",
        "\u202a+55 (11) 98765\u20114321\u202c",
        "https://wa.me/5511987654321",
        "+1 555 000 1111",
    ],
)
def test_a_typed_phone_is_the_phone_that_a_list_reads(revoada, tmp_path, text):
    (tmp_path / "out.csv").write_text(f"phone\n{text}\n", encoding="utf-8")
    revoada.ok("suppress", "import", "out.csv")
    (row,) = revoada.json("suppress", "list")
    (removed,) = revoada.json("suppress", "remove", text)
    assert recipient_key(removed.pop("number")) == row["recipient_key"]
    assert removed == {"phone": text, "was_suppressed": True}
    revoada.ok("suppress", "add", text)
    assert [each["recipient_key"] for each in revoada.json("suppress", "list")] == [row["recipient_key"]]
    revoada.ok("forget", text)
    assert revoada.json("suppress", "list") == []


@pytest.mark.parametrize("text", ["+55 11 98765-4321\u00b2", "+5511987654321, +5511987654322", "+99 912 345 6789"])
def test_a_typed_text_that_a_list_refuses_is_no_phone(revoada, text):
    for command in (("suppress", "add"), ("suppress", "remove"), ("forget",)):
        revoada.refusal(*command, text)
    assert revoada.json("suppress", "list") == []


def test_a_number_that_no_country_assigns_is_typed_with_its_plus_and_digits_only(revoada):
    revoada.ok("suppress", "add", "+999123456789")
    assert [row["recipient_key"] for row in revoada.json("suppress", "list")] == ["+999123456789"]


def test_what_was_removed_may_be_messaged_and_suppressed_again(revoada):
    revoada.ok("suppress", "add", ANA)
    output = revoada.ok("suppress", "remove", "+551199990001", ANA, BIA)
    assert output == f"+551199990001 may be messaged again.\n{ANA} may be messaged again.\n{BIA} was not suppressed.\n"
    assert revoada.ok("suppress", "list") == "Nobody is suppressed.\n"
    revoada.ok("suppress", "add", ANA)
    assert [row["recipient_key"] for row in revoada.json("suppress", "list")] == [ANA]


def test_the_list_shows_one_source_or_all(revoada, tmp_path):
    (tmp_path / "out.txt").write_text(f"{BIA}\n")
    revoada.ok("suppress", "add", ANA)
    revoada.ok("suppress", "import", "out.txt")
    assert BIA in revoada.ok("suppress", "list") and ANA in revoada.ok("suppress", "list")
    assert [row["recipient_key"] for row in revoada.json("suppress", "list", "--source", "import")] == [BIA]


def test_a_long_list_shows_the_newest_and_says_how_many_more(revoada, tmp_path):
    (tmp_path / "many.txt").write_text("".join(f"+5511{900000000 + number}\n" for number in range(1_002)))
    revoada.ok("suppress", "import", "many.txt")
    revoada.ok("suppress", "add", ANA)
    lines = revoada.ok("suppress", "list").splitlines()
    assert ANA in lines[3]
    assert lines[-1] == "… and 3 more: --json has all."
    assert revoada.ok("suppress", "list", "--source", "import").splitlines()[-1] == "… and 2 more: --json has all."
    rows = revoada.json("suppress", "list")
    assert (len(rows), rows[0]["recipient_key"]) == (1_003, ANA)


@pytest.mark.parametrize(
    "content",
    [
        f"{ANA}\n{BIA}\n",
        f"\ufeff{ANA}\r\n\r\n{BIA}\r\n{BIA}",
        f"phone\n{ANA}\n{BIA}\n",
        f"\u200b;{ANA}\n\u200b;{BIA}\n",
        f'name,Phone\n"Silva, Ana",{ANA}\nBia,+55 11 99999-0002\n',
    ],
)
def test_a_file_is_a_list_of_phones_or_a_table(revoada, tmp_path, content):
    (tmp_path / "out.csv").write_text(content)
    assert revoada.ok("suppress", "import", "out.csv") == "2 phones suppressed.\n"
    assert revoada.ok("suppress", "import", "out.csv") == "0 phones suppressed, 2 were on the list already.\n"
    assert {(row["recipient_key"], row["detail"]) for row in revoada.json("suppress", "list")} == {
        (ANA, "out.csv"),
        (BIA, "out.csv"),
    }


def test_rows_without_a_phone_are_listed_and_cost_the_others_nothing(revoada, tmp_path):
    (tmp_path / "out.csv").write_text(f'name,phone\n"Ana"x,{BIA}\nAna,{ANA}\nBia\n\nCaio,none\n')
    result = revoada("suppress", "import", "out.csv")
    assert (result.exit_code, result.stdout) == (
        0,
        "1 phone suppressed, 3 rows without a phone that can be read.\n",
    )
    assert result.stderr.splitlines() == [
        "Warning: 3 rows without a phone that can be read:",
        "  row 2: a cell goes on behind its closing quote",
        "  row 4: phone is empty",
        "  row 6: phone has words in it: keep the number only",
    ]


def test_a_long_list_of_bad_rows_says_how_many_more(revoada, tmp_path):
    (tmp_path / "out.txt").write_text(f"{ANA}\n" + "none\n" * 150)
    lines = revoada("suppress", "import", "out.txt").stderr.splitlines()
    assert lines[0] == "Warning: 150 rows without a phone that can be read:"
    assert lines[100:] == [
        "  row 101: has words in it: keep the number only",
        "  … and 50 more: correct these rows, and import the file again",
    ]


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("Nome;Celular\r\nJosé;(11) 99999-0001\r\nAna;+5511999990002\r\n".encode("cp1252"), ()),
        ("11 99999-0001\n5511999990002\n".encode("utf-16"), ()),
        (b"fone,celular\n11 99999-0001,1\n11 99999-0002,2\n", ("--phone-column", "FONE")),
        (b"phone\n+55 11 99999-0001\n11 9999-0002\n", ("--region", "br")),
        (f"phone\n{ANA},Silva,Ana\n{BIA}\n".encode(), ()),
        (workbook(("Clientes", "visible", [["Nome", "WhatsApp"], ["Ana", 5511999990001], ["Bia", BIA]])), ()),
        (write_rows([(11999990001, "(00) 00000-0000")], [(5511999990002, "0.00E+00")]), ()),
    ],
)
def test_a_file_is_read_as_the_people_of_a_campaign_are(revoada, tmp_path, content, options):
    (tmp_path / "out.csv").write_bytes(content)
    assert revoada.ok("suppress", "import", "out.csv", *options) == "2 phones suppressed.\n"
    assert {row["recipient_key"] for row in revoada.json("suppress", "list")} == {ANA, BIA}


def test_the_region_of_a_file_is_that_of_the_settings(revoada, tmp_path):
    (tmp_path / "out.txt").write_text("912 345 678\n")
    revoada.ok("suppress", "import", "out.txt", REVOADA_REGION="PT")
    assert [row["recipient_key"] for row in revoada.json("suppress", "list")] == ["+351912345678"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "out.csv: the file is empty"),
        (b"\n\n", "out.csv: there is no phone in it."),
        (b"phone\n", "out.csv: there is no phone in it."),
        (
            b"name,number\nAna,1\n",
            "out.csv: no column of the header (name, number) is named phone, telefone, celular or whatsapp",
        ),
        (
            f"{ANA},Ana\n{BIA},Bia\n".encode(),
            "out.csv: the first row has somebody's number in it, it must name the columns.",
        ),
        (b'"+5511\n', "out.csv: row 1 opens a quote that is never closed."),
        (b"PK\x03\x04", "out.csv: it is not a workbook that can be read, save it as XLSX or CSV UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(revoada, tmp_path, content, reason):
    (tmp_path / "out.csv").write_bytes(content)
    assert revoada.refusal("suppress", "import", "out.csv").startswith(reason)
    assert revoada.json("suppress", "list") == []


def test_hidden_rows_are_suppressed_too_and_a_title_is_skipped(revoada, tmp_path):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Sair")
        for row, cells in enumerate([["Descadastros"], ["nome", "celular"], ["Ana", ANA], ["Bia", BIA]]):
            sheet.write_row(row, 0, cells)
        sheet.set_row(3, None, None, {"hidden": True})
        book.add_worksheet("Legenda").write("A1", "x")
    (tmp_path / "out.xlsx").write_bytes(buffer.getvalue())
    assert "(Sair, Legenda): choose one of them with --sheet." in revoada.refusal("suppress", "import", "out.xlsx")
    assert revoada.ok("suppress", "import", "out.xlsx", "--sheet", "Sair") == (
        "2 phones suppressed.\n1 hidden row of the sheet read like the others.\n"
    )


def test_phones_of_a_file_that_may_be_foreign_are_told(revoada, tmp_path):
    (tmp_path / "out.csv").write_text("phone\n07721 234560\n+5511999990001\n07931 245661\n")
    assert (
        "Warning: 2 phones without a country code may be those of another country, and were read as phones of BR (row 2"
        " became +55 77 \u2022\u2022\u2022\u2022-4560). If they are, import the file again with --region GB: these"
    ) in revoada("suppress", "import", "out.csv").stderr
    assert revoada("suppress", "import", "out.csv", "--region", "GB").stderr == ""


def test_more_than_one_batch_is_imported(revoada, database, tmp_path):
    (tmp_path / "many.txt").write_text("".join(f"+5511{900000000 + number}\n" for number in range(10_001)))
    assert revoada.ok("suppress", "import", "many.txt") == "10,001 phones suppressed.\n"
    assert fetch(database, "SELECT count(*) FROM suppressions WHERE is_active") == [10_001]


def test_a_forgotten_person_is_suppressed_without_a_name(revoada, create, database):
    create()
    output = revoada.ok("forget", ANA)
    assert output.startswith(f"{ANA} is forgotten: 1 message erased (1 not sent any more), 0 webhook events deleted.")
    assert revoada.ok("suppress", "list").splitlines()[-1] == "Suppressed and forgotten, known by a hash only: 1."
    create("Later")
    assert revoada.json("campaign", "show", "2")["counts"] == {"suppressed": 1, "pending": 1}
    assert revoada.ok("suppress", "remove", ANA) == f"{ANA} may be messaged again.\n"


def test_who_was_forgotten_stays_a_hash_when_suppressed_again(revoada, tmp_path):
    (tmp_path / "out.txt").write_text(f"{ANA}\n{BIA}\n")
    revoada.ok("forget", ANA)
    assert revoada.ok("suppress", "add", ANA) == f"{ANA} is suppressed; it was before, too.\n"
    assert revoada.ok("suppress", "import", "out.txt") == "1 phone suppressed, 1 was on the list already.\n"
    assert [row["recipient_key"] for row in revoada.json("suppress", "list")] == [BIA]
    assert revoada.ok("suppress", "list").splitlines()[-1] == "Suppressed and forgotten, known by a hash only: 1."


def test_who_cannot_be_recognised_as_forgotten_is_suppressed_all_the_same(revoada):
    revoada.ok("forget", ANA)
    for key in (None, make_key()):
        revoada.ok("suppress", "add", ANA, REVOADA_SECRET_KEY=key)
        assert [row["recipient_key"] for row in revoada.json("suppress", "list")] == [ANA]


def test_forgetting_needs_a_phone_and_the_key(revoada):
    assert revoada.refusal("forget", "Ana") == "'Ana' has words in it: keep the number only."
    assert "REVOADA_SECRET_KEY is not set" in revoada.refusal("forget", ANA, REVOADA_SECRET_KEY=None)


def test_what_is_on_the_wire_is_not_forgotten_yet(revoada, database):
    database.run(add_message, database.run(add_campaign), "sending", phone=ANA)
    assert revoada.refusal("forget", ANA).startswith("A message to this person is in flight: try again in a minute.")


def test_retention_shows_and_erases_what_ended_long_ago(revoada, database):
    campaign_id = database.run(add_campaign, "completed", completed_at=LONG_AGO)
    database.run(add_message, campaign_id, "sent")
    expected = [{"id": campaign_id, "name": "Sale", "message_count": 1}]
    assert revoada.json("retention", "--days", "30", "--dry-run") == expected
    assert fetch(database, "SELECT count(phone) FROM messages") == [1]
    assert "messages erased" in revoada.ok("retention", REVOADA_RETENTION_DAYS="30")
    assert fetch(database, "SELECT count(phone) FROM messages") == [0]
    assert revoada.ok("retention", "--days", "30").startswith("No campaign that ended more than 30 days ago")


def test_retention_asks_for_how_long(revoada):
    line = revoada.refusal("retention", exit_code=2)
    assert line.startswith("Give --days N, or set REVOADA_RETENTION_DAYS.")
