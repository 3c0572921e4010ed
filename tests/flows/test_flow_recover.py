"""Postgres is restored to a state before half of a campaign was sent."""

from __future__ import annotations

import subprocess

from harness import Flow, wait_for

from campaigns.management.lifecycle import resume_campaigns
from devstack.proxy import Proxy
from tests.store.test_backup import PAGE, find_commands, run

NEVER_MS = 600_000  # until the test changes it
PEOPLE = 240


def test_after_a_restore_to_an_older_state_nobody_gets_it_twice(flow: Flow, gate: Proxy) -> None:
    flow.far.script(webhooks=dict.fromkeys(("sent_after_ms", "delivered_after_ms", "read_after_ms"), NEVER_MS))
    flow.start("worker", "events", "webhooks")
    sale = flow.add_campaign("Black Friday", [flow.add_account("Vendas", rate=20)], people=PEOPLE)
    flow.await_ready()
    flow.start_campaigns(sale)

    # Nothing is sent while the test prepares the restore, so the campaign does not reach the end of its list.
    flow.await_accepted(sale, 30)
    gate.freeze()
    flow.await_on_the_wire(sale)
    dump, restore, _without_files = find_commands(PAGE)
    url = flow.stack.environment["DATABASE_URL"]
    since = flow.query("SELECT clock_timestamp()::text")[0][0]
    run(dump, url, flow.stack.folder)
    gate.thaw()
    flow.await_accepted(sale, len(flow.far.accepted(sale)) + 40)
    gate.freeze()
    refused = recover(flow, since)
    assert "stop all roles first" in refused.stderr

    for name in ("worker", "events", "webhooks"):
        flow.role(name).kill()
        flow.forget_role(name)
    gate.reset()
    gate.thaw()
    run(restore, url, flow.stack.folder)
    known = flow.counts(sale)
    sent = len(flow.far.accepted(sale))
    assert known["sent"] < sent < PEOPLE

    refused = recover(flow, since)
    assert "when the last lease has run out" in refused.stderr, "the lease of the restored state lives"
    flow.execute("UPDATE leases SET until = clock_timestamp()")
    done = recover(flow, since)
    assert done.returncode == 0, done.stderr
    assert "paused" in done.stdout
    assert flow.status(sale)[0] == "paused"
    again = recover(flow, since)
    assert "This was done before: nothing was changed." in again.stdout, again.stderr

    flow.execute("UPDATE accounts SET messages_per_second = 500")
    flow.start("worker2", "events2", "webhooks")
    flow.await_ready()
    flow.command(resume_campaigns, sale)
    flow.await_status("completed", sale)
    assert len(flow.far.accepted(sale)) == sent
    assert flow.counts(sale) == {"sent": known["sent"], "uncertain": PEOPLE - known["sent"]}

    # Late webhooks settle the messages that were sent; a person lets the others be sent again.
    flow.far.flush()
    accepted = {f"+{each['to']}" for each in flow.far.accepted(sale)}
    wait_for(lambda: flow.counts(sale).get("uncertain") == PEOPLE - len(accepted), "webhooks settle what was forgotten")
    answer = flow.run_command("revoada", "campaign", "retry-uncertain", str(sale.id), "--yes")
    assert f"up to {PEOPLE - len(accepted)} people might get it twice. It is running." in answer.stdout, answer.stderr
    flow.await_status("completed", sale)

    flow.assert_everybody_got_one(sale)
    flow.assert_nobody_got_two()
    flow.assert_counters_equal_rows()


def recover(flow: Flow, since: str) -> subprocess.CompletedProcess[str]:
    return flow.run_command("revoada", "recover", "--since", since, "--yes")
