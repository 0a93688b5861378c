"""What ran when, and for how long: every operator, copy and blocking call of a stretch of the program.

    heddle.profiler.set_config(filename="profile.json")
    heddle.profiler.set_state("run")
    ...
    heddle.profiler.set_state("stop")
    print(heddle.profiler.dumps())  # totals per operator
    heddle.profiler.dump()          # profile.json, for ui.perfetto.dev or chrome://tracing

Recording costs a few tenths of a microsecond per operator. `Task`, `Frame`, `Event`, `Counter` and `Marker`
are what the program adds. `trace_waits` tells what blocking reads wait for.
"""
from __future__ import annotations

import json
import os
import sys
import threading

from . import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "set_config", "profiler_set_config", "set_state", "profiler_set_state", "state", "pause", "resume", "dump",
    "dump_profile", "dumps", "dropped", "set_kvstore_handle", "Domain", "Task", "Frame", "Event", "Counter", "Marker",
    "trace_waits"]

_OPTIONS: dict[str, Any] = {
    "filename": "profile.json", "profile_all": False, "profile_symbolic": True, "profile_imperative": True,
    "profile_memory": True, "profile_api": True, "aggregate_stats": False, "continuous_dump": False,
    "dump_period": 1.0, "profile_process": "worker", "max_bytes": 128 << 20}
_STATE: dict[str, Any] = {"run": False, "paused": False, "fresh": False, "timer": None}


def set_config(**kwargs: Any) -> None:
    """Options, to be set before set_state('run').

    filename: where dump() writes.
    profile_symbolic, profile_imperative: whether to record operators of bound networks, and those called one by one.
    profile_memory: whether to record the bytes in use on cpu(0).
    profile_api: whether to record calls that block.
    profile_all: all of these.
    continuous_dump, dump_period: whether to write the file every so many seconds while it runs.
    aggregate_stats: accepted; dumps() always knows the totals.
    profile_process: accepted; there are no servers to profile.
    max_bytes: how much to keep, some 130 bytes per operator. The oldest goes first; totals still count it.
    """
    for name in kwargs:
        if name not in _OPTIONS:
            raise ValueError(f"set_config: found {name!r}, expected one of {', '.join(_OPTIONS)}")
    for name, value in kwargs.items():
        kind = type(_OPTIONS[name])
        _OPTIONS[name] = value in (True, 1, "1", "True", "true") if kind is bool else kind(value)


def profiler_set_config(mode: str = "symbolic", filename: str = "profile.json") -> None:
    """set_config under its old name: mode is 'symbolic' (bound networks only) or 'all'."""
    if mode not in ("symbolic", "all"):
        raise ValueError(f"found mode {mode!r}, expected 'symbolic' or 'all'")
    every = mode == "all"
    set_config(filename=filename, profile_all=False, profile_symbolic=True, profile_imperative=every,
               profile_memory=every, profile_api=every)


def set_kvstore_handle(handle: object) -> None:
    """Accepted; there are no servers to profile."""


def set_state(state: Any = "stop", profile_process: str = "worker") -> None:
    """'run' begins to record, 'stop' ends it. What was recorded stays until a 'run' that follows a dump."""
    if state not in ("run", "stop"):
        raise ValueError(f"found state {state!r}, expected 'run' or 'stop'")
    _STATE["run"] = state == "run"
    _STATE["paused"] = False
    _apply()


def state() -> str:
    """'run' or 'stop'."""
    return "run" if _STATE["run"] else "stop"


def pause(profile_process: str = "worker") -> None:
    """Records nothing until resume()."""
    _STATE["paused"] = True
    _apply()


def resume(profile_process: str = "worker") -> None:
    """Goes on, if the state is 'run'."""
    _STATE["paused"] = False
    _apply()


def profiler_set_state(state: Any = "stop") -> None:
    """set_state under its old name."""
    set_state(state)


