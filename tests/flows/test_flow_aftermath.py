"""After it went out, and before: failed messages go again once, and a look at the setup sees real processes."""

from __future__ import annotations

import json

from harness import Flow, wait_for


def test_what_failed_goes_again_and_completes_and_nobody_else_does(flow: Flow) -> None:
    flow.start("worker", "events", "beat", "webhooks")
    sale = flow.add_campaign("Sale", [flow.add_account("One")], people=20)
    # The last of the phones fails once by webhook, after it was accepted.
    flow.far.script(suffixes={sale.phones[-1][-6:]: ["failed:131000*1", "read"]}, webhooks={"read_probability": 0})
    flow.await_ready()
    flow.start_campaigns(sale)
    flow.await_status("completed", sale)
    wait_for(lambda: flow.counts(sale) == {"delivered": 19, "failed": 1}, "one has failed")

    answer = flow.run_command("revoada", "campaign", "retry", str(sale.id), "--class", "server")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "1 message will be sent again. It is running." in answer.stdout

    flow.await_arrival(sale)
    flow.await_status("completed", sale)
    assert flow.far.arrived() == dict.fromkeys(sale.phones, 1) | {sale.phones[-1]: 2}
    assert flow.query("SELECT send_no, attempts FROM messages WHERE phone = %s", sale.phones[-1]) == [(2, 1)]
    flow.assert_counters_equal_rows()


def test_a_look_at_the_setup_sees_the_processes_that_run(flow: Flow) -> None:
    flow.start("worker", "events", "beat", "webhooks")
    flow.add_account("One")
    flow.await_ready()
    words = ("revoada", "check-setup", "--json", "--webhook-url", flow.stack.webhooks_url)

    def look() -> tuple[int, dict[str, str]]:
        answer = flow.run_command(*words)
        assert flow.find_leaks(answer.stdout + answer.stderr) == []
        states = {check["name"]: check["state"] for check in json.loads(answer.stdout)}
        return answer.returncode, {name: state for name, state in states.items() if state != "ok"}

    # A process has three seconds to answer. One that had no CPU meanwhile is asked again.
    code, states = wait_for(
        lambda: (found := look())[1].keys() == {"address"} and found, "only the address is not public"
    )
    assert code == 0

    flow.role("worker").stop()
    flow.forget_role("worker")
    code, states = wait_for(
        lambda: (found := look())[1].keys() == {"address", "queue campaigns"} and found, "only the worker is missing"
    )
    assert (code, states["queue campaigns"]) == (1, "missing")
