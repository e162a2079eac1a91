"""The console logger of the Dagster job: the steps' sentences on stderr, without Dagster's own words around them."""

from __future__ import annotations

import logging
import sys
from typing import Any

import dagster as dg

from pipelines.console import is_quiet


class _OnlySentences(logging.Filter):
    """Lets pass what the steps say and drops the events that Dagster logs for itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        meta: Any = getattr(record, "dagster_meta", {})
        return not (meta.get("dagster_event") if isinstance(meta, dict) else None) and record.levelno >= logging.INFO


class _Sentence(logging.Formatter):
    """The time and the message as the step wrote it."""

    def format(self, record: logging.LogRecord) -> str:
        meta: Any = getattr(record, "dagster_meta", {})
        return f"{self.formatTime(record, '%H:%M:%S')}  {meta.get('orig_message') or record.getMessage()}"


def _logger(_: dg.InitLoggerContext) -> logging.Logger:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Sentence())
    handler.addFilter(_OnlySentences())
    logger = logging.getLogger("jobledger")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.WARNING if is_quiet() else logging.INFO)
    return logger


sentences = dg.LoggerDefinition(_logger, description="The sentences of the steps, on stderr")
"""The console logger of the job."""
