from __future__ import annotations

import codecs
import datetime as dt
import hashlib
import io
import os
import zipfile
from xml.sax.saxutils import escape

import pytest

from campaigns.domain.recipients import RecipientsError, RowProblem
from campaigns.sheets.rows import open_sheet

ROWS = [["nome", "telefone"], ["José Ação", "11987654321"], ["Zoë €", "x"]]


@pytest.fixture
def read(tmp_path):
    """Reads a file of these bytes; returns its rows. `read.parts`: what was reported."""
    file = tmp_path / "people.csv"

    def read_one(content):
        file.write_bytes(content)
        read_one.parts = []
        with open_sheet(file, report=read_one.parts.append) as sheet:
            read_one.sha256 = sheet.sha256
            return list(sheet.rows)

    return read_one


def text(delimiter=",", line_end="\r\n", rows=ROWS):
    return "".join(delimiter.join(row) + line_end for row in rows)


def numbered(rows):
    return list(enumerate(rows, start=1))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-be-bom"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_file_is_read_whatever_its_encoding_and_delimiter(read, encoding, delimiter):
    content = text(delimiter)
    data = (
        codecs.BOM_UTF16_BE + content.encode("utf-16-be") if encoding == "utf-16-be-bom" else content.encode(encoding)
    )
    assert read(data) == numbered(ROWS)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_file_is_read_whatever_ends_its_lines(read, line_end):
    assert read(text(line_end=line_end).encode()) == numbered(ROWS)
    assert read(text(line_end=line_end).removesuffix(line_end).encode()) == numbered(ROWS)


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "\ufeffsep=;"])
def test_the_first_line_of_excel_says_the_delimiter_and_is_no_row(read, line):
    assert read(f"{line}\r\na,b;c\r\n1,2;3\r\n".encode()) == [(1, ["a,b", "c"]), (2, ["1,2", "3"])]


def test_delimiters_in_quoted_names_do_not_count(read):
    assert read(b'"a,b,c";d\n"x;y";z\n') == [(1, ["a,b,c", "d"]), (2, ["x;y", "z"])]


def test_a_file_of_one_column_has_no_delimiter(read):
    assert read(b"phone\n1\n") == [(1, ["phone"]), (2, ["1"])]


def test_a_byte_in_the_last_row_decides_about_the_first(read):
    rows = read(b"phone,name\n" + b"1,Ana\n" * 200_000 + "2,José\n".encode("cp1252"))
    assert rows[-1] == (200_002, ["2", "José"])


def test_a_character_over_the_end_of_a_block_is_whole(read):
    for shift in range(4):
        data = b"a\n" + b"x" * (10 + shift) + b"\n" + "é€\n".encode() * 300_000
        assert {row[0] for _, row in read(data)[2:]} == {"é€"}


def test_a_broken_character_in_a_file_of_utf8_harms_its_row_only(read):
    rows = read("phone,name\n1,José\n2,João\n".encode() + b"3,Jo\xe3o\n")
    assert [cells for _, cells in rows] == [["phone", "name"], ["1", "José"], ["2", "João"], ["3", "Jo\ufffdo"]]


def test_a_damaged_name_in_valid_utf8_does_not_make_it_cp1252(read):
    assert read("phone,name\n1,Jos\ufffd\n".encode())[1] == (2, ["1", "Jos\ufffd"])


def test_a_quote_that_ends_too_early_harms_its_row_only(read):
    rows = read(b'a,b\n1,"Ana" B\n2,Bia\n')
    assert rows == [(1, ["a", "b"]), (2, RowProblem("a cell", "goes on behind its closing quote")), (3, ["2", "Bia"])]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty, its first row must name the columns"),
        (b'a,b\n1,"x\n2,y\n', "row 2 opens a quote that is never closed"),
        (b'a,b\n1,"' + b"x\n" * 100_000, "row 2 has a cell of more than 131,072 characters: is a quote not closed?"),
        (b"a,b\n" + b"x" * 2_100_000, "a line of it is longer than 1,000,000 bytes, so it is no CSV file"),
    ],
)
def test_a_file_that_nobody_can_read_says_where(read, content, reason):
    with pytest.raises(RecipientsError) as refused:
        read(content)
    assert str(refused.value) == reason


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path):
    file = tmp_path / "people.csv"
    file.write_bytes(text().encode())

    def append(_part):
        with file.open("ab") as more:
            more.write(b"x,y\n")

    with pytest.raises(RecipientsError, match="changed while it was read"):
        read_and_then(file, append)


