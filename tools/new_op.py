#!/usr/bin/env python3
"""Writes the files of a new operator: its record, its line in all_ops.def, its row in the tests.

usage: new_op.py NAME [FOLDER]     FOLDER below src/operator, "tensor" by default
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

RECORD = """// {name}: say in one line what it computes.
#include "heddle/op.h"

namespace heddle::ops::{stem} {{

struct Param {{
  float alpha = 1;
  void fields(auto&& f) {{ f("alpha", alpha, "Say what it scales."); }}
}};

void forward(const Param& p, OpContext& ctx, Inputs in, Outputs out) {{
  with_float(in[0].dtype, "{name}", [&]<class T>(T) {{
    const T* x = in[0].as<T>();
    T* y = out[0].as<T>();
    ctx.parallel_for(in[0].size(), 32768, [&](int64_t begin, int64_t end) {{
      for (int64_t i = begin; i < end; ++i) y[i] = T(p.alpha * float(x[i]));
    }});
  }});
}}

void define(OpTable& ops) {{
  ops.define({{
      .name = "{name}",
      .doc = "alpha * data.",
      .params = schema<Param>(),
      .inplace = {{{{0, 0}}}},
      .cpu = forward,
      .backward = {{.reads = {{dy()}}, .run = forward, .inplace = {{{{0, 0}}}}}},
  }});
}}

}}  // namespace heddle::ops::{stem}
"""


def main():
    if len(sys.argv) not in (2, 3) or not re.fullmatch(r"_?[A-Za-z]\w*", sys.argv[1]):
        sys.exit(__doc__)
    name, folder = sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else "tensor"
    stem = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")
    source = ROOT / "src/operator" / folder / f"{stem}.cc"
    rows = ROOT / "tests/ops" / f"cases_{folder}.py"
    if source.exists():
        sys.exit(f"{source.relative_to(ROOT)} exists already")
    if not rows.exists():
        sys.exit(f"there is no {rows.relative_to(ROOT)}; choose a folder that has rows")
    source.write_text(RECORD.format(name=name, stem=stem))
    table = ROOT / "src/operator/all_ops.def"
    table.write_text(table.read_text().rstrip("\n") + f"\nHEDDLE_OPS({stem})\n")
    row = f'\ncase("{name}", [(4, 5)], alpha=2.0, ref=lambda x, alpha: alpha * x, witness="not in MXNet")\n'
    rows.write_text(rows.read_text().rstrip("\n") + "\n" + row)
    for path in (source, table, rows):
        print(f"wrote {path.relative_to(ROOT)}")
    print("next: ./dev build, then .venv/bin/python -m pytest tests/python/test_ops.py -k " + name)


main()
