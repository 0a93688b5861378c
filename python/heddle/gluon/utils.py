"""Parts of batches for several devices, norms of gradients, and files."""
from __future__ import annotations

import hashlib
import itertools
import os
import warnings
import weakref

from ..base import MXNetError
from ..context import Context
from ..ndarray import NDArray, array, op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Callable, Sequence
    from typing import Any

    from .._typing import ArrayLike

__all__ = ["check_sha1", "clip_global_norm", "download", "replace_file", "split_and_load", "split_data"]


def split_data(data: NDArray, num_slice: int, batch_axis: int = 0, even_split: bool = True) -> list[NDArray]:
    """data in num_slice parts along batch_axis.

    Raises ValueError where the extent is less than num_slice, or no multiple of it unless even_split is False: the first
    parts then have one more.
    """
    size = data.shape[batch_axis]
    if even_split and size % num_slice:
        raise ValueError(f"data with shape {data.shape} cannot be evenly split into {num_slice} slices along axis "
                         f"{batch_axis}. Use a batch size that's multiple of {num_slice} or set even_split=False to allow "
                         "uneven partitioning of data.")
    if size < num_slice:
        raise ValueError(f"Too many slices: found {num_slice} for data with shape {data.shape} along axis {batch_axis}, "
                         f"expected at most {size}")
    if num_slice == 1:
        return [data]
    few, more = divmod(size, num_slice)
    ends = [few * (i + 1) + min(i + 1, more) for i in range(num_slice)]
    starts = [0, *ends[:-1]]
    if batch_axis == 0:
        return [data[begin:end] for begin, end in zip(starts, ends)]
    return [op.slice_axis(data, axis=batch_axis, begin=begin, end=end) for begin, end in zip(starts, ends)]


def split_and_load(data: ArrayLike, ctx_list: Sequence[Context], batch_axis: int = 0, even_split: bool = True) -> list[NDArray]:
    """data in one part per context, each on its context; see split_data."""
    if not isinstance(data, NDArray):
        data = array(data, ctx=ctx_list[0])
    if len(ctx_list) == 1:
        return [data.as_in_context(ctx_list[0])]
    return [part.as_in_context(ctx) for part, ctx in zip(split_data(data, len(ctx_list), batch_axis, even_split), ctx_list)]


def clip_global_norm(arrays: Sequence[NDArray], max_norm: float, check_isfinite: bool = True) -> Any:
    """Scales arrays in place so that the norm of all together, sqrt(sum of squares), is at most max_norm.

    Returns the norm before: a float with check_isfinite, which waits for it and warns where it is no finite number; else
    an NDArray of shape (1,), and nothing waits. Raises ValueError without arrays.
    """
    if not arrays:
        raise ValueError("[clip_global_norm] found no arrays, expected at least one")
    where = arrays[0].context
    by_device: dict[Any, list[NDArray]] = {}
    for a in arrays:
        by_device.setdefault(a.device, []).append(a)
    squares = [op.sum(op.multi_sum_sq(*some)).as_in_context(where) for some in by_device.values()]
    norm = op.sqrt(op.add_n(*squares) if len(squares) > 1 else squares[0]).reshape((1,))
    # NaN stays NaN: minimum would hide it.
    factor = op.broadcast_minimum(max_norm / (norm + 1e-8), op.ones_like(norm))
    for some in by_device.values():
        here = factor.as_in_context(some[0].context)
        for a in some:
            op.broadcast_mul(a.reshape((-1,)), here.astype(a.dtype_name, copy=False), out=a.reshape((-1,)))
    if not check_isfinite:
        return norm
    found = norm.item()
    if not abs(found) < float("inf"):
        warnings.warn(UserWarning("nan or inf is detected. Clipping results will be undefined."), stacklevel=2)
    return found


def shape_is_known(shape: Sequence[int] | None) -> bool:
    """Whether a shape says all its extents; 0 and -1 stand for unknown ones."""
    return shape is not None and all(n > 0 for n in shape)


