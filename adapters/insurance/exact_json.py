"""JSON of the national interface, digit for digit (1.1): the words of `gateway.model.exact_json`."""

from gateway.model.exact_json import NotJson, dumps, loads

__all__ = ["NotJson", "dumps", "loads"]
