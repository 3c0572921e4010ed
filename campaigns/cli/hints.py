"""Writes texts for the command line, in its language: hints become commands, and fields become options."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from campaigns.domain.statement import Entry, Field, Finding, Hint, HintAction, Problem, Sentence
from campaigns.domain.text.reasons import translate_reason
from campaigns.language import METAVAR, current

# The command for each action, without `revoada`. The target of the hint, or else the name of the argument, takes the
# place of a placeholder such as {account}.
COMMANDS: Mapping[HintAction, str] = MappingProxyType({
    HintAction.ACTIVATE_ACCOUNT: "account activate {account}",
    HintAction.ADD_ACCOUNT: "account add -h",
    HintAction.ASK_APPROVAL: "campaign ask-approval {campaign}",
    HintAction.BLOCK_PERSON: "suppress add",
    HintAction.CANCEL_CAMPAIGN: "campaign cancel {campaign}",
    HintAction.CHANGE_ACCOUNT: "account set {account}",
    HintAction.CHANGE_CAMPAIGN: "campaign set {campaign}",
    HintAction.CHANGE_PORTFOLIO: "portfolio set -h",
    HintAction.CHECK_ACCOUNT: "account check {account}",
    HintAction.CHECK_SETUP: "check-setup",
    HintAction.CREATE_CAMPAIGN: (
        "campaign create {name} --template {template} --account {account} --recipients {file}"
    ),
    HintAction.DIAGNOSE: "doctor",
    HintAction.DIAGNOSE_CAMPAIGN: "doctor {campaign}",
    HintAction.DISCARD_CAMPAIGN: "campaign discard {campaign}",
    HintAction.DISCARD_LIST: "campaign discard-list {campaign}",
    HintAction.EXPORT_CAMPAIGN: "campaign export {campaign} --output {file}",
    HintAction.IMPORT_RECIPIENTS: "campaign import {campaign} {file}",
    HintAction.LIFT_SUPPRESSION: "suppress remove",
    HintAction.LIST_ACCOUNTS: "account list",
    HintAction.LIST_CAMPAIGNS: "campaign list",
    HintAction.LIST_FORWARDS: "forward list",
    HintAction.LIST_HOOKS: "hook list",
    HintAction.LIST_PORTFOLIOS: "portfolio list",
    HintAction.LIST_SUPPRESSIONS: "suppress list",
    HintAction.LIST_TEMPLATES: "template list",
    HintAction.LIST_TOKENS: "token list",
    HintAction.LIST_USERS: "user list",
    HintAction.MAKE_KEY: "keygen --env-file .env",
    HintAction.MIGRATE: "migrate",
    HintAction.PAUSE_CAMPAIGN: "campaign pause {campaign}",
    HintAction.PREVIEW_CAMPAIGN: "campaign preview {campaign}",
    HintAction.RECOVER: "recover",
    HintAction.REPLACE_RECIPIENTS: "campaign import {campaign} {file} --replace",
    HintAction.RESUME_CAMPAIGN: "campaign resume {campaign}",
    HintAction.RETRY_CAMPAIGN: "campaign retry {campaign}",
    HintAction.RETRY_UNCERTAIN: "campaign retry-uncertain {campaign}",
    HintAction.REVIEW_OPTOUTS: "optouts review",
    HintAction.SHOW_CAMPAIGN: "campaign show {campaign}",
    HintAction.SHOW_ERRORS: "campaign errors {campaign}",
    HintAction.START_CAMPAIGN: "campaign start {campaign}",
    HintAction.SYNC_TEMPLATES: "template sync",
    HintAction.WATCH_CAMPAIGN: "campaign watch {campaign}",
})  # fmt: skip
_ARGUMENTS = {"account": "ACCOUNT", "campaign": "ID", "file": "FILE", "name": "NAME", "template": "NAME:LANG"}
# The arguments that the target of a hint can replace.
_TARGETS = frozenset({"account", "campaign"})


class Option(NamedTuple):
    """`metavar` stands for a value that the person chooses. `clearing`: the option that empties the field."""

    name: str
    metavar: str = ""
    clearing: str = ""


OPTIONS: Mapping[Field, Option] = MappingProxyType({
    Field.ACCOUNT: Option("--account", "NAME"),
    Field.COLUMN: Option("--map", "VARIABLE=COLUMN"),
    Field.EXCEPT: Option("--except", "ID"),
    Field.EXPIRE_AT: Option("--expire-at", "TIME", "--no-expire"),
    Field.HIDDEN: Option("--hidden", "include|skip"),
    Field.HOLIDAYS: Option("--holidays", "BR-SP", "--no-holidays"),
    Field.INTERVAL: Option("--interval", "S"),
    Field.MAX_PER_PERSON: Option("--max-per-person", "N", "--no-max-per-person"),
    Field.MESSAGES_PER_SECOND: Option("--messages-per-second", "N"),
    Field.NO_ANSWER: Option("--no-answer", "include|skip"),
    Field.NOT_REFUSALS: Option("--not-refusals", "COLUMN"),
    Field.PAUSE: Option("--pause-after", "N", "--no-pause"),
    Field.PAUSE_FOR: Option("--pause-for", "S", "--no-pause"),
    Field.PHONE_COLUMN: Option("--phone-column", "NAME"),
    Field.PHONE_NUMBER_ID: Option("--phone-number-id", "ID"),
    Field.RECIPIENT_ZONES: Option("--recipient-timezone", clearing="--no-recipient-timezone"),
    Field.REFUSALS: Option("--refusals", "include|skip"),
    Field.REGION: Option("--region", "COUNTRY"),
    Field.RETRY_CLASS: Option("--class", "CLASS"),
    Field.SCHEDULE_AT: Option("--schedule-at", "TIME", "--no-schedule"),
    Field.SHEET: Option("--sheet", "NAME"),
    Field.SINCE: Option("--since", "TIME"),
    Field.START_WITHIN: Option("--start-within", "2h", "--no-start-within"),
    Field.STATUS: Option("--status", "STATUS"),
    Field.TEMPLATE: Option("--template", "NAME:LANG"),
    Field.TIME_ZONE: Option("--timezone", "ZONE"),
    Field.TOKEN: Option("--token-stdin"),
    Field.UNCERTAIN: Option("--uncertain", "N"),
    Field.UNCHECKED: Option("--no-check"),
    Field.VALUE: Option("--set", "VARIABLE=VALUE"),
    Field.WABA_ID: Option("--waba-id", "ID"),
    Field.WEBHOOK_URL: Option("--webhook-url", "https://…"),
    Field.WEEKDAYS: Option("--weekdays", "mon-fri"),
    Field.WHO: Option("--who", "CONDITIONS"),
    Field.WINDOW: Option("--window", "09:00-18:00", "--no-window"),
    Field.WITHIN_DAYS: Option("--within", "DAYS", "--no-max-per-person"),
})  # fmt: skip


def _(text: str, /, **values: Any) -> str:
    """Return a text in the language of the command. Values take its places as in a `Sentence`.

    So `{count:,}` gets the separators of the language, and a hint becomes a command. A count that changes the words
    around it needs `plural`.
    """
    return in_commands(Sentence(text, **values))


def plural(one: str, many: str, /, count: int, **values: Any) -> str:
    """Return the form of a text for a number, which is also the value of the place {count}."""
    return _(current().plural(one, many, count), count=count, **values)


def explain(error: Exception) -> str:
    """Return the text of an error. In a refusal, hints are written as commands."""
    return in_commands(error) if isinstance(error, Sentence) else str(error)


def in_commands(sentence: Sentence) -> str:
    return sentence.fill(write_value, current())


def advise(finding: Finding) -> str:
    """Return the advice of a finding, with its hints written as commands."""
    return finding.fill_advice(write_value, current())


def write_command(hint: Hint) -> str:
    """Return the command for the action of a hint."""
    target = shlex.quote(str(hint.target))
    has_target = hint.target != ""
    arguments = {
        noun: target if has_target and noun in _TARGETS else current().translate_in(METAVAR, argument)
        for noun, argument in _ARGUMENTS.items()
    }
    if hint.file:
        arguments["file"] = shlex.quote(hint.file)
    words = ["revoada", COMMANDS[hint.action].format_map(arguments)]
    if hint.entry is not None:
        words.append(_write_entry(hint.entry))
        if hint.entry.value == "":
            words.append(current().translate_in(METAVAR, OPTIONS[hint.entry.field].metavar))
    words += map(_write_entry, hint.also)
    return " ".join(word for word in words if word)


def write_value(value: Hint | Entry | Problem) -> str:
    if isinstance(value, Problem):
        return translate_reason(value, current(), write_value)
    return f"`{write_command(value)}`" if isinstance(value, Hint) else _write_entry(value)


def _write_entry(entry: Entry) -> str:
    option = OPTIONS[entry.field]
    if entry.value is None:
        return option.clearing
    given = in_commands(entry.value) if isinstance(entry.value, Sentence) else entry.value
    if entry.field is Field.VALUE and given:  # the entry names the variable; the person chooses the value
        value = current().translate_in(METAVAR, "VALUE")
        return f"{option.name} {shlex.quote(f'{given}={value}')}"
    if entry.field is Field.COLUMN and given and "=" not in given:  # the person chooses the column
        column = current().translate_in(METAVAR, "COLUMN")
        return f"{option.name} {shlex.quote(f'{given}={column}')}"
    return f"{option.name} {shlex.quote(given)}" if given else option.name
