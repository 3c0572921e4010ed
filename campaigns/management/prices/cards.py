"""The loaded prices as a person reads them: those in force, or those of one day, by market."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from campaigns.domain.prices.price_list import MarketPrices, group_by_market
from campaigns.store import prices as store
from campaigns.store.database import Connection, Database


class CardState(StrEnum):
    """Whether prices of a day count today. A card is replaced if a newer price counts for each of its prices."""

    COMING = "coming"
    IN_FORCE = "in_force"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Card:
    """All prices with the same first day."""

    valid_from: dt.date
    price_count: int
    state: CardState


@dataclass(frozen=True, slots=True)
class PriceCards:
    """`cards`: all, the newest first. `rows`: the prices in force today, or those of the chosen day.

    `has_example`: a price in force is one of the invented figures of the example.
    """

    cards: Sequence[Card]
    rows: Sequence[MarketPrices]
    has_example: bool


def show_cards(database: Database, *, today: dt.date, chosen: dt.date | None = None) -> PriceCards:
    """Return the loaded prices. `today`: the day on the clock of the reader. `chosen`: the day whose prices are wanted;
    None: those in force.
    """

    def work(connection: Connection) -> PriceCards:
        in_force = store.list_prices_in_force(connection, today)
        counted_days = {each.valid_from for each in in_force}
        cards = [
            Card(day, count, _find_state(day, today, is_counted=day in counted_days))
            for day, count in store.list_price_days(connection)
        ]
        shown = in_force if chosen is None else store.list_prices_from(connection, chosen)
        return PriceCards(cards, group_by_market(shown), any(each.is_example for each in in_force))

    return database.run(work)


def _find_state(day: dt.date, today: dt.date, *, is_counted: bool) -> CardState:
    if day > today:
        return CardState.COMING
    return CardState.IN_FORCE if is_counted else CardState.REPLACED
