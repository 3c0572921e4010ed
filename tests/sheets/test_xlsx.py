from __future__ import annotations

import csv
import io
import re
import zipfile
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.optout.consent import ConsentColumns
from campaigns.domain.phone.number import make_phone_reader
from campaigns.domain.recipients import Cell, Choice, RecipientsError, find_header, phone_text, read_header, read_row
from campaigns.sheets import package, xlsx
from campaigns.sheets.package import Package
from campaigns.sheets.rows import open_sheet
from campaigns.sheets.xlsx import ADVICE, HiddenChoice
from tests.sheets.test_number_format import ACCOUNTING, BUILT_IN, DAY, SHOWN
from tests.sheets.test_rows import workbook

CASES = Path(__file__).parents[3] / "shared/cases/lists"


@pytest.fixture
def read(tmp_path):
    """Reads the rows of a workbook of these bytes."""
    file = tmp_path / "people.xlsx"

    def read_one(content, language="pt_BR"):
        file.write_bytes(content)
        with open_sheet(file, report=lambda _part: None, language=language) as sheet:
            return [row for _, row in sheet.rows]

    return read_one


def write_rows(*rows, **options):
    """Return a workbook from a program in common use. A cell is a value, or (value, number format)."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True, **options}) as book:
        sheet = book.add_worksheet("Plan1")
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                value, code = cell if isinstance(cell, tuple) else (cell, "")
                sheet.write(row, column, value, book.add_format({"num_format": code}) if code else None)
    return buffer.getvalue()


def write(cells, **options):
    return write_rows(*([cell] for cell in cells), **options)


def change(content, *changes, part="xl/worksheets/s1.xml"):
    """Return a workbook with a text replaced in one part."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            for before, after in changes if name == part else ():
                assert before.encode() in text
                text = text.replace(before.encode(), after.encode())
            new.writestr(name, text)
    return buffer.getvalue()


def with_cells(xml):
    """Return a workbook with these rows, as XML, in its first sheet."""
    return change(workbook(("Plan1", "visible", [])), ("<sheetData>", f"<sheetData>{xml}"))


def with_styles(xml, codes):
    """Return a workbook with the number formats `codes` as its cell styles, from style 1 on."""
    formats = "".join(f'<numFmt numFmtId="{number}" formatCode="{code}"/>' for number, code in codes.items())
    styles = "".join(f'<xf numFmtId="{number}"/>' for number in codes)
    return change(
        with_cells(xml),
        ('<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/>', f'<cellXfs><xf numFmtId="0"/>{styles}'),
        ("<cellXfs>", f"<numFmts>{formats}</numFmts><cellXfs>"),
        part="xl/styles.xml",
    )


@pytest.mark.parametrize(("language", "column"), [("pt_BR", 2), ("en_US", 3)])
def test_cells_come_as_excel_shows_them(read, language, column):
    rows = read(write([(each[1], each[0]) for each in SHOWN]), language)
    assert [row[0] for row in rows] == [each[column] for each in SHOWN]


@pytest.mark.parametrize("language", ["pt_BR", "en_US", "es", "de"])
def test_formats_that_have_a_number_only_are_those_of_the_language(read, language):
    known = [(number, value, shown[language]) for number, value, shown in BUILT_IN if language in shown]
    rows = read(write([(value, number) for number, value, _ in known]), language)
    assert [row[0] for row in rows] == [shown for _, _, shown in known]


def test_a_format_of_the_workbook_wins_over_the_number_that_excel_knows(read):
    """Excel in Brazil saves its currency as the number 44, which elsewhere means dollars."""
    accounting = ACCOUNTING.replace('"', "&quot;")
    rows = read(with_styles('<row r="1"><c r="A1" s="1"><v>1234.5</v></c></row>', {44: accounting}))
    assert rows == [["R$ 1.234,50"]]


