"""A session of Spark for what jobledger does there, and the program for spark-submit.

Nothing else imports pyspark: it is the extra `jobledger[spark]`.

    spark-submit --master yarn --deploy-mode client pipelines/spark.py       as: jobledger marts --engine spark
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from warehouse.errors import WrongUsage

NO_PYSPARK: Final = "Spark needs the package pyspark, which is not installed: pip install 'jobledger[spark]'."
NO_JAVA: Final = "Spark needs Java 17 or newer, and there is no `java`: install it (Debian: openjdk-17-jre-headless)."

CONNECT: Final = "sc://"
"""How the address of a server for Spark Connect begins. What is behind it brings its own Java."""

QUIET: Final = {"spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR"}
"""What keeps Spark from writing where people read what is made."""

ON_THIS_MACHINE: Final = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
}
"""What a session on this machine is set to: nobody else can reach it."""


@contextmanager
def session(master: str | None = None, settings: Mapping[str, str] | None = None) -> Generator[Any]:
    """Yield a session of Spark, which ends in the end.

    `master` is what Spark calls so (`local[2]`, `spark://host:7077`, `yarn`), or the address of a server for Spark
    Connect (`sc://host`); None: as spark-submit or Spark's configuration says, else all cores of this machine.
    Raise WrongUsage if pyspark or Java is missing.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)  # it is not used
        spark = _builder(master, settings or {}).getOrCreate()
        try:
            yield spark
        finally:
            spark.stop()


@contextmanager
def session_if_wanted(engine: str, master: str | None) -> Generator[Any]:
    """Yield a session of Spark where that is the engine, else None; raise WrongUsage for a master without Spark."""
    if engine == "spark":
        with session(master) as spark:
            yield spark
    elif master:
        raise WrongUsage("--master says where Spark runs: give --engine spark as well.")
    else:
        yield None


def _builder(master: str | None, settings: Mapping[str, str]) -> Any:
    try:
        builder: Any = importlib.import_module("pyspark.sql").SparkSession.builder.appName("jobledger")
    except ImportError as error:
        raise WrongUsage(NO_PYSPARK) from error
    if master and master.startswith(CONNECT):
        return builder.remote(master)
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise WrongUsage(NO_JAVA)
    of_machine = ON_THIS_MACHINE if master and master.startswith("local") else {}
    if of_machine:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # its workers need what is installed for this one
    for name, value in (QUIET | of_machine | dict(settings)).items():
        builder = builder.config(name, value)
    return builder.master(master) if master else builder


if __name__ == "__main__":
    from pipelines.cli import main

    main(["marts", "--engine", "spark", *sys.argv[1:]])
