"""A newsroom's ed25519 signature on a profile: made with its private key, checked with the public one.

It covers the bytes of `profile.sha256`, and so everything in the profile. The signer's name beside it is not covered
and proves nothing: who a key belongs to is known only to whoever trusted it (`person_profiles.trusted_keys`).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from poseauth.errors import ProfileDamagedError, SignatureError

SIGNATURE_FORMAT = 1
HOW_TO_INSTALL = "pip install 'poseauth[sign]'"
MAX_NAME = 200
"""Characters of a signer's name."""
PUBLIC_SUFFIX = ".pub"
_KEY_BYTES, _SIGNATURE_BYTES = 32, 64
_MAX_KEY_FILE_BYTES = 64 << 10
_ENTRIES = {"format", "signer", "public_key", "signature"}


@dataclass(frozen=True)
class Signature:
    """What stands in `profile.sig`.

    Attributes
    ----------
    signer : str
        What the signer calls themselves, "" where they do not say; anybody can write anything here.
    public_key : bytes
        Of the key that signed, 32 bytes.
    value : bytes
        The signature, 64 bytes.
    """

    signer: str
    public_key: bytes
    value: bytes

    @property
    def fingerprint(self) -> str:
        """Of the key."""
        return fingerprint(self.public_key)


@dataclass(frozen=True)
class SignatureStatus:
    """What is known of a profile's signature.

    Attributes
    ----------
    state : "unsigned", "trusted", "not trusted" or "not checked"
        A signature that does not fit is no state but an error. Not checked: the package to do so is missing.
    fingerprint : str or None
        Of the key that signed, where that was checked.
    trusted_name : str or None
        As the key was called when it was trusted here.
    claimed_name : str or None
        What the file says of its signer.
    """

    state: Literal["unsigned", "trusted", "not trusted", "not checked"]
    fingerprint: str | None = None
    trusted_name: str | None = None
    claimed_name: str | None = None

    @property
    def sentence(self) -> str:
        """The state in words."""
        if self.state == "unsigned":
            return "unsigned"
        if self.state == "trusted":
            return f"signed by {self.trusted_name}, whose key is trusted here ({self.fingerprint})"
        claim = f'; the file names "{self.claimed_name}", which proves nothing' if self.claimed_name else ""
        if self.state == "not trusted":
            return f"signed by a key that nobody here has trusted ({self.fingerprint}){claim}"
        return f"signed, but the signature was not checked: {HOW_TO_INSTALL}{claim}"

    def as_dict(self) -> dict[str, str | None]:
        """Plain values for JSON."""
        return {
            "state": self.state,
            "fingerprint": self.fingerprint,
            "trusted_name": self.trusted_name,
            "claimed_name_proves_nothing": self.claimed_name,
        }


UNSIGNED = SignatureStatus("unsigned")


def fingerprint(public_key: bytes) -> str:
    """How people compare a key: the first half of its SHA-256 in groups of four."""
    digest = hashlib.sha256(public_key).hexdigest()[:32]
    return "-".join(digest[first : first + 4] for first in range(0, len(digest), 4))


def make_key(path: Path) -> str:
    """Write a new private key, readable for its owner alone, and beside it the public one; gives the fingerprint.

    Raises
    ------
    SignatureError
        If one of the two files is there already or cannot be written, or the package to make keys is missing.
    """
    ed25519, serialization = _ed25519()
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    beside = path.with_name(path.name + PUBLIC_SUFFIX)
    _write_new(path, private, 0o600)
    try:
        _write_new(beside, public, 0o644)
    except SignatureError:
        path.unlink()
        raise
    return fingerprint(key.public_key().public_bytes_raw())


def read_public_key(path: Path) -> bytes:
    """The 32 bytes of a public key in a PEM file.

    Raises
    ------
    SignatureError
        If it is no such file, or the package to read it is missing.
    """
    ed25519, serialization = _ed25519()
    try:
        key = serialization.load_pem_public_key(_read_key_file(path))
    except _key_errors() as error:
        raise SignatureError(
            f"{path} is no public ed25519 key in PEM: {error}. Name the file {PUBLIC_SUFFIX} that "
            "poseauth profiles keygen wrote"
        ) from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise SignatureError(f"{path} holds a public key of another kind than ed25519")
    raw: bytes = key.public_bytes_raw()
    return raw


