"""A throttled send uses no attempt: the number sends more slowly, or the one person waits, and all get one message."""

from __future__ import annotations

import redis
from harness import Flow, wait_for


def test_throttled_messages_use_no_attempt_the_rate_halves_and_one_person_waits_alone(flow: Flow) -> None:
    throttled = flow.add_account("Vendas", outcome="error:130429")
    free = flow.add_account("Novidades")
    many = flow.add_campaign("Black Friday", [throttled], people=120)
    few = flow.add_campaign("Newsletter", [free], people=100)
    waiting = few.phones[3]
    flow.far.script(suffixes={waiting.removeprefix("+"): "error:131056"})

    started_at = flow.start_campaigns(many, few)
    with redis.Redis.from_url(flow.stack.environment["REDIS_URL"]) as valkey:
        key = f"revoada:throttle:{throttled.id}"
        wait_for(lambda: float(valkey.hget(key, "factor") or 1) < 0.5, "the rate has halved, and again")
    flow.far.script(accounts={throttled.number: {"outcome": "ok"}})
    # The simulator refuses sends to the one person until all others have their message.
    flow.await_accepted(few, 99)
    assert {f"+{each['to']}" for each in flow.far.accepted(few)} == set(few.phones) - {waiting}
    flow.far.script(suffixes={waiting.removeprefix("+"): "ok"})
    flow.await_status("completed", many, few)

    flow.assert_everybody_got_one(many, few)
    assert flow.counts() == {"sent": 220}
    errors = flow.far.stats()["accounts"][throttled.number]["errors"]
    assert set(errors) == {"130429"}
    assert flow.query("SELECT DISTINCT attempts FROM messages") == [(1,)]
    assert flow.query("SELECT sum(send_no - 1) FROM messages WHERE campaign_id = %s", many.id) == [(errors["130429"],)]
    assert flow.query("SELECT active, consecutive_failures FROM accounts ORDER BY id") == [(True, 0), (True, 0)]

    refusals = flow.far.stats()["accounts"][free.number]["errors"]["131056"]
    assert flow.query("SELECT attempts, send_no FROM messages WHERE phone = %s", waiting) == [(1, 1 + refusals)]
    assert flow.query("SELECT count(*) FROM messages WHERE campaign_id = %s AND send_no > 1", few.id) == [(1,)]
    # The first refusal of a pair delays its message by a second, each further one by four times as much.
    waited_seconds = flow.far.times(few)[-1] - started_at
    assert waited_seconds >= sum(4**number for number in range(refusals))
    flow.assert_counters_equal_rows()
