"""The control API, the script, and the program."""

import json
import signal
import subprocess
import sys
import time

import pytest
from far_end import (
    NUMBER,
    PATIENCE_SECONDS,
    PHONE,
    ROOT,
    SimulatorClient,
    raw_message,
    start_simulator,
    template_message,
    wait_for,
)


def test_stats_count_what_happened(far):
    far.send()
    far.send("+4915119131026")
    far.send()
    stats = far.stats()
    assert (stats["accepted"], stats["errors"], stats["recipients"]) == (2, {"131026": 1}, 1)
    assert stats["accounts"] == {NUMBER: {"accepted": 2, "errors": {"131026": 1}, "health_requests": 0}}
    assert (stats["max_accepted_per_recipient"], stats["request_heads"], stats["request_bodies"]) == (2, 3, 3)


def test_the_wire_counts_refused_sends_too(far):
    far.send("+4915119131026")
    assert far.ask("wire") == {"recipients": {"4915119131026": 1}}
    assert far.ask("recipients") == {"recipients": {}, "callback_data": {}}


def test_accepted_sends_are_listed_in_order_with_their_times(far):
    before = time.monotonic(), time.time()
    far.send("+4915110000001")
    far.send("+4915110000002", number="7")
    first, second = far.ask("accepted")["accepted"]
    assert (first["to"], first["account"], first["callback_data"]) == ("4915110000001", NUMBER, "m1:1")
    assert (second["to"], second["account"], second["template"]) == ("4915110000002", "7", "spring_sale")
    assert before[0] <= first["monotonic"] <= second["monotonic"] <= time.monotonic()
    assert before[1] - 1 <= first["epoch"] <= time.time() + 1
    assert far.ask("accepted?after=1")["accepted"] == [second]


def test_the_log_of_accepted_sends_can_be_switched_off(far):
    far.script(keep_accepted=False)
    far.send()
    assert far.ask("accepted") == {"accepted": []}
    assert far.ask("recipients")["recipients"] == {PHONE[1:]: 1}


def test_recipients_can_be_narrowed_to_duplicates(far):
    far.post(template_message(data="a"))
    far.post(template_message(data="b"))
    far.post(template_message("+4915110000001", data="a"))
    assert far.ask("recipients?min=2") == {"recipients": {PHONE[1:]: 2}, "callback_data": {"a": 2}}


def test_reset_forgets_counts_and_script(far):
    far.script(outcome="error:4")
    far.send()
    far.control("reset")
    assert far.stats()["errors"] == {}
    assert far.send().status_code == 200


def test_reset_can_keep_the_script(far):
    far.script(outcome="error:4")
    far.control("reset?keep=script")
    assert far.send().status_code == 400


def test_a_patch_changes_only_what_it_names_and_null_removes(far):
    far.script(accounts={"7": {"outcome": "error:190", "health": "RED"}})
    far.script(accounts={"7": {"outcome": None}})
    assert far.send(number="7").status_code == 200
    assert far.get("/v24.0/7", fields="quality_rating").json()["quality_rating"] == "RED"


@pytest.mark.parametrize(
    ("patch", "complaint"),
    [
        ({"latncy": 1}, "script: unknown key 'latncy'; known keys are tokens, "),
        ({"accounts": {"7": {"helth": "RED"}}}, "script.accounts.7: unknown key 'helth'; known keys are waba_id, "),
        ({"webhooks": {"batch_size": -1}}, "script.webhooks.batch_size: expected a whole number of at least 0, got -1"),
        ({"latency_ms": [9, 1]}, "script.latency_ms: expected milliseconds or [lowest, highest], got [9, 1]"),
        ({"outcome": "explode"}, "script.outcome: unknown outcome 'explode'; known are "),
        ({"suffixes": {"77": "error"}}, "script.suffixes.77: outcome 'error' needs a form like error:131026"),
        ({"suffixes": {"x": "ok"}}, "script.suffixes: 'x' is not an ending of digits"),
        ({"accounts": {"7": {"health": "ok"}}}, "script.accounts.7.health: unknown outcome 'ok'"),
        ({"templates": [{"nme": "x"}]}, "script.templates[0]: unknown key 'nme'"),
        ({"webhooks": {"read_probability": 2}}, "script.webhooks.read_probability: expected a probability from 0 to 1"),
        ({"webhooks": 1}, "script.webhooks: expected an object, got 1"),
        ({"webhooks": {"callback_url": "localhost:80"}}, "script.webhooks.callback_url: expected a URL such as http"),
    ],
)
def test_a_wrong_script_is_refused_with_where_and_what(far, patch, complaint):
    far.script(outcome="error:4")
    assert far.control("script", {"outcome": "ok", **patch})["error"].startswith(complaint)
    assert far.send().status_code == 400, "nothing of a wrong patch may be applied"


def test_a_control_path_that_does_not_exist_is_404(far):
    assert far.ask("nothing") == {"error": "there is no GET /_simulator/nothing"}


def test_a_head_without_its_body_is_counted(far):
    with far.connect() as link:
        link.sendall(b"POST /v24.0/1/messages HTTP/1.1\r\nContent-Length: 10\r\n\r\n")
        wait_for(lambda: far.stats()["request_heads"] == 1)
    assert far.stats()["request_bodies"] == 0


def test_a_webhook_needs_a_callback_url(far):
    assert far.control("webhook", {"entry": []})["error"] == "script.webhooks.callback_url is not set"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_at_once_and_cleanly(number):
    with start_simulator("--latency-ms", "3600000") as (process, url), SimulatorClient(url).connect() as link:
        link.sendall(raw_message())
        wait_for(lambda: SimulatorClient(url).stats()["accepted"])
        process.send_signal(number)
        assert process.wait(timeout=PATIENCE_SECONDS) == 0


def test_options_the_environment_and_a_file_make_the_script(tmp_path, far, receiver):
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"outcome": "read", "latency_ms": 5000, "webhooks": {"read_after_ms": 0}}))
    options = ["--script", str(script), "--latency-ms", "[0, 1]", "--mps", "0.001", "--callback-url", receiver.url]
    times = ["--webhook-sent-after-ms", "0", "--webhook-delivered-after-ms", "0"]
    with start_simulator(*options, *times, env={"META_APP_SECRET": "from-env"}) as (_, url):
        end = SimulatorClient(url)
        with end.session:
            assert [end.send().status_code for _ in range(2)] == [200, 400]
        end.all_told()
    assert sorted(receiver.names()) == ["delivered", "read", "sent"]
    assert receiver.posts[0][0]["X-Hub-Signature-256"].startswith("sha256=")


def test_no_limits_takes_a_flood():
    with start_simulator("--no-limits") as (_, url):
        end = SimulatorClient(url)
        with end.session:
            assert {end.send().status_code for _ in range(120)} == {200}


@pytest.mark.parametrize("options", [["--latency-ms", "x"], ["--script", "/nowhere.json"], ["--mps", "-1"]])
def test_wrong_options_are_refused_with_one_line(options):
    command = [sys.executable, "-m", "simulator", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("python -m simulator: error: ")
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_refused_with_the_option_that_chooses_another():
    with start_simulator() as (_, url):
        port = url.rpartition(":")[2]
        command = [sys.executable, "-m", "simulator", "--port", port]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"python -m simulator: Port {port} is in use by another program, which may be another simulator. Choose another"
        " port with --port, and write it into GRAPH_API_URL, too.\n"
    )
