"""The platform's tables and the indexes its questions need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from simulators.common.journal import Journal, Table
from simulators.platform.rows import (
    Application,
    Fee,
    Hospital,
    Person,
    SentMessage,
    Settlement,
    SettlementList,
    SignIn,
    StoredFile,
    Visit,
    load_person,
)


class State:
    """All tables of the platform. Rows are values: changed by ``put`` of another."""

    def __init__(self, journal: Journal) -> None:
        self.persons: Table[Person] = journal.table("persons", load=load_person)
        self.balances: Table[int] = journal.table("balances")
        self.hospitals: Table[Hospital] = journal.table("hospitals", load=lambda row: Hospital(**row))
        self.sign_ins: Table[SignIn] = journal.table("sign_ins", load=lambda row: SignIn(**row))
        self.visits: Table[Visit] = journal.table("visits", load=lambda row: Visit(**row))
        self.fees: Table[Fee] = journal.table("fees", load=lambda row: Fee(**row))
        self.settlements: Table[Settlement] = journal.table("settlements", load=lambda row: Settlement(**row))
        self.messages: Table[SentMessage] = journal.table("messages", load=lambda row: SentMessage(**row))
        self.files: Table[StoredFile] = journal.table("files", load=lambda row: StoredFile(**row))
        self.applications: Table[Application] = journal.table("applications", load=lambda row: Application(**row))
        self.lists: Table[SettlementList] = journal.table("lists", load=lambda row: SettlementList(**row))
        self.forced: Table[list[dict[str, Any]]] = journal.table("forced")
        self._serials: Table[int] = journal.table("serials")
        self._by_certno = _Index(self.persons, lambda person: person.certno)
        self._by_visit_no = _Index(self.visits, lambda visit: visit_no(visit.fixmedins_code, visit.ipt_otp_no))
        self._by_visit_psn = _Index(self.visits, lambda visit: visit.psn_no)
        self._fees_of = _Index(self.fees, lambda fee: fee.mdtrt_id)
        self._by_setl_id = _Index(self.settlements, lambda s: f"{s.fixmedins_code}|{s.setl_id}")
        self._by_mdtrt = _Index(self.settlements, lambda s: s.mdtrt_id)
        self._by_day = _Index(self.settlements, lambda s: f"{s.fixmedins_code}|{s.setl_time[:10]}")

    def serial(self, name: str) -> int:
        """The next number of a sequence, from 1; survives restarts."""
        number = (self._serials.get(name) or 0) + 1
        self._serials.put(name, number)
        return number

    def hospital(self, code: str) -> Hospital:
        """The institution; one not registered is level 3 of the city its code begins with."""
        return self.hospitals.get(code) or Hospital(code, "3", f"{code[1:5]}00")

    def by_certno(self, certno: str) -> list[Person]:
        return [self.persons[key] for key in self._by_certno[certno]]

    def balance(self, psn_no: str) -> int:
        return self.balances.get(psn_no) or 0

    def by_visit_no(self, code: str, number: str) -> list[Visit]:
        return [self.visits[key] for key in self._by_visit_no[visit_no(code, number)]]

    def visits_of(self, psn_no: str) -> list[Visit]:
        return [self.visits[key] for key in self._by_visit_psn[psn_no]]

    def fees_of(self, mdtrt_id: str) -> list[Fee]:
        return [self.fees[key] for key in self._fees_of[mdtrt_id]]

    def by_setl_id(self, code: str, setl_id: str) -> list[Settlement]:
        """Settlements and refund rows under a setl_id, oldest first."""
        return [self.settlements[key] for key in self._by_setl_id[f"{code}|{setl_id}"]]

    def settlements_of(self, mdtrt_id: str) -> list[Settlement]:
        return [self.settlements[key] for key in self._by_mdtrt[mdtrt_id]]

    def settled_on(self, code: str, day: str) -> Iterator[Settlement]:
        """Rows in force of one hospital and day (``yyyy-MM-dd``), refund rows included, reversed ones not."""
        for key in self._by_day[f"{code}|{day}"]:
            if self.settlements[key].state != "reversed":
                yield self.settlements[key]


class _Index:
    """Keys of a table's rows by something in the row."""

    def __init__(self, table: Table[Any], of: Any) -> None:
        self._of = of
        self._keys: dict[str, dict[str, None]] = defaultdict(dict)
        table.watch(self._changed)

    def _changed(self, key: str, old: Any, new: Any) -> None:
        before = None if old is None else self._of(old)
        after = None if new is None else self._of(new)
        if before == after:
            return
        if before is not None:
            self._keys[before].pop(key, None)
            if not self._keys[before]:
                del self._keys[before]
        if after is not None:
            self._keys[after][key] = None

    def __getitem__(self, value: str) -> list[str]:
        return list(self._keys.get(value, ()))


def visit_no(code: str, number: str) -> str:
    """The institution's own visit number, unique inside the institution only."""
    return f"{code}|{number}"


def fee_key(mdtrt_id: str, feedetl_sn: str) -> str:
    return f"{mdtrt_id}|{feedetl_sn}"


def message_key(code: str, infno: str, msgid: str) -> str:
    """How 2601 finds a message; ``2207A`` answers to ``2207``."""
    return f"{code}|{infno[:4]}|{msgid}"
