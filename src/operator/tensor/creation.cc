// Operators that make tensors out of nothing, or of another one's shape.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "heddle/op.h"
#include "operator/elemwise/convert.h"

#define HEDDLE_LOOPS "operator/tensor/creation.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::creation {

// Writes value(i) to every element; the pieces are the same however many threads there are.
template <class C, class Value>
void generate_as(const OpContext& ctx, const Blob& y, Value&& value) {
  const auto store = ew::store_of<C>(y.dtype);
  const int64_t size = dtype_size(y.dtype);
  ctx.parallel_for(y.size(), ew::kGrain, [&](int64_t begin, int64_t end) {
    C buffer[ew::kTile];
    for (int64_t at = begin; at < end; at += ew::kTile) {
      const int64_t n = std::min(ew::kTile, end - at);
      for (int64_t i = 0; i < n; ++i) buffer[i] = value(at + i);
      store(buffer, static_cast<char*>(y.data) + at * size, n);
    }
  });
}

template <class Value>
void generate(const OpContext& ctx, const Blob& y, Value&& value) {
  generate_as<double>(ctx, y, value);
}

void zero(const Blob& y) { std::memset(y.data, 0, size_t(y.bytes())); }
// One element as `store` leaves it, again and again.
template <class Word>
void repeat(const OpContext& ctx, const Blob& y, const void* element) {
  Word word;
  std::memcpy(&word, element, sizeof word);
  auto* to = static_cast<Word*>(y.data);
  const auto fill = HEDDLE_PICK(fill_words<Word>);
  ctx.parallel_for(y.size(), 4 * ew::kGrain,
                   [&](int64_t begin, int64_t end) { fill(word, to + begin, end - begin); });
}
void constant(const OpContext& ctx, const Blob& y, double value) {
  uint64_t element = 0;
  ew::store_of<double>(y.dtype)(&value, reinterpret_cast<char*>(&element), 1);
  switch (dtype_size(y.dtype)) {
    case 1:
      return repeat<uint8_t>(ctx, y, &element);
    case 2:
      return repeat<uint16_t>(ctx, y, &element);
    case 4:
      return repeat<uint32_t>(ctx, y, &element);
    default:
      return repeat<uint64_t>(ctx, y, &element);
  }
}

// What every operator here has: a device for eager calls (placed by the executor) and a dtype.
struct Where {
  std::string ctx;
  Dtype dtype = Dtype::kFloat32;
  void fields(auto&& f) {
    f("ctx", ctx, "The device, as \"cpu(0)\"; for eager calls.");
    f("dtype", dtype, "The dtype of the result; None is float32.");
  }
};
template <class P>
void infer_dtype(const P& p, InferContext& c) {
  c.set_out_dtype(0, p.dtype == Dtype::kUnknown ? Dtype::kFloat32 : p.dtype);
}

// Files have MXNet's number of a dtype, programs its name.
struct ZerosParam {
  std::string ctx;
  Shape shape = Shape::unknown(0);
  std::string dtype = "-1";
  void fields(auto&& f) {
    f("shape", shape, "The result's shape; a 0 is found by inference.");
    f("ctx", ctx, "The device, as \"cpu(0)\"; for eager calls.");
    f("dtype", dtype, "A dtype or MXNet's number of it; -1: that of what reads the result.");
  }
};
void infer_given_dtype(const ZerosParam& p, InferContext& c) {
  int number = -1;
  if (!param::parse(p.dtype, number)) c.set_out_dtype(0, dtype_from_name(p.dtype));
  else if (number >= 0) c.set_out_dtype(0, Dtype(number));
}
void infer_nothing(InferContext&) {}

// --- _zeros, _ones, _full ------------------------------------------------------------------------
struct ShapeParam : Where {
  Shape shape = Shape::unknown(0);
  void fields(auto&& f) {
    f("shape", shape, "The result's shape; a 0 is found by inference.");
    Where::fields(f);
  }
};
struct FullParam : ShapeParam {
  double value = 0;
  void fields(auto&& f) {
    ShapeParam::fields(f);
    f("value", value, "What every element is.").required();
  }
};
template <class P>
void infer_shape(const P& p, InferContext& c) {
  if (p.shape.rank() <= 0) return;
  Shape y = p.shape;
  for (int d = 0; d < y.rank(); ++d) {
    check(y[d] >= 0, "[{}] shape is {}, expected extents of 0 or more", c.op().name, p.shape);
    if (y[d] == 0) y[d] = -1;
  }
  c.set_out(0, y);
}
void zeros(OpContext&, Inputs, Outputs out) { zero(out[0]); }
void ones(const ShapeParam&, OpContext& ctx, Inputs, Outputs out) { constant(ctx, out[0], 1); }
void full(const FullParam& p, OpContext& ctx, Inputs, Outputs out) {
  constant(ctx, out[0], p.value);
}
void zeros_like(OpContext&, Inputs, Outputs out) { zero(out[0]); }
void ones_like(OpContext& ctx, Inputs, Outputs out) { constant(ctx, out[0], 1); }

