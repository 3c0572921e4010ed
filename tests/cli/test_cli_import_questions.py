"""Questions after and before an import: people who say no, and people who are added to a campaign that has started."""

from __future__ import annotations

import json
import shlex
from contextlib import contextmanager

import pytest
import xlsxwriter

from campaigns.cli.campaign import recipients
from tests.cli.conftest import ANA, BIA
from tests.store.rows import fetch

CAIO, DORA = "+5511999990003", "+5511999990004"
SKIP = ("--refusals", "skip", "--map", "1=name")
QUESTION = "Record 2 people who said no as opt-outs, so that no later campaign writes to them? [Y/n]: "
RECORDED = "  2 people who said no are recorded as opt-outs; `revoada suppress remove` ends an opt-out\n"


@pytest.fixture
def make(house, people):
    """Make a draft of a list in which two people say no."""
    people.write_text(f"phone,name,newsletter\n{ANA},Ana,sim\n{BIA},Bia,não\n{CAIO},Caio,não\n")

    def make_one(*options, **more):
        words = ("--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people), *SKIP)
        return house("campaign", "create", "Sale", *words, *options, **more)

    return make_one


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(recipients, "has_terminal", lambda: True)


def count_blocked(house, people):
    """Import a later list of the same people, without a column of answers; return how many of them are skipped."""
    people.write_text(f"phone,name\n{ANA},Ana\n{BIA},Bia\n{CAIO},Caio\n")
    words = ("--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people))
    return house.json("campaign", "create", "Next", *words)["blocked_count"]


def test_an_option_records_the_people_so_that_a_later_campaign_leaves_them_out(make, house, people):
    made = make("--record-refusals")
    assert RECORDED in made.stdout
    assert made.stderr == ""
    listed = house.json("suppress", "list")
    assert {(each["recipient_key"], each["source"], each["detail"]) for each in listed} == {
        (BIA, "import", "said no in the list of campaign 1"),
        (CAIO, "import", "said no in the list of campaign 1"),
    }
    assert count_blocked(house, people) == 2
    (event,) = [each for each in house.json("audit") if each["what"] == "suppression.record"]
    assert event["after"] == {"campaign_id": 1, "person_count": 2}


@pytest.mark.parametrize(("answer", "blocked"), [("\n", 2), ("n\n", 0)])
@pytest.mark.usefixtures("terminal")
def test_a_person_is_asked_and_enter_is_a_yes(answer, blocked, make, house, people):
    made = make(stdin=answer)
    assert QUESTION in made.stdout
    assert (RECORDED in made.stdout) is bool(blocked)
    assert made.stdout.endswith("\n1\n")
    assert count_blocked(house, people) == blocked


def test_a_script_is_told_the_command_which_records_them_and_changes_nothing_else(make, house, people):
    made = make("--mobile-only")
    assert "opt-outs;" not in made.stdout
    _text, command, _end = made.stderr.split("`")
    assert command == shlex.join([
        *("revoada", "campaign", "import", "1", str(people), "--refusals", "skip", "--map", "1=name"),
        *("--mobile-only", "--record-refusals", "--replace"),
    ])  # fmt: skip
    assert RECORDED in house.ok(*shlex.split(command)[1:])
    assert house.json("campaign", "show", "1")["recipient_count"] == 1


@pytest.mark.usefixtures("terminal")
def test_nobody_is_asked_again_about_people_who_get_no_messages(make, house):
    house.ok("suppress", "add", BIA, CAIO)
    made = make()
    assert "opt-out" not in made.stdout + made.stderr
    assert json.loads(make("--record-refusals", "--json").stdout)["recorded_refusals"] == 0
    assert {each["source"] for each in house.json("suppress", "list")} == {"manual"}


def test_an_option_keeps_them_out_of_this_campaign_only(make, house, people):
    made = make("--no-record-refusals")
    assert "opt-out" not in made.stdout + made.stderr
    assert count_blocked(house, people) == 0


def test_the_option_needs_people_who_are_left_out(house, people):
    words = ("--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people), "--record-refusals")
    refused = house("campaign", "create", "Sale", *words)
    assert (refused.exit_code, "--record-refusals needs --refusals skip." in refused.stderr) == (2, True)


def test_all_rows_of_a_person_with_a_comment_that_says_no_are_left_out_and_recorded(house, tmp_path, database):
    file = tmp_path / "people.xlsx"
    with xlsxwriter.Workbook(file) as workbook:
        sheet = workbook.add_worksheet()
        for number, row in enumerate([("phone", "name"), (ANA, "Ana"), (BIA, "Bia"), (BIA, "Bia de novo")]):
            sheet.write_row(number, 0, row)
        sheet.write_comment(2, 0, "não quer receber mensagens")
    words = ("--template", "promo:pt_BR", "--account", "sales", "--recipients", str(file), *SKIP, "--record-refusals")
    assert house.json("campaign", "create", "Sale", *words)["recorded_refusals"] == 1
    assert fetch(database, "SELECT phone FROM messages") == [ANA]
    assert fetch(database, "SELECT recipient_key FROM suppressions WHERE is_active") == [BIA]


WAY = (
    "Nothing takes people out of a campaign that has started. `revoada suppress add` blocks a person for all campaigns,"
    " and `revoada campaign cancel 1` ends the campaign for all who have got no message."
)
LATE = "Add 1 person to campaign 1, which has started? The person gets the message when it is resumed. [y/N]: "


@pytest.fixture
def paused(create, house, people):
    """A campaign that was paused; the file has one person more now."""
    campaign_id = create()
    house.ok("campaign", "start", campaign_id, "--yes")
    house.ok("campaign", "pause", campaign_id)
    people.write_text(f"phone,name\n{ANA},Ana\n{CAIO},Caio\n")
    return campaign_id


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("answer", "count"), [("n\n", 2), ("y\n", 3)])
def test_a_person_is_asked_before_people_are_added_to_a_started_campaign(answer, count, paused, house, people):
    asked = house("campaign", "import", paused, str(people), stdin=answer)
    assert asked.stdout.startswith(f"{WAY}\n{LATE}")
    assert ("Nothing was imported." in asked.stderr) is (count == 2)
    assert house.json("campaign", "show", paused)["recipient_count"] == count


@pytest.mark.usefixtures("terminal")
def test_the_bar_has_ended_when_a_person_is_asked(paused, house, people, monkeypatch):
    shown = []

    @contextmanager
    def show_bar(name):
        shown.append("begin")
        yield lambda part: None
        shown.append("end")

    def ask(question, otherwise):
        shown.append(question)

    monkeypatch.setattr(recipients, "show_bar", show_bar)
    monkeypatch.setattr(recipients, "confirm", ask)
    house.ok("campaign", "import", paused, str(people))
    assert (shown[:2], shown[3:]) == (["begin", "end"], ["begin", "end"])
    assert shown[2].startswith("Add 1 person")


def test_an_interruption_says_that_nothing_was_imported(create, house, people, monkeypatch):
    def interrupt(*_arguments, **_more):
        raise KeyboardInterrupt

    campaign_id = create()
    monkeypatch.setattr(recipients, "add_recipients", interrupt)
    assert "Nothing was imported." in house("campaign", "import", campaign_id, str(people)).stderr


def test_a_script_is_warned_that_the_added_people_stay(paused, house, people):
    warned = house("campaign", "import", paused, str(people)).stderr
    told = "Warning: 1 person was added to campaign 1, which has started, and gets the message when it is resumed."
    assert f"{told} {WAY}\n" in warned
    assert "was added" not in house("campaign", "import", paused, str(people)).stderr


@pytest.mark.usefixtures("terminal")
def test_nobody_is_asked_about_a_draft_or_about_people_who_are_in_the_campaign(create, paused, house, people):
    assert LATE not in house.ok("campaign", "import", create("Two"), str(people))
    assert LATE not in house.ok("campaign", "import", paused, str(people), "--yes")
    assert LATE not in house.ok("campaign", "import", paused, str(people))
