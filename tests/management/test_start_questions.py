"""The facts that a person sees before a start, and the start that checks them again."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
import xlsxwriter

from campaigns.domain.campaign import CampaignStatus, Command
from campaigns.domain.message import Status
from campaigns.domain.phone.documents import is_document
from campaigns.domain.phone.languages import find_languages
from campaigns.domain.recipients import Choice, is_name_of_other_number
from campaigns.domain.statement import Refusal
from campaigns.domain.users.actor import Actor, ActorKind, Surface
from campaigns.management import lifecycle
from campaigns.management.accounts import add_account, add_template
from campaigns.management.campaigns import CampaignChanges, change_campaign, create_campaign, draft_campaign
from campaigns.management.drafts import starts
from campaigns.management.drafts.copies import copy_campaign
from campaigns.management.drafts.imports import add_recipients, replace_recipients
from campaigns.management.drafts.starts import look_before_start
from campaigns.management.files.jobs import discard_newer_list, request_import, request_look
from campaigns.management.files.uploads import begin_upload, store_upload
from campaigns.management.files.work import do_next_job
from campaigns.management.recipients import Reading
from campaigns.management.suppressions import suppress_phones
from campaigns.management.users.approvals import approve_campaign
from campaigns.secrets import make_key
from campaigns.store.campaigns import list_campaigns
from campaigns.store.files.jobs import JobKind, JobStatus, end_job, insert_job
from tests.store.rows import Beside, await_blocked, fetch, hold
from tests.support.actors import TESTER

ANA, BIA, CAIO = "+5511999990001", "+5511999990002", "+5511999990003"
LIST = f"phone,name\n{ANA},Ana\n{BIA},Bia\n"


@pytest.fixture
def draft(database, tmp_path):
    """Makes drafts from the text of a file; returns their ids."""
    add_account(database, "sales", phone_number_id="1", waba_id="1", token="t", secret_key=make_key(), actor=TESTER)
    add_account(database, "support", phone_number_id="2", waba_id="1", token="t", secret_key=make_key(), actor=TESTER)
    add_template(database, "promo", language="pt_BR", body="Oi {{1}}!", actor=TESTER)

    def make(text=LIST, *, phone=None, **changes):
        file = tmp_path / "people.csv"
        file.write_text(text)
        asked = {"name": "Sale", "template": "promo:pt_BR", "accounts": ["sales"]} | changes
        reading = Reading(choice=Choice(phone=phone))
        return create_campaign(database, CampaignChanges(**asked), file, reading, time_zone="UTC", actor=TESTER).id

    return make


@pytest.fixture
def look(database):
    def look_at(*ids):
        return look_before_start(database, ids, quiet=None, overlap_days=7)

    return look_at


@pytest.fixture
def start(database):
    def start_told(*looks):
        told = {each.campaign.id: each.told for each in looks}
        return lifecycle.start_campaigns(database, list(told), told=told, actor=TESTER)

    return start_told


def read_status(database, campaign_id):
    return database.run(list_campaigns, [campaign_id])[0].status


def warn_codes(look):
    return [each.code for each in look.warnings]


def test_the_second_of_two_starts_that_were_asked_at_the_same_time_is_refused(database, draft, look, start):
    one, two = draft(name="One"), draft(name="Two")
    asked_of_one, asked_of_two = look(one)[0], look(two)[0]
    assert not asked_of_two.coming
    start(asked_of_one)
    with pytest.raises(Refusal) as refused:
        start(asked_of_two)
    assert str(refused.value) == (
        f"Campaign {one} (One) now reaches 2 recipients of campaign {two} (Two), too; when you were asked, the number"
        f' was 0. Nothing was started: "start campaign {two}" asks again.'
    )
    assert read_status(database, two) == "draft"
    (asked_again,) = look(two)
    assert [each.campaign_id for each in asked_again.coming] == [one]
    start(asked_again)
    assert read_status(database, two) == "pending"


def test_two_starts_in_the_same_moment_wait_for_each_other(database, draft, look):
    one, two = look(draft(name="One"))[0], look(draft(name="Two"))[0]

    def move(connection, asked):
        told = {asked.campaign.id: asked.told}
        return lifecycle._move(connection, lifecycle.Command.START, [*told], TESTER, told=told)

    first, may_commit = hold(database, move, one)
    second = Beside(database.run, move, two)
    await_blocked(database)
    may_commit.set()
    assert first.result()[0].new is CampaignStatus.PENDING
    with pytest.raises(Refusal, match="now reaches 2 recipients"):
        second.result()
    assert read_status(database, two.campaign.id) == "draft"


def test_people_of_another_file_and_template_are_counted_inside_the_start(database, draft, look, start):
    add_template(database, "other", language="pt_BR", body="Oi {{1}}?", actor=TESTER)
    one, two = draft(name="One"), draft(f"phone,name\n{BIA},B\n{CAIO},C\n", name="Two", template="other:pt_BR")
    (asked,) = look(two)
    start(*look(one))
    with pytest.raises(Refusal, match="now reaches 1 recipient of"):
        start(asked)


def test_a_resume_checks_again_what_the_person_was_told(database, draft, look, start):
    one, two = draft(name="One"), draft(name="Two")
    start(*look(two))
    lifecycle.pause_campaigns(database, [two], actor=TESTER)
    (asked,) = look(two)
    start(*look(one))
    with pytest.raises(Refusal) as refused:
        lifecycle.resume_campaigns(database, [two], told={two: asked.told}, actor=TESTER)
    assert refused.value.code == "repeats_since_question"
    assert f'"resume campaign {two}" asks again' in str(refused.value)
    assert read_status(database, two) == "paused"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE templates SET components = replace(components::text, 'Oi', 'Ola')::jsonb",
        CampaignChanges(template="other:pt_BR"),
        CampaignChanges(parameters={"2": "B2"}),
        CampaignChanges(accounts=["support"]),
        "DELETE FROM messages WHERE id = (SELECT max(id) FROM messages)",
    ],
    ids=["text", "template", "values", "account", "people"],
)
def test_a_start_sends_nothing_else_than_the_person_saw(database, draft, look, start, change):
    for name in ("code", "other"):
        add_template(database, name, language="pt_BR", body="Oi {{1}}, {{2}}!", actor=TESTER)
    campaign_id = draft(template="code:pt_BR", parameters={"2": "A1"})
    (asked,) = look(campaign_id)
    if isinstance(change, str):
        fetch(database, change)
    else:
        change_campaign(database, campaign_id, change, actor=TESTER)
    with pytest.raises(Refusal) as refused:
        start(asked)
    assert refused.value.code == "changed_since_question"
    assert read_status(database, campaign_id) == "draft"
    start(*look(campaign_id))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE campaigns SET scheduled_at = now() + interval '1 day'",
        "UPDATE campaigns SET window_from = '01:00', window_to = '23:00'",
        "UPDATE campaigns SET weekdays = '{1,2,3,4,5}'",
        "UPDATE campaigns SET interval_seconds = 2",
        "UPDATE campaigns SET expire_at = now() + interval '9 days'",
    ],
)
def test_a_start_sends_at_no_other_times_than_the_person_saw(database, draft, look, start, change):
    campaign_id = draft()
    (asked,) = look(campaign_id)
    fetch(database, change)
    with pytest.raises(Refusal) as refused:
        start(asked)
    assert refused.value.code == "hours_since_question"
    assert read_status(database, campaign_id) == "draft"
    start(*look(campaign_id))


def test_a_night_that_began_after_the_question_is_asked_about(draft, look, start):
    (asked,) = look(draft())
    count = asked.night.night_count if asked.night else 0
    now = dt.datetime.now(ZoneInfo("America/Sao_Paulo"))
    night = tuple((now + dt.timedelta(hours=hours)).time() for hours in (-1, 1))
    earlier = replace(asked, told=replace(asked.told, quiet=night, night_count=0))
    with pytest.raises(Refusal, match="would now reach 2 recipients at night; when you were asked, the number was 0"):
        start(earlier)
    start(replace(asked, told=replace(asked.told, night_count=count)))


@pytest.mark.parametrize(
    "change",
    [
        "status = 'cancelled'",
        # A retry makes such a message pending.
        "status = 'failed', claimed_at = now(), send_no = 1, account_id = 1, failed_at = now(), error_title = 'x'",
    ],
)
def test_messages_that_became_pending_after_the_question_are_asked_about(database, draft, look, start, change):
    campaign_id = draft()
    start(*look(campaign_id))
    lifecycle.pause_campaigns(database, [campaign_id], actor=TESTER)
    fetch(database, f"UPDATE messages SET {change} WHERE id = (SELECT max(id) FROM messages)")
    (asked,) = look(campaign_id)
    fetch(database, "UPDATE messages SET status = 'pending' WHERE status IN ('cancelled', 'failed')")
    with pytest.raises(Refusal) as refused:
        lifecycle.resume_campaigns(database, [campaign_id], told={campaign_id: asked.told}, actor=TESTER)
    assert refused.value.code == "changed_since_question"


def test_what_is_shown_and_what_is_vouched_for_are_of_one_moment(database, draft, monkeypatch):
    """A colleague changes the draft while the facts are read."""
    campaign_id = draft()
    read = starts.load_template

    def read_and_change(*arguments):
        change = CampaignChanges(name="Sale 2", parameters={}, accounts=["support"])
        Beside(change_campaign, database, campaign_id, change, actor=TESTER).result()
        return read(*arguments)

    monkeypatch.setattr(starts, "load_template", read_and_change)
    (asked,) = look_before_start(database, [campaign_id], quiet=None, overlap_days=7)
    monkeypatch.undo()
    assert asked.campaign.name == "Sale"
    with pytest.raises(Refusal) as refused:
        lifecycle.start_campaigns(database, [campaign_id], told={campaign_id: asked.told}, actor=TESTER)
    assert refused.value.code == "changed_since_question"


@pytest.mark.parametrize("kind", [JobKind.ADD, JobKind.REPLACE])
def test_a_campaign_does_not_start_while_a_list_for_it_is_due(database, draft, look, start, kind):
    campaign_id = draft()
    (asked,) = look(campaign_id)
    upload_id = begin_upload(database, "people.csv", actor=TESTER)
    job_id = database.run(insert_job, kind, campaign_id, upload_id=upload_id, request={}, actor={})
    with pytest.raises(Refusal) as refused:
        start(asked)
    assert refused.value.code == "list_still_read"
    database.run(end_job, job_id, JobStatus.DONE, {})
    start(asked)


@pytest.fixture
def start_draft(look, start):
    return lambda campaign_id: start(*look(campaign_id))


@pytest.fixture
def upload_newer(database):
    """Uploads a list into a draft as the console does; returns the id of the upload."""

    def upload(campaign_id, name="corrected.csv"):
        upload_id = store_upload(database, name, [LIST.encode() + b"x"], max_bytes=10**6, actor=TESTER).id
        request_look(database, campaign_id, upload_id, actor=TESTER)
        return upload_id

    return upload


@pytest.mark.parametrize("refused", [False, True])
def test_a_draft_does_not_start_with_the_people_of_an_older_list(database, draft, start_draft, upload_newer, refused):
    """Neither while the columns of the newer list are not chosen, nor after the newer list was refused."""
    campaign_id = draft()
    upload_id = upload_newer(campaign_id)
    if refused:
        job_id = request_import(database, campaign_id, upload_id, Reading(), actor=TESTER, replaces=True)
        database.run(end_job, job_id, JobStatus.REFUSED, {})
    with pytest.raises(Refusal) as refusal:
        start_draft(campaign_id)
    assert refusal.value.code == "newer_list_unread"
    assert "The list corrected.csv was uploaded" in str(refusal.value)
    assert "still has the people of people.csv" in str(refusal.value)
    with pytest.raises(Refusal) as approval:
        approve_campaign(database, campaign_id, actor=Actor(ActorKind.USER, "joao", Surface.CONSOLE))
    assert approval.value.code == "newer_list_unread"
    discard_newer_list(database, campaign_id, actor=TESTER)
    assert fetch(database, "SELECT FROM uploads") == []
    start_draft(campaign_id)


def test_a_draft_starts_after_its_newer_list_was_read(database, draft, start_draft, upload_newer):
    campaign_id = draft()
    upload_id = upload_newer(campaign_id)
    request_import(database, campaign_id, upload_id, Reading(), actor=TESTER, replaces=True)
    while do_next_job(database, secret_key=None, overlap_days=7):
        pass
    start_draft(campaign_id)


def test_a_list_that_a_command_imports_is_newer_than_the_upload(database, draft, start_draft, upload_newer, tmp_path):
    campaign_id = draft()
    upload_newer(campaign_id)
    replace_recipients(database, campaign_id, tmp_path / "people.csv", Reading(), actor=TESTER)
    start_draft(campaign_id)


def test_an_import_that_was_asked_for_before_the_upload_is_no_newer_list(database, draft, upload_newer):
    campaign_id = draft()
    first_id = upload_newer(campaign_id, "first.csv")
    request_import(database, campaign_id, first_id, Reading(), actor=TESTER, replaces=True)
    upload_newer(campaign_id)
    while do_next_job(database, secret_key=None, overlap_days=7):
        pass
    with pytest.raises(Refusal, match=r"still has the people of first\.csv"):
        lifecycle.check_departures(database, Command.START, [campaign_id])
    discard_newer_list(database, campaign_id, actor=TESTER)
    assert fetch(database, "SELECT name FROM uploads") == ["first.csv"]
    lifecycle.check_departures(database, Command.START, [campaign_id])


@pytest.fixture
def write_amounts(tmp_path):
    """Writes a workbook with an amount of 1500, which English and Portuguese show in different ways."""

    def write():
        file = tmp_path / "amounts.xlsx"
        with xlsxwriter.Workbook(file) as book:
            sheet, shown = book.add_worksheet(), book.add_format({"num_format": "#,##0"})
            sheet.write_row(0, 0, ["phone", "1"])
            sheet.write(1, 0, ANA)
            sheet.write(1, 1, 1500, shown)
        return file

    return write


def test_values_that_were_written_for_another_language_are_warned_of(database, draft, look, write_amounts):
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)
    campaign_id, file = draft(template="promo:en"), write_amounts()
    replace_recipients(database, campaign_id, file, Reading(), actor=TESTER)
    assert "values_in_other_language" not in warn_codes(look(campaign_id)[0])
    change_campaign(database, campaign_id, CampaignChanges(template="promo:pt_BR"), actor=TESTER)
    (asked,) = look(campaign_id)
    assert asked.message.body == "Oi 1,500!"
    (warning,) = [each for each in asked.warnings if each.code == "values_in_other_language"]
    assert "The numbers and dates of amounts.xlsx are written as in en, but the template is in pt_BR" in str(warning)
    replace_recipients(database, campaign_id, file, Reading(), actor=TESTER)
    (asked,) = look(campaign_id)
    assert asked.message.body == "Oi 1.500!"
    assert "values_in_other_language" not in warn_codes(asked)


def test_values_of_a_csv_file_are_the_same_in_each_language(database, draft, look):
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)
    campaign_id = draft(template="promo:en")
    change_campaign(database, campaign_id, CampaignChanges(template="promo:pt_BR"), actor=TESTER)
    assert "values_in_other_language" not in warn_codes(look(campaign_id)[0])


def test_a_copy_with_a_template_in_another_language_is_warned_of(database, draft, look):
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)
    copy = copy_campaign(database, draft(), name="Copy", statuses=[Status.PENDING], quiet_hours=None, actor=TESTER)
    assert "values_in_other_language" not in warn_codes(look(copy.id)[0])
    change_campaign(database, copy.id, CampaignChanges(template="promo:en"), actor=TESTER)
    assert "values_in_other_language" in warn_codes(look(copy.id)[0])


def test_rows_with_one_phone_and_other_values_are_warned_of(database, draft, look):
    (asked,) = look(draft(f"{LIST}{ANA},Eva\n{ANA},Ana\n{ANA},Lia\n"))
    (warning,) = asked.warnings
    assert warning.code == "rows_differ"
    assert str(warning).startswith("The file has 2 rows with the phone of an earlier row, but with other values.")
    assert str(warning).endswith("The first of these rows is row 4.")


def test_rows_with_one_phone_and_the_same_values_are_no_warning(database, draft, look):
    assert look(draft(f"{LIST}{ANA},Ana\n"))[0].warnings == []


def test_people_whom_the_limit_per_person_holds_back_are_counted(database, draft, look, start_draft, monkeypatch):
    earlier_id = draft(f"phone,name\n{ANA},Ana\n")
    start_draft(earlier_id)
    fetch(database, "UPDATE campaigns SET started_at = now()")
    sent = "status = 'sent', claimed_at = now(), sent_at = now(), send_no = 1, account_id = 1, wamid = 'w'"
    fetch(database, f"UPDATE messages SET {sent}")
    ids = [draft(max_per_person=most, within_days=7) for most in (1, 2)]
    assert [each.capped_count for each in look(*ids)] == [1, 0]
    with monkeypatch.context() as few:
        few.setattr("campaigns.management.drafts.starts._MOST_COUNTED", 0)  # a large campaign is not counted
        assert [each.capped_count for each in look(*ids)] == [0, 0]
    fetch(database, "UPDATE messages SET claimed_at = now() - interval '8 days' WHERE status = 'sent'")
    assert look(ids[0])[0].capped_count == 0
    assert look(draft())[0].capped_count == 0  # no limit


def test_a_start_that_told_nobody_is_not_checked(database, draft):
    ids = [draft(name="One"), draft(name="Two")]
    for campaign_id in ids:
        lifecycle.start_campaigns(database, [campaign_id], actor=TESTER)
    assert [read_status(database, campaign_id) for campaign_id in ids] == ["pending", "pending"]


def test_a_draft_as_it_was_made_has_no_warning(draft, look):
    (asked,) = look(draft())
    assert (asked.template, asked.message.body, asked.send_count) == ("promo:pt_BR", "Oi Ana!", 2)
    assert (asked.warnings, asked.blocked_count, asked.campaign.rejected_count) == ([], 0, 0)


def test_another_template_is_named(database, draft, look):
    add_template(database, "other", language="pt_BR", body="Tchau {{1}}!", actor=TESTER)
    campaign_id = draft()
    change_campaign(database, campaign_id, CampaignChanges(template="other:pt_BR"), actor=TESTER)
    (asked,) = look(campaign_id)
    (warning,) = asked.warnings
    assert str(warning) == (
        f"The draft of campaign {campaign_id} was made with the template promo:pt_BR. It sends other:pt_BR now."
    )
    assert asked.message.body == "Tchau Ana!"


def test_a_text_that_was_edited_at_meta_is_shown(database, draft, look):
    campaign_id = draft()
    fetch(database, "UPDATE templates SET components = replace(components::text, 'Oi', 'Adeus')::jsonb")
    (asked,) = look(campaign_id)
    (warning,) = asked.warnings
    assert warning.code == "template_edited"
    assert str(warning).endswith("Before, its text was: Oi {{1}}!")
    assert asked.message.body == "Adeus Ana!"


def test_another_example_in_a_template_is_no_edit(database, draft, look):
    campaign_id = draft()
    fetch(database, "UPDATE templates SET components = jsonb_set(components, '{0,example}', '{\"body_text\": []}')")
    assert look(campaign_id)[0].warnings == []


def test_changed_values_are_named(database, draft, look):
    add_template(database, "code", language="pt_BR", body="Oi {{1}}, {{2}}!", actor=TESTER)
    campaign_id = draft(template="code:pt_BR", parameters={"2": "A1"})
    change_campaign(database, campaign_id, CampaignChanges(parameters={"2": "B2"}), actor=TESTER)
    (warning,) = look(campaign_id)[0].warnings
    assert str(warning).endswith("were changed after its draft was made: {{2}}: A1 → B2.")


def test_changes_before_the_first_list_are_no_warning(database, draft, look, tmp_path):
    """On the pages a draft is made first, then filled: nobody has seen a message of it before it has people."""
    add_template(database, "code", language="pt_BR", body="Oi {{1}}, {{2}}!", actor=TESTER)
    draft()
    asked = CampaignChanges(name="Sale", template="promo:pt_BR", accounts=["sales"])
    empty_id = draft_campaign(database, asked, time_zone="UTC", actor=TESTER).id
    changes = CampaignChanges(template="code:pt_BR", parameters={"2": "A1"})
    change_campaign(database, empty_id, changes, actor=TESTER)
    add_recipients(database, empty_id, tmp_path / "people.csv", Reading(), actor=TESTER)
    assert look(empty_id)[0].warnings == []
    change_campaign(database, empty_id, CampaignChanges(parameters={"2": "B2"}), actor=TESTER)
    assert [each.code for each in look(empty_id)[0].warnings] == ["values_changed"]


def test_a_draft_of_an_older_version_says_nothing_of_changes(database, draft, look):
    campaign_id = draft()
    fetch(database, "UPDATE campaigns SET made_with = NULL")
    fetch(database, "UPDATE imports SET facts = NULL")
    fetch(database, "UPDATE templates SET components = replace(components::text, 'Oi', 'Adeus')::jsonb")
    assert look(campaign_id)[0].warnings == []


def test_phones_of_a_column_for_other_numbers_are_a_warning(draft, look):
    campaign_id = draft(f"CPF,name\n{ANA},Ana\n", phone="CPF")
    (warning,) = look(campaign_id)[0].warnings
    assert (warning.code, warning.values["column"]) == ("phone_column_doubtful", "CPF")


PHONES = [phone for number in range(45) if not is_document(phone := f"119999900{number:02}")][:40]
# Numbers with valid check digits. The first three also have the form of a mobile phone.
CPFS = ["11987654374", "21976543223", "31987650050", "529.982.247-25", "111.444.777-35", "168.995.350-09"]


def test_some_cpfs_among_many_phones_are_a_warning_with_the_first_row(draft, look):
    rows = "".join(f"{phone},Ana\n" for phone in [*PHONES[:20], *CPFS[:3], *PHONES[20:]])
    (warning,) = look(draft(f"telefone,name\n{rows}"))[0].warnings
    assert (warning.code, warning.values["first_row"]) == ("phones_are_documents", 22)
    assert str(warning).startswith("In 3 rows, the column telefone")


def test_a_phone_that_is_also_the_number_of_a_cpf_by_chance_is_no_warning(draft, look):
    rows = "".join(f"{phone},Ana\n" for phone in [*PHONES, *CPFS[:2]])
    assert look(draft(f"telefone,name\n{rows}"))[0].warnings == []


def test_a_column_of_cpfs_is_a_warning_whatever_its_name(draft, look):
    rows = "".join(f"{cpf},Ana\n" for cpf in CPFS)
    campaign_id = draft(f"telefone,name\n{rows}{ANA},Ana\n")
    (found,) = look(campaign_id)
    assert found.send_count > 1, "some of the numbers were taken for phones"
    assert [each.code for each in found.warnings] == ["phones_are_documents"]


@pytest.mark.parametrize(("count", "codes"), [(9, ["phones_are_landlines"]), (8, [])])
def test_phones_that_are_nearly_all_landlines_are_a_warning(draft, look, count, codes):
    landlines = "".join(f"+55113456{number:04},Ana\n" for number in range(count))
    mobiles = "".join(f"+5511999{number:06},Ana\n" for number in range(10 - count))
    campaign_id = draft(f"telefone,name\n{landlines}{mobiles}")
    warnings = look(campaign_id)[0].warnings
    assert [each.code for each in warnings] == codes
    assert [each.values["landlines"] for each in warnings] == [count] * len(codes)


def test_a_few_landlines_are_no_warning(draft, look):
    campaign_id = draft("telefone,name\n+551134560001,Ana\n+551134560002,Bia\n")
    assert look(campaign_id)[0].warnings == []


def test_a_warning_of_an_import_goes_with_the_people_who_replace_it(database, draft, look, tmp_path):
    campaign_id = draft(f"Registro,name\n{ANA},Ana\n", phone="Registro")
    (tmp_path / "right.csv").write_text(LIST)
    replace_recipients(
        database, campaign_id, tmp_path / "right.csv", Reading(choice=Choice(mapping={"1": "name"})), actor=TESTER
    )
    assert look(campaign_id)[0].warnings == []


def test_people_who_opted_out_are_not_counted_as_sent(database, draft, look):
    campaign_id = draft()
    suppress_phones(database, [BIA], actor=TESTER, reason=None)
    (asked,) = look(campaign_id)
    assert (asked.send_count, asked.blocked_count) == (1, 1)


@pytest.mark.parametrize(("language", "is_warned"), [("en", True), ("es_AR", True), ("pt_PT", False), ("pt_BR", False)])
def test_a_language_that_the_country_of_the_people_does_not_speak_is_a_warning(
    database, draft, look, language, is_warned
):
    if language != "pt_BR":
        add_template(database, "promo", language=language, body="Oi {{1}}!", actor=TESTER)
    campaign_id = draft(template=f"promo:{language}")
    assert (warn_codes(look(campaign_id)[0]) == ["language_differs"]) is is_warned


def test_a_few_people_abroad_are_no_warning_about_the_language(draft, look):
    assert look(draft(f"{LIST}+14155550123,Al\n"))[0].warnings == []


def test_the_warning_about_the_language_has_the_countries_with_their_counts(draft, look):
    british = "".join(f"+44791112345{number},Al\n" for number in range(3))
    (warning,) = look(draft(f"{LIST}{british}+34612345678,Eva\n"))[0].warnings
    assert str(warning).startswith(
        "The template promo:pt_BR is in another language than that of the countries of 4 recipients of campaign 1. The"
        " phones are those of GB 3, BR 2, ES 1."
    )


@pytest.mark.parametrize("others", ["+447911123450,Al\n", "+447911123450,Al\n+34612345678,Eva\n+390236618300,Ugo\n"])
def test_the_language_of_the_most_people_is_no_warning(draft, look, others):
    assert look(draft(f"{LIST}{others}"))[0].warnings == []


@pytest.mark.parametrize(
    ("prefix", "languages"), [("551", {"pt"}), ("351", {"pt"}), ("999", set()), ("344", {"es"}), ("541", {"es"})]
)
def test_languages_of_a_country_code(prefix, languages):
    assert languages <= find_languages(prefix)
    assert bool(find_languages(prefix)) is bool(languages)


@pytest.mark.parametrize("name", ["CPF", "Nº do Documento", "Número de registro", "RG", "Pedido", "Customer ID"])
def test_names_of_columns_with_other_numbers(name):
    assert is_name_of_other_number(name)


@pytest.mark.parametrize("name", ["Telefone", "Telefone de registro", "Número", "Contato", "WhatsApp ID", "Celular"])
def test_names_of_columns_that_may_have_phones(name):
    assert not is_name_of_other_number(name)


def test_overlaps_of_one_start_are_told_once(draft, look):
    looks = look(draft(name="One"), draft(name="Two"))
    assert [len(each.coming) for each in looks] == [1, 0]
    assert [len(each.told.reached) for each in looks] == [1, 1]


def test_the_number_of_people_may_fall_between_question_and_start(draft, look, start):
    (asked,) = look(draft())
    start(replace(asked, told=replace(asked.told, reached={99: 5})))


def test_a_question_whether_campaigns_could_start_waits_for_no_start(database, draft):
    campaign_id, busy = draft(), draft()
    asked = look_before_start(database, [busy], quiet=None, overlap_days=7)[0]

    def move(connection):
        return lifecycle._move(connection, lifecycle.Command.START, [busy], TESTER, told={busy: asked.told})

    first, may_commit = hold(database, move)
    lifecycle.check_departures(database, lifecycle.Command.START, [campaign_id])
    may_commit.set()
    assert first.result()[0].new is CampaignStatus.PENDING


def test_the_facts_of_an_import_by_a_newer_version_are_read(database, draft, look):
    campaign_id = draft()
    fetch(database, "UPDATE imports SET facts = facts || '{\"from_the_future\": [1]}' RETURNING id")
    assert look(campaign_id)[0].warnings == []
