"""Where everything of a sandbox lies, and the gateway's settings file made from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.platform.mobile.crypto import sandbox_keys
from simulators.sandbox.cast import Cast, Hospital

HOST = "127.0.0.1"
OFFSETS = {"platform": 11, "bank": 12, "credit": 13, "hospital": 14}
"""Port of each simulator, counted from the gateway's."""


@dataclass(frozen=True, slots=True)
class Place:
    """Ports and paths of one sandbox. ``port`` is the gateway's; ``store`` an SQLAlchemy-like URL or "" for SQLite."""

    data: Path
    port: int = 8800
    store: str = ""
    clock_start: str = "2025-03-03T08:00:00+08:00"

    @property
    def gateway(self) -> str:
        return f"http://{HOST}:{self.port}"

    def simulator(self, name: str) -> str:
        return f"http://{HOST}:{self.port + OFFSETS[name]}"

    @property
    def ports(self) -> dict[str, int]:
        return {"gateway": self.port, **{name: self.port + offset for name, offset in OFFSETS.items()}}

    @property
    def store_url(self) -> str:
        return self.store or f"sqlite:///{self.data / 'xinyi.db'}"

    @property
    def gateway_data(self) -> Path:
        return self.data / "gateway"

    @property
    def simulator_data(self) -> Path:
        return self.data / "simulators"

    @property
    def logs(self) -> Path:
        return self.data / "log"

    @property
    def keys(self) -> Path:
        return self.data / "keys"

    @property
    def clock_file(self) -> Path:
        return self.data / "clock.json"

    @property
    def config(self) -> Path:
        return self.data / "xinyi.toml"

    @property
    def description(self) -> Path:
        return self.data / "sandbox.json"

    def owned(self) -> tuple[Path, ...]:
        """All that a sandbox writes, its log aside: what a fresh start removes, and nothing else in the folder."""
        databases = (self.data / f"xinyi.db{suffix}" for suffix in ("", "-wal", "-shm", "-journal"))
        folders = (self.gateway_data, self.simulator_data, self.keys, self.logs)
        return (*databases, *folders, self.clock_file, self.config, self.description)


def gateway_settings(place: Place, cast: Cast) -> dict[str, Any]:
    """The content of ``xinyi.toml``."""
    return {
        "sandbox": True,
        "store": place.store_url,
        "data_dir": str(place.gateway_data),
        "clock_file": str(place.clock_file),
        "clock_start": place.clock_start,
        "vault_key_file": str(place.keys / "vault.key"),
        "listen": {"host": HOST, "port": place.port},
        "counterparts": _counterparts(place),
        "hospitals": [_hospital(place, hospital) for hospital in cast.hospitals],
        "agencies": [
            {"id": one.id, "pool_area": one.pool_area, "bank": one.bank, "payer_account": one.account.table()}
            for one in cast.agencies
        ],
        "clients": _clients(cast),
    }


def _hospital(place: Place, hospital: Hospital) -> dict[str, Any]:
    return {
        "code": hospital.code, "name": hospital.name, "pool_area": hospital.pool_area, "locality": hospital.locality,
        "level": hospital.level, "paasid": hospital.code, "token": hospital.token,
        "callback_url": f"{place.simulator('hospital')}/callbacks/{hospital.code}",
        "account": hospital.account.table(),
    }  # fmt: skip


def _clients(cast: Cast) -> list[dict[str, str]]:
    hospitals = [
        {"id": one.code, "role": "hospital", "token": one.token, "hospital": one.code} for one in cast.hospitals
    ]
    people = [{"id": role, "role": role, "token": f"sandbox-{role}"} for role in cast.roles]
    banks = [
        {"id": f"bank-{bank}", "role": "bank", "token": f"sandbox-bank-{bank}", "bank": bank} for bank in cast.banks
    ]
    return [*hospitals, *people, *banks]


def _counterparts(place: Place) -> dict[str, Any]:
    tif = {"paasid": "xinyi", "token": "sandbox-platform"}
    parties = {"sender_id": "XINYI", "receiver_id": "BOCOM"}
    bocom = {"adapter": "bank_soap", "url": f"{place.simulator('bank')}/bocom", "credentials": parties}
    return {
        "insurance": {"adapter": "insurance", "url": place.simulator("platform"), "credentials": tif},
        "bocom": {**bocom, **signed_with(place, "bocom")},
        "cib": {**_cib(place), **signed_with(place, "cib")},
        "iso": {**_iso(place), **signed_with(place, "iso")},
        "credit": {
            "adapter": "credit_rest", "url": place.simulator("credit"), "credentials": {"token": "sandbox-credit"},
        },
        "his_callback": {"adapter": "his_callback", "url": ""},
        "mobile": {"adapter": "mobile_pay", "url": place.simulator("platform"), "credentials": _mobile_channel()},
    }  # fmt: skip


