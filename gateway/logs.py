"""JSON logs: one line per event, with exchange ids, and no personal data.

Values that look like a certificate number, a phone or an account are masked whatever field they stand in.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog

from gateway.model.masked import mask_text


def mask_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask personal data in every text of the event."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = mask_text(value)
    return event


def configure(level: int = logging.INFO) -> None:
    """Send structlog and the standard library's warnings to stderr as JSON lines."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=False),
            structlog.processors.format_exc_info,
            mask_event,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format='{"log":"%(name)s","event":"%(message)s"}')


def _dumps(event: Any, **_more: Any) -> str:
    return orjson.dumps(event, default=str).decode()
