import datetime as dt
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.domain.message import Status
from campaigns.whatsapp.callback import ANSWER, CallbackData
from tests.webhooks.webhook_bodies import (
    AT,
    PHONE_NUMBER_ID,
    WABA_ID,
    make_body,
    make_status,
    make_statuses_body,
    make_value,
)
from webhooks.applier.evidence import Evidence
from webhooks.applier.parse import parse_event, parse_unusual
from webhooks.applier.usual import read_usual

WHEN = dt.datetime.fromtimestamp(AT, dt.UTC)


def parse_one(**changes):
    (evidence,) = parse_event(make_statuses_body(make_status(**changes))).evidence
    return evidence


def reason_of(body):
    event = parse_event(body)
    assert event.evidence == ()
    (aside,) = event.dead_letters
    return aside.reason


# What is read


def test_a_status_becomes_evidence():
    pricing = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "marketing"}
    assert parse_one(pricing=pricing) == Evidence(
        status=Status.DELIVERED,
        wamid="wamid.HBgLNTU=",
        at=WHEN,
        phone_number_id=PHONE_NUMBER_ID,
        waba_id=WABA_ID,
        callback=CallbackData("0badcafe", 34, 2),
        recipient="5511900000001",
        pricing_category="marketing",
        pricing_model="PMP",
        is_billable=True,
    )


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("sent", Status.SENT),
        ("delivered", Status.DELIVERED),
        ("read", Status.READ),
        ("played", Status.READ),
        ("failed", Status.FAILED),
    ],
)
def test_each_status_of_meta_stands_for_one_of_ours(name, status):
    assert parse_one(status=name).status is status


@pytest.mark.parametrize("name", ["deleted", "warning", "teleported"])
def test_a_status_that_proves_nothing_is_counted_and_ignored(name):
    event = parse_event(make_statuses_body(make_status(status=name, timestamp="never")))
    assert event.ignored == {f"status:{name}": 1}
    assert not event.evidence
    assert not event.dead_letters


def test_a_failed_payment_does_not_fail_its_message():
    event = parse_event(make_statuses_body(make_status(status="failed", type="payment")))
    assert event.ignored == {"status:payment/failed": 1}


@pytest.mark.parametrize("data", [None, "someone else's", 34, "r1.0badcafe.34", "r1.0badcafe." + "9" * 30 + ".1"])
def test_callback_data_that_are_not_ours_leave_the_wamid(data):
    assert parse_one(biz_opaque_callback_data=data).callback is None


def test_a_thousand_statuses_in_one_body_are_a_thousand_evidences():
    event = parse_event(make_statuses_body(*(make_status(id=f"wamid.{n}") for n in range(1_000))))
    assert [evidence.wamid for evidence in event.evidence] == [f"wamid.{n}" for n in range(1_000)]


def test_several_entries_and_changes_are_all_read():
    change = {"field": "messages", "value": make_value(make_status(), make_status())}
    body = json.dumps({"entry": [{"id": "1", "changes": [change, change]}, {"id": "2", "changes": [change]}]})
    assert [evidence.waba_id for evidence in parse_event(body.encode()).evidence] == ["1"] * 4 + ["2"] * 2


@pytest.mark.parametrize("timestamp", [str(AT), AT, AT * 1_000, str(AT * 1_000), float(AT), f" {AT} "])
def test_a_time_may_be_a_string_or_a_number_in_seconds_or_milliseconds(timestamp):
    assert parse_one(timestamp=timestamp).at == WHEN


