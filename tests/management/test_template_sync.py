"""What Meta lists of a WABA's templates is kept as it is, and never replaces what is newer."""

from __future__ import annotations

import datetime as dt

import pytest
from psycopg.types.json import Jsonb

from campaigns.config import Settings
from campaigns.domain.statement import Refusal
from campaigns.management.accounts import add_account, deactivate_account
from campaigns.management.templates import Change, sync_templates
from campaigns.secrets import make_key
from tests.simulator.far_end import WABA
from tests.store.rows import add_campaign, add_template, fetch, receive
from tests.support.actors import TESTER
from tests.webhooks.webhook_bodies import make_body

KEY = make_key()
OTHER_WABA = "7"


@pytest.fixture
def join(database):
    def add(name, waba=WABA, token="token-1"):
        number = str(len(name) * 1000 + ord(name[-1]))
        return add_account(
            database, name, phone_number_id=number, waba_id=waba, token=token, secret_key=KEY, actor=TESTER
        )

    add("sales")
    return add


@pytest.fixture
def sync(database, far, join):
    """`sync({template}, …)` lets Meta list these and reads them; returns what became of the one WABA."""

    def sync_one(*templates, **more):
        far.script(templates=[{"body": "Oi {{1}}!", "language": "pt_BR"} | template for template in templates])
        results = sync_all(**more)
        assert len(results) == 1
        return results[0]

    def sync_all(**more):
        settings = Settings(graph_api_url=f"{far.url}/v24.0", secret_key=KEY)
        return sync_templates(database, settings, **more, actor=TESTER)

    sync_one.all = sync_all
    return sync_one


def read(database, name="promo", columns="status, category, quality"):
    return fetch(database, f"SELECT {columns} FROM templates WHERE name = %s ORDER BY id", name)


def tell(database, event, *, at, waba=WABA, field="message_template_status_update", name="promo", **more):
    value = {"event": event, "message_template_name": name, "message_template_language": "pt_BR", **more}
    receive(database, make_body(value, field, time=int(at.timestamp()), id=waba))


def ago(database, **gap):
    return fetch(database, "SELECT clock_timestamp()")[0] - dt.timedelta(**gap)


