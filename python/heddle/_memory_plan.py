"""Memory plans, for people: what a run of a network takes, node by node, before anything is allocated."""
from __future__ import annotations

import html
from typing import Any, NamedTuple

_PHASES = ("before", "forward", "again", "backward", "update")
_COLOURS = {"forward": "#4878a8", "again": "#d98f3d", "backward": "#6aa56a", "update": "#999999", "before": "#999999"}


def _size(n: float) -> str:
    for unit in ("B", "kB", "MB"):
        if n < 1000:
            return f"{n:.1f} {unit}" if unit != "B" else f"{n} B"
        n /= 1000
    return f"{n:.2f} GB"


class PlannedStep(NamedTuple):
    """A node of a plan in the order in which they run."""

    name: str
    op: str
    phase: str  # "before", "forward", "again" (recomputed), "backward" or "update"
    live_bytes: int  # in use in the arena while it runs


class MemoryPlan:
    """What a run takes. Bytes, but for the seconds, which are estimates good for ratios only.

    peak_bytes: everything beside the parameters: arena_bytes (of the values between, and of what kernels work in),
    gradient_bytes and output_bytes (with what comes in for them). scratch_bytes: the most that one kernel works in, on all
    threads; a part of arena_bytes. plain_arena_bytes: the arena where nothing is recomputed. lower_bound: the largest sum of
    values in use at once, in this order of nodes. steps: every node. largest: (name, bytes) of what is in use when most
    is, the largest first. recomputed: names of the nodes that run again in backward, as often as they do.
    extra: the time of these, as a part of a step without them.
    """

    def __init__(self, report: dict[str, Any]) -> None:
        self.arena_bytes: int = report["arena"]
        self.lower_bound: int = report["lower_bound"]
        self.scratch_bytes: int = report["scratch"]
        self.plain_arena_bytes: int = report["plain_arena"]
        self.gradient_bytes: int = report["gradients"]
        self.output_bytes: int = report["outputs"]
        self.parameter_bytes: int = report["parameters"]
        self.peak_bytes = self.arena_bytes + self.gradient_bytes + self.output_bytes
        self.steps = [PlannedStep(name, op, _PHASES[phase], live) for name, op, phase, live in report["steps"]]
        self.peak_step: int = report["peak"]
        self.largest: list[tuple[str, int]] = report["at_peak"]
        self.recomputed = [s.name for s in self.steps if s.phase == "again"]
        self.extra = report["again"] / (3 * report["seconds"]) if report["seconds"] else 0.0

    def __str__(self) -> str:
        rows = [("peak beside the parameters", _size(self.peak_bytes)),
                ("  values between", f"{_size(self.arena_bytes)}, at least {_size(self.lower_bound)} in this order"),
                ("  of them scratch memory", f"{_size(self.scratch_bytes)} at most"),
                ("  gradients", _size(self.gradient_bytes)),
                ("  outputs", _size(self.output_bytes)),
                ("parameters", _size(self.parameter_bytes))]
        if self.recomputed:
            rows += [("recomputed", f"{len(self.recomputed)} nodes, about {100 * self.extra:.1f} % of a step"),
                     ("  without that, values between", _size(self.plain_arena_bytes))]
        lines = [f"{what:<32}{text}" for what, text in rows]
        if self.steps:
            step = self.steps[self.peak_step]
            lines.append(f"\nMost is in use while {step.name} ({step.op}, {step.phase}) runs. The largest then:")
            lines += [f"{_size(n):>12}  {name}" for name, n in self.largest[:10]]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<MemoryPlan of {_size(self.peak_bytes)}, {len(self.recomputed)} nodes recomputed>"

    def _repr_html_(self) -> str:
        return self._picture()

    def _picture(self, width: int = 960, height: int = 320) -> str:
        """Memory over the nodes of a run, as SVG; each bar tells its node when pointed at."""
        top = max([s.live_bytes for s in self.steps] + [1])
        bar = width / max(len(self.steps), 1)
        bars = []
        for i, s in enumerate(self.steps):
            tall = height * s.live_bytes / top
            bars.append(f'<rect x="{i * bar:.2f}" y="{height - tall:.1f}" width="{max(bar, 0.5):.2f}" height="{tall:.1f}" '
                        f'fill="{_COLOURS[s.phase]}"><title>{html.escape(s.name)} ({html.escape(s.op)}, {s.phase}): '
                        f'{_size(s.live_bytes)}</title></rect>')
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
                f'{"".join(bars)}</svg>')

    def html(self, title: str = "Memory plan") -> str:
        """A page that needs no other file: the figures, and memory over the nodes of a run."""
        legend = " ".join(f'<span style="color:{_COLOURS[p]}">&#9632;</span> {p}' for p in ("forward", "again", "backward"))
        return (f'<!doctype html><meta charset="utf-8"><title>{html.escape(title)}</title>'
                f'<body style="font:14px sans-serif;margin:2em"><h1>{html.escape(title)}</h1>'
                f'{self._picture()}<p>{legend}</p><pre>{html.escape(str(self))}</pre></body>')