def test_a_currency_that_the_workbook_does_not_tell_is_refused(read):
    content = change(
        with_cells('<row r="1"><c r="A1" s="1"><v>5</v></c></row>'), ('"14"', '"44"'), part="xl/styles.xml"
    )
    assert problems(read(content)) == [
        f"in Plan1!A1 has the number format 44 of Excel, which is another one on each computer: {ADVICE}"
    ]


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_categories=["C"]), max_size=20), min_size=3, max_size=3),
        min_size=1,
        max_size=5,
    )
)
def test_a_csv_file_and_a_workbook_of_the_same_texts_have_the_same_rows(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("same")
    table = [["phone", "name", "code"], *texts]
    with (folder / "people.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(table)
    options = {"strings_to_formulas": False, "strings_to_urls": False}
    (folder / "people.xlsx").write_bytes(write_rows(*([(cell, "@") for cell in row] for row in table), **options))
    rows = []
    for name in ("people.csv", "people.xlsx"):
        with open_sheet(folder / name, report=lambda _part: None) as sheet:
            rows.append([(number, [*row]) for number, row in sheet.rows])
    assert rows[0] == rows[1]


PHONES = [
    *("+5511987654321", "(11) 98765-4321", 5511987654321, 11987654321, "11 98765-4321 / 11 91234-5678", "5,51E+12"),
    *("11 98765-4321 ramal 12", "Ana 11 98765-4321", "'11987654321", "5555119987654321", "011 98765-4321", "#N/D", ""),
    *("1187654321", "0800 123 4567", "11 98765-4321\u00b2", "11 98765-4321\n", "{{fone}}", "\u202a11987654321\u202c"),
]
VALUES = [
    *("Ana", "Jos\u00e9 & Filhos", "#N/D", "#PROMO!", "NULL", "Null", "{{nome}}", "20%", "29/11/2026", "1.234,50"),
    *("a;b,c|d", 'diz "oi"', "duas\nlinhas", "  ", "\u200b", "=1+1", "-", (0.2, "0%"), (46355, "dd/mm/yyyy")),
]
SHOWN_VALUES = {(0.2, "0%"): "20%", (46355, "dd/mm/yyyy"): "29/11/2026"}
ANSWERS = ["sim", "n\u00e3o", "NO", "", "0", True, False, 0, "no site"]
SHOWN_ANSWERS = {True: "VERDADEIRO", False: "FALSO"}
TITLES = [
    [],
    [["Clientes, novembro"]],
    [["29/11/2026"], []],
    [["CNPJ 12.345.678/0001-90"]],
    [["Loja;Sol", "27/11"], ["Total: 12"]],
]
ROW = st.tuples(st.sampled_from(PHONES), st.sampled_from(VALUES) | st.text(st.characters(exclude_categories=["C"])),
                st.sampled_from(ANSWERS))  # fmt: skip


@given(
    st.sampled_from(TITLES),
    st.sampled_from([["telefone", "nome", "aceita"], ["WHATSAPP ", "nome\ncompleto", "Opt-in?"]]),
    st.lists(ROW, min_size=1, max_size=6),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_a_csv_file_and_a_workbook_of_the_same_sheet_give_the_same_messages(
    tmp_path_factory, title, header, rows, delimiter
):
    folder = tmp_path_factory.mktemp("same")
    with (folder / "people.csv").open("w", encoding="utf-8-sig", newline="") as file:
        shown = [
            [str(one), SHOWN_VALUES.get(two, two), SHOWN_ANSWERS[three] if isinstance(three, bool) else str(three)]
            for one, two, three in rows
        ]
        csv.writer(file, delimiter=delimiter).writerows([*title, header, *shown])
    options = {"strings_to_formulas": False, "strings_to_urls": False}
    (folder / "people.xlsx").write_bytes(write_rows(*title, header, *rows, **options))
    from_csv, from_book = (read_messages(folder / each, header[1]) for each in ("people.csv", "people.xlsx"))
    assert from_csv == from_book


def read_messages(path, column):
    """Return the recipient or the problem of each row that is not blank, and the column that refuses messages."""
    read_phone = make_phone_reader("BR")
    with open_sheet(path, report=lambda _part: None, language="pt_BR") as sheet:
        rows = list(sheet.rows)
        position = find_header(rows)
        columns = read_header(rows[position][1], ["1"], Choice(mapping={"1": column}), delimiter=sheet.delimiter)
        consents = ConsentColumns(columns.names, None)
        return [
            (number, message, consents.find_refusal(row))
            for number, row in rows[position + 1 :]
            if (message := read_row(columns, row, list, read_phone)) is not None
        ]


def problems(rows):
    return [cell.problem for row in rows for cell in row if isinstance(cell, Cell)]


@pytest.mark.parametrize(
    ("language", "shown"), [("pt_BR", "VERDADEIRO"), ("en", "TRUE"), ("es_MX", "VERDADERO"), ("fr", "VRAI")]
)
def test_true_is_that_of_the_language_whatever_its_format(read, language, shown):
    assert read(write([(True, "0.00")]), language) == [[shown]]


def test_true_in_a_language_that_nobody_knows_is_refused(read):
    assert "in Plan1!A1 is TRUE or FALSE, which depends on the language" in problems(read(write([(True, "")]), "fi"))[0]


def test_texts_are_kept_with_their_zeros_and_forms(read):
    texts = ["000123", "20%", "+5511999990000", "  a  b", "é€👍", "0,5", "1E5", "VERDADEIRO"]
    assert read(write([(text, "@") for text in texts], strings_to_numbers=False)) == [[text] for text in texts]


def test_a_format_adds_to_a_text_or_hides_it(read):
    assert read(write([("Ana", '"Sr. "@'), ("Bia", ";;;"), ("Caio", "0.00")])) == [["Sr. Ana"], [""], ["Caio"]]


def test_a_text_of_several_forms_is_one_and_has_no_pronunciation(read):
    text = "<r><t>Jo</t></r><r><rPr><b/></rPr><t>sé</t></r><rPh sb='0' eb='1'><t>zz</t></rPh><phoneticPr fontId='1'/>"
    assert read(with_cells(f'<row r="1"><c r="A1" t="inlineStr"><is>{text}</is></c></row>')) == [["José"]]


def test_characters_that_xml_has_not_are_read_back(read):
    assert read(with_cells('<row r="1"><c r="A1" t="inlineStr"><is><t>a_x000D_b_x005F_c</t></is></c></row>')) == [
        ["a\rb_c"]
    ]


def test_days_may_count_from_1904(read):
    rows = read(write([(DAY - 1462, "dd/mm/yyyy"), (26 / 24, "[h]:mm")], date_1904=True))
    assert rows == [["30/11/2026"], ["26:00"]]


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#DIV/0!", "#NAME?", "#VALUE!", "#NUM!", "#NULL!"])
def test_an_error_is_refused(read, error):
    rows = read(with_cells(f'<row r="1"><c r="B1" t="e"><f>X</f><v>{error}</v></c></row>'))
    assert problems(rows) == [f"in Plan1!B1 is the error {error}: correct it in the workbook"]


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ('<c r="A1" s="1"><f>A2</f><v>0.2</v></c>', "20%"),
        ('<c r="A1" t="str"><f>A2</f><v>Ana</v></c>', "Ana"),
        ('<c r="A1" t="str"><f>A2</f><v></v></c>', ""),
        ('<c r="A1" t="b"><f>A2</f><v>0</v></c>', "FALSO"),
    ],
)
def test_a_formula_is_its_stored_result(read, cell, shown):
    assert read(with_styles(f'<row r="1">{cell}</row>', {9: "0%"})) == [[shown]]


@pytest.mark.parametrize("cell", ['<c r="A1"><f>1/0</f><v></v></c>', '<c r="A1" s="1"><f>1/0</f></c>'])
def test_a_formula_without_a_result_is_refused(read, cell):
    assert problems(read(with_cells(f'<row r="1">{cell}</row>'))) == [NO_RESULT]


NO_RESULT = "in Plan1!A1 is a formula without a stored result: open the workbook in Excel, save it, and import it again"


def test_a_zero_that_stands_for_a_result_is_refused_and_a_result_is_taken(read):
    """A program that cannot calculate writes 0 and leaves the calculation to Excel."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Plan1")
        sheet.write_formula("A1", "=1+1")
        sheet.write_formula("A2", "=1+1", value=2)
        sheet.write("A3", 0)
    rows = read(buffer.getvalue())
    assert problems(rows[:1]) == [NO_RESULT]
    assert rows[1:] == [["2"], ["0"]]


@pytest.mark.parametrize("value", ["nan", "inf", "abc", "1,5"])
def test_a_number_that_is_none_is_refused(read, value):
    rows = read(with_cells(f'<row r="1"><c r="A1"><v>{value}</v></c></row>'))
    assert problems(rows) == ["in Plan1!A1 is said to be a number, and is none: type it again"]


def test_a_cell_that_cannot_be_shown_names_sheet_cell_and_format(read):
    content = change(write([("phone", ""), (0.5, "0*-")]), ("Plan1", "Minha lista"), part="xl/workbook.xml")
    assert problems(read(content)) == [
        f"in 'Minha lista'!A2 has the number format 0*-, which fills the width of the cell with -: {ADVICE}"
    ]


@pytest.mark.parametrize(
    ("value", "code", "digits"),
    [
        (5511999990000, "", "5511999990000"),
        (5511999990000, "0.00E+00", "5511999990000"),
        (11987654321, "(00) 00000-0000", "11987654321"),
        (5511999990000, "# ?/?", "5511999990000"),
        (5511999990000, "#,##0.00", "5511999990000"),
        (5511999990000, ";;;", "5511999990000"),
        (5511999990000.5, "0", ""),
        (0.2, "0%", ""),
    ],
)
def test_the_digits_of_a_number_are_kept_however_it_is_shown(read, value, code, digits):
    ((cell,),) = read(write([(value, code)]))
    assert cell.digits == digits


@pytest.mark.parametrize("code", ['"+54 9 "0', "[$+549] 0", r"\+54\ 9\ 0", '"(+54) 9 "00 0000 0000'])
def test_a_phone_has_the_country_code_of_its_number_format(read, code):
    ((cell,),) = read(write([(1122223333, code)]))
    assert make_phone_reader("BR")(phone_text(cell)) == "+5491122223333"


def test_a_date_that_is_written_as_iso_is_shown_in_its_format(read):
    assert read(with_cells('<row r="1"><c r="A1" t="d" s="1"><v>2026-11-30T09:00:00</v></c></row>')) == [["30/11/2026"]]


def test_cells_stand_in_their_columns_and_rows_have_their_numbers(tmp_path):
    (tmp_path / "people.xlsx").write_bytes(
        with_cells(
            '<row r="1"><c r="A1"><v>1</v></c><c r="C1"><v>3</v></c></row><row r="4"><c r="AB4"><v>4</v></c></row>'
            "<row><c><v>5</v></c><c><v>6</v></c></row>"
        )
    )
    with open_sheet(tmp_path / "people.xlsx", report=lambda _part: None) as sheet:
        rows = dict(sheet.rows)
    assert list(rows) == [1, 4, 5]
    assert rows[1] == ["1", "", "3"]
    assert rows[4][27] == "4"
    assert [cell for cell in rows[5] if cell] == ["5", "6"]


def test_empty_columns_before_the_first_are_columns_without_a_name(read):
    rows = '<row r="3"><c r="B3"><v>1</v></c><c r="C3"><v>2</v></c></row><row r="4"><c r="C4"><v>3</v></c></row>'
    assert read(with_cells(rows)) == [["", "1", "2"], ["", "", "3"]]


def test_a_strict_workbook_and_one_with_prefixes_is_read(read):
    content = with_cells('<row r="1"><c r="A1" s="1"><v>46356</v></c></row>')
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    for part in ("xl/worksheets/s1.xml", "xl/workbook.xml", "xl/styles.xml"):
        content = change(content, (main, "http://purl.oclc.org/ooxml/spreadsheetml/main"), part=part)
    assert read(content) == [["30/11/2026"]]
    prefixed = re.sub("<(/?)(row|c|v)([ >])", r"<\1x:\2\3", '<row r="1"><c r="A1"><v>5</v></c></row>')
    content = change(with_cells(prefixed), (f'xmlns="{main}"', f'xmlns="{main}" xmlns:x="{main}"'))
    assert read(content) == [["5"]]


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        ('<row r="2"/><row r="2"/>', "is not a workbook that can be read"),
        ('<row r="1"><c r="B1"/><c r="A1"/></row>', "is not a workbook that can be read"),
        ('<row r="1"><c r="A1" t="s"><v>7</v></c></row>', "is not a workbook that can be read"),
        ('<row r="1"><c r="A1" s="99"><v>7</v></c></row>', "is not a workbook that can be read"),
        ("<row", "is not a workbook that can be read"),
        ('<row r="1048577"><c r="A1048577"><v>7</v></c></row>', "the sheet has more than 1,048,576 rows"),
    ],
)
def test_a_sheet_that_is_torn_or_too_long_is_refused_in_a_sentence(read, xml, reason):
    with pytest.raises(RecipientsError, match=reason):
        read(with_cells(xml))


def write_hidden(rows=(), columns=()):
    """Return a list of three people in which rows and columns (from 0) are hidden."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Plan1")
        for row, cells in enumerate(["phone name id", "1 Ana x", "2 Bia y", "3 Caio z"]):
            sheet.write_row(row, 0, cells.split())
        for row in rows:
            sheet.set_row(row, None, None, {"hidden": True})
        for column in columns:
            sheet.set_column(column, column, None, None, {"hidden": True})
    return buffer.getvalue()


