"""Run by the real MXNet: its im2rec, several times, without OpenCV's Python module, which lists and copies do not need.

    MXNET_PYTHON tests/witness/im2rec.py RUNS.json     a list of lists of arguments
"""
import json
import pathlib
import runpy
import sys
import types

if __name__ == "__main__":
    sys.modules["cv2"] = types.ModuleType("cv2")
    for arguments in json.loads(pathlib.Path(sys.argv[1]).read_text()):
        sys.argv = ["im2rec", *arguments]
        runpy.run_module("mxnet.tools.im2rec", run_name="__main__")
