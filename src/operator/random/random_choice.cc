// sample_multinomial draws classes by their probabilities; _shuffle permutes the first axis.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "operator/random/random.h"
#include "operator/scratch_needs.h"
#include "operator/tensor/rows.h"

namespace heddle::ops::random_choice {

using random::Sequence;

// --- sample_multinomial --------------------------------------------------------------------------
enum class IndexType { kUint8, kInt32, kFloat16, kFloat32, kFloat64 };
constexpr Dtype kIndexTypes[] = {Dtype::kUint8, Dtype::kInt32, Dtype::kFloat16, Dtype::kFloat32,
                                 Dtype::kFloat64};

struct Param {
  Shape shape = Shape::unknown(0);
  bool get_prob = false;
  IndexType dtype = IndexType::kInt32;
  void fields(auto&& f) {
    f("shape", shape, "The shape of the draws for each row of probabilities.");
    f("get_prob", get_prob, "Also return the logarithm of each draw's probability.");
    f("dtype", dtype, "The dtype of the drawn classes.")
        .names({"uint8", "int32", "float16", "float32", "float64"});
  }
};

void infer(const Param& p, InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.has_rank()) return;
  check(x.rank() >= 1, "[_sample_multinomial] data has shape {}, expected at least one axis", x);
  rows::check_holds("_sample_multinomial", kIndexTypes[int(p.dtype)], x[-1]);
  Shape y = Shape::unknown(0);
  for (int d = 0; d + 1 < x.rank(); ++d) y.append(x[d]);
  for (int64_t d : p.shape) y.append(d);
  if (y.rank() == 0) y = {1};
  for (int i = 0; i < c.outputs(); ++i) c.set_out(i, y);
}
void infer_dtype(const Param& p, InferContext& c) {
  c.set_out_dtype(0, kIndexTypes[int(p.dtype)]);
  if (p.get_prob) c.set_out_dtype(1, c.in_dtype(0));
}

void multinomial(const Param& p, OpContext& ctx, Inputs in, Outputs out) {
  const int64_t k = in[0].shape[-1], rows = k ? in[0].size() / k : 0;
  check(k > 0 || out[0].size() == 0, "[_sample_multinomial] data has shape {}, expected a class",
        in[0].shape);
  const int64_t each = rows ? out[0].size() / rows : 0;
  double* sums = ctx.scratch_of<double>(rows * k);  // running sums of every row
  ew::load_of<double>(in[0].dtype)(in[0].data, sums, rows * k);
  for (int64_t r = 0; r < rows; ++r)
    std::partial_sum(sums + r * k, sums + (r + 1) * k, sums + r * k);
  auto draw = [&](Sequence& s, int64_t i) {
    const double* row = sums + i / each * k;
    // The first sum above u: classes of probability 0 are never drawn.
    return std::min<int64_t>(std::upper_bound(row, row + k, s.uniform() * row[k - 1]) - row, k - 1);
  };
  random::fill(ctx, out[0], [&](Sequence& s, int64_t i) { return double(draw(s, i)); });
  if (!p.get_prob || !ctx.wants(1)) return;
  random::fill(ctx, out[1], [&](Sequence& s, int64_t i) {
    const double* row = sums + i / each * k;
    const int64_t c = draw(s, i);
    return std::log(row[c] - (c ? row[c - 1] : 0));
  });
}

std::vector<Ref> reads(const Param& p) {
  if (p.get_prob) return {dy(1), x(0), y(0)};
  return {};
}
// d log p[class] / dp = 1 / p[class]. in: dy of log_prob, data, classes
void gradient(const Param& p, OpContext& ctx, Inputs in, Outputs out) {
  std::memset(out[0].data, 0, size_t(out[0].bytes()));
  if (!p.get_prob) return;
  const int64_t k = in[1].shape[-1], rows = in[1].size() / std::max<int64_t>(k, 1);
  const int64_t n = in[2].size(), each = rows ? n / rows : 0;
  double* g = ctx.scratch_of<double>(n);
  double* classes = ctx.scratch_of<double>(n);
  double* total = ctx.scratch_of<double>(in[1].size());
  double* probability = ctx.scratch_of<double>(in[1].size());
  ew::load_of<double>(in[0].dtype)(in[0].data, g, n);
  ew::load_of<double>(in[1].dtype)(in[1].data, probability, in[1].size());
  ew::load_of<double>(in[2].dtype)(in[2].data, classes, n);
  std::fill_n(total, in[1].size(), 0.0);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t at = i / each * k + static_cast<int64_t>(classes[i]);
    total[at] += g[i] / probability[at];
  }
  ew::store_of<double>(out[0].dtype)(total, out[0].data, in[1].size());
}

// --- _shuffle ------------------------------------------------------------------------------------
void shuffle(OpContext& ctx, Inputs in, Outputs out) {
  const int64_t n = in[0].shape.rank() ? in[0].shape[0] : 1;
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t(0));
  Sequence s(ctx.seed, 0);
  for (int64_t i = n - 1; i > 0; --i) {
    const auto j = static_cast<int64_t>(s.uniform() * double(i + 1));
    std::swap(order[size_t(i)], order[size_t(std::min(i, j))]);
  }
  const int64_t row = n ? in[0].bytes() / n : 0;
  const char* from = static_cast<const char*>(in[0].data);
  char* to = static_cast<char*>(out[0].data);
  if (from == to) {  // a caller may shuffle an array over itself
    char* copy = ctx.scratch_of<char>(in[0].bytes());
    std::memcpy(copy, from, size_t(in[0].bytes()));
    from = copy;
  }
  for (int64_t i = 0; i < n; ++i)
    std::memcpy(to + i * row, from + order[size_t(i)] * row, size_t(row));
}

void define(OpTable& ops) {
  ops.define({.name = "_sample_multinomial",
              .aliases = {"sample_multinomial"},
              .doc = "Draws classes; the last axis of data holds their probabilities.",
              .params = schema<Param>(),
              .outputs = {{}, {.name = "log_prob", .when = when("get_prob", true)}},
              .infer = infer,
              .infer_dtype = infer_dtype,
              .cpu = multinomial,
              .backward = {.reads = reads, .run = gradient},
              .draws = draws_always});
  ops.define({.name = "_shuffle",
              .aliases = {"shuffle"},
              .doc = "The rows of data in random order.",
              .cpu = shuffle,
              .backward = {.zero = true},
              .draws = draws_always});
  ops.scratch("_sample_multinomial", copies_scratch<16>);
  ops.scratch("_shuffle", copies_scratch<16>);
  ops.scratch("_backward__sample_multinomial", copies_scratch<16>);
}

}  // namespace heddle::ops::random_choice
