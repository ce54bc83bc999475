"""What a run found, as it is kept in a file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.figures import PERCENTILES, Sample, summary

# Scenario, then server.
Samples = dict[str, dict[str, list[Sample]]]


@dataclass(slots=True, kw_only=True)
class Results:
    """All samples of a run, and what they were measured on."""

    environment: Mapping[str, str]
    samples: Samples = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def add(self, scenario: str, server: str, sample: Sample) -> None:
        """Keep what one round measured."""
        self.samples.setdefault(scenario, {}).setdefault(server, []).append(sample)

    def of(self, scenario: str, server: str) -> Sample | None:
        """Return the medians of a server in a scenario, if it was measured."""
        samples = self.samples.get(scenario, {}).get(server)
        return summary(samples) if samples else None

    def value(self, scenario: str, server: str) -> float | None:
        """Return the median of the compared value, if it was measured."""
        found = self.of(scenario, server)
        return None if found is None else found.value

    def best(self, scenario: str, servers: Sequence[str]) -> float | None:
        """Return the least median among some servers, if any was measured."""
        values = [self.value(scenario, server) for server in servers]
        return min((value for value in values if value is not None), default=None)

    def to_json(self) -> str:
        """Return everything as text."""
        document = {
            "environment": self.environment,
            "percentiles": PERCENTILES,
            "samples": {
                scenario: {
                    server: [sample._asdict() for sample in samples]
                    for server, samples in servers.items()
                }
                for scenario, servers in self.samples.items()
            },
            "failures": self.failures,
        }
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def load(cls, path: Path) -> "Results":
        """Read what `to_json` has written."""
        document = json.loads(path.read_text())
        results = cls(
            environment=document["environment"], failures=document["failures"]
        )
        for scenario, servers in document["samples"].items():
            for server, samples in servers.items():
                for sample in samples:
                    results.add(scenario, server, _sample(sample))
        return results


def _sample(fields: dict[str, Any]) -> Sample:
    return Sample(**{**fields, "percentiles": tuple(fields["percentiles"])})
