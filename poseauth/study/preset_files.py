"""Presets as a few lines of TOML: those that come with poseauth, and a user's own."""

from __future__ import annotations

import importlib.resources
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from poseauth.errors import PresetError
from poseauth.study.presets import (
    MAX_LAYERS,
    FaceNetwork,
    Head,
    Model,
    Optimiser,
    PoseNetwork,
    PoseProfile,
    Preset,
    Training,
    WindowClassifier,
)

MAX_PRESETS = 200
"""Presets of one file."""
_MAX_BYTES = 1 << 20
_LARGEST = 10**15
_PACKAGE = "poseauth.study"
_FOLDERS = ("presets", "presets/searches")
_MODELS: Mapping[str, type[Model]] = {
    "pose_network": PoseNetwork,
    "window_classifier": WindowClassifier,
    "pose_profile": PoseProfile,
    "face_network": FaceNetwork,
}


def load_presets() -> dict[str, Preset]:
    """Every built-in detector by name, in the order of the files' names and, in a file, of its lines.

    The searches (`optimiser_search`, ...) are not among them; `choose_presets` takes them by name.
    """
    presets: dict[str, Preset] = {}
    for name in built_in_files():
        if not _is_search(name):
            presets |= read_built_in(name)
    return presets


def choose_presets(chosen: str) -> tuple[Preset, ...]:
    """The presets that a user asks for.

    Parameters
    ----------
    chosen : str
        `all`, or, separated by commas, names of presets, of built-in files, and paths of .toml files.

    Raises
    ------
    PresetError
        If there is no such preset or file, or two of one name are different.
    """
    named = load_presets()
    found: dict[str, Preset] = {}
    for part in (piece.strip() for piece in chosen.split(",")):
        for preset in _called(part, named):
            if found.setdefault(preset.name, preset) != preset:
                raise PresetError(f"two different presets are called {preset.name}; give one of them another name")
    return tuple(found.values())


def _called(part: str, named: Mapping[str, Preset]) -> tuple[Preset, ...]:
    if part == "all":
        return tuple(named.values())
    if part in named:
        return (named[part],)
    files = built_in_files()
    if part in files:
        return tuple(read_built_in(part).values())
    if part.endswith(".toml"):
        return tuple(read_presets(Path(part)).values())
    for file in files:
        if _is_search(file) and part in (searched := read_built_in(file)):
            return (searched[part],)
    raise PresetError(
        f"no preset is called {part[:80]!r}; known are all, {', '.join(files)} (each a file of presets), and "
        f"{', '.join(named)}; or a path that ends in .toml"
    )


def built_in_files() -> tuple[str, ...]:
    """Names of the built-in files, in order; the searches after the detectors."""
    return tuple(name for folder in _FOLDERS for name in sorted(_files_in(folder)))


def read_built_in(name: str) -> dict[str, Preset]:
    """The presets of a built-in file, by name."""
    for folder in _FOLDERS:
        if name in (files := _files_in(folder)):
            return presets_from_text(files[name].read_text(encoding="utf-8"), where=f"{name}.toml")
    raise PresetError(f"no built-in file of presets is called {name!r}; known are {', '.join(built_in_files())}")


def _files_in(folder: str) -> dict[str, Any]:
    place = importlib.resources.files(_PACKAGE)
    for part in folder.split("/"):
        place = place / part
    return {entry.name.removesuffix(".toml"): entry for entry in place.iterdir() if entry.name.endswith(".toml")}


def _is_search(name: str) -> bool:
    return name in _files_in(_FOLDERS[1])


