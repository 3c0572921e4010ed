"""What is asked on the hot path stays an index scan, whatever the planner knows of the parameters."""

import json

import pytest

from campaigns.doctor.diagnose import load_facts
from campaigns.store.campaigns import list_campaigns
from campaigns.store.database import JoinedDatabase, query
from tests.golden.gather import compare
from tests.store.rows import add_account, add_campaign, fetch


@pytest.fixture(scope="module")
def database(shared):
    """60,000 messages in three campaigns, most of them sent; as many campaigns that ended, and webhooks that wait."""
    account_id = shared.run(add_account)
    for _ in range(3):
        campaign_id = shared.run(add_campaign, accounts=[account_id])
        fetch(
            shared,
            "INSERT INTO messages (campaign_id, phone, recipient_key, status, account_id, claimed_at, send_no,"
            " attempts, wamid, sent_at, not_before) SELECT %s, '+55' || 11900000000 + n, '+55' || 11900000000 + n,"
            " (CASE WHEN n < 18000 THEN 'sent' ELSE 'pending' END)::message_status, %s, now(), 1, 1,"
            " 'wamid.' || %s || '.' || n, now(), CASE WHEN n BETWEEN 18000 AND 18100 THEN now() END"
            " FROM generate_series(1, 20000) n",
            campaign_id,
            account_id,
            campaign_id,
        )
    fetch(
        shared,
        "INSERT INTO suppressions SELECT '+55' || 11900000000 + n, source, true, now()"
        " FROM generate_series(1, 5000) n, unnest('{word,meta}'::text[]) source",
    )
    fetch(
        shared,
        "INSERT INTO optout_reviews (recipient_key, answer, source, detail, text, said_at, phone_number_id,"
        " decided_at, decision) SELECT '+55' || 11900000000 + n, sha256(n::text::bytea), 'word', '', '', now(), '',"
        " CASE WHEN n > 50 THEN now() END, CASE WHEN n > 50 THEN 'dismissed' END FROM generate_series(1, 20000) n",
    )
    fetch(
        shared,
        "INSERT INTO user_ids SELECT 'BR.' || n, '+55' || 11900000000 + n, now() FROM generate_series(1, 20000) n",
    )
    fetch(
        shared,
        "INSERT INTO webhook_events (body, next_try_at)"
        " SELECT '{}', now() - make_interval(secs => n) FROM generate_series(1, 60000) n",
    )
    fetch(
        shared,
        "INSERT INTO campaigns (name, status, time_zone, template_id, started_at, completed_at)"
        " SELECT 'Old', 'completed', 'UTC', min(template_id), now(), now()"
        " FROM campaigns, generate_series(1, 60000) n GROUP BY n",
    )
    fetch(shared, "INSERT INTO leases (campaign_id) SELECT id FROM campaigns ON CONFLICT DO NOTHING")
    fetch(
        shared,
        "INSERT INTO audit_events (at, actor, actor_kind, surface, what, target_id)"
        " SELECT now() - make_interval(secs => n), 'ana', 'cli', 'cli', 'campaign.pause', n %% 100"
        " FROM generate_series(1, 60000) n",
    )
    vacuum(shared)
    return shared


def vacuum(database):
    with database._pool.connection() as connection:
        connection.set_autocommit(True)
        connection.execute(
            "VACUUM ANALYZE messages, suppressions, webhook_events, campaigns, leases, optout_reviews, user_ids,"
            " audit_events"
        )
        connection.set_autocommit(False)


def list_nodes(plan):
    yield plan
    for part in plan.get("Plans", []):
        yield from list_nodes(part)


def explain(database, name, *, tables=("messages", "suppressions"), is_run=False, **parameters):
    """The nodes of the generic plan of the statement `name` that read one of the tables.

    `is_run`: the statement runs, and each node counts how often it ran.
    """
    nodes = list(list_nodes(load_plan(database, name, is_run=is_run, **parameters)))
    read = [node for node in nodes if node.get("Relation Name") in tables]
    return [node for node in read if "Scan" in node["Node Type"]] + [
        node for node in nodes if node["Node Type"] == "Bitmap Index Scan"
    ]