def test_a_new_template_is_kept_with_all_that_meta_says(database, sync):
    buttons = {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Sair"}]}
    result = sync({"name": "promo", "quality": "GREEN", "components": [buttons]})
    assert result.changes == [Change("promo", "pt_BR", "new", "approved")]
    assert read(database, columns="waba_id, status, category, quality") == [(WABA, "approved", "MARKETING", "GREEN")]
    assert read(database, columns="components") == [[{"type": "BODY", "text": "Oi {{1}}!"}, buttons]]
    assert read(database, columns="meta_id ~ '^[0-9]+$' AND synced_at IS NOT NULL") == [True]


def test_all_languages_and_all_pages_are_read(database, sync):
    many = [{"name": f"t{number}"} for number in range(120)]
    result = sync({"name": "promo"}, {"name": "promo", "language": "en"}, *many)
    assert result.count == 122
    assert fetch(database, "SELECT count(*) FROM templates") == [122]


def test_a_second_read_of_the_same_changes_nothing(sync):
    sync({"name": "promo"})
    assert sync({"name": "promo"}).changes == []


def test_what_has_changed_is_said(database, sync):
    sync({"name": "promo"})
    result = sync({"name": "promo", "status": "REJECTED", "category": "UTILITY", "quality": "RED", "body": "Olá {{1}}"})
    (change,) = result.changes
    assert (change.kind, change.status) == ("changed", "rejected")
    assert str(change.details) == (
        "status approved → rejected, category MARKETING → UTILITY, quality UNKNOWN → RED, text or buttons"
    )
    assert read(database) == [("rejected", "UTILITY", "RED")]


def test_what_meta_lists_no_more_is_marked_and_comes_back(database, sync):
    sync({"name": "promo"}, {"name": "other"})
    assert sync({"name": "other"}).changes == [Change("promo", "pt_BR", "gone", "deleted")]
    assert read(database, columns="status, blocked_until > now()") == [("deleted", True)]
    assert sync({"name": "other"}).changes == []
    assert [str(change.details) for change in sync({"name": "promo"}, {"name": "other"}).changes] == [
        "status deleted → approved"
    ]


def test_the_same_name_in_two_wabas_is_two_templates(database, far, join, sync):
    join("agency", OTHER_WABA)
    far.script(
        templates=[
            {"name": "promo", "language": "pt_BR", "body": "Oi", "waba_id": WABA},
            {"name": "promo", "language": "pt_BR", "body": "Olá", "waba_id": OTHER_WABA, "status": "PAUSED"},
        ]
    )
    assert [(result.waba_id, result.count) for result in sync.all()] == [(WABA, 1), (OTHER_WABA, 1)]
    assert sorted(read(database, columns="waba_id, status")) == [(WABA, "approved"), (OTHER_WABA, "paused")]


def test_a_template_of_another_waba_is_not_gone(database, far, join, sync):
    join("agency", OTHER_WABA)
    far.script(templates=[{"name": "promo", "language": "pt_BR", "body": "Oi", "waba_id": OTHER_WABA}])
    sync.all()
    assert read(database) == [("approved", "MARKETING", "UNKNOWN")]
    assert sync.all(accounts=["sales"])[0].changes == []
    assert read(database) == [("approved", "MARKETING", "UNKNOWN")]


def test_a_template_that_a_person_added_is_never_gone(database, sync):
    database.run(add_template, name="mine")
    sync({"name": "promo"})
    assert read(database, "mine", columns="status") == ["approved"]


def test_a_webhook_that_is_newer_than_the_read_stays(database, sync):
    sync({"name": "promo"})
    tell(database, "PAUSED", at=ago(database, seconds=0))
    assert sync({"name": "promo"}).changes == []
    assert read(database, columns="status, blocked_until > now()") == [("paused", True)]


def test_a_read_that_is_newer_than_the_webhook_replaces_it(database, sync):
    sync({"name": "promo"})
    fetch(database, "UPDATE templates SET status_at = now() - interval '1 hour'")
    tell(database, "PAUSED", at=ago(database, minutes=30))
    assert [str(change.details) for change in sync({"name": "promo"}).changes] == ["status paused → approved"]
    assert read(database, columns="status, blocked_until") == [("approved", None)]


def test_a_webhook_that_is_older_than_the_read_changes_nothing(database, sync):
    sync({"name": "promo"})
    tell(database, "PAUSED", at=ago(database, minutes=5))
    assert read(database, columns="status") == ["approved"]


def test_a_read_that_may_lack_an_edit_keeps_the_text_of_the_webhook(database, sync):
    buttons = {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Sair"}]}
    sync({"name": "promo"})
    edit = {"field": "message_template_components_update", "message_template_element": "Novo {{1}}!"}
    tell(database, None, at=ago(database, seconds=0), **edit)
    sync({"name": "promo", "components": [buttons]})
    assert read(database, columns="components") == [[{"type": "BODY", "text": "Novo {{1}}!"}, buttons]]
    fetch(database, "UPDATE templates SET components_at = now() - interval '2 minutes'")
    sync({"name": "promo"})
    assert read(database, columns="components") == [[{"type": "BODY", "text": "Oi {{1}}!"}]]


def test_a_late_read_changes_nothing_of_a_newer_one(database, sync):
    sync({"name": "promo", "body": "Oi"})
    fetch(database, "UPDATE templates SET synced_at = now() + interval '1 minute'")
    assert sync({"name": "promo", "body": "Velho"}).changes == []
    assert sync().changes == []
    assert read(database, columns="components") == [[{"type": "BODY", "text": "Oi"}]]


def test_a_webhook_judges_the_template_of_its_waba_only(database, far, join, sync):
    join("agency", OTHER_WABA)
    sync_both = [{"name": "promo", "language": "pt_BR", "body": "Oi"}]
    far.script(templates=sync_both)
    sync.all()
    tell(database, "DISABLED", at=ago(database, seconds=0), waba=OTHER_WABA)
    assert dict(read(database, columns="waba_id, status")) == {WABA: "approved", OTHER_WABA: "disabled"}


def test_quality_and_category_by_webhook_are_kept(database, sync):
    sync({"name": "promo"})
    later = ago(database, seconds=0)
    tell(database, None, at=later, field="message_template_quality_update", new_quality_score="YELLOW")
    tell(database, None, at=later, field="template_category_update", new_category="UTILITY")
    assert read(database) == [("approved", "UTILITY", "YELLOW")]
    tell(database, None, at=later - dt.timedelta(seconds=9), field="template_category_update", new_category="OLD")
    assert read(database) == [("approved", "UTILITY", "YELLOW")]
    sync({"name": "promo"})
    assert read(database) == [("approved", "UTILITY", "YELLOW")]


def test_campaigns_that_wait_for_a_template_go_on_when_a_read_says_approved(database, sync):
    sync({"name": "promo", "status": "PAUSED"})
    (template_id,) = read(database, columns="id")
    campaign_id = database.run(
        add_campaign, template_id=template_id, waiting_reason="template", due_at="2099-01-01T00:00Z"
    )
    assert sync({"name": "promo", "status": "PAUSED"}).to_enqueue == []
    assert sync({"name": "promo"}).to_enqueue == [campaign_id]
    assert fetch(database, "SELECT due_at FROM campaigns") == [None]


def test_a_read_ends_the_wait_also_if_the_template_was_approved_all_the_time(database, sync):
    """The list did not fit an edit of which Meta told nothing: no status has changed."""
    sync({"name": "promo"})
    (template_id,) = read(database, columns="id")
    waits = {"template_id": template_id, "waiting_reason": "template", "due_at": "2099-01-01T00:00Z"}
    waiting = database.run(add_campaign, **waits)
    database.run(add_campaign, **waits | {"waiting_reason": "window"})
    assert sync({"name": "promo"}).to_enqueue == [waiting]


def test_the_old_and_the_new_values_of_an_edited_template_are_said(sync):
    sync({"name": "promo", "body": "Oi {{1}}!"})
    (change,) = sync({"name": "promo", "body": "Oi {{1}} {{2}}!"}).changes
    assert str(change.details) == "text or buttons, values 1 → 1, 2"
    (change,) = sync({"name": "promo", "body": "Oi!"}).changes
    assert str(change.details) == "text or buttons, values 1, 2 → none"


def test_a_paused_template_is_not_put_off_by_every_read(database, sync):
    sync({"name": "promo", "status": "PAUSED"})
    (until,) = read(database, columns="blocked_until")
    sync({"name": "promo", "status": "PAUSED"})
    assert read(database, columns="blocked_until") == [until]


def test_campaigns_that_a_changed_template_no_longer_fits_are_named(database, sync):
    sync({"name": "promo"})
    (template_id,) = read(database, columns="id")
    campaign_id = database.run(add_campaign, "draft", template_id=template_id)
    database.run(add_campaign, "completed", template_id=template_id)
    assert sync({"name": "promo", "body": "Olá {{1}}!"}).misfits == []
    assert sync({"name": "promo", "body": "Olá {{1}} {{2}}!"}).misfits == [campaign_id]


def test_campaigns_whose_link_begins_in_another_way_now_are_named(database, sync):
    def see(url):
        buttons = {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "See", "url": url}]}
        return {"name": "promo", "components": [buttons]}

    sync(see("https://shop.example/{{1}}"))
    (template_id,) = read(database, columns="id")
    campaign_id = database.run(add_campaign, "draft", template_id=template_id)
    assert sync(see("https://shop.example/{{1}}")).misfits == []
    assert sync(see("https://other.example/{{1}}")).misfits == [campaign_id]


