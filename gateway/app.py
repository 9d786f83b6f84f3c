"""The composition root: builds the house from settings, runs it, and takes it down in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

import structlog
from aiohttp import web

from gateway import logs, provinces
from gateway.delivery.asking import Asker
from gateway.delivery.counterparts import Counterpart, Msgids
from gateway.delivery.declare import Adapter, Manifest
from gateway.delivery.delivery import ASK, CONTINUE, Delivery
from gateway.delivery.transport import Transport, no_probe
from gateway.flows import relay, signing_in
from gateway.flows.api import Endpoint, api_flow
from gateway.flows.house import House
from gateway.flows.registry import CONTINUATIONS, DUE, ENDPOINTS, FLOWS, seed
from gateway.flows.runner import HEARTBEAT_SECONDS, Flow, Runner
from gateway.flows.scheduler import Handler, Scheduler
from gateway.journal.agenda import Due
from gateway.journal.journal import Journal
from gateway.journal.postgresql import PostgresqlStore
from gateway.journal.probed import ProbedStore
from gateway.journal.sqlite import SqliteStore
from gateway.journal.store import Store
from gateway.journal.vault import Vault
from gateway.model.calendar import WorkingCalendar
from gateway.model.clock import Clock, SandboxClock, SystemClock
from gateway.model.ids import new_id
from gateway.model.keys import UNSIGNED, KeyRing, KeysUnusable
from gateway.model.probe import CrashProbe
from gateway.settings import CounterpartSettings, Settings, SettingsError
from gateway.web import bank as bank_door
from gateway.web import mobile as mobile_door
from gateway.web import national, server, soap_his, v1
from gateway.web.auth import clients_by_token
from gateway.web.context import Desk
from gateway.web.metrics import Metrics

DRAIN_SECONDS: Final = 25.0
CALLBACK: Final = "his_callback"
# The journal's writer gives up the interpreter at every statement; at the default of 5 ms a busy event loop would
# make it wait that long each time.
THREAD_SWITCH_SECONDS: Final = 0.0001
_log = structlog.get_logger("app")


@dataclass(slots=True)
class Gateway:
    """A running instance."""

    desk: Desk
    store: Store
    transport: Transport
    single_process: bool


def load_adapters() -> dict[str, Adapter]:
    """Everything the entry point group ``xinyi.adapters`` offers, by name."""
    return {point.name: point.load() for point in entry_points(group="xinyi.adapters")}


def build(settings: Settings) -> Gateway:
    """Put an instance together; nothing is opened yet. Raises SettingsError."""
    clock = make_clock(settings)
    probe = CrashProbe() if settings.sandbox else None
    metrics = Metrics()
    store = make_store(settings, metrics, probe)
    vault = Vault.from_file(settings.vault_key_file)
    journal = Journal(store, vault, clock, instance=new_id("I"))
    adapters = load_adapters()
    transport = Transport(probe or no_probe)
    msgids = Msgids(clock)
    profiles, counterparts = settings.profiles(), _counterparts(settings, adapters)
    spoken = provinces.variants(profiles, settings.hospitals, _kinds(counterparts))
    delivery = Delivery(journal, counterparts, transport, msgids, metrics.observe_attempt, spoken)
    house = House(
        clock=clock,
        journal=journal,
        delivery=delivery,
        asker=Asker(delivery),
        profiles=profiles,
        calendar=WorkingCalendar.load(),
        hospitals={hospital.code: hospital for hospital in settings.hospitals},
        agencies={agency.id: agency for agency in settings.agencies},
        msgids=msgids,
    )
    house.asker.renew = partial(signing_in.renewed, house)
    runner = Runner(house, _flows(ENDPOINTS), _refusals())
    scheduler = Scheduler(house, _due_handlers(runner))
    desk = Desk(
        settings=settings, house=house, runner=runner, scheduler=scheduler, metrics=metrics, endpoints=ENDPOINTS,
        clients=clients_by_token(settings.clients, house.hospitals),
        doors={name: adapter.door for name, adapter in adapters.items() if adapter.door is not None},
        maps=settings.field_maps(),
        probe=probe,
    )  # fmt: skip
    return Gateway(desk, store, transport, single_process=store.name == "sqlite")


def make_clock(settings: Settings) -> Clock:
    """The one clock: movable in the sandbox, real everywhere else."""
    if settings.sandbox and settings.clock_file is not None:
        return SandboxClock(settings.clock_file, settings.clock_start)
    return SystemClock()


def make_store(settings: Settings, metrics: Metrics, probe: CrashProbe | None) -> Store:
    """The store that the settings name. Raises SettingsError for an unknown kind."""
    kind, _, rest = settings.store.partition("://")
    if kind == "postgresql":
        store: Store = PostgresqlStore(settings.store, metrics.observe_commit)
    elif kind == "sqlite" and rest.startswith("/"):
        store = SqliteStore(Path("/" + rest.lstrip("/")), metrics.observe_commit)
    else:
        raise SettingsError("store: sqlite:///<absolute path> or postgresql://… is expected")
    return store if probe is None else ProbedStore(store, probe)


def _counterparts(settings: Settings, adapters: Mapping[str, Adapter]) -> dict[str, Counterpart]:
    found: dict[str, Counterpart] = {}
    for name, partner in settings.counterparts.items():
        adapter = adapter_of(name, partner, adapters)
        _check_credentials(settings, name, partner, adapter.manifest)
        ring = _ring(name, partner, adapter.manifest)
        found[name] = Counterpart(name, adapter, partner.url, partner.revealed(), ring=ring)
    if CALLBACK in found:
        found |= {place.id: place for place in _callbacks(settings, found.pop(CALLBACK))}
    return found


def _kinds(counterparts: Mapping[str, Counterpart]) -> dict[str, str]:
    return {name: partner.adapter.manifest.kind for name, partner in counterparts.items()}


def _check_credentials(settings: Settings, name: str, partner: CounterpartSettings, manifest: Manifest) -> None:
    """The platform's variants have the secrets they need. Raises SettingsError, before the first message fails."""
    place = f"counterparts.{name}.credentials"
    faults = [f"{place}.{extra}: nothing reads it" for extra in provinces.needless(manifest, partner.credentials)]
    if manifest.kind == provinces.INSURANCE:
        for profile in provinces.in_use(settings.profiles(), settings.hospitals):
            lacking = provinces.lacking(profile.platform, manifest, partner.credentials)
            faults += [f"{place}.{missing}: needed by the platform of {profile.id}" for missing in lacking]
    if faults:
        raise SettingsError("\n".join(faults))


