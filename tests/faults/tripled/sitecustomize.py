"""Publishes each task three times. Python imports this module in every process that has its folder in PYTHONPATH."""

from __future__ import annotations

from typing import Any

from kombu.messaging import Producer

_publish = Producer.publish


def publish(producer: Producer, *arguments: Any, **options: Any) -> Any:
    """Publish three times, as a client does that repeats a publish after its reply was lost twice."""
    for _ in range(2):
        _publish(producer, *arguments, **options)
    return _publish(producer, *arguments, **options)


Producer.publish = publish
