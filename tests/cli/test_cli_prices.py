"""`revoada prices`, and the costs that other commands show only if prices are loaded."""

from __future__ import annotations

import csv
import datetime as dt
import json

import pytest

from campaigns.language import PORTUGUESE
from tests.sheets.test_xlsx import write_rows
from tests.store.rows import add_message, fetch

HEADER = "market,countries,currency,valid_from,marketing,utility"
LIST = f"{HEADER}\nBrazil,BR,USD,2026-01-01,0.0625,0.008\nIberia,ES PT,USD,2026-01-01,0.05,\n"


@pytest.fixture
def load(revoada, tmp_path):
    """Loads a price list; returns the result."""
    file = tmp_path / "prices.csv"

    def load_one(text=LIST, *options):
        file.write_text(text)
        return revoada.json("prices", "import", str(file), *options)

    load_one.file = file
    return load_one


def list_amounts(revoada):
    return {
        (row["country"], row["category"], row["valid_from"]): row["amount"] for row in revoada.json("prices", "list")
    }


def test_a_list_is_loaded_and_the_same_list_again_changes_nothing(revoada, load):
    assert load() == {"new": 4, "corrected": 0, "unchanged": 0}
    assert load() == {"new": 0, "corrected": 0, "unchanged": 4}
    assert list_amounts(revoada) == {
        ("BR", "marketing", "2026-01-01"): "0.0625",
        ("BR", "utility", "2026-01-01"): "0.008",
        ("ES", "marketing", "2026-01-01"): "0.05",
        ("PT", "marketing", "2026-01-01"): "0.05",
    }
    (row,) = revoada.json("audit", "--what", "prices.load")
    assert row["after"] == {
        "file": "prices.csv",
        "new_price_count": 4,
        "corrected_price_count": 0,
        "valid_from": ["2026-01-01"],
        "currencies": ["USD"],
    }


def test_a_newer_price_stands_beside_the_older_one_and_a_price_of_the_same_day_is_corrected(revoada, load):
    load()
    load(f"{HEADER}\nBrazil,BR,USD,2026-10-01,0.07,\n")
    done = revoada.ok("prices", "import", str(write(load.file, f"{HEADER}\nBrazil,BR,USD,2026-01-01,0.06,0.008\n")))
    assert done == f"{load.file}: 0 new prices, 1 corrected, 1 unchanged.\n"
    amounts = list_amounts(revoada)
    assert len(amounts) == 5
    assert (amounts["BR", "marketing", "2026-01-01"], amounts["BR", "marketing", "2026-10-01"]) == ("0.06", "0.07")


def test_the_prices_of_a_wrong_day_are_removed(revoada, load):
    load()
    load(f"{HEADER}\nBrazil,BR,USD,2062-01-01,0.06,0.05\n")
    assert revoada.ok("prices", "remove", "2062-01-01") == "2 prices removed.\n"
    assert {day for _country, _category, day in list_amounts(revoada)} == {"2026-01-01"}
    assert revoada.refusal("prices", "remove", "2062-01-01") == "There is no price with the first day 2062-01-01."
    (row,) = revoada.json("audit", "--what", "prices.remove")
    assert row["before"] == {"valid_from": "2062-01-01", "removed_price_count": 2}


def write(file, text):
    file.write_text(text)
    return file


def test_a_list_with_a_mistake_loads_nothing(revoada, load):
    write(load.file, f"{HEADER}\nBrazil,BR,USD,2026-01-01,0.0625,\nChile,XX,USD,2026-01-01,0.05,\n")
    assert revoada.refusal("prices", "import", str(load.file)) == (
        f"{load.file}: nothing was loaded. Row 3, countries: XX must be a country of two letters such as BR."
    )
    assert revoada.json("prices", "list") == []
    assert revoada.json("audit", "--what", "prices.load") == []


