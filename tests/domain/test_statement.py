from __future__ import annotations

import datetime as dt
import pickle

import pytest

from campaigns.domain.statement import (
    Count,
    Duration,
    Entry,
    Field,
    Finding,
    Hint,
    HintAction,
    Kind,
    Moment,
    Refusal,
    Sentence,
    Severity,
)

LIST = Hint(HintAction.LIST_ACCOUNTS)
START = Hint(HintAction.START_CAMPAIGN, 7)


def write(value):
    return f"<{value}>"


def test_a_text_is_filled_with_its_values_and_with_hints_in_words():
    refusal = Refusal("account_missing", "There is no account {name}; {list} shows all.", name="sales", list=LIST)
    assert str(refusal) == 'There is no account sales; "list the accounts" shows all.'
    assert refusal.fill(write) == "There is no account sales; <list the accounts> shows all."


def test_values_are_formatted_as_the_text_says_and_never_read_as_a_text():
    sentence = Sentence("{count:,} of {name!r} at {rate:.1f}", count=1234, name="{rate}", rate=2.0)
    assert str(sentence) == "1,234 of '{rate}' at 2.0"


def test_lists_of_names_have_commas_and_lists_of_sentences_have_spaces():
    assert str(Sentence("{names}", names=["a", "b"])) == "a, b"
    assert str(Sentence("{both}", both=[Sentence("A {x}.", x=1), Sentence("B.")])) == "A 1. B."
    assert Sentence("{both}", both=[LIST, START]).fill(write) == "<list the accounts> <start campaign 7>"


def test_hints_within_sentences_are_written_too():
    inner = Refusal("inner", "see {list}", list=LIST)
    outer = Sentence("{path}: {inner}.", path="a.csv", inner=inner)
    assert outer.fill(write) == "a.csv: see <list the accounts>."
    assert outer.hint == LIST


def test_the_hint_of_a_statement_is_the_first_among_its_values_before_those_of_its_parts():
    inner = Sentence("{list}", list=LIST)
    assert Sentence("", inner=inner, start=START).hint == START
    assert Sentence("", inner=inner).hint == LIST
    assert Sentence("", name="sales").hint is None


def test_a_finding_fills_its_advice_from_the_same_values():
    finding = Finding("draft", Severity.NOTE, "Campaign {campaign_id} is one.", "{start}!", campaign_id=7, start=START)
    assert str(finding) == "Campaign 7 is one."
    assert finding.fill_advice(write) == "<start campaign 7>!"
    assert (finding.code, finding.campaign_id, finding.hint) == ("draft", 7, START)


def test_a_refusal_is_raised_caught_as_a_value_error_and_survives_pickling():
    with pytest.raises(ValueError, match="There is no 'x'") as raised:
        raise Refusal("missing", "There is no {name!r}.", kind=Kind.MISSING, name="x", list=LIST)
    again = pickle.loads(pickle.dumps(raised.value))
    assert (again.code, again.kind, again.values, str(again)) == (
        "missing",
        Kind.MISSING,
        {"name": "x", "list": LIST},
        "There is no 'x'.",
    )


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (START, "start campaign 7"),
        (Hint(HintAction.START_CAMPAIGN), "start the campaign"),
        (Hint(HintAction.CHANGE_ACCOUNT, "sales", Entry(Field.TOKEN)), "change account sales: access token"),
        (Hint(HintAction.CHANGE_CAMPAIGN, 7, Entry(Field.WINDOW, None)), "change campaign 7: no sending window"),
        (Hint(HintAction.CHANGE_CAMPAIGN, 7, Entry(Field.INTERVAL, "0")), "change campaign 7: interval 0"),
    ],
)
def test_a_hint_in_words(hint, words):
    assert str(hint) == words


def test_the_code_of_an_action_does_not_depend_on_its_words():
    assert HintAction.LIST_ACCOUNTS.code == "list_accounts"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Count(1, "message"), "1 message"),
        (Count(2000, "message"), "2,000 messages"),
        (Duration(0.4), "0 s"),
        (Duration(119), "119 s"),
        (Duration(120), "2 min"),
        (Duration(7199), "119 min"),
        (Duration(7200), "2 h"),
        (Duration(172_800), "2 days"),
        (Moment(dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC), "America/Sao_Paulo"), "2026-11-27 09:00:00 -03"),
    ],
)
def test_numbers_durations_and_times_as_people_say_them(value, text):
    assert str(value) == text


def test_hints_without_a_target_are_aimed_by_their_noun_also_within_sentences():
    fix = Sentence("change {change}", change=Hint(HintAction.CHANGE_ACCOUNT, entry=Entry(Field.TOKEN)))
    outer = Sentence("{fix}, then {retry}", fix=fix, retry=Hint(HintAction.RETRY_CAMPAIGN))
    aimed = outer.aim(account=["sales"], campaign=[7])
    assert str(aimed) == 'change "change account sales: access token", then "retry failed messages of campaign 7"'
    assert str(outer) == 'change "change the account: access token", then "retry failed messages of the campaign"'


def test_a_hint_is_written_once_per_target_and_stays_as_it_is_without_one():
    activate = Hint(HintAction.ACTIVATE_ACCOUNT)
    assert str(Sentence("{a}", a=activate).aim(account=["x", "y"])) == '"activate account x" "activate account y"'
    assert Sentence("{a}", a=activate).aim(account=[], campaign=[7]).values == {"a": activate}
    assert Sentence("{a}", a=START).aim(campaign=[9]).values == {"a": START}
    assert Sentence("{a}", a=LIST).aim(account=["x"]).values == {"a": LIST}
