"""The official XSDs, where a directory of them is configured (credential ``xsd_dir``): they are not shipped.

Without them the structural checks of this package alone decide, which look at every element that is written or read.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from lxml import etree

from gateway.model.xml import Schema

CREDENTIAL: Final = "xsd_dir"


@cache
def _schema(folder: str, message: str) -> Schema:
    """Read once per process: files of a standard do not change. Raises OSError, etree.XMLSyntaxError."""
    return Schema(Path(folder, f"{message}.xsd").read_bytes())


def violation(document: etree._Element, message: str, folder: str) -> str | None:
    """The name of the first element that breaks the standard; ``xsd_dir`` where the schema itself cannot be read."""
    if not folder:
        return None
    try:
        return _schema(folder, message).violation(document)
    except (OSError, etree.XMLSyntaxError, etree.XMLSchemaParseError):
        return CREDENTIAL