def test_what_cannot_be_kept_is_said_and_not_gone(database, sync):
    sync({"name": "promo"})
    broken = {"type": "FOOTER", "text": "a\0b"}
    result = sync({"name": "promo", "components": [broken]}, {"name": "other"})
    assert [str(each) for each in result.skipped] == ["The components of the template promo:pt_BR have NUL characters."]
    assert [change.kind for change in result.changes] == ["new"]
    assert read(database, columns="status") == ["approved"]


def test_components_that_no_campaign_can_send_are_kept(database, sync):
    carousel = {"type": "CAROUSEL", "cards": []}
    sync({"name": "promo", "components": [carousel]}, {"name": "odd", "body": ""})
    assert carousel in read(database, columns="components")[0]
    assert read(database, "odd", columns="components") == [[]]


def test_the_same_template_twice_in_a_list_is_kept_once(database, sync):
    assert sync({"name": "promo"}, {"name": "promo"}).count == 2
    assert len(read(database)) == 1


@pytest.mark.parametrize(
    ("outcome", "error"),
    [("error:100", "Request failed with status code 400 (code 100)"), ("html", "Request failed with status code 502"),
     ("repeat", "The pages of the list repeat")],
)  # fmt: skip
def test_a_waba_that_cannot_be_read_changes_nothing(database, far, sync, outcome, error):
    sync({"name": "promo"})
    far.script(template_reads=outcome)
    result = sync()
    assert (str(result.error), result.changes) == (error, [])
    assert read(database) == [("approved", "MARKETING", "UNKNOWN")]