def load_plan(database, name, *, is_run=False, **parameters):
    values = list(parameters.values())
    text = query(name).decode()
    for number, key in enumerate(parameters, 1):
        text = text.replace(f"%({key})s", f"${number}")

    def work(connection):
        connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        types, arguments = ("(" + ", ".join(texts) + ")" for texts in zip(*values, strict=True)) if values else ("", "")
        connection.execute(f"PREPARE explained {types} AS {text.replace('%%', '%')}")
        options = "ANALYZE, FORMAT JSON" if is_run else "FORMAT JSON"
        found = connection.execute(f"EXPLAIN ({options}) EXECUTE explained {arguments}").fetchone()[0]
        connection.execute("DEALLOCATE explained")
        return found if isinstance(found, list) else json.loads(found)

    return database.run(work)[0]["Plan"]


def draw(plan):
    """The accesses of a plan to the large tables, one a line; how small tables are joined depends on a sample."""
    for node in list_nodes(plan):
        if node.get("Relation Name") in LARGE:
            names = ("Operation", "Node Type", "Relation Name", "Index Name", "Index Cond")
            yield "    " + " ".join(str(node[name]) for name in names if name in node)


def assert_indexes(nodes, *names):
    assert nodes
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
    assert {node["Index Name"] for node in nodes if "Index Name" in node} == set(names)


CLAIM = {
    "campaign_id": ("bigint", "1"),
    "epoch": ("bigint", "1"),
    "claim_count": ("bigint", "0"),
    "accounts": ("bigint[]", "'{1}'"),
    "counts": ("int[]", "'{2}'"),
    "active": ("bigint[]", "'{1}'"),
    "open_zones": ("smallint[]", "NULL"),
}
CLAIMS = {
    "claim_messages": CLAIM | {"cursor": ("bigint", "18000")},
    "claim_counted": CLAIM | {"portfolio_id": ("bigint", "1"), "after": ("text", "''")},
}


def test_a_claim_reads_by_indexes_only(database):
    nodes = explain(database, "claim_messages", **CLAIMS["claim_messages"])
    assert_indexes(
        nodes,
        *("messages_released", "messages_in_order", "messages_pkey", "suppressions_pkey", "one_message_per_person"),
    )


def test_a_claim_looks_at_no_other_campaign_if_its_people_come_from_files(database):
    def work(connection):
        with connection.transaction(force_rollback=True):
            connection.execute("UPDATE leases SET epoch = 1, claim_count = 0, until = 'infinity' WHERE campaign_id = 1")
            connection.execute("UPDATE campaigns SET status = 'running', started_at = now() WHERE id = 1")
            claims = {"is_run": True, **CLAIMS["claim_messages"]}
            return explain(JoinedDatabase(connection), "claim_messages", **claims)

    nodes = database.run(work)
    (suppressed,) = [each for each in nodes if each.get("Index Name") == "suppressions_pkey"]
    assert suppressed["Actual Loops"] == 2
    (source,) = [each for each in nodes if "source_id" in each.get("Index Cond", "")]
    assert (source["Index Name"], source["Actual Loops"]) == ("one_message_per_person", 0)


def test_a_claim_in_a_full_portfolio_starts_from_the_people_who_are_counted(database):
    nodes = explain(database, "claim_counted", **CLAIMS["claim_counted"])
    indexes = {node["Index Name"] for node in nodes if "Index Name" in node}
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
    assert "one_message_per_person" in indexes
    assert "messages_in_order" not in indexes


TIMES, TEXTS = ("timestamptz[]", "NULL"), ("text[]", "NULL")
EVIDENCE = {
    "ids": ("bigint[]", "'{1,2,3}'"),
    "send_nos": ("int[]", "'{1,1,1}'"),
    "statuses": ("message_status[]", "'{read,read,read}'"),
    "wamids": TEXTS,
    "sent_at": TIMES,
    "delivered_at": TIMES,
    "read_at": TIMES,
    "failed_at": TIMES,
    "error_codes": ("int[]", "NULL"),
    "error_titles": TEXTS,
    "error_details": TEXTS,
    "pricing_categories": TEXTS,
    "pricing_models": TEXTS,
    "billable": ("bool[]", "NULL"),
}


REPLIES = EVIDENCE | {"wamids": ("text[]", "'{a,b,c}'"), "stray_code": ("int", "-3"), "stray_title": ("text", "''")}


def test_evidence_is_merged_by_primary_key(database):
    assert_indexes(explain(database, "merge_evidence", **EVIDENCE), "messages_pkey")


def test_replies_are_merged_by_primary_key_once_nobody_else_has_their_wamids(database):
    assert_indexes(explain(database, "merge_replies", **REPLIES), "messages_pkey", "messages_by_wamid")


