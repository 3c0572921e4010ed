"""A trace of OpenTelemetry goes on from a request, through a task and the message filter, into the worker.

The test stands in for the instrumentations of WSGI and Celery, which do the same with the same headers and signals.
"""

import base64
import json

import pytest
import redis
from celery import Celery, signals
from opentelemetry import propagate
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from campaigns.broker.enqueue import publish
from campaigns.broker.task_messages import read_task_message

RUN = "campaigns.run"


@pytest.fixture
def app(valkey):
    """A program that publishes our task, to an empty queue."""
    app = Celery("traces", broker=valkey.url, set_as_current=False)
    app.conf.task_routes = {RUN: {"queue": "campaigns"}}

    @app.task(name=RUN)
    def run(campaign_id):
        pass

    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    yield app
    app.close()


def test_a_trace_goes_on_from_a_request_to_the_worker(app, valkey):
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tracer = provider.get_tracer("a test")

    def add_headers(headers, **_):
        propagate.inject(headers)

    signals.before_task_publish.connect(add_headers, weak=False)
    try:
        # The headers of HTTP that a proxy or a program sends to the console.
        with tracer.start_as_current_span("program"):
            sent: dict[str, str] = {}
            propagate.inject(sent)
        with tracer.start_as_current_span("console", context=propagate.extract(sent)):
            assert publish(app, RUN, [((34,), {"lease_epoch": 7})])
    finally:
        signals.before_task_publish.disconnect(add_headers)

    with redis.Redis.from_url(valkey.url) as client:
        envelope = json.loads(client.lpop("campaigns"))
    body = base64.b64decode(envelope["body"])
    message = read_task_message(envelope["headers"], body, queue="campaigns", queues={RUN: "campaigns"})
    with tracer.start_as_current_span("worker", context=propagate.extract(message.trace)):
        pass

    program, console, worker = sorted(spans.get_finished_spans(), key=lambda span: span.start_time)
    assert [program.name, console.name, worker.name] == ["program", "console", "worker"]
    assert program.context.trace_id == console.context.trace_id == worker.context.trace_id
    assert (console.parent.span_id, worker.parent.span_id) == (program.context.span_id, console.context.span_id)
    assert (message.arguments, message.lease_epoch) == ([34], 7)
