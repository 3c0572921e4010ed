"""Tells when the first message of a campaign may leave, and asks before it leaves at night."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from campaigns.cli.campaign.import_report import (
    count_rejected,
    describe_blocked,
    describe_left_out,
    describe_left_out_rows,
    describe_overlaps,
    write_message,
)
from campaigns.cli.hints import _, advise, in_commands, plural
from campaigns.cli.output import confirm, has_terminal, local_time, say
from campaigns.cli.prices.describe import describe_estimate
from campaigns.cli.session import CommandError, Session, prints_json
from campaigns.domain.campaign import ENDED, CampaignStatus, Departure
from campaigns.domain.health import health_from_json
from campaigns.domain.message import Status
from campaigns.domain.prices.costs import Estimate
from campaigns.domain.statement import Count, Entry, Field, Finding, Hint, HintAction, Kind, Severity, Word, deferred
from campaigns.management.campaigns import ChangeResult
from campaigns.management.drafts.starts import FileMessage, StartFacts, Told, read_and_look
from campaigns.management.hours.nights import Night
from campaigns.management.hours.quiet_hours import QuietHours
from campaigns.management.recipients import SHOWN_OVERLAPS
from campaigns.management.reports import RowsOfFile
from campaigns.store.accounts import AccountListing
from campaigns.store.campaigns import CampaignListing, LockedCampaign, list_campaigns
from campaigns.store.recipients import ImportedFile, Overlap, list_imported_files

_MAY_LEAVE = {
    CampaignStatus.DRAFT: deferred("If you start the campaign now, the first message may leave {when}."),
    CampaignStatus.PAUSED: deferred("If you resume the campaign now, the next message may leave {when}."),
    CampaignStatus.RUNNING: deferred("The next message may leave {when}."),
}

_WEEKDAYS = tuple(
    map(
        Word,
        (
            deferred("Monday"),
            deferred("Tuesday"),
            deferred("Wednesday"),
            deferred("Thursday"),
            deferred("Friday"),
            deferred("Saturday"),
            deferred("Sunday"),
        ),
    )
)
# At most this many times at which people's hours open are shown.
_MOST_TIMES = 5

# By whether the hours are on the clock of each person.
_SKIP_DAYS = 7  # the least number of days of a proposed limit per person
_QUIET = {
    True: deferred(
        "Campaign {id} sends only from {opens} to {closes} on the clock of each person, because of the quiet hours in"
        " the settings (REVOADA_QUIET_HOURS). {window} gives it other hours."
    ),
    False: deferred(
        "Campaign {id} sends only from {opens} to {closes} on its own clock, because of the quiet hours in the"
        " settings (REVOADA_QUIET_HOURS). {window} gives it other hours."
    ),
}


def describe_when(at: dt.datetime, departure: Departure) -> str:
    """Return a time of now or later in words, by the clocks of the campaign's zone."""
    if at <= departure.now:
        return _("now")
    zone = ZoneInfo(departure.time_zone)
    there = at.astimezone(zone)
    days = (there.date() - departure.now.astimezone(zone).date()).days
    values = {"weekday": _WEEKDAYS[there.weekday()], "at": there, "zone": departure.time_zone}
    if days == 0:
        return _("today, {weekday}, {at:%Y-%m-%d}, at {at:%H:%M} ({zone})", **values)
    if days == 1:
        return _("tomorrow, {weekday}, {at:%Y-%m-%d}, at {at:%H:%M} ({zone})", **values)
    return _("{weekday}, {at:%Y-%m-%d}, at {at:%H:%M} ({zone})", **values)


def describe_departure(departure: Departure, status: CampaignStatus) -> list[str]:
    """Return sentences that say when the first or next message of a campaign with this status may leave.

    If no message can leave, the sentences say why. If the hours open at different times for different people, they say
    how many people wait until when.
    """
    reasons = explain_departure(departure)
    if departure.at is None:
        return reasons
    when = describe_when(departure.at, departure)
    text = _MAY_LEAVE.get(status, deferred("The first message may leave {when}."))
    return [_(text, when=when), *reasons, *_describe_people(departure)]