def test_milliseconds_are_kept():
    assert parse_one(timestamp=AT * 1_000 + 7).at == WHEN + dt.timedelta(milliseconds=7)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        (
            [{"code": 131026, "title": "Undeliverable", "message": "M", "error_data": {"details": "Blocked."}}],
            (131026, "Undeliverable", "Blocked."),
        ),
        ([{"code": "131026", "message": "M", "details": "D"}], (131026, "M", "D")),
        ([{"code": 131026, "title": "T", "error_data": "a string"}], (131026, "T", "a string")),
        ([{"code": 1, "title": "first"}, {"code": 2, "title": "second"}], (1, "first", "")),
        ({"0": {"code": 1, "title": "T"}}, (1, "T", "")),
        ({"code": 1, "title": "T"}, (1, "T", "")),
        ([{"code": "E1", "title": "T"}], (None, "T", "")),
        ([{"code": 10**30, "title": "T"}], (None, "T", "")),
        ([{"code": True, "title": ["T"]}], (None, "", "")),
        ([], (None, "", "")),
        (["sorry", 7], (None, "", "")),
        ("sorry", (None, "", "")),
        (None, (None, "", "")),
    ],
)
def test_a_failure_keeps_the_first_error_in_any_of_its_shapes(errors, expected):
    evidence = parse_one(status="failed", errors=errors)
    assert (evidence.error_code, evidence.error_title, evidence.error_details) == expected


def test_text_that_postgres_refuses_is_cleaned():
    evidence = parse_one(status="failed", errors=[{"code": 1, "title": "a\x00b", "details": "\ud83d half \U0001f600"}])
    assert (evidence.error_title, evidence.error_details) == ("a\ufffdb", "\ufffd half \U0001f600")


def test_endless_text_is_cut():
    assert len(parse_one(status="failed", errors=[{"code": 1, "title": "x" * 100_000}]).error_title) == 1_000


def test_ids_may_be_numbers():
    value = {**make_value(make_status(id=17)), "metadata": {"phone_number_id": 10**30}}
    (evidence,) = parse_event(make_body(value, id=102)).evidence
    assert (evidence.wamid, evidence.phone_number_id, evidence.waba_id) == ("17", "1" + "0" * 30, "102")


# What is tolerated


def test_lists_that_php_made_objects_are_read():
    value = {**make_value(), "statuses": {"0": make_status(), "1": make_status(status="read")}}
    body = {"entry": {"0": {"id": WABA_ID, "changes": {"field": "messages", "value": [value]}}}}
    assert [one.status for one in parse_event(json.dumps(body).encode()).evidence] == [Status.DELIVERED, Status.READ]


def test_a_list_of_bodies_is_read():
    body = b"[" + make_statuses_body(make_status()) + b",7]"
    event = parse_event(body)
    assert len(event.evidence) == 1
    assert [aside.reason for aside in event.dead_letters] == ["[1]: not an object: 7"]


def test_statuses_without_a_field_are_read():
    assert len(parse_event(make_body(make_value(make_status()), field=None)).evidence) == 1


def test_the_last_of_two_equal_keys_wins():
    body = make_statuses_body(make_status()).replace(b'"status": "delivered"', b'"status": "sent", "status": "read"')
    assert parse_event(body).evidence[0].status is Status.READ


@pytest.mark.parametrize("metadata", [None, [], {}])
def test_a_status_without_metadata_is_still_evidence(metadata):
    (evidence,) = parse_event(make_body({**make_value(make_status()), "metadata": metadata})).evidence
    assert evidence.phone_number_id == ""


def test_a_bad_byte_costs_nothing_around_it():
    body = make_statuses_body(make_status(recipient_id="?"), make_status()).replace(b"?", b"\xff")
    assert len(parse_event(body).evidence) == 2


def test_an_endless_integer_costs_nothing_around_it():
    body = make_statuses_body(make_status(timestamp=0), make_status()).replace(
        b'"timestamp": 0', b'"timestamp": ' + b"9" * 9_999
    )
    event = parse_event(body)
    assert len(event.evidence) == 1
    assert event.dead_letters[0].reason.startswith("entry[0].changes[0].value.statuses[0].timestamp: not a number")


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-1e999"])
def test_numbers_that_are_none_cost_nothing_around_them(number):
    body = make_statuses_body(make_status(timestamp=0), make_status()).replace(
        b'"timestamp": 0', b'"timestamp": ' + number
    )
    event = parse_event(body)
    assert (len(event.evidence), len(event.dead_letters)) == (1, 1)


