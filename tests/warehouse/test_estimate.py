"""What the next job will take, asked of a ledger on disk."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.warehouse.made_ledgers import made_ledger
from tests.warehouse.mart_ledger import ledger, rows
from tests.warehouse.mart_worlds import AS_OF, Row, job
from tests.warehouse.test_marts_estimation import ESTIMATES, MEASURES, sized_world, world
from warehouse.errors import WrongUsage
from warehouse.estimate import ENOUGH, LikeJobs, NoLikeJobs, Quantiles, Wait
from warehouse.query import estimate

NOON = datetime(2025, 3, 10, 12, tzinfo=UTC)
BRIDGE, DAM = "11111111-aaaa-4bbb-8ccc-000000000001", "11111111-aaaa-4bbb-8ccc-000000000002"
Tables = dict[str, list[Row]]


def golden() -> Tables:
    """70 finished jobs of a type, created at noon, in five settings that differ in what can be asked for."""
    tables: Tables = {"jobs": [], "job_references": [], "job_options": []}
    tables["itwins"] = [{"itwin_id": DAM, "name": "Dam"}]
    tables["detectors"] = [{"detector_name": "rail", "name": "Rails"}]
    _add(tables, 10, seconds=100, itwin=BRIDGE, detector=("rail", "1.0"), fine="true", radius=1.0)
    _add(tables, 10, seconds=200, itwin=BRIDGE, detector=("rail", "1.0"), fine="false", radius=2.0)
    _add(tables, 15, seconds=300, itwin=DAM, detector=("rail", "1.0"), fine="true", radius=3.0)
    _add(tables, 15, seconds=400, itwin=DAM, detector=("rail", "2.0"), fine="true", radius=4.0)
    _add(tables, 20, seconds=500, itwin=DAM, detector=("@us/cracks", None), fine="true", radius=5.0)
    return tables


def _add(
    tables: Tables, count: int, *, seconds: int, itwin: str, detector: tuple[str, str | None], fine: str, radius: float
) -> None:
    for _ in range(count):
        number = len(tables["jobs"])
        at = NOON - timedelta(days=number % 20)
        run = timedelta(seconds=seconds)
        row = job(f"{number:03}", at, wait=timedelta(seconds=number), run=run, itwin_id=itwin)
        row |= {"units": seconds / 100, "units_source": "estimatedUnits"}
        owner = {"job_id": row["job_id"], "type": row["type"], "ordinal": 1}
        name, version = detector
        tables["jobs"].append(row)
        tables["job_references"].append(
            {**owner, "direction": "input", "role": "photo_object_detector", "api_field": "d", "kind": "detector"}
            | {
                "reference": f"{name}/{version}" if version else name,
                "detector_name": name,
                "detector_version": version,
            }
        )
        tables["job_options"].append(
            {**owner, "option": "fine", "api_field": "fine", "value": fine, "boolean": fine == "true"}
        )
        tables["job_options"].append(
            {**owner, "option": "radius", "api_field": "r", "value": str(radius), "number": radius}
        )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_ledger(tmp_path_factory.mktemp("golden"), golden(), AS_OF)


def same(value: float, jobs: int) -> Quantiles:
    return Quantiles(jobs, value, value, value)


def test_conditions_are_dropped_from_the_last_to_the_first_until_twenty_jobs_have_finished(data: Path) -> None:
    found = estimate(
        "Objects2D",
        itwin=BRIDGE.upper(),
        detector="rail/1.0",
        options={"fine": "true", "radius": "0.5"},
        at=NOON,
        data=data,
    )
    assert found.dropped == ("radius=0.5 (q1: up to 2)", "fine=true")
    assert [each.conditions for each in found.tried] == [
        ("detector Rails", "version 1.0", f"iTwin {BRIDGE}", "fine=true", "radius=0.5 (q1: up to 2)"),
        ("detector Rails", "version 1.0", f"iTwin {BRIDGE}", "fine=true"),
        ("detector Rails", "version 1.0", f"iTwin {BRIDGE}"),
        ("detector Rails", "version 1.0"),
        ("detector Rails",),
        (),
    ]
    assert [each.jobs for each in found.tried] == [10, 10, 20, 35, 50, 70]
    assert found.answer == LikeJobs(
        conditions=("detector Rails", "version 1.0", f"iTwin {BRIDGE}"),
        jobs=20,
        finished=20,
        failed_share=0.0,
        run_seconds=Quantiles(20, 100, 100, 200),
        run_censored=0,
        estimated_units=Quantiles(20, 1, 1, 2),
        processing_units=Quantiles(0, None, None, None),
        first_created_at=NOON - timedelta(days=19),
        last_created_at=NOON,
    )
    assert found.answer is found.tried[2]
    assert found.as_of == AS_OF


def test_a_condition_that_twenty_jobs_meet_is_kept(data: Path) -> None:
    found = estimate("Objects2D", detector="@us/cracks", options={"radius": "5"}, at=NOON, data=data)
    assert found.dropped == ()
    assert found.answer.conditions == ("detector @us/cracks", "radius=5 (q3: above 3.5, up to 5)")
    assert (found.answer.run_seconds, found.answer.estimated_units) == (same(500, 20), same(5, 20))


def test_a_combination_that_never_occurred_is_told_with_no_jobs(data: Path) -> None:
    found = estimate("Objects2D", itwin=BRIDGE, detector="@us/cracks", at=NOON, data=data)
    nothing = Quantiles(0, None, None, None)
    assert found.tried[0] == LikeJobs(
        ("detector @us/cracks", f"iTwin {BRIDGE}"), 0, 0, None, nothing, 0, nothing, nothing, None, None
    )
    assert found.dropped == (f"iTwin {BRIDGE}",)


def test_the_wait_is_that_at_this_time_of_day_or_where_few_tell_at_any(data: Path) -> None:
    everything = Quantiles(70, 6, 34, 62)
    assert estimate("Objects2D", at=NOON + timedelta(hours=1), data=data).wait == Wait(True, 13, everything)
    assert estimate("Objects2D", at=NOON + timedelta(hours=2), data=data).wait == Wait(False, 14, everything)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"job_type": "Objects3D"}, "No type 'Objects3D' is known. There are: ChangeDetection, "),
        ({"itwin": "nowhere"}, f"No job with iTwin 'nowhere' is known. There are: {BRIDGE}, Dam ({DAM})."),
        (
            {"detector": "rail/3.0"},
            "'rail/3.0' is known. There are: @us/cracks, Rails (rail), Rails/1.0 (rail/1.0), Rails/2.0",
        ),
        ({"options": {"speed": "1"}}, "an option 'speed' is known. There are: fine, radius."),
        ({"options": {"fine": "maybe"}}, "No value 'maybe' of option 'fine' is known. There are: false, true."),
        ({"options": {"radius": "wide"}}, "Option 'radius' is a number; 'wide' is none."),
        ({"options": {"radius": "nan"}}, "Option 'radius' is a number; 'nan' is none."),
    ],
)
def test_what_the_ledger_does_not_know_is_refused_with_what_there_is(data: Path, asked: Row, said: str) -> None:
    with pytest.raises(WrongUsage) as refused:
        estimate(**{"job_type": "Objects2D", **asked}, data=data)
    assert said in str(refused.value)


def test_a_type_without_jobs_has_no_estimate(data: Path) -> None:
    with pytest.raises(NoLikeJobs, match="No EvalO2D job is known yet"):
        estimate("EvalO2D", data=data)


@pytest.mark.parametrize(("asked", "meant"), [("rail/2.0", "Rails/2.0"), ("rail", "Rails")])
def test_a_detector_and_an_itwin_are_found_by_their_names(data: Path, asked: str, meant: str) -> None:
    by_id = estimate("Objects2D", itwin=DAM, detector=asked, at=NOON, data=data)
    assert estimate("Objects2D", itwin="Dam", detector=meant, at=NOON, data=data) == by_id
    assert by_id.tried[0].conditions[-1] == "iTwin Dam"


def test_a_name_of_two_itwins_is_refused_with_their_ids(tmp_path: Path) -> None:
    tables = golden() | {"itwins": [{"itwin_id": itwin, "name": "Dam"} for itwin in (BRIDGE, DAM)]}
    data = made_ledger(tmp_path, tables, AS_OF)
    with pytest.raises(WrongUsage, match=f"2 are called so: iTwin 'Dam'. Give the id of one: {BRIDGE}, {DAM}."):
        estimate("Objects2D", itwin="Dam", data=data)
    assert estimate("Objects2D", itwin=DAM, data=data).answer.conditions == ("iTwin Dam",)


def test_inputs_of_known_size_are_told_by_size_with_how_much_that_explains(tmp_path: Path) -> None:
    sizes = [(1 + number % 4) * 10**9 for number in range(24)]
    tables = sized_world([("orthophoto", size, None, size / 5e8) for size in sizes])
    data = made_ledger(tmp_path, tables, AS_OF)
    found = estimate("Objects2D", inputs=["DATA-0", "data-3", "data-3"], at=NOON, data=data)
    assert [(each.measure, each.per, each.size, each.explained) for each in found.by_size] == [
        ("processing_units", "gb", 5.0, 1.0),
        ("run_seconds", "gb", 5.0, 1.0),
    ]
    assert found.by_size[0].total == Quantiles(24, 10, 10, 10)
    assert found.by_size[0].helps
    assert found.answer.processing_units == Quantiles(24, 2, 4, 8)
    assert estimate("Objects2D", inputs=["data-0", "elsewhere"], at=NOON, data=data).by_size == ()


@pytest.mark.proof
def test_the_mart_and_the_function_say_the_same(tmp_path: Path) -> None:
    jobs = world(5, 500)
    data = made_ledger(tmp_path, {"jobs": jobs}, AS_OF)
    for row in rows(ledger({"jobs": jobs}, AS_OF), ESTIMATES):
        itwin = None if row["itwin_id"] == "all" else row["itwin_id"]
        answer = estimate(row["type"], itwin=itwin, data=data).answer
        assert len(answer.conditions) == (1 if row["conditions"] == "type, iTwin" else 0)
        assert (answer.jobs, answer.finished, answer.run_censored) == (
            row["jobs"],
            row["finished"],
            row["run_censored"],
        )
        assert (answer.failed_share, answer.enough) == (row["failed_share"], row["enough"])
        for measure in MEASURES:
            told = [row[f"with_{measure}"], *(row[f"{measure}_p{p}"] for p in (10, 50, 90))]
            assert getattr(answer, measure) == Quantiles(*told)


def test_each_step_rests_on_more_jobs_and_the_first_with_twenty_answers(data: Path) -> None:
    rng = random.Random(4)
    for _ in range(6):
        chosen = {
            name: rng.choice(values) for name, values in {"fine": ("true", "false"), "radius": ("1", "4")}.items()
        }
        found = estimate("Objects2D", itwin=rng.choice((BRIDGE, DAM)), detector="rail/2.0", options=chosen, data=data)
        finished = [each.finished for each in found.tried]
        assert finished == sorted(finished)
        assert found.answer == next(each for each in found.tried if each.finished >= ENOUGH)
