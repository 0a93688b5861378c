"""Loggers with MXNet's layout."""
from __future__ import annotations

import logging
import sys

CRITICAL, ERROR, WARNING, INFO, DEBUG, NOTSET = (
    logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG, logging.NOTSET)


class _Formatter(logging.Formatter):
    """A letter for the level, the time, the process and the place; in colour on a terminal."""

    _COLOURS = {logging.WARNING: "\x1b[33m", logging.ERROR: "\x1b[31m", logging.CRITICAL: "\x1b[31m"}

    def __init__(self, colored: bool) -> None:
        super().__init__(datefmt="%m%d %H:%M:%S")
        self._colored = colored

    def format(self, record: logging.LogRecord) -> str:
        head = f"{record.levelname[0]}%(asctime)s %(process)d %(pathname)s:%(funcName)s:%(lineno)d"
        if self._colored:
            head = self._COLOURS.get(record.levelno, "\x1b[32m") + head + "\x1b[0m"
        self._style._fmt = head + "] %(message)s"
        return super().format(record)


def get_logger(name: str | None = None, filename: str | None = None, filemode: str | None = None,
               level: int = WARNING) -> logging.Logger:
    """A logger that writes to a file, or to the standard error."""
    logger = logging.getLogger(name)
    if name is not None and not getattr(logger, "_heddle", False):
        setattr(logger, "_heddle", True)  # noqa: B010 - a mark of ours on a class of Python's
        handler = logging.FileHandler(filename, filemode or "a") if filename else logging.StreamHandler()
        handler.setFormatter(_Formatter(filename is None and sys.stderr.isatty()))
        logger.addHandler(handler)
        logger.setLevel(level)
    return logger


getLogger = get_logger
