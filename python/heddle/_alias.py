"""The package under another name, for scripts that import MXNet."""
from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Any


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds ALIAS.x where heddle.x is."""

    def __init__(self, alias: str, package: str) -> None:
        self.alias = alias
        self.package = package

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        if fullname != self.alias and not fullname.startswith(self.alias + "."):
            return None
        real = self.package + fullname[len(self.alias):]
        if importlib.util.find_spec(real) is None:
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def create_module(self, spec: Any) -> ModuleType:
        module = importlib.import_module(self.package + spec.name[len(self.alias):])
        self._own = module.__spec__
        return module

    def exec_module(self, module: Any) -> None:
        module.__spec__ = self._own  # the import system set the alias's


def install(name: str) -> None:
    """What heddle.install_as does."""
    package = __package__
    existing = sys.modules.get(name)
    if existing is not None and existing is not sys.modules[package]:
        raise ImportError(f"{name} is imported already: call install_as before that")
    if not any(isinstance(f, _Finder) and f.alias == name for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder(name, package))
    for real, module in list(sys.modules.items()):
        if real == package or real.startswith(package + "."):
            sys.modules[name + real[len(package):]] = module