def adapter_of(name: str, partner: CounterpartSettings, adapters: Mapping[str, Adapter]) -> Adapter:
    """The partner's adapter: a generic one with the partner's map, another one as it is. Raises SettingsError."""
    adapter = adapters.get(partner.adapter)
    if adapter is None:
        raise SettingsError(f"counterparts.{name}.adapter: no adapter {partner.adapter!r} is installed")
    if bool(partner.map) != (adapter.mapped is not None):
        need = "takes no" if partner.map else "needs a"
        raise SettingsError(f"counterparts.{name}.map: {partner.adapter} {need} map")
    if adapter.mapped is None:
        return adapter
    try:
        return adapter.mapped(partner.map)
    except (OSError, ValueError) as error:
        raise SettingsError(f"counterparts.{name}.map: {error}") from None


def _callbacks(settings: Settings, shared: Counterpart) -> Iterator[Counterpart]:
    """Every hospital with a callback address is a partner of its own, with its own secret and circuit."""
    for hospital in settings.hospitals:
        if hospital.callback_url:
            credentials = {"secret": hospital.token.get_secret_value(), **shared.credentials}
            yield Counterpart(f"{CALLBACK}:{hospital.code}", shared.adapter, hospital.callback_url, credentials)


def security_of(partner: CounterpartSettings, manifest: Manifest) -> str:
    """wsse, sm2 or none: the settings' word, else the manifest's."""
    return partner.security or str(manifest.capabilities.get("security", UNSIGNED))


