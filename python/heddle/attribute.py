"""Attributes given to every symbol made inside a block."""
import threading

_STATE = threading.local()

# Keys that MXNet keeps between double underscores whichever way they are written.
HIDDEN_KEYS = ("ctx_group", "lr_mult", "wd_mult", "force_mirroring", "mirror_stage")


class _AttrScopeMeta(type):
    @property
    def current(cls):
        return current()


class AttrScope(metaclass=_AttrScopeMeta):
    """Gives its attributes, which are strings, to the symbols made inside the block."""

    def __init__(self, **attributes):
        for key, value in attributes.items():
            if not isinstance(value, str):
                raise ValueError(f"attribute {key} has the value {value!r}, expected a string")
        self._own = attributes
        self._merged = attributes

    def get(self, attributes=None):
        """These attributes, overridden by `attributes`."""
        return {**self._merged, **(attributes or {})}

    def __enter__(self):
        self._merged = current().get(self._own)
        _stack().append(self)
        return self

    def __exit__(self, *_):
        _stack().pop()


def hide(attributes):
    """Attributes under the keys that files hold: "lr_mult" becomes "__lr_mult__"."""
    return {f"__{key}__" if key in HIDDEN_KEYS else key: value for key, value in attributes.items()}


def _stack():
    try:
        return _STATE.stack
    except AttributeError:
        _STATE.stack = [AttrScope()]
        return _STATE.stack


def current():
    """The innermost scope."""
    return _stack()[-1]
