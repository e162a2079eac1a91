"""One session of Spark for all tests here, on this machine: small, and without what pays off on large data alone."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from typing import Any

import pytest

from pipelines.spark import session

SMALL = {
    "spark.driver.memory": "1g",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.default.parallelism": "1",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Generator[Any]:
    """A session with one core. Tests leave views behind in it, and make those that they read."""
    assert shutil.which("java"), "Spark needs Java 17 or newer (Debian: apt-get install openjdk-17-jre-headless)"
    folder = tmp_path_factory.mktemp("spark")
    with session("local[1]", {**SMALL, "spark.sql.warehouse.dir": str(folder)}) as spark:
        yield spark