RELEASE = {
    "ids": ("bigint[]", "'{1,2,3}'"),
    "send_nos": ("int[]", "'{1,1,1}'"),
    "wait_seconds": ("float8[]", "'{0,0,0}'"),
    "refunds": ("bool[]", "'{t,t,t}'"),
    "refusing": ("bigint[]", "NULL"),
    "forgets": ("bool[]", "'{f,f,f}'"),
    "pair_refusals": ("int[]", "'{0,0,0}'"),
    "error_codes": ("int[]", "NULL"),
    "error_titles": ("text[]", "NULL"),
    "error_details": ("text[]", "NULL"),
    "campaign_ids": ("bigint[]", "'{1}'"),
    "from_statuses": ("message_status[]", "'{sending}'"),
    "never_left": ("int", "-1"),
}


def test_messages_are_released_by_primary_key(database):
    assert_indexes(explain(database, "release_messages", **RELEASE), "messages_pkey")


def test_evidence_finds_its_messages_by_two_indexes(database):
    nodes = explain(database, "find_messages", ids=("bigint[]", "'{1,2}'"), wamids=("text[]", "'{wamid.1.1}'"))
    assert_indexes(nodes, "messages_pkey", "messages_by_wamid")


def test_the_messages_to_a_person_are_found_by_one_lookup_for_each_campaign(database):
    parameters = {"recipient_key": ("text", "'+5511900000001'"), "before": ("bigint", "NULL"), "limit": ("int", "21")}
    assert_indexes(explain(database, "list_messages_of", **parameters), "one_message_per_person")


def test_the_next_release_is_read_from_the_small_index(database):
    assert_indexes(explain(database, "find_next_release_at", campaign_id=("bigint", "1")), "messages_released")


def test_due_messages_of_a_standing_campaign_are_counted_in_the_small_index(database):
    parameters = {"campaign_id": ("bigint", "1"), "most": ("bigint", "500")}
    assert_indexes(explain(database, "count_due", **parameters), "messages_released")


def test_failed_messages_are_found_in_order_and_retried_by_primary_key(database):
    nodes = explain(
        database,
        "retry_messages",
        campaign_id=("bigint", "1"),
        codes=("int[]", "'{131000}'"),
        later_seconds=("float8[]", "'{0}'"),
        after=("bigint", "18000"),
        limit=("int", "1000"),
    )
    assert_indexes(nodes, "messages_in_order", "messages_pkey")


DUE = {"tick_seconds": ("float8", "10"), "expiry_seconds": ("float8", "30"), "waiting_count": ("bigint", "0")}


def test_a_tick_reads_unfinished_campaigns_only(database):
    nodes = explain(database, "mark_due_campaigns", tables=("campaigns", "leases"), **DUE)
    assert_indexes(nodes, "campaigns_alive", "campaigns_pkey", "leases_pkey")


def test_a_lease_is_taken_by_primary_keys(database):
    nodes = explain(
        database,
        "take_lease",
        tables=("campaigns", "leases"),
        campaign_id=("bigint", "1"),
        epoch=("bigint", "NULL"),
        horizon_seconds=("float8", "10"),
        lease_seconds=("float8", "45"),
        owner=("text", "'me'"),
    )
    # The index of the few campaigns that are alive is as good, and what it is taken for depends on a sample.
    used = {node["Index Name"] for node in nodes if "Index Name" in node}
    assert used in ({"campaigns_pkey", "leases_pkey"}, {"campaigns_alive", "leases_pkey"})
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_finds_undecided_answers_by_their_partial_index(database, name):
    nodes = explain(database, name, tables=("optout_reviews",), **CLAIMS[name])
    assert {"optout_reviews_open", "optout_reviews_pkey"} == {
        node["Index Name"] for node in nodes if "Relation Name" in node
    }


PAIRS = {"user_ids": ("text[]", "'{BR.1}'"), "recipient_keys": ("text[]", "'{+551}'"), "at": ("timestamptz[]", "NULL")}


def test_what_is_known_of_user_ids_is_asked_by_indexes(database):
    # Either index leads to one row.
    assert_indexes(
        explain(database, "find_new_pairs", tables=("user_ids",), **PAIRS), "user_ids_pkey", "user_ids_by_person"
    )
    both = ("user_ids", "user_id_changes")
    people = explain(database, "find_people", tables=both, user_ids=PAIRS["user_ids"])
    assert_indexes(people, "user_ids_pkey", "user_id_changes_pkey")
    ids = explain(database, "find_user_ids", tables=both, recipient_keys=("text[]", "'{+551}'"))
    assert_indexes(ids, "user_ids_by_person", "user_ids_pkey", "user_id_changes_pkey")


