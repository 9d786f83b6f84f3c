"""Makes the tables of ``operations.md``: settings, metrics, alerts, tasks. ``python -m docs.make_all``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from docs.sections import DOCS, ROOT, table, with_section
from gateway.model.bank import Account
from gateway.model.registry import Agency, Client, Hospital
from gateway.model.texts import texts
from gateway.settings import CounterpartSettings, Limits, Listen, Mappings, Settings
from gateway.web.metrics import Metrics

PAGE: Final = "operations.md"

PARTS: Final[tuple[tuple[str, type[BaseModel]], ...]] = (
    ("", Settings),
    ("[listen]", Listen),
    ("[mappings]", Mappings),
    ("[limits]", Limits),
    ("[counterparts.NAME]", CounterpartSettings),
    ("[[hospitals]]", Hospital),
    ("[[agencies]]", Agency),
    ("[[clients]]", Client),
    ("account, payer_account", Account),
)
"""Tables of the settings file with the model of each."""

MEANINGS: Final[Mapping[str, str]] = {
    "Settings.sandbox": "mounts `/sandbox/*`, makes the clock movable, arms the crash probe; never in production",
    "Settings.store": "`sqlite:///<absolute path>` or `postgresql://…`",
    "Settings.data_dir": "folder of the installation; the gateway itself keeps nothing there",
    "Settings.vault_key_file": "file with 32 random bytes in Base64: the key of bodies and sealed personal data",
    "Settings.clock_file": "sandbox only: the business clock, shared with the simulators",
    "Settings.clock_start": "sandbox only: business time of a first start",
    "Settings.listen": "the table below",
    "Settings.mappings": "the table below",
    "Settings.limits": "the table below",
    "Settings.metrics_token": "bearer token of `/metrics`; without one only loopback may read it",
    "Settings.hospitals": "the table below",
    "Settings.agencies": "the table below",
    "Settings.clients": "the table below; every hospital is a client under its own token without being listed",
    "Settings.counterparts": "the tables below, one per partner; the credentials are those of the adapter's README",
    "Listen.host": "address to listen on",
    "Listen.port": "port to listen on",
    "Mappings.localities": "ids of the profiles in force; empty: all that are shipped",
    "Mappings.his": "folder with field maps of your own; of two with one id yours wins over the shipped one",
    "Limits.body": "largest request in bytes, receipts aside",
    "Limits.receipt_body": "largest request at the banks' door in bytes",
    "Limits.in_flight": "requests under way at once; more are answered `OVERLOADED`",
    "Limits.per_hospital": "read, not applied: `in_flight` bounds all hospitals together",
    "CounterpartSettings.adapter": "entry point of `xinyi.adapters`",
    "CounterpartSettings.map": "map file of a generic adapter (`bank_wsdl`): a shipped name or a path to a `.toml`",
    "CounterpartSettings.url": "base address of the partner",
    "CounterpartSettings.credentials": "what the adapter's codec needs; never printed",
    "CounterpartSettings.security": "how the channel is signed: `none`, `wsse`, `sm2`; left out: the manifest's",
    "CounterpartSettings.sign_key": "PEM file of our private key; read again when it changes",
    "CounterpartSettings.sign_key_password": "password of that file",
    "CounterpartSettings.sign_cert": "PEM file of our certificate",
    "CounterpartSettings.peer_certs": "PEM files of the partner's certificates that are trusted",
    "Hospital.code": "`fixmedins_code`, 12 characters",
    "Hospital.name": "name, also put into a reduced envelope",
    "Hospital.pool_area": "pooling area whose fund pays; part of the settlement key",
    "Hospital.locality": "id of the profile with its credit rules; empty: no credit pay",
    "Hospital.level": "1, 2 or 3",
    "Hospital.paasid": "`x-tif-paasid` it signs with",
    "Hospital.token": "secret of its signature, and its bearer token on `/v1`",
    "Hospital.callback_url": "where events are posted, signed with its token unless the counterpart `his_callback` "
    "has a `secret`; empty: it is told nothing",
    "Hospital.map": "id of its HIS vendor's field map, where its messages are not national",
    "Hospital.account": "account that payouts and charges go to",
    "Agency.id": "id used in the numbers of summaries and orders: never change it",
    "Agency.pool_area": "pooling area it pays for",
    "Agency.payer_account": "fund disbursement account 基金支出户",
    "Agency.bank": "name of the bank's counterpart",
    "Client.id": "who it is in the trail; two persons are two ids",
    "Client.role": "`hospital`, `preparer`, `approver`, `operator`, `auditor`, `cashier` or `bank`",
    "Client.token": "bearer token of `/v1`",
    "Client.hospital": "for the role `hospital`: its code",
    "Client.bank": "for the role `bank`: the counterpart's name",
    "Client.name": "a person's name for the screen",
    "Account.acct_no": "account number",
    "Account.acct_name": "account name",
    "Account.bank_code": "12-digit bank code 联行号",
    "Account.bank_name": "name of the branch",
}

ALERTS: Final[Mapping[str, tuple[str, str]]] = {
    "XinyiUnknownTooOld": (
        "在 `operation` 表查该笔（见“卡住的拨付”），电话询问对方；**切勿重发**",
        "find the operation, ask the partner by telephone; **never send again**",
    ),
    "XinyiCircuitOpen": (
        "查对方地址、网络、证书；恢复后自动合上，无需重启",
        "check address, network, certificate; it closes by itself",
    ),
    "XinyiCutoffAtRisk": (
        "看汇总单停在哪一步：未批准找经办与复核，已批准看银行是否可达；过截止自动顺延，不算二次拨付",
        "see where the summary stands: approvals, or the bank; past the cut-off it is deferred by itself",
    ),
    "XinyiTasksWaiting": ("按下面的任务表处理并关闭", "work on the tasks listed below and close them"),
    "XinyiJournalSlow": (
        "查磁盘写延迟与空间；PostgreSQL 查锁与检查点",
        "check write latency and space of the disk; locks and checkpoints on PostgreSQL",
    ),
}


def render() -> str:
    """The page as it stands with its tables made anew."""
    page = (DOCS / PAGE).read_text("utf-8")
    for name, body in (("settings", settings()), ("metrics", metrics()), ("alerts", alerts()), ("tasks", tasks())):
        page = with_section(page, name, body)
    return page


def settings() -> str:
    """Every key of the settings file. Raises KeyError for one nobody explained."""
    chapters = []
    for heading, model in PARTS:
        rows = [_setting(model, name) for name in model.model_fields]
        title = f"`{heading}`" if heading else "Top level"
        chapters.append(f"**{title}**\n\n{table(('key', 'environment', 'default', 'meaning'), rows)}")
    return "\n\n".join(chapters)


def _setting(model: type[BaseModel], name: str) -> tuple[str, str, str, str]:
    meaning = MEANINGS[f"{model.__name__}.{name}"]
    return (
        f"`{name}`",
        _environment(model, name),
        _default(model.model_fields[name].get_default(call_default_factory=True)),
        meaning,
    )


def _environment(model: type[BaseModel], name: str) -> str:
    """The variable that sets a single value; tables of rows are not set by the environment."""
    tables = {Listen: "LISTEN__", Mappings: "MAPPINGS__", Limits: "LIMITS__", Settings: ""}
    rows = {"hospitals", "agencies", "clients", "counterparts", "listen", "mappings", "limits"}
    if model not in tables or (model is Settings and name in rows):
        return "–"
    return f"`XINYI_{tables[model]}{name.upper()}`"


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if value is None or value in ("", (), {}) or isinstance(value, BaseModel):
        return "–"
    return f"`{value}`".replace("True", "true").replace("False", "false")


def metrics() -> str:
    """Every series the gateway exposes."""
    return table(("series", "type", "labels", "what it says"), (_metric(one) for one in _collectors()))


def _metric(one: MetricWrapperBase) -> tuple[str, ...]:
    labels = ", ".join(f"`{label}`" for label in one._labelnames)
    return f"`{_exposed(one)}`", str(one._type), labels or "–", one._documentation


def _collectors() -> Iterator[MetricWrapperBase]:
    return (one for one in vars(Metrics()).values() if isinstance(one, MetricWrapperBase))


def _exposed(one: MetricWrapperBase) -> str:
    return f"{one._name}_total" if one._type == "counter" else one._name


def alerts() -> str:
    """Every alert of the shipped rules with what to do. Raises KeyError for one nobody explained."""
    content = yaml.safe_load((ROOT / "ops/prometheus/rules.yml").read_text("utf-8"))
    rules = [rule for group in content["groups"] for rule in group["rules"]]
    rows = []
    for rule in rules:
        zh, _, en = rule["annotations"]["summary"].replace("{{ $labels.", "*").replace(" }}", "*").partition(" / ")
        do_zh, do_en = ALERTS[rule["alert"]]
        rows.append((f"`{rule['alert']}`", rule["labels"]["severity"], f"{zh}<br>*{en}*", f"{do_zh}<br>*{do_en}*"))
    return table(("告警 alert", "级别 severity", "含义 meaning", "怎么办 what to do"), rows)


def tasks() -> str:
    """Every kind of task that the code raises, as a person is shown it."""
    source = "".join(path.read_text("utf-8") for path in sorted((ROOT / "gateway").rglob("*.py")))
    zh, en = texts("zh"), texts("en")
    kinds = [key.removeprefix("task.") for key in zh if key.startswith("task.")]
    rows = [(f"`{kind}`", zh[f"task.{kind}"], en[f"task.{kind}"]) for kind in kinds if f'"{kind}"' in source]
    return table(("任务 kind", "中文", "English"), rows)
