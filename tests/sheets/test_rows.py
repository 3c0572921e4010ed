from __future__ import annotations

import codecs
import datetime as dt
import gzip
import hashlib
import io
import os
import random
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from campaigns.domain.recipients import RecipientsError, RowProblem
from campaigns.sheets.rows import WindowsText, open_sheet

NOISE = random.Random(1).randbytes(3_000)
ROWS = [["nome", "telefone"], ["José Ação", "11987654321"], ["Zoë €", "x"]]


@pytest.fixture
def read(tmp_path):
    """Reads a file of these bytes; returns its rows. `read.parts`: what was reported."""
    file = tmp_path / "people.csv"

    def read_one(content, **choices):
        file.write_bytes(content)
        read_one.parts = []
        with open_sheet(file, report=read_one.parts.append, **choices) as sheet:
            read_one.sha256 = sheet.sha256
            return list(sheet.rows)

    return read_one


def text(delimiter=",", line_end="\r\n", rows=ROWS):
    return "".join(delimiter.join(row) + line_end for row in rows)


def numbered(rows):
    return list(enumerate(rows, start=1))


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-be-bom", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"],
)
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


ACCENTS = ["Conceição", "CONCEIÇÃO", "João", "José", "Márcia", "ANTÔNIO", "Luís", "Mônica", "MÁRIO", "Zé"]


@pytest.mark.parametrize("encoding", ["cp850", "mac_roman", "cp437"])
@pytest.mark.parametrize("names", [ACCENTS, ["João", "Conceição"], ["André", "Inês"], ["FÁTIMA", "SÉRGIO"]])
def test_accents_of_dos_and_of_old_macs_are_refused_with_their_line(read, encoding, names):
    with pytest.raises(RecipientsError, match=r"\(look at line [23], which has [^)]+\)") as refused:
        read(text(";", rows=[["nome", "telefone"], *([name, "1"] for name in names)]).encode(encoding, "replace"))
    assert refused.value.code == "encoding_unknown"


@pytest.mark.parametrize(
    ("encoding", "names", "place"),
    [
        (
            "cp850",
            ["Ana", "F\u00e1bio", "\u00cdris", "Jo\u00e3o", "K\u00e1tia", "M\u00e1rcia"],
            "line 3, which has F\u00a0bio",
        ),
        ("cp850", ["\u00c2ngela", "\u00c9rica", "Ana"], "line 2, which has \u00b6ngela"),
        ("cp860", ["\u00cdris", "\u00c1tila"], "line 2, which has \u2039ris"),
    ],
)
def test_names_that_make_sense_in_another_encoding_only_are_refused(read, encoding, names, place):
    with pytest.raises(RecipientsError, match=place) as refused:
        read(text(";", rows=[["nome", "telefone"], *([name, "1"] for name in names)]).encode(encoding))
    assert refused.value.code == "encoding_unknown"


def test_names_and_signs_of_windows_are_read(read):
    signs = ["Nº 1ª", "d’Ávila", "100m²", "Loja™ – “Oi” R$ 5…", "CAFÉ”", "€ 10", "Ñandú"]  # noqa: RUF001
    rows = [[name, "1"] for name in [*ACCENTS, *signs]]
    assert read(text(rows=rows).encode("cp1252")) == numbered(rows)


@pytest.mark.parametrize(
    ("content", "line", "word", "is_doubtful"),
    [
        ("a;b\nAna;Jos\u00e9\nZo\u00eb;1\n".encode("cp1252"), 2, "Jos\u00e9", False),
        ("pre\u00e7o;b\nAna;Jos\u00e9\n".encode("cp1252"), 1, "pre\u00e7o", False),
        ("a\n\u20ac5\n".encode("cp1252"), 2, "\u20ac5", False),
        ("a\nJos\u00e9\nZ\u00e9\n".encode("cp1252") + "Jo\u00e3o\n".encode("cp850"), 4, "Jo\u00c6o", True),
        (b"a;b\nF\xa0bio;1\n" + "Jo\u00e3o;1\nLu\u00eds;2\n".encode("cp1252"), 2, "F\u00a0bio", True),
        ("a\nAna\n\u00cdris Campos\n".encode("cp850"), 3, "\u00d6ris", True),
        ("a\nJo\u00e3o\u00a0da Silva\nAna\u00a0Paula\n".encode("cp1252"), 2, "Jo\u00e3o\u00a0da", False),
        ("a\nM\u00fcller\n\u00d6zg\u00fcr\nSch\u00e4fer\n".encode("cp1252"), 2, "M\u00fcller", False),
        ("a\nJos\u00e9\n".encode(), 0, "", False),
        (b"a\nJose\n", 0, "", False),
        ("a\nJos\u00e9\n".encode("utf-16"), 0, "", False),
    ],
)
def test_a_file_that_is_read_as_text_of_windows_has_a_word_to_look_at(tmp_path, content, line, word, is_doubtful):
    (tmp_path / "people.csv").write_bytes(content)
    with open_sheet(tmp_path / "people.csv", report=lambda _part: None) as sheet:
        list(sheet.rows)
    assert sheet.windows_text == (WindowsText(line, word, is_doubtful) if word else None)


