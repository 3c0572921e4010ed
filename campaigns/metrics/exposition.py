"""Writes numbers in the text format of Prometheus."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from campaigns.metrics.table import METRICS, SUM, Key, Kind, Metric


@dataclass(frozen=True)
class _Collected(Collector):
    families: Iterable[Family]

    def collect(self) -> Iterable[Family]:
        return self.families


def write_text(numbers: Mapping[Key, float]) -> bytes:
    """Return the numbers in the text format of Prometheus, version 0.0.4."""
    return generate_latest(_Collected(list(list_families(numbers))))


def list_families(numbers: Mapping[Key, float]) -> Iterator[Family]:
    found: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for (name, labels), number in numbers.items():
        found[name][labels] = number
    for name, metric in METRICS.items():
        if name in found:
            yield _make_family(name, metric, found[name])


def _make_family(name: str, metric: Metric, samples: Mapping[tuple[str, ...], float]) -> Family:
    if metric.kind is Kind.HISTOGRAM:
        bounds = [*map(str, metric.bounds), "+Inf"]
        histogram = HistogramMetricFamily(name, metric.help, labels=list(metric.labels))
        for labels in dict.fromkeys(key[:-1] for key in samples):
            counts = [samples.get((*labels, str(bucket)), 0.0) for bucket in range(len(bounds))]
            total = samples.get((*labels, SUM), 0.0)
            histogram.add_metric(list(labels), [*zip(bounds, accumulate(counts), strict=True)], total)
        return histogram
    make = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = make(name, metric.help, labels=list(metric.labels))
    for labels, number in samples.items():
        family.add_metric(list(labels), number)
    return family