@pytest.fixture
def open_hidden(tmp_path):
    """Reads a list with a choice for hidden cells; returns its rows, and the hidden cells that were found."""

    def open_one(choice, **hidden):
        (tmp_path / "people.xlsx").write_bytes(write_hidden(**hidden))
        with open_sheet(tmp_path / "people.xlsx", report=lambda _part: None, hidden=choice) as sheet:
            return dict(sheet.rows), sheet.hidden

    return open_one


@pytest.mark.parametrize(
    ("hidden", "reason"),
    [
        ({"rows": [2]}, "the sheet hides 1 row (the first is row 3; a filter hides rows as well): leave them out with"),
        ({"columns": [1, 2]}, "the sheet hides columns (B (name), C (id)): leave them out with"),
        (
            {"rows": [3, 1], "columns": [2]},
            (
                "the sheet hides 2 rows (the first is row 2; a filter hides rows as well) and columns (C (id)): "
                "leave all of them out with"
            ),
        ),
    ],
)
def test_hidden_rows_and_columns_are_refused_and_named(open_hidden, hidden, reason):
    with pytest.raises(RecipientsError) as refused:
        open_hidden(HiddenChoice.REFUSE, **hidden)
    assert str(refused.value) == (
        f'{reason} "hidden rows and columns skip", or read them like the others with "hidden rows and columns include"'
    )


