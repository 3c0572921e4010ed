"""Loads and removes prices. A person makes the list of prices from Meta's rate card."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from campaigns.domain.prices.price_list import Price, read_price_list
from campaigns.domain.recipients import RecipientsError
from campaigns.domain.statement import Kind, Refusal
from campaigns.domain.users.actor import Act, Actor
from campaigns.sheets.rows import open_sheet
from campaigns.store.database import Connection, Database
from campaigns.store.prices import delete_prices, list_prices, write_prices
from campaigns.store.users.audit import write_audit


@dataclass(frozen=True, slots=True)
class LoadedPrices:
    """The numbers of prices by what became of them. Each country, category and day has a price of its own.

    In JSON output, the keys have the names of these attributes.
    """

    new: int
    corrected: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class PriceChanges:
    """What the loading of a list would change. `corrected`: the old and the new price of each correction."""

    new: Sequence[Price]
    corrected: Sequence[tuple[Price, Price]]
    unchanged_count: int

    @property
    def digest(self) -> str:
        """A digest of all changes. It is another one if the list or the loaded prices have changed."""
        return hashlib.sha256(repr((self.new, self.corrected)).encode()).hexdigest()


def compare_prices(database: Database, path: Path, *, name: str | None = None) -> PriceChanges:
    """Return what `load_prices` would change. The arguments and the errors are those of `load_prices`."""
    prices = _read(path, name or str(path))
    loaded = database.run(list_prices, {each.country for each in prices})
    known = {(each.country, each.category, each.valid_from): each for each in loaded}
    new, corrected, unchanged_count = [], [], 0
    for price in prices:
        before = known.get((price.country, price.category, price.valid_from))
        if before is None:
            new.append(price)
        elif before == price:
            unchanged_count += 1
        else:
            corrected.append((before, price))
    return PriceChanges(new, corrected, unchanged_count)


def load_prices(database: Database, path: Path, *, actor: Actor, name: str | None = None) -> LoadedPrices:
    """Load all prices of a CSV file, or none. A price of the same country, category and day is corrected.

    `name`: the name of the file for people, if its path is another one. A file that changes nothing leaves no row in
    the audit. Raises Refusal; OSError if the file cannot be read.
    """
    prices = _read(path, name or str(path))

    def work(connection: Connection) -> LoadedPrices:
        new_count, corrected_count = write_prices(connection, prices)
        if new_count or corrected_count:
            after = {
                "file": name or path.name,
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


def _read(path: Path, name: str) -> list[Price]:
    """Return the prices of a file. `name`: its name in refusals. Raises Refusal, OSError.

    A workbook is refused, because a cell shows fewer decimals than its number has.
    """
    try:
        with open_sheet(path, report=lambda _part: None) as sheet:
            if sheet.delimiter:
                return read_price_list(sheet.rows)
    except RecipientsError as error:
        raise error.in_file(name) from None
    except Refusal as refusal:
        raise Refusal(refusal.code, "{path}: {problem}", path=name, problem=refusal) from None
    raise Refusal(
        "prices_workbook",
        "{path}: a workbook may hide decimals of a price. Save the list as CSV, and check that all decimals are there.",
        path=name,
    )
