from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import pytest
import xlsxwriter

from campaigns.domain.recipients import Cell, RecipientsError, RowProblem
from campaigns.sheets.rows import open_sheet
from campaigns.sheets.xlsx import ADVICE
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
    content = change(write([("phone", ""), (0.5, "# ?/?")]), ("Plan1", "Minha lista"), part="xl/workbook.xml")
    assert problems(read(content)) == [
        f"in 'Minha lista'!A2 has the number format # ?/?, which shows a fraction: {ADVICE}"
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


def test_empty_columns_before_the_first_are_left_out(read):
    rows = '<row r="3"><c r="B3"><v>1</v></c><c r="C3"><v>2</v></c></row><row r="4"><c r="C4"><v>3</v></c></row>'
    assert read(with_cells(rows)) == [["1", "2"], ["", "3"]]
    stray = with_cells(f'{rows}<row r="5"><c r="A5"><v>4</v></c></row>')
    assert read(stray)[2] == RowProblem("a cell", "stands left of the first column of the header")


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


def test_a_sheet_of_more_rows_than_excel_has_is_refused_before_they_are_read(tmp_path):
    rows = "<row><c><v>1</v></c></row>" * 1_100_000
    (tmp_path / "people.xlsx").write_bytes(with_cells(rows))
    with (
        pytest.raises(RecipientsError, match="the sheet has more than 1,048,576 rows"),
        open_sheet(tmp_path / "people.xlsx", report=lambda _part: None) as sheet,
    ):
        next(sheet.rows)


def test_an_entity_that_grows_is_refused(read):
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 50 if n else "x" * 50}">' for n in range(8))
    content = change(
        with_cells('<row r="1"><c r="A1"><v>&e7;</v></c></row>'), ("<worksheet", f"<!DOCTYPE w [{entities}]><worksheet")
    )
    with pytest.raises(RecipientsError, match="is not a workbook that can be read"):
        read(content)


def write_ods(*cells):
    """Return an ODS workbook of one row: (type, value) of each cell."""
    names = {name: f"urn:oasis:names:tc:opendocument:xmlns:{name}:1.0" for name in ("office", "table", "text")}
    row = "".join(
        f'<table:table-cell office:value-type="{kind}"{"" if kind == "string" else f" office:value={value!r}"}>'
        f"<text:p>{value}</text:p></table:table-cell>"
        for kind, value in cells
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr(
            "content.xml",
            f"<office:document-content {' '.join(f'xmlns:{name}={uri!r}' for name, uri in names.items())}><office:body>"
            f'<office:spreadsheet><table:table table:name="Minha lista"><table:table-row>{row}</table:table-row>'
            "</table:table></office:spreadsheet></office:body></office:document-content>",
        )
    return buffer.getvalue()


def test_numbers_of_other_workbooks_are_phones_and_no_texts(read):
    ((phone, name, discount),) = read(write_ods(("float", "5511999990001"), ("string", "Ana"), ("percentage", "0.2")))
    assert (phone.digits, name) == ("5511999990001", "Ana")
    assert discount.problem == (
        "in 'Minha lista'!C1 is a number or a date, and how it is shown is read from XLSX only: "
        "save the workbook as XLSX"
    )


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
