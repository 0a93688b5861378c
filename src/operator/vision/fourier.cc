// _contrib_fft and _contrib_ifft: discrete Fourier transforms of rows, and count sketches.
#include <complex>
#include <numbers>
#include <vector>

#include "operator/vision/vision.h"

namespace heddle::ops::fourier {

using vision::Wide;
using Number = std::complex<double>;

// Without the care for infinities that std::complex takes.
Number times(Number a, Number b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

// exp(-2 pi i k / n) for all k < n.
std::vector<Number> roots_of_unity(int64_t n) {
  std::vector<Number> w(static_cast<size_t>(n));
  for (int64_t k = 0; k < n; ++k)
    w[size_t(k)] = std::polar(1.0, -2 * std::numbers::pi * double(k) / double(n));
  return w;
}
int64_t smallest_factor(int64_t n) {
  for (int64_t f = 2; f * f <= n; ++f)
    if (n % f == 0) return f;
  return n;
}

// to[k] = sum over j of from[j * step] * root^(jk). Splits by the smallest factor (Cooley, Tukey
// 1965); lengths with large prime factors go through Transform::chirp.
void mixed_radix(const Number* from, int64_t step, Number* to, int64_t n, const Number* w,
                 int64_t root_step, Number* work) {
  if (n == 1) {
    *to = *from;
    return;
  }
  const int64_t f = smallest_factor(n), m = n / f, all = n * root_step;
  for (int64_t r = 0; r < f; ++r)
    mixed_radix(from + r * step, step * f, to + r * m, m, w, root_step * f, work);
  if (f == 2) {
    for (int64_t k = 0; k < m; ++k) {
      const Number a = to[k], b = times(to[m + k], w[k * root_step]);
      to[k] = a + b, to[m + k] = a - b;
    }
    return;
  }
  for (int64_t k = 0; k < m; ++k) {
    for (int64_t r = 0; r < f; ++r) work[r] = times(to[r * m + k], w[r * k * root_step]);
    for (int64_t q = 0; q < f; ++q) {
      Number sum = work[0];
      for (int64_t r = 1; r < f; ++r) sum += times(work[r], w[(r * q % f) * (all / f)]);
      to[q * m + k] = sum;
    }
  }
}

// The forward transform of one length.
class Transform {
 public:
  explicit Transform(int64_t n) : n_(n), w_(roots_of_unity(n)) {
    int64_t rest = n, largest = 1;
    while (rest > 1)
      largest = std::max(largest, smallest_factor(rest)), rest /= smallest_factor(rest);
    largest_ = largest;
    if (largest > kLargestPrime) prepare_chirp();
  }
  void operator()(const Number* from, Number* to) const {
    if (!inner_.empty()) return chirp(from, to);
    std::vector<Number> work(static_cast<size_t>(largest_));
    if (n_ > 0) mixed_radix(from, 1, to, n_, w_.data(), 1, work.data());
  }

 private:
  static constexpr int64_t kLargestPrime = 61;

  // As a convolution with exp(-pi i k^2 / n), by transforms of a power of two (Bluestein 1970).
  void prepare_chirp() {
    int64_t m = 1;
    while (m < 2 * n_) m *= 2;
    for (int64_t k = 0; k < n_; ++k)  // k^2 modulo 2n keeps the angle small
      chirp_.push_back(std::polar(
          1.0, -std::numbers::pi * double(int64_t(__int128(k) * k % (2 * n_))) / double(n_)));
    inner_.emplace_back(m);
    std::vector<Number> around(static_cast<size_t>(m));
    for (int64_t k = 0; k < n_; ++k)
      around[size_t(k)] = around[size_t((m - k) % m)] = std::conj(chirp_[size_t(k)]);
    filter_.resize(size_t(m));
    inner_[0](around.data(), filter_.data());
  }
  void chirp(const Number* from, Number* to) const {
    const size_t m = filter_.size(), n = size_t(n_);
    std::vector<Number> a(m), b(m);
    for (size_t k = 0; k < n; ++k) a[k] = times(from[k], chirp_[k]);
    inner_[0](a.data(), b.data());
    for (size_t k = 0; k < m; ++k) b[k] = std::conj(times(b[k], filter_[k]));
    inner_[0](b.data(), a.data());  // the inverse, conjugated
    for (size_t k = 0; k < n; ++k) to[k] = times(std::conj(a[k]), chirp_[k]) / double(m);
  }

  int64_t n_, largest_ = 1;
  std::vector<Number> w_, chirp_, filter_;
  std::vector<Transform> inner_;
};

struct FftParam {
  int compute_size = 128;
  void fields(auto&& f) {
    f("compute_size", compute_size, "Rows that a GPU transforms at once; ignored.").ignored();
  }
};

// Real numbers (..., n) and complex ones (..., 2 n), real and imaginary parts in turn.
template <bool kInverse>
void infer(InferContext& c) {
  Shape y = c.in(0);
  if (!y.known()) return;
  check(y.rank() == 2 || y.rank() == 4, "[{}] data has shape {}, expected 2 or 4 axes", c.op().name,
        y);
  check(!kInverse || y[-1] % 2 == 0, "[{}] data has shape {}, expected pairs of numbers",
        c.op().name, y);
  const int64_t last = y[-1];
  y[-1] = kInverse ? last / 2 : last * 2;
  c.set_out(0, y);
}

// The real part of the transform of complex rows, or the transform of real rows. Neither is
// divided by n, so ifft(fft(x)) is n x; and each is the other's gradient. The inverse transform
// conjugates, which leaves the real part alone.
void complex_of_real(OpContext& ctx, const Blob& x, const Blob& y) {
  const int64_t n = x.shape[-1], rows = n == 0 ? 0 : x.size() / n;
  const Transform f(n);
  with_float(x.dtype, "fft", [&](auto type) {
    using T = decltype(type);
    ctx.parallel_for(rows, vision::grain_of(16 * n), [&](int64_t from, int64_t end) {
      std::vector<Number> a(static_cast<size_t>(n)), b(a);
      for (int64_t r = from; r < end; ++r) {
        for (int64_t i = 0; i < n; ++i) a[size_t(i)] = double(x.as<T>()[r * n + i]);
        f(a.data(), b.data());
        for (int64_t i = 0; i < n; ++i) {
          y.as<T>()[2 * (r * n + i)] = T(b[size_t(i)].real());
          y.as<T>()[2 * (r * n + i) + 1] = T(b[size_t(i)].imag());
        }
      }
    });
  });
}
void real_of_complex(OpContext& ctx, const Blob& x, const Blob& y) {
  const int64_t n = y.shape[-1], rows = n == 0 ? 0 : y.size() / n;
  const Transform f(n);
  with_float(x.dtype, "ifft", [&](auto type) {
    using T = decltype(type);
    ctx.parallel_for(rows, vision::grain_of(16 * n), [&](int64_t from, int64_t end) {
      std::vector<Number> a(static_cast<size_t>(n)), b(a);
      for (int64_t r = from; r < end; ++r) {
        for (int64_t i = 0; i < n; ++i) {
          const T* p = x.as<T>() + 2 * (r * n + i);
          a[size_t(i)] = Number(double(p[0]), -double(p[1]));
        }
        f(a.data(), b.data());
        for (int64_t i = 0; i < n; ++i) y.as<T>()[r * n + i] = T(b[size_t(i)].real());
      }
    });
  });
}
void fft(OpContext& ctx, Inputs in, Outputs out) { complex_of_real(ctx, in[0], out[0]); }
void ifft(OpContext& ctx, Inputs in, Outputs out) { real_of_complex(ctx, in[0], out[0]); }

std::vector<Builder::Value> fft_gradient(GradContext& g) {
  return {g.call("_contrib_ifft", {g.dy()})};
}
std::vector<Builder::Value> ifft_gradient(GradContext& g) {
  return {g.call("_contrib_fft", {g.dy()})};
}

// --- count_sketch -------------------------------------------------------------------------------
struct SketchParam {
  int64_t out_dim = 0;
  int processing_batch_size = 32;
  void fields(auto&& f) {
    f("out_dim", out_dim, "Extent of the sketch.").required().at_least(1);
    f("processing_batch_size", processing_batch_size, "Rows that a GPU does at once; ignored.")
        .ignored();
  }
};

void infer_sketch(const SketchParam& p, InferContext& c) {
  Shape y = c.in(0);
  if (!y.known()) return;
  check(y.rank() >= 1, "[_contrib_count_sketch] data has shape {}, expected (..., features)", y);
  for (int i = 1; i < 3; ++i) {
    if (!c.in(i).known()) c.set_in(i, {1, y[-1]});
    check(c.in(i).size() == y[-1], "[_contrib_count_sketch] {} has shape {}, expected (1,{})",
          i == 1 ? "h" : "s", c.in(i), y[-1]);
  }
  y[-1] = p.out_dim;
  c.set_out(0, y);
}

// Calls body(feature, bucket, sign, h's type) per feature; buckets outside count for nothing.
template <class T, class Body>
void each_feature(const SketchParam& p, const Blob& h, const Blob& s, Body&& body) {
  for (int64_t j = 0; j < h.size(); ++j) {
    const int64_t bucket = int64_t(Wide<T>(h.as<T>()[j]));
    if (bucket >= 0 && bucket < p.out_dim) body(j, bucket, Wide<T>(s.as<T>()[j]));
  }
}

void sketch(const SketchParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const int64_t n = in[0].shape[-1], rows = out[0].size() / p.out_dim;
  with_float(in[0].dtype, "count_sketch", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    ctx.parallel_for(rows, vision::grain_of(n + p.out_dim), [&](int64_t from, int64_t end) {
      std::vector<A> sum(static_cast<size_t>(p.out_dim));
      for (int64_t r = from; r < end; ++r) {
        std::fill(sum.begin(), sum.end(), A(0));
        each_feature<T>(p, in[1], in[2], [&](int64_t j, int64_t bucket, A sign) {
          sum[size_t(bucket)] += sign * A(in[0].as<T>()[r * n + j]);
        });
        for (int64_t k = 0; k < p.out_dim; ++k)
          out[0].as<T>()[r * p.out_dim + k] = T(sum[size_t(k)]);
      }
    });
  });
}

// in: dy, h, s. out: gradients of data, h and s; the last two are zero.
void sketch_backward(const SketchParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const int64_t n = in[1].size(), rows = in[0].size() / p.out_dim;
  for (int i = 0; i < 3; ++i)
    if (ctx.wants(i)) vision::write_zeros(out[size_t(i)]);
  if (!ctx.wants(0)) return;
  with_float(in[0].dtype, "count_sketch", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    ctx.parallel_for(rows, vision::grain_of(n), [&](int64_t from, int64_t end) {
      for (int64_t r = from; r < end; ++r)
        each_feature<T>(p, in[1], in[2], [&](int64_t j, int64_t bucket, A sign) {
          out[0].as<T>()[r * n + j] = T(sign * A(in[0].as<T>()[r * p.out_dim + bucket]));
        });
    });
  });
}