def test_hidden_rows_and_columns_are_left_out_if_a_person_says_so(open_hidden):
    rows, hidden = open_hidden(HiddenChoice.SKIP, rows=[2], columns=[1])
    assert rows == {1: ["phone", "", "id"], 2: ["1", "", "x"], 4: ["3", "", "z"]}
    assert (hidden.row_count, hidden.columns) == (1, {"B": "name"})


def test_hidden_rows_and_columns_are_read_if_a_person_says_so(open_hidden):
    rows, hidden = open_hidden(HiddenChoice.INCLUDE, rows=[2], columns=[1])
    assert rows == {1: ["phone", "name", "id"], 2: ["1", "Ana", "x"], 3: ["2", "Bia", "y"], 4: ["3", "Caio", "z"]}
    assert (hidden.row_count, hidden.columns) == (1, {"B": "name"})


@pytest.mark.parametrize("hidden", [{"rows": [7]}, {"columns": [5]}, {}])
def test_hidden_rows_and_columns_without_texts_do_not_matter(open_hidden, hidden):
    assert len(open_hidden(HiddenChoice.REFUSE, **hidden)[0]) >= 4


@pytest.mark.parametrize("ranges", ["B2", "B2:B9", "A1 B2:C3", "B:B", "2:2"])
def test_a_number_that_a_condition_may_show_otherwise_is_refused_with_its_cell(read, ranges):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Plan1")
        for row, cells in enumerate([["phone", "total"], ["1", 5], ["2", "Ana"]]):
            sheet.write_row(row, 0, cells)
        rule = {"type": "cell", "criteria": ">", "value": 3, "format": book.add_format({"num_format": '"+"0'})}
        sheet.conditional_format("B2", rule)
        color = {"type": "cell", "criteria": ">", "value": 3, "format": book.add_format({"bold": True})}
        sheet.conditional_format("A1:C4", color)
    rows = read(change(buffer.getvalue(), ('sqref="B2"', f'sqref="{ranges}"'), part="xl/worksheets/sheet1.xml"))
    assert rows[1][1].problem.startswith("in Plan1!B2 has a conditional format, which may show another number")
    assert not [cell for row in (rows[0], rows[2]) for cell in row if isinstance(cell, Cell)]


