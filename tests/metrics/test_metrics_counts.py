"""The counts of a process, what they cost in series, and their text."""

import multiprocessing
import os

from campaigns.metrics.counts import Counts
from campaigns.metrics.exposition import write_text
from campaigns.metrics.table import MAX_ACCOUNTS, METRICS, Kind, list_names
from tests.metrics.reading import find, read_samples


def text_of(counts):
    return read_samples(write_text(counts.read()).decode())


def test_what_a_role_counts_begins_at_zero():
    counts = Counts()
    counts.declare(list_names("worker"))
    samples = text_of(counts)
    assert find(samples, "revoada_claimed_total") == 0
    assert find(samples, "revoada_slices_total", end="failed") == 0
    assert find(samples, "revoada_reply_seconds_count") == 0


def test_a_histogram_puts_a_value_on_a_bound_into_its_bucket():
    counts = Counts()
    counts.observe("revoada_reply_seconds", [0.05, 0.2, 0.21, 60.0])
    samples = text_of(counts)
    found = [
        find(samples, "revoada_reply_seconds_bucket", le=bound) for bound in ("0.05", "0.2", "0.3", "20.0", "+Inf")
    ]
    assert found == [1, 2, 3, 3, 4]
    assert find(samples, "revoada_reply_seconds_sum") == 60.46


def test_a_process_labels_at_most_so_many_accounts():
    counts = Counts()
    for account_id in range(1, 2 * MAX_ACCOUNTS):
        counts.add("revoada_replies_total", counts.label_account(account_id), "accepted")
    samples = text_of(counts)
    assert len(samples) == MAX_ACCOUNTS + 1
    assert find(samples, "revoada_replies_total", account="other", outcome="accepted") == MAX_ACCOUNTS - 1


def test_the_counts_of_killed_processes_stay_and_their_rows_are_used_again():
    counts = Counts()
    counts.share(["revoada_webhook_requests_total"])
    forking = multiprocessing.get_context("fork")

    def serve():
        counts.take_row()
        counts.add("revoada_webhook_requests_total", "stored", count=2)
        counts.add("revoada_claimed_total")  # the server has no such metric
        os.kill(os.getpid(), 9)

    for _ in range(100):  # more than there are rows
        process = forking.Process(target=serve)
        process.start()
        process.join()
        assert process.exitcode == -9
    samples = text_of(counts)
    assert find(samples, "revoada_webhook_requests_total", outcome="stored") == 200
    assert find(samples, "revoada_webhook_requests_total", outcome="unsigned") == 0


def test_a_gauge_counts_living_processes_only():
    counts = Counts()
    counts.share(list_names("console"))
    counts.take_row()
    counts.add("revoada_live_viewers")
    forking = multiprocessing.get_context("fork")
    watched, may_end = forking.Barrier(3), [forking.Event() for _ in range(2)]

    def watch(end):
        counts.take_row()
        counts.add("revoada_live_viewers", count=5)
        watched.wait()
        end.wait()

    processes = [forking.Process(target=watch, args=[end]) for end in may_end]
    for each in processes:
        each.start()
    watched.wait()
    assert find(text_of(counts), "revoada_live_viewers") == 11
    processes[0].kill()
    processes[0].join()
    assert find(text_of(counts), "revoada_live_viewers") == 6
    counts.add("revoada_live_viewers", count=-1)
    assert find(text_of(counts), "revoada_live_viewers") == 5
    may_end[1].set()
    processes[1].join()
    assert find(text_of(counts), "revoada_live_viewers") == 0


def test_a_route_has_series_only_after_its_first_request():
    counts = Counts()
    counts.share(list_names("console"))
    counts.take_row()
    assert not any(name.startswith("revoada_http_") for name, _ in text_of(counts))
    counts.add("revoada_http_requests_total", "page", "campaigns", "2xx")
    counts.observe("revoada_http_request_seconds", [0.02, 60], "page", "campaigns")
    samples = text_of(counts)
    labels = {"surface": "page", "route": "campaigns"}
    assert find(samples, "revoada_http_requests_total", status="2xx", **labels) == 1
    found = [
        find(samples, "revoada_http_request_seconds_bucket", le=bound, **labels) for bound in ("0.01", "0.05", "+Inf")
    ]
    assert found == [0, 1, 2]
    assert find(samples, "revoada_http_request_seconds_sum", **labels) == 60.02
    assert {dict(labels).get("route") for name, labels in samples if name.startswith("revoada_http_")} == {"campaigns"}


def test_two_living_processes_have_two_rows():
    counts = Counts()
    counts.share(["revoada_webhook_requests_total"])
    forking = multiprocessing.get_context("fork")
    begun, may_end = forking.Barrier(3), forking.Event()

    def serve():
        counts.take_row()
        begun.wait()
        for _ in range(20_000):
            counts.add("revoada_webhook_requests_total", "stored")
        may_end.wait()

    processes = [forking.Process(target=serve) for _ in range(2)]
    for each in processes:
        each.start()
    begun.wait()
    may_end.set()
    for each in processes:
        each.join()
    assert find(text_of(counts), "revoada_webhook_requests_total", outcome="stored") == 40_000


def test_names_follow_the_conventions_of_prometheus():
    for name, metric in METRICS.items():
        assert name.startswith("revoada_")
        assert name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert metric.kind is not Kind.HISTOGRAM or name.endswith("_seconds")
        assert metric.help.endswith(".")


def test_no_label_can_name_a_person_or_a_campaign():
    labels = {label for metric in METRICS.values() for label in metric.labels}
    assert labels == {
        *("account", "code", "end", "outcome", "portfolio", "process", "quality", "queue", "reason", "result"),
        *("route", "state", "status", "surface", "version"),
    }
