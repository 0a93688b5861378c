// What a call costs besides its kernel: eager, recorded, differentiated and bound.
#include <chrono>
#include <cstdio>

#include "heddle/executor.h"

namespace heddle {

// The best of several rounds, in ns per operation.
template <class F>
void report(const char* name, int operations, F&& round) {
  double best = 1e30;
  for (int i = 0; i < 15; ++i) {
    const auto start = std::chrono::steady_clock::now();
    round();
    Engine::get().wait_all();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count() / operations);
  }
  std::printf("%-44s %8.1f ns\n", name, best);
}

NDArray ones(int64_t n) {
  return NDArray::from_host(std::vector<float>(size_t(n), 1).data(), {n}, Dtype::kFloat32);
}

void eager() {
  constexpr int kCalls = 20000;
  const OpCallRef add = make_call(OpTable::get().at("broadcast_add"), {});
  const NDArray x = ones(4), y = ones(4);
  const NDArray* in[] = {&x, &y};
  report("eager x + y on 4 floats", kCalls, [&] {
    for (int i = 0; i < kCalls; ++i) {
      std::vector<NDArray> out;
      invoke(add, in, out);
    }
  });
  std::vector<NDArray> kept = {ones(4)};
  report("  into a given array", kCalls, [&] {
    for (int i = 0; i < kCalls; ++i) invoke(add, in, kept);
  });
  report("  a new array of 4 floats", kCalls, [&] {
    for (int i = 0; i < kCalls; ++i) NDArray({4}, {}).blob();
  });
}

void taped() {
  constexpr int kCalls = 2000;
  const OpCallRef relu = make_call(OpTable::get().at("relu"), {});
  NDArray x = ones(4);
  autograd::mark_variable(x, ones(4), GradReq::kWrite);
  std::vector<NDArray> y(1);
  auto record = [&] {
    autograd::set_recording(true);
    y = {x};
    for (int i = 0; i < kCalls; ++i) {
      const NDArray from = std::move(y[0]);
      const NDArray* in[] = {&from};
      y.clear();
      invoke(relu, in, y);
    }
    autograd::set_recording(false);
  };
  report("recorded relu on 4 floats", kCalls, record);
  report("  recorded and differentiated", kCalls, [&] {
    record();
    autograd::backward(y);
  });
}

void bound() {
  constexpr int kNodes = 64, kRuns = 200;
  for (const int64_t n : {4, 1 << 14}) {
    Symbol s = Symbol::variable("x");
    for (int i = 0; i < kNodes; ++i)
      s = Symbol::apply(make_call(OpTable::get().at("_plus_scalar"), {{"scalar", "1"}}), {s}, {},
                        format("n{}", i));
    BindSpec spec;
    spec.args = {{"x", ones(n)}};
    Executor e = Executor::bind(s, spec);
    const NDArray heads[] = {ones(n)};
    report(format("bound chain on {} floats, per node", n).c_str(), kNodes * kRuns, [&] {
      for (int i = 0; i < kRuns; ++i) e.forward(false);
    });
    report("  forward and backward, per forward node", kNodes * kRuns, [&] {
      for (int i = 0; i < kRuns; ++i) e.forward(true), e.backward(heads);
    });
    report("  forward and wait, per run", kRuns, [&] {
      for (int i = 0; i < kRuns; ++i) e.forward(false), e.outputs()[0].wait_to_read();
    });
  }
}

}  // namespace heddle

int main() {
  std::printf("engine %s, %d workers\n", heddle::Engine::get().name(),
              heddle::Engine::get().workers());
  heddle::eager();
  heddle::taped();
  heddle::bound();
}
