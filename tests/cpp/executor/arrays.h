// What the tests of this room share: arrays from numbers and back, symbols from names.
#pragma once
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "heddle/executor.h"
#include "heddle/imperative.h"

namespace heddle::test {

inline NDArray array(const std::vector<float>& values, Shape shape) {
  return NDArray::from_host(values.data(), shape, Dtype::kFloat32);
}
inline NDArray row(const std::vector<float>& values) {
  return array(values, {int64_t(values.size())});
}
inline std::vector<float> values(const NDArray& a) {
  std::vector<float> v(size_t(a.size()));
  a.copy_to(v.data());
  return v;
}
// Numbers without a pattern, the same every time.
inline std::vector<float> numbers(int64_t n, int from, float scale = 1) {
  std::vector<float> v;
  for (int64_t i = 0; i < n; ++i)
    v.push_back(scale * std::sin(float(i * i % 97) * 0.7f + float(i) * 1.3f + float(from)));
  return v;
}

inline NDArray call(std::string_view op, const std::vector<NDArray>& in, Kwargs kwargs = {}) {
  return invoke(op, in, std::move(kwargs)).at(0);
}
inline Symbol apply(std::string_view op, std::vector<Symbol> in, std::string name,
                    Kwargs kwargs = {}) {
  return Symbol::apply(make_call(OpTable::get().at(op), std::move(kwargs)), std::move(in), {},
                       std::move(name));
}

// A leaf with a gradient of zeros.
inline NDArray leaf(const NDArray& a, GradReq req = GradReq::kWrite) {
  NDArray variable = a.detach();
  std::vector<float> zeros(size_t(a.size()), 0);
  autograd::mark_variable(variable, array(zeros, a.shape()), req);
  return variable;
}
inline NDArray gradient(const NDArray& a) { return autograd::gradient_of(a); }
inline void backward(const NDArray& head, bool retain = false) {
  const NDArray heads[] = {head};
  autograd::backward(heads, {}, retain);
}

class Recording {
 public:
  explicit Recording(bool training = true)
      : recording_(autograd::set_recording(true)), training_(autograd::set_training(training)) {}
  ~Recording() {
    autograd::set_recording(recording_);
    autograd::set_training(training_);
  }

 private:
  bool recording_, training_;
};

// The text of what `f` throws; "" when it does not.
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace heddle::test