def read_presets(path: Path) -> dict[str, Preset]:
    """The presets of a file of the user's own, by name, in the file's order.

    Raises
    ------
    PresetError
        If it cannot be read, is too large, or says anything that is not known or out of range.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise PresetError(f"{path}: cannot be read ({error.strerror})") from error
    if len(content) > _MAX_BYTES:
        raise PresetError(f"{path}: more than {_MAX_BYTES} bytes; a file of presets has a few thousand")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PresetError(f"{path}: not a text in UTF-8") from error
    return presets_from_text(text, where=str(path))


def presets_from_text(text: str, *, where: str) -> dict[str, Preset]:
    """The presets of a TOML text: a table `presets.NAME` each.

    A preset may be `like` one above it in the text: it begins as that one's tables, and its own go over them key by
    key; a `head` goes over the other's as a whole.

    Raises
    ------
    PresetError
        Which names `where`, the preset and the key.
    """
    try:
        told = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise PresetError(f"{where}: not TOML ({error})") from error
    _only_known(told, {"presets"}, where)
    tables = told.get("presets")
    if not isinstance(tables, dict) or not 1 <= len(tables) <= MAX_PRESETS:
        said = f"{len(tables)} presets" if isinstance(tables, dict) else f"presets is {_kind_of(tables)}"
        raise PresetError(f"{where}: {said}; 1 to {MAX_PRESETS} tables [presets.NAME] are needed")
    whole: dict[str, dict[str, Any]] = {}
    presets = {}
    for name, table in tables.items():
        try:
            whole[name] = _with_what_it_is_like(table, whole)
            presets[name] = _preset_of(name, whole[name])
        except PresetError as error:
            raise PresetError(f"{where}: preset {name[:80]!r}: {error}") from error
    return presets


def _with_what_it_is_like(table: object, above: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise PresetError(f"it is {_kind_of(table)}; a table is needed")
    if "like" not in table:
        return table
    own = dict(table)
    like = own.pop("like")
    if not isinstance(like, str) or like not in above:
        raise PresetError(f"like is {_kind_of(like)}; the name of a preset above it is needed")
    return _laid_over(above[like], own)


def _laid_over(below: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for key, value in own.items():
        before = both.get(key)
        mixes = isinstance(before, dict) and isinstance(value, dict) and key != "head"
        both[key] = _laid_over(before, value) if mixes and before is not None else value
    return both


def _preset_of(name: str, table: Mapping[str, Any]) -> Preset:
    _only_known(table, {"title", "source", "training", *_MODELS}, "")
    kinds = [kind for kind in _MODELS if kind in table]
    if len(kinds) != 1:
        raise PresetError(f"{len(kinds)} models; one of {', '.join(_MODELS)} is needed")
    for key in ("title", "source"):
        if not isinstance(table.get(key), str):
            raise PresetError(f"{key} is {_kind_of(table.get(key))}; a text is needed")
    training = _read(Training, table["training"], "training") if "training" in table else None
    return Preset(name, table["title"], table["source"], _read(_MODELS[kinds[0]], table[kinds[0]], kinds[0]), training)


_Read = TypeVar("_Read")


def _read(kind: type[_Read], table: object, where: str) -> _Read:
    """A dataclass out of a table: every key known, every value of its type."""
    if not isinstance(table, dict):
        raise PresetError(f"{where} is {_kind_of(table)}; a table is needed")
    hints = get_type_hints(kind)
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    _only_known(table, set(known), where)
    values = {key: _value(hints[key], value, f"{where}.{key}") for key, value in table.items()}
    try:
        return kind(**values)
    except TypeError as error:
        missing = [name for name in ("kind", "backbone") if name in known and name not in table]
        raise PresetError(f"{where}: {' and '.join(missing)} must be said") from error
    except PresetError as error:
        raise PresetError(f"{where}: {error}") from error


def _value(hint: Any, value: object, where: str) -> Any:
    if get_origin(hint) is UnionType:
        hint = next(part for part in get_args(hint) if part is not type(None))
    if hint in (Head, Optimiser):
        return _read(hint, value, where)
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        if not isinstance(value, list) or len(value) > 2 * MAX_LAYERS:
            raise PresetError(f"{where} is {_kind_of(value)}; a list of at most {2 * MAX_LAYERS} numbers is needed")
        return tuple(_value(inner, item, where) for item in value)
    if get_origin(hint) is Literal:
        hint = str
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise PresetError(f"{where} is {_kind_of(value)}; that is beyond every range")
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        needed = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[hint]
        raise PresetError(f"{where} is {_kind_of(value)}; {needed} is needed")
    return value


def _kind_of(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "a number with more than 15 digits"
    return f"{str(value)[:40]!r}" if isinstance(value, str | int | float) else f"a {type(value).__name__}"


def _only_known(table: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        start = f"{where}: " if where else ""
        raise PresetError(f"{start}{unknown[0][:80]!r} is not known; known are {', '.join(sorted(known))}")
