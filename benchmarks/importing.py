"""Importing: how fast `revoada campaign create` imports a large list, as CSV and as XLSX.

The sizes are IMPORT_ROWS (1,000,000 rows of CSV) and IMPORT_XLSX_ROWS (100,000). The memory is that of the command and
its children. The yardstick is bare SQL: COPY of the same file into a temporary table, and one INSERT.
"""

from __future__ import annotations

import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil

from benchmarks.frame import TEMPLATE, World, memory_mb, read_size, write_people
from benchmarks.report import Report
from devstack.roles import PROJECT

ROWS = read_size("IMPORT_ROWS", 1_000_000)
XLSX_ROWS = read_size("IMPORT_XLSX_ROWS", 100_000)

_POLL_SECONDS = 0.05
_BLOCK_BYTES = 65_536
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_SHEET = "xl/worksheets/sheet1.xml"
_WORKBOOK = {
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}">'
    f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}">'
    f'<Relationship Id="r1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="r2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><cellXfs><xf numFmtId="0"/><xf numFmtId="9"/></cellXfs>'
    "</styleSheet>",
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="Plan1" sheetId="1" r:id="r1"/></sheets></workbook>',
}


def main() -> int:
    report = Report("importing", "lists of recipients, by the command", rows=ROWS, xlsx_rows=XLSX_ROWS)
    with World() as world:
        (account,) = world.add_accounts(1)
        create = ("campaign", "create", "bench", "--template", TEMPLATE, "--account", account, "--recipients")
        large = write_people(world.folder / "large.csv", range(ROWS))
        seconds, peak = measure_command(
            world, report, f"CSV, {ROWS:,} rows, campaign create", ROWS, *create, str(large)
        )
        sheet = write_workbook(world.folder / "people.xlsx", range(XLSX_ROWS))
        measure_command(world, report, f"XLSX, {XLSX_ROWS:,} rows, campaign create", XLSX_ROWS, *create, str(sheet))
        named = write_named(world.folder / "named.csv", range(ROWS, ROWS + ROWS // 10))
        what = f"CSV, {ROWS // 10:,} rows with names of their own, campaign create"
        measure_command(world, report, what, ROWS // 10, *create, str(named))
        more = write_people(world.folder / "more.csv", range(ROWS, ROWS + XLSX_ROWS))
        columns = ("--map", "1=nome", "--map", "2=desconto")
        what = f"CSV, {XLSX_ROWS:,} rows more, campaign import"
        _, small_peak = measure_command(world, report, what, XLSX_ROWS, "campaign", "import", "1", str(more), *columns)
        bare_seconds = import_bare(world, large, world.add_campaign([account], people=range(ROWS, ROWS + 1)))
    report.add(f"CSV, {ROWS:,} rows, bare SQL", rows_per_second=ROWS / bare_seconds, took_seconds=bare_seconds)
    report.goal_ratio("CSV: at most 3 times the time of bare SQL", seconds / bare_seconds, most=3)
    report.goal_ratio("CSV: at most 1.2 times the memory for a tenth of the rows", peak / small_peak, most=1.2)
    return report.finish()


def write_named(path: Path, people: range) -> Path:
    """Write a list of recipients in which nearly every name is another one."""
    with path.open("w", encoding="utf-8") as file:
        file.write("phone,nome,desconto\n")
        for number in people:
            name = "".join(chr(ord("a") + int(digit)) for digit in str(number)).title()
            file.write(f"+55119{10_000_000 + number},Ana {name} Souza,{number % 60}%\n")
    return path


def measure_command(world: World, report: Report, what: str, rows: int, *words: str) -> tuple[float, float]:
    """Run `revoada …`, which must add `rows` messages; return its seconds and its peak memory in megabytes."""
    before = count_messages(world)
    command = [str(Path(sys.executable).parent / "revoada"), *words]
    with world.measure() as usage:
        began, peak = time.monotonic(), 0.0
        running = psutil.Popen(
            command, env=world.stack.environment, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        while running.poll() is None:
            peak = max(peak, memory_mb(running.pid))
            time.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - began
    report.add(what, rows_per_second=rows / seconds, took_seconds=seconds, command_peak_mb=peak,
               postgres_cpu=usage.cpu_ms_per_1000(rows)["postgres_cpu"])  # fmt: skip
    report.check(f"{what}: the command ended well", running.returncode == 0)
    report.check(f"{what}: each row became a message", count_messages(world) - before == rows)
    return seconds, peak


def import_bare(world: World, path: Path, campaign_id: int) -> float:
    """Import the file without any check; return the seconds."""
    began = time.monotonic()
    with world.connect() as connection, connection.transaction():
        connection.execute("CREATE TEMPORARY TABLE bare (phone text, nome text, desconto text) ON COMMIT DROP")
        with connection.cursor().copy("COPY bare FROM STDIN (FORMAT csv, HEADER)") as copy, path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                copy.write(block)
        connection.execute(
            "INSERT INTO messages (campaign_id, phone, recipient_key, variables)"
            " SELECT %s, phone, phone, ARRAY[nome, desconto] FROM bare",
            [campaign_id],
        )
    return time.monotonic() - began


def count_messages(world: World) -> int:
    return int(world.ask("SELECT count(*) FROM messages")[0][0])


def write_workbook(path: Path, people: range) -> Path:
    """Write a list of recipients in Excel's format, with the percentage as a number."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in _WORKBOOK.items():
            archive.writestr(name, text)
        with archive.open(_SHEET, "w") as sheet:
            sheet.write(f'<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
            sheet.write(_write_row(1, "phone", "nome", "desconto"))
            for row, number in enumerate(people, 2):
                sheet.write(_write_row(row, f"+55119{10_000_000 + number}", "Ana", number % 100 / 100))
            sheet.write(b"</sheetData></worksheet>")
    return path


def _write_row(row: int, *values: str | float) -> bytes:
    cells = (_write_cell(f"{chr(65 + x)}{row}", value) for x, value in enumerate(values))
    return f'<row r="{row}">{"".join(cells)}</row>'.encode()


def _write_cell(place: str, value: str | float) -> str:
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
    return f'<c r="{place}" s="1"><v>{value}</v></c>'


if __name__ == "__main__":
    sys.exit(main())
