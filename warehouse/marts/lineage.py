"""Marts that follow jobs from one to the next: tries again, shared references, what a deliverable cost, detectors."""

from __future__ import annotations

from typing import Final

from warehouse.declaration import Column, Table
from warehouse.marts import Mart

RETRY_CHAINS: Final = Table(
    name="retry_chains",
    group="marts",
    monthly=False,
    meaning="The same work tried again until it worked or was given up: jobs of one iTwin, type and set of inputs "
    "(canonical role and reference, as text), in order of creation, ties by job id. A job goes on with the chain of "
    "the one before it where that had failed or was cancelled by the time this one was created; else it begins a "
    "chain of its own: after a success, beside a job that was still open then, and where the end of the one before "
    "is not known. Counts all jobs with inputs, vanished ones too; options may differ. Leaves out jobs without "
    "inputs, and chains of one attempt.",
    grain="chain of at least two attempts",
    key=("chain_id",),
    columns=(
        Column("chain_id", "VARCHAR", "Id of the chain: that of its first job"),
        Column("itwin_id", "VARCHAR", "iTwin of the jobs"),
        Column("type", "VARCHAR", "Kind of the jobs"),
        Column("user_id", "VARCHAR", "Identity that created the first job"),
        Column("first_job_id", "VARCHAR", "The first attempt"),
        Column("last_job_id", "VARCHAR", "The last attempt so far"),
        Column("attempts", "BIGINT", "Jobs of the chain", "jobs"),
        Column(
            "result",
            "VARCHAR",
            "'solved': the last attempt succeeded; 'open': it has not ended; 'given_up': it failed or was "
            "cancelled, and none has followed",
        ),
        Column("first_created_at", "TIMESTAMPTZ", "When the first attempt was created"),
        Column("solved_at", "TIMESTAMPTZ", "When the success ended; null while open or given up"),
        Column("elapsed_seconds", "DOUBLE", "From first_created_at to solved_at", "s"),
        Column("finished_attempts", "BIGINT", "Attempts that ended, and so should have units", "jobs"),
        Column("finished_with_units", "BIGINT", "Those of them that have units, of either kind", "jobs"),
        Column("units_coverage", "DOUBLE", "finished_with_units of finished_attempts, 0 to 1", "share"),
        Column("estimated_units", "DOUBLE", "Estimated units of all attempts; null where none has any", "units"),
        Column("processing_units", "DOUBLE", "Processing units of all attempts; null where none has any", "units"),
        Column("wasted_attempts", "BIGINT", "Attempts that failed or were cancelled", "jobs"),
        Column("wasted_with_units", "BIGINT", "Those of them that have units, of either kind", "jobs"),
        Column("wasted_estimated_units", "DOUBLE", "Estimated units of the wasted attempts", "units"),
        Column("wasted_processing_units", "DOUBLE", "Processing units of the wasted attempts", "units"),
    ),
)

REFERENCE_LINEAGE: Final = Table(
    name="reference_lineage",
    group="marts",
    monthly=False,
    meaning="Which job had made what a job read: a reference (reality data, bucket path or detector; the very same "
    "text) that is an input of one job and an output of another one before it. A reader used what the newest "
    "producer before it had made: the one that ended last by the time the reader was created or, where none had "
    "ended by then, the one created last. Before is in order of creation, ties by job id, so that lineage goes "
    "forward and has no cycles: no job is upstream of itself. Outcomes do not matter. A bucket path counts only "
    "within its iTwin. Leaves out readers of what no job before them had made, and values that are no reference.",
    grain="reader (a job, a reference among its inputs and its role there) of what a job before it had made",
    key=("consumer_job_id", "reference", "consumer_role"),
    columns=(
        Column("producer_job_id", "VARCHAR", "The newest job before the reader that has the reference as an output"),
        Column("reference", "VARCHAR", "The reference as text"),
        Column("consumer_job_id", "VARCHAR", "The reader: a job that has it as an input"),
        Column("producer_role", "VARCHAR", "Canonical name of the output; of several, the first by name"),
        Column("consumer_role", "VARCHAR", "Canonical name of the input"),
        Column("producer_type", "VARCHAR", "Kind of the producer job"),
        Column("consumer_type", "VARCHAR", "Kind of the consumer job"),
        Column("kind", "VARCHAR", "What it is to the consumer: 'reality_data', 'bucket_path' or 'detector'"),
    ),
)