def _ring(name: str, partner: CounterpartSettings, manifest: Manifest) -> KeyRing | None:
    """The keys of a signed channel. Raises SettingsError: a channel that should be signed is never opened unsigned."""

    def tell(reason: str) -> None:
        _log.error("new key files cannot be used, the former keys stay in force", counterpart=name, reason=reason)

    try:
        files = partner.key_files(security_of(partner, manifest))
        return None if files is None else KeyRing(files, time.monotonic, tell)
    except (SettingsError, KeysUnusable) as error:
        raise SettingsError(f"counterparts.{name}: {error}") from None


def _flows(endpoints: tuple[Endpoint, ...]) -> dict[str, Flow]:
    writing = {endpoint.flow: api_flow(endpoint) for endpoint in endpoints if endpoint.method != "GET"}
    return {"national": relay.national, **FLOWS, **writing}


def _refusals() -> dict[str, Any]:
    from gateway.flows.bank_inbound import refused as bank_refused
    from gateway.flows.mobile import refused as mobile_refused

    his = dict.fromkeys((national.DOOR, soap_his.DOOR), relay.refused)
    return {**his, v1.DOOR: v1.refused, bank_door.DOOR: bank_refused, mobile_door.DOOR: mobile_refused}


def _due_handlers(runner: Runner) -> dict[str, Handler]:
    async def ask(house: House, due: Due) -> None:
        await house.asker.run_due(due)

    async def go_on(house: House, due: Due) -> None:
        kind, _, subject = due.subject.partition(":")
        if kind == "exchange":
            await runner.resume(subject)
        else:
            await CONTINUATIONS[kind](house, subject)

    return {ASK: ask, CONTINUE: go_on, **DUE}


async def start(gateway: Gateway) -> None:
    """Open the store, judge what was cut off, take up what was left, then say ready."""
    desk = gateway.desk
    await gateway.store.open()
    if gateway.single_process:
        await desk.house.journal.exchanges.drop_leases()
        await desk.house.delivery.recover()
    await seed(desk.house)
    await desk.runner.adopt_orphans()
    desk.ready = True


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT: ready turns false first, then in-flight work finishes or stays journalled."""
    logs.configure()
    sys.setswitchinterval(THREAD_SWITCH_SECONDS)
    gateway = build(settings)
    await start(gateway)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopping.set)
    runner = web.AppRunner(server.build(gateway.desk), access_log=None, shutdown_timeout=DRAIN_SECONDS)
    await runner.setup()
    await web.TCPSite(runner, settings.listen.host, settings.listen.port, reuse_address=True, backlog=1024).start()
    background = [
        asyncio.create_task(gateway.desk.scheduler.run_forever(stopping), name="scheduler"),
        asyncio.create_task(_every(HEARTBEAT_SECONDS, lambda: _keep_leases(gateway), stopping), name="leases"),
    ]
    _log.info("ready", port=settings.listen.port, store=gateway.store.name, pid=os.getpid())
    await stopping.wait()
    gateway.desk.ready = False
    _log.info("stopping")
    await stop(gateway, runner, background)


async def stop(gateway: Gateway, runner: web.AppRunner, background: list[asyncio.Task[None]]) -> None:
    """Nothing new is accepted; what runs finishes within the drain time, the rest is journalled and taken up later."""
    await gateway.desk.runner.drain(DRAIN_SECONDS)
    await runner.cleanup()
    await gateway.desk.scheduler.drain(DRAIN_SECONDS)
    await asyncio.wait(background, timeout=5)
    await gateway.transport.close()
    await gateway.store.close()


async def _keep_leases(gateway: Gateway) -> None:
    await gateway.desk.runner.heartbeat()
    await gateway.desk.runner.adopt_orphans()
    recovered = gateway.desk.runner.recovered
    gateway.desk.runner.recovered = 0
    if recovered:
        gateway.desk.metrics.flow_recovered.inc(recovered)


async def _every(seconds: float, act: Callable[[], Awaitable[None]], stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        try:
            await asyncio.wait_for(stopping.wait(), seconds)
        except TimeoutError:
            await act()
