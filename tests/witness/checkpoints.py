"""Run by the real MXNet: writes or reads checkpoints.

    MXNET_PYTHON tests/witness/checkpoints.py write|read FOLDER

FOLDER holds data.npz (networks.start of each network); read takes heddle-NAME, write makes mxnet-NAME; both
leave the outputs in FOLDER/write.npz or read.npz.
"""
import pathlib
import sys
import warnings

warnings.filterwarnings("ignore")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import mxnet as mx  # noqa: E402
import numpy as np  # noqa: E402

from witness import networks  # noqa: E402


def main(verb, folder):
    folder, found = pathlib.Path(folder), {}
    with np.load(folder / "data.npz") as file:
        data = dict(file)
    for name in networks.NETWORKS:
        if verb == "write":
            found[name] = networks.write(mx, str(folder / f"mxnet-{name}"), name, data)
        else:
            found[name] = networks.read(mx, str(folder / f"heddle-{name}"), data[name])
    np.savez(folder / f"{verb}.npz", **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
