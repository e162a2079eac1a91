"""Job bodies made from the contract, for tests: every field of a type and edition, or some of them."""

from __future__ import annotations

import uuid
from random import Random
from typing import Any, Final

from tests.assets.ledgers import job
from warehouse.contract import Contract, Field, contract

TEXTS: Final = {"crs": "EPSG:25832", "outputCrs": "EPSG:4326", "model": "spatial", "versionNumber": "2.1"}


def value_of(row: Field, random: Random) -> Any:
    """A believable value of a field's JSON type and pattern."""
    if row.json_type == "number":
        return round(random.uniform(0, 9), 3)
    if row.json_type == "integer":
        return random.randrange(1, 40)
    if row.json_type == "boolean":
        return random.random() < 0.5
    if row.json_type == "array<string>":
        return [str(uuid.UUID(int=random.getrandbits(128))) for _ in range(random.randrange(1, 4))]
    return _text_of(row, random)


def _text_of(row: Field, random: Random) -> str:
    if row.pattern and row.pattern.startswith("^bkt:"):
        return f"bkt:{row.api_field}/a:b/{random.randrange(100)}.json"
    if row.holds == "detector" and random.random() < 0.6:
        return random.choice(["bentley-rail-s3d/1.0", "@bentley/cracks-ortho", "@bentley/cracks-ortho/2.1"])
    return TEXTS.get(row.api_field) or str(uuid.UUID(int=random.getrandbits(128)))


def body_of(
    job_type: str, edition: str, random: Random, *, share: float = 1.0, known: Contract | None = None, **changes: Any
) -> dict[str, Any]:
    """A job of a type as an edition writes it, with that share of its optional fields."""
    rows = (known or contract()).fields_of(job_type, edition=edition)
    chosen = [row for row in rows if row.required or random.random() < share]
    parts = {
        part: {row.api_field: value_of(row, random) for row in chosen if row.part == part}
        for part in ("inputs", "outputs", "options")
    }
    units = "estimatedUnits" if edition == "2025-08" else "processingUnits"
    done = {
        "state": "Success",
        "createdDateTime": "2025-08-05T12:38:12Z",
        "startedDateTime": "2025-08-05T12:39:12Z",
        "endedDateTime": "2025-08-05T13:00:00.5Z",
        units: random.choice([0, 3, 1.25]),
    }
    return job(job_type, id=str(uuid.UUID(int=random.getrandbits(128))), **{**done, **parts, **changes})
