"""Believable values for names, options and paths. Chosen by what a name says and the contract demands of it."""

from __future__ import annotations

from random import Random
from typing import Final

from pipelines.sandbox.catalogue import Slot

NAMED_DETECTORS: Final = (
    "bentley-rail-s3d/1.0",
    "bentley-rail-s3d/1.1",
    "bentley-rail-s3d",
    "@bentley/cracks-ortho",
    "@bentley/cracks-ortho/2.1",
    "@bentley/coco/1.0",
    "@bentley/vehicles",
    "@bentley/insulators-o2d/3.0",
)

_SITES: Final = ("Bridge", "Dam", "Tower", "Track", "Quarry", "Station", "Viaduct", "Plant", "Harbour", "Tunnel")
_WORKS: Final = (
    "inspection",
    "survey",
    "cracks",
    "rails",
    "signs",
    "vegetation",
    "as-built",
    "weekly",
    "test",
    "poles",
)
_OTHER_SCRIPTS: Final = (
    "橋梁点検 {}",
    "Осмотр моста {}",
    "فحص الجسر {}",
    "교량 점검 {}",
    "Pont n° {} d'été",
    "Überprüfung {} ß",
)
_CRS: Final = ("EPSG:32632", "EPSG:2154", "EPSG:4326", "EPSG:25832", "EPSG:3857", "EPSG:27700+5701")
_WORDS: Final = ("intensity", "normals", "color", "height", "curvature", "density")
_RANGES: Final = (
    ("iou", 0.3, 0.9),
    ("split", 0.6, 0.95),
    ("high", 0.2, 1.5),
    ("low", 0.01, 0.15),
    ("resolution", 0.01, 0.5),
    ("spacing", 0.02, 0.3),
    ("epochs", 10, 300),
    ("points", 50, 5000),
    ("min", 2, 8),
)
"""The first fragment that a name contains gives its range."""


def job_name(rng: Random) -> str | None:
    """A name that a user might give; None when there is none."""
    draw = rng.random()
    if draw < 0.12:
        return None
    number = rng.randint(1, 999)
    if draw < 0.19:
        return rng.choice(_OTHER_SCRIPTS).format(number)
    return f"{rng.choice(_SITES)} {number} {rng.choice(_WORKS)}"


def option_value(rng: Random, slot: Slot, version: str) -> str | float | bool | list[str]:
    """A value of the slot's JSON type; `version` is what a version number option says."""
    if slot.json_type == "boolean":
        return rng.random() < 0.5
    if slot.json_type.startswith("array"):
        return rng.sample(_WORDS, rng.randint(1, 4))
    if slot.json_type == "string":
        return version if slot.pattern else _word(rng, slot.name)
    low, high = next((row[1:] for row in _RANGES if row[0] in slot.name), (0.05, 60))
    number = rng.uniform(low, high)
    if slot.json_type == "integer" or rng.random() < 0.1:
        return max(1, round(number)) if slot.json_type == "integer" or high > 1 else round(number, 1)
    return round(number, 3)


def bucket_path(rng: Random, name: str) -> str:
    """A path in the bucket; some have further colons."""
    folder = rng.choice(("", "settings/", "survey 2025/", "runs/10:45:00/"))
    return f"bkt:{folder}{name}-{rng.randint(1, 40)}.json"


def _word(rng: Random, name: str) -> str:
    return rng.choice(_CRS) if "crs" in name else rng.choice(("small", "medium", "large"))
