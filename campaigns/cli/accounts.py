"""`revoada account`: the phone numbers that send. `revoada portfolio`: accounts that share a daily limit."""

from __future__ import annotations

import datetime as dt
import os
import sys
from dataclasses import asdict
from typing import Any

import click
from rich.text import Text

from campaigns.cli.help import Group
from campaigns.cli.hints import _, in_commands, plural
from campaigns.cli.output import (
    json_option,
    local_time,
    print_facts,
    print_json,
    print_table,
    say,
    to_text,
)
from campaigns.cli.reasons import translate_reason
from campaigns.cli.session import CommandError, Session, reason_option
from campaigns.cli.types import ACCOUNT, PORTFOLIO, WholeNumber, refuse_placeholder
from campaigns.domain.account import CooldownReason, explain_deactivation, missing_accounts, strip_token, suggest_limit
from campaigns.domain.failures import advise_repair, find_failure
from campaigns.domain.health import health_from_json, read_changes
from campaigns.domain.statement import Hint, HintAction, Sentence, Word, list_sentences
from campaigns.language import EVENT, current
from campaigns.management import accounts
from campaigns.management.accounts import add_portfolio, change_portfolio, show_portfolio
from campaigns.store.accounts import AccountEvent, AccountListing, CategoryListing, list_accounts
from campaigns.store.portfolios import list_portfolios


@click.group(cls=Group)
def account() -> None:
    """Accounts: the phone numbers that send.

    ACCOUNT is a name or an id. An account is active until a person deactivates it, or until as many consecutive sends
    as its failure limit have failed by its own fault. Failures about one category of templates are counted apart, for
    example if Meta has switched marketing off. At the limit the account stops sending that category and stays active
    for the other categories.
    """