@pytest.mark.parametrize("count", [1, 3])
def test_a_file_that_mixes_utf_8_with_windows_is_refused_with_the_line(read, count):
    mixed = "a,b\n1,x\n2,João\n".encode() + "3,José\n4,Antônio\n".encode("cp1252") * count
    with pytest.raises(RecipientsError, match="line 3 is in UTF-8, and other lines are not"):
        read(mixed)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (gzip.compress(b"phone,name\n1,Ana\n", mtime=0), "gzip"),
        (b"{\\rtf1\\ansi phone;name\\par}", "RTF"),
        (b'[\n  {"phone": "1", "name": "Ana"}\n]', "JSON"),
        (b'\xef\xbb\xbf{"phone": "1"}\n{"phone": "2"}\n', "JSON"),
        (b"\n%PDF-1.7 x", "PDF"),
        (b"\x89PNG\r\n\x1a\n" + NOISE, "PNG"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF" + NOISE, "JPEG"),
        (b"GIF89a" + NOISE, "GIF"),
        (b"BM\x46\1\0\0\0\0\0\0" + NOISE, "BMP"),
        (b"RIFF\x10\0\0\0WEBPVP8 " + NOISE, "RIFF"),
        (b"SQLite format 3\0" + NOISE, "SQLite"),
        (b"BEGIN:VCARD\r\nVERSION:3.0\r\nTEL:11999990000\r\n", "vCard"),
        (b"MIME-Version: 1.0\r\nX-Document-Type: Workbook\r\n", "MHTML"),
        (b"ID;PWXL;N;E\r\nP;PGeneral\r\n", "SYLK"),
        ("<html><table>".encode("utf-16"), "HTML or XML"),
        (b"<div><table><tr><td>telefone</td></tr></table></div>", "HTML or XML"),
        (b"\xd0\xcf\x11\xe0" + bytes(1000) + "WordDocument".encode("utf-16-le"), "DOC"),
        (b"PK\x05\x06" + bytes(18), "ZIP"),
    ],
)
def test_a_file_of_another_format_is_refused_by_its_name(read, content, name):
    with pytest.raises(RecipientsError, match=f"it is a file of the format {name}, which is not read"):
        read(content)


def archive(**parts):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as written:
        for path, content in parts.items():
            written.writestr(path, content)
    return buffer.getvalue()


ROOT = (
    '<Relationships xmlns="x"><Relationship Id="r1" Type="http://x/officeDocument" Target="{}"/></Relationships>'.format
)


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ({"lista.csv": "telefone,nome\n"}, "ZIP"),
        ({"Index/Document.iwa": "x"}, "Numbers"),
        ({"_rels/.rels": ROOT("word/document.xml"), "word/document.xml": "<x/>"}, "DOCX"),
        ({"_rels/.rels": ROOT("ppt/presentation.xml"), "ppt/presentation.xml": "<x/>"}, "PPTX"),
        ({"mimetype": "application/vnd.oasis.opendocument.text"}, "ODF"),
    ],
)
def test_an_archive_that_is_no_workbook_is_refused_by_its_name(read, parts, name):
    with pytest.raises(RecipientsError, match=f"it is a file of the format {name}, which is not read"):
        read(archive(**parts))


@pytest.mark.parametrize("content", [NOISE, bytes(range(1, 256)) * 20, bytes(5_000)])
def test_bytes_that_are_no_text_are_refused(read, content):
    with pytest.raises(RecipientsError, match="it is neither a workbook nor a text file, so it has no rows"):
        read(content)


