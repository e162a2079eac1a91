"""The command line. Data goes to stdout, everything else to stderr.

Exit codes: 0 done; 1 failed; 2 wrong usage or settings; 3 not authorised; 4 done, but a walk is incomplete.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Final, ParamSpec

import click
from click.shell_completion import get_completion_class

from assets.api.filters import plain_id
from pipelines.console import be_quiet, tell
from pipelines.exits import Exit, exit_of
from pipelines.launch import import_for_good
from pipelines.settings import NO_CREDENTIALS, prepare_data, read_settings
from warehouse.errors import WrongUsage

P = ParamSpec("P")

DEBUG: Final = "jobledger.debug"
"""Where the context, which all its commands share, notes that tracebacks are wanted."""


def _exits(command: Callable[P, Exit | None]) -> Callable[P, None]:
    """End the process with what a command returns, or with what its error stands for."""

    @_debug_option
    @_quiet_option
    @click.pass_context
    @wraps(command)
    def wrapped(context: click.Context, *args: P.args, **kwargs: P.kwargs) -> None:
        sys.exit(exit_of(lambda: command(*args, **kwargs), debug=DEBUG in context.meta))

    return wrapped


def _note_debug(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        context.meta[DEBUG] = True


_debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, callback=_note_debug, help="Show the traceback of an error."
)


def _note_quiet(_: click.Context, __: click.Parameter, wanted: bool) -> None:
    if wanted:
        be_quiet()


_quiet_option = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    expose_value=False,
    callback=_note_quiet,
    help="Say nothing but warnings and errors, and draw no progress.",
)


def _examples(*lines: str) -> str:
    """What `--help` shows below the options, a line each."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="jobledger")
@_debug_option
@_quiet_option
def main() -> None:
    """A ledger of job history for the iTwin Reality Analysis API.

    Settings come from the environment or from .env; see .env.example. Data on stdout, everything else on stderr.
    Exit codes: 0 done; 1 failed; 2 wrong usage or settings; 3 not authorised; 4 done, but a walk is incomplete.
    """


@main.command(
    epilog=_examples(
        "jobledger sync                                the usual months: what a schedule would do",
        "jobledger sync --all                          a first fill, or everything again",
        "jobledger sync --from 2026-01 --to 2026-03    three months",
        "jobledger sync --ids jobs.txt                 these jobs, one id a line",
    )
)
@click.option("--from", "first", metavar="YYYY-MM", help="First month of creation.")
@click.option("--to", "last", metavar="YYYY-MM", help="Last month of creation; default: the current one.")
@click.option("--all", "everything", is_flag=True, help="All months from JOBLEDGER_START.")
@click.option("--ids", "ids_file", metavar="FILE|-", help="Fetch these job ids, one a line, and walk nothing.")
@click.option("--accept-gone", is_flag=True, help="Believe it when a month loses more than a tenth of its jobs.")
@_exits
def sync(first: str | None, last: str | None, everything: bool, ids_file: str | None, accept_gone: bool) -> Exit:
    """Run the Dagster job here and now.

    Without months: the current and the previous one, and the older ones that hold open jobs.
    """
    from pipelines.sync import months_to_sync, sync_ids, sync_months

    if ids_file and (first or last or everything):
        raise WrongUsage("--ids walks no months: give it alone.")
    if everything and (first or last):
        raise WrongUsage("--all and --from/--to contradict each other: give one of them.")
    settings = read_settings()
    if not settings.has_credentials:
        raise WrongUsage(NO_CREDENTIALS)
    ids = _read_ids(ids_file) if ids_file else None
    months = months_to_sync(settings, first, last, everything) if ids is None else []
    prepare_data(settings)
    import_for_good("pipelines.home", "pipelines.definitions")  # Dagster, and all that it runs
    whole = sync_ids(settings, ids) if ids is not None else sync_months(settings, months, accept_gone)
    return Exit.DONE if whole else Exit.INCOMPLETE


@main.command(
    epilog=_examples(
        'jobledger sql "select type, count(*) from jobs group by 1"',
        'jobledger sql "from named.units_by_month" --format csv > units.csv',
    )
)
@click.argument("query")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json", "ndjson", "parquet"]), default="table")
@_exits
def sql(query: str, form: str) -> None:
    """Answer a query on the ledger. Times are UTC, durations seconds."""
    from pipelines import answering

    answering.answer(read_settings().data, query, form, sys.stdout.buffer)


