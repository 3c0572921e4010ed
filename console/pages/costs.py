"""What campaigns have cost, by month and campaign, with filters in the address; and the same numbers as a file."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from flask import Flask, abort, render_template, request, url_for
from flask.wrappers import Response

from campaigns.domain.prices.costs import Cost, add_up, count_unpriced
from campaigns.domain.statement import Money
from campaigns.domain.users.rights import Right
from campaigns.management.prices.charges import COLUMNS, CampaignCosts, Ledger, export_ledger, show_ledger
from campaigns.sheets.csv_writer import stream_csv
from campaigns.store.accounts import list_accounts
from campaigns.store.history.charges import ChargeFilter
from console.context import actor, parts, user
from console.pages import read_number
from console.rights import demands
from console.texts import _, country_name, reported_category

_FIELDS = ("from", "to", "campaign", "account", "category", "country")
_MOST_MONTHS = 24
_SHOWN_MONTHS = 3
_MONTH = re.compile(r"(\d{4})-(\d{2})")
# The value of a filter for what Meta has not reported, or for an unknown country.
_NOT_KNOWN = "-"


@dataclass(frozen=True, slots=True)
class CostSum:
    """The numbers of messages and the amounts of some costs. `unpriced`: billable messages without a price."""

    messages: int
    billable: int
    free: int
    unknown: int
    unpriced: int
    amounts: Sequence[Money]


def register(app: Flask) -> None:
    app.jinja_env.globals.update(sum_costs=sum_costs, sum_by=sum_by, find_rest=find_rest)
    app.add_url_rule("/cost", "cost", show, methods=["GET"])
    app.add_url_rule("/cost.csv", "download_costs", download, methods=["GET"])


@demands(Right.SEE)
def show() -> str | tuple[str, int]:
    typed = _read_typed()
    chosen, problems = _read_filter(typed)
    if problems:
        return _render(typed, problems), 422
    ledger = show_ledger(parts().database, chosen, after=_read_key(request.args.get("after", "")))
    following = None
    if ledger.next_key is not None:
        month, campaign_id = ledger.next_key
        following = url_for("cost", **_keep(typed), after=f"{_write_month(month)},{campaign_id}")  # type: ignore[arg-type]
    return _render(typed, {}, ledger=ledger, following=following)


@demands(Right.SEE)
def download() -> Response:
    """Return the costs that the filter chooses as a CSV file, and write an audit event about the download."""
    chosen, problems = _read_filter(_read_typed())
    if problems:
        abort(400)
    rows = export_ledger(parts().database, chosen, actor=actor())
    headers = {"Content-Disposition": 'attachment; filename="costs.csv"'}
    return Response(stream_csv(COLUMNS, rows), mimetype="text/csv", headers=headers)


def sum_costs(costs: Sequence[Cost]) -> CostSum:
    return CostSum(
        messages=sum(each.messages for each in costs),
        billable=sum(each.billable for each in costs),
        free=sum(each.free for each in costs),
        unknown=sum(each.unknown for each in costs),
        unpriced=count_unpriced(costs),
        amounts=add_up(costs),
    )


def sum_by(costs: Sequence[Cost], attribute: str) -> list[tuple[str, CostSum]]:
    """Return the sums by country or by category, that with the most messages first."""
    groups: dict[str, list[Cost]] = defaultdict(list)
    for each in costs:
        groups[getattr(each, attribute)].append(each)
    sums = [(name, sum_costs(group)) for name, group in groups.items()]
    return sorted(sums, key=lambda pair: (-pair[1].messages, pair[0]))


def find_rest(shown: CampaignCosts) -> list[Money]:
    """Return how far the costs so far are below the estimate, by currency. An amount is negative if they are above."""
    spent = {each.currency: each.amount for each in add_up(shown.costs)}
    return [Money(each.amount - spent.get(each.currency, 0), each.currency) for each in shown.estimate.amounts]


def _read_typed() -> dict[str, str]:
    """Return the texts of the filter. Without months, it has the present month and the two before."""
    typed = {name: request.args.get(name, "").strip() for name in _FIELDS}
    today = dt.datetime.now(ZoneInfo(user().time_zone)).date()
    typed["to"] = typed["to"] or _write_month(today)
    typed["from"] = typed["from"] or _write_month(_add_months(_read_month(typed["to"]) or today, 1 - _SHOWN_MONTHS))
    return typed


def _read_filter(typed: dict[str, str]) -> tuple[ChargeFilter, dict[str, str]]:
    """Return the filter, and what is wrong by field."""
    months = {name: _read_month(typed[name]) for name in ("from", "to")}
    wrong = _("This is not a month of the calendar. Write it like 2026-12.")
    problems = {name: wrong for name, month in months.items() if month is None}
    first, last = months["from"] or dt.date.min, months["to"] or dt.date.min
    if not problems and not 0 <= _number_months(last) - _number_months(first) < _MOST_MONTHS:
        problems["to"] = _("Choose at most %(most)s months, and the earlier month first.", most=_MOST_MONTHS)
    campaign_id = read_number(typed["campaign"])
    if typed["campaign"] and campaign_id is None:
        problems["campaign"] = _("The number of a campaign has digits only, such as 7.")
    account_id = read_number(typed["account"])
    if typed["account"] and account_id is None:
        abort(400)
    last_day = last.replace(day=calendar.monthrange(last.year, last.month)[1])
    country, category = _read_choice(typed["country"]), _read_choice(typed["category"])
    return ChargeFilter(first, last_day, campaign_id, account_id, country, category), problems


def _read_choice(text: str) -> str | None:
    return None if not text else "" if text == _NOT_KNOWN else text


def _read_month(text: str) -> dt.date | None:
    """Return the first day of a month such as 2026-12; None if the text is none."""
    match = _MONTH.fullmatch(text)
    try:
        return dt.date(int(match[1]), int(match[2]), 1) if match else None
    except ValueError:
        return None


def _write_month(day: dt.date) -> str:
    return day.isoformat()[: len("2026-12")]


def _add_months(day: dt.date, count: int) -> dt.date:
    """Return the first day of the month that is this number of months later, or the end of the calendar."""
    months = min(max(_number_months(day) + count, _number_months(dt.date.min)), _number_months(dt.date.max))
    return dt.date(months // 12, months % 12 + 1, 1)


def _number_months(day: dt.date) -> int:
    return day.year * 12 + day.month - 1


def _read_key(text: str) -> tuple[dt.date, int] | None:
    if not text:
        return None
    month, _comma, number = text.partition(",")
    key = _read_month(month), read_number(number)
    if key[0] is None or key[1] is None:
        abort(400)
    return key[0], key[1]


def _keep(typed: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in typed.items() if value}


def _render(
    typed: dict[str, str], problems: dict[str, str], ledger: Ledger | None = None, following: str | None = None
) -> str:
    return render_template(
        "costs/cost.html",
        ledger=ledger,
        typed=typed,
        kept=_keep(typed),
        problems=problems,
        accounts=[(each.id, each.name) for each in parts().database.run(list_accounts)],
        categories=_list_choices(ledger.categories if ledger else [], typed["category"], reported_category),
        countries=_list_choices(ledger.countries if ledger else [], typed["country"], country_name),
        is_first="after" not in request.args,
        following=following,
        user=user(),
    )


def _list_choices(found: Sequence[str], typed: str, words: Callable[[str], str]) -> list[tuple[str, str]]:
    """Return the choices of a filter with their words. The chosen one is a choice, also if it was found no more."""
    known = {*found} | ({_read_choice(typed) or ""} if typed else set())
    return sorted(((each or _NOT_KNOWN, words(each)) for each in known), key=lambda pair: pair[1].casefold())
