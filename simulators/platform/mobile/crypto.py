"""The centre's side of the envelope (national-interface 5.1-5.3), written from the facts. For the sandbox alone."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import gmssl_pyx
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_LEFT_OUT = ("signData", "encData", "extra")


class NotOurs(ValueError):
    """The message is not signed by the channel, or cannot be opened; the text is the centre's message."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The channel's secret and both key pairs, as far as the centre has them."""

    app_id: str
    app_secret: str
    private: bytes
    public: bytes
    channel: bytes

    def __repr__(self) -> str:
        return "Keys(…)"


def sandbox_keys() -> dict[str, str]:
    """The invented keys of the sandbox, both sides, as they are delivered (Base64)."""
    found: dict[str, str] = json.loads(
        resources.files("simulators.data").joinpath("mobile_keys.json").read_text("utf-8")
    )
    return found


def centre_keys() -> Keys:
    rows = sandbox_keys()
    private, public, channel = (b64decode(rows[name]) for name in ("centre_private", "centre_public", "gateway_public"))
    return Keys(rows["app_id"], rows["app_secret"], private, public[1:], channel[1:])


def _pkcs7(content: bytes) -> bytes:
    missing = 16 - len(content) % 16
    return content + bytes([missing]) * missing


def _encrypt(key: bytes, content: bytes) -> str:
    cipher = Cipher(algorithms.SM4(key), modes.ECB()).encryptor()
    return (cipher.update(_pkcs7(content)) + cipher.finalize()).hex().upper()


def _decrypt(key: bytes, secret: str) -> bytes:
    cipher = Cipher(algorithms.SM4(key), modes.ECB()).decryptor()
    padded = cipher.update(bytes.fromhex(secret)) + cipher.finalize()
    return padded[: -padded[-1]]


def _body_key(keys: Keys) -> bytes:
    return _encrypt(keys.app_id[:16].encode(), keys.app_secret.encode())[:16].encode()


def _tidy(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _tidy(member) for name, member in value.items() if member not in (None, "")}
        return dict(sorted(kept.items()))
    return [_tidy(item) for item in value] if isinstance(value, list) else value


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def to_be_signed(message: Mapping[str, Any], secret: str) -> str:
    """The string of 5.3 over all that stands at the top but the signature, the cipher text and `extra`."""
    pairs = []
    for name in sorted(set(message) - set(_LEFT_OUT)):
        value = message[name]
        if value is None or value == "":
            continue
        if isinstance(value, dict | list):
            pairs.append(f"{name}={_compact(_tidy(value))}")
        else:
            pairs.append(f"{name}={str(value).lower() if isinstance(value, bool) else value}")
    return "&".join([*pairs, f"key={secret}"])


def sealed(keys: Keys, data: dict[str, Any], outer: Mapping[str, Any], *, spoil: bool = False) -> bytes:
    """A message of the centre; ``spoil`` damages the signature."""
    content = _tidy(data)
    message: dict[str, Any] = {**outer, "appId": keys.app_id, "encType": "SM4", "signType": "SM2"}
    text = to_be_signed({**message, "data": content}, keys.app_secret) + ("x" if spoil else "")
    r, s = decode_dss_signature(gmssl_pyx.sm2_sign(keys.private, keys.public, text.encode()))
    message["signData"] = b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).decode()
    message["encData"] = _encrypt(_body_key(keys), _compact(content).encode())
    return _compact(message).encode()


def opened(keys: Keys, body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """(top level, plain data) of a message of the channel. Raises NotOurs."""
    try:
        message = json.loads(body)
        data = json.loads(_decrypt(_body_key(keys), message["encData"]))
        raw = b64decode(message["signData"], validate=True)
    except (ValueError, KeyError, TypeError, IndexError):
        raise NotOurs("密文解密失败") from None
    text = to_be_signed({**message, "data": data}, keys.app_secret)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    if message.get("appId") != keys.app_id or not gmssl_pyx.sm2_verify(keys.channel, text.encode(), der):
        raise NotOurs("验签失败")
    return message, data
