// Products of attention whose heads lie interleaved in one projection: scores of queries and keys,
// and values weighted by attention. Each head is a matrix with wide rows, multiplied where it lies.
#include "operator/linalg.h"
#include "operator/scratch_needs.h"
#include "operator/vision/vision.h"

namespace heddle::ops::interleaved_attention {

using linalg::Mat;

struct HeadsParam {
  int64_t heads = 1;
  void fields(auto&& f) { f("heads", heads, "Number of heads.").required().range(1, 65536); }
};

// A projection (length, batch, heads * parts * size): part 0 of self attention is the queries, 1
// the keys, 2 the values; of encoder and decoder, 0 the keys and 1 the values.
struct Heads {
  int64_t length, count, parts, size;
  Heads(const Shape& s, int64_t heads, int64_t parts)
      : length(s[0]), count(s[1] * heads), parts(parts), size(s[2] / (heads * parts)) {}
  template <class T>
  Mat<T> part(T* data, int64_t head, int64_t which) const {
    return {data + (head * parts + which) * size, length, size, count * parts * size};
  }
};
template <class T>
Mat<T> scores(T* data, int64_t head, int64_t rows, int64_t cols) {
  return linalg::mat(data + head * rows * cols, rows, cols);
}

void check_projection(const char* op, const char* name, const Shape& s, const HeadsParam& p,
                      int64_t parts) {
  check(s.rank() == 3 && s[2] % (p.heads * parts) == 0 && s[2] > 0,
        "[_contrib_{}] {} has shape {}, expected (length, batch, a multiple of {})", op, name, s,
        p.heads * parts);
}
void check_attention(const char* op, const Shape& s, int64_t heads, int64_t rows, int64_t cols) {
  check(!s.known() || s == Shape({heads, rows, cols}) ||
            (s.rank() == 3 && rows < 0 && s[0] == heads && s[2] == cols),
        "[_contrib_{}] attention has shape {}, expected ({},{},{})", op, s, heads,
        rows < 0 ? std::string("queries") : format("{}", rows), cols);
}

template <class T>
void scale(Mat<T> m, double by) {
  using A = vision::Wide<T>;
  for (int64_t i = 0; i < m.rows; ++i)
    for (int64_t j = 0; j < m.cols; ++j) {
      T& v = m.data[i * m.ld + j];
      v = T(A(v) * A(by));
    }
}
template <class T>
void fill_zero(Mat<T> m) {
  for (int64_t i = 0; i < m.rows; ++i) std::fill_n(m.data + i * m.ld, m.cols, T(0));
}

// --- scores: queries keys^T / sqrt(size) --------------------------------------------------------
// Queries are part 0 of input 0; keys part 1 of it, or (kCross) part 0 of input 1.
template <bool kCross>
constexpr const char* kScores =
    kCross ? "interleaved_matmul_encdec_qk" : "interleaved_matmul_selfatt_qk";

template <bool kCross>
void infer_scores(const HeadsParam& p, InferContext& c) {
  const Shape& q = c.in(0);
  if (!q.known() || (kCross && !c.in(1).known())) return;
  check_projection(kScores<kCross>, kCross ? "queries" : "queries_keys_values", q, p,
                   kCross ? 1 : 3);
  if constexpr (kCross) {
    const Shape& k = c.in(1);
    check_projection(kScores<kCross>, "keys_values", k, p, 2);
    check(k[1] == q[1] && k[2] == 2 * q[2],
          "[_contrib_{}] keys_values has shape {}, expected (length, {}, {})", kScores<kCross>, k,
          q[1], 2 * q[2]);
  }
  c.set_out(0, {q[1] * p.heads, q[0], kCross ? c.in(1)[0] : q[0]});
}

template <bool kCross>
void score(const HeadsParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Blob& keys = in[kCross ? 1 : 0];
  const Heads q(in[0].shape, p.heads, kCross ? 1 : 3), k(keys.shape, p.heads, kCross ? 2 : 3);
  with_float(in[0].dtype, kScores<kCross>, [&](auto type) {
    using T = decltype(type);
    ctx.parallel_for(q.count, 1, [&](int64_t from, int64_t end) {
      for (int64_t h = from; h < end; ++h) {
        const auto y = scores(out[0].as<T>(), h, q.length, k.length);
        linalg::gemm(q.part(in[0].as<T>(), h, 0), k.part(keys.as<T>(), h, kCross ? 0 : 1).t(), y);
        scale(y, 1 / std::sqrt(double(q.size)));
      }
    });
  });
}

// in: dy, then the inputs. out: their gradients.
template <bool kCross>
void score_backward(const HeadsParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Blob &keys = in[kCross ? 2 : 1], &dkeys = out[kCross ? 1 : 0];
  const bool want_keys = ctx.wants(kCross ? 1 : 0);
  const Heads q(in[1].shape, p.heads, kCross ? 1 : 3), k(keys.shape, p.heads, kCross ? 2 : 3);
  const int64_t part = kCross ? 0 : 1;
  with_float(in[0].dtype, kScores<kCross>, [&](auto type) {
    using T = decltype(type);
    const double by = 1 / std::sqrt(double(q.size));
    ctx.parallel_for(q.count, 1, [&](int64_t from, int64_t end) {
      for (int64_t h = from; h < end; ++h) {
        const auto dy = scores(in[0].as<T>(), h, q.length, k.length);
        if (ctx.wants(0)) {
          const auto dq = q.part(out[0].as<T>(), h, 0);
          linalg::gemm(dy, k.part(keys.as<T>(), h, part), dq);
          scale(dq, by);
        }
        if (!want_keys) continue;
        const auto dk = k.part(dkeys.as<T>(), h, part);
        linalg::gemm(dy.t(), q.part(in[1].as<T>(), h, 0), dk);
        scale(dk, by);
        fill_zero(k.part(dkeys.as<T>(), h, part + 1));
      }
    });
  });
}

// --- values: attention times values -------------------------------------------------------------
template <bool kCross>
constexpr const char* kValues =
    kCross ? "interleaved_matmul_encdec_valatt" : "interleaved_matmul_selfatt_valatt";

template <bool kCross>
void infer_values(const HeadsParam& p, InferContext& c) {
  const Shape &x = c.in(0), &a = c.in(1);
  if (!x.known() || !a.known()) return;
  const int64_t parts = kCross ? 2 : 3;
  check_projection(kValues<kCross>, kCross ? "keys_values" : "queries_keys_values", x, p, parts);
  check_attention(kValues<kCross>, a, x[1] * p.heads, kCross ? -1 : x[0], x[0]);
  c.set_out(0, {a[1], x[1], x[2] / parts});
}

template <bool kCross>
void weigh(const HeadsParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const int64_t parts = kCross ? 2 : 3;
  const Heads v(in[0].shape, p.heads, parts), y(out[0].shape, p.heads, 1);
  with_float(in[0].dtype, kValues<kCross>, [&](auto type) {
    using T = decltype(type);
    ctx.parallel_for(v.count, 1, [&](int64_t from, int64_t end) {
      for (int64_t h = from; h < end; ++h)
        linalg::gemm(scores(in[1].as<T>(), h, y.length, v.length),
                     v.part(in[0].as<T>(), h, parts - 1), y.part(out[0].as<T>(), h, 0));
    });
  });
}

// in: dy, projection, attention. out: gradients of the last two.
template <bool kCross>
void weigh_backward(const HeadsParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const int64_t parts = kCross ? 2 : 3;
  const Heads v(in[1].shape, p.heads, parts), y(in[0].shape, p.heads, 1);
  with_float(in[0].dtype, kValues<kCross>, [&](auto type) {
    using T = decltype(type);
    ctx.parallel_for(v.count, 1, [&](int64_t from, int64_t end) {
      for (int64_t h = from; h < end; ++h) {
        const auto dy = y.part(in[0].as<T>(), h, 0);
        if (ctx.wants(1))
          linalg::gemm(dy, v.part(in[1].as<T>(), h, parts - 1).t(),
                       scores(out[1].as<T>(), h, y.length, v.length));
        if (!ctx.wants(0)) continue;
        for (int64_t k = 0; k + 1 < parts; ++k) fill_zero(v.part(out[0].as<T>(), h, k));
        linalg::gemm(scores(in[2].as<T>(), h, y.length, v.length).t(), dy,
                     v.part(out[0].as<T>(), h, parts - 1));
      }
    });
  });
}

// In a piece the product of one head: what it takes of any extents, and copies of halves.
ScratchNeed scratch(const Situation& s) {
  constexpr int64_t kAny = 512;
  const int64_t product = linalg::gemm_scratch(kAny, kAny, kAny, Dtype::kFloat32);
  const bool half = dtype_size(s.in[0].dtype) < 4;
  return {.piece = product + (half ? copies_scratch<4>(s).call : 0)};
}

template <bool kCross>
void define_both(OpTable& ops) {
  const std::string both = "(length, batch, heads * 3 * size): queries, keys and values of a head";
  const std::string two = "(length, batch, heads * 2 * size): keys and values of a head";
  std::vector<Input> scored = {{"queries_keys_values", both}}, weighed = scored;
  if (kCross)
    scored = {{"queries", "(length, batch, heads * size)"}, {"keys_values", two}},
    weighed = {{"keys_values", two}};
  weighed.push_back({"attention", "(batch * heads, queries, keys)"});
  ops.define({
      .name = std::string("_contrib_") + kScores<kCross>,
      .doc = "Scores (batch * heads, queries, keys) of attention: queries times keys, divided by "
             "the root of a head's size (Vaswani et al. 2017).",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kWidest,
      .params = schema<HeadsParam>(),
      .inputs = scored,
      .infer = infer_scores<kCross>,
      .cpu = score<kCross>,
      .scratch = scratch,
      .backward = {.reads = kCross ? std::vector{dy(), x(0), x(1)} : std::vector{dy(), x(0)},
                   .run = score_backward<kCross>,
                   .scratch = scratch},
  });
  ops.define({
      .name = std::string("_contrib_") + kValues<kCross>,
      .doc = "Values weighted by attention: (queries, batch, heads * size).",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kWidest,
      .params = schema<HeadsParam>(),
      .inputs = weighed,
      .infer = infer_values<kCross>,
      .cpu = weigh<kCross>,
      .scratch = scratch,
      .backward = {.reads = {dy(), x(0), x(1)}, .run = weigh_backward<kCross>, .scratch = scratch},
  });
}

void define(OpTable& ops) {
  define_both<false>(ops);
  define_both<true>(ops);
}

}  // namespace heddle::ops::interleaved_attention
