"""Times of named parts of a program, as a trace for chrome://tracing.

Tasks, frames, events, counters and markers are what the program makes of them; operators are not traced.
"""
import json
import os
import threading
import time

_LOCK = threading.Lock()
_STATE = {"filename": "profile.json", "running": False, "events": []}


def set_config(**kwargs):
    """Options; `filename` is where dump writes. Those about operators have no effect."""
    if "filename" in kwargs:
        _STATE["filename"] = kwargs["filename"]


def profiler_set_config(mode="symbolic", filename="profile.json"):
    """set_config under its old name."""
    set_config(filename=filename)


def set_state(state="stop", profile_process="worker"):
    """'run' or 'stop'."""
    if state not in ("run", "stop"):
        raise ValueError(f"found state {state!r}, expected 'run' or 'stop'")
    _STATE["running"] = state == "run"


profiler_set_state = set_state


def pause(profile_process="worker"):
    """Stops collecting."""
    set_state("stop")


def resume(profile_process="worker"):
    """Goes on collecting."""
    set_state("run")


def _note(**event):
    if _STATE["running"]:
        event.update(ts=time.perf_counter() * 1e6, pid=os.getpid(), tid=threading.get_ident())
        with _LOCK:
            _STATE["events"].append(event)


def dump(finished=True, profile_process="worker"):
    """Writes what was collected."""
    with _LOCK, open(_STATE["filename"], "w", encoding="utf-8") as f:
        json.dump({"traceEvents": _STATE["events"], "displayTimeUnit": "ms"}, f)
    if finished:
        set_state("stop")


def dump_profile():
    """dump under its old name."""
    dump(True)


def dumps(reset=False, format="table", sort_by="total", ascending=False):
    """Count, total, least and largest time in ms per name, as a table or JSON."""
    totals, open_since = {}, {}
    with _LOCK:
        for e in _STATE["events"]:
            key = e["name"], e["tid"]
            if e["ph"] == "B":
                open_since.setdefault(key, []).append(e["ts"])
            elif e["ph"] == "E" and open_since.get(key):
                totals.setdefault(e["name"], []).append((e["ts"] - open_since[key].pop()) / 1e3)
        if reset:
            _STATE["events"] = []
    rows = [{"name": n, "count": len(t), "total": sum(t), "min": min(t), "max": max(t), "avg": sum(t) / len(t)}
            for n, t in totals.items()]
    if rows and sort_by not in rows[0]:
        raise ValueError(f"found sort_by {sort_by!r}, expected one of {', '.join(rows[0])}")
    rows.sort(key=lambda row: row[sort_by], reverse=not ascending)
    if format == "json":
        return json.dumps(rows)
    lines = [f"{'Name':<30}{'Count':>8}{'Total (ms)':>14}{'Min':>12}{'Max':>12}{'Avg':>12}"]
    lines += [f"{r['name']:<30}{r['count']:>8}{r['total']:>14.4f}{r['min']:>12.4f}{r['max']:>12.4f}"
              f"{r['avg']:>12.4f}" for r in rows]
    return "\n".join(lines)


class Domain:
    """A name for what belongs together."""

    def __init__(self, name):
        self.name = name

    def __str__(self):
        return self.name

    def new_task(self, name):
        return Task(self, name)

    def new_frame(self, name):
        return Frame(self, name)

    def new_counter(self, name, value=None):
        return Counter(self, name, value)

    def new_marker(self, name):
        return Marker(self, name)


class _Span:
    """Something with a start and an end; also a context manager."""

    def __init__(self, domain, name):
        self.domain = domain
        self.name = name

    def __str__(self):
        return self.name

    def start(self):
        _note(name=self.name, cat=str(self.domain), ph="B")

    def stop(self):
        _note(name=self.name, cat=str(self.domain), ph="E")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


class Task(_Span):
    """A piece of work."""


class Frame(_Span):
    """A round of a loop."""


class Event(_Span):
    """A piece of work of no domain."""

    def __init__(self, name):
        super().__init__("event", name)


class Counter:
    """A number over time."""

    def __init__(self, domain, name, value=None):
        self.domain = domain
        self.name = name
        self.value = 0
        if value is not None:
            self.set_value(value)

    def set_value(self, value):
        self.value = value
        _note(name=self.name, cat=str(self.domain), ph="C", args={self.name: value})

    def increment(self, delta=1):
        self.set_value(self.value + delta)

    def decrement(self, delta=1):
        self.set_value(self.value - delta)

    def __iadd__(self, delta):
        self.increment(delta)
        return self

    def __isub__(self, delta):
        self.decrement(delta)
        return self


class Marker:
    """A moment."""

    def __init__(self, domain, name):
        self.domain = domain
        self.name = name

    def mark(self, scope="process"):
        if scope not in ("process", "thread", "global"):
            raise ValueError(f"found scope {scope!r}, expected process, thread or global")
        _note(name=self.name, cat=str(self.domain), ph="i", s=scope[0])
