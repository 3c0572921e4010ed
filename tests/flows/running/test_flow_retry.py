"""After a campaign went out: failed messages go again once."""

from __future__ import annotations

from harness import Flow, wait_for


def test_what_failed_goes_again_and_completes_and_nobody_else_does(flow: Flow) -> None:
    flow.receive_webhooks()
    sale = flow.add_campaign("Sale", [flow.add_account("One")], people=20)
    # The last of the phones fails once by webhook, after it was accepted.
    flow.far.script(suffixes={sale.phones[-1][-6:]: ["failed:131000*1", "read"]}, webhooks={"read_probability": 0})
    flow.start_campaigns(sale)
    flow.await_status("completed", sale)
    wait_for(lambda: flow.counts(sale) == {"delivered": 19, "failed": 1}, "one has failed")

    answer = flow.run_command("revoada", "campaign", "retry", str(sale.id), "--class", "server", "--yes")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "1 message will be sent again. It is running." in answer.stdout

    flow.await_arrival(sale)
    flow.await_status("completed", sale)
    assert flow.far.arrived() == dict.fromkeys(sale.phones, 1) | {sale.phones[-1]: 2}
    assert flow.query("SELECT send_no, attempts FROM messages WHERE phone = %s", sale.phones[-1]) == [(2, 1)]
    flow.assert_counters_equal_rows()