void define(OpTable& ops) {
  ops.define({
      .name = "_contrib_fft",
      .doc = "The discrete Fourier transform of real rows: (..., n) to (..., 2 n), real and "
             "imaginary parts in turn.",
      .dtypes = Dtypes::kFloating,
      .params = schema<FftParam>(),
      .inputs = {{"data", "(rows, n) or (a, b, c, n)"}},
      .infer = infer<false>,
      .cpu = fft,
      .backward = {.build = fft_gradient},
  });
  ops.define({
      .name = "_contrib_ifft",
      .doc = "The real part of the inverse transform of complex rows, not divided by n: "
             "ifft(fft(x)) is n x.",
      .dtypes = Dtypes::kFloating,
      .params = schema<FftParam>(),
      .inputs = {{"data", "(rows, 2 n) or (a, b, c, 2 n)"}},
      .infer = infer<true>,
      .cpu = ifft,
      .backward = {.build = ifft_gradient},
  });
  ops.define({
      .name = "_contrib_count_sketch",
      .doc = "Sums features into buckets, with signs (Charikar et al. 2002): out[h[j]] += s[j] "
             "data[j].",
      .dtypes = Dtypes::kFloating,
      .params = schema<SketchParam>(),
      .inputs = {{"data", "(..., features)"},
                 {"h", "(1, features): the bucket of each"},
                 {"s", "(1, features): 1 or -1"}},
      .infer = infer_sketch,
      .cpu = sketch,
      .backward = {.reads = {dy(), x(1), x(2)}, .run = sketch_backward},
  });
}

}  // namespace heddle::ops::fourier