# What is set aside


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"timestamp": "abc"}, 'timestamp: not a number: "abc"'),
        ({"timestamp": "-1"}, 'timestamp: not a number: "-1"'),
        ({"timestamp": None}, "timestamp: not a number: missing"),
        ({"timestamp": True}, "timestamp: not a number: a boolean"),
        ({"timestamp": []}, "timestamp: not a number: a list"),
        ({"timestamp": "\x00"}, 'timestamp: not a number: "\\u0000"'),
        ({"status": None}, "status: not a string: missing"),
        ({"status": {"a": 1}}, "status: not a string: an object"),
        ({"id": None}, "id: missing"),
        ({"id": ""}, "id: missing"),
        ({"id": []}, "id: not an id: a list"),
        ({"id": "wamid.\x00"}, "id: holds characters that no id has"),
        ({"id": "wamid.\ud800"}, "id: holds characters that no id has"),
        ({"id": "w" * 3_000}, "id: too long: 3000 characters"),
    ],
)
def test_a_status_that_cannot_be_read_is_set_aside_and_its_neighbours_are_read(changes, reason):
    good = make_status()
    event = parse_event(make_statuses_body(good, make_status(**changes), good))
    assert len(event.evidence) == 2
    (aside,) = event.dead_letters
    assert aside.reason == f"entry[0].changes[0].value.statuses[1].{reason}"


def test_a_body_whose_parts_would_outgrow_it_is_set_aside_whole():
    body = make_statuses_body(make_status(), *[7] * 10_000)
    event = parse_event(body)
    assert len(event.evidence) == 1
    (aside,) = event.dead_letters
    assert aside.piece == body
    assert aside.reason.endswith("not an object: 7 (the first of 10000 such parts)")


def test_what_surrounds_a_part_is_not_copied_with_it():
    junk = "j" * 100_000
    stop = {"type": "text", "text": {"body": "STOP"}, "from": "5511900000001", "timestamp": str(AT)}
    value = make_value(
        make_status(), make_status(timestamp="x"), junk=junk, contacts=[{"wa_id": junk}], messages=[stop]
    )
    value["metadata"]["junk"] = junk
    event = parse_event(make_body(value))
    assert (len(event.evidence), len(event.optouts), len(event.dead_letters)) == (1, 1, 1)
    assert all(len(piece) < 1_000 for piece in [*event.list_pieces(), event.dead_letters[0].piece])


def test_what_is_set_aside_is_a_body_of_its_own():
    event = parse_event(make_statuses_body(make_status(), make_status(timestamp="abc")))
    assert json.loads(event.dead_letters[0].piece) == {
        "object": "whatsapp_business_account",
        "entry": [
            {
                "id": WABA_ID,
                "changes": [
                    {
                        "field": "messages",
                        "value": {
                            "metadata": {"phone_number_id": PHONE_NUMBER_ID},
                            "statuses": [make_status(timestamp="abc")],
                        },
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON: Expecting value"),
        (b"<html>502</html>", "not JSON: Expecting value"),
        (b'{"entry": [', "not JSON: Expecting value"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"7", "not an object: 7"),
        (b"null", "not an object: missing"),
        (b'"text"', 'not an object: "text"'),
    ],
)
def test_a_body_that_is_no_json_object_is_set_aside_whole(body, reason):
    event = parse_event(body)
    assert not event.is_readable
    assert reason_of(body).startswith(reason)
    assert event.dead_letters[0].piece == body


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"entry": 7}', "entry: not a list: 7"),
        (b'{"entry": ["x"]}', 'entry[0]: not an object: "x"'),
        (b'{"entry": [{"id": [], "changes": []}]}', "entry[0].id: not an id: a list"),
        (b'{"entry": [{"changes": "x"}]}', 'entry[0].changes: not a list: "x"'),
        (b'{"entry": [{"changes": [null]}]}', "entry[0].changes[0]: not an object: missing"),
        (make_body("x"), 'entry[0].changes[0].value: not an object: "x"'),
        (make_body({}, field=7), "entry[0].changes[0].field: not a string: 7"),
        (make_body({"statuses": "x"}), 'entry[0].changes[0].value.statuses: not a list: "x"'),
        (make_body({"metadata": 7}), "entry[0].changes[0].value.metadata: not an object: 7"),
        (
            make_body({"metadata": {"phone_number_id": 1.5}}),
            "entry[0].changes[0].value.metadata.phone_number_id: not an id: 1.5",
        ),
    ],
)
def test_the_reason_says_where_and_what(body, reason):
    assert reason_of(body) == reason