def _apply() -> None:
    if _STATE["run"] and not _STATE["paused"]:
        if _STATE["fresh"]:
            _core.profile.clear()
            _STATE["fresh"] = False
        every = _OPTIONS["profile_all"]
        eager, graph, waits, memory = (
            every or _OPTIONS["profile_" + what] for what in ("imperative", "symbolic", "api", "memory"))
        _core.profile.start(eager, graph, waits, memory, _OPTIONS["max_bytes"])
        if _OPTIONS["continuous_dump"] and _STATE["timer"] is None:
            _STATE["timer"] = _Writer(_OPTIONS["dump_period"])
    else:
        _core.profile.stop()
        if _STATE["timer"] is not None:
            timer, _STATE["timer"] = _STATE["timer"], None
            timer.stop()


class _Writer:
    """Writes the file every `period` seconds."""

    def __init__(self, period: float) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, args=(period,), daemon=True)
        self._thread.start()

    def _write(self, period: float) -> None:
        while not self._over.wait(period):
            _core.profile.write(_OPTIONS["filename"])

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


def _forked() -> None:
    """In a child the recording is off, and the writing thread is not there."""
    _STATE.update(run=False, paused=False, fresh=False, timer=None)


os.register_at_fork(after_in_child=_forked)


def dump(finished: bool = True, profile_process: str = "worker") -> None:
    """Writes what was recorded: the file appears whole or not at all. `finished` stops the recording."""
    if finished:
        set_state("stop")
        _STATE["fresh"] = True
    _core.profile.write(_OPTIONS["filename"])


def dump_profile() -> None:
    """dump under its old name."""
    dump(True)


def dropped() -> int:
    """How many events had to go because max_bytes was reached."""
    return _core.profile.dropped()


def _rows(sort_by: str, ascending: bool) -> dict[str, list[dict[str, Any]]]:
    """{category: [row]}; times in ms, what counters counted as it is, bytes in kB."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for category, name, counter, count, total, least, most in _core.profile.totals():
        scale = 1 / 1024 if category == "Device Storage" else 1
        row = {"name": name, "count": count, "total": total * scale, "min": least * scale,
               "max": most * scale, "avg": total * scale / count}
        # Numbers and times of one domain are two tables: they have no unit in common.
        apart = counter and category != "Device Storage"
        tables.setdefault(f"{category} (counters)" if apart else category, []).append(row)
    for rows in tables.values():
        rows.sort(key=lambda row: row[sort_by], reverse=not ascending)
    return tables


def dumps(reset: bool = False, format: str = "table", sort_by: str = "total", ascending: bool = False) -> str:
    """Count, total, least, largest and mean time in ms for each operator, and for what the program added, as a
    table or as JSON. `reset` forgets everything that was recorded."""
    if format not in ("table", "json"):
        raise ValueError(f"found format {format!r}, expected 'table' or 'json'")
    if sort_by not in ("total", "avg", "min", "max", "count"):
        raise ValueError(f"found sort_by {sort_by!r}, expected total, avg, min, max or count")
    tables = _rows(sort_by, ascending)
    if reset:
        _core.profile.clear()
    if format == "json":
        return _as_json(tables)
    lines = ["", "Profile Statistics:", "\tNote the difference in units for different entries."]
    for category, rows in sorted(tables.items()):
        unit = "(kB)" if category == "Device Storage" else "" if category.endswith("(counters)") else "(ms)"
        names = ["Total", "Min", "Max", "Avg"]
        titles = ["Name", "Total Count", *(f"{n} {unit}".strip() for n in names)]
        width = max(len(row["name"]) for row in rows)
        layout = f"{{:<{max(width, 24)}}}" + "{:>16}" * 5
        lines += [category, "=================", layout.format(*titles),
                  layout.format(*("-" * len(t) for t in titles))]
        lines += [layout.format(row["name"], row["count"], *(f"{row[k.lower()]:.4f}" for k in names)) for row in rows]
        lines.append("")
    return "\n".join(lines) + "\n"


def _as_json(tables: dict[str, list[dict[str, Any]]]) -> str:
    """As MXNet has it: time and memory apart, then by category, then by name."""
    parts: dict[str, dict[str, Any]] = {"Time": {}, "Memory": {}, "Unit": {"Time": "ms", "Memory": "kB"}}
    for category, rows in tables.items():
        part = parts["Memory" if category == "Device Storage" else "Time"]
        part[category] = {row["name"]: {"Count": row["count"], "Total": row["total"], "Min": row["min"],
                                        "Max": row["max"], "Avg": row["avg"]} for row in rows}
    return json.dumps(parts, indent=4)


# --- what the program adds


class Domain:
    """A name for what belongs together."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name

    def new_task(self, name: str) -> Task:
        """A Task of this domain."""
        return Task(self, name)

    def new_frame(self, name: str) -> Frame:
        """A Frame of this domain."""
        return Frame(self, name)

    def new_counter(self, name: str, value: float | None = None) -> Counter:
        """A Counter of this domain, set to value if one is given."""
        return Counter(self, name, value)

    def new_marker(self, name: str) -> Marker:
        """A Marker of this domain."""
        return Marker(self, name)


