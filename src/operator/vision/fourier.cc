// _contrib_fft and _contrib_ifft: discrete Fourier transforms of rows, and count sketches.
#include <complex>
#include <memory>
#include <numbers>
#include <vector>

#include "operator/scratch_needs.h"
#include "operator/vision/vision.h"

namespace heddle::ops::fourier {

constexpr int64_t kLong = 16;  // runs from which on a pass goes along them

template <class A>
struct Row {
  A *re, *im;
};
// One pass of a transform over radix m s numbers: see fourier.inl.h.
template <class A>
struct Pass {
  int64_t radix, m, s;
  const A *re, *im;            // the twiddles, k = 1 ... radix - 1 one after the other
  const A *root_re, *root_im;  // of unity, of a radix that has no formula of its own
};

}  // namespace heddle::ops::fourier

#define HEDDLE_LOOPS "operator/vision/fourier.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::fourier {

using vision::Wide;
using Number = std::complex<double>;

// Without the care for infinities that std::complex takes.
Number times(Number a, Number b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

// exp(-2 pi i k / n) for all k < n. The turns of an eighth give the others.
std::vector<Number> roots_of_unity(int64_t n) {
  std::vector<Number> w(static_cast<size_t>(n));
  const auto root = [n](int64_t k) {
    return std::polar(1.0, -2 * std::numbers::pi * double(k) / double(n));
  };
  const int64_t quarter = n / 4;
  if (n % 8 != 0) {
    for (int64_t k = 0; k < n; ++k) w[size_t(k)] = root(k);
    return w;
  }
  for (int64_t k = 0; k <= n / 8; ++k) {
    w[size_t(k)] = root(k);
    w[size_t(quarter - k)] = {-w[size_t(k)].imag(), -w[size_t(k)].real()};
  }
  for (int64_t k = quarter; k < n; ++k) {
    const Number before = w[size_t(k - quarter)];
    w[size_t(k)] = {before.imag(), -before.real()};
  }
  return w;
}

// The radices of a transform of n numbers: fours first, which are cheapest, then other primes.
std::vector<int64_t> radices_of(int64_t n) {
  std::vector<int64_t> found;
  for (; n % 4 == 0; n /= 4) found.push_back(4);
  for (int64_t f = 2; n > 1; ++f) {
    if (f * f > n) f = n;
    for (; n % f == 0; n /= f) found.push_back(f);
  }
  return found;
}

// The forward transform of one length, in numbers of type A.
template <class A>
class Transform {
 public:
  // `roots` are those of n `step`, which the caller has.
  Transform(int64_t n, const std::vector<Number>& roots, int64_t step) : n_(n) {
    const std::vector<int64_t> radices = radices_of(n);
    if (!radices.empty() && radices.back() > kLargestPrime) {
      prepare_chirp();
      return;
    }
    const auto root = [&](int64_t k) { return roots[size_t(k * step)]; };
    std::vector<size_t> begins;
    int64_t s = 1;
    for (const int64_t r : radices) {
      const int64_t m = n / (r * s);
      begins.push_back(numbers_.size());
      const bool along = has_formula(r) && s < kLong;  // one for each number, or for each p
      for (const bool imaginary : {false, true}) {
        for (int64_t k = 1; k < r; ++k)
          for (int64_t t = 0; t < (along ? m * s : m); ++t)
            put(root((along ? t / s : t) * k * s), imaginary);
        for (int64_t k = 0; !has_formula(r) && k < r; ++k) put(root(k * (n / r)), imaginary);
      }
      passes_.push_back({r, m, s, nullptr, nullptr, nullptr, nullptr});
      s *= r;
    }
    begins.push_back(numbers_.size());
    for (size_t i = 0; i < passes_.size(); ++i) {
      Pass<A>& pass = passes_[i];
      const A* re = numbers_.data() + begins[i];
      const A* im = re + (begins[i + 1] - begins[i]) / 2;
      const int64_t own = has_formula(pass.radix) ? 0 : pass.radix;
      pass.re = re, pass.im = im;
      pass.root_re = im - own, pass.root_im = numbers_.data() + begins[i + 1] - own;
    }
  }

  // Of x; y is room. Returns the one of them that holds the result.
  Row<A> operator()(Row<A> x, Row<A> y) const {
    if (inner_) return chirp(x);
    return HEDDLE_PICK(fourier_passes<A>)(passes_.data(), passes_.size(), x, y);
  }

 private:
  static constexpr int64_t kLargestPrime = 61;
  static bool has_formula(int64_t radix) { return radix <= 5; }
  void put(Number w, bool imaginary) { numbers_.push_back(A(imaginary ? w.imag() : w.real())); }

  // As a convolution with exp(-pi i k^2 / n), by transforms of a power of two (Bluestein 1970), in
  // double.
  void prepare_chirp() {
    int64_t m = 1;
    while (m < 2 * n_) m *= 2;
    int64_t square = 0;  // k^2 modulo 2n, which keeps the angle small
    for (int64_t k = 0; k < n_; square = (square + 2 * k + 1) % (2 * n_), ++k)
      chirp_.push_back(std::polar(1.0, -std::numbers::pi * double(square) / double(n_)));
    inner_ = std::make_unique<Transform<double>>(m, roots_of_unity(m), 1);
    ScratchScope scope;
    const Row<double> a = inner_row(m), b = inner_row(m);
    std::fill_n(a.re, m, 0.0), std::fill_n(a.im, m, 0.0);
    for (int64_t k = 0; k < n_; ++k) {
      const Number c = chirp_[size_t(k)];
      a.re[k] = a.re[(m - k) % m] = c.real(), a.im[k] = a.im[(m - k) % m] = -c.imag();
    }
    const Row<double> f = (*inner_)(a, b);
    for (int64_t k = 0; k < m; ++k) filter_.emplace_back(f.re[k], f.im[k]);
  }
  static Row<double> inner_row(int64_t m) {
    auto* room = static_cast<double*>(thread_scratch(size_t(2 * m) * sizeof(double)));
    return {room, room + m};
  }
  Row<A> chirp(Row<A> x) const {
    ScratchScope scope;
    const auto m = int64_t(filter_.size());
    const Row<double> a = inner_row(m), b = inner_row(m);
    std::fill_n(a.re, m, 0.0), std::fill_n(a.im, m, 0.0);
    for (int64_t k = 0; k < n_; ++k) {
      const Number v = times({double(x.re[k]), double(x.im[k])}, chirp_[size_t(k)]);
      a.re[k] = v.real(), a.im[k] = v.imag();
    }
    const Row<double> f = (*inner_)(a, b), other = f.re == a.re ? b : a;
    for (int64_t k = 0; k < m; ++k) {
      const Number v = times({f.re[k], f.im[k]}, filter_[size_t(k)]);
      f.re[k] = v.real(), f.im[k] = -v.imag();
    }
    const Row<double> g = (*inner_)(f, other);  // the inverse, conjugated
    for (int64_t k = 0; k < n_; ++k) {
      const Number v = times({g.re[k], -g.im[k]}, chirp_[size_t(k)]) / double(m);
      x.re[k] = A(v.real()), x.im[k] = A(v.imag());
    }
    return x;
  }

  int64_t n_;
  std::vector<A> numbers_;
  std::vector<Pass<A>> passes_;
  std::vector<Number> chirp_, filter_;
  std::unique_ptr<Transform<double>> inner_;
};

// What rows of n numbers need. Of an even number of them h = n / 2 pairs are transformed.
template <class A>
struct Plan {
  int64_t n, h;
  std::vector<A> re, im;  // exp(-2 pi i k / n), k < h
  Transform<A> transform;

  explicit Plan(int64_t length) : Plan(length, roots_of_unity(length)) {}
  Plan(int64_t length, const std::vector<Number>& roots)
      : n(length), h(n % 2 ? 0 : n / 2), transform(h ? h : n, roots, h ? 2 : 1) {
    for (int64_t k = 0; k < h; ++k)
      re.push_back(A(roots[size_t(k)].real())), im.push_back(A(roots[size_t(k)].imag()));
  }
  Row<A> turns() const { return {const_cast<A*>(re.data()), const_cast<A*>(im.data())}; }

  // body(row, x, y, z) for each row: x and y have room for what is transformed, z for n numbers.
  template <class Body>
  void each_row(const OpContext& ctx, int64_t rows, Body&& body) const {
    const int64_t length = h ? h : n;
    ctx.parallel_for(rows, vision::grain_of(4 * n), [&](int64_t from, int64_t end) {
      ScratchScope scope;
      const auto row = [&](int64_t numbers) {
        A* room = static_cast<A*>(thread_scratch(size_t(2 * numbers) * sizeof(A)));
        return Row<A>{room, room + numbers};
      };
      const Row<A> x = row(length), y = row(length), z = row(n);
      for (int64_t r = from; r < end; ++r) body(r, x, y, z);
    });
  }
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

// The transform of real rows, and the real part of the inverse transform of complex rows. Neither
// is divided by n, so ifft(fft(x)) is n x; and each is the other's gradient.
void complex_of_real(OpContext& ctx, const Blob& x, const Blob& y) {
  const int64_t n = x.shape[-1], rows = n == 0 ? 0 : x.size() / n;
  if (rows == 0) return;
  with_float(x.dtype, "fft", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const Plan<A> plan(n);
    const auto unzip = HEDDLE_PICK(fourier_unzip<T, A>);
    const auto split = HEDDLE_PICK(fourier_split<T, A>);
    const auto zip = HEDDLE_PICK(fourier_zip<T, A>);
    const T* from = x.as<T>();
    T* to = y.as<T>();
    plan.each_row(ctx, rows, [&](int64_t r, Row<A> a, Row<A> b, Row<A>) {
      if (plan.h) {
        unzip(from + r * n, a, plan.h);
        split(plan.transform(a, b), plan.turns(), to + 2 * r * n, plan.h);
      } else {
        for (int64_t i = 0; i < n; ++i) a.re[i] = A(from[r * n + i]), a.im[i] = 0;
        zip(plan.transform(a, b), A(1), to + 2 * r * n, n);
      }
    });
  });
}
void real_of_complex(OpContext& ctx, const Blob& x, const Blob& y) {
  const int64_t n = y.shape[-1], rows = n == 0 ? 0 : y.size() / n;
  if (rows == 0) return;
  with_float(x.dtype, "ifft", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const Plan<A> plan(n);
    const auto unzip = HEDDLE_PICK(fourier_unzip<T, A>);
    const auto join = HEDDLE_PICK(fourier_join<A>);
    const auto zip = HEDDLE_PICK(fourier_zip<T, A>);
    const T* from = x.as<T>();
    T* to = y.as<T>();
    plan.each_row(ctx, rows, [&](int64_t r, Row<A> a, Row<A> b, Row<A> all) {
      const T* row = from + 2 * r * n;
      if (plan.h) {
        unzip(row, all, n);
        join(all, plan.turns(), a, plan.h);
        zip(plan.transform(a, b), A(-1), to + r * n, plan.h);
      } else {
        for (int64_t i = 0; i < n; ++i) a.re[i] = A(row[2 * i]), a.im[i] = -A(row[2 * i + 1]);
        const Row<A> z = plan.transform(a, b);
        for (int64_t i = 0; i < n; ++i) to[r * n + i] = T(z.re[i]);
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

// Rows of a transform, and of the longer one that stands for it where its length is a large prime.
ScratchNeed row_scratch(const Situation& s) {
  const int64_t n = std::max(s.in[0].shape[-1], s.out[0].shape[-1]);
  return {.piece = 160 * n + 1024};
}

void define(OpTable& ops) {
  ops.define({
      .name = "_contrib_fft",
      .doc = "The discrete Fourier transform of real rows: (..., n) to (..., 2 n), real and "
             "imaginary parts in turn.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kFull,
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
      .precision = Precision::kFull,
      .params = schema<SketchParam>(),
      .inputs = {{"data", "(..., features)"},
                 {"h", "(1, features): the bucket of each"},
                 {"s", "(1, features): 1 or -1"}},
      .infer = infer_sketch,
      .cpu = sketch,
      .backward = {.reads = {dy(), x(1), x(2)}, .run = sketch_backward},
  });
  ops.scratch("_contrib_fft", row_scratch);
  ops.scratch("_contrib_ifft", row_scratch);
}

}  // namespace heddle::ops::fourier
