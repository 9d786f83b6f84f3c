"""Which variant of the insurance platform holds for which hospital, and what of it an installation lacks.

The variant is the locality's (`[platform]` of its profile), the secrets it needs are the installation's: a city joins
by its profile alone, and a counterpart without the right credentials is refused before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from gateway.delivery.declare import PLAIN, Manifest, Timeouts, Variant
from gateway.model.profile import LocalityProfile, Profiles
from gateway.model.profile_payout import Platform
from gateway.model.registry import Hospital

INSURANCE: Final = "insurance"
_NEEDING: Final = ("auth", "cainfo")
_URLS: Final = {
    "call_service": "一个地址，交易由报文 infno 决定 / one address for all transactions",
    "service_path": "每个交易一个路径 / a path per transaction",
    "infno": "前缀加交易编号 / prefix and transaction number",
}
_AUTHS: Final = {
    "tif": "x-tif-* 头，SHA-256 / x-tif-* headers",
    "csb": "_api_* 头，HMAC-SHA1 / _api_* headers",
    "apikey": "apikey 头 / an apikey header",
    "none": "不加请求头 / no headers of its own",
}
_INPUTS: Final = {"object": "input 为对象 / input is an object", "string": "input 为字符串 / input is a string of JSON"}
_FAILURES: Final = {
    "minus_one": "-1 为失败，按文字区分 / -1 is every failure, its text decides",
    "minus_one_minus_two": "-1 系统(结果未明)、-2 业务 / -1 system (outcome unknown), -2 business",
}
_CAINFOS: Final = {
    "none": "cainfo 不签名 / cainfo is left alone",
    "sm2": "cainfo 为 SM2 签名(DER) / cainfo is an SM2 signature in DER",
    "sm2_rs": "cainfo 为 SM2 签名(r‖s) / cainfo is an SM2 signature, r and s",
}
_FUNDS: Final = {
    False: "基金总额不含个人账户 / fund_pay_sumamt without acct_pay",
    True: "基金总额含个人账户 / fund_pay_sumamt includes acct_pay",
}


def in_words(platform: Platform) -> str:
    """A province's variant in a sentence for whoever installs it; time-outs in seconds."""
    t = platform.timeouts
    return "；".join(
        (
            _URLS[platform.url_family], _AUTHS[platform.auth], _INPUTS[platform.input],
            _FAILURES[platform.failure_codes], _FUNDS[platform.fund_includes_acct], _CAINFOS[platform.cainfo],
            f"超时(秒) / seconds: connect {t.connect}, query {t.query}, money {t.money}, batch {t.batch}, "
            f"file {t.file}",
        )
    )  # fmt: skip


def variant_of(platform: Platform) -> Variant:
    """The variant as delivery and the codec take it."""
    limits = platform.timeouts
    seconds = {"query": limits.query, "money": limits.money, "batch": limits.batch, "file": limits.file}
    timeouts = {
        kind: Timeouts(connect=limits.connect, write=max(limit, Timeouts().write), read=limit)
        for kind, limit in seconds.items()
    }
    return Variant(platform.words, timeouts)


def variants(
    profiles: Profiles, hospitals: Iterable[Hospital], kinds: Mapping[str, str]
) -> Callable[[str, str], Variant]:
    """The variant of a counterpart for a hospital; `kinds` says what the counterparts are, by name.

    A hospital in no profile is spoken for as its manifest says.
    """
    by_hospital = {
        hospital.code: variant_of(profile.platform)
        for hospital in hospitals
        if (profile := profiles.for_place(hospital.code, hospital.pool_area)) is not None
    }

    def found(counterpart: str, hospital: str) -> Variant:
        return by_hospital.get(hospital, PLAIN) if kinds.get(counterpart) == INSURANCE else PLAIN

    return found


def in_use(profiles: Profiles, hospitals: Iterable[Hospital]) -> tuple[LocalityProfile, ...]:
    """The profiles whose `[platform]` counts for an institution of this installation."""
    found = (profiles.for_place(hospital.code, hospital.pool_area) for hospital in hospitals)
    return tuple({profile.id: profile for profile in found if profile is not None}.values())


def lacking(platform: Platform, manifest: Manifest, credentials: Iterable[str]) -> list[str]:
    """Names of credentials that the variant needs and the counterpart does not have."""
    needed: Mapping[str, list[str]] = manifest.capabilities.get("credentials", {})
    words, given = platform.words, set(credentials)
    wanted = [name for word in _NEEDING for name in needed.get(f"{word} {words[word]}", ())]
    return [name for name in wanted if name not in given]


def needless(manifest: Manifest, credentials: Iterable[str]) -> Iterator[str]:
    """Names of credentials that no variant reads; a mistake, or what the profile says now."""
    needed: Mapping[str, list[str]] = manifest.capabilities.get("credentials", {})
    known = {name for names in needed.values() for name in names}
    known.update(manifest.capabilities.get("optional_credentials", ()))
    return (name for name in credentials if needed and name not in known)