def _column_options(command: Any) -> Any:
    options = (
        click.option("--token-env", metavar="VAR", help="Take the access token from this environment variable."),
        click.option("--token-stdin", is_flag=True, help="Take the access token from standard input."),
        click.option(
            "--messages-per-second",
            type=WholeNumber(1, 1_000_000, example=80),
            metavar="N",
            help="Meta's limit for the number (default 80).",
        ),
        click.option(
            "--failure-limit",
            type=WholeNumber(1, example=5),
            metavar="N",
            help="Consecutive failures that deactivate it (default 5).",
        ),
        click.option("--no-check", is_flag=True, help="Do not ask Meta whether the token may use the number."),
        click.option(
            "--portfolio",
            type=PORTFOLIO,
            metavar="NAME",
            help="The portfolio whose daily limit it shares: `revoada portfolio add`.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@account.command()
@click.argument("name", callback=refuse_placeholder)
@click.option(
    "--phone-number-id", required=True, metavar="ID", help="Id of the phone number, as WhatsApp Manager shows it."
)
@click.option("--waba-id", required=True, metavar="ID", help="Id of its WhatsApp Business account.")
@_column_options
@reason_option
@json_option
@click.pass_obj
def add(
    session: Session,
    /,
    *,
    name: str,
    token_env: str | None,
    token_stdin: bool,
    no_check: bool,
    as_json: bool,
    **columns: Any,
) -> None:
    """Add an account. Its token is stored encrypted and never shown again.

    Meta is asked first whether the token may use the phone number. If Meta refuses, nothing is stored. If Meta does not
    answer, the account is stored with a warning.

    \b
    Examples:
      revoada account add sales --phone-number-id 1065 --waba-id 2201 --token-env WHATSAPP_TOKEN
      pass show whatsapp | revoada account add support --phone-number-id 1066 --waba-id 2201 --token-stdin
    """
    token = _read_token(token_env, token_stdin)
    if token is None:
        raise click.UsageError(_("Give the access token with --token-env VAR or --token-stdin."))
    given = {column: value for column, value in columns.items() if value is not None}
    accounts.check_new_account(session.database, name, token=token, secret_key=session.secret_key, **given)
    warning = None
    if not no_check:
        from campaigns.management.access import try_access  # noqa: PLC0415  loads an HTTP client

        warning = try_access(session.settings, account=name, phone_number_id=given["phone_number_id"], token=token)
    account_id = accounts.add_account(
        session.database, name, actor=session.actor, token=token, secret_key=session.secret_key, **given
    )
    if as_json:
        print_json({"id": account_id, "name": name, "active": True})
    else:
        say(_("Account {id} ({name}) is added and active.", id=account_id, name=name))
    _print_warning(warning)


@account.command("set")
@click.argument("name", type=ACCOUNT, metavar="ACCOUNT")
@click.option("--name", "new_name", metavar="NAME", help="A new name.")
@click.option("--phone-number-id", metavar="ID", help="Id of the phone number, as WhatsApp Manager shows it.")
@click.option("--waba-id", metavar="ID", help="Id of its WhatsApp Business account.")
@_column_options
@click.option("--no-portfolio", is_flag=True, help="Remove the account from its portfolio.")
@reason_option
@json_option
@click.pass_obj
def set_(  # noqa: PLR0917  one per option
    session: Session,
    /,
    name: str,
    new_name: str | None,
    token_env: str | None,
    token_stdin: bool,
    no_check: bool,
    as_json: bool,
    **columns: Any,
) -> None:
    """Change an account; options that are not given stay as they are. Running campaigns read the change at once.

    Before a new token or phone number id is stored, Meta is asked as by `revoada account add`.

    \b
    Examples:
      revoada account set sales --messages-per-second 250
      revoada account set sales --token-env NEW_TOKEN && revoada account activate sales
    """
    token = _read_token(token_env, token_stdin)
    portfolio, no_portfolio = columns.pop("portfolio"), columns.pop("no_portfolio")
    changes = {"name": new_name, "token": token, **columns}
    if portfolio is not None and no_portfolio:
        raise click.UsageError(_("Give --portfolio or --no-portfolio, not both."))
    is_moved = portfolio is not None or no_portfolio
    if all(value is None for value in changes.values()) and not is_moved:
        raise click.UsageError(_("Nothing to change: give at least one option."))
    secret_key = session.secret_key if token is not None else None
    warning = None
    if not no_check and (token is not None or columns["phone_number_id"] is not None):
        from campaigns.management.access import try_change  # noqa: PLC0415  loads an HTTP client

        found = accounts.check_changes(session.database, name, changes, secret_key=secret_key)
        asked = {"phone_number_id": columns["phone_number_id"], "token": token}
        warning = try_change(session.database, session.settings, found.id, **asked)
    row, enqueued = accounts.change_account(
        session.database,
        name,
        changes,
        actor=session.actor,
        secret_key=secret_key,
        is_moved=is_moved,
        portfolio=portfolio,
    )
    session.enqueue(enqueued)
    if as_json:
        print_json({"id": row.id, "name": row.name, "active": row.active})
    elif row.active:
        say(_("Account {id} ({name}) is changed.", id=row.id, name=row.name))
    else:
        activate = Hint(HintAction.ACTIVATE_ACCOUNT, row.id)
        text = _(
            "Account {id} ({name}) is changed; it is inactive: {activate}.", id=row.id, name=row.name, activate=activate
        )
        say(text)
    _print_warning(warning)


@account.command("list")
@json_option
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """Show all accounts."""
    rows = session.database.run(list_accounts)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        (
            _("id"),
            _("name"),
            _("state"),
            _("why"),
            _("phone number id"),
            _("per second"),
            _("failures in a row"),
            _("health"),
        ),
        [
            (
                row.id,
                row.name,
                _state(row),
                _why(row, session.settings.time_zone),
                row.phone_number_id,
                row.messages_per_second,
                _of_limit(max(row.consecutive_failures, row.consecutive_reported), row),
                health_from_json(row.health).quality,
            )
            for row in rows
        ],
        empty=_("There is no account yet: `revoada account add -h`."),
    )
    for row in rows:
        codes = {row.inactive_code, *(inactive.code for inactive in row.inactive_categories.values())}
        for code in sorted(code for code in codes if code is not None):
            say(f"{row.name}: {_advise(row, code)}")


@account.command()
@click.argument("name", type=ACCOUNT, metavar="ACCOUNT")
@json_option
@click.pass_obj
def show(session: Session, name: str, as_json: bool) -> None:
    """Show one account: its health, its consecutive failures, and its last events."""
    details = accounts.show_account(session.database, name)
    if as_json:
        print_json(asdict(details.account) | {"events": [asdict(event) for event in details.events]})
        return
    row, zone = details.account, session.settings.time_zone
    print_facts(
        [
            (_("account"), f"{row.id} ({row.name})"),
            (_("state"), _state(row)),
            (_("why"), _why(row, zone)),
            (_("what to do"), _advise(row, row.inactive_code)),
            (_("phone number id"), row.phone_number_id),
            (_("waba id"), row.waba_id),
            (_("portfolio"), row.portfolio),
            (_("limit"), _("{rate:,} messages per second", rate=row.messages_per_second)),
            (_("active since") if row.active else _("last activated"), local_time(row.activated_at, zone)),
            (_("failures in a row"), _of_limit(row.consecutive_failures, row)),
            *((" ", _describe_failure(failure)) for failure in row.failures),
            (_("reported in a row"), _reported(row.consecutive_reported, row)),
            *((" ", _describe_failure(failure)) for failure in row.reported),
            *(fact for category in row.categories for fact in _category_facts(category, row)),
            *_health_facts(row, zone),
        ]
    )
    print_table(
        (_("when"), _("event"), _("details")),
        [
            (local_time(event.at, zone), current().translate_in(EVENT, event.kind), _describe_event(event, zone))
            for event in details.events
        ],
        empty="",
    )


@account.command()
@click.argument("name", type=ACCOUNT, metavar="ACCOUNT")
@reason_option
@json_option
@click.pass_obj
def activate(session: Session, name: str, as_json: bool) -> None:
    """Let an account send all categories again, and reset its failure counts; campaigns that waited for it continue."""
    row, enqueued = accounts.activate_account(session.database, name, actor=session.actor)
    session.enqueue(enqueued)
    if as_json:
        print_json({"id": row.id, "name": row.name, "active": True, "enqueued": enqueued})
        return
    if enqueued:
        text = plural(
            "Account {id} ({name}) is active; {count:,} waiting campaign goes on.",
            "Account {id} ({name}) is active; {count:,} waiting campaigns go on.",
            len(enqueued),
            id=row.id,
            name=row.name,
        )
        say(text)
    else:
        say(_("Account {id} ({name}) is active.", id=row.id, name=row.name))


@account.command()
@click.argument("name", type=ACCOUNT, metavar="ACCOUNT")
@reason_option
@json_option
@click.pass_obj
def deactivate(session: Session, name: str, as_json: bool) -> None:
    """Stop an account. Its unsent messages are sent by the other accounts of their campaigns, or wait."""
    row, was_active = accounts.deactivate_account(session.database, name, actor=session.actor)
    if as_json:
        print_json({"id": row.id, "name": row.name, "active": False, "was_active": was_active})
        return
    if was_active:
        say(_("Account {id} ({name}) is inactive now.", id=row.id, name=row.name))
    else:
        text = _(
            "Account {id} ({name}) was inactive already: {reason}.",
            id=row.id,
            name=row.name,
            reason=_inactive_reason(row),
        )
        say(text)


@account.command()
@click.argument("name", type=ACCOUNT, metavar="ACCOUNT")
@json_option
@click.pass_obj
def check(session: Session, name: str, as_json: bool) -> None:
    """Ask Meta for the health of an account, store it and show it. Sending does not depend on it."""
    row = accounts.show_account(session.database, name, event_limit=1).account
    from campaigns.doctor.health import check_now  # noqa: PLC0415  loads an HTTP client

    error = check_now(session.database, session.settings, row.id, row.name)
    found = session.database.run(list_accounts, [row.id])
    if not found:
        raise missing_accounts([name])
    after = found[0]
    if as_json:
        print_json({"id": row.id, "name": row.name, "answered": error is None, "health": after.health})
    elif error is None:
        facts = _health_facts(after, session.settings.time_zone)
        print_facts([(_("account"), f"{row.id} ({row.name})"), *facts])
    if error is not None:
        text = _(
            "The health of account {id} ({name}) could not be read: {error}", id=row.id, name=row.name, error=error
        )
        raise CommandError(text)


def _print_warning(warning: Sentence | None) -> None:
    if warning is not None:
        say(_("Warning: {warning}", warning=warning), is_warning=True)


def _ask_token() -> str:
    """Ask for a token, which the terminal does not show, until there is one."""
    while not (token := strip_token(click.prompt(_("Access token"), hide_input=True, default="", show_default=False))):
        say(
            _("There is no token yet. Paste it, although the terminal does not show it; Ctrl-C stops."), is_warning=True
        )
    return token


def _read_token(variable: str | None, from_stdin: bool) -> str | None:
    if variable is not None and from_stdin:
        raise click.UsageError(_("Give --token-env or --token-stdin, not both."))
    if from_stdin:
        return _ask_token() if sys.stdin.isatty() else strip_token(sys.stdin.read())
    if variable is None:
        return None
    token = strip_token(os.environ.get(variable, ""))
    if not token:
        # The message does not repeat the name of the variable, because a person who misread the option may have typed
        # the token as the name.
        raise CommandError(_("The environment variable named by --token-env is not set."))
    return token


def _why(row: AccountListing, zone: str) -> str:
    reasons = [_inactive_reason(row)] if row.inactive_reason else []
    for category, inactive in row.inactive_categories.items():
        since = local_time(inactive.since, zone)
        reasons.append(
            _(
                "no {category} templates since {since}: {reason}",
                category=category,
                since=since,
                reason=explain_deactivation(inactive.reason),
            )
        )
    if row.blocked_until is not None:
        until = local_time(row.blocked_until, zone)
        reasons.append(
            _("cooldown until {until}: {reason}", until=until, reason=CooldownReason.explain(row.blocked_reason or ""))
        )
    return "; ".join(reasons)


def _state(row: AccountListing) -> Text:
    return to_text(Word("active" if row.active else "inactive"))


def _inactive_reason(row: AccountListing) -> str:
    return in_commands(explain_deactivation(row.inactive_reason or ""))


def _of_limit(number: int, row: AccountListing) -> str:
    return _("{number} of {limit}", number=number, limit=row.failure_limit)


def _reported(number: int, row: AccountListing) -> str:
    return _("{number} of {limit} (by webhooks)", number=number, limit=row.failure_limit)


def _category_facts(category: CategoryListing, row: AccountListing) -> list[tuple[str, object]]:
    name = category.category
    facts: list[tuple[str, object]] = [
        (_("{category} failures in a row", category=name), _of_limit(len(category.failures), row)),
        *((" ", _describe_failure(failure)) for failure in category.failures),
        (_("{category} reported in a row", category=name), _reported(len(category.reported), row)),
        *((" ", _describe_failure(failure)) for failure in category.reported),
    ]
    if category.inactive is not None:
        facts.append((_("what to do"), _advise(row, category.inactive.code)))
    return facts


def _advise(row: AccountListing, code: int | None) -> str | None:
    """Return what to do about an account, or a category of it, that failures with this code have deactivated."""
    return None if code is None else in_commands(advise_repair(find_failure(code)).aim(account=[row.name]))


def _health_facts(row: AccountListing, zone: str) -> list[tuple[str, object]]:
    if row.health_checked_at is None:
        return [(_("health"), _("not checked yet"))]
    health = health_from_json(row.health)
    return [
        (_("health"), to_text(health.quality or _("unknown"))),
        (_("checked"), local_time(row.health_checked_at, zone)),
        (_("not ideal"), _list(health.describe())),
        (_("status"), health.status),
        (_("can send"), health.can_send),
        (_("messaging limit"), health.messaging_limit),
        (_("throughput"), health.throughput),
        (_("number"), health.display_phone_number),
        (_("verified name"), health.verified_name),
    ]


def _describe_failure(failure: dict[str, Any]) -> str:
    """Return the code, the title and the details of a failure. Only titles of ours are translated."""
    title, details = current().translate(str(failure.get("title"))), failure.get("details")
    return f"{failure.get('code')} {title}" + (f": {details}" if details else "")


def _describe_event(event: AccountEvent, zone: str) -> str:
    """Return the details of an event in words. The health after a change, and the source of failures, are left out."""
    details = event.details
    parts = [str(details["category"])] if "category" in details else []
    parts += [_describe_failure(failure) for failure in details.get("errors", ())]
    if "changes" in details:
        parts.append(_list(read_changes(details["changes"])))
    if details.get("was"):
        parts.append(_("before: {reason}", reason=explain_deactivation(details["was"])))
    parts += [
        f"{name}: {in_commands(explain_deactivation(reason))}" for name, reason in details.get("categories", {}).items()
    ]
    if "reason" in details:
        parts.append(_explain_reason(event))
    if details.get("by"):
        parts.append(_("by {name}", name=details["by"]))
    if details.get("why"):
        parts.append(details["why"])
    if details.get("said"):
        parts.append(details["said"])
    if "until" in details:
        parts.append(_("until {time}", time=local_time(dt.datetime.fromisoformat(details["until"]), zone)))
    return "; ".join(parts)


def _explain_reason(event: AccountEvent) -> str:
    reason = event.details["reason"]
    if event.kind == "blocked":
        return in_commands(CooldownReason.explain(reason))
    return translate_reason(reason)


def _list(sentences: list[Sentence]) -> str:
    return in_commands(list_sentences(sentences)) if sentences else ""


_LIMIT = WholeNumber(1, 2**31 - 1, example=1000)


@click.group(cls=Group)
def portfolio() -> None:
    """Portfolios: accounts that share a limit of unique people in 24 hours.

    Meta counts the people to whom a business portfolio sends a first message, over all its numbers, in a moving window
    of 24 hours. At the limit, campaigns wait (`daily_limit`) until a person leaves the window or the limit is raised.
    PORTFOLIO is a name or an id. `revoada account set ACCOUNT --portfolio NAME` puts an account into one.
    """


@portfolio.command("add")
@click.argument("name", callback=refuse_placeholder)
@click.option("--daily-limit", required=True, type=_LIMIT, metavar="N", help="Unique people in any 24 hours.")
@reason_option
@json_option
@click.pass_obj
def portfolio_add(session: Session, name: str, daily_limit: int, as_json: bool) -> None:
    """Add a portfolio with its limit.

    \b
    Example:
      revoada portfolio add acme --daily-limit 2000
    """
    portfolio_id = add_portfolio(session.database, name, actor=session.actor, daily_limit=daily_limit)
    if as_json:
        print_json({"id": portfolio_id, "name": name, "daily_limit": daily_limit})
    else:
        say(_("Portfolio {id} ({name}) is added.", id=portfolio_id, name=name))


@portfolio.command("set")
@click.argument("name", type=PORTFOLIO, metavar="PORTFOLIO")
@click.option("--name", "new_name", metavar="NAME", help="A new name.")
@click.option("--daily-limit", type=_LIMIT, metavar="N", help="Unique people in any 24 hours.")
@reason_option
@json_option
@click.pass_obj
def portfolio_set(session: Session, name: str, new_name: str | None, daily_limit: int | None, as_json: bool) -> None:
    """Change a portfolio. Campaigns that waited for a higher limit continue at once.

    \b
    Example:
      revoada portfolio set acme --daily-limit 10000
    """
    if new_name is None and daily_limit is None:
        raise click.UsageError(_("Nothing to change: give at least one option."))
    row, enqueued = change_portfolio(
        session.database, name, actor=session.actor, name=new_name, daily_limit=daily_limit
    )
    session.enqueue(enqueued)
    if as_json:
        print_json(asdict(row) | {"enqueued": enqueued})
        return
    if enqueued:
        text = plural(
            "Portfolio {id} ({name}) is changed; {count:,} waiting campaign goes on.",
            "Portfolio {id} ({name}) is changed; {count:,} waiting campaigns go on.",
            len(enqueued),
            id=row.id,
            name=row.name,
        )
        say(text)
    else:
        say(_("Portfolio {id} ({name}) is changed.", id=row.id, name=row.name))


@portfolio.command("list")
@json_option
@click.pass_obj
def portfolio_list(session: Session, as_json: bool) -> None:
    """Show all portfolios, each with the number of people to whom it has sent in the last 24 hours.

    \b
    Example:
      revoada portfolio list
    """
    rows = session.database.run(list_portfolios)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    zone = session.settings.time_zone
    print_table(
        (_("id"), _("name"), _("daily limit"), _("people"), _("next slot")),
        [(row.id, row.name, row.daily_limit, row.people_count, local_time(row.next_slot_at, zone)) for row in rows],
        empty=_("There is no portfolio yet: `revoada portfolio add -h`."),
    )


@portfolio.command("show")
@click.argument("name", type=PORTFOLIO, metavar="PORTFOLIO")
@json_option
@click.pass_obj
def portfolio_show(session: Session, name: str, as_json: bool) -> None:
    """Show one portfolio: its limit, the used part of it, its accounts, and the limit that Meta reports.

    Meta reports its limit with the health of an account. Revoada only shows that limit, and does not enforce it.

    \b
    Example:
      revoada portfolio show acme
    """
    details = show_portfolio(session.database, name)
    row = details.portfolio
    tiers = {account.name: _tier(account) for account in details.accounts}
    if as_json:
        accounts = [
            {"id": each.id, "name": each.name, "messaging_limit": tiers[each.name]} for each in details.accounts
        ]
        print_json(asdict(row) | {"accounts": accounts})
        return
    print_facts(
        [
            (_("portfolio"), f"{row.id} ({row.name})"),
            (_("daily limit"), _("{limit:,} unique people in 24 hours", limit=row.daily_limit)),
            (_("people now"), row.people_count),
            (_("next slot"), local_time(row.next_slot_at, session.settings.time_zone)),
            (_("accounts"), ", ".join(tiers)),
            (_("Meta says"), "; ".join(f"{tier} ({name}){_suggest(tier)}" for name, tier in tiers.items() if tier)),
        ]
    )


def _tier(account: AccountListing) -> str:
    return health_from_json(account.health).messaging_limit


def _suggest(tier: str) -> str:
    limit = suggest_limit(tier)
    return "" if limit is None else f": --daily-limit {limit}"