def explain_departure(departure: Departure) -> list[str]:
    """Return why the first message leaves late or not at all, with what to do."""
    return [f"{in_commands(each)} {advise(each)}".rstrip() for each in departure.obstacles]


def _describe_people(departure: Departure) -> list[str]:
    """Return how many people wait until when; [] if the hours open for all people at the same time."""
    if len(departure.people) < 2:  # noqa: PLR2004  two times
        return []
    times = [*departure.people.items()]
    shown, rest = (times, []) if len(times) <= _MOST_TIMES else (times[: _MOST_TIMES - 1], times[_MOST_TIMES - 1 :])
    lines = [_describe_opening(at, people, departure) for at, people in shown]
    if rest:
        line = plural(
            "{count:,} person waits longer, until {when}.",
            "{count:,} people wait longer, the last until {when}.",
            sum(people for _at, people in rest),
            when=describe_when(rest[-1][0], departure),
        )
        lines.append(line)
    return lines


def _describe_opening(at: dt.datetime, people: int, departure: Departure) -> str:
    if at <= departure.now:
        return plural("{count:,} person may get it now.", "{count:,} people may get it now.", people)
    when = describe_when(at, departure)
    return plural("{count:,} person waits until {when}.", "{count:,} people wait until {when}.", people, when=when)


def tell_hours(result: ChangeResult) -> None:
    """Print when the first message of a campaign that was made or changed may leave.

    The quiet hours that the campaign got are printed if somebody has to wait for their end.
    """
    if result.quiet_hours is not None and (result.departure is None or result.departure.waits_for_hours):
        begins, ends = result.quiet_hours
        text = _QUIET[result.uses_recipient_zones]
        window = Hint(HintAction.CHANGE_CAMPAIGN, result.id, Entry(Field.WINDOW))
        say(_(text, id=result.id, opens=f"{ends:%H:%M}", closes=f"{begins:%H:%M}", window=window))
    if result.departure is not None:
        for sentence in describe_departure(result.departure, result.status):
            say(sentence)


def tell_times(row: CampaignListing, departure: Departure, *, is_scheduled: bool, expires: bool) -> None:
    """Print the times that a person has just given, as they were read.

    `is_scheduled` and `expires`: the person gave a schedule, or a time of expiry. A schedule that is the time of the
    first message is printed as such already.
    """
    if is_scheduled and row.scheduled_at is not None and row.scheduled_at != departure.at:
        say(_("Its schedule is {when}.", when=describe_when(row.scheduled_at, departure)))
    if expires and row.expire_at is not None:
        say(_("Messages that have not left then expire {when}.", when=describe_when(row.expire_at, departure)))


class Answer(NamedTuple):
    """The result of a look before a start, by campaign.

    `told`: the facts that a person was told, for the start to check; {} if nobody was asked. `obstacles`: why no
    message can leave, as far as only Meta could tell it.
    """

    told: Mapping[int, Told]
    obstacles: Mapping[int, Sequence[Finding]]


