"""MXNet's switches for grouping eager calls.

Calls are not grouped here: small ones run at once on the calling thread. The switches are kept, and have no
effect on results or speed.
"""
import contextlib

_SIZE = [15]


def set_bulk_size(size):
    """Sets the size; returns the previous one."""
    previous, _SIZE[0] = _SIZE[0], int(size)
    return previous


@contextlib.contextmanager
def bulk(size):
    """A block with another size."""
    previous = set_bulk_size(size)
    try:
        yield
    finally:
        set_bulk_size(previous)
