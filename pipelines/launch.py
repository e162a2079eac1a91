"""How the command line begins and ends, and `make run` likewise: `python -m pipelines.launch pipelines.trial`.

Importing Dagster makes a million objects that stay until the end. Python's collector looks through them again and
again, and takes them apart when the process ends: together a quarter of the CPU of a sync that finds nothing.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from importlib import import_module


def run(program: str = "pipelines.cli") -> None:
    """Run the `main` of a module, by default `jobledger`, in a process of its own, and end that."""
    ending = _Ending()
    atexit.register(ending.end)  # registered first, it is called last
    try:
        import_for_good(program)
        sys.modules[program].main()
    except SystemExit as done:
        ending.code = done.code if isinstance(done.code, int) else int(done.code is not None)
        raise


def import_for_good(*modules: str) -> None:
    """Import modules in a process of the command's own: what they make stays out of every later collection."""
    gc.disable()
    try:
        for module in modules:
            import_module(module)
    finally:
        gc.freeze()
        gc.enable()


class _Ending:
    """The end of the process: at once with this exit code; as Python ends it where there is none (an error)."""

    code: int | None = None

    def end(self) -> None:
        """Called when all else that was registered for the end is done."""
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:  # Python flushes as well, and tells it
            self.code = None
        if self.code is None:
            gc.unfreeze()
        else:
            os._exit(self.code)


if __name__ == "__main__":
    run(sys.argv[1])