def confirm_departure(
    session: Session, campaign_ids: Sequence[int], question: str, *, is_start: bool, asks: bool
) -> Answer:
    """Ask a person at a terminal before a start, and before a resume with a risk; warn a script.

    If the answer is no, the command ends. `question`: a text to translate, with the places {campaigns} and {messages}.
    `is_start`: ask also if there is no risk, because the id may be that of another campaign. `asks`: False for the
    option --yes, with which a terminal gets the warnings of a script.
    """
    settings = session.settings
    looks = read_and_look(session.database, settings, campaign_ids, actor=session.actor)
    risks = [text for look in looks for text in _describe_risks(look)]
    nights = [look.night for look in looks if look.night is not None]
    risks += map(_describe_night, nights)
    # A campaign without a window is named below, with the same way.
    lacking = [look for look in looks if look.lacks_window]
    named = {look.campaign.id for look in lacking}
    risks += [_describe_way_to_wait(night, settings.quiet_hours) for night in nights if night.campaign_id not in named]
    hours = [_describe_missing_hours(look, settings.quiet_hours) for look in lacking]
    asks = asks and has_terminal()
    if asks:
        _refuse_stuck(looks, is_start=is_start)
        if is_start:
            _refuse_empty(looks)
    send_count = sum(look.send_count for look in looks)
    is_asked = asks and (is_start or any(look.has_risk for look in looks))
    if is_asked or (is_start and not prints_json()):
        for look in looks:
            files = session.database.run(list_imported_files, look.campaign.id)
            for line in [
                *_describe_content(look, files),
                *(_describe_hours(look, settings.time_zone) if is_asked else ()),
            ]:
                say(line, is_warning=prints_json())
    if not asks:
        _warn([*risks, *hours])
        return Answer({}, {look.campaign.id: _list_refused_tokens(look) for look in looks})
    _tell_risks([*risks, *hours])
    if is_asked:
        names = ", ".join(f"{look.campaign.id} ({look.campaign.name})" for look in looks)
        confirm(
            _(question, campaigns=names, messages=Count(send_count, "message")),
            _("Nothing was started. To start later, run this command again.")
            if is_start
            else _("Nothing was resumed. To resume later, run this command again."),
        )
    return Answer({look.campaign.id: look.told for look in looks}, {})


def _list_refused_tokens(look: StartFacts) -> list[Finding]:
    # Postgres does not have this obstacle, because only Meta can tell it.
    return [each for each in look.departure.obstacles if each.code == "tokens_refused"]


def _refuse_stuck(looks: Sequence[StartFacts], *, is_start: bool) -> None:
    """Say why no message of a campaign can leave, and end the command before any question. Raises CommandError."""
    stuck = [look for look in looks if any(each.severity is Severity.ERROR for each in look.departure.obstacles)]
    if not stuck:
        return
    for look in stuck:
        for sentence in explain_departure(look.departure):
            say(sentence, is_warning=prints_json())
    ids = " ".join(str(look.campaign.id) for look in looks)
    raise CommandError(
        _(
            "Nothing was started, because no message can leave. To start all the same, and send once a message can"
            " leave: `revoada campaign start {ids} --yes`.",
            ids=ids,
        )
        if is_start
        else _(
            "Nothing was resumed, because no message can leave. To resume all the same, and send once a message can"
            " leave: `revoada campaign resume {ids} --yes`.",
            ids=ids,
        ),
        code="nothing_can_leave",
        kind=Kind.CONFLICT,
    )


def _refuse_empty(looks: Sequence[StartFacts]) -> None:
    """Say why nobody of a campaign would get a message, and end the command. Raises CommandError."""
    empty = [look for look in looks if look.send_count <= 0]
    if not empty:
        return
    for look in empty:
        row = look.campaign
        lines = [
            _("Nobody on the list of campaign {id} ({name}) would get a message:", id=row.id, name=row.name),
            *_describe_skipped(look),
            _("  {add} adds other people.", add=Hint(HintAction.IMPORT_RECIPIENTS, row.id)),
        ]
        if look.capped_count:
            change = Hint(HintAction.CHANGE_CAMPAIGN, row.id, Entry(Field.MAX_PER_PERSON, None))
            lines.append(_("  {change} removes the limit of messages per person.", change=change))
        for line in lines:
            say(line, is_warning=prints_json())
    raise CommandError(
        _("Nothing was started, because nobody would get a message."), code="nobody_to_send_to", kind=Kind.CONFLICT
    )


def _describe_content(look: StartFacts, files: Sequence[ImportedFile]) -> list[str]:
    """Return what a campaign sends, to how many people of which lists, and from which accounts."""
    row = look.campaign
    lines = [_("Campaign {id} ({name}) sends {template}:", id=row.id, name=row.name, template=look.template)]
    lines += _describe_messages(look)
    if lists := [_describe_list(file) for file in files]:
        lines.append(plural("  List: {lists}", "  Lists: {lists}", len(lists), lists=lists))
    lines.append(_("  {messages} to send", messages=Count(look.send_count, "message")))
    lines += _describe_skipped(look)
    lines += describe_draft_cost(look.estimate)
    return [*lines, *describe_senders(look.senders)]