def test_one_waba_that_cannot_be_read_stops_no_other(database, far, join, sync):
    join("agency", OTHER_WABA, token="expired")
    far.script(tokens=["token-1"], templates=[{"name": "promo", "body": "Oi"}])
    good, bad = sync.all()
    assert (good.error, good.count) == (None, 1)
    assert str(bad.error) == "Request failed with status code 401 (code 190)"


def test_another_account_of_the_waba_reads_when_the_first_cannot(far, database, join, sync):
    fetch(database, "UPDATE accounts SET token = 'x'")
    join("second")
    assert sync({"name": "promo"}).error is None
    join("third", token="expired")
    deactivate_account(database, "second", actor=TESTER)
    far.script(tokens=["token-1"])
    assert sync({"name": "promo"}, waba_id=WABA).error is None


def test_only_what_was_asked_for_is_read(database, far, join, sync):
    join("agency", OTHER_WABA)
    assert [result.waba_id for result in sync.all(accounts=["agency"])] == [OTHER_WABA]
    assert [result.waba_id for result in sync.all(waba_id=WABA)] == [WABA]
    deactivate_account(database, "agency", actor=TESTER)
    assert [result.waba_id for result in sync.all()] == [WABA]
    assert [result.waba_id for result in sync.all(accounts=["agency"])] == [OTHER_WABA]


@pytest.mark.parametrize("wish", [{"accounts": ["nobody"]}, {"waba_id": "99"}])
def test_a_sync_that_nobody_can_do_is_refused(sync, wish):
    with pytest.raises(Refusal, match="There is no account"):
        sync.all(**wish)


def test_components_survive_as_meta_wrote_them(database, sync):
    odd = {"type": "FOOTER", "text": 'É 100% \\ " 🎉', "new_in_v30": [1, {"a": None}]}
    sync({"name": "promo", "components": [odd]})
    assert fetch(database, "SELECT count(*) FROM templates WHERE components -> 1 = %s", Jsonb(odd)) == [1]


def test_the_campaigns_that_send_an_edited_text_are_named(database, sync):
    sync({"name": "promo"}, {"name": "other"})
    (template_id,), (other_id,) = read(database, columns="id"), read(database, "other", columns="id")
    used = ("draft", "scheduled", "running", "paused")
    ids = [database.run(add_campaign, status, template_id=template_id, name=status) for status in used]
    database.run(add_campaign, "cancelled", template_id=template_id)
    database.run(add_campaign, "draft", template_id=other_id)
    users = sync({"name": "promo", "body": "Ol\u00e1 {{1}}!"}, {"name": "other"}).users
    assert [(user.id, user.name, user.status, user.template) for user in users] == [
        (campaign_id, status, status, "promo:pt_BR") for campaign_id, status in zip(ids, used, strict=True)
    ]
    assert sync({"name": "promo", "body": "Ol\u00e1 {{1}}!"}, {"name": "other"}).users == []


def test_a_campaign_that_sends_the_edited_copy_of_another_waba_is_named(database, sync, join):
    account_id = fetch(database, "SELECT id FROM accounts")[0]
    own = database.run(add_template, name="promo", language="pt_BR", waba_id=OTHER_WABA)
    sends = database.run(add_campaign, "draft", template_id=own, accounts=[account_id])
    database.run(add_campaign, "draft", template_id=own)
    sync({"name": "promo"})
    assert [user.id for user in sync({"name": "promo", "body": "Ol\u00e1 {{1}}!"}).users] == [sends]
