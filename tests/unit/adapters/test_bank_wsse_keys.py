"""Key files of a signed channel: what is taken, what is refused by name, and how new ones come into force."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from gateway.app import build
from gateway.check import signed_channels as check_keys
from gateway.model.keys import CHECK_SECONDS, KeyFiles, KeyRing, KeysUnusable, Sm2Keys, WsseKeys
from gateway.settings import CounterpartSettings, Settings, SettingsError
from simulators.sandbox.cast import cast
from simulators.sandbox.keys import make_keys
from simulators.sandbox.settings import Place, gateway_settings, simulator_arguments
from tests.unit.adapters.bank_wsse_partner import Side, side
from tests.unit.adapters.bank_wsse_sm2 import pem, sm2_side

SECRET = "trustno1"


def files(folder: Path, own: Side, *peers: Side, security: str = "wsse", password: bytes | None = None) -> KeyFiles:
    key, cert = own.write(folder, "own")
    trusted = tuple(peer.write(folder, f"peer{number}")[1] for number, peer in enumerate(peers))
    return KeyFiles(security, key, cert, trusted, password)


def reason_of(wrong: KeyFiles) -> str:
    with pytest.raises(KeysUnusable) as caught:
        wrong.load()
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return str(caught.value)


# -- X.509 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_a_pair_and_the_certificates_that_are_trusted(tmp_path: Path, kind: str) -> None:
    own, first, second = side(f"xinyi-{kind}", kind), side("bocom-rsa"), side("bocom-next", "ec")
    keys = files(tmp_path, own, first, second).load()
    assert isinstance(keys, WsseKeys)
    assert keys.certificate == own.cert
    assert set(keys.peers) == {first.der, second.der}


def test_an_encrypted_key_needs_its_password(tmp_path: Path) -> None:
    own = side("xinyi-rsa")
    named = files(tmp_path, own, side("bocom-rsa"), password=SECRET.encode())
    locked = own.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(SECRET.encode()))
    named.sign_key.write_bytes(locked)
    assert isinstance(named.load(), WsseKeys)
    without = KeyFiles("wsse", named.sign_key, named.sign_cert, named.peer_certs)
    assert reason_of(without) == "own.key.pem: TypeError"
    assert SECRET not in repr(named)


def test_a_key_and_the_certificate_of_another(tmp_path: Path) -> None:
    named = files(tmp_path, side("xinyi-rsa"), side("bocom-rsa"))
    side("mallory").write(tmp_path, "own2")[1].replace(named.sign_cert)
    assert reason_of(named) == "own.cert.pem is not the certificate of own.key.pem"


def write_key(path: Path, key: Any) -> None:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def test_what_is_too_weak_or_of_another_kind(tmp_path: Path) -> None:
    named = files(tmp_path, side("xinyi-rsa"), side("weak", bits=1024))
    assert reason_of(named) == "peer0.cert.pem: RSA from 2048 bits or a NIST curve is expected"
    write_key(named.sign_key, ed25519.Ed25519PrivateKey.generate())
    assert reason_of(named) == "own.key.pem: neither RSA nor an elliptic curve"
    write_key(named.sign_key, ec.generate_private_key(ec.SECP256K1()))
    assert reason_of(named) == "own.key.pem: RSA from 2048 bits or a NIST curve is expected"


@pytest.mark.parametrize("name", ["own.key.pem", "own.cert.pem", "peer0.cert.pem"])
def test_a_file_that_is_missing_or_something_else_is_named(tmp_path: Path, name: str) -> None:
    named = files(tmp_path, side("xinyi-rsa"), side("bocom-rsa"))
    (tmp_path / name).write_text(f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n")
    assert reason_of(named).startswith(f"{name}: ")
    assert SECRET not in reason_of(named)
    (tmp_path / name).unlink()
    assert reason_of(named) == f"{tmp_path / name}: No such file or directory"


def test_an_sm2_certificate_is_none_of_this_kind(tmp_path: Path) -> None:
    named = files(tmp_path, side("xinyi-rsa"), side("bocom-rsa"))
    named.peer_certs[0].write_bytes(pem("CERTIFICATE", sm2_side("bank").certificate))
    assert reason_of(named) == "peer0.cert.pem: UnsupportedAlgorithm"


def test_nobody_is_trusted_by_default(tmp_path: Path) -> None:
    assert reason_of(files(tmp_path, side("xinyi-rsa"))) == "peer_certs: at least one certificate is needed"


# -- SM2 ------------------------------------------------------------------------------------------------------------


def sm2_files(folder: Path) -> KeyFiles:
    key, cert = sm2_side("gateway").write(folder, "own")
    return KeyFiles("sm2", key, cert, (sm2_side("bank").write(folder, "peer0")[1],))


def test_sm2_keys_in_every_form_that_banks_hand_over(tmp_path: Path) -> None:
    named, own, bank = sm2_files(tmp_path), sm2_side("gateway"), sm2_side("bank")
    assert named.load() == Sm2Keys(own.private, own.public, (bank.public,))
    named.sign_key.write_bytes(pem("EC PRIVATE KEY", own.sec1))
    named.sign_cert.write_bytes(pem("PUBLIC KEY", own.spki))
    named.peer_certs[0].write_bytes(b"Bag Attributes\n" + pem("PUBLIC KEY", bank.spki))
    assert named.load() == Sm2Keys(own.private, own.public, (bank.public,))


def test_an_sm2_key_and_the_certificate_of_another(tmp_path: Path) -> None:
    named = sm2_files(tmp_path)
    named.sign_cert.write_bytes(pem("CERTIFICATE", sm2_side("mallory").certificate))
    assert reason_of(named) == "own.cert.pem is not the certificate of own.key.pem"


def test_keys_of_another_curve_are_no_sm2_keys(tmp_path: Path) -> None:
    own = side("xinyi-ec", "ec")
    named = sm2_files(tmp_path)
    own.write(tmp_path, "other")[1].replace(named.peer_certs[0])
    assert reason_of(named) == "peer0.cert.pem: no SM2 public key"
    write_key(named.sign_key, own.key)
    assert reason_of(named) == "own.key.pem: no SM2 private key"
    named.sign_key.write_bytes(b"-----BEGIN PRIVATE KEY-----\nAAA\n-----END PRIVATE KEY-----\n")
    assert reason_of(named) == "own.key.pem: no PEM"


# -- new files ------------------------------------------------------------------------------------------------------


class Ring:
    """A ring with a clock in hand."""

    def __init__(self, named: KeyFiles) -> None:
        self.now, self.told = 0.0, list[str]()
        self.ring = KeyRing(named, lambda: self.now, self.told.append)
        self.files = named
        self._age = 0

    def replace(self, path: Path, content: bytes) -> None:
        """As an operator does it; the time of the file moves on whatever the file system's precision."""
        path.write_bytes(content)
        self._age += 1
        os.utime(path, ns=(self._age * 10**9, self._age * 10**9))

    def peers_after(self, seconds: float) -> set[bytes]:
        self.now += seconds
        keys = self.ring.current()
        assert isinstance(keys, WsseKeys)
        return set(keys.peers)


