"""Postgres comes back as it was before half of a campaign went out."""

from __future__ import annotations

from harness import Flow, wait_for

from campaigns.management.lifecycle import resume_campaigns
from tests.store.test_backup import PAGE, find_commands, run

NEVER_MS = 600_000  # until the test lets them go
PEOPLE = 240


def test_after_a_restore_to_an_older_state_nobody_gets_it_twice(flow: Flow) -> None:
    flow.far.script(
        latency_ms=[50, 150], webhooks=dict.fromkeys(("sent_after_ms", "delivered_after_ms", "read_after_ms"), NEVER_MS)
    )
    flow.start("worker", "events", "webhooks", lease_seconds=5, renew_seconds=1, http_timeout_seconds=3)
    account = flow.add_account("Vendas", rate=20)
    sale = flow.add_campaign("Black Friday", [account], people=PEOPLE)
    flow.await_ready()
    flow.start_campaigns(sale)

    flow.await_accepted(sale, 30)
    dump, restore = find_commands(PAGE)
    url = flow.stack.environment["DATABASE_URL"]
    since = flow.query("SELECT clock_timestamp()::text")[0][0]
    run(dump, url, flow.stack.folder)
    flow.await_accepted(sale, 70)
    refused = flow.run_command("revoada", "recover", "--since", since, "--yes")
    assert "stop all roles first" in refused.stderr

    for name in ("worker", "events", "webhooks"):
        flow.role(name).kill()
        flow.forget_role(name)
    run(restore, url, flow.stack.folder)
    known = flow.counts(sale)
    assert known["sent"] < 70
    sent = len(flow.far.accepted(sale))
    assert 70 <= sent < PEOPLE

    answer = wait_for(lambda: recover(flow, since), "the lease of the restored state has run out")
    assert "paused" in answer
    assert flow.status(sale)[0] == "paused"
    again = flow.run_command("revoada", "recover", "--since", since, "--yes")
    assert "This was done before: nothing was changed." in again.stdout, again.stderr

    flow.query("UPDATE accounts SET messages_per_second = 500 RETURNING id")
    flow.start("worker2", "events2", "webhooks")
    flow.await_ready()
    flow.command(resume_campaigns, sale)
    flow.await_status("completed", sale)
    assert len(flow.far.accepted(sale)) == sent
    assert flow.counts(sale) == {"sent": known["sent"], "uncertain": PEOPLE - known["sent"]}

    # What Meta still tells settles everybody who got it; a person sends to the others.
    flow.far.flush()
    accepted = {f"+{each['to']}" for each in flow.far.accepted(sale)}
    wait_for(lambda: flow.counts(sale).get("uncertain") == PEOPLE - len(accepted), "webhooks settle what was forgotten")
    answer = flow.run_command("revoada", "campaign", "retry-uncertain", str(sale.id), "--yes")
    assert f"up to {PEOPLE - len(accepted)} people might get it twice. It is running." in answer.stdout, answer.stderr
    flow.await_status("completed", sale)

    flow.assert_everybody_got_one(sale)
    flow.assert_nobody_got_two()
    flow.assert_counters_equal_rows()


def recover(flow: Flow, since: str) -> str:
    """Return what the command says; "" while it refuses because of the lease."""
    done = flow.run_command("revoada", "recover", "--since", since, "--yes")
    assert done.returncode == 0 or "the last lease has run out" in done.stderr, done.stderr
    return done.stdout if done.returncode == 0 else ""