def _describe_list(file: ImportedFile) -> str:
    if file.facts is not None and file.facts.sheet:
        return _("{file} (sheet {sheet})", file=file.name, sheet=file.facts.sheet)
    return file.name


def _describe_skipped(look: StartFacts) -> list[str]:
    """Return how many people and rows of the list get no message, by the reason."""
    lines = describe_blocked(look.blocked_count)
    if look.capped_count:
        text = plural(
            "  {count:,} more person is skipped as things stand, because of the limit of messages per person",
            "  {count:,} more people are skipped as things stand, because of the limit of messages per person",
            look.capped_count,
        )
        lines.insert(0, text)
    if look.left_out_by_file:
        return [*lines, *(line for rows in look.left_out_by_file for line in _describe_rows_of_file(rows))]
    if reasons := describe_left_out_rows(look.left_out):
        lines.append(_("  left out: {reasons}", reasons=reasons))
    if rejected := count_rejected(look.left_out):
        text = plural(
            "  {count:,} row of the list was rejected, so its person will get no message",
            "  {count:,} rows of the list were rejected, so their people will get no message",
            rejected,
        )
        lines.append(text)
    return lines


def _describe_rows_of_file(rows: RowsOfFile) -> list[str]:
    """Return how many rows of one of several lists were rejected, and how many were left out on purpose.

    A later list may be the corrected one, so it may have the people of rejected rows.
    """
    lines = []
    if reasons := describe_left_out(rows.refused, rows.unanswered, rows.marked):
        text = _("  left out of file {number} ({file}): {reasons}", number=rows.number, file=rows.name, reasons=reasons)
        lines.append(text)
    if not rows.invalid:
        return lines
    values = {"number": rows.number, "file": rows.name}
    text = (
        plural(
            "  {count:,} row of file {number} ({file}) was rejected, so its person will get no message",
            "  {count:,} rows of file {number} ({file}) were rejected, so their people will get no message",
            rows.invalid,
            **values,
        )
        if rows.is_last
        else plural(
            "  {count:,} row of file {number} ({file}) was rejected; its person gets a message only if a later file has"
            " this person",
            "  {count:,} rows of file {number} ({file}) were rejected; their people get a message only if a later file"
            " has them",
            rows.invalid,
            **values,
        )
    )
    return [*lines, text]


def _describe_hours(look: StartFacts, time_zone: str) -> list[str]:
    """Return when a campaign sends, and which other campaigns its people get. `time_zone`: that of the settings."""
    status = CampaignStatus(look.campaign.status)
    lines = [f"  {sentence}" for sentence in describe_departure(look.departure, status)]
    return [*lines, *describe_overlaps(look.others, time_zone)]


def describe_draft_cost(estimate: Estimate | None) -> list[str]:
    """Return a line with the most that a draft costs; [] if nobody gets a message."""
    text = "" if estimate is None else describe_estimate(estimate)
    return [_("  Cost: {cost}", cost=text)] if text else []


def describe_senders(senders: Sequence[AccountListing]) -> list[str]:
    """Return a line with the accounts that send, each with its number if Meta has told it; [] without an account."""
    names = [
        f"{each.name} ({number})" if (number := health_from_json(each.health).display_phone_number) else each.name
        for each in senders
    ]
    text = plural("  Sent from account {accounts}", "  Sent from accounts {accounts}", len(names), accounts=names)
    return [text] if names else []


def _describe_messages(look: StartFacts) -> list[str]:
    """Return the first message of a campaign, or of each of its first files."""
    if not look.by_file:
        return [] if look.message is None else [_("  First message: {message}", message=write_message(look.message))]
    lines = [_describe_first_message(each) for each in look.by_file]
    if look.more_files:
        lines.append(plural("  … and {count:,} more file", "  … and {count:,} more files", look.more_files))
    return lines