@pytest.fixture
def ring(tmp_path: Path) -> Ring:
    return Ring(files(tmp_path, side("xinyi-rsa"), side("bocom-rsa")))


def public(one: Side) -> bytes:
    return one.cert.public_bytes(Encoding.PEM)


def test_a_new_certificate_comes_into_force_without_a_restart(ring: Ring) -> None:
    old, new = side("bocom-rsa"), side("bocom-next", "ec")
    ring.replace(ring.files.peer_certs[0], public(new))
    assert ring.peers_after(CHECK_SECONDS - 0.1) == {old.der}
    assert ring.peers_after(0.2) == {new.der}


def test_files_are_looked_at_once_in_ten_seconds(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    monkeypatch.setattr(KeyFiles, "stamp", lambda self: looks.append(1) or ((0, 0, 0),))
    monkeypatch.setattr(ring.ring, "_stamp", ((0, 0, 0),))
    for _ in range(100):
        ring.peers_after(1.0)
    assert len(looks) == 10


def test_a_half_done_exchange_keeps_the_former_pair_and_is_told_once(ring: Ring) -> None:
    next_own = side("xinyi-next", "ec")
    key = next_own.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    before = ring.ring.current()
    ring.replace(ring.files.sign_key, key)
    for _ in range(3):
        ring.peers_after(CHECK_SECONDS)
    assert ring.ring.current() is before
    assert ring.told == ["own.cert.pem is not the certificate of own.key.pem"]
    ring.replace(ring.files.sign_cert, public(next_own))
    ring.peers_after(CHECK_SECONDS)
    keys = ring.ring.current()
    assert isinstance(keys, WsseKeys)
    assert keys.certificate == next_own.cert
    assert len(ring.told) == 1


def test_a_file_that_is_gone_for_a_moment_changes_nothing(ring: Ring) -> None:
    path = ring.files.peer_certs[0]
    path.unlink()
    assert ring.peers_after(CHECK_SECONDS) == {side("bocom-rsa").der}
    assert len(ring.told) == 1
    ring.replace(path, public(side("bocom-next", "ec")))
    assert ring.peers_after(CHECK_SECONDS) == {side("bocom-next", "ec").der}


def test_when_certificates_end(ring: Ring, tmp_path: Path) -> None:
    ends = {"sign/own.cert.pem": side("xinyi-rsa"), "peer/peer0.cert.pem": side("bocom-rsa")}
    assert ring.ring.ends() == {name: one.cert.not_valid_after_utc for name, one in ends.items()}
    named = sm2_files(tmp_path)
    named.peer_certs[0].write_bytes(pem("PUBLIC KEY", sm2_side("bank").spki))
    assert list(KeyRing(named, lambda: 0.0).ends()) == ["sign/own.cert.pem"]


# -- settings -------------------------------------------------------------------------------------------------------


def test_a_channel_is_signed_unless_somebody_says_otherwise() -> None:
    bare = CounterpartSettings(adapter="bank_soap")
    with pytest.raises(SettingsError, match="sign_key, sign_cert and peer_certs"):
        bare.key_files("wsse")
    assert bare.key_files("none") is None
    assert bare.model_copy(update={"security": "none"}).key_files("wsse") is None


def test_the_settings_name_the_files(tmp_path: Path) -> None:
    named = files(tmp_path, side("xinyi-rsa"), side("bocom-rsa"))
    settings = CounterpartSettings.model_validate(
        {
            "adapter": "bank_soap", "security": "wsse", "sign_key": str(named.sign_key), "sign_key_password": SECRET,
            "sign_cert": str(named.sign_cert), "peer_certs": [str(named.peer_certs[0])],
        }
    )  # fmt: skip
    assert SECRET not in repr(settings)
    assert settings.key_files("none") == KeyFiles(
        "wsse", named.sign_key, named.sign_cert, named.peer_certs, SECRET.encode()
    )


def test_the_sandbox_signs_on_both_sides(tmp_path: Path) -> None:
    place = Place(tmp_path)
    make_keys(place.keys, ("gateway", *cast().banks))
    given = dict(zip(*[iter(simulator_arguments(place, "bank"))] * 2, strict=True))
    assert all(Path(path).exists() for path in given.values())
    for bank, prefix in (("bocom", ""), ("cib", "cib-"), ("iso", "iso-")):
        named = CounterpartSettings.model_validate(gateway_settings(place, cast())["counterparts"][bank]).key_files("")
        assert named is not None
        keys = named.load()
        assert isinstance(keys, WsseKeys)
        assert [peer.subject.rfc4514_string() for peer in keys.peers.values()] == [f"CN=xinyi-sandbox-{bank}"]
        assert given["--gateway-cert"] == str(named.sign_cert)
        assert {f"--{prefix}key", f"--{prefix}cert"} <= given.keys()
    assert simulator_arguments(place, "platform") == []


def sandbox_settings(folder: Path, **bocom: Any) -> Settings:
    place = Place(folder)
    make_keys(place.keys, ("gateway", "bocom"))
    content = gateway_settings(place, cast())
    content["counterparts"] = {name: content["counterparts"][name] for name in ("bocom", "credit")}
    content["counterparts"]["bocom"] |= bocom
    return Settings(**content)


def test_the_gateway_does_not_start_without_the_keys_of_a_signed_channel(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.pem"
    with pytest.raises(SettingsError, match=r"counterparts\.bocom: .*nowhere\.pem: No such file"):
        build(sandbox_settings(tmp_path, sign_key=str(missing)))
    with pytest.raises(SettingsError, match=r"counterparts\.bocom: security = \"sm2\" needs"):
        build(sandbox_settings(tmp_path, security="sm2", peer_certs=[]))
    gateway = build(sandbox_settings(tmp_path))
    assert gateway.desk.house.delivery.counterparts["bocom"].security == "wsse"
    assert gateway.desk.house.delivery.counterparts["credit"].keys is None


def test_the_check_command_has_a_line_for_each_signed_channel(tmp_path: Path) -> None:
    good = list(check_keys(sandbox_settings(tmp_path)))
    assert [(line.ok, line.subject) for line in good] == [(True, "keys bocom")]
    assert good[0].detail.startswith("wsse, sign/gateway.cert.pem until 20")
    ended = side("bocom-ended", days=-1).write(tmp_path, "ended")[1]
    bad = [next(iter(check_keys(sandbox_settings(tmp_path, peer_certs=wrong)))) for wrong in ([str(ended)], [])]
    assert [line.ok for line in bad] == [False, False]
    assert bad[0].detail == "certificate has ended: peer/ended.cert.pem"
    assert list(check_keys(sandbox_settings(tmp_path, security="none"))) == []
