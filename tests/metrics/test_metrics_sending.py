"""The metrics that a slice counts."""

from campaigns.metrics.counts import Counts
from campaigns.sending.run import run_slice
from campaigns.sending.start import begin_slice
from tests.store.rows import add_campaign, add_messages

PEOPLE = 12


def test_a_slice_counts_its_claims_replies_and_end(make_tools, far, database, add_sender, monkeypatch):
    fresh = Counts()
    for place in ("campaigns.sending.run", "campaigns.sending.samples"):
        monkeypatch.setattr(f"{place}.counts", fresh)
    tools = make_tools(f"{far.url}/v24.0")
    account = add_sender()
    campaign_id = database.run(add_campaign, accounts=[account])
    database.run(add_messages, campaign_id, PEOPLE)
    run_slice(begin_slice(campaign_id, tools), tools)
    found = fresh.read()
    assert found["revoada_claimed_total", ()] == PEOPLE
    assert found["revoada_replies_total", (str(account), "accepted")] == PEOPLE
    assert found["revoada_slices_total", ("finished",)] == 1
    seconds = {key: count for key, count in found.items() if key[0] == "revoada_reply_seconds" and key[1] != ("sum",)}
    assert sum(seconds.values()) == PEOPLE
    assert found["revoada_claim_seconds", ("sum",)] > 0
    assert found["revoada_settle_seconds", ("sum",)] > 0