def read_and_then(file, act):
    with open_sheet(file, report=print) as sheet:
        act(next(sheet.rows))
        list(sheet.rows)


def test_a_pipe_is_refused_before_anything_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    with pytest.raises(RecipientsError, match="save it first"), open_sheet(tmp_path / "pipe", report=print):
        pass
    os.close(writer)


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError), open_sheet(tmp_path, report=print):
        pass


def test_ten_thousand_columns_are_read(read):
    assert len(read(b",".join(b"c%d" % number for number in range(10_000)) + b"\n")[0][1]) == 10_000


def test_the_digest_is_that_of_the_file_and_the_report_ends_with_the_whole(read):
    data = text(rows=ROWS * 5000).encode()
    read(data)
    assert read.sha256 == hashlib.sha256(data).digest()
    assert read.parts == sorted(read.parts)
    assert len(read.parts) > 2
    assert read.parts[-1] == 1.0


def workbook(*sheets):
    """An XLSX file as Excel writes it: (name, state, rows) each; a cell is text, a number, a date, or nothing."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    numbers = range(1, len(sheets) + 1)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="xml" ContentType="x/y"/>'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        + "".join(f'<Relationship Id="r{n}" Type="{office}/worksheet" Target="worksheets/s{n}.xml"/>' for n in numbers)
        + f'<Relationship Id="r99" Type="{office}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/>'
        "</cellXfs></styleSheet>",
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        + "".join(
            f'<sheet name="{name}" sheetId="{n}" state="{state}" r:id="r{n}"/>'
            for n, (name, state, _) in zip(numbers, sheets, strict=True)
        )
        + "</sheets></workbook>",
    }
    for number, (_, _, rows) in zip(numbers, sheets, strict=True):
        lines = "".join(
            f'<row r="{y}">' + "".join(cell(f"{chr(65 + x)}{y}", value) for x, value in enumerate(row)) + "</row>"
            for y, row in enumerate(rows, start=1)
        )
        parts[f"xl/worksheets/s{number}.xml"] = f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>'
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def cell(place, value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{value:d}</v></c>'
    if isinstance(value, dt.datetime):
        days = (value - dt.datetime(1899, 12, 30)) / dt.timedelta(days=1)  # noqa: DTZ001
        return f'<c r="{place}" s="1"><v>{days}</v></c>'
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


def test_the_cells_of_a_workbook_are_read_as_a_person_sees_them(read):
    rows = [
        ["telefone", "nome", "dia", "valor", "sim"],
        [5511987654321, "José & Filhos", dt.datetime(2026, 11, 27), 0.2, True],  # noqa: DTZ001
        [None, None, None, None, None],
        ["5.511987654322E12", None, dt.datetime(2026, 11, 27, 9, 30), 12, False],  # noqa: DTZ001
        [5.511987654322e12, "x", None, 1234.5, None],
    ]
    assert read(workbook(("Plan1", "visible", rows))) == [
        (1, ["telefone", "nome", "dia", "valor", "sim"]),
        (2, ["5511987654321", "José & Filhos", "11/27/2026", "0.2", "TRUE"]),
        (3, ["", "", "", "", ""]),
        (4, ["5.511987654322E12", "", "11/27/2026", "12", "FALSE"]),
        (5, ["5511987654322", "x", "", "1234.5", ""]),
    ]
    assert read.parts == [1.0]


def test_the_first_sheet_that_a_person_sees_is_read(read):
    sheets = ("Lists", "hidden", [["no"]]), ("Clientes", "visible", [["phone"]]), ("Other", "visible", [["no"]])
    assert read(workbook(*sheets)) == [(1, ["phone"])]


@pytest.mark.parametrize("content", [b"PK\x03\x04 torn", b"\xd0\xcf\x11\xe0" + b"x" * 600, workbook()[:-40]])
def test_a_workbook_that_is_torn_is_refused(read, content):
    with pytest.raises(RecipientsError, match="is not a workbook that can be read, save it as XLSX or CSV UTF-8"):
        read(content)


def test_a_cell_far_away_from_all_others_is_refused_and_ends_nobody(read):
    """A stray cell in the last corner: as a table in memory it would take half a terabyte."""
    near = workbook(("Plan1", "visible", [["phone"], ["5511987654321"]]))
    with pytest.raises(RecipientsError, match="takes more than 2 GB to read: is a cell far away from the others"):
        read(rename_cell(near, b"A2", b"XFD1048576"))


def rename_cell(content, place, other):
    """The same workbook with one cell, and its row, somewhere else."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(place, other).replace(b'row r="2"', b'row r="1048576"'))
    return buffer.getvalue()
