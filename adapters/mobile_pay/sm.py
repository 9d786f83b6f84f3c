"""SM2, SM3 and SM4 as the mobile payment centre uses them (national interface 5.2 and 5.3). Pure.

SM4 in ECB with PKCS7 by `cryptography`; SM2 with SM3 by GmSSL, signatures as raw r‖s in Base64.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import Final

import gmssl_pyx
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

DEFAULT_USER_ID: Final = "1234567812345678"
_HALF: Final = 32
_BLOCK_BITS: Final = 128


class BadKey(ValueError):
    """A key of the settings cannot be used; the text never shows it."""


class Undecipherable(ValueError):
    """A cipher text that our key does not open."""


def _sm4(key: bytes) -> Cipher[modes.ECB]:
    return Cipher(algorithms.SM4(key), modes.ECB())


def sm4_encrypt(key: bytes, plain: bytes) -> bytes:
    """SM4-ECB-PKCS7; ``key`` has 16 bytes."""
    padder, cipher = padding.PKCS7(_BLOCK_BITS).padder(), _sm4(key).encryptor()
    return cipher.update(padder.update(plain) + padder.finalize()) + cipher.finalize()


def sm4_decrypt(key: bytes, secret: bytes) -> bytes:
    """The plain bytes. Raises Undecipherable."""
    opener, unpadder = _sm4(key).decryptor(), padding.PKCS7(_BLOCK_BITS).unpadder()
    try:
        return unpadder.update(opener.update(secret) + opener.finalize()) + unpadder.finalize()
    except ValueError:
        raise Undecipherable("cipher text") from None


def data_key(app_id: str, app_secret: str) -> bytes:
    """k2: the first 16 characters of the secret's upper-case hexadecimal cipher text under the app id (5.2).

    Raises BadKey for an app id shorter than 16 characters.
    """
    outer = app_id[:16].encode()
    if len(outer) != 16:
        raise BadKey("app_id: at least 16 ASCII characters are expected")
    return sm4_encrypt(outer, app_secret.encode()).hex().upper()[:16].encode("ascii")


def seal(key: bytes, text: str) -> str:
    """`encData`: upper-case hexadecimal."""
    return sm4_encrypt(key, text.encode()).hex().upper()


def unseal(key: bytes, enc_data: str) -> str:
    """The text of an `encData`. Raises Undecipherable."""
    try:
        return sm4_decrypt(key, bytes.fromhex(enc_data)).decode("utf-8")
    except ValueError:
        raise Undecipherable("cipher text") from None


def _decoded(name: str, text: str) -> bytes:
    """A key in Base64, of raw bytes or of hexadecimal text (some deliveries wrap it, 5.3)."""
    try:
        raw = b64decode(text, validate=True)
        return bytes.fromhex(raw.decode("ascii")) if len(raw) in (64, 128, 130) and _is_hex(raw) else raw
    except (binascii.Error, ValueError):
        raise BadKey(f"{name}: no Base64") from None


def _is_hex(raw: bytes) -> bool:
    return all(byte in b"0123456789abcdefABCDEF" for byte in raw)


def private_key(text: str) -> bytes:
    """The number d of 32 bytes. Raises BadKey."""
    raw = _decoded("private_key", text)
    if len(raw) != _HALF:
        raise BadKey("private_key: 32 bytes are expected")
    return raw


def public_key(text: str) -> bytes:
    """The point x‖y of 64 bytes, with or without 04 in front. Raises BadKey for what is no point of the curve."""
    raw = _decoded("public_key", text)
    if len(raw) not in (64, 65):
        raise BadKey("public_key: 64 or 65 bytes are expected")
    try:
        return bytes(gmssl_pyx.normalize_sm2_public_key(raw))
    except gmssl_pyx.InvalidValueError:
        raise BadKey("public_key: no point of the curve") from None


def sign(text: str, private: bytes, public: bytes, user_id: str = DEFAULT_USER_ID) -> str:
    """`signData` of a string to sign: SM3withSM2, r‖s in Base64. Raises BadKey for a private key out of range."""
    try:
        der = gmssl_pyx.sm2_sign(private, public, text.encode(), signer_id=user_id.encode())
    except gmssl_pyx.GmsslInnerError:
        raise BadKey("private_key: not usable") from None
    r, s = decode_dss_signature(der)
    return b64encode(r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")).decode("ascii")


def verify(text: str, sign_data: str, public: bytes, user_id: str = DEFAULT_USER_ID) -> bool:
    """Whether the owner of ``public`` signed exactly this string; False for anything unreadable."""
    try:
        raw = b64decode(sign_data, validate=True)
    except (binascii.Error, ValueError):
        return False
    if len(raw) != 2 * _HALF:
        return False
    der = encode_dss_signature(int.from_bytes(raw[:_HALF], "big"), int.from_bytes(raw[_HALF:], "big"))
    try:
        return bool(gmssl_pyx.sm2_verify(public, text.encode(), der, signer_id=user_id.encode()))
    except gmssl_pyx.GmsslInnerError:
        return False
