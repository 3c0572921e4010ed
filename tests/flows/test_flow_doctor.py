"""`revoada doctor` and `check-setup` on an installation that runs, and on one of which half is gone."""

from __future__ import annotations

import json
import re

from harness import Flow, wait_for


def examine(flow: Flow, *words: str) -> tuple[int, dict[str, list[str]]]:
    """Return the exit code, and the sentences of each kind."""
    done = flow.run_command("revoada", "doctor", "--json", *words)
    assert done.stderr == ""
    assert flow.find_leaks(done.stdout) == []
    found: dict[str, list[str]] = {}
    for finding in json.loads(done.stdout):
        found.setdefault(finding["kind"], []).append(finding["text"])
    # The tests' own server is faster than safe.
    assert any("fsync = off" in text for text in found.pop("unsafe_setting"))
    return done.returncode, found


def check_setup(flow: Flow) -> tuple[int, dict[str, str]]:
    """Return the exit code, and the states of what is not as it should be."""
    done = flow.run_command("revoada", "check-setup", "--json", "--webhook-url", flow.stack.webhooks_url)
    assert flow.find_leaks(done.stdout + done.stderr) == []
    states = {check["name"]: check["state"] for check in json.loads(done.stdout)}
    return done.returncode, {name: state for name, state in states.items() if state != "ok"}


def test_doctor_and_check_setup_find_nothing_where_all_runs_and_what_is_gone_where_it_is_not(flow: Flow) -> None:
    flow.start("webhooks", "events", "worker", "beat", tick_seconds=10, slice_seconds=2)
    campaign = flow.add_campaign("Slow", [flow.add_account("Vendas")], people=3_000, interval_seconds=0.2)
    flow.far.script(templates=[{"name": "template_1", "language": "pt_BR", "body": "Oi {{1}}, hoje {{2}}."}])
    flow.await_ready()
    flow.start_campaigns(campaign)
    flow.await_accepted(campaign, 3)
    wait_for(lambda: len(flow.query("SELECT FROM workers")) == 2, "both report")
    # A process has two seconds to answer the doctor. One that had no CPU meanwhile is asked again.
    wait_for(lambda: examine(flow) == (1, {}), "the doctor finds nothing")

    # A process has three seconds to answer.
    code, states = wait_for(
        lambda: (found := check_setup(flow))[1].keys() == {"address"} and found, "only the address is not public"
    )
    assert code == 0
    flow.role("worker").kill()
    code, states = wait_for(
        lambda: (found := check_setup(flow))[1].keys() == {"address", "queue campaigns"} and found,
        "only the worker is missing",
    )
    assert (code, states["queue campaigns"]) == (1, "missing")

    flow.forget_role("worker")
    for name in ("beat", "events"):
        flow.role(name).kill()
        flow.forget_role(name)
    flow.enqueue([campaign.id])
    flow.execute("UPDATE workers SET seen_at = seen_at - interval '5 min'")
    flow.execute("UPDATE installation SET ticked_at = ticked_at - interval '5 min'")
    code, found = examine(flow, str(campaign.id))
    assert code == 2
    assert len(found.pop("worker_silent")) == 2
    campaigns, control, webhooks = found.pop("no_worker")
    assert re.match(r"No worker answers for the queue `campaigns`, which holds [12] tasks?: nothing is sent", campaigns)
    assert "`control`" in control and "`webhooks`" in webhooks
    assert found["tick"][0].startswith("The last tick was")
    # The campaign may have waited for its interval when its worker was killed.
    assert found.keys() <= {"tick", "no_beat", "lease_of_silent", "uncertain", "not_taken", "is_due", "waits_interval"}
    assert found.keys() >= {"tick", "no_beat"}
