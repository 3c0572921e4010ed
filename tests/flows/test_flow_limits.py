"""Meta's throttles cost no attempt: the number slows down, the one person waits, and everybody gets one."""

from __future__ import annotations

import redis
from harness import Flow, wait_for


def test_throttled_messages_use_no_attempt_the_rate_halves_and_one_person_waits_alone(flow: Flow) -> None:
    flow.start("worker")
    far_rate = 20
    throttled = flow.add_account("Vendas", rate=80, messages_per_second=far_rate)
    free = flow.add_account("Novidades", rate=40)
    many = flow.add_campaign("Black Friday", [throttled], people=120)
    few = flow.add_campaign("Newsletter", [free], people=100)
    waiting = few.phones[3]
    flow.far.script(suffixes={waiting.removeprefix("+"): ["error:131056*1", "ok"]})
    flow.await_ready()

    flow.start_campaigns(many, few)
    with redis.Redis.from_url(flow.stack.environment["REDIS_URL"]) as valkey:
        key = f"revoada:throttle:{throttled.id}"
        wait_for(lambda: float(valkey.hget(key, "factor") or 1) <= 0.5, "the rate has halved")
    flow.await_status("completed", many, few)

    flow.assert_everybody_got_one(many, few)
    assert flow.counts() == {"sent": 220}
    errors = flow.far.stats()["accounts"][throttled.number]["errors"]
    assert set(errors) == {"130429"}
    # At full rate the far end would have refused three of four.
    assert errors["130429"] < len(many.phones)
    assert flow.query("SELECT DISTINCT attempts FROM messages") == [(1,)]
    assert flow.query("SELECT sum(send_no - 1) FROM messages WHERE campaign_id = %s", many.id) == [(errors["130429"],)]
    assert flow.query("SELECT active, consecutive_failures FROM accounts ORDER BY id") == [(True, 0), (True, 0)]

    assert flow.query("SELECT attempts, send_no FROM messages WHERE phone = %s", waiting) == [(1, 2)]
    assert flow.query("SELECT count(*) FROM messages WHERE campaign_id = %s AND send_no > 1", few.id) == [(1,)]
    order = flow.far.accepted(few)
    place = next(index for index, each in enumerate(order) if f"+{each['to']}" == waiting)
    # The first refusal of a pair costs a second; at 40 messages/s the others went by.
    assert order[place]["epoch"] - order[0]["epoch"] > 0.8
    assert place > 20
    flow.assert_counters_equal_rows()