@pytest.mark.parametrize("header", ["ID;Phone", "BM;phone", "PARTE;phone", "GIF;phone", "<nome>;<font>", "IID;phone"])
def test_a_header_that_begins_like_another_format_is_read(read, header):
    assert read(f"{header}\n1;2\n".encode()) == [(1, header.split(";")), (2, ["1", "2"])]


def test_a_control_character_harms_its_row_only(read):
    assert read(b"phone,name\n" + b"1,Ana\n" * 9 + b"2,B\0ia\n")[-1] == (11, ["2", "B\0ia"])


def test_a_column_with_a_number_in_braces_is_no_json(read):
    assert read(b"{{2}} total;phone\n5;1\n") == [(1, ["{{2}} total", "phone"]), (2, ["5", "1"])]


def test_delimiters_in_quoted_names_do_not_count(read):
    assert read(b'"a,b,c";d\n"x;y";z\n') == [(1, ["a,b,c", "d"]), (2, ["x;y", "z"])]


@pytest.mark.parametrize(
    "title", ["Clientes, novembro", "Clientes; de novembro, Sol", "a,b,c", '"Clientes\nde novembro"']
)
@pytest.mark.parametrize("rows", ["1;Ana\n2;Bia\n", "1;Ana, Maria\n2;Bia, Clara\n"])
def test_a_title_does_not_choose_the_delimiter(read, title, rows):
    assert [row for _, row in read(f"{title}\ntelefone;nome\n{rows}".encode())][1] == ["telefone", "nome"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_name_with_a_line_break_is_one_cell(read, delimiter):
    content = f'"Nome\ncompleto"{delimiter}telefone\nAna{delimiter}1\n'
    assert read(content.encode()) == [(1, ["Nome\ncompleto", "telefone"]), (2, ["Ana", "1"])]


def test_commas_in_values_do_not_choose_the_delimiter(read):
    content = b"contato;valor;canais\n1;12,50;pix, whatsapp, loja\n2;13,50;pix, whatsapp, loja\n"
    assert read(content)[1] == (2, ["1", "12,50", "pix, whatsapp, loja"])


def test_a_file_of_one_column_has_no_delimiter(read):
    assert read(b"phone\n1\n") == [(1, ["phone"]), (2, ["1"])]


def test_a_byte_in_the_last_row_decides_about_the_first(read):
    rows = read(b"phone,name\n" + (b"1," + b"Ana " * 300 + b"\n") * 1_000 + "2,José\n".encode("cp1252"))
    assert rows[-1] == (1_002, ["2", "José"])


def test_a_character_over_the_end_of_a_block_is_whole(read):
    for shift in range(5):
        data = b"a\n" + b"x" * (10 + shift) + b"\n" + ("é€" * 300 + "\n").encode() * 1_200
        assert {row[0] for _, row in read(data)[2:]} == {"é€" * 300}


def test_a_broken_character_in_a_file_of_utf8_harms_its_row_only(read):
    rows = read("phone,name\n1,José\n2,João\n".encode() + b"3,Jo\xe3o\n")
    assert [cells for _, cells in rows] == [["phone", "name"], ["1", "José"], ["2", "João"], ["3", "Jo\ufffdo"]]


def test_a_damaged_name_in_valid_utf8_does_not_make_it_cp1252(read):
    assert read("phone,name\n1,Jos\ufffd\n".encode())[1] == (2, ["1", "Jos\ufffd"])


def test_a_quote_that_ends_too_early_harms_its_row_only(read):
    rows = read(b'a,b\n1,"Ana" B\n2,Bia\n')
    assert rows == [(1, ["a", "b"]), (2, RowProblem("a cell", "goes on behind its closing quote")), (3, ["2", "Bia"])]


@pytest.mark.parametrize(
    "content",
    [
        b'"5511999990000"x;"a\n5511999990001;Ana"\n5511999990002;Bia\n',
        b'"a\nb"x;"c\nd;e"\nf;g\n',
        b'a"b;"a ""b"""x;"c\nd;e"\nf;g\n',
        b';"Ana "Bia" Sol"\nf;g\n',
    ],
)
def test_a_row_whose_end_is_uncertain_refuses_the_file(read, content):
    with pytest.raises(RecipientsError, match="row 2 has quotes that do not match, so the beginning of the next row"):
        read(b"phone;name\n" + content)


def test_the_end_of_a_row_is_certain_without_further_quotes(read):
    rows = read(b'phone;name\n5"5;"a\nb ""c"""x;c\n1;Bia\n')
    assert rows[1:] == [(2, RowProblem("a cell", "goes on behind its closing quote")), (3, ["1", "Bia"])]


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


@pytest.mark.timeout(20)
def test_a_pipe_that_nobody_writes_to_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecipientsError, match="save it first"), open_sheet(tmp_path / "pipe", report=print):
        pass


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero"])
def test_a_device_is_refused_at_once(device):
    with pytest.raises(RecipientsError, match="save it first"), open_sheet(Path(device), report=print):
        pass


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


