import base64
import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.broker.task_messages import NotATaskMessage, TaskMessage, find_flaw, read_task_message

QUEUES = {"campaigns.run": "campaigns", "campaigns.tick": "control", "health.check_account": "health"}
PLAIN = {
    "task": "campaigns.run",
    "id": "0c5f7f4e",
    "eta": None,
    "lease_epoch": 7,
    "retries": 0,
    "timelimit": [None, None],
}
AFTER = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
ENVELOPE = {
    "body": base64.b64encode(b"[[34], {}, {}]").decode(),
    "content-encoding": "utf-8",
    "content-type": "application/json",
    "headers": PLAIN,
    "properties": {
        "delivery_tag": "1",
        "delivery_info": {"exchange": "campaigns", "routing_key": "campaigns"},
        "body_encoding": "base64",
    },
}


def read(headers=PLAIN, body=b"[[34], {}, null]", queue="campaigns"):
    return read_task_message(headers, body, queue=queue, queues=QUEUES)


def test_a_task_message_is_a_name_an_id_arguments_and_an_epoch():
    body = json.dumps([[34], {}, AFTER]).encode()
    assert read(body=body) == TaskMessage("campaigns.run", "0c5f7f4e", [34], 7, {})


@pytest.mark.parametrize(
    ("task", "published", "taken"),
    [
        ("campaigns.run", [34, 35], [34]),
        ("campaigns.run", [34, None, 7], [34]),
        ("campaigns.tick", [1], []),
        ("health.check_account", [1, None, 3], [1, None]),
        ("health.check_account", [1], [1]),
    ],
)
def test_further_ids_of_a_newer_version_are_dropped_and_the_task_is_kept(task, published, taken):
    body = json.dumps([published, {}, None])
    assert read(headers=PLAIN | {"task": task}, body=body, queue=QUEUES[task]).arguments == taken


@pytest.mark.parametrize("arguments", [[], [None], [None, 34]])
def test_a_task_without_an_id_that_it_requires_is_refused(arguments):
    with pytest.raises(NotATaskMessage):
        read(body=json.dumps([arguments, {}, None]))


TRACE = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7",
    "baggage": "userId=alice,serverNode=DF%2028",
    "sentry-trace": "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
}


def test_headers_of_a_trace_are_kept_and_no_others():
    assert read(headers=PLAIN | TRACE | {"x-evil": "1", "Traceparent": "x"}).trace == TRACE
    # Sentry publishes its headers a second time, in a header of this name.
    assert read(headers=PLAIN | {"headers": {"sentry-trace": "a-b-1", "x-evil": "1"}}).trace == {
        "sentry-trace": "a-b-1"
    }


@pytest.mark.parametrize("value", [None, 7, True, [], {}, "", "a\nb", "\x1b[2J", "x" * 9_000])
@pytest.mark.parametrize("name", TRACE)
def test_an_invalid_header_of_a_trace_is_dropped_and_the_task_is_kept(name, value):
    assert read(headers=PLAIN | TRACE | {name: value}) == read(headers=PLAIN | TRACE | {name: None})
    assert name not in read(headers=PLAIN | TRACE | {name: value}).trace


@pytest.mark.parametrize("nested", [None, 7, "x", [1], [["traceparent", "x"]]])
def test_a_header_named_headers_that_holds_no_headers_is_ignored(nested):
    assert read(headers=PLAIN | {"headers": nested}) == read()


def test_a_publisher_that_names_no_epoch_is_understood():
    headers = {name: value for name, value in PLAIN.items() if name != "lease_epoch"}
    assert read(headers=headers).lease_epoch is None


def test_the_expiry_that_an_old_version_publishes_is_dropped():
    """A worker would compare the expiry with the clock of its own machine."""
    assert read(headers=PLAIN | {"expires": "2026-11-23T14:21:19.043373+00:00"}) == read()


