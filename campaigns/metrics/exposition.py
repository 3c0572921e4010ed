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
        counts = [samples.get((str(bucket),), 0.0) for bucket in range(len(metric.bounds) + 1)]
        bounds = [*map(str, metric.bounds), "+Inf"]
        histogram = HistogramMetricFamily(name, metric.help)
        histogram.add_metric([], [*zip(bounds, accumulate(counts), strict=True)], samples.get((SUM,), 0.0))
        return histogram
    make = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = make(name, metric.help, labels=list(metric.labels))
    for labels, number in samples.items():
        family.add_metric(list(labels), number)
    return family
