"""The institutions of this installation: hospitals with their accounts, agencies, clients. From settings."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, SecretStr

from gateway.model.bank import Account

Role = Literal["hospital", "preparer", "approver", "operator", "auditor", "cashier", "bank"]


class RegistryModel(BaseModel):
    """Frozen, and refuses keys nobody declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Hospital(RegistryModel):
    """A designated institution. ``pool_area`` decides whose fund pays, ``locality`` whose credit rules hold."""

    code: str
    name: str
    pool_area: str
    locality: str = ""
    level: int
    paasid: str
    token: SecretStr
    callback_url: str = ""
    map: str = ""  # the field map of its HIS vendor, where its messages are not national
    account: Account


class Agency(RegistryModel):
    """A handling agency and the account its fund pays from."""

    id: str
    pool_area: str
    payer_account: Account
    bank: str


class Client(RegistryModel):
    """Somebody who may call ``/v1``: a token, a role, and for some a hospital or a bank."""

    id: str
    role: Role
    token: SecretStr
    hospital: str = ""
    bank: str = ""
    name: str = ""