def _describe_first_message(each: FileMessage) -> str:
    values = {"number": each.number, "file": each.file_name, "message": write_message(each.message)}
    if each.sheet:
        return _("  First message of file {number} ({file}, sheet {sheet}): {message}", sheet=each.sheet, **values)
    return _("  First message of file {number} ({file}): {message}", **values)


def _describe_risks(look: StartFacts) -> list[str]:
    """Return the warnings about the message and the list, and the campaigns that the same people get, too."""
    return [
        *(f"{in_commands(each)} {advise(each)}".rstrip() for each in look.warnings),
        *(_describe_repeat(look.campaign, each) for each in look.got[:SHOWN_OVERLAPS]),
        *_describe_more_repeats(look.campaign, look.got[SHOWN_OVERLAPS:]),
        *([_describe_way_to_skip(look)] if look.got and look.campaign.max_per_person is None else []),
        *(_describe_wait_for_both(look.campaign, each) for each in look.coming[:SHOWN_OVERLAPS]),
        *_describe_more_waits(look.campaign, look.coming[SHOWN_OVERLAPS:]),
    ]


def _describe_way_to_skip(look: StartFacts) -> str:
    """Return how a person sends only to those who have got no message of another campaign."""
    now = look.campaign.server_now
    days = max(_SKIP_DAYS, *((now - (each.got_at or now)).days + 1 for each in look.got))
    limit = (Entry(Field.MAX_PER_PERSON, "1"), Entry(Field.WITHIN_DAYS, str(days)))
    return _(
        "{limit} skips everybody who got a message of another campaign in the last {days} days; then repeat this"
        " command.",
        limit=Hint(HintAction.CHANGE_CAMPAIGN, look.campaign.id, limit[0], also=limit[1:]),
        days=days,
    )


def confirm_nights(nights: Sequence[Night], question: str, *, is_retry: bool = False) -> None:
    """Ask a person at a terminal before messages leave at night; warn a script. End the command if the answer is no.

    `question`: a text to translate, with the places {id} and {name} of the campaign. `is_retry`: the nights are of
    messages that leave again.
    """
    declined = (
        _("Nothing is sent again. To send later, run this command again.")
        if is_retry
        else _("Nothing was changed. To change the campaign later, run this command again.")
    )
    if _tell_risks([describe_night_of_retry(night) if is_retry else _describe_night(night) for night in nights]):
        for night in nights:
            confirm(_(question, id=night.campaign_id, name=night.name), declined)


def _tell_risks(texts: Sequence[str]) -> bool:
    """Print risks, for a script as warnings. Return whether a person can be asked."""
    if not has_terminal():
        _warn(texts)
        return False
    for text in texts:
        say(text, is_warning=prints_json())
    return True


def _warn(texts: Sequence[str]) -> None:
    for text in texts:
        say(_("Warning: {warning}", warning=text), is_warning=True)


def warn_of_nights(nights: Sequence[Night]) -> None:
    """Print a warning for each campaign that would reach people at night."""
    _warn([_describe_night(night) for night in nights])


def _describe_way_to_wait(night: Night, quiet: QuietHours | None) -> str:
    hours = "09:00-20:00" if quiet is None else f"{quiet[1]:%H:%M}-{quiet[0]:%H:%M}"
    also = () if night.clock is None else (night.clock,)
    window = Hint(HintAction.CHANGE_CAMPAIGN, night.campaign_id, Entry(Field.WINDOW, hours), also=also)
    return _(
        "{window} lets campaign {id} send by day only; then repeat this command.", window=window, id=night.campaign_id
    )


def _describe_missing_hours(look: StartFacts, quiet: QuietHours | None) -> str:
    """Return that a marketing campaign has no window although there are quiet hours."""
    assert quiet is not None
    row = look.campaign
    also = () if look.night is None or look.night.clock is None else (look.night.clock,)
    return _(
        "Campaign {id} ({name}) is marketing and sends at all hours, also from {begins:%H:%M} to {ends:%H:%M} "
        "(REVOADA_QUIET_HOURS), because it has no window. {window} gives it one.",
        id=row.id,
        name=row.name,
        begins=quiet[0],
        ends=quiet[1],
        window=Hint(
            HintAction.CHANGE_CAMPAIGN, row.id, Entry(Field.WINDOW, f"{quiet[1]:%H:%M}-{quiet[0]:%H:%M}"), also=also
        ),
    )


