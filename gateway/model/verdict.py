"""The five ends of a send. What the caller may do next follows from the type alone.

===========  =============================================  =======================================
verdict      what is certain                                 what the caller may do
===========  =============================================  =======================================
Done         the partner did it                              go on with ``reply``
Accepted     the partner works on it                         wait, ask after it
Refused      reached, said no, nothing happened              tell, or start a new business attempt
NotSent      no byte of the request reached the partner      send later under the same key
Unknown      nothing                                         ask or reverse; never send again
===========  =============================================  =======================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

R = TypeVar("R", covariant=True)


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """The partner executed the operation and says so."""

    reply: R


@dataclass(frozen=True, slots=True)
class Accepted(Generic[R]):
    """The partner took the operation and has not finished it."""

    reply: R


@dataclass(frozen=True, slots=True)
class Refused(Generic[R]):
    """The partner was reached and said no; ``code`` is the unified code, ``text`` the partner's words."""

    code: str
    text: str = ""
    reply: R | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """Certain that nothing arrived: connection refused, DNS, TLS before the request, pool time-out."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Anything else: no answer, an unreadable or empty one, an unseen code on a money operation."""

    reason: str


Verdict = Done[R] | Accepted[R] | Refused[R] | NotSent | Unknown

NAMES: Final[dict[type, str]] = {
    Done: "DONE",
    Accepted: "ACCEPTED",
    Refused: "REFUSED",
    NotSent: "NOT_SENT",
    Unknown: "UNKNOWN",
}


def name_of(verdict: object) -> str:
    """The verdict's name as it stands in the journal and in metrics."""
    return NAMES[type(verdict)]
