import pytest
from celery.worker.control import Panel

from campaigns.broker.remote_control import (
    REFUSED_COMMANDS,
    find_command_flaw,
    find_event_flaw,
    find_header_flaw,
    find_reply_flaw,
)
from campaigns.cli import remote_control

PLAIN = {"method": "ping", "arguments": {}, "destination": None, "pattern": None, "matcher": None}
REPLY_TO = {"exchange": "reply.celery.pidbox", "routing_key": "5e037d29"}
EVENT = {
    "type": "task-received",
    "hostname": "w@h",
    "timestamp": 1.5,
    "clock": 2,
    "utcoffset": 0,
    "pid": 7,
    "uuid": "u",
}


def find_flaw(**changes):
    return find_command_flaw(PLAIN | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"reply_to": REPLY_TO, "ticket": "t"},
        {"destination": ["worker@one", "worker@two"]},
        {"pattern": "worker@*", "matcher": "glob"},
        {"method": "active", "arguments": {"safe": None}},
        {"method": "revoke", "arguments": {"task_id": ["a", "b"], "terminate": False, "signal": "SIGTERM"}},
        {"method": "query_task", "arguments": {"ids": "a"}},
        {"method": "cancel_consumer", "arguments": {"queue": "campaigns"}},
    ],
    ids=str,
)
def test_what_celery_itself_sends_is_let_in(changes):
    assert find_flaw(**changes) == ""


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"method": "election"}, "its command is not allowed"),
        ({"method": ["ping"]}, "its command is not allowed"),
        ({"evil": 1}, "it does not have the form of a command"),
        ({"arguments": [1]}, "ping has arguments without names"),
        ({"arguments": {"state": 1}}, "ping has an argument that it does not take"),
        ({"method": "query_task", "arguments": {"ids": [["a"]]}}, "query_task has an argument that it does not take"),
        (
            {"method": "add_consumer", "arguments": {"queue": "campaigns", "durable": False}},
            "add_consumer has an argument that it does not take",
        ),
        ({"method": "pool_grow", "arguments": [1]}, "pool_grow has arguments without names"),
        ({"destination": "worker@one"}, "its destination is no list of names"),
        ({"pattern": "(a+)+!", "matcher": "pcre"}, "its pattern is no glob"),
        ({"ticket": [1]}, "its ticket is no text"),
        ({"reply_to": {**REPLY_TO, "exchange": "celery.pidbox"}}, "its reply_to is not the exchange for replies"),
        ({"reply_to": {"exchange": 1, "routing_key": 2}}, "its reply_to is no address"),
    ],
    ids=str,
)
def test_what_it_would_not_send_is_refused_with_the_reason(changes, why):
    assert find_flaw(**changes) == why


@pytest.mark.parametrize("command", [None, 7, "ping", [], ["ping"], {}])
def test_a_command_is_an_object_with_a_method(command):
    assert find_command_flaw(command) != ""


@pytest.mark.parametrize("method", sorted(REFUSED_COMMANDS))
def test_a_command_that_cannot_work_is_answered_with_a_sentence_whatever_its_arguments_are(method):
    arguments = {"state": 1, "self": [1], "task_id": {"a": 1}, "n": "x", "x y": None}
    assert find_flaw(method=method, arguments=arguments) == ""
    (reason,) = Panel.data[method](None, **arguments).values()
    assert reason.endswith((".", "`."))


def test_the_answers_of_a_worker_are_in_its_language(monkeypatch):
    monkeypatch.setenv("REVOADA_LANGUAGE", "pt_BR")
    (reason,) = Panel.data["pool_restart"](None).values()
    assert reason.startswith("Threads não podem ser reiniciadas.")
    (reason,) = Panel.data["cancel_consumer"](None, queue="other").values()
    assert reason.startswith("Este worker não foi iniciado para essa fila")


def test_each_command_of_celery_is_carried_out_or_answered_or_has_no_asker():
    """Workers send `hello` and `election` to each other, and ours do not."""
    unknown = {name for name in Panel.data if find_flaw(method=name) == "its command is not allowed"}
    assert unknown == {"hello", "election"}
    assert remote_control._REASONS.keys() == REFUSED_COMMANDS


def test_headers_hold_a_count_a_time_and_a_ticket():
    assert find_header_flaw({"clock": 7, "expires": 1795854824.4, "ticket": "t", "hostname": "w@h"}) == ""
    assert find_header_flaw(None) == ""
    for headers in ({"clock": "7"}, {"clock": 2**60}, {"clock": -1}, {"clock": 0.5}, {"expires": []}, {"ticket": [1]}):
        assert find_header_flaw(headers) != "", headers


def test_replies_are_by_name():
    assert find_reply_flaw({"worker@one": {"ok": "pong"}}) == ""
    for reply in (None, [], {}, "x", [{"worker@one": 1}]):
        assert find_reply_flaw(reply) != "", reply


def test_events_come_alone_or_as_a_list():
    assert find_event_flaw(EVENT) == find_event_flaw([EVENT, EVENT]) == ""
    for changes in ({"type": 7}, {"hostname": None}, {"timestamp": "now"}, {"clock": None}, {"uuid": ["u"]}):
        assert find_event_flaw([EVENT, EVENT | changes]) != "", changes