def _describe_repeat(row: CampaignListing, overlap: Overlap) -> str:
    values = {
        "got": overlap.got_count,
        "draft": row.id,
        "draft_name": row.name,
        "id": overlap.campaign_id,
        "name": overlap.name,
        "time": local_time(overlap.got_at or overlap.server_now, row.time_zone),
    }
    if overlap.has_same_file and overlap.has_same_template:
        return plural(
            "The only person of campaign {draft} ({draft_name}) got campaign {id} ({name}), which has the very same "
            "file and template, at {time}.",
            "{got:,} of the {count:,} people of campaign {draft} ({draft_name}) got campaign {id} ({name}), "
            "which has the very same file and template, the last at {time}.",
            overlap.people_count,
            **values,
        )
    if overlap.has_same_file:
        return plural(
            "The only person of campaign {draft} ({draft_name}) got campaign {id} ({name}), which has the very same "
            "file, at {time}.",
            "{got:,} of the {count:,} people of campaign {draft} ({draft_name}) got campaign {id} ({name}), "
            "which has the very same file, the last at {time}.",
            overlap.people_count,
            **values,
        )
    return plural(
        "The only person of campaign {draft} ({draft_name}) got campaign {id} ({name}), which has the same template, "
        "at {time}.",
        "{got:,} of the {count:,} people of campaign {draft} ({draft_name}) got campaign {id} ({name}), "
        "which has the same template, the last at {time}.",
        overlap.people_count,
        **values,
    )


def _describe_more_repeats(row: CampaignListing, others: Sequence[Overlap]) -> list[str]:
    """Return the number of further campaigns that people of a campaign got; [] if there are none."""
    if not others:
        return []
    text = plural(
        "{count:,} more campaign with the same file or template was sent to {most:,} of the people who will get "
        "campaign {draft} ({draft_name}).",
        "{count:,} more campaigns with the same file or template were sent to people who will get campaign {draft} "
        "({draft_name}), each to {most:,} of them at most.",
        len(others),
        most=max(each.got_count for each in others),
        draft=row.id,
        draft_name=row.name,
    )
    return [text]


def _describe_wait_for_both(row: CampaignListing, overlap: Overlap) -> str:
    values = {
        "waiting": overlap.waiting_count,
        "draft": row.id,
        "draft_name": row.name,
        "id": overlap.campaign_id,
        "name": overlap.name,
    }
    if overlap.has_same_file and overlap.has_same_template:
        return plural(
            "The only person of campaign {draft} ({draft_name}) will also get campaign {id} ({name}), which has the "
            "very same file and template.",
            "{waiting:,} of the {count:,} people of campaign {draft} ({draft_name}) will also get campaign {id} "
            "({name}), which has the very same file and template.",
            overlap.people_count,
            **values,
        )
    if overlap.has_same_file:
        return plural(
            "The only person of campaign {draft} ({draft_name}) will also get campaign {id} ({name}), which has the "
            "very same file.",
            "{waiting:,} of the {count:,} people of campaign {draft} ({draft_name}) will also get campaign {id} "
            "({name}), which has the very same file.",
            overlap.people_count,
            **values,
        )
    return plural(
        "The only person of campaign {draft} ({draft_name}) will also get campaign {id} ({name}), which has the same "
        "template.",
        "{waiting:,} of the {count:,} people of campaign {draft} ({draft_name}) will also get campaign {id} "
        "({name}), which has the same template.",
        overlap.people_count,
        **values,
    )