def test_unreadable_inbound_messages_do_not_cost_the_statuses_beside_them():
    event = parse_event(make_body(make_value(make_status(), messages="x")))
    assert len(event.evidence) == 1
    assert [aside.reason for aside in event.dead_letters] == ['entry[0].changes[0].value.messages: not a list: "x"']


# What is ignored


def test_unknown_fields_and_inbound_messages_are_counted():
    value = make_value(messages=[{"type": "text"}, {"type": "text"}, {"type": "reaction"}, {}, 7])
    assert parse_event(make_body(value)).ignored == {
        "message:text": 2,
        "message:reaction": 1,
        "message:none": 1,
        "message:7": 1,
    }
    assert parse_event(make_body({"statuses": [make_status()]}, field="calls")).ignored == {"field:calls": 1}
    assert parse_event(make_body(make_value())).ignored == {"field:messages": 1}
    assert parse_event(b"{}").ignored == {"empty:entry": 1}
    assert parse_event(b'{"entry": [{}]}').ignored == {"empty:changes": 1}


# Parking one evidence


def test_a_rewrapped_evidence_says_the_same_and_nothing_else():
    event = parse_event(make_statuses_body(make_status(timestamp="abc"), make_status(), make_status(status="read")))
    for index, evidence in enumerate(event.evidence):
        alone = parse_event(event.rewrap(index))
        assert alone.evidence == (evidence,)
        assert not alone.dead_letters


def test_rewrapping_leaves_the_names_of_people_behind():
    body = make_body(make_value(make_status(), contacts=[{"profile": {"name": "Ada"}}]))
    assert b"Ada" not in parse_event(body).rewrap(0)


def test_a_rewrapped_evidence_survives_any_depth():
    event = parse_event(make_statuses_body(make_status(conversation="?")).replace(b'"?"', b"[" * 500 + b"]" * 500))

    def rewrap_deep_down(depth):
        return rewrap_deep_down(depth - 1) if depth else event.rewrap(0)

    assert event.evidence
    assert parse_event(rewrap_deep_down(600)).evidence == event.evidence