DELIVERABLE_UNITS: Final = Table(
    name="deliverable_units",
    group="marts",
    monthly=False,
    meaning="What a job cost together with the jobs before it: all that can be reached backwards over "
    "reference_lineage. A job or reference upstream counts once per deliverable, however many paths lead to it; one "
    "shared by many consumers counts once in each of them, so the totals must not be summed over rows. Jobs upstream "
    "count whatever their outcome. Leaves out units that are not known (see units_coverage) and what no job made "
    "(photos that somebody uploaded).",
    grain="job",
    key=("job_id",),
    columns=(
        Column("job_id", "VARCHAR", "Id of the job"),
        Column("itwin_id", "VARCHAR", "iTwin that the job belongs to"),
        Column("type", "VARCHAR", "Kind of the job"),
        Column("created_at", "TIMESTAMPTZ", "When the job was created"),
        Column("estimated_units", "DOUBLE", "The job's own estimated units; null where not known", "units"),
        Column("processing_units", "DOUBLE", "The job's own processing units; null where not known", "units"),
        Column("upstream_jobs", "BIGINT", "Distinct jobs upstream, itself left out", "jobs"),
        Column("upstream_with_units", "BIGINT", "Those of them that have units, of either kind", "jobs"),
        Column(
            "units_coverage",
            "DOUBLE",
            "upstream_with_units of upstream_jobs, 0 to 1; null without jobs upstream",
            "share",
        ),
        Column("upstream_estimated_units", "DOUBLE", "Estimated units of the jobs upstream; null where none", "units"),
        Column(
            "upstream_processing_units", "DOUBLE", "Processing units of the jobs upstream; null where none", "units"
        ),
        Column("total_estimated_units", "DOUBLE", "Own and upstream estimated units that are known", "units"),
        Column("total_processing_units", "DOUBLE", "Own and upstream processing units that are known", "units"),
        Column(
            "depth",
            "BIGINT",
            "Steps to the farthest job upstream, each by its shortest way from consumer to producer; 0 without any",
            "steps",
        ),
    ),
)

DETECTOR_LEAGUE: Final = Table(
    name="detector_league",
    group="marts",
    monthly=False,
    meaning="How each detector does: the jobs that took it as an input, whatever their outcome. Medians are of the "
    "jobs that succeeded. Leaves out trainings as users (their input detector_name names what they make), and "
    "detectors that no job used (see detectors_never_used).",
    grain="detector name and version",
    key=("detector_name", "detector_version"),
    columns=(
        Column(
            "detector_name", "VARCHAR", "The detector without its version; its reference (a GUID) where it has no name"
        ),
        Column("detector_version", "VARCHAR", "Its version; null where none is named"),
        Column("name", "VARCHAR", "Name that people know it by; null where not known"),
        Column("labels", "VARCHAR[]", "What it finds: of a row without a version, that of the latest one"),
        Column("latest_version", "VARCHAR", "The detector's latest version now; null where not known"),
        Column(
            "latest_when_last_used", "VARCHAR", "The version created last, and ready, when its last job was created"
        ),
        Column("is_still_latest", "BOOLEAN", "Whether latest_when_last_used is the latest version now"),
        Column(
            "jobs_on_latest",
            "BIGINT",
            "Jobs for which this version was the latest when they were created (all that name no version, once there "
            "was one); null where versions are not known",
            "jobs",
        ),
        Column("jobs", "BIGINT", "Jobs that used it", "jobs"),
        Column("finished", "BIGINT", "Those of them that ended", "jobs"),
        Column("succeeded", "BIGINT", "Those of them that succeeded", "jobs"),
        Column("failed", "BIGINT", "Those of them that failed", "jobs"),
        Column("cancelled", "BIGINT", "Those of them that were cancelled", "jobs"),
        Column("failure_share", "DOUBLE", "failed of finished, 0 to 1; null where none has finished", "share"),
        Column("succeeded_with_run_seconds", "BIGINT", "Succeeded jobs whose run time is known", "jobs"),
        Column("run_seconds_p50", "DOUBLE", "Median run time of the succeeded jobs", "s"),
        Column("succeeded_with_units", "BIGINT", "Succeeded jobs that have units, of either kind", "jobs"),
        Column("estimated_units_p50", "DOUBLE", "Median estimated units of the succeeded jobs that have them", "units"),
        Column(
            "processing_units_p50", "DOUBLE", "Median processing units of the succeeded jobs that have them", "units"
        ),
        Column("first_used_at", "TIMESTAMPTZ", "Creation of the first job that used it"),
        Column("last_used_at", "TIMESTAMPTZ", "Creation of the last job that used it"),
        Column("months_in_use", "BIGINT", "Months (UTC) in which a job that used it was created", "months"),
        Column("evaluated_jobs", "BIGINT", "Jobs that used it and of which an output was evaluated", "jobs"),
        Column("evaluation_jobs", "BIGINT", "Distinct Eval jobs whose prediction is an output of these", "jobs"),
        Column(
            "trained_by_job_id",
            "VARCHAR",
            "The job created last that has it as its output 'detector', so its newest training; null where none",
        ),
    ),
)

LINEAGE_MARTS: Final = (
    Mart(RETRY_CHAINS, reads=("jobs", "job_references"), timely=False),
    Mart(REFERENCE_LINEAGE, reads=("jobs", "job_references"), timely=False),
    Mart(DELIVERABLE_UNITS, reads=("jobs", "reference_lineage"), timely=False),
    Mart(
        DETECTOR_LEAGUE,
        reads=("jobs", "job_references", "reference_lineage", "detectors", "detector_versions", "reality_data"),
        timely=False,
        steps=("latest_versions",),
        interpolated=("run_seconds_p50", "estimated_units_p50", "processing_units_p50"),
    ),
)