def _mobile_channel() -> dict[str, str]:
    """The gateway's side of the payment centre's channel; invented keys, for the sandbox alone."""
    keys = sandbox_keys()
    return {
        "app_id": keys["app_id"], "app_secret": keys["app_secret"], "private_key": keys["gateway_private"],
        "public_key": keys["gateway_public"], "platform_public_key": keys["centre_public"],
    }  # fmt: skip


def _cib(place: Place) -> dict[str, Any]:
    """The bank with a WSDL of its own, read by a map."""
    parties = {"sender_id": "XINYI", "receiver_id": "CIB"}
    return {"adapter": "bank_wsdl", "map": "cib", "url": f"{place.simulator('bank')}/cib", "credentials": parties}


def _iso(place: Place) -> dict[str, Any]:
    """The bank that speaks ISO 20022; ``agent`` is its own branch code (联行号)."""
    said = {"sender_id": "XINYI", "agent": "301731000016"}
    return {"adapter": "bank_iso20022", "url": f"{place.simulator('bank')}/iso", "credentials": said}


def signed_with(place: Place, bank: str) -> dict[str, Any]:
    """The gateway's side of a signed channel: its own key and certificate, and the bank's certificate it trusts."""
    own, peer = key_pair(place, "gateway"), key_pair(place, bank)
    return {"security": "wsse", "sign_key": str(own[0]), "sign_cert": str(own[1]), "peer_certs": [str(peer[1])]}


def key_pair(place: Place, side: str) -> tuple[Path, Path]:
    """Private key and certificate of one side, as `make_keys` writes them."""
    return place.keys / f"{side}.key.pem", place.keys / f"{side}.cert.pem"


def simulator_arguments(place: Place, name: str) -> list[str]:
    """What one simulator is started with beyond what all of them are: the banks sign and ask for signatures."""
    if name != "bank":
        return []
    arguments = ["--gateway-cert", str(key_pair(place, "gateway")[1])]
    for bank, prefix in (("bocom", ""), ("cib", "cib-"), ("iso", "iso-")):
        key, certificate = key_pair(place, bank)
        arguments += [f"--{prefix}key", str(key), f"--{prefix}cert", str(certificate)]
    return arguments


def toml(content: Mapping[str, Any]) -> str:
    """TOML of nested tables, arrays of tables, texts, integers and booleans; plain values come first in a table."""
    return "\n".join(_lines(content, ())) + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    plain = {name: value for name, value in table.items() if not _is_nested(value)}
    lines = [f"{name} = {_value(value)}" for name, value in plain.items()]
    for name, value in table.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{'.'.join((*path, name))}]", *_lines(value, (*path, name))]
        elif _is_nested(value):
            for row in value:
                lines += ["", f"[[{'.'.join((*path, name))}]]", *_lines(row, (*path, name))]
    return lines


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and bool(value) and isinstance(value[0], Mapping))


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value)}]"
    # A JSON text, number or boolean is a TOML one.
    return json.dumps(value, ensure_ascii=False)


def description(place: Place, cast: Cast, pids: Mapping[str, int]) -> dict[str, Any]:
    """The content of ``sandbox.json``: all that somebody outside needs to use the sandbox."""
    logins = {role: {"user": f"sandbox-{role}", "password": f"sandbox-{role}"} for role in cast.roles}
    return {
        "gateway": place.gateway,
        "simulators": {name: place.simulator(name) for name in OFFSETS},
        "health": f"{place.gateway}/health/ready",
        "console": {"logins": logins},
        "tokens": cast.tokens(),
        "hospitals": {
            one.code: {
                "name": one.name, "locality": one.locality, "pool_area": one.pool_area, "level": one.level,
                "paasid": one.code, "token": one.token, "account": one.account.table(),
            }
            for one in cast.hospitals
        },
        "agencies": {one.id: {"pool_area": one.pool_area, "bank": one.bank} for one in cast.agencies},
        "banks": {
            bank: {"url": f"{place.simulator('bank')}/{bank}", "token": f"sandbox-bank-{bank}"} for bank in cast.banks
        },
        "keys": {path.stem.replace(".", "_"): str(path) for path in sorted(place.keys.glob("*"))},
        "store": place.store_url,
        "config": str(place.config),
        "clock_file": str(place.clock_file),
        "data": str(place.data),
        "logs": str(place.logs),
        "pids": dict(pids),
    }  # fmt: skip
