// A walk through everything libheddle_cuda offers, beside the host's answers: copies, elementwise
// operators and their gradients, products. Exits 77 (skipped) where there is no card.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "heddle/imperative.h"

namespace heddle::cuda_smoke {

constexpr Device kCard{Device::kCuda, 0};
int passed = 0, failed = 0;

void test(const std::string& name, const std::function<void()>& body) {
  try {
    body();
    ++passed;
  } catch (const std::exception& e) {
    ++failed;
    std::printf("FAILED %s: %s\n", name.c_str(), e.what());
  }
}

std::vector<float> values(const NDArray& a) {
  NDArray f(a.shape(), Device{});
  copy(a, f);
  std::vector<float> v(size_t(a.size()));
  f.copy_to(v.data());
  return v;
}

void expect_close(const NDArray& got, const NDArray& want, float tolerance) {
  check(got.shape() == want.shape(), "found shape {}, expected {}", got.shape(), want.shape());
  const std::vector<float> g = values(got), w = values(want);
  for (size_t i = 0; i < g.size(); ++i) {
    if (std::isnan(g[i]) && std::isnan(w[i])) continue;
    if (g[i] == w[i]) continue;  // infinities too
    check(std::fabs(g[i] - w[i]) <= tolerance * std::max(1.f, std::fabs(w[i])),
          "element {} is {}, expected {}", i, g[i], w[i]);
  }
}

NDArray on_card(const NDArray& a) {
  NDArray there(a.shape(), kCard, a.dtype());
  copy(a, there);
  return there;
}

// Numbers between `low` and `low` + 1 that repeat after a prime.
NDArray numbers(Shape shape, Dtype dtype, float low, float scale = 1) {
  std::vector<float> v(size_t(shape.size()));
  for (size_t i = 0; i < v.size(); ++i) v[i] = low + scale * float(i * 37 % 101) / 101;
  NDArray a(shape, Device{}, dtype);
  copy(NDArray::from_host(v.data(), shape, Dtype::kFloat32), a);
  return a;
}

float tolerance(Dtype d) {
  return d == Dtype::kFloat16 ? 2e-3f : d == Dtype::kBfloat16 ? 1.6e-2f : 1e-5f;
}

// --- memory
// ---------------------------------------------------------------------------------------

void copies() {
  for (Dtype d : {Dtype::kFloat32, Dtype::kFloat16, Dtype::kInt8, Dtype::kBool})
    test(format("copy {}", d), [&] {
      const NDArray host = numbers({1000, 7}, d, 0, 2), there = on_card(host);
      expect_close(there, host, 0);
      NDArray other({7000}, kCard, Dtype::kFloat64);  // through host memory, for the dtype
      copy(there, other);
      expect_close(other.reshape({1000, 7}), host, 0);
      expect_close(there.slice(3, 9), host.slice(3, 9), 0);
    });
  test("copy_from and from_host", [] {
    const float v[] = {1, 2, 3};
    NDArray a = NDArray::from_host(v, {3}, Dtype::kFloat32, kCard);
    expect_close(a, NDArray::from_host(v, {3}, Dtype::kFloat32), 0);
    const float w[] = {4, 5, 6};
    a.copy_from(w);
    expect_close(a, NDArray::from_host(w, {3}, Dtype::kFloat32), 0);
  });
  test("memory comes back", [] {
    Engine::get().wait_all();
    const int64_t before = Pool::of(kCard).stats().live;
    {
      const NDArray big = on_card(numbers({1 << 20}, Dtype::kFloat32, 0));
      big.wait_to_read();
      check(Pool::of(kCard).stats().live >= before + (4 << 20), "nothing was allocated");
    }
    Engine::get().wait_all();
    check(Pool::of(kCard).stats().live == before, "found {} bytes live, expected {}",
          Pool::of(kCard).stats().live, before);
  });
  test("pinned memory", [] {
    const NDArray host = numbers({5000}, Dtype::kFloat32, 0);
    NDArray pinned({5000}, Device{Device::kPinned, 0}), there({5000}, kCard),
        back({5000}, Device{});
    copy(host, pinned);
    copy(pinned, there);
    copy(there, back);
    expect_close(back, host, 0);
  });
  test("a missing card", [] {
    bool thrown = false;
    try {
      on_card(numbers({1}, Dtype::kFloat32, 0)).wait_to_read();
      NDArray({1}, Device{Device::kCuda, 99}).blob();
    } catch (const Error&) {
      thrown = true;
    }
    check(thrown, "gpu(99) was accepted");
  });
}

// --- operators
// ------------------------------------------------------------------------------------

bool runs_on_card(const OpDef& op) {
  return std::any_of(op.kernels.begin(), op.kernels.end(),
                     [](const auto& k) { return k.on == Device::kCuda; });
}

// Values, and gradients where there are any, of one operator on both devices.
void compare(const std::string& name, const std::vector<NDArray>& host, const Kwargs& kwargs,
             float tolerance, bool gradients) {
  std::vector<NDArray> here = host, there;
  for (const NDArray& a : host) there.push_back(on_card(a));
  std::vector<NDArray> grads[2];
  std::vector<NDArray>* sides[2] = {&here, &there};
  std::vector<NDArray> results[2];
  for (int side = 0; side < 2; ++side) {
    if (gradients)
      for (NDArray& a : *sides[side]) {
        grads[side].emplace_back(a.shape(), a.device(), a.dtype());
        autograd::mark_variable(a, grads[side].back(), GradReq::kWrite);
      }
    const bool was = autograd::set_recording(gradients);
    results[side] = invoke(name, *sides[side], kwargs);
    autograd::set_recording(was);
  }
  expect_close(results[1][0], results[0][0], tolerance);
  if (!gradients) return;
  const NDArray head = numbers(results[0][0].shape(), host[0].dtype(), 0.5f);
  const NDArray heads[2] = {head, on_card(head)};
  for (int side = 0; side < 2; ++side)
    autograd::backward({&results[side][0], 1}, {&heads[side], 1});
  for (size_t i = 0; i < host.size(); ++i) expect_close(grads[1][i], grads[0][i], tolerance);
}

void elementwise() {
  int operators = 0;
  for (const OpDef* op : OpTable::get().list()) {
    if (op->name.starts_with("_backward_") || !runs_on_card(*op)) continue;
    if (op->name == "dot" || op->name == "FullyConnected") continue;
    ++operators;
    const bool scalar = op->name.find("_scalar") != std::string::npos;
    const Kwargs kwargs = scalar ? Kwargs{{"scalar", "0.7"}} : Kwargs{};
    const size_t inputs = make_call(*op, kwargs)->inputs.size();
    const bool gradients = op->backward_op && runs_on_card(*op->backward_op);
    for (Dtype d :
         {Dtype::kFloat32, Dtype::kFloat64, Dtype::kFloat16, Dtype::kBfloat16, Dtype::kInt32}) {
      const float low = op->name == "arccosh" ? 1.1f : 0.1f;
      const float scale = is_float(d) ? 0.8f : 9;
      std::vector<NDArray> in = {numbers({7, 33}, d, low, scale)};
      if (inputs == 2) in.push_back(numbers({33, 7}, d, 0.3f, scale).reshape({7, 33}));
      test(format("{} {}", op->name, d),
           [&] { compare(op->name, in, kwargs, tolerance(d), gradients && is_float(d)); });
    }
    if (op->name.starts_with("broadcast_"))
      test(op->name + " with repeated axes", [&] {
        compare(op->name,
                {numbers({7, 1, 3}, Dtype::kFloat32, 0.1f), numbers({4, 1}, Dtype::kFloat32, 0.2f)},
                kwargs, 1e-5f, false);
      });
  }
  std::printf("%d elementwise operators have CUDA kernels\n", operators);
  check(operators > 60, "found {} operators, expected more than 60", operators);
}

void products() {
  for (Dtype d : {Dtype::kFloat32, Dtype::kFloat64, Dtype::kFloat16, Dtype::kBfloat16})
    for (const char* ta : {"False", "True"})
      for (const char* tb : {"False", "True"})
        test(format("dot {} {} {}", d, ta, tb), [&] {
          const Shape a = *ta == 'T' ? Shape{40, 17} : Shape{17, 40};
          const Shape b = *tb == 'T' ? Shape{23, 40} : Shape{40, 23};
          compare("dot", {numbers(a, d, -0.5f), numbers(b, d, -0.3f)},
                  {{"transpose_a", ta}, {"transpose_b", tb}}, 4 * tolerance(d), true);
        });
  test("FullyConnected", [] {
    compare("FullyConnected",
            {numbers({9, 4, 5}, Dtype::kFloat32, -0.5f), numbers({6, 20}, Dtype::kFloat32, -0.5f),
             numbers({6}, Dtype::kFloat32, 0)},
            {{"num_hidden", "6"}}, 1e-5f, true);
  });
}

// A chain whose every step needs the one before, pushed without a wait.
void order() {
  test("a chain of a thousand", [] {
    NDArray x = on_card(numbers({1000}, Dtype::kFloat32, 0, 0));
    for (int i = 0; i < 1000; ++i) x = invoke("_plus_scalar", {x}, {{"scalar", "1"}})[0];
    for (float v : values(x)) check(v == 1000, "found {}, expected 1000", v);
  });
}

void speed() {
  using Clock = std::chrono::steady_clock;
  auto seconds = [](Clock::time_point from) {
    return std::chrono::duration<double>(Clock::now() - from).count();
  };
  const NDArray a = on_card(numbers({4096, 4096}, Dtype::kFloat32, 0));
  invoke("dot", {a, a})[0].wait_to_read();
  auto start = Clock::now();
  for (int i = 0; i < 10; ++i) invoke("dot", {a, a});
  Engine::get().wait_all();
  std::printf("dot 4096 float32: %.1f Tflop/s\n",
              10 * 2 * std::pow(4096., 3) / seconds(start) / 1e12);
  start = Clock::now();
  for (int i = 0; i < 100; ++i) invoke("relu", {a});
  Engine::get().wait_all();
  std::printf("relu 64 MiB: %.0f GB/s\n", 100 * 2 * 4096. * 4096 * 4 / seconds(start) / 1e9);
}

}  // namespace heddle::cuda_smoke

int main() {
  using namespace heddle;
  try {
    device_api(cuda_smoke::kCard);
  } catch (const Error& e) {
    std::printf("skipped: %s\n", e.what());
    return 77;
  }
  cuda_smoke::copies();
  cuda_smoke::test("elementwise", cuda_smoke::elementwise);
  cuda_smoke::products();
  cuda_smoke::order();
  if (cuda_smoke::failed == 0) cuda_smoke::speed();
  std::printf("%d passed, %d failed\n", cuda_smoke::passed, cuda_smoke::failed);
  return cuda_smoke::failed != 0;
}
