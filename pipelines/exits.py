"""What a command ends with: its exit code, and the sentence of an error on stderr."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from enum import IntEnum

from assets.api.errors import NotAuthorised
from pipelines.console import err
from warehouse.errors import Interrupted, WrongUsage
from warehouse.explain import explain, redacted
from warehouse.failed_months import MonthsFailed


class Exit(IntEnum):
    """What the exit code says."""

    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    NOT_AUTHORISED = 3
    INCOMPLETE = 4


def exit_of(command: Callable[[], Exit | None], *, debug: bool = False) -> Exit:
    """Run a command and return its exit code. What it raises is a sentence on stderr, below `debug`'s traceback."""
    try:
        return command() or Exit.DONE
    except KeyboardInterrupt as error:
        told, code, cause = Interrupted("Interrupted. What had landed is kept; run again to go on."), Exit.FAILED, error
    except BrokenPipeError:
        return _end_quietly()
    except Exception as error:  # noqa: BLE001 - the outermost edge: whatever it is becomes a sentence
        told, code, cause = error, code_of(error), error
    if debug:
        text = "".join(traceback.format_exception(cause))
        err.print(redacted(text))
    err.print(f"jobledger: {explain(told)}", style="red")
    return code


def _end_quietly() -> Exit:
    """Who read the output has had enough: what Python still flushes when it ends goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.FAILED


def code_of(error: BaseException) -> Exit:
    """The exit code that an error ends a command with."""
    if isinstance(error, NotAuthorised) or (isinstance(error, MonthsFailed) and error.token_refused):
        return Exit.NOT_AUTHORISED
    return Exit.WRONG_USAGE if isinstance(error, WrongUsage) else Exit.FAILED


def run_as_program(command: Callable[[], Exit | None]) -> None:
    """End the process with a command's exit code; `--debug` as an argument shows the traceback of an error."""
    sys.exit(exit_of(command, debug="--debug" in sys.argv[1:]))