def test_a_workbook_is_refused_because_it_may_hide_decimals(revoada, tmp_path):
    file = tmp_path / "prices.xlsx"
    file.write_bytes(write_rows(HEADER.split(",")))
    assert "may hide decimals" in revoada.refusal("prices", "import", str(file))


def test_the_example_can_be_loaded_and_says_that_its_figures_are_invented(revoada, load):
    text = revoada.ok("prices", "example")
    assert all("Invented example" in line for line in text.splitlines()[1:])
    load(text)
    shown = revoada.ok("prices", "list")
    assert "$0.0003" in shown
    assert "CA US" in shown


def test_a_draft_says_what_it_costs_at_most_and_which_countries_have_no_price(house, load, database, tmp_path):
    load()
    people = tmp_path / "abroad.csv"
    people.write_text("phone,name\n+5511999990001,Ana\n+5511999990002,Bia\n+351912345678,Rui\n+244923456789,Eva\n")
    house.ok("suppress", "add", "+5511999990002")
    output = house.ok(
        *("campaign", "create", "Natal", "--account", "sales"),
        *("--template", "promo:pt_BR", "--recipients", str(people)),
    )
    cost = "at most $0.12 for 2 messages; no price for 1 message: AO (1)"
    assert f"  Cost: {cost}" in output.splitlines()
    assert cost in house.ok("campaign", "show", "1")
    assert house.json("campaign", "show", "1")["estimate"] | {"day": ""} == {
        "day": "",
        "amounts": [{"currency": "USD", "amount": "0.1125"}],
        "message_count": 2,
        "unpriced": [{"country": "AO", "count": 1}],
    }
    assert f"  Cost: {cost}" in house.ok("campaign", "start", "1").splitlines()
    fetch(database, "UPDATE campaigns SET status = 'running', started_at = now()")
    assert house.json("campaign", "show", "1")["estimate"] is None


def test_a_scheduled_draft_has_the_price_of_its_day(house, load, create):
    day = (dt.datetime.now(dt.UTC) + dt.timedelta(days=9)).date()
    load(f"{LIST}Brazil,BR,USD,{day},0.5,\n")
    now, later = create(), create("Natal", "--schedule-at", f"{day + dt.timedelta(days=1)} 12:00")
    amounts = [house.json("campaign", "show", id_)["estimate"]["amounts"][0]["amount"] for id_ in (now, later)]
    assert amounts == ["0.125", "1"]


def test_without_prices_a_draft_says_how_to_load_them_and_counts_its_countries(house, create):
    campaign_id = create()
    assert not {"estimate", "costs"}.intersection(house.json("campaign", "show", campaign_id))
    words = "not known, because no price is loaded for these countries: BR (2). `revoada prices -h`"
    assert words in house.ok("campaign", "show", campaign_id)
    assert f"  Cost: {words}" in house.ok("campaign", "start", campaign_id)
    assert house.refusal("prices", "ledger").startswith("No price is loaded yet")
    assert house.ok("prices", "list").startswith("No price is loaded yet")


@pytest.fixture
def sent(load, create, database):
    """A campaign with messages of each kind of report."""
    campaign_id = int(create())
    fetch(database, "UPDATE campaigns SET status = 'completed', started_at = '2026-02-01', completed_at = '2026-05-01'")
    add = {"campaign_id": campaign_id, "account_id": 1, "sent_at": "2026-02-10T12:00Z"}
    billable = add | {"pricing_category": "marketing", "is_billable": True}
    database.run(add_message, status="delivered", **billable)
    database.run(add_message, status="read", **billable | {"sent_at": "2026-03-10T12:00Z"})
    database.run(add_message, status="failed", **billable)
    database.run(add_message, status="delivered", phone="+351912345678", **billable | {"is_billable": False})
    database.run(add_message, status="delivered", phone="+244923456789", **billable)
    database.run(add_message, status="sent", **add)
    database.run(add_message, status="uncertain", campaign_id=campaign_id)
    load(f"{LIST}Brazil,BR,USD,2026-03-01,0.1,\n")
    return campaign_id