// --- _arange, _linspace, _eye --------------------------------------------------------------------
struct ArangeParam : Where {
  double start = 0;
  std::optional<double> stop;
  double step = 1;
  int64_t repeat = 1;
  bool infer_range = false;
  void fields(auto&& f) {
    f("start", start, "The first value; without `stop`, the end of a range from 0.").required();
    f("stop", stop, "Where the range ends; itself left out.");
    f("step", step, "The distance between values.");
    f("repeat", repeat, "How often each value stands there.").at_least(1);
    f("infer_range", infer_range, "Take the length from inference; `stop` must be None.");
    Where::fields(f);
  }
};
void infer_arange(const ArangeParam& p, InferContext& c) {
  if (p.infer_range && !p.stop) return c.set_out(0, Shape::unknown(1));
  const double from = p.stop ? p.start : 0, to = p.stop ? *p.stop : p.start;
  check(p.step != 0 && std::isfinite(p.step),
        "[_arange] step is {}, expected a number other than 0", p.step);
  const double n = std::ceil((to - from) / p.step);
  check(n >= 0 && n < 9e15, "[_arange] cannot go from {} to {} by steps of {}", from, to, p.step);
  c.set_out(0, {static_cast<int64_t>(n) * p.repeat});
}
void arange(const ArangeParam& p, OpContext& ctx, Inputs, Outputs out) {
  const double from = p.stop || p.infer_range ? p.start : 0;
  if (!is_float(out[0].dtype) && std::fabs(from) < 9e18 && std::fabs(p.step) < 9e18) {
    // Whole numbers: start and step are, too, and nothing is rounded on the way.
    const int64_t first = int64_t(from), step = int64_t(p.step);
    generate_as<int64_t>(ctx, out[0], [&](int64_t i) { return first + i / p.repeat * step; });
    return;
  }
  generate(ctx, out[0], [&](int64_t i) { return from + double(i / p.repeat) * p.step; });
}

struct LinspaceParam : Where {
  double start = 0, stop = 0;
  int64_t num = 0;
  bool endpoint = true;
  void fields(auto&& f) {
    f("start", start, "The first value.").required();
    f("stop", stop, "The last value.").required();
    f("num", num, "How many values.").required().at_least(0);
    f("endpoint", endpoint, "Whether `stop` is one of them.");
    Where::fields(f);
  }
};
void infer_linspace(const LinspaceParam& p, InferContext& c) { c.set_out(0, {p.num}); }
void linspace(const LinspaceParam& p, OpContext& ctx, Inputs, Outputs out) {
  const int64_t gaps = p.endpoint ? p.num - 1 : p.num;
  const double step = gaps > 0 ? (p.stop - p.start) / double(gaps) : 0;
  generate(ctx, out[0], [&](int64_t i) { return p.start + double(i) * step; });
}

struct EyeParam : Where {
  int64_t N = 0, M = 0, k = 0;
  void fields(auto&& f) {
    f("N", N, "Rows.").required().at_least(0);
    f("M", M, "Columns; as many as rows when 0.").at_least(0);
    f("k", k, "Which diagonal is 1: above the main one when positive.");
    Where::fields(f);
  }
};
void infer_eye(const EyeParam& p, InferContext& c) { c.set_out(0, {p.N, p.M ? p.M : p.N}); }
void eye(const EyeParam& p, OpContext& ctx, Inputs, Outputs out) {
  const int64_t rows = out[0].shape[0], columns = out[0].shape[1];
  zero(out[0]);
  const auto store = ew::store_of<double>(out[0].dtype);
  const double one = 1;
  ctx.parallel_for(rows, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = std::max(begin, -p.k); i < std::min(end, columns - p.k); ++i)
      store(&one,
            static_cast<char*>(out[0].data) +
                (i * columns + i + p.k) * int64_t(dtype_size(out[0].dtype)),
            1);
  });
}

template <class P>
OpDef def(const char* name, const char* doc, Infer infer, Kernel run) {
  return {.name = name,
          .doc = doc,
          .params = schema<P>(),
          .inputs = {},
          .infer = infer,
          .infer_dtype = infer_dtype<P>,
          .cpu = run,
          .backward = {.zero = true}};
}

void define(OpTable& ops) {
  ops.define(def<ShapeParam>("_zeros", "Zeros.", infer_shape<ShapeParam>, zeros));
  ops.define(def<ShapeParam>("_ones", "Ones.", infer_shape<ShapeParam>, ones));
  ops.define(def<FullParam>("_full", "One value everywhere.", infer_shape<FullParam>, full));
  ops.define(def<ArangeParam>("_arange", "Evenly spaced values: start, start + step, ...",
                              infer_arange, arange));
  ops.define(def<LinspaceParam>("_linspace", "A number of evenly spaced values from start to stop.",
                                infer_linspace, linspace));
  ops.define(def<EyeParam>("_eye", "Ones on a diagonal, zeros elsewhere.", infer_eye, eye));
  ops.define({.name = "_zeros_without_dtype",
              .doc = "Zeros of the dtype that those who read them expect.",
              .params = schema<ZerosParam>(),
              .inputs = {},
              .infer = infer_shape<ZerosParam>,
              .infer_dtype = infer_given_dtype,
              .cpu = zeros,
              .backward = {.zero = true}});
  ops.define({.name = "_NoGradient",
              .doc = "Stands in a network where there is no gradient: zeros of the type that those "
                     "who read it expect.",
              .inputs = {},
              .infer = infer_nothing,
              .infer_dtype = infer_nothing,
              .cpu = zeros,
              .backward = {.zero = true}});
  ops.define({.name = "zeros_like",
              .doc = "Zeros in the shape and dtype of data.",
              .inputs = {{.name = "data", .shape_only = true}},
              .cpu = zeros_like,
              .wants = wants_same,
              .backward = {.zero = true},
              .meaning = Meaning::kZeros});
  ops.define({.name = "ones_like",
              .doc = "Ones in the shape and dtype of data.",
              .inputs = {{.name = "data", .shape_only = true}},
              .cpu = ones_like,
              .wants = wants_same,
              .backward = {.zero = true},
              .meaning = Meaning::kOnes});
}

}  // namespace heddle::ops::creation