EVENTS = {
    "limit": ("int", "1500"),
    "max_bytes": ("bigint", "1000000"),
    "retry_seconds": ("float8", "30"),
    "since": ("timestamptz", "NULL"),
}


def test_webhooks_are_taken_in_the_order_in_which_they_are_due(database):
    nodes = explain(database, "take_events", tables=("webhook_events",), **EVENTS)
    assert_indexes(nodes, "webhook_events_due", "webhook_events_pkey")


FIND_REPLIED = {
    "wamids": ("text[]", "ARRAY['wamid.1.1', '']"),
    "recipient_keys": ("text[]", "ARRAY['{}','{+5511900000001}']"),
    "phone_number_ids": ("text[]", "'{1,1}'"),
    "said_at": ("timestamptz[]", "ARRAY[now(), now()]"),
    "answer_seconds": ("float8", "259200"),
    "skew_seconds": ("float8", "60"),
}
MARK_REPLIED = {"ids": ("bigint[]", "'{1,2}'"), "said_at": ("timestamptz[]", "ARRAY[now(), now()]")}


def test_the_message_that_a_reply_answers_is_found_by_indexes(database):
    nodes = explain(database, "find_replied", tables=("messages", "campaigns"), **FIND_REPLIED)
    assert_indexes(nodes, "messages_by_wamid", "one_message_per_person", "campaigns_by_end")
    (by_person,) = (node["Index Cond"] for node in nodes if node.get("Index Name") == "one_message_per_person")
    assert "campaign_id = c.id" in by_person  # not a search through all campaigns
    assert_indexes(explain(database, "mark_replied", **MARK_REPLIED), "messages_pkey")


@pytest.mark.parametrize(
    ("wamid", "said_at", "lookups"),
    [
        ("''", "now()", 60_003),  # the newest message in each campaign of the last 72 hours
        ("''", "now() + interval '100 days'", 3),  # only in the campaigns that have not ended
        ("'wamid.1.1'", "now()", 0),
        ("'wamid.of.another.program'", "now()", 0),  # no campaign has a message whose wamid is unknown
    ],
)
def test_a_reply_is_looked_up_only_in_campaigns_that_it_may_answer(database, wamid, said_at, lookups):
    """An old reply in the same set does not add lookups to the other replies."""
    old = "now() - interval '1 year'"
    given = FIND_REPLIED | {
        "wamids": ("text[]", f"ARRAY['wamid.1.2', {wamid}]"),
        "said_at": ("timestamptz[]", f"ARRAY[{old}, {said_at}]"),
    }
    nodes = explain(database, "find_replied", tables=("messages",), is_run=True, **given)
    (by_person,) = (node for node in nodes if node.get("Index Name") == "one_message_per_person")
    assert by_person["Actual Loops"] == lookups


_PAGE_OF_MESSAGES = {
    "after": ("bigint", "15000"),
    "statuses": ("message_status[]", "NULL"),
    "has_replied": ("boolean", "false"),
    "skip": ("text", "NULL"),
    "reason_statuses": ("text[]", "NULL"),
    "reason_codes": ("int[]", "NULL"),
    "code": ("int", "NULL"),
    "has_no_code": ("boolean", "false"),
    "title": ("text", "NULL"),
    "limit": ("int", "10"),
}
_SEARCHED = {"searched": ("bigint", "1000")}
CURSORS = {
    "claim_messages": CLAIM | {"cursor": ("bigint", "15000")},
    "list_pending": {"last_id": ("bigint", "15000"), "limit": ("int", "10")},
    "export_messages": _PAGE_OF_MESSAGES,
    "page_recipients": _PAGE_OF_MESSAGES | _SEARCHED,
    "find_last_searched": {"after": ("bigint", "15000")} | _SEARCHED,
    "find_error_kinds": {"after": ("bigint", "15000")} | _SEARCHED,
    "erase_batch": {"last_id": ("bigint", "15000"), "limit": ("int", "10")},
    "count_receipts": {"last_id": ("bigint", "15000"), "hours": ("int", "1"), "limit": ("int", "10")},
    "has_claimable": {"cursor": ("bigint", "15000"), "open_zones": ("smallint[]", "NULL")},
    "retry_messages": {
        "codes": ("int[]", "'{131000}'"), "later_seconds": ("float8[]", "'{0}'"), "after": ("bigint", "15000"),
        "limit": ("int", "10"),
    },
    "retry_uncertain": {"after": ("bigint", "15000"), "limit": ("int", "10")},
    "list_pending_after": {"id": ("bigint", "15000"), "capped": ("bigint[]", "'{}'"), "limit": ("int", "10")},
    "cancel_messages": {"after": ("bigint", "15000"), "limit": ("int", "10")},
    "find_first_imported": {"last_message_id": ("bigint", "15000")},
}  # fmt: skip