CLIENTES, EMPTY = ("Clientes", "visible", [["phone"]]), ("Plan2", "visible", [])


@pytest.mark.parametrize(
    "sheets",
    [
        [("Lists", "hidden", [["no"]]), CLIENTES, ("Secret", "veryHidden", [["no"]])],
        [EMPTY, CLIENTES],
        [CLIENTES, EMPTY],
    ],
)
def test_the_only_visible_sheet_with_rows_is_read(read, sheets):
    assert read(workbook(*sheets)) == [(1, ["phone"])]


def test_several_sheets_with_rows_are_refused_and_named(read):
    sheets = CLIENTES, EMPTY, ("Outros &amp; mais", "visible", [["x"]]), ("Lists", "hidden", [["no"]])
    with pytest.raises(RecipientsError) as refused:
        read(workbook(*sheets))
    assert str(refused.value) == (
        'the workbook has 2 sheets with rows (Clientes, Outros & mais): choose one of them with "sheet"'
    )


@pytest.mark.parametrize("name", ["Clientes", " clientes ", "CLIENTES"])
def test_a_sheet_is_read_by_its_name_also_if_it_is_hidden(read, name):
    sheets = ("Plan1", "visible", [["no"]]), ("Clientes", "veryHidden", [["phone"]])
    assert read(workbook(*sheets), name=name) == [(1, ["phone"])]


def test_a_sheet_that_is_not_there_is_refused_with_those_that_are(read):
    with pytest.raises(RecipientsError, match="the workbook has no sheet 'Clients', its sheets are Clientes, Plan2"):
        read(workbook(CLIENTES, EMPTY), name="Clients")
    with pytest.raises(RecipientsError, match="a CSV file has no sheets: leave out"):
        read(text().encode(), name="Clientes")


def test_a_workbook_without_a_visible_sheet_with_rows_is_refused(read):
    with pytest.raises(RecipientsError, match="the workbook has no visible sheet with rows"):
        read(workbook(EMPTY, ("Plan3", "visible", []), ("Lists", "hidden", [["no"]])))


@pytest.mark.parametrize("content", [b"PK\x03\x04 torn", workbook()[:-40]])
def test_a_workbook_that_is_torn_is_refused(read, content):
    with pytest.raises(RecipientsError, match="is not a workbook that can be read, save it as XLSX or CSV UTF-8"):
        read(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xd0\xcf\x11\xe0" + b"x" * 600, "it is a workbook of the old format XLS, or it has a password"),
        (b"%PDF-1.7 x", "it is a file of the format PDF, which is not read: save the list as XLSX or CSV UTF-8"),
        (b"<html><table><tr><td>phone</td></tr></table>", "it is a file of the format HTML or XML, which is not read"),
        (b'\xef\xbb\xbf\n <?xml version="1.0"?><Workbook/>', "it is a file of the format HTML or XML"),
        (b"<TABLE border=1><tr>", "it is a file of the format HTML or XML"),
    ],
)
def test_a_file_of_another_format_is_refused_by_name(read, content, reason):
    with pytest.raises(RecipientsError, match=reason):
        read(content)


def test_a_name_in_angle_brackets_is_no_page(read):
    assert read(b"<telefone>,<nome>\n") == [(1, ["<telefone>", "<nome>"])]


def test_a_cell_far_away_from_all_others_is_a_row_of_its_own(read):
    """A stray cell in the last corner: as a table in memory the sheet would take half a terabyte."""
    near = workbook(("Plan1", "visible", [["phone"], ["5511987654321"]]))
    rows = read(rename_cell(near, b"A2", b"XFD1048576"))
    assert rows[0] == (1, ["phone"])
    assert [(number, len(row), row[-1]) for number, row in rows[1:]] == [(1_048_576, 16_384, "5511987654321")]


def rename_cell(content, place, other):
    """The same workbook with one cell, and its row, somewhere else."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(place, other).replace(b'row r="2"', b'row r="1048576"'))
    return buffer.getvalue()