@main.command(
    epilog=_examples(
        "jobledger estimate --type Objects2D",
        'jobledger estimate --type Objects2D --itwin "Bridge 12" --json',
    )
)
@click.option("--type", "job_type", metavar="TYPE", required=True, help="Kind of the job, for example Objects2D.")
@click.option("--itwin", metavar="NAME|ID", help="iTwin in which it will run.")
@click.option("--detector", metavar="NAME[/VERSION]", help="Detector that it will take as an input.")
@click.option("--option", "options", metavar="NAME=VALUE", multiple=True, help="An option; may be given several times.")
@click.option(
    "--input", "inputs", metavar="ID", multiple=True, help="Reality data as input; may be given several times."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@_exits
def estimate(
    job_type: str,
    itwin: str | None,
    detector: str | None,
    options: tuple[str, ...],
    inputs: tuple[str, ...],
    as_json: bool,
) -> None:
    """Tell what the next job will cost and how long it will run, from the jobs that are like it.

    Where fewer than 20 like jobs have finished, conditions are dropped: options (the last one first), the iTwin, the
    detector's version, the detector.
    """
    from pipelines import estimating

    estimating.tell(read_settings().data, job_type, itwin, detector, options, inputs, as_json=as_json)


@main.command(epilog=_examples("jobledger status", "jobledger status --json | jq .failed_months"))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@_exits
def status(as_json: bool) -> None:
    """Show walks, coverage, open jobs, rejected records and drift on one screen."""
    from pipelines import answering

    answering.show_status(read_settings(), as_json=as_json)


@main.command(epilog=_examples("jobledger doctor", "jobledger doctor --json | jq '.[].advice'"))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of findings.")
@_exits
def doctor(as_json: bool) -> Exit:
    """Look for what keeps the ledger from working: settings, folder, API, rights, Dagster. Exit code 1 for a fault."""
    from pipelines import doctor

    return Exit.DONE if doctor.show(doctor.examine(), as_json=as_json) else Exit.FAILED


@main.command(epilog=_examples("jobledger schedules on"))
@click.argument("position", type=click.Choice(["on", "off"]))
@_exits
def schedules(position: str) -> None:
    """Switch all schedules and sensors on or off, as the switches of the UI do. They tick while the daemon runs."""
    from pipelines.switches import switch

    for name in switch(read_settings(), on=position == "on"):
        tell(f"{name} is {position}")


@main.command(epilog=_examples("jobledger alert --test"))
@click.option("--test", is_flag=True, help="Send a message now that says it is a test.")
@_exits
def alert(test: bool) -> None:
    """Try where alerts go. The alerts themselves are sent by the sensor `alerts`, once it is switched on in the UI."""
    from pipelines.delivery import raise_undelivered, send_test

    if not test:
        raise WrongUsage("Say what to do: `jobledger alert --test` sends a message to every address.")
    outcomes = send_test(read_settings().alert_addresses)
    sent = [outcome.shown for outcome in outcomes if outcome.reason is None]
    click.echo("\n".join([f"Sent to {len(sent)} of {len(outcomes)} addresses.", *sent]))
    raise_undelivered(outcomes)


@main.command(
    epilog=_examples("jobledger report --open", "jobledger report --itwin 'Bridge North' --from 2026-01 north.html")
)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--open", "is_opened", is_flag=True, help="Open it in the browser.")
@click.option("--itwin", metavar="NAME|ID", help="Of one iTwin alone.")
@click.option("--from", "first", metavar="YYYY-MM", help="First month of creation; default: a year before the last.")
@click.option("--to", "last", metavar="YYYY-MM", help="Last month of creation; default: the newest.")
@_exits
def report(file: Path | None, is_opened: bool, itwin: str | None, first: str | None, last: str | None) -> None:
    """Write the report, one HTML file that opens without a network, and print where it lies.

    Without anything else it is report.html of the data folder, which every run keeps up to date.
    """
    from pipelines import reporting

    place = reporting.write_report(read_settings(), file, itwin, first, last)
    click.echo(place)
    if is_opened:
        click.launch(place.absolute().as_uri())


_engine_option = click.option("--engine", type=click.Choice(["duckdb", "spark"]), default="duckdb", show_default=True)
_master_option = click.option(
    "--master",
    metavar="URL",
    help="Where Spark runs: local[4], spark://host:7077, yarn, sc://host; default: as it is set.",
)


@main.command(epilog=_examples("jobledger replay", "jobledger replay --engine spark --master 'local[4]'"))
@_engine_option
@_master_option
@_exits
def replay(engine: str, master: str | None) -> None:
    """Make every table anew from observations, and tell what that changed, table by table.

    On Spark each month is a task. Its workers have jobledger, and see the data folder under the same path.
    """
    from pipelines import answering

    answering.replay_and_tell(read_settings(), engine, master)


@main.command(epilog=_examples("jobledger marts", "jobledger marts --engine spark --master 'local[4]'"))
@_engine_option
@_master_option
@_exits
def marts(engine: str, master: str | None) -> None:
    """Make the marts whose sources changed, with DuckDB or with Spark, which gives the same rows.

    Spark is the extra jobledger[spark] and takes Java. Its workers see the data folder under the same path.
    """
    from pipelines.marts import make_and_tell

    make_and_tell(read_settings(), engine, master)


@main.command(epilog=_examples("jobledger export ledger.duckdb"))
@click.argument("file", type=click.Path(path_type=Path))
@_exits
def export(file: Path) -> None:
    """Write all tables, data inside, to a DuckDB file that can be carried away."""
    from pipelines import answering

    answering.export(read_settings(), file)


@main.command(epilog=_examples("jobledger push s3://bucket/ledger", "jobledger push file:///mnt/backup/ledger"))
@click.argument("url", required=False)
@_exits
def push(url: str | None) -> None:
    """Publish the ledger as a snapshot in object storage: s3://, gs://, az:// or file://. Only what is new travels.

    Without URL: JOBLEDGER_PUSH_URL. Credentials come from the cloud's usual variables, such as AWS_ACCESS_KEY_ID.
    """
    from pipelines import pushing

    pushing.push_lake(read_settings(), url)


@main.command(
    epilog=_examples(
        "jobledger pull s3://bucket/ledger                      the newest snapshot, into JOBLEDGER_DATA",
        "jobledger pull s3://bucket/ledger --at 2026-10-31      as it was at the end of that day",
    )
)
@click.argument("url", required=False)
@click.option("--at", metavar="TIME", help="The newest snapshot not later than that; UTC, a day alone is its end.")
@_exits
def pull(url: str | None, at: str | None) -> None:
    """Make a ledger of a snapshot in JOBLEDGER_DATA, which must be empty. Without URL: JOBLEDGER_PUSH_URL."""
    from pipelines import pushing

    pushing.pull_ledger(read_settings(), url, at)


@main.command(epilog=_examples("jobledger history s3://bucket/ledger"))
@click.argument("url", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@_exits
def history(url: str | None, as_json: bool) -> None:
    """List the snapshots that are kept in object storage, oldest first. Without URL: JOBLEDGER_PUSH_URL."""
    from pipelines import pushing

    pushing.show_history(read_settings(), url, as_json=as_json)


@main.command(
    epilog=_examples(
        "jobledger diff s3://bucket/ledger@2026-10-31 s3://bucket/ledger     since the end of that day",
        "jobledger diff s3://bucket/ledger data                              since the last push",
    )
)
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with each row of units_by_month.")
@_exits
def diff(before: str, after: str, as_json: bool) -> None:
    """Tell which figures moved from A to B, and why. Each is URL, URL@TIME as for `pull --at`, or a data folder.

    Tables by their rows; the units of each month to the last one, by the jobs that are new, late, restated, moved ...
    """
    from pipelines import diffing

    read_settings()
    diffing.show_diff(before, after, as_json=as_json)


@main.command(epilog=_examples("jobledger sandbox", "jobledger sandbox --port 0 --faults p=0.2,seed=7,kinds=429+cut"))
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535))
@click.option("--edition", default="2025-08", show_default=True, help="Edition of the API's schema to speak.")
@click.option("--faults", metavar="SPEC", help="Misbehave on purpose: p=0.2,seed=7,kinds=429+cut+html")
@_exits
def sandbox(port: int, edition: str, faults: str | None) -> None:
    """Serve the sandbox API, with its made-up jobs, on loopback."""
    from pipelines.sandbox import Faults, FaultsError, World, serve
    from warehouse.contract import contract

    if edition not in contract().editions:
        raise WrongUsage(f"--edition {edition!r} is none of {', '.join(contract().editions)}.")
    try:
        wanted = Faults.parse(faults) if faults else None
    except FaultsError as error:
        raise WrongUsage(f"--faults {error}. Write it like p=0.2,seed=7,kinds=429+cut+html.") from None
    try:
        serve(World(edition=edition), port, faults=wanted)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise WrongUsage(f"--port {port}: the port is taken. Name another, or 0 for a free one.") from None


@main.command(
    epilog=_examples(
        'eval "$(jobledger completion bash)"           in ~/.bashrc; zsh likewise',
        "jobledger completion fish | source            in config.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@_exits
def completion(shell: str) -> None:
    """Print what makes a shell complete commands and options."""
    found = get_completion_class(shell)
    if found is None:
        raise WrongUsage(f"There is no completion for {shell}.")
    click.echo(found(main, {}, "jobledger", "_JOBLEDGER_COMPLETE").source())


def _read_ids(name: str) -> list[str]:
    """Job ids, one a line; blank lines and what follows a # are passed over. Raises WrongUsage with file and line."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUsage(
            f"--ids {name}: the file cannot be read ({error}). Give a text file with one id a line."
        ) from None
    ids: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].strip()
        if words:
            try:
                ids.append(plain_id(words))
            except WrongUsage as error:
                raise WrongUsage(f"--ids {name}, line {number}: {error}") from None
    if not ids:
        raise WrongUsage(f"--ids {name}: there is no id in it. Give a text file with one id a line.")
    return ids


if __name__ == "__main__":
    main()