@pytest.mark.parametrize("name", CURSORS)
def test_what_goes_on_from_a_cursor_starts_there_and_not_at_the_first_message(database, name):
    """Of a row (campaign, id) beside an equality, Postgres does not take the id to find the start."""
    nodes = explain(database, name, **{"campaign_id": ("bigint", "1")} | CURSORS[name])
    conditions = [node["Index Cond"] for node in nodes if node.get("Index Name") == "messages_in_order"]
    assert conditions
    assert all("(id > $" in condition for condition in conditions)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("list_pending_before", {"id": ("bigint", "15000"), "capped": ("bigint[]", "'{}'"), "limit": ("int", "10")}),
        ("load_traffic", {"sample_count": ("int", "1000"), "webhook_seconds": ("float8", "300")}),
        (
            "insert_test_messages",
            {"test_id": ("bigint", "2"), "phones": ("text[]", "NULL"), "recipient_keys": ("text[]", "NULL")},
        ),
    ],
)
def test_the_first_or_last_messages_of_a_campaign_are_not_searched_among_those_of_others(database, name, parameters):
    ids = ("campaign_ids", ("bigint[]", "'{1}'")) if name == "load_traffic" else ("campaign_id", ("bigint", "1"))
    nodes = explain(database, name, tables=("messages",), **dict([ids]) | parameters)
    assert {node["Index Name"] for node in nodes if "Index Name" in node} == {"messages_in_order"}


# The statements of the send path and of the webhook path that come with every set of messages.
HOT = CLAIMS | {
    "merge_evidence": EVIDENCE, "merge_replies": REPLIES, "release_messages": RELEASE,
    "end_takes": {"done_id": ("bigint", "1")}, "take_events": EVENTS,
    "find_replied": FIND_REPLIED, "mark_replied": MARK_REPLIED,
}  # fmt: skip
LARGE = ("messages", "suppressions", "optout_reviews", "webhook_events")


def test_the_hot_statements_reach_the_large_tables_as_before(database):
    plans = [f"{name}\n" + "\n".join(draw(load_plan(database, name, **given))) for name, given in HOT.items()]
    compare("plans", "\n".join(plans) + "\n")


PAGES = {
    "page_campaign_ids": {
        "statuses": ("campaign_status[]", "'{draft,completed}'"),
        "created_at": ("timestamptz", "now()"),
        "id": ("bigint", "50000"),
        "pattern": ("text", "NULL"),
        "account_id": ("bigint", "NULL"),
        "made_by": ("text", "NULL"),
        "template": ("text", "NULL"),
        "limit": ("int", "51"),
    },
    "page_suppressions": {
        "sources": ("text[]", "'{word,meta}'"),
        "at": ("timestamptz", "now()"),
        "recipient_key": ("text", "''"),
        "source": ("text", "''"),
        "pattern": ("text", "NULL"),
        "limit": ("int", "51"),
    },
    "page_audit": {
        "actor": ("text", "NULL"),
        "since": ("timestamptz", "NULL"),
        "until": ("timestamptz", "NULL"),
        "what": ("text", "NULL"),
        "at": ("timestamptz", "now()"),
        "last_id": ("bigint", "50000"),
        "limit": ("int", "51"),
    },
}
PAGES["page_audit_of_campaign"] = {"campaign_id": ("bigint", "1"), **PAGES["page_audit"]}


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("page_campaign_ids", "campaigns_by_status"),
        ("page_suppressions", "suppressions_by_time"),
        ("page_audit", "audit_events_by_time"),
        ("page_audit_of_campaign", "audit_events_by_target"),
    ],
)
def test_a_page_reads_one_index_backwards_and_sorts_nothing_but_its_own_rows(database, name, index):
    nodes = [*list_nodes(load_plan(database, name, **PAGES[name]))]
    pages_of = {"campaigns", "suppressions"} | ({"audit_events"} if name.startswith("page_audit") else set())
    (scan,) = [node for node in nodes if node.get("Relation Name") in pages_of]
    assert (scan["Index Name"], scan["Scan Direction"]) == (index, "Backward")
    assert not [node for node in list_nodes_under(nodes, "Limit", scan) if node["Node Type"] == "Sort"]


