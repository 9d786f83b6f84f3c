"""The cast of the sandbox: hospitals, agencies, people and banks with their invented credentials and accounts."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from simulators.hospital.envelope import Institution

_DATA = "simulators.data"


@dataclass(frozen=True, slots=True)
class Account:
    """A bank account as the gateway's settings name it."""

    acct_no: str
    acct_name: str
    bank_code: str
    bank_name: str

    def __repr__(self) -> str:
        return "Account(…)"

    def table(self) -> dict[str, str]:
        return {
            "acct_no": self.acct_no, "acct_name": self.acct_name, "bank_code": self.bank_code,
            "bank_name": self.bank_name,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hospital:
    """A sandbox hospital; ``level`` 1–3, ``pool_area`` the pooling area of its fund."""

    code: str
    locality: str
    pool_area: str
    level: int
    account: Account

    @property
    def name(self) -> str:
        return self.account.acct_name

    @property
    def token(self) -> str:
        return f"sandbox-{self.code}"

    def institution(self) -> Institution:
        return Institution(self.code, self.name, self.pool_area, self.token, amounts_as_text=self.level == 2)


@dataclass(frozen=True, slots=True)
class Agency:
    """A handling agency and the account it pays the fund's money from."""

    id: str
    pool_area: str
    bank: str
    account: Account


@dataclass(frozen=True, slots=True)
class Cast:
    hospitals: tuple[Hospital, ...]
    agencies: tuple[Agency, ...]
    roles: tuple[str, ...]
    banks: tuple[str, ...]

    def hospital(self, code: str) -> Hospital:
        return next(hospital for hospital in self.hospitals if hospital.code == code)

    def tokens(self) -> dict[str, str]:
        """Every Bearer token of ``/v1`` by client id (hospital code, role, ``bank-<id>``)."""
        names = [hospital.code for hospital in self.hospitals]
        return {name: f"sandbox-{name}" for name in [*names, *self.roles, *(f"bank-{bank}" for bank in self.banks)]}


@cache
def cast() -> Cast:
    """The sandbox's cast. Raises KeyError when an account of somebody in it is missing."""
    table = tomllib.loads(resources.files(__package__).joinpath("cast.toml").read_text("utf-8"))
    accounts = _accounts()
    return Cast(
        hospitals=tuple(Hospital(**row, account=accounts[row["code"]]) for row in table["hospitals"]),
        agencies=tuple(Agency(**row, account=accounts[row["id"]]) for row in table["agencies"]),
        roles=tuple(table["people"]["roles"]),
        banks=tuple(table["banks"]["ids"]),
    )


def _accounts() -> Mapping[str, Account]:
    text = resources.files(_DATA).joinpath("bank_accounts.json").read_text("utf-8")
    return {
        row["owner"]: Account(row["acct_no"], row["acct_name"], row["bank_code"], row["bank_name"])
        for row in json.loads(text)["accounts"]
    }