class _Span:
    """Something with a start and an end; also a context manager."""

    _own_track = True

    def __init__(self, domain: Domain | str, name: str) -> None:
        self.domain = domain
        self.name = name
        self._begin = 0

    def __str__(self) -> str:
        return self.name

    def start(self) -> None:
        """It begins now."""
        self._begin = _core.profile.now()

    def stop(self) -> None:
        """It ends now, and is recorded if it had begun."""
        begin, self._begin = self._begin, 0
        if begin:
            _core.profile.range(str(self.domain), self.name, begin, self._own_track)

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Task(_Span):
    """A piece of work; may overlap others, and end on another thread."""


class Frame(_Span):
    """A round of a loop; may overlap others."""


class Event(_Span):
    """A piece of work of no domain, on the thread that does it."""

    _own_track = False

    def __init__(self, name: str) -> None:
        super().__init__("event", name)


class Counter:
    """A number over time."""

    def __init__(self, domain: Domain | str, name: str, value: float | None = None) -> None:
        self.domain = domain
        self.name = name
        self.value: float = 0
        self._lock = threading.Lock()
        if value is not None:
            self.set_value(value)

    def __str__(self) -> str:
        return self.name

    def _set(self, value: float) -> None:
        self.value = value
        _core.profile.counter(str(self.domain), self.name, value)

    def set_value(self, value: float) -> None:
        """Records a value."""
        with self._lock:
            self._set(value)

    def increment(self, delta: float = 1) -> None:
        """Records the value plus delta."""
        with self._lock:
            self._set(self.value + delta)

    def decrement(self, delta: float = 1) -> None:
        """Records the value less delta."""
        self.increment(-delta)

    def __iadd__(self, delta: float) -> Counter:
        self.increment(delta)
        return self

    def __isub__(self, delta: float) -> Counter:
        self.decrement(delta)
        return self


class Marker:
    """A moment."""

    def __init__(self, domain: Domain | str, name: str) -> None:
        self.domain = domain
        self.name = name

    def mark(self, scope: str = "process") -> None:
        """Marks this moment for the 'process', the 'thread', or 'global'; 'task' and 'marker' mean the thread."""
        letters = {"process": "p", "thread": "t", "global": "g", "task": "t", "marker": "t"}
        if scope not in letters:
            raise ValueError(f"found scope {scope!r}, expected one of {', '.join(letters)}")
        _core.profile.mark(str(self.domain), self.name, letters[scope])


# --- what waits wait for


class trace_waits:
    """Tells what every blocking call in the block waited for, as it ends:

        with heddle.trace_waits():
            train()

    prints to stderr, for every wait of at least `least_ms`, a line such as
    "blocked 812 ms in asnumpy() at train.py:42 waiting for Convolution pushed at net.py:17".
    `waits` lists them as dictionaries (text, call, at, ms, task, pushed_at, tasks); `show=False` prints nothing.
    Calls of all threads count; the last 65536 are kept.
    """

    def __init__(self, least_ms: float = 0.0, show: bool = True) -> None:
        self._least_ms = least_ms
        self._show = show
        self._trace: Any = None
        self._waits: list[dict[str, Any]] = []

    def __enter__(self) -> trace_waits:
        self._trace = _core.profile.WaitTrace()
        return self

    def __exit__(self, *_: object) -> None:
        waits = self.waits
        self._trace = None
        if self._show:
            for wait in waits:
                print(wait["text"], file=sys.stderr)

    @property
    def waits(self) -> list[dict[str, Any]]:
        """Those so far, in the order in which they ended."""
        if self._trace is not None:
            self._waits += [w for w in self._trace.take() if w["ms"] >= self._least_ms]
        return list(self._waits)
