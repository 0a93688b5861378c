"""The package under another name, for scripts and pickles that import MXNet."""
from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Any


def _known(real: str) -> bool:
    """Whether there is a module of this dotted name."""
    try:
        return importlib.util.find_spec(real) is not None
    except ModuleNotFoundError:  # of something that is no package
        return False


def _module(real: str) -> ModuleType | None:
    """A module by its name, or by another name that heddle gives it: heddle.sym.random is heddle.symbol.random."""
    if _known(real):
        return importlib.import_module(real)
    owner, _, name = real.rpartition(".")
    package = _module(owner) if owner else None
    if package is None:
        return None
    found = getattr(package, name, None)
    if isinstance(found, types.ModuleType) and found.__name__.startswith(f"{__package__}."):
        return found
    return _module(f"{package.__name__}.{name}") if package.__name__ != owner else None


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds ALIAS.x where heddle.x is."""

    def __init__(self, alias: str, package: str) -> None:
        self.alias = alias
        self.package = package

    def _real(self, fullname: str) -> str:
        return self.package + fullname[len(self.alias):]

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        if fullname != self.alias and not fullname.startswith(self.alias + "."):
            return None
        if _module(self._real(fullname)) is None:
            real = self._real(fullname)
            raise ModuleNotFoundError(f"{fullname}: {self.package}, which stands for {self.alias} here, has no module "
                                      f"{real}", name=real)
        return importlib.util.spec_from_loader(fullname, self)

    def create_module(self, spec: Any) -> ModuleType:
        module = _module(self._real(spec.name))
        assert module is not None  # find_spec saw it
        self._own = module.__spec__
        return module

    def exec_module(self, module: Any) -> None:
        module.__spec__ = self._own  # the import system set the alias's


def install(name: str) -> None:
    """What heddle.install_as does."""
    package = __package__
    if not all(part.isidentifier() for part in name.split(".")) or "." in name:
        raise ValueError(f"found the alias {name!r}, expected the name of a package, such as 'mxnet'")
    existing = sys.modules.get(name)
    if existing is not None and existing is not sys.modules[package]:
        raise ImportError(f"{name} is imported already: call install_as before that")
    if not any(isinstance(f, _Finder) and f.alias == name for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder(name, package))
    for real, module in list(sys.modules.items()):
        if real == package or real.startswith(package + "."):
            sys.modules[name + real[len(package):]] = module
