"""Loads and removes prices. A person makes the list of prices from Meta's rate card."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from campaigns.domain.prices.price_list import Price, read_price_list
from campaigns.domain.recipients import RecipientsError
from campaigns.domain.statement import Kind, Refusal
from campaigns.domain.users.actor import Act, Actor
from campaigns.sheets.rows import open_sheet
from campaigns.store.database import Connection, Database
from campaigns.store.prices import delete_prices, write_prices
from campaigns.store.users.audit import write_audit


@dataclass(frozen=True, slots=True)
class LoadedPrices:
    """The numbers of prices by what became of them. Each country, category and day has a price of its own.

    In JSON output, the keys have the names of these attributes.
    """

    new: int
    corrected: int
    unchanged: int


def load_prices(database: Database, path: Path, *, actor: Actor) -> LoadedPrices:
    """Load all prices of a CSV file, or none. A price of the same country, category and day is corrected.

    A file that changes nothing leaves no row in the audit. Raises Refusal; OSError if the file cannot be read.
    """
    prices = _read(path)

    def work(connection: Connection) -> LoadedPrices:
        new_count, corrected_count = write_prices(connection, prices)
        if new_count or corrected_count:
            after = {
                "file": path.name,
                "new_price_count": new_count,
                "corrected_price_count": corrected_count,
                "valid_from": sorted({each.valid_from.isoformat() for each in prices}),
                "currencies": sorted({each.currency for each in prices}),
            }
            write_audit(connection, actor, Act.PRICES_LOAD, after=after)
        return LoadedPrices(new_count, corrected_count, len(prices) - new_count - corrected_count)

    return database.run(work)


def remove_prices(database: Database, day: dt.date, *, actor: Actor) -> int:
    """Delete all prices that are valid from this day on, such as those of a file with a wrong day; return their number.

    Raises Refusal if there are none.
    """

    def work(connection: Connection) -> int:
        if not (count := delete_prices(connection, day)):
            text = "There is no price with the first day {day}."
            raise Refusal("prices_missing", text, kind=Kind.MISSING, day=day.isoformat())
        write_audit(connection, actor, Act.PRICES_REMOVE, before={"valid_from": day, "removed_price_count": count})
        return count

    return database.run(work)


def _read(path: Path) -> list[Price]:
    """Return the prices of a file. Raises Refusal, OSError.

    A workbook is refused, because a cell shows fewer decimals than its number has.
    """
    try:
        with open_sheet(path, report=lambda _part: None) as sheet:
            if sheet.delimiter:
                return read_price_list(sheet.rows)
    except RecipientsError as error:
        raise error.in_file(path) from None
    except Refusal as refusal:
        raise Refusal(refusal.code, "{path}: {problem}", path=str(path), problem=refusal) from None
    raise Refusal(
        "prices_workbook",
        "{path}: a workbook may hide decimals of a price. Save the list as CSV, and check that all decimals are there.",
        path=str(path),
    )