# --- files
def check_sha1(filename: str | os.PathLike[str], sha1_hash: str) -> bool:
    """Whether a file's SHA-1, as hexadecimal digits, is sha1_hash."""
    digest = hashlib.sha1()
    with open(filename, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest() == sha1_hash


def replace_file(src: str | os.PathLike[str], dst: str | os.PathLike[str]) -> None:
    """Renames a file over another one: dst is the old file or the new one, never a part of one."""
    os.replace(src, dst)


def download(url: str, path: str | None = None, overwrite: bool = False, sha1_hash: str | None = None, retries: int = 5,
             verify_ssl: bool = True) -> str:
    """A file from the network, or from where it lies already. Returns its path.

    path: a file or a folder to put it in, by default the current folder; the name is the URL's. A file that is there is
    not fetched again, unless overwrite, or its SHA-1 is not sha1_hash. retries: attempts after the first. verify_ssl:
    False accepts any certificate, with a warning. What arrives is whole, or not there. Raises MXNetError where nothing
    could be fetched, which says where to put the file by hand; ValueError for negative retries.
    """
    return _fetch(url, path, overwrite, sha1_hash, retries, verify_ssl)


def _target(url: str, path: str | None) -> str:
    name = url.split("/")[-1].split("?")[0]
    if path is None:
        if not name:
            raise ValueError(f"[download] found the URL {url!r} without a file name, expected path to give one")
        return name
    path = os.path.expanduser(path)
    return os.path.join(path, name) if os.path.isdir(path) else path


def _fetch(url: str, path: str | None, overwrite: bool, sha1_hash: str | None, retries: int, verify_ssl: bool) -> str:
    import urllib.error  # not at import: few programs download
    import urllib.request
    if retries < 0:
        raise ValueError(f"[download] found retries {retries}, expected 0 or more")
    target = _target(url, path)
    if not overwrite and os.path.exists(target) and (not sha1_hash or check_sha1(target, sha1_hash)):
        return target
    os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
    part = f"{target}.{os.getpid()}.part"
    failure = ""
    try:
        for _ in range(retries + 1):
            try:
                with urllib.request.urlopen(url, context=_certificates(url, verify_ssl)) as source, open(part, "wb") as sink:
                    while block := source.read(1 << 20):
                        sink.write(block)
            except (urllib.error.URLError, OSError) as error:
                failure = str(error)
                continue
            if sha1_hash and not check_sha1(part, sha1_hash):
                failure = f"its SHA-1 is not {sha1_hash}"
                continue
            replace_file(part, target)
            return target
    finally:
        if os.path.exists(part):
            os.remove(part)
    raise MXNetError(f"[download] {url}: {failure}. Where there is no network, fetch the file elsewhere and put it at "
                     f"{os.path.abspath(target)}")


def _certificates(url: str, verify: bool) -> Any:
    if verify or not url.startswith("https:"):
        return None
    import ssl
    warnings.warn("Unverified HTTPS request is being made (verify_ssl=False). Adding certificate verification is strongly "
                  "advised.", stacklevel=4)
    return ssl._create_unverified_context()


_numbers = itertools.count(1)


class HookHandle:
    """What registering a hook returns: detach() takes the hook away again, and so does the end of a `with` block."""

    def __init__(self) -> None:
        self._hooks: Callable[[], Any] = lambda: None
        self._number = 0

    def attach(self, hooks_dict: OrderedDict[int, Any], hook: Any) -> None:
        """Puts a hook into a dict of them. Raises RuntimeError where this handle holds one already."""
        if self._number:
            raise RuntimeError("The same handle cannot be attached twice.")
        self._number = next(_numbers)
        hooks_dict[self._number] = hook
        self._hooks = weakref.ref(hooks_dict)

    def detach(self) -> None:
        """Takes the hook away; does nothing where it is gone."""
        hooks = self._hooks()
        if hooks is not None:
            hooks.pop(self._number, None)

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def __reduce__(self) -> tuple[Any, ...]:
        return HookHandle, ()
