"""One module of a package, without what the package itself imports as soon as it is named."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from types import ModuleType

_lock = threading.RLock()


class _NotYetRun(ModuleType):
    """A package that runs its own code when something is asked of it that its imported modules do not give."""

    def __getattr__(self, name: str) -> object:
        with _lock:
            if isinstance(self, _NotYetRun) and self.__spec__ is not None and self.__spec__.loader is not None:
                ModuleType.__setattr__(self, "__class__", ModuleType)  # first: its code asks for its own attributes
                self.__spec__.loader.exec_module(self)
        return getattr(self, name)


def import_part(package: str, module: str) -> ModuleType:
    """Import `package.module`; the code of `package` itself runs when anybody else needs it, and is none the wiser.

    Parameters
    ----------
    package : str
        A package at the top.
    module : str
        One in it, with dots where it lies deeper, that needs nothing of what the package's own code brings.

    Raises
    ------
    ImportError
        If either is not there or fails.
    """
    with _lock:
        if package not in sys.modules:
            spec = importlib.util.find_spec(package)
            if spec is None:
                raise ModuleNotFoundError(f"No module named {package!r}", name=package)
            whole = importlib.util.module_from_spec(spec)
            whole.__class__ = _NotYetRun
            sys.modules[package] = whole
        return importlib.import_module(f"{package}.{module}")
