"""heddle plan: the memory that a network takes, before any is allocated.

    heddle plan MODEL.json --shape data=32,3,224,224 [--train] [--budget 2GB] [--html PAGE.html]
"""
from __future__ import annotations

import argparse
from typing import NoReturn

from .. import symbol
from ..base import MXNetError


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, given, extents = text.partition("=")
    try:
        if not (name and given):
            raise ValueError
        return name, tuple(int(n) for n in extents.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected name=extent,extent,...") from None


def main(arguments: list[str]) -> None:
    """Prints the plan that the arguments ask for. Exits with 1 where the network does not fit."""
    parser = argparse.ArgumentParser(prog="heddle plan", description=str(__doc__).splitlines()[0])
    parser.add_argument("model", help="a network as JSON")
    parser.add_argument("--shape", action="append", type=_shape, default=[], metavar="NAME=EXTENTS",
                        help="the shape of an input; once for each")
    parser.add_argument("--train", action="store_true", help="forward and backward, with the gradients of all parameters")
    parser.add_argument("--budget", metavar="BYTES", help="what a run may take beside the parameters: 300MB, 2GiB")
    parser.add_argument("--html", metavar="PAGE", help="also write a page that shows memory over the nodes of a run")
    given = parser.parse_args(arguments)
    net = symbol.load(given.model)
    shapes = dict(given.shape)
    unknown = [name for name in shapes if name not in net.list_inputs()]
    if unknown:
        parser.error(f"the network has no input {unknown[0]}; its inputs are {', '.join(net.list_inputs()[:20])}")
    labels = [name for name in net.list_arguments() if name.endswith("label")]
    requests = {name: "write" if given.train and name not in shapes and name not in labels else "null"
                for name in net.list_arguments()}
    try:
        plan = net.memory_plan(grad_req=requests, memory_budget=given.budget, **shapes)
    except MXNetError as e:
        _refuse(str(e))
    print(plan)
    if given.html:
        with open(given.html, "w", encoding="utf-8") as page:
            page.write(plan.html(given.model))


def _refuse(text: str) -> NoReturn:
    raise SystemExit(text)