# Nothing raises

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**30, AT, str(AT), "sent", "failed", "read", "messages", "r1.0badcafe.34.2"])
    | st.floats()
    | st.text(st.characters(exclude_categories=[]), max_size=20)
)
KEYS = [
    *("object", "entry", "id", "time", "changes", "field", "value", "metadata", "phone_number_id", "statuses"),
    *("status", "timestamp", "errors", "code", "title", "error_data", "details", "pricing", "category", "billable"),
    *("text", "body", "button", "payload", "interactive", "button_reply", "from", "context", "user_preferences"),
    *("messages", "type", "event", "message_template_name", "0", "1", "biz_opaque_callback_data", "alert_info"),
]
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=25,
)
odd_statuses = st.fixed_dictionaries(
    {"id": st.just("wamid.1") | scalars, "status": st.sampled_from(["sent", "failed"]) | scalars},
    optional={
        "timestamp": st.just(AT) | scalars,
        "errors": anything,
        "pricing": anything,
        "biz_opaque_callback_data": scalars,
        "recipient_id": scalars,
        "type": scalars,
    },
)
FIELDS = ["messages", "message_template_status_update", "account_update", "account_alerts", "calls", "user_preferences"]
odd_answers = st.fixed_dictionaries(
    {"type": st.just("text"), "text": st.fixed_dictionaries({"body": st.sampled_from(["Parar!", "Oi"]) | scalars})},
    optional={
        "from": st.sampled_from(["5511900000001", ""]) | scalars,
        "from_user_id": st.just("BR.1") | scalars,
        "timestamp": st.just(AT) | scalars,
        "context": st.just({"id": "wamid.1"}) | anything,
    },
)
odd_preferences = st.fixed_dictionaries(
    {"value": st.sampled_from(["stop", "resume", "signup"]) | scalars},
    optional={
        "wa_id": st.just("5511900000001") | scalars,
        "user_id": st.just("BR.1") | scalars,
        "timestamp": st.just(AT) | scalars,
        "category": st.just("marketing_messages") | scalars,
    },
)
odd_contacts = st.just([{"wa_id": "5511900000001", "user_id": "BR.1"}]) | anything
odd_bodies = st.builds(
    lambda value, field, time: make_body(value, field, time=time),
    anything
    | st.builds(make_value, odd_statuses, odd_statuses, messages=anything, errors=anything)
    | st.builds(
        make_value,
        odd_statuses,
        messages=st.lists(odd_answers | anything, max_size=3),
        user_preferences=st.lists(odd_preferences | anything, max_size=3),
        contacts=odd_contacts,
    ),
    st.sampled_from(FIELDS) | scalars,
    anything,
)


def check_is_sound(body):
    event = parse_event(body)
    assert event == parse_unusual(body)
    for index, evidence in enumerate(event.evidence):
        assert parse_event(event.rewrap(index)).evidence == (evidence,)
        for text in (evidence.wamid, evidence.error_title, evidence.error_details, evidence.pricing_category):
            assert "\x00" not in text
            text.encode()
    for account in event.account_events:
        summary = json.dumps(account.summary, ensure_ascii=False, allow_nan=False)
        assert "\\u0000" not in summary
        summary.encode()
    for aside in event.dead_letters:
        assert aside.reason.encode()
        again = parse_event(aside.piece)
        assert len(again.dead_letters) == 1
        assert not again.evidence
        assert not again.optouts
    for index, optout in enumerate(event.optouts):
        assert parse_event(event.rewrap_optout(index)).optouts == (optout,)
    events = event.template_events or event.account_events or event.optouts
    assert event.evidence or event.dead_letters or event.ignored or events or body


# Bodies that are usual or nearly usual: they have the fields of `usual.py`, and few others.
usual_numbers = st.sampled_from(["5511900000001", "551190000000", "", "BR.1"])
usual_ids = st.sampled_from(["BR.1", "BR.2", "", "+55", "\x00", "x" * 600])
usual_statuses = st.builds(
    lambda status, unusual: {**status, **unusual},
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["wamid.1", "wamid.2", "wamid.3", "", "\x00"]),
            "status": st.sampled_from(["sent", "delivered", "read", "read", "played", "failed", "deleted"]),
            "timestamp": st.sampled_from([str(AT), str(AT + 1), f" {AT}", "1", f"{AT}000", AT, "soon"]),
        },
        optional={
            "recipient_id": usual_numbers,
            "recipient_user_id": usual_ids,
            "recipient_parent_user_id": usual_ids,
            "biz_opaque_callback_data": st.sampled_from(["r1.0badcafe.34.2", "r1.0badcafe.35.1", "other", ANSWER]),
            "pricing": st.fixed_dictionaries(
                {}, optional={"billable": st.booleans(), "category": st.sampled_from(["marketing", 1]), "type": scalars}
            ),
            "conversation": anything,
        },
    ),
    st.just({})
    | st.dictionaries(
        st.sampled_from(["errors", "type", "parent_recipient_user_id", "recipient_type"]), scalars, max_size=1
    ),
)
usual_contacts = st.fixed_dictionaries(
    {"wa_id": usual_numbers},
    optional={"user_id": usual_ids, "parent_user_id": usual_ids, "profile": anything},
)
usual_values = st.builds(
    lambda statuses, contacts, unusual: {**make_value(*statuses, **contacts), **unusual},
    st.lists(usual_statuses, max_size=3),
    st.fixed_dictionaries({}, optional={"contacts": st.lists(usual_contacts, max_size=3)}),
    st.just({})
    | st.dictionaries(st.sampled_from(["messages", "errors", "contacts", "metadata"]), anything, max_size=1),
)
usual_changes = st.fixed_dictionaries(
    {"field": st.sampled_from(["messages", "messages", "messages", "calls"]), "value": usual_values}
)
usual_entries = st.fixed_dictionaries(
    {"id": st.sampled_from(["300100200", "", 3]), "changes": st.lists(usual_changes, max_size=2)},
    optional={"time": scalars},
)
usual_bodies = st.builds(
    lambda entries: json.dumps({"object": "whatsapp_business_account", "entry": entries}).encode(),
    st.lists(usual_entries, max_size=2),
)


