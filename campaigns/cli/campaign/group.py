"""`revoada campaign`: the commands that make, change, start, test, pause, resume, cancel and discard campaigns.

The other commands of this group are in `show.py` (`list`, `show`, `preview`), `watch.py` (`watch`), `recipients.py`
(`import`, `import-errors`, `export`) and `retry.py` (`errors`, `retry`, `retry-uncertain`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from campaigns.cli.campaign.audience import audience_options, check_options, make_from_audience
from campaigns.cli.campaign.diagnosis import explain_missing_worker, explain_wait
from campaigns.cli.campaign.hours import (
    confirm_cancel,
    confirm_departure,
    confirm_discard,
    confirm_nights,
    describe_departure,
    describe_draft_cost,
    describe_senders,
    tell_hours,
    tell_times,
    warn_of_nights,
)
from campaigns.cli.campaign.import_report import report_import, write_message
from campaigns.cli.campaign.recipients import (
    departure_to_json,
    discard_list,
    export,
    import_,
    import_errors,
    import_to_json,
    open_reading,
    reading_options,
    result_to_json,
    settle_refusals,
    tell_next_commands,
    warn,
)
from campaigns.cli.campaign.retry import errors, retry, retry_uncertain
from campaigns.cli.campaign.show import list_, preview_, show
from campaigns.cli.campaign.watch import watch
from campaigns.cli.help import Group
from campaigns.cli.hints import _, in_commands, plural
from campaigns.cli.output import json_option, local_time, print_json, say
from campaigns.cli.session import CommandError, Session, reason_option
from campaigns.cli.types import (
    ACCOUNT,
    CAMPAIGN,
    CANCELLABLE_CAMPAIGN,
    CHANGEABLE_CAMPAIGN,
    DISCARDABLE_CAMPAIGN,
    DURATION,
    FILE,
    HOLIDAYS,
    PAUSABLE_CAMPAIGN,
    RESUMABLE_CAMPAIGN,
    SETTING,
    STARTABLE_CAMPAIGN,
    TEMPLATE,
    WEEKDAYS,
    WINDOW,
    ZONE,
    Number,
    WholeNumber,
    refuse_placeholder,
    writes_day_first,
)
from campaigns.domain.campaign import STARTED, CampaignStatus, Command, Move, list_pace, make_again
from campaigns.domain.message import ACCEPTED, OPEN, Status
from campaigns.domain.statement import Finding, Hint, HintAction, deferred
from campaigns.management import lifecycle
from campaigns.management.campaigns import (
    CLEAR,
    CampaignChanges,
    ChangeResult,
    change_campaign,
    create_campaign,
    draft_campaign,
    find_nights_of_change,
)
from campaigns.management.drafts.discards import check_discard, discard_draft
from campaigns.management.drafts.senders import load_senders
from campaigns.management.preview import preview_campaign
from campaigns.management.prices.costs import find_estimate_of
from campaigns.management.test_sends import await_test, start_test, withdraw_test
from campaigns.management.users.approvals import ask_for_approval, look_at_approval
from campaigns.store.campaigns import TestMessage, list_campaigns
from campaigns.store.database import DatabaseUnavailable, LockTimeout

# Pairs of options of `campaign set` that contradict each other: the second option removes the value that the first
# option gives.
_CLEARED = (
    ("schedule_at", "no_schedule"),
    ("start_within", "no_start_within"),
    ("expire_at", "no_expire"),
    ("max_per_person", "no_max_per_person"),
    ("within", "no_max_per_person"),
    ("pause_after", "no_pause"),
    ("pause_for", "no_pause"),
    ("window", "no_window"),
    ("holidays", "no_holidays"),
)


@click.group(cls=Group)
def campaign() -> None:
    """Campaigns: one template sent to many people.

    \b
    draft → pending | scheduled → running ⇄ paused → completed | cancelled

    Only a person pauses a campaign. A running campaign that cannot continue waits, shows the reason, and continues by
    itself.
    """


def _plan_options(command: Any) -> Any:
    options = (
        click.option(
            "--schedule-at",
            metavar="TIME",
            help="Do not start before this time, such as 'tomorrow 09:00' or 'in 2 hours'.",
        ),
        click.option(
            "--start-within",
            type=DURATION,
            metavar="2h",
            help="The longest delay after its schedule (30m, 1d). If it would start later, all its messages expire. Its"
            " hours must open within this time.",
        ),
        click.option("--expire-at", metavar="TIME", help="Do not send messages after this time."),
        click.option(
            "--max-per-person",
            type=WholeNumber(1, example=2),
            metavar="N",
            help="Skip people who already received N messages from other campaigns …",
        ),
        click.option(
            "--within", type=WholeNumber(1, 366, example=7), metavar="DAYS", help="… within this number of days."
        ),
        click.option("--interval", type=Number(0, 86400), metavar="S", help="Seconds between two messages."),
        click.option("--pause-after", type=WholeNumber(1, example=200), metavar="N", help="Pause after N messages …"),
        click.option("--pause-for", type=Number(0, min_open=True), metavar="S", help="… for S seconds."),
        click.option("--window", type=WINDOW, metavar="09:00-18:00", help="Send only in these hours."),
        click.option("--no-window", is_flag=True, help="Send at all hours, also in REVOADA_QUIET_HOURS."),
        click.option("--weekdays", type=WEEKDAYS, metavar="mon-fri", help="Send only on these days (mon,wed,sat)."),
        click.option(
            "--recipient-timezone/--no-recipient-timezone",
            default=None,
            help="Apply the window to each recipient's local time.",
        ),
        click.option("--holidays", type=HOLIDAYS, metavar="BR-SP", help="Do not send on public holidays (BR, BR-SP)."),
        click.option(
            "--set",
            "parameters",
            type=SETTING,
            multiple=True,
            metavar="KEY=VALUE",
            help="A value for all recipients (`template show` lists the keys). KEY alone takes the values from a column"
            " of the list again.",
        ),
        click.option(
            "--timezone", type=ZONE, metavar="ZONE", help="Time zone of all its times (default REVOADA_TIMEZONE)."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@campaign.command(
    second_values={"--recipients": deferred("`revoada campaign import ID FILE` adds the people of a second file.")}
)
@click.argument("name", callback=refuse_placeholder)
@click.option(
    "--template",
    required=True,
    type=TEMPLATE,
    metavar="NAME:LANG",
    help="The template to send; `revoada template list` shows all.",
)
@click.option(
    "--account",
    "accounts",
    type=ACCOUNT,
    required=True,
    multiple=True,
    metavar="NAME",
    help="An account that sends; repeatable.",
)
@click.option("--recipients", type=FILE, metavar="FILE", help="A CSV or XLSX file with the recipients, see above.")
@click.option(
    "--standing", is_flag=True, help="Make a standing campaign: programs post its messages, so it has no recipients."
)
@audience_options
@reading_options
@_plan_options
@reason_option
@json_option
@click.pass_obj
def create(
    session: Session, /, name: str, recipients: str | None, standing: bool, as_json: bool, **options: Any
) -> None:
    """Make a draft with all its recipients; the last line of the output is its id.

    The recipients are a CSV file as any spreadsheet saves it, or an XLSX workbook. Percentages, prices, dates and other
    numbers of XLSX are sent as Excel shows them in the language of the template; a row with a cell that cannot be shown
    so is rejected. If several sheets have rows, --sheet chooses. A workbook with hidden or filtered rows, or with
    rows that are struck through or marked by a colour, is refused until --hidden decides about them.

    The first row names the columns; a title of one cell may stand above it. One column has the phones, such as
    (11) 98765-4321 or +351…. The others have the values that `--set` does not give: text and, if the template needs
    them, the media of its header (a public https link, or the id of an upload), the ends of its buttons' links, and
    codes. A column belongs to a value by --map, or by its name (capitals, accents and spaces make no difference). Only
    if no name fits, the columns are taken in their order. Other columns are ignored. The output shows the column of
    each value, and the first message.

    Phones are also read from links (wa.me/…), with labels (Cel: …) and with 0xx11. A cell with two phones, with a name,
    or with #N/D in place of a value rejects its row. A person who occurs again is dropped. The output counts all these
    rows by their kind, and `revoada campaign import-errors` lists them with their number and the reason.

    With --from, the people are those of an earlier campaign that has started. CONDITIONS stand between commas, and each
    person fits all of them: sent, delivered, read, replied, failed, uncertain, 'not' before one of these words, or 'no
    reply'. Behind 'failed' may stand classes (throttled, server, recipient-later, repaired) or Meta's codes; behind a
    word, 'before 2 days' or 'within 3 hours'. The people and their values stay as they are now. Each value comes from
    the value of the same name. A person who does not fit any more when the message is to leave, for example because of
    a reply, is skipped. People whose message still waits, or was cancelled, expired or suppressed, are not taken.

    A TIME is a day and a time of day: 'tomorrow 09:00', 'friday 9am', 'amanhã às 9h', YYYY-MM-DD HH:MM. 'in 2 hours'
    works, too. It is in the campaign's time zone, and must not have passed. If REVOADA_QUIET_HOURS is set, a campaign
    with a marketing template sends outside these hours only, on the clock of each person, unless it has a --window of
    its own.

    \b
    Examples:
      revoada campaign create 'Black Friday' --template promo:pt_BR --account sales --recipients people.csv
      revoada campaign create Newsletter --template news:pt_BR --account sales --account support \\
        --recipients people.csv --schedule-at 'tomorrow 09:00' --interval 2 \\
        --pause-after 200 --pause-for 600 --window 09:00-18:00 --weekdays mon-fri
      revoada campaign create Natal --template natal:pt_BR --account sales --recipients clientes.xlsx \\
        --phone-column Celular --map 1=Nome --map 2=Desconto --consent-column Origem
      revoada campaign create Catalogue --template catalogue:pt_BR --account sales --recipients people.csv \\
        --set header=https://example.com/catalogue.pdf --set 'file name=Catalogue.pdf' --set 'button 2=STOP'
      revoada campaign create 'Last day' --template last:pt_BR --account sales --from 7 --who 'delivered, no reply'
    """
    check_options(recipients, options, standing=standing)
    changes = _read_changes(options, name=name)
    if standing:
        _create_standing(session, changes, as_json=as_json)
        return
    result = (
        make_from_audience(session, changes, options, as_json=as_json)
        if recipients is None
        else _make_from_file(session, changes, recipients, options, as_json=as_json)
    )
    if result is None:
        return
    warn_of_nights(result.nights)
    if as_json:
        return
    for line in describe_senders(session.database.run(load_senders, result.id)):
        say(line)
    for line in describe_draft_cost(session.database.run(find_estimate_of, result.id)):
        say(line)
    tell_hours(result)
    _tell_times(session, result, options)
    (row,) = session.database.run(list_campaigns, [result.id])
    tell_next_commands(row)
    say(result.id)


def _make_from_file(
    session: Session, changes: CampaignChanges, recipients: str, options: dict[str, Any], *, as_json: bool
) -> ChangeResult:
    """Make a draft with the people of a file, and print what the file had."""
    with open_reading(session, recipients, options) as reading:
        result = create_campaign(
            session.database,
            changes,
            Path(recipients),
            reading,
            actor=session.actor,
            time_zone=session.settings.time_zone,
            quiet_hours=session.settings.quiet_hours,
            secret_key=session.settings.secret_key,
        )
    if as_json:
        print_json(import_to_json(session, result))
    else:
        warn(result)
        report_import(session, result)
    settle_refusals(session, result, recipients, options)
    return result


def _create_standing(session: Session, changes: CampaignChanges, *, as_json: bool) -> None:
    settings = session.settings
    result = draft_campaign(
        session.database,
        replace(changes, is_standing=True),
        actor=session.actor,
        time_zone=settings.time_zone,
        quiet_hours=settings.quiet_hours,
    )
    if as_json:
        print_json(result_to_json(result))
        return
    warn(result)
    for line in describe_senders(session.database.run(load_senders, result.id)):
        say(line)
    tell_hours(result)
    start = Hint(HintAction.START_CAMPAIGN, result.id)
    say(_("Campaign {id} ({name}) takes messages after {start}.", id=result.id, name=result.name, start=start))
    say(result.id)


@campaign.command("set")
@click.argument("campaign_id", type=CHANGEABLE_CAMPAIGN, metavar="ID")
@click.option("--name", help="A new name.")
@click.option(
    "--template", type=TEMPLATE, metavar="NAME:LANG", help="Another template with the same number of variables."
)
@click.option(
    "--account",
    "accounts",
    type=ACCOUNT,
    multiple=True,
    metavar="NAME",
    help="Accounts that replace the present ones; repeatable.",
)
@_plan_options
@click.option("--no-schedule", is_flag=True, help="Remove the schedule.")
@click.option("--no-start-within", is_flag=True, help="Allow any delay of the start.")
@click.option("--no-max-per-person", is_flag=True, help="Remove the limit per person.")
@click.option("--no-expire", is_flag=True, help="Remove the time of expiry.")
@click.option("--no-holidays", is_flag=True, help="Send on public holidays, too.")
@click.option("--no-pause", is_flag=True, help="Send without pauses.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@reason_option
@json_option
@click.pass_obj
def set_(session: Session, /, campaign_id: int, name: str | None, yes: bool, as_json: bool, **options: Any) -> None:
    """Change a campaign, also while it runs.

    A change counts within seconds. A change that can have no effect is refused, such as a schedule for a campaign that
    has started.

    Options that are not given stay as they are. `--interval 0` and `--weekdays mon-sun` remove these limits; `--set
    KEY=` removes an optional value of the template. If a change lets a started campaign send at night, this command
    asks or warns, as `revoada campaign start` does.

    \b
    Examples:
      revoada campaign set 7 --interval 0 --no-pause
      revoada campaign set 7 --account sales --account support
      revoada campaign set 7 --set header=https://example.com/new.png
      revoada campaign set 7 --window 08:00-20:00 --timezone America/Manaus
    """
    changes = _read_changes(options, name=name)
    if replace(changes, is_day_first=False) == CampaignChanges():
        raise click.UsageError(_("Nothing to change: give at least one option."))
    quiet_hours = session.settings.quiet_hours
    if not yes:
        nights = find_nights_of_change(
            session.database, campaign_id, changes, actor=session.actor, quiet_hours=quiet_hours
        )
        confirm_nights(nights, deferred("Change campaign {id} ({name}) so that it sends at night?"))
    result = change_campaign(
        session.database,
        campaign_id,
        changes,
        actor=session.actor,
        quiet_hours=quiet_hours,
        approve_above=session.settings.approve_above,
    )
    session.enqueue([result.id] if result.should_enqueue else [])
    if as_json:
        print_json(result_to_json(result))
    else:
        warn(result)
        say(_("Campaign {id} ({name}) is changed.", id=result.id, name=result.name))
        if changes.template is not None or changes.parameters:
            _tell_first_message(session, result.id)
        for line in describe_senders(session.database.run(load_senders, result.id)) if changes.accounts else []:
            say(line)
        tell_hours(result)
        _tell_times(session, result, options)


def _tell_times(session: Session, result: ChangeResult, options: Mapping[str, Any]) -> None:
    """Print the times that the options gave, with their weekday and zone, because they may be given in words."""
    given = {"is_scheduled": options["schedule_at"] is not None, "expires": options["expire_at"] is not None}
    if result.departure is not None and any(given.values()):
        (row,) = session.database.run(list_campaigns, [result.id])
        tell_times(row, result.departure, **given)


def _tell_first_message(session: Session, campaign_id: int) -> None:
    """Print the first message of a campaign whose template or values were changed; nothing if it has no people."""
    for _recipient, message in preview_campaign(session.database, campaign_id, rows=1).messages:
        say(_("  First message: {message}", message=write_message(message)))


@campaign.command()
@click.argument("campaign_ids", type=STARTABLE_CAMPAIGN, nargs=-1, required=True, metavar="ID…")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@reason_option
@json_option
@click.pass_obj
def start(session: Session, campaign_ids: Sequence[int], yes: bool, as_json: bool) -> None:
    """Start drafts, all or none; a draft with a schedule in the future is scheduled.

    A draft whose schedule has passed is refused. In a terminal, this command prints the name, the template, the first
    message, the numbers of people and the accounts, and asks for confirmation. Above the question stand the warnings:
    it is night for recipients (REVOADA_QUIET_HOURS, or 20:00-08:00), people got a campaign with the same file or
    template within REVOADA_OVERLAP_DAYS, or will get one, and warnings about the file, about a newer draft for the same
    people, about a template, text or value that was changed after the draft was made, about an account, or about the
    language.

    Before that, the template is read again from Meta; if Meta does not answer, the stored text counts. If no message
    can leave, this command says why, and starts nothing. If the campaign changes before the answer, or if other
    campaigns reach more of its people by then, nothing starts. With --yes, and in a script, all this is printed
    without a question.

    \b
    Examples:
      revoada campaign start 7 8 9
      revoada campaign start 7 --yes
    """
    above = session.settings.approve_above
    lifecycle.check_departures(session.database, Command.START, campaign_ids, approve_above=above)
    question = deferred("Start campaign {campaigns}: {messages}?")
    answer = confirm_departure(session, campaign_ids, question, is_start=True, asks=not yes)
    use_case = partial(lifecycle.start_campaigns, approve_above=above, told=answer.told)
    _move(session, use_case, campaign_ids, as_json=as_json, obstacles=answer.obstacles)


@campaign.command("ask-approval")
@click.argument("campaign_id", type=CAMPAIGN, metavar="ID")
@reason_option
@json_option
@click.pass_obj
def ask_approval(session: Session, campaign_id: int, as_json: bool) -> None:
    """Ask for the approval that a campaign above REVOADA_APPROVE_ABOVE needs before its start.

    The campaigns for which somebody has asked are on the page Now of the console, for the people who may approve. Hooks
    get the event `campaign.approval_wanted`. A second request changes nothing, unless the text, the values, the
    accounts or the people have changed since the first one.

    \b
    Example:
      revoada campaign ask-approval 7
    """
    above = session.settings.approve_above
    ask_for_approval(session.database, campaign_id, actor=session.actor, above=above)
    state = look_at_approval(session.database, campaign_id, above=above)
    if as_json:
        keys = ("message_count", "asked_by", "asked_at", "approvers")
        print_json({"id": campaign_id} | {key: getattr(state, key) for key in keys})
        return
    say(_("The approval of campaign {id} is asked for.", id=campaign_id))
    if state.approvers:
        say(_("  These people may approve it: {people}.", people=", ".join(state.approvers)))
    else:
        say(_("  No user may approve it. Ask an admin to add one."))


@campaign.command()
@click.argument("campaign_id", type=CAMPAIGN, metavar="ID")
@click.option(
    "--to", "phones", multiple=True, required=True, metavar="PHONE", help="A phone such as +5511999990000; repeatable."
)
@click.option("--wait", type=Number(0, min_open=True), default=30.0, metavar="S", help="Seconds to wait (default 30).")
@reason_option
@json_option
@click.pass_obj
def test(session: Session, campaign_id: int, phones: Sequence[str], wait: float, as_json: bool) -> None:
    """Send the messages of a campaign's first recipients to phones of your own, and show their results.

    The messages are real. They are marked as a test and counted apart from the campaign; its pace and its window do not
    apply to them. `campaign show ID` lists the tests. Suppressed phones are refused. Messages that no worker has taken
    after the wait are withdrawn, and the reason is shown.

    \b
    Example:
      revoada campaign test 7 --to +5511999990000 --to +5521988880000
    """
    test_id = start_test(
        session.database,
        campaign_id,
        session.read_valid_phones(phones),
        actor=session.actor,
        secret_key=session.settings.secret_key,
        word=_("test"),
    )
    session.enqueue([test_id])
    why = ""
    try:
        waited = await_test(session.database, test_id, seconds=wait)
        if any(message.status in OPEN for message in waited):
            why = explain_wait(session, test_id)
    finally:  # also if a person presses Ctrl-C
        messages = withdraw_test(session.database, test_id, actor=session.actor)
    if as_json:
        print_json({"id": test_id, "messages": [asdict(message) for message in messages]})
    for message in () if as_json else messages:
        reason = " ".join(str(part) for part in (message.error_code, message.error_title) if part is not None)
        result = _("{phone} {status}", phone=message.phone, status=Status(message.status))
        say(f"{result}: {reason}" if reason and message.status not in ACCEPTED else result)
    _check_test(test_id, messages, why)


def _check_test(test_id: int, messages: Sequence[TestMessage], why: str) -> None:
    """Raise CommandError if not all messages of a test were sent. `why`: why the test had to wait."""
    show_test = Hint(HintAction.SHOW_CAMPAIGN, test_id)
    if withdrawn := sum(message.status == Status.CANCELLED for message in messages):
        text = plural(
            "{count:,} message was not sent in time and is withdrawn: it will not be sent later. {why}",
            "{count:,} messages were not sent in time and are withdrawn: they will not be sent later. {why}",
            withdrawn,
            why=why or _("Try again with a longer --wait."),
        )
        raise CommandError(text, code="test_withdrawn")
    if any(message.status in OPEN for message in messages):
        raise CommandError(_("Meta has not answered for all messages yet: {show} shows more.", show=show_test))
    if not all(message.status in ACCEPTED for message in messages):
        raise CommandError(_("Not all messages were sent: {show} shows more.", show=show_test))


@campaign.command()
@click.argument("campaign_ids", type=PAUSABLE_CAMPAIGN, nargs=-1, required=True, metavar="ID…")
@reason_option
@json_option
@click.pass_obj
def pause(session: Session, campaign_ids: Sequence[int], as_json: bool) -> None:
    """Pause campaigns, all or none: within two seconds no more requests are sent.

    \b
    Example:
      revoada campaign pause 7
    """
    _move(session, lifecycle.pause_campaigns, campaign_ids, as_json=as_json)


@campaign.command()
@click.argument("campaign_ids", type=RESUMABLE_CAMPAIGN, nargs=-1, required=True, metavar="ID…")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@reason_option
@json_option
@click.pass_obj
def resume(session: Session, campaign_ids: Sequence[int], yes: bool, as_json: bool) -> None:
    """Resume paused campaigns where they stopped, all or none.

    If it is night for recipients, or if people get a campaign with the same file or template, too, this command asks
    or warns, as `revoada campaign start` does.

    \b
    Example:
      revoada campaign resume 7
    """
    above = session.settings.approve_above
    lifecycle.check_departures(session.database, Command.RESUME, campaign_ids, approve_above=above)
    question = deferred("Resume campaign {campaigns}: {messages}?")
    answer = confirm_departure(session, campaign_ids, question, is_start=False, asks=not yes)
    use_case = partial(lifecycle.resume_campaigns, approve_above=above, told=answer.told)
    _move(session, use_case, campaign_ids, as_json=as_json, obstacles=answer.obstacles)


@campaign.command()
@click.argument("campaign_ids", type=CANCELLABLE_CAMPAIGN, nargs=-1, required=True, metavar="ID…")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@reason_option
@json_option
@click.pass_obj
def cancel(session: Session, campaign_ids: Sequence[int], yes: bool, as_json: bool) -> None:
    """End campaigns for ever, all or none; their unsent messages are never sent.

    In a terminal, this command asks for confirmation. A script is not asked.

    \b
    Examples:
      revoada campaign cancel 7
      revoada campaign cancel 7 8 --yes
    """
    if not yes:
        confirm_cancel(session, campaign_ids)
    moves = _move(session, lifecycle.cancel_campaigns, campaign_ids, as_json=as_json)
    olds = {} if as_json else {move.id: move.old for move in moves if move.old is not CampaignStatus.DRAFT}
    for row in session.database.run(list_campaigns, list(olds)) if olds else []:
        if olds[row.id] is CampaignStatus.SCHEDULED:
            say(_("  It was to start at {time}.", time=local_time(row.scheduled_at, row.time_zone)))
        if row.counts.get(Status.CANCELLED):
            say(f"  {in_commands(make_again(row.id, Status.CANCELLED.value, list_pace(row)))}")


@campaign.command()
@click.argument("campaign_id", type=DISCARDABLE_CAMPAIGN, metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@reason_option
@json_option
@click.pass_obj
def discard(session: Session, campaign_id: int, yes: bool, as_json: bool) -> None:
    """Delete a draft with its recipients, for example one that was made twice.

    In a terminal, this command asks for confirmation. A script is not asked. A draft that has sent test messages stays
    on record; `revoada campaign cancel` ends it.

    \b
    Examples:
      revoada campaign discard 7
      revoada campaign discard 7 --yes
    """
    draft = check_discard(session.database, campaign_id)
    if not yes:
        confirm_discard(draft)
    discard_draft(session.database, campaign_id, actor=session.actor)
    if as_json:
        print_json({"id": draft.id, "name": draft.name, "recipient_count": draft.recipient_count})
    else:
        say(_("The draft {id} ({name}) is deleted.", id=draft.id, name=draft.name))


def _move(
    session: Session,
    use_case: Callable[..., list[Move]],
    ids: Sequence[int],
    *,
    as_json: bool,
    obstacles: Mapping[int, Sequence[Finding]] = MappingProxyType({}),
) -> list[Move]:
    """Change the status of campaigns, and print it; return the changes.

    `obstacles`: by campaign, more reasons why no message can leave.
    """
    with _tell_status(session, ids):
        moves = use_case(session.database, ids, actor=session.actor)
        moves = [_add_obstacles(move, obstacles.get(move.id, ())) for move in moves]
        enqueued = lifecycle.ids_to_enqueue(moves)
        session.enqueue(enqueued)
        missing = explain_missing_worker(session) if enqueued else ""
    if as_json:
        print_json([_move_to_json(move) for move in moves])
    for move in () if as_json else moves:
        say(_("Campaign {id} ({name}) is {status}.", id=move.id, name=move.name, status=move.new))
        for sentence in [] if move.departure is None else describe_departure(move.departure, move.new):
            say(f"  {sentence}")
    if missing:
        say(_("Warning: {warning}", warning=missing), is_warning=True)
    return moves


@contextmanager
def _tell_status(session: Session, ids: Sequence[int]) -> Iterator[None]:
    """Say what became of campaigns, if Ctrl-C or a lost database ends a command that may have changed them already."""
    try:
        yield
    except KeyboardInterrupt:
        told = [_("The command was interrupted.")]
        for row in session.database.run(list_campaigns, ids):
            told.append(_("Campaign {id} ({name}) is {status}.", id=row.id, name=row.name, status=row.status))
            if row.status in STARTED:
                told.append(_("{pause} stops it.", pause=Hint(HintAction.PAUSE_CAMPAIGN, row.id)))
        raise CommandError(" ".join(map(str, told)), code="interrupted") from None
    except LockTimeout:  # the transaction was rolled back
        raise
    except DatabaseUnavailable:
        look = Hint(HintAction.LIST_CAMPAIGNS)
        text = _("the change may have been made. Look at the status before you repeat this command: {look}", look=look)
        say(_("Warning: {warning}", warning=text), is_warning=True)
        raise


def _add_obstacles(move: Move, obstacles: Sequence[Finding]) -> Move:
    if move.departure is None:
        return move
    return replace(move, departure=replace(move.departure, obstacles=[*move.departure.obstacles, *obstacles]))


def _move_to_json(move: Move) -> dict[str, object]:
    columns = {"id": move.id, "name": move.name, "before": move.old, "status": move.new}
    return columns | departure_to_json(move.departure)


def _read_changes(options: dict[str, Any], *, name: str | None) -> CampaignChanges:
    for given, cleared in _CLEARED:
        if options[given] is not None and options.get(cleared):
            options_given = {"one": given.replace("_", "-"), "other": cleared.replace("_", "-")}
            raise click.UsageError(_("Give --{one} or --{other}, not both.", **options_given))

    def read(option: str, clearing: str) -> Any:
        return CLEAR if options.get(clearing) else options[option]

    return CampaignChanges(
        name=name,
        template=options["template"],
        accounts=options["accounts"] or None,
        schedule=read("schedule_at", "no_schedule"),
        start_within_seconds=read("start_within", "no_start_within"),
        max_per_person=read("max_per_person", "no_max_per_person"),
        within_days=read("within", "no_max_per_person"),
        expire=read("expire_at", "no_expire"),
        interval_seconds=options["interval"],
        pause_after=read("pause_after", "no_pause"),
        pause_seconds=read("pause_for", "no_pause"),
        window=read("window", "no_window"),
        weekdays=options["weekdays"],
        uses_recipient_zones=options["recipient_timezone"],
        holidays=read("holidays", "no_holidays"),
        time_zone=options["timezone"],
        parameters={key: CLEAR if text == "" else text for key, text in options["parameters"]} or None,
        is_day_first=writes_day_first(),
    )


for _command in (
    *(preview_, list_, show, watch, import_, discard_list, import_errors, errors, retry, retry_uncertain, export),
):
    campaign.add_command(_command)
