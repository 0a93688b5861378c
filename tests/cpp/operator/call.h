// Runs one operator on host vectors: for tests that look at kernels without arrays or an engine.
#pragma once
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "heddle/op.h"

namespace heddle::test {

struct Tensor {
  Shape shape;
  Dtype dtype = Dtype::kFloat32;
  std::vector<double> buffer = {};  // doubles, for their alignment

  Tensor() = default;
  Tensor(Shape s, Dtype d)
      : shape(s), dtype(d), buffer(size_t((s.size() * dtype_size(d) + 7) / 8)) {}
  Tensor(Shape s, const std::vector<double>& values, Dtype d = Dtype::kFloat32) : Tensor(s, d) {
    for (size_t i = 0; i < values.size(); ++i) set(int64_t(i), values[i]);
  }
  Blob blob() { return {buffer.data(), shape, dtype, {}}; }
  int64_t size() const { return shape.size(); }
  double at(int64_t i) const {
    double v = 0;
    with_dtype(dtype, "test",
               [&](auto t) { v = double(reinterpret_cast<const decltype(t)*>(buffer.data())[i]); });
    return v;
  }
  void set(int64_t i, double v) {
    with_dtype(dtype, "test",
               [&](auto t) { reinterpret_cast<decltype(t)*>(buffer.data())[i] = decltype(t)(v); });
  }
  std::vector<double> values() const {
    std::vector<double> v;
    for (int64_t i = 0; i < size(); ++i) v.push_back(at(i));
    return v;
  }
};

// Numbers in [low, high), the same in every run.
inline Tensor uniform(Shape s, Dtype d = Dtype::kFloat32, double low = -1, double high = 1,
                      int seed = 7) {
  Tensor t(s, d);
  std::mt19937 generator(static_cast<unsigned>(seed) + unsigned(s.size()));
  std::uniform_real_distribution<double> number(low, high);
  for (int64_t i = 0; i < t.size(); ++i) t.set(i, number(generator));
  return t;
}

// One call with its inputs, outputs and gradients.
struct Call {
  OpCallRef call;
  std::vector<Tensor> in, out, grads;
  bool training = true;
  uint64_t seed = 1;

  Call(const char* op, std::vector<Tensor> inputs, Kwargs kwargs = {})
      : call(make_call(OpTable::get().at(op), std::move(kwargs))), in(std::move(inputs)) {
    check(in.size() == call->inputs.size(), "[{}] {} inputs, expected {}", op, in.size(),
          call->inputs.size());
    std::vector<InferContext::Value> a(in.size()), b(call->outputs.size());
    for (size_t i = 0; i < in.size(); ++i) a[i] = {in[i].shape, in[i].dtype, Stype::kDense};
    infer_call(*call, a, b);
    for (auto& v : b) {
      check(v.shape.known() && v.dtype != Dtype::kUnknown, "[{}] an output stays unknown", op);
      out.emplace_back(v.shape, v.dtype);
    }
  }

  Call& forward() {
    OpContext ctx;
    ctx.training = training, ctx.seed = seed;
    auto x = blobs(in), y = blobs(out);
    run_kernel(*call, ctx, x, y);
    return *this;
  }
  // `wanted[i] == 0`: gradient i is not asked for.
  Call& backward(std::vector<Tensor> heads, std::vector<uint8_t> wanted = {}) {
    std::vector<Blob> from;
    for (Ref r : call->reads)
      from.push_back(r.kind == Ref::kDy  ? heads.at(size_t(r.index)).blob()
                     : r.kind == Ref::kX ? in.at(size_t(r.index)).blob()
                                         : out.at(size_t(r.index)).blob());
    grads.clear();
    for (size_t i = 0; i < in.size(); ++i)
      if (call->inputs[i].role != Role::kAux) {
        grads.emplace_back(in[i].shape, in[i].dtype);
        for (int64_t j = 0; j < grads.back().size(); ++j)
          grads.back().set(j, 77);  // must be overwritten
      }
    auto to = blobs(grads);
    OpContext ctx;
    ctx.training = training, ctx.seed = seed, ctx.wanted = wanted;
    run_kernel(*call->backward, ctx, from, to);
    return *this;
  }

  static std::vector<Blob> blobs(std::vector<Tensor>& tensors) {
    std::vector<Blob> b;
    for (Tensor& t : tensors) b.push_back(t.blob());
    return b;
  }
};

// Relative to the largest element, or to 1.
inline void expect_near(const Tensor& got, const Tensor& want, double tolerance,
                        const char* what = "") {
  ASSERT_EQ(got.shape, want.shape);
  double scale = 1;
  for (int64_t i = 0; i < want.size(); ++i) scale = std::max(scale, std::abs(want.at(i)));
  for (int64_t i = 0; i < got.size(); ++i)
    ASSERT_NEAR(got.at(i), want.at(i), tolerance * scale) << what << " element " << i;
}

// The gradients of the inputs `which`, against central differences of sum(head * output 0).
// float64.
inline void expect_gradients(Call& c, std::vector<int> which, double tolerance = 1e-6) {
  c.forward();
  std::vector<Tensor> heads;
  for (const Tensor& o : c.out) heads.push_back(uniform(o.shape, o.dtype, -1, 1, 3));
  c.backward(heads);
  const auto grads = c.grads;
  auto loss = [&] {
    double sum = 0;
    c.forward();
    for (int64_t i = 0; i < c.out[0].size(); ++i) sum += c.out[0].at(i) * heads[0].at(i);
    return sum;
  };
  const double step = 1e-5;
  for (int i : which)
    for (int64_t j = 0; j < c.in[size_t(i)].size(); ++j) {
      const double x = c.in[size_t(i)].at(j);
      c.in[size_t(i)].set(j, x + step);
      const double up = loss();
      c.in[size_t(i)].set(j, x - step);
      const double down = loss();
      c.in[size_t(i)].set(j, x);
      ASSERT_NEAR(grads[size_t(i)].at(j), (up - down) / (2 * step), tolerance)
          << "input " << i << ", element " << j;
    }
}

// Runs `body` with the kernels of one library, then puts the choice back.
template <class Body>
void with_kernels(const char* library, Body&& body) {
  struct Restore {
    ~Restore() { prefer_kernels(""); }
  } restore;
  prefer_kernels(library);
  body();
}

// The kernels in use and the portable ones agree on outputs and gradients.
inline void expect_kernels_agree(const char* op, const std::vector<Tensor>& in,
                                 const Kwargs& kwargs, double tolerance = 1e-5,
                                 std::vector<uint8_t> wanted = {}) {
  Call best(op, in, kwargs), portable(op, in, kwargs);
  std::vector<Tensor> heads;
  for (const Tensor& o : best.out) heads.push_back(uniform(o.shape, o.dtype, -1, 1, 5));
  best.forward().backward(heads, wanted);
  with_kernels("portable", [&] { portable.forward().backward(heads, wanted); });
  for (size_t i = 0; i < best.out.size(); ++i)
    expect_near(best.out[i], portable.out[i], tolerance, "output");
  for (size_t i = 0; i < best.grads.size(); ++i)
    if (wanted.empty() || wanted[i])
      expect_near(best.grads[i], portable.grads[i], tolerance, "gradient");
}

}  // namespace heddle::test
