"""The marts about detectors as things of their own: what a new version changed, and what was trained for nothing."""

from __future__ import annotations

from typing import Final

from warehouse.declaration import Column, Table
from warehouse.marts import Mart


def _ratio(measure: str, said: str) -> tuple[Column, ...]:
    mean = f"Geometric mean of the {said} of jobs that succeeded, over that of the version before; null without any"
    return (
        Column(f"with_{measure}", "BIGINT", f"Jobs of the version that succeeded with {said} above 0", "jobs"),
        Column(f"with_{measure}_before", "BIGINT", "The same of the version before", "jobs"),
        Column(f"{measure}_ratio", "DOUBLE", mean, "ratio"),
        Column(
            f"{measure}_ratio_low",
            "DOUBLE",
            "Lower end of its 95 % interval (Welch); null with fewer than 5 jobs on either side, or where none differ",
            "ratio",
        ),
        Column(f"{measure}_ratio_high", "DOUBLE", "Upper end of its 95 % interval, likewise", "ratio"),
    )


DETECTOR_VERSIONS_EFFECT: Final = Table(
    name="detector_versions_effect",
    group="marts",
    monthly=False,
    meaning="Whether failures, run time or units moved with a new version of a detector: the jobs of each version "
    "beside those of the version before. A job that names no version used the one created last by then. Versions are "
    "in order of their creation or, where that is not known, of their first use; only versions that jobs used count. "
    "It shows what came with a version, not what the version caused: jobs, users and data change with time too, and of "
    "twenty intervals without an effect one lies off by chance. Leaves out first versions, jobs without a type, and "
    "jobs that name no version where versions are not known.",
    grain="job type, detector and version after the first",
    key=("type", "detector_name", "version"),
    columns=(
        Column("type", "VARCHAR", "Kind of the jobs"),
        Column("detector_name", "VARCHAR", "The detector without its version; its reference where it has no name"),
        Column("version", "VARCHAR", "The version"),
        Column("version_before", "VARCHAR", "The version before, that jobs of the type used"),
        Column("name", "VARCHAR", "Name that people know the detector by; null where not known"),
        Column("first_used_at", "TIMESTAMPTZ", "Creation of the first job of the type that used the version"),
        Column("jobs", "BIGINT", "Jobs that used the version", "jobs"),
        Column("jobs_before", "BIGINT", "Jobs that used the version before", "jobs"),
        Column("finished", "BIGINT", "Those of them that ended", "jobs"),
        Column("finished_before", "BIGINT", "The same of the version before", "jobs"),
        Column("too_thin", "BOOLEAN", "Fewer than 20 finished on either side: too few to compare"),
        Column("failure_share", "DOUBLE", "Failed of finished, 0 to 1; null where none has finished", "share"),
        Column("failure_share_before", "DOUBLE", "The same of the version before", "share"),
        Column(
            "failure_change_low",
            "DOUBLE",
            "Lower end of the 95 % interval (Newcombe) of failure_share minus failure_share_before: one that holds 0 "
            "shows nothing",
            "share",
        ),
        Column("failure_change_high", "DOUBLE", "Upper end of that interval", "share"),
        *_ratio("run_seconds", "run seconds"),
        *_ratio("estimated_units", "estimated units"),
        *_ratio("processing_units", "processing units"),
    ),
)

DETECTORS_NEVER_USED: Final = Table(
    name="detectors_never_used",
    group="marts",
    monthly=False,
    meaning="Detectors that a training made and no job in the ledger ever took as an input, whatever its outcome. A "
    "job that names a detector without a version may have used any version of it: then none of them is listed. "
    "Leaves out trainings that did not succeed.",
    grain="detector that was trained (a name with version, or a reference)",
    key=("reference",),
    columns=(
        Column("reference", "VARCHAR", "The output of the training: the detector as text"),
        Column("detector_name", "VARCHAR", "The detector without its version; null where it has no name"),
        Column("detector_version", "VARCHAR", "Its version; null where none is named"),
        Column("name", "VARCHAR", "Name that people know it by; null where not known"),
        Column("trained_by_job_id", "VARCHAR", "The training that succeeded, the one created last"),
        Column("type", "VARCHAR", "Kind of that training"),
        Column("itwin_id", "VARCHAR", "iTwin of that training"),
        Column("user_id", "VARCHAR", "Identity that created that training"),
        Column("trained_at", "TIMESTAMPTZ", "When that training ended"),
        Column("trainings", "BIGINT", "Trainings that made it and succeeded", "jobs"),
        Column("estimated_units", "DOUBLE", "Estimated units of that training", "units"),
        Column("processing_units", "DOUBLE", "Processing units of that training", "units"),
    ),
)

DETECTOR_MARTS: Final = (
    Mart(
        DETECTOR_VERSIONS_EFFECT,
        reads=("jobs", "job_references", "detectors", "detector_versions"),
        timely=False,
        steps=("latest_versions",),
    ),
    Mart(DETECTORS_NEVER_USED, reads=("jobs", "job_references", "detectors", "reality_data"), timely=False),
)