@settings(max_examples=400)
@given(usual_bodies)
def test_usual_bodies_are_read_as_all_others_are(body):
    check_is_sound(body)


NEARLY_USUAL_STATUSES = [
    {"id": ""},
    {"id": "\x00"},
    {"id": 7},
    {"status": "played"},
    {"status": "failed", "errors": [{"code": 131026, "title": "Undeliverable"}]},
    {"status": "failed"},
    {"timestamp": AT},
    {"timestamp": f" {AT}"},
    {"timestamp": "1"},
    {"timestamp": "soon"},
    {"type": "call"},
    {"recipient_id": "BR.1"},
    {"recipient_user_id": "+5511900000002"},
    {"recipient_user_id": "\x00"},
    {"recipient_user_id": "BR.1", "recipient_parent_user_id": "BR.ENT.1"},
    {"recipient_user_id": "BR.1", "recipient_id": None},
    {"recipient_user_id": "BR.1", "recipient_id": "551190000000"},
    {"parent_recipient_user_id": "BR.ENT.1"},
    {"recipient_participant_id": "5511900000002", "recipient_participant_user_id": "BR.2"},
    {"biz_opaque_callback_data": ANSWER},
    {"biz_opaque_callback_data": "of another program"},
    {"biz_opaque_callback_data": 3},
    {"pricing": {"billable": False, "pricing_model": "PMP", "category": "m" * 200}},
    {"pricing": {"category": 5}},
    {"pricing": []},
    {"conversation": {"id": "c", "origin": {"type": "marketing"}}},
]


@pytest.mark.parametrize("changes", NEARLY_USUAL_STATUSES)
def test_a_nearly_usual_status_is_read_as_all_others_are(changes):
    body = make_statuses_body(make_status(id="wamid.1"), make_status(**changes))
    assert parse_event(body) == parse_unusual(body)


@pytest.mark.parametrize(
    "more",
    [
        {"contacts": [{"wa_id": "5511900000001", "user_id": "BR.1"}]},
        {"contacts": [{"wa_id": "5511900000001", "user_id": "+55"}]},
        {"contacts": [{"user_id": "BR.1"}]},
        {"contacts": [{"wa_id": "5511900000001", "from_user_id": "BR.1"}]},
        {"contacts": [{"wa_id": "5511900000001", "user_id": f"BR.{number}"} for number in range(200)]},
        {"contacts": {"wa_id": "5511900000001", "user_id": "BR.1"}},
        {"messages": [{"from": "5511900000001", "id": "wamid.2", "type": "text", "text": {"body": "STOP"}}]},
        {"errors": [{"code": 1}]},
        {"statuses": []},
        {"metadata": {}},
        {"metadata": {"phone_number_id": "\x00"}},
    ],
)
def test_a_nearly_usual_value_is_read_as_all_others_are(more):
    body = make_body({**make_value(make_status()), **more})
    assert parse_event(body) == parse_unusual(body)