MAIN = "http://schemas.microsoft.com/office"
EXTENDED = (
    f'<extLst><ext xmlns:x14="{MAIN}/spreadsheetml/2009/9/main"><x14:conditionalFormattings><x14:conditionalFormatting'
    f' xmlns:xm="{MAIN}/excel/2006/main"><x14:cfRule type="expression" priority="1"><xm:f>Plan2!A1>3</xm:f><x14:dxf>'
    "{}</x14:dxf></x14:cfRule><xm:sqref>A9 B2:B3</xm:sqref></x14:conditionalFormatting></x14:conditionalFormattings>"
    "</ext></extLst>"
)


@pytest.mark.parametrize(
    ("xml", "is_changed"),
    [
        (EXTENDED.replace("{}", '<numFmt numFmtId="170" formatCode="&quot;+&quot;0"/>'), True),
        (EXTENDED.replace("{}", "<font><b/></font>"), False),
        (('<conditionalFormatting sqref="B2:B3"><cfRule type="iconSet"><iconSet showValue="0"/></cfRule>'
         "</conditionalFormatting>"), True),
        ('<conditionalFormatting sqref="B2:B3"><cfRule type="dataBar"><dataBar/></cfRule></conditionalFormatting>',
         False),
    ],
)  # fmt: skip
def test_conditions_of_extensions_and_of_icons_count(read, xml, is_changed):
    content = workbook(("Plan1", "visible", [["phone", "total"], ["1", 5], ["2", "Ana"]]))
    rows = read(change(content, ("</sheetData>", f"</sheetData>{xml}")))
    assert bool(rows[1][1].problem) is is_changed
    assert not [cell for cell in rows[2] if isinstance(cell, Cell)]


def test_rows_that_a_sheet_hides_by_default_have_no_cells(tmp_path):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Plan1")
        sheet.write_row(0, 0, ["phone", "name"])
        sheet.write_row(1, 0, ["1", "Ana"])
        sheet.set_default_row(hide_unused_rows=True)
    (tmp_path / "people.xlsx").write_bytes(buffer.getvalue())
    with open_sheet(tmp_path / "people.xlsx", report=lambda _part: None) as opened:
        assert len([*opened.rows]) == 2
    assert opened.hidden.row_count == 0