def test_the_costs_of_a_campaign_are_what_the_receipts_report(revoada, sent):
    costs = revoada.json("campaign", "show", str(sent))["costs"]
    assert costs["amounts"] == [{"currency": "USD", "amount": "0.225"}]
    keys = ("country", "category", "price", "messages", "billable", "free", "unknown", "amount")
    assert sorted((tuple(row[key] for key in keys) for row in costs["rows"]), key=str) == sorted(
        [
            ("BR", "marketing", "0.0625", 2, 2, 0, 0, "0.125"),
            ("BR", "marketing", "0.1", 1, 1, 0, 0, "0.1"),
            ("BR", None, None, 2, 0, 0, 2, None),
            ("PT", "marketing", "0.05", 1, 0, 1, 0, "0"),
            ("AO", "marketing", None, 1, 1, 0, 0, None),
        ],
        key=str,
    )
    shown = revoada.ok("campaign", "show", str(sent))
    assert "$0.22 for 3 messages, by the reports so far; 2 not reported yet; 1 without a price" in shown


def test_the_ledger_covers_the_days_of_the_sending(revoada, sent, tmp_path):
    rows = revoada.json("prices", "ledger", "--from", "2026-03-01", "--to", "2026-03-31")
    assert [(row["campaign"], row["price"], row["messages"]) for row in rows] == [("Black Friday", "0.1", 1)]
    assert revoada.json("prices", "ledger", "--from", "2026-03-11", "--to", "2026-03-31") == []
    assert "No message was sent" in revoada.ok("prices", "ledger", "--to", "2026-01-01")
    file = tmp_path / "costs.csv"
    assert revoada.ok("prices", "ledger", "--output", str(file)) == f"{file}: 5 rows.\n"
    with file.open(encoding="utf-8-sig", newline="") as text:
        written = [*csv.DictReader(text)]
    assert {row["campaign"] for row in written} == {"Black Friday"}
    assert ("BR", "marketing", "USD", "0.0625", "0.125") in {
        tuple(row[key] for key in ("country", "category", "currency", "price", "amount")) for row in written
    }


def test_a_day_is_one_in_the_zone_of_the_campaign(revoada, sent, database):
    fetch(database, "UPDATE messages SET sent_at = '2026-03-01T02:00Z' WHERE sent_at = '2026-03-10T12:00Z'")
    fetch(database, "UPDATE campaigns SET time_zone = 'America/Sao_Paulo'")
    rows = revoada.json("prices", "ledger", "--to", "2026-02-28")
    assert sum(row["billable"] for row in rows) == 4
    assert {row["price"] for row in rows if row["country"] == "BR" and row["billable"]} == {"0.0625"}


def test_the_country_of_an_erased_person_is_unknown(revoada, sent, database):
    fetch(database, "UPDATE messages SET phone = NULL, recipient_key = NULL WHERE phone LIKE '+351%%'")
    rows = revoada.json("campaign", "show", str(sent))["costs"]["rows"]
    assert {row["country"] for row in rows} == {"BR", "AO", None}
    assert "unknown country" in revoada.ok("prices", "ledger")


def test_money_is_written_as_the_language_does_but_not_in_json(revoada, sent):
    shown = revoada.ok("campaign", "show", str(sent), REVOADA_LANGUAGE=PORTUGUESE)
    assert "US$\N{NO-BREAK SPACE}0,0625" in shown
    assert json.loads(revoada.ok("prices", "ledger", "--json", REVOADA_LANGUAGE=PORTUGUESE))[0]["price"] in {
        "0.0625",
        "0.1",
        None,
    }


def test_a_wrong_day_is_refused(revoada, load):
    load()
    result = revoada("prices", "ledger", "--from", "01/10/2026")
    assert result.exit_code == 2
    assert "'01/10/2026' is no day: write it as YYYY-MM-DD." in result.output
