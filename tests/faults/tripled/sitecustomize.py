"""Python imports this by itself in processes whose PYTHONPATH says so: each task is published three times."""

from __future__ import annotations

from typing import Any

from kombu.messaging import Producer

_publish = Producer.publish


def publish(producer: Producer, *arguments: Any, **options: Any) -> Any:
    """Publish as a broker does whose answer was lost twice."""
    for _ in range(2):
        _publish(producer, *arguments, **options)
    return _publish(producer, *arguments, **options)


Producer.publish = publish