def test_the_shorter_way_reads_bodies_as_meta_posts_them():
    status = make_status(
        recipient_user_id="BR.1", pricing={"billable": True, "category": "marketing"}, conversation={"id": "c"}
    )
    contact = {"profile": {"name": "Ada"}, "wa_id": status["recipient_id"], "user_id": "BR.1"}
    body = make_body(make_value(status, contacts=[contact]))
    assert read_usual(body) is not None
    assert parse_event(body) == parse_unusual(body)


@given(st.binary(max_size=500))
def test_any_bytes_are_parsed_without_raising(body):
    check_is_sound(body)


@settings(max_examples=400)
@given(anything)
def test_any_json_is_parsed_without_raising(value):
    check_is_sound(json.dumps(value).encode())


@settings(max_examples=400)
@given(odd_bodies)
def test_any_odd_body_is_parsed_without_raising(body):
    check_is_sound(body)


@given(st.lists(odd_statuses, max_size=6))
def test_every_status_is_evidence_or_ignored_or_set_aside(statuses):
    event = parse_event(make_statuses_body(*statuses))
    ignored = sum(count for kind, count in event.ignored.items() if kind.startswith("status:"))
    assert len(event.evidence) + len(event.dead_letters) + ignored == len(statuses)


# Times


RECEIVED = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("timestamp", "at"),
    [
        (RECEIVED.timestamp() - 1, RECEIVED - dt.timedelta(seconds=1)),
        (RECEIVED.timestamp() + 1, RECEIVED),
        (RECEIVED.timestamp() + 365 * 86_400, RECEIVED),
        (str(int(RECEIVED.timestamp() + 365 * 86_400)) + "000", RECEIVED),
        ("9" * 11, RECEIVED),
        (10**30, RECEIVED),
        (10**400, RECEIVED),
        (0, RECEIVED),
        ("1", RECEIVED),
        (-(10**12), RECEIVED),
        (1_230_768_000, RECEIVED),
        (1_230_768_001, dt.datetime(2009, 1, 1, 0, 0, 1, tzinfo=dt.UTC)),
    ],
)
def test_no_time_is_later_than_the_receipt_or_earlier_than_whatsapp(timestamp, at):
    answer = {"from": "5511900000001", "type": "text", "text": {"body": "STOP"}, "timestamp": timestamp}
    value = make_value(make_status(timestamp=timestamp), messages=[answer])
    event = parse_event(make_body(value)).bound_times(RECEIVED)
    assert [each.at for each in (*event.evidence, *event.optouts)] == [at, at]


def test_a_resume_of_an_absurd_time_ends_no_refusal():
    def read(value, timestamp):
        preference = {
            "wa_id": "5511900000001",
            "value": value,
            "category": "marketing_messages",
            "timestamp": timestamp,
        }
        body = make_body({"user_preferences": [preference]}, "user_preferences")
        return parse_event(body).bound_times(RECEIVED).optouts[0].at

    assert read("stop", 0) == read("stop", 10**11) == read("resume", 10**11) == RECEIVED
    assert read("resume", 0).year == 2009


def test_events_and_pairs_are_bounded_by_the_receipt():
    template = {
        "message_template_id": 1,
        "message_template_name": "a",
        "message_template_language": "en",
        "event": "PAUSED",
    }
    entry = {"time": int(RECEIVED.timestamp()) + 86_400}
    event = parse_event(make_body(template, "message_template_status_update", **entry)).bound_times(RECEIVED)
    assert event.template_events[0].at == RECEIVED
    event = parse_event(make_body({"event": "FLAGGED"}, "account_update", **entry)).bound_times(RECEIVED)
    assert event.account_events[0].at == RECEIVED
    status = make_status(recipient_user_id="BR.1", timestamp=entry["time"])
    event = parse_event(make_statuses_body(status)).bound_times(RECEIVED)
    assert list(event.people.pairs.values()) == [RECEIVED]