@pytest.mark.parametrize("text", ["&lt;/sheetData>", "&lt;sheetData>", "x" * 1_100_000])
def test_merged_cells_behind_any_text_are_found(read, text):
    content = change(
        workbook(("Plan1", "visible", [["phone", "a"], ["1", "Ana"], ["2", "x"]])),
        ("<t>Ana</t>", f"<t>{text}</t>"),
        ("</sheetData>", '</sheetData><mergeCells><mergeCell ref="A3:B3"/></mergeCells>'),
    )
    rows = read(content)
    assert rows[2][1].problem.startswith("in Plan1!B3 is hidden under merged cells")
    assert not getattr(rows[1][1], "problem", "")


def test_the_rows_of_a_sheet_with_merged_cells_are_parsed_once(read, monkeypatch):
    parsed = []
    parse = package.iterparse

    def count(part, events):
        for event, element in parse(part, events):
            parsed.append(package.name_of(element))
            yield event, element

    monkeypatch.setattr(package, "iterparse", count)
    content = workbook(("Plan1", "visible", [["phone", "a"], ["1", "Ana"], ["2", "x"]]))
    merged = ("</sheetData>", '</sheetData><mergeCells><mergeCell ref="A3:B3"/></mergeCells>')
    read(change(content, merged))
    assert parsed.count("row") == 2 * 3  # the start and the end of each row


def test_a_condition_without_a_number_format_changes_no_number(read):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Plan1")
        sheet.write_number("A1", 5)
        sheet.conditional_format(
            "A1", {"type": "cell", "criteria": ">", "value": 3, "format": book.add_format({"bold": 1})}
        )
    assert not read(buffer.getvalue())[0][0].problem


def test_a_value_under_merged_cells_is_refused_with_its_cell(read):
    rows = [["phone", "a", "b"], ["1", "Ana", "secret"], [5511, 7, 8], ["3", "Caio", "x"]]
    content = change(
        workbook(("Plan1", "visible", rows)),
        ("</sheetData>", '</sheetData><mergeCells><mergeCell ref="B2:C2"/><mergeCell ref="A3:C3"/></mergeCells>'),
    )
    read_rows = read(content)
    assert read_rows[0] == rows[0]
    assert read_rows[3] == rows[3]
    hidden = {cell.problem.split(" is ")[0] for row in read_rows for cell in row if getattr(cell, "problem", "")}
    assert hidden == {"in Plan1!C2", "in Plan1!B3", "in Plan1!C3"}
    assert "unmerge the cells" in read_rows[1][2].problem


@pytest.mark.parametrize(
    ("before", "after", "row_count", "columns"),
    [
        ("<sheetData>", '<cols><col min="2" max="2" width="0" customWidth="1"/></cols><sheetData>', 0, {"B": "name"}),
        ('<row r="2">', '<row r="2" ht="0" customHeight="1">', 1, {}),
    ],
)
def test_a_column_or_row_without_a_size_is_hidden(tmp_path, before, after, row_count, columns):
    content = change(workbook(("Plan1", "visible", [["phone", "name"], ["1", "Ana"]])), (before, after))
    (tmp_path / "people.xlsx").write_bytes(content)
    with open_sheet(tmp_path / "people.xlsx", report=lambda _part: None, hidden=HiddenChoice.INCLUDE) as sheet:
        assert len([*sheet.rows]) == 2
    assert (sheet.hidden.row_count, sheet.hidden.columns) == (row_count, columns)


@pytest.mark.parametrize(
    "row",
    [
        "<row/>",
        "<row><c><v>1</v></c></row>",
        '<row r="7"></row>',
        "<x:row/>",
        "<x:row\n/>",
        "<my-x.1:row></my-x.1:row>",
    ],
)
def test_a_sheet_of_more_rows_than_excel_has_is_refused_before_they_are_read(tmp_path, row):
    (tmp_path / "people.xlsx").write_bytes(with_cells(row * 1_100_000))
    with (
        pytest.raises(RecipientsError, match="the sheet has more than 1,048,576 rows"),
        open_sheet(tmp_path / "people.xlsx", report=lambda _part: None),
    ):
        pass


def test_rows_are_counted_before_the_sheets_with_cells_are_chosen(tmp_path, monkeypatch):
    content = workbook(("A", "visible", []), ("B", "visible", [["phone"]]))
    content = change(content, ("<sheetData>", "<sheetData>" + "<row/>" * 1_100_000))
    (tmp_path / "people.xlsx").write_bytes(content)
    monkeypatch.setattr(Package, "iterate_sheet", lambda *_: pytest.fail("the rows were read"))
    with (
        pytest.raises(RecipientsError, match="the sheet has more than 1,048,576 rows"),
        open_sheet(tmp_path / "people.xlsx", report=lambda _part: None),
    ):
        pass


