"""The public keys that somebody here has trusted, each under a name of their own choice."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from person_profiles.home import Home
from person_profiles.signature import checked_name, fingerprint
from poseauth.errors import ProfileDamagedError, SignatureError, StorageError

TRUSTED_FOLDER = ".trusted-keys"
_FORMAT = 1
_MAX_BYTES = 8 << 10
_SUFFIX = ".json"


@dataclass(frozen=True)
class TrustedKey:
    """A public key of 32 bytes, and whose it is."""

    name: str
    public_key: bytes

    @property
    def fingerprint(self) -> str:
        """How people compare it."""
        return fingerprint(self.public_key)


class TrustedKeys:
    """The keys trusted in a home.

    Parameters
    ----------
    home : Home
        They stand in its `TRUSTED_FOLDER`, one file a key.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self.folder = home.path / TRUSTED_FOLDER

    def name_of(self, public_key: bytes) -> str | None:
        """Whose key it is; None where nobody has trusted it.

        Raises
        ------
        ProfileDamagedError
            If the file that says so is damaged.
        """
        path = self._path(fingerprint(public_key))
        if not path.is_file():
            return None
        trusted = _read(path)
        return trusted.name if trusted.public_key == public_key else None

    def entries(self) -> list[TrustedKey]:
        """All of them, by name.

        Raises
        ------
        ProfileDamagedError
            If one of the files is damaged.
        """
        paths = self.folder.glob(f"*{_SUFFIX}") if self.folder.is_dir() else ()
        return sorted((_read(path) for path in paths), key=lambda key: (key.name, key.public_key))

    def trust(self, public_key: bytes, name: str) -> TrustedKey:
        """Keep a key as that of `name`.

        Raises
        ------
        SignatureError
            If the name is none, or the key is trusted already under another.
        StorageError
            If it cannot be kept.
        """
        key = TrustedKey(checked_name(name), public_key)
        path = self._path(key.fingerprint)
        text = {"format": _FORMAT, "name": key.name, "public_key": base64.b64encode(public_key).decode()}
        try:
            self._home.make()
            with self._home.writing():
                known = self.name_of(public_key)
                if known not in (None, key.name):
                    raise SignatureError(
                        f"the key {key.fingerprint} is trusted already, as that of {known}. To call it otherwise, "
                        f"forget it first: poseauth profiles trust --forget {key.fingerprint}"
                    )
                self.folder.mkdir(exist_ok=True)
                new = self._home.new_file()
                with new.open("wb") as stream:
                    stream.write(json.dumps(text, indent=2, ensure_ascii=False).encode())
                    stream.flush()
                    os.fsync(stream.fileno())
                new.replace(path)
        except OSError as error:
            raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
        return key

    def forget(self, print_of_key: str) -> TrustedKey | None:
        """Trust a key no longer; gives it, or None where its file was damaged.

        Raises
        ------
        SignatureError
            If no such key is trusted.
        StorageError
            If its file cannot be removed.
        """
        known = [path.stem for path in self.folder.glob(f"*{_SUFFIX}")] if self.folder.is_dir() else []
        if print_of_key not in known:
            raise SignatureError(
                f"no key {print_of_key!r} is trusted under {self._home.path}. See poseauth profiles trust --list"
            )
        path, key = self._path(print_of_key), None
        with contextlib.suppress(ProfileDamagedError):
            key = _read(path)
        try:
            with self._home.writing():
                path.unlink()
        except OSError as error:
            raise StorageError(f"{path} cannot be removed: {error.strerror or error}") from error
        return key

    def _path(self, print_of_key: str) -> Path:
        return self.folder / f"{print_of_key}{_SUFFIX}"


def _read(path: Path) -> TrustedKey:
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
        plain = json.loads(content) if len(content) <= _MAX_BYTES else None
        if not isinstance(plain, dict) or plain.get("format") != _FORMAT:
            raise ValueError(f"an object of format {_FORMAT} in at most {_MAX_BYTES} bytes is needed")
        key = TrustedKey(checked_name(plain["name"]), base64.b64decode(plain["public_key"], validate=True))
        if key.fingerprint != path.stem:
            raise ValueError("it holds another key than its name says")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, SignatureError) as error:
        raise ProfileDamagedError(
            f"{path} is no trusted key: {error}. Remove the file, and trust the key again"
        ) from error
    return key
