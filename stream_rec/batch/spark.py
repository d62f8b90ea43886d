"""A Spark session: in this process' machine by default, or a cluster's by its master URL."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stream_rec.errors import ConfigError

LOCAL = "local[*]"
_LOCAL_PARTITIONS = 8
"""Of shuffles on one machine; Spark's 200 are for clusters, and cost seconds for nothing."""


def part(name: str) -> Any:
    """A module of pyspark.

    Raises:
        ConfigError: it is not installed.
    """
    return imported(f"pyspark.{name}", "batch")


def imported(name: str, extra: str) -> Any:
    """A module of an extra.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"{name} is missing: {error}", fix=f"pip install 'stream-rec[{extra}]'") from error


@contextmanager
def session(master: str = LOCAL, memory: str = "4g") -> Iterator[Any]:
    """A session that ends with the context.

    Args:
        master: Spark's master URL.
        memory: of the driver, which on one machine is all there is.

    Raises:
        ConfigError: pyspark is not installed, or finds no Java 17.
    """
    builder = (
        part("sql")
        .SparkSession.builder.appName("stream-rec batch train")
        .master(master)
        .config("spark.driver.memory", memory)
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.session.timeZone", "UTC")
    )
    if master.startswith("local"):
        builder = builder.config("spark.driver.bindAddress", "127.0.0.1").config(
            "spark.driver.host", "127.0.0.1"
        )
        builder = builder.config("spark.sql.shuffle.partitions", str(_LOCAL_PARTITIONS))
    try:
        spark = builder.getOrCreate()
    except Exception as error:
        raise ConfigError(
            f"Spark does not start: {error}", fix="install Java 17, or set JAVA_HOME"
        ) from error
    spark.sparkContext.setLogLevel("ERROR")
    try:
        yield spark
    finally:
        spark.stop()
