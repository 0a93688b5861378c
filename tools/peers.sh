#!/bin/sh
# Installs heddle's peers for tests and benchmarks, each into an environment of its own:
#
#   tools/peers.sh mxnet      the real Apache MXNet, 1.9.1, its last release: the witness
#   tools/peers.sh torch      PyTorch 2.15 (its wheel brings 2 GB of CUDA unless CUDA 13 is there)
#   tools/peers.sh ort        ONNX Runtime 1.32, and onnx to write its networks
#   tools/peers.sh tbb        oneTBB 2023, headers and library: Debian's has no dynamic dependencies
#
# They land in .cache/peers (or $HEDDLE_PEERS); one that is there already is left alone.
set -eu
cd "$(dirname "$0")/.."
folder=${HEDDLE_PEERS:-.cache/peers}
python=${PYTHON:-/usr/bin/python3}
[ $# -gt 0 ] || { echo "usage: tools/peers.sh mxnet|torch|ort|tbb ..." >&2; exit 2; }

# make NAME CHECK PACKAGE...: an environment; ready once CHECK runs in it.
make() {
  name=$1 check=$2
  shift 2
  if [ -e "$folder/$name/ready" ]; then return; fi
  echo "== installing $name into $folder/$name"
  rm -rf "${folder:?}/$name"
  mkdir -p "$folder"
  "$python" -m venv "$folder/$name"
  "$folder/$name/bin/python" -m pip install -q --disable-pip-version-check --no-warn-conflicts "$@"
  "$folder/$name/bin/python" -c "$check"
  touch "$folder/$name/ready"
}

for_torch="numpy typing_extensions sympy mpmath networkx jinja2 markupsafe fsspec filelock setuptools"
for peer in "$@"; do
  case $peer in
    mxnet) make mxnet 'import mxnet' 'numpy<1.24' mxnet==1.9.1 'scipy<1.12' ;;
    torch)
      if [ -e /usr/local/cuda/lib64/libcudnn.so.9 ]; then  # its libraries serve: fetch only what is missing
        make torch 'import torch' --no-deps torch==2.15.0 nvidia-cufile nvidia-cusparselt-cu13==0.8.1 \
             nvidia-nvshmem-cu13==3.7.2 nvidia-nccl-cu13==2.30.7 $for_torch
      else
        make torch 'import torch' torch==2.15.0 numpy setuptools
      fi ;;
    ort) make ort 'import onnx, onnxruntime' onnxruntime==1.32.0 onnx==1.23.2 numpy ;;
    tbb) make tbb 'import os, sys; os.stat(sys.prefix + "/include/tbb/task_group.h")' tbb-devel==2023.2.0 ;;
    *) echo "tools/peers.sh: unknown peer '$peer', expected mxnet, torch, ort or tbb" >&2; exit 2 ;;
  esac
done