def _describe_more_waits(row: CampaignListing, others: Sequence[Overlap]) -> list[str]:
    """Return the number of further campaigns that people of a campaign will get, too; [] if there are none."""
    if not others:
        return []
    text = plural(
        "{count:,} more campaign with the same file or template will be sent to {most:,} of the people who will get "
        "campaign {draft} ({draft_name}).",
        "{count:,} more campaigns with the same file or template will be sent to people who will get campaign {draft} "
        "({draft_name}), each to {most:,} of them at most.",
        len(others),
        most=max(each.waiting_count for each in others),
        draft=row.id,
        draft_name=row.name,
    )
    return [text]


def confirm_cancel(session: Session, campaign_ids: Sequence[int]) -> None:
    """Ask a person at a terminal before campaigns are cancelled for ever. End the command if the answer is no."""
    if not has_terminal():
        return
    rows = [row for row in session.database.run(list_campaigns, campaign_ids) if row.status not in ENDED]
    if not rows:  # the use case refuses these campaigns
        return
    names = ", ".join(map(_name_with_schedule, rows))
    question = plural(
        "Cancel campaign {campaigns} for ever? {count:,} message will never be sent.",
        "Cancel campaign {campaigns} for ever? {count:,} messages will never be sent.",
        sum(row.counts.get(Status.PENDING, 0) for row in rows),
        campaigns=names,
    )
    declined = _(
        "Nothing was cancelled, and the campaigns go on as before. {pause} stops a campaign only for a time.",
        pause=Hint(HintAction.PAUSE_CAMPAIGN, rows[0].id if len(rows) == 1 else ""),
    )
    confirm(question, declined)


def _name_with_schedule(row: CampaignListing) -> str:
    if row.status != CampaignStatus.SCHEDULED:
        return f"{row.id} ({row.name})"
    time = local_time(row.scheduled_at, row.time_zone)
    return _("{id} ({name}, scheduled for {time})", id=row.id, name=row.name, time=time)


def confirm_discard(draft: LockedCampaign) -> None:
    """Ask a person at a terminal before a draft is deleted. End the command if the answer is no."""
    if has_terminal():
        people = Count(draft.recipient_count, "recipient")
        confirm(
            _("Delete the draft {id} ({name}) with {people}?", id=draft.id, name=draft.name, people=people),
            _("The draft was not deleted: {show} shows it.", show=Hint(HintAction.SHOW_CAMPAIGN, draft.id)),
        )


def _describe_night(night: Night) -> str:
    values = _to_values(night)
    if night.is_now:
        return plural(
            "It is night for the only person of campaign {id} ({name}): {at:%H:%M} in {zone}.",
            "It is night for {night:,} of the {count:,} people of campaign {id} ({name}): {at:%H:%M} in {zone}.",
            night.people_count,
            **values,
        )
    return plural(
        "It will be night for the only person of campaign {id} ({name}) when the message may leave: "
        "{at:%H:%M} in {zone}.",
        "It will be night for {night:,} of the {count:,} people of campaign {id} ({name}) when their messages may "
        "leave: {at:%H:%M} in {zone}.",
        night.people_count,
        **values,
    )


def describe_night_of_retry(night: Night) -> str:
    """Return a sentence about the people to whom a campaign would send again at night."""
    values = _to_values(night)
    if night.is_now:
        return plural(
            "It is night for the person to whom campaign {id} ({name}) would send again: {at:%H:%M} in {zone}.",
            "It is night for {night:,} of the {count:,} people to whom campaign {id} ({name}) would send again: "
            "{at:%H:%M} in {zone}.",
            night.people_count,
            **values,
        )
    return plural(
        "It will be night for the person to whom campaign {id} ({name}) would send again, when the message may leave: "
        "{at:%H:%M} in {zone}.",
        "It will be night for {night:,} of the {count:,} people to whom campaign {id} ({name}) would send again, when "
        "their messages may leave: {at:%H:%M} in {zone}.",
        night.people_count,
        **values,
    )


def _to_values(night: Night) -> dict[str, object]:
    return {
        "night": night.night_count,
        "id": night.campaign_id,
        "name": night.name,
        "at": night.at.astimezone(ZoneInfo(night.time_zone)),
        "zone": night.time_zone,
    }
