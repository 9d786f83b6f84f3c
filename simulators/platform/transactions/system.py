"""Sign-in and sign-out of an institution's operator (9001, 9002; national-interface 1.9)."""

from __future__ import annotations

from datetime import datetime

from simulators.common.clock import SHANGHAI
from simulators.platform import refusals
from simulators.platform.message import Message, Output, text, transaction
from simulators.platform.refusals import Refused
from simulators.platform.rows import SignIn

_DEFAULT_HOURS = 12


@transaction("9001")
def sign_in(m: Message) -> Output:
    """Gives out a sign_no, good for every later message of this institution."""
    node = m.node("signIn", "data")
    number = f"{m.fixmedins_code[1:7]}{m.now:%Y%m%d}{m.state.serial('sign_no'):010d}"
    m.state.sign_ins.put(number, SignIn(number, m.fixmedins_code, text(node, "opter_no"), m.time))
    return {"signinoutb": {"sign_time": m.time, "sign_no": number}}


@transaction("9002")
def sign_out(m: Message) -> Output:
    """Ends a sign-in."""
    number = text(m.node("signOut", "data"), "sign_no")
    check_sign_no(m, number)
    m.state.sign_ins.delete(number)
    return {"signoutoutb": {"sign_time": m.time}}


def check_sign_no(m: Message, sign_no: str) -> None:
    """Every message but 9001 carries a sign_no of its own institution. Raises Refused (behaviour 14)."""
    if m.infno == "9001" or m.variant("sign_no_unchecked"):
        return
    signed = m.state.sign_ins.get(sign_no)
    if signed is None or signed.fixmedins_code != m.fixmedins_code or _expired(m, signed):
        raise Refused(refusals.SIGN_NO_INVALID)


def _expired(m: Message, signed: SignIn) -> bool:
    limit = m.variant("sign_no_expires")
    if not limit:
        return False
    hours = _DEFAULT_HOURS if limit is True else limit
    since = datetime.fromisoformat(signed.sign_time).replace(tzinfo=SHANGHAI)
    return (m.now - since).total_seconds() > hours * 3600
