"""A job as JSON in an edition at an instant. The same job, edition and instant always give the same bytes."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from pipelines.sandbox.catalogue import DETECTOR
from pipelines.sandbox.instants import DAY, with_offset, with_z
from pipelines.sandbox.references import Link, Plan, Value, trained_detector
from pipelines.sandbox.skeleton import Job, guid
from warehouse.contract import Contract, Field

QUEUED: Final = "Queued"
ACTIVE: Final = "Active"
TERMINATING: Final = "Terminating"
PROGRESS_DAYS: Final = 30

_encode = msgspec.json.Encoder().encode


class Edition:
    """How one edition of the contract writes jobs. Errors: ValueError for an edition that the contract lacks."""

    def __init__(self, contract: Contract, edition: str) -> None:
        if edition not in contract.editions:
            raise ValueError(f"edition {edition!r} is none of {', '.join(contract.editions)}")
        self.job_types = frozenset(contract.job_types_of(edition))
        self._fields = {
            (job_type, part): contract.fields_of(job_type, part, edition)
            for job_type in contract.job_types
            for part in ("inputs", "outputs", "options")
        }
        words = [state.name for state in contract.states_of(edition)]
        self._ends = {state.outcome: state.name for state in contract.states_of(edition) if state.outcome != "open"}
        self._endings = _ending_words([word for word in words if word.startswith(TERMINATING)])
        self._units = _units_field(contract, edition)
        self._oldest = edition == contract.editions[0]

    def state(self, job: Job, now: int) -> str:
        """The API's word for where the job stands."""
        if now >= job.ended:
            return self._ends[job.outcome]
        if job.terminating is not None and now >= job.terminating and job.outcome in self._endings:
            return self._endings[job.outcome]
        return ACTIVE if job.started is not None and now >= job.started else QUEUED

    def job(self, job: Job, name: str | None, specifications: bytes, now: int) -> bytes:
        """The whole job; `specifications` are rendered already, as they never change."""
        head: dict[str, Any] = {"id": job.id}
        if name is not None or job.seed % 3 == 0:
            head["name"] = name
        return _encode(
            head
            | {
                "type": job.kind.job_type,
                "state": self.state(job, now),
                "iTwinId": job.itwin_id,
                "userId": job.user_id,
                "executionInfo": self._execution(job, now),
                "specifications": msgspec.Raw(specifications),
            }
        )

    def specifications(self, job: Job, plan: Plan) -> bytes:
        """The plan in this edition's words: what the edition lacks is left out."""
        rendered: dict[str, Any] = {
            "inputs": self._written(job, "inputs", plan.inputs),
            "outputs": {
                row.api_field: self._output(job, row)
                for row in self._fields[job.kind.job_type, "outputs"]
                if row.name in plan.outputs
            },
        }
        if plan.options is not None and self._fields[job.kind.job_type, "options"]:
            rendered["options"] = self._written(job, "options", plan.options)
        return _encode(rendered)

    def inputs(self, job: Job, plan: Plan) -> list[tuple[Field, Any]]:
        """The plan's inputs with their values in this edition."""
        rows = self._fields[job.kind.job_type, "inputs"]
        return [(row, self._resolved(plan.inputs[row.name])) for row in rows if row.name in plan.inputs]

    def made_reality_data(self, job: Job, outputs: frozenset[str]) -> list[tuple[str, str]]:
        """The reality data among a job's outputs: name of the output and id."""
        rows = self._fields[job.kind.job_type, "outputs"]
        other = (DETECTOR, "bucket_path")
        return [(row.name, guid(job.id, row.name)) for row in rows if row.name in outputs and row.holds not in other]

    def progress(self, job: Job, now: int) -> bytes | None:
        """The progress; None when the job ended more than 30 days ago."""
        if now > job.ended + PROGRESS_DAYS * DAY:
            return None
        percentage = (
            0 if job.started is None else 100 * (min(now, job.ended) - job.started) // (job.ended - job.started)
        )
        return _encode({"percentage": max(0, percentage), "state": self.state(job, now)})

    def _written(self, job: Job, part: str, values: dict[str, Value]) -> dict[str, Any]:
        rows = self._fields[job.kind.job_type, part]
        return {row.api_field: self._resolved(values[row.name]) for row in rows if row.name in values}

    def _resolved(self, value: Value) -> Any:
        if not isinstance(value, Link):
            return value
        rows = self._fields[value.job.kind.job_type, "outputs"]
        made = next((row for row in rows if row.name == value.output), None)
        return guid(value.job.id, value.output) if made is None else self._output(value.job, made)

    def _output(self, job: Job, row: Field) -> str:
        if row.holds == DETECTOR:
            return "/".join(trained_detector(job))
        if row.holds == "bucket_path":
            return f"bkt:jobs/{job.id}/{row.name}.json"
        return guid(job.id, row.name)

    def _execution(self, job: Job, now: int) -> dict[str, Any]:
        """Times and units: what is not known yet is null in some jobs, missing in the others."""
        write = with_z if self._oldest or job.seed % 11 == 0 else with_offset
        times = {"startedDateTime": job.started, "endedDateTime": job.ended}
        info: dict[str, Any] = {"createdDateTime": write(job.created)}
        info |= {key: None if at is None or at > now else write(at) for key, at in times.items()}
        info[self._units] = next((value for at, value in reversed(job.units) if at <= now), None)
        return info if job.seed % 2 else {key: value for key, value in info.items() if value is not None}


def _ending_words(words: list[str]) -> dict[str, str]:
    """For each outcome the word while it comes about: an edition with a single word has it for cancelling alone."""
    if len(words) == 1:
        return {"cancelled": words[0]}
    ends = {"Cancel": "cancelled", "Failure": "failed"}
    return {outcome: word for word in words for end, outcome in ends.items() if word.endswith(end)}


def _units_field(contract: Contract, edition: str) -> str:
    paths = [row.path for row in contract.envelope if edition in row.editions and row.path.endswith("Units")]
    return paths[0].removeprefix("executionInfo.")