@pytest.mark.parametrize(
    "changes",
    [
        *({"task": value} for value in (None, "os.system", ["campaigns.run"], {}, 7, "celery.chord_unlock")),
        *({"id": value} for value in (None, "", [1], "x" * 101, "a\nb")),
        *({"eta": value} for value in ("9999-12-31T23:59:59+00:00", 5, "")),
        *({"expires": value} for value in ("soon", 7, [1], "2026-11-23T14:21:19", "9999-12-31T23:59:59+00:00")),
        *({"lease_epoch": value} for value in ("7", -1, 2**63, 1.0, True, [7])),
        *({"timelimit": value} for value in ("x", [1], [1, 1], 0)),
        *({"retries": value} for value in ("x", 2**70, -1)),
        {"group": "g"},
    ],
    ids=str,
)
def test_a_header_that_no_task_of_ours_has_is_refused(changes):
    with pytest.raises(NotATaskMessage):
        read(headers=PLAIN | changes)


@pytest.mark.parametrize("headers", [None, [], "x", {}])
def test_a_message_without_headers_is_refused(headers):
    with pytest.raises(NotATaskMessage):
        read(headers=headers)


@pytest.mark.parametrize(
    "body",
    [
        *(
            json.dumps([[value], {}, None])
            for value in ("34", "1; DROP TABLE campaigns", 0, -1, 2**63, 1.0, float("nan"), True, [1], {"a": 1}, "\0")
        ),
        *(
            json.dumps([[34], {}, AFTER | {name: value}])
            for name, value in (("callbacks", [7]), ("errbacks", ["x"]), ("chain", [{}]), ("chord", "x"))
        ),
        json.dumps([[34], {"campaign_id": 1}, None]),
        *("", "7", "{}", "[]", "[[34]]", "[7, {}, {}]", "[[34], {}, 7]", "<html>", "[" * 9_000),
        "[[34], {}, null]" + " " * 10_000,
        pickle.dumps(([34], {}, None)),
        None,
        7,
    ],
    ids=lambda body: repr(body)[:40],
)
def test_a_body_that_holds_more_than_ids_is_refused(body):
    with pytest.raises(NotATaskMessage):
        read(body=body)


def test_a_task_is_accepted_from_its_own_queue_only():
    with pytest.raises(NotATaskMessage, match="does not belong to this queue"):
        read(queue="control")


def test_a_message_that_the_client_wrote_has_no_flaw():
    assert find_flaw(ENVELOPE) == ""
    assert find_flaw({**ENVELOPE, "headers": None}) == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": [1]},
        {"headers": PLAIN | {"compression": "application/x-gzip"}},
        {"properties": None},
        {"properties": {}},
        *({"properties": ENVELOPE["properties"] | {name: None}} for name in ENVELOPE["properties"]),
        {"properties": ENVELOPE["properties"] | {"delivery_info": {"exchange": "x", "routing_key": 7}}},
        {"properties": ENVELOPE["properties"] | {"body_encoding": "rot13"}},
        {"body": "AAA"},
        {"body": 7},
        {"content-type": "application/x-python-serialize"},
        {"content-type": ["application/json"]},
        {"content-encoding": "klingon"},
    ],
    ids=str,
)
def test_a_message_that_kombu_cannot_have_written_has_a_flaw(changes):
    assert find_flaw(ENVELOPE | changes)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*PLAIN, *ENVELOPE]), inner),
    max_leaves=12,
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(_JSON, _JSON, st.binary() | st.text() | _JSON.map(json.dumps), st.text() | _JSON)
def test_any_message_is_refused_or_holds_nothing_but_ids(envelope, headers, body, queue):
    assert isinstance(find_flaw(envelope), str)
    headers = PLAIN | headers if isinstance(headers, dict) else headers
    try:
        task = read(headers, body, queue)
    except NotATaskMessage:
        return
    assert all(value is None or 0 < value < 2**63 for value in task.arguments)