def sign(digests: bytes, key_file: Path, *, signer: str = "") -> bytes:
    """The content of `profile.sig`.

    Parameters
    ----------
    digests : bytes
        Of `profile.sha256`.
    key_file : Path
        A private ed25519 key in PEM.
    signer : str
        What the signer calls themselves.

    Raises
    ------
    SignatureError
        If the file is no such key, the name is none, or the package to sign is missing.
    """
    ed25519, serialization = _ed25519()
    try:
        key = serialization.load_pem_private_key(_read_key_file(key_file), password=None)
    except _key_errors() as error:
        raise SignatureError(
            f"{key_file} is no private ed25519 key in PEM without a passphrase: {error}. Make one: "
            "poseauth profiles keygen newsroom.key"
        ) from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise SignatureError(f"{key_file} holds a private key of another kind than ed25519")
    plain = {
        "format": SIGNATURE_FORMAT,
        "signer": checked_name(signer) if signer else "",
        "public_key": base64.b64encode(key.public_key().public_bytes_raw()).decode(),
        "signature": base64.b64encode(key.sign(digests)).decode(),
    }
    return json.dumps(plain, indent=2, ensure_ascii=False).encode() + b"\n"


def checked_name(name: str) -> str:
    """The name of a signer.

    Raises
    ------
    SignatureError
        If it is empty, too long or not printable.
    """
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise SignatureError(f"{name[:MAX_NAME]!r} is no name: 1 to {MAX_NAME} printable characters are needed")
    return name.strip()


def parse_signature(content: bytes) -> Signature:
    """The inverse of what `sign` gives; nothing is checked but the form.

    Raises
    ------
    ProfileDamagedError
        If it is not as it must be.
    """
    try:
        plain = json.loads(content)
        if not isinstance(plain, dict) or plain.get("format") != SIGNATURE_FORMAT or set(plain) != _ENTRIES:
            raise ValueError(f"an object of format {SIGNATURE_FORMAT} with {', '.join(sorted(_ENTRIES))} is needed")
        signer = plain["signer"]
        if not isinstance(signer, str) or len(signer) > MAX_NAME or not signer.isprintable():
            raise ValueError(f"the signer is no text of at most {MAX_NAME} printable characters")
        return Signature(
            signer.strip(), _decoded(plain, "public_key", _KEY_BYTES), _decoded(plain, "signature", _SIGNATURE_BYTES)
        )
    except (ValueError, TypeError, RecursionError, SignatureError) as error:
        raise ProfileDamagedError(f"it is no signature: {error}") from error


def check_signature(signature: Signature, digests: bytes) -> bool:
    """Whether the signature could be checked; if so, it fits.

    Raises
    ------
    ProfileDamagedError
        If it does not fit.
    """
    try:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(signature.public_key).verify(signature.value, digests)
    except UnsupportedAlgorithm:
        return False
    except (InvalidSignature, ValueError) as error:
        raise ProfileDamagedError(
            "the signature does not fit the profile: one of them was changed after signing. Ask who sent it for "
            "another copy"
        ) from error
    return True


def _decoded(plain: Mapping[str, Any], entry: str, n_bytes: int) -> bytes:
    text = plain[entry]
    if not isinstance(text, str) or not text.isascii():
        raise ValueError(f"{entry} is no base64")
    raw = base64.b64decode(text, validate=True)
    if len(raw) != n_bytes:
        raise ValueError(f"{entry} has {len(raw)} bytes; {n_bytes} are needed")
    return raw


def _ed25519() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise SignatureError(f"keys and signatures need a package that is not installed: {HOW_TO_INSTALL}") from error
    return ed25519, serialization


def _key_errors() -> tuple[type[Exception], ...]:
    from cryptography.exceptions import UnsupportedAlgorithm

    return ValueError, TypeError, UnsupportedAlgorithm


def _read_key_file(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_KEY_FILE_BYTES + 1)
    except OSError as error:
        raise SignatureError(f"{path} cannot be read: {error.strerror or error}") from error
    if len(content) > _MAX_KEY_FILE_BYTES:
        raise SignatureError(f"{path} has more than {_MAX_KEY_FILE_BYTES} bytes: that is no key")
    return content


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    except FileExistsError as error:
        raise SignatureError(f"{path} is there already, and a key is never overwritten. Name another file") from error
    except OSError as error:
        raise SignatureError(f"{path} cannot be written: {error.strerror or error}") from error
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise SignatureError(f"{path} cannot be written: {error.strerror or error}") from error