def list_nodes_under(nodes, kind, scan):
    """The nodes between the innermost node of this kind above a scan and the scan."""
    above = [node for node in nodes if node["Node Type"] == kind and scan in list_nodes(node)]
    return list_nodes(above[-1])


def test_pages_that_show_live_numbers_read_no_messages(database):
    """What a page with live numbers asks each second, and the causes that it looks for each five seconds."""
    ids = fetch(database, "SELECT id FROM campaigns WHERE status <> 'completed'")
    scans = "SELECT seq_scan + idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'messages'"

    def work(connection):
        before = connection.execute(scans).fetchone()
        list_campaigns(connection, ids)
        load_facts(connection, ids, reads_messages=False)
        after = connection.execute(scans).fetchone()
        load_facts(connection, ids)
        return before, after, connection.execute(scans).fetchone()

    before, after, with_messages = database.run(work)
    assert before == after
    assert with_messages > after


def test_given_campaigns_are_listed_by_their_primary_key(database):
    plan = load_plan(database, "list_campaigns", campaign_ids=("bigint[]", "'{1,2}'"))
    nodes = [node for node in list_nodes(plan) if node.get("Relation Name") == "campaigns"]
    # The list of all ids is an `InitPlan`, which Postgres runs only if no ids are given.
    read = [node for node in nodes if node.get("Parent Relationship") != "InitPlan"]
    assert {node.get("Index Name") for node in read} == {"campaigns_pkey"}


@pytest.fixture(scope="module")
def used(database):
    """60,000 campaigns, of which few had uncertain messages, and 5,000 templates."""
    fetch(
        database,
        "INSERT INTO templates (name, language, components)"
        " SELECT 'text_' || n, 'en', '[]' FROM generate_series(1, 5000) n",
    )
    fetch(
        database,
        "INSERT INTO campaigns (name, status, time_zone, template_id, started_at, completed_at)"
        " SELECT 'Older', 'completed', 'UTC', t.id, now(), now() FROM templates t, generate_series(1, 10) n",
    )
    fetch(
        database,
        "INSERT INTO tallies (campaign_id, status, count) SELECT c.id, s.status, 1 FROM campaigns c,"
        " unnest('{sent,delivered,read,failed}'::message_status[]) s (status) ON CONFLICT DO NOTHING",
    )
    fetch(
        database,
        "INSERT INTO tallies (campaign_id, status, count) SELECT id, 'uncertain', id %% 2 FROM campaigns"
        " WHERE id %% 100 = 0 ON CONFLICT DO NOTHING",
    )
    fetch(database, "ANALYZE templates, campaigns, tallies")
    return database


def test_the_metrics_find_uncertain_messages_without_reading_those_of_other_campaigns(used):
    counted = explain(used, "count_uncertain_of_campaigns", tables=("tallies", "campaigns"))
    assert_indexes(counted, "tallies_uncertain", "campaigns_pkey")
    nodes = explain(used, "load_uncertain_ages", is_run=True, campaign_ids=("bigint[]", "'{1}'"))
    assert_indexes(nodes, "messages_in_order")
    (scan,) = [node for node in nodes if "Index Name" in node]
    assert scan["Actual Loops"] == 1
    rows = scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0)
    assert 20_000 <= rows < 25_000  # the messages of this campaign, and a few old versions of them


def test_campaigns_with_uncertain_messages_are_read_from_the_small_index(used):
    parameters = {"before": ("bigint", "50000"), "limit": ("int", "51")}
    (scan,) = explain(used, "page_uncertain_ids", tables=("tallies",), **parameters)
    assert (scan["Index Name"], scan["Scan Direction"]) == ("tallies_uncertain", "Backward")


KEYS = {"names": ("text[]", "'{text_1,text_2}'"), "languages": ("text[]", "'{en,en}'")}


@pytest.mark.parametrize(
    ("name", "more"), [("count_template_results", {}), ("list_newest_users", {"limit": ("int", "3")})]
)
def test_the_use_of_templates_is_read_by_indexes(used, name, more):
    nodes = explain(used, name, tables=("templates", "campaigns", "tallies", "messages"), **KEYS, **more)
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
    assert "campaigns_by_template" in {node.get("Index Name") for node in nodes}