def test_a_number_with_too_many_digits_is_refused_with_its_cell(read):
    code = "0." + "0" * 200
    rows = read(with_styles('<row r="1"><c r="A1" s="1"><v>1e300</v></c></row>', {164: code}))
    assert rows[0][0].problem.startswith("in Plan1!A1 has the number format 0.000")
    assert rows[0][0].problem.endswith(f"which shows more digits than a message takes: {ADVICE}")


def test_a_number_format_that_is_too_long_for_excel_is_refused_with_its_cell(read):
    xml = '<row r="1"><c r="A1" s="1"><v>5</v></c><c r="B1" s="2"><v>5</v></c></row>'
    row = read(with_styles(xml, {164: "0" + "x" * 254, 165: "0" + "x" * 255}))[0]
    assert row[0] == "5" + "x" * 254
    assert "in Plan1!B1 has the number format 0xxx" in row[1].problem
    assert f"which is longer than Excel allows: {ADVICE}" in row[1].problem


TOO_LARGE = "the workbook takes too much memory to read"


def inflate(content, path, size):
    """Return a workbook in which a part has a larger size, as in a ZIP bomb."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.getinfo(path).file_size = size
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("xl/worksheets/sheet1.xml", 2_000_000_001),
        ("xl/sharedStrings.xml", 500_000_001),
        ("xl/styles.xml", 20_000_001),
        ("xl/workbook.xml", 20_000_001),
    ],
)
def test_a_part_that_unpacks_to_too_much_is_refused(read, path, size):
    with pytest.raises(RecipientsError, match=TOO_LARGE):
        read(inflate(write(["phone"]), path, size))


@pytest.mark.parametrize("cells", ["<c/>" * 600_000, f"<c t='inlineStr'><is><t>{'x' * 21_000_000}</t></is></c>"])
def test_a_row_that_takes_too_much_memory_is_refused(read, cells):
    with pytest.raises(RecipientsError, match=TOO_LARGE):
        read(with_cells(f"<row>{cells}</row>"))


MANY = 200_000


def test_a_condition_that_takes_too_much_memory_is_refused(read):
    condition = f'</sheetData><conditionalFormatting sqref="A1">{"<cfRule/>" * 600_000}</conditionalFormatting>'
    with pytest.raises(RecipientsError, match=TOO_LARGE):
        read(change(with_cells("<row/>"), ("</sheetData>", condition)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<cols x="0123456789"/>' * MANY, ""),
        ("", "<dataValidations>" + "<dataValidation/>" * MANY + "</dataValidations>"),
        ("", '<conditionalFormatting sqref="A1"><cfRule/></conditionalFormatting>' * MANY),
        ("", "<mergeCells>" + '<mergeCell ref="A9:B9"/>' * MANY + "</mergeCells>"),
    ],
)
def test_elements_beside_the_rows_are_freed_one_by_one(read, monkeypatch, before, after):
    """The parser reads blocks of up to 1 MB, whose elements are in the tree at the same time."""
    sizes = []
    parse = package.iterparse

    def count(part, events):
        root = None
        for number, (event, element) in enumerate(parse(part, events)):
            root = element if root is None else root
            if number % 50_000 == 0:
                sizes.append(sum(1 for _ in root.iter()))
            yield event, element

    monkeypatch.setattr(package, "iterparse", count)
    content = with_cells('<row r="1"><c r="A1"><v>1</v></c></row>')
    assert len(read(change(content, ("<sheetData>", f"{before}<sheetData>"), ("</sheetData>", f"</sheetData>{after}"))))
    assert len(sizes) > MANY // 50_000
    assert max(sizes) < MANY // 2


def test_a_row_with_too_many_merged_cells_is_refused(read):
    merged = '<mergeCell ref="B1:B1048576"/>' * 501
    content = change(
        workbook(("Plan1", "visible", [["phone", "a"], ["1", "Ana"]])),
        ("</sheetData>", f"</sheetData><mergeCells>{merged}</mergeCells>"),
    )
    with pytest.raises(RecipientsError, match="row 1 has more than 500 merged cells and conditional formats"):
        read(content)


@pytest.mark.parametrize(("most", "is_refused"), [(200 * 500 * 2, False), (200 * 500 * 2 - 1, True)])
def test_a_sheet_whose_merged_cells_cost_too_much_time_is_refused(read, monkeypatch, most, is_refused):
    monkeypatch.setattr(xlsx, "_MAX_MARKS", most)
    merged = '<mergeCell ref="B1:B1048576"/>' * 500
    content = change(
        workbook(("Plan1", "visible", [["phone", "a"]] * 200)),
        ("</sheetData>", f"</sheetData><mergeCells>{merged}</mergeCells>"),
    )
    if is_refused:
        with pytest.raises(RecipientsError, match="too many merged cells and conditional formats for its rows"):
            read(content)
    else:
        assert len(read(content)) == 200


def test_an_error_of_no_known_form_is_not_repeated(read):
    rows = read(with_cells('<row r="1"><c r="A1" t="e"><v>5511999990000</v></c></row>'))
    assert problems(rows) == ["in Plan1!A1 is an error: correct it in the workbook"]


def test_an_entity_that_grows_is_refused(read):
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 50 if n else "x" * 50}">' for n in range(8))
    content = change(
        with_cells('<row r="1"><c r="A1"><v>&e7;</v></c></row>'), ("<worksheet", f"<!DOCTYPE w [{entities}]><worksheet")
    )
    with pytest.raises(RecipientsError, match="is not a workbook that can be read"):
        read(content)


def pack(**parts):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_an_ods_workbook_is_refused_by_name(read):
    content = pack(mimetype="application/vnd.oasis.opendocument.spreadsheet", **{"content.xml": "<x/>"})
    with pytest.raises(RecipientsError, match="it is a file of the format ODS, which is not read: save the list as"):
        read(content)


def test_a_binary_workbook_is_refused_by_name(read):
    content = change(write(["phone"]), ("xl/workbook.xml", "xl/workbook.bin"), part="_rels/.rels")
    with pytest.raises(RecipientsError, match="it is a file of the format XLSB, which is not read"):
        read(content)


def test_a_workbook_with_macros_is_read(read):
    content = change(write(["phone"]), ("sheet.main+xml", "sheet.macroEnabled.main+xml"), part="[Content_Types].xml")
    assert read(content) == [["phone"]]


@pytest.mark.skipif(not CASES.exists(), reason="the cases stand beside the project")
def test_the_cases_of_the_field_come_as_excel_shows_them(read):
    rows = read((CASES / "readme-percent.xlsx").read_bytes())
    assert [row[2] for row in rows] == ["desconto", "20%", "15,5%"]
    rows = read((CASES / "xlsx-formats.xlsx").read_bytes())
    assert [row[2] for row in rows[1:7]] == [
        "30/11/2026", "30/11/2026 09:00", "30/11/2026 09:00:30", "14:30", "30/11/2026", "26:00",
    ]  # fmt: skip
    assert [row[3] for row in rows[1:10]] == [
        "20%", "R$ 1.234,50", "1.234.567,89", "VERDADEIRO", "12345678901234600", "1,00E-07", "0,3", "000123", "000123",
    ]  # fmt: skip
    assert problems(rows[10:]) == [NO_RESULT.replace("Plan1!A1", "Sheet!D11")]


@pytest.fixture
def open_struck(tmp_path):
    """Reads a list of four people in which these rows, or these columns of row 3, are struck through."""

    def open_one(choice, *, rows=(), columns=(), hides_row=False):
        file = tmp_path / "people.xlsx"
        with xlsxwriter.Workbook(file) as book:
            sheet, struck = book.add_worksheet(), book.add_format({"font_strikeout": True})
            for row, cells in enumerate(
                [("phone", "name", "id"), *[(f"+551199999000{n}", "Ana", n) for n in range(4)]]
            ):
                for column, cell in enumerate(cells):
                    is_struck = row + 1 in rows or (row == 2 and column in columns)
                    sheet.write(row, column, cell, struck if is_struck else None)
            if hides_row:
                sheet.set_row(4, None, None, {"hidden": True})
        with open_sheet(file, report=lambda _part: None, hidden=choice) as opened:
            return [number for number, _ in opened.rows], opened.hidden

    return open_one


@pytest.mark.parametrize("columns", [[0, 1, 2], [0], [1]])
def test_rows_that_are_struck_through_are_refused_and_counted(open_struck, columns):
    with pytest.raises(RecipientsError) as refused:
        open_struck(HiddenChoice.REFUSE, columns=columns)
    assert refused.value.code == "rows_struck"
    assert "in 1 row of the sheet a text is struck through (the first is row 3)" in str(refused.value)


def test_rows_that_are_struck_through_are_left_out_or_read_as_a_person_says(open_struck):
    rows, hidden = open_struck(HiddenChoice.SKIP, rows=[3, 4])
    assert (rows, hidden.struck_count, hidden.struck_row, hidden.row_count) == ([1, 2, 5], 2, 3, 0)
    rows, hidden = open_struck(HiddenChoice.INCLUDE, rows=[3, 4])
    assert (rows, hidden.struck_count) == ([1, 2, 3, 4, 5], 2)


def test_one_answer_is_for_hidden_rows_and_for_rows_that_are_struck_through(open_struck):
    with pytest.raises(RecipientsError) as refused:
        open_struck(HiddenChoice.REFUSE, rows=[3], hides_row=True)
    assert "and the sheet also hides rows or columns: leave all of them out with" in str(refused.value)
