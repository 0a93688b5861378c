// Times the layers of LeNet at batch 64, forward and backward, kernel by kernel.
// Prints one line per case: microseconds (the best of many runs) and GFLOP/s.
//   bench_conv [THREADS [LIBRARY...]]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "heddle/op.h"

namespace heddle::bench {

struct Array {
  Shape shape;
  std::vector<float> data;
  explicit Array(Shape s) : shape(s), data(size_t(s.size())) {
    for (size_t i = 0; i < data.size(); ++i) data[i] = float((i * 37 + 11) % 101) / 101 - 0.5f;
  }
  Blob blob() { return {data.data(), shape, Dtype::kFloat32, {}}; }
};

double best_microseconds(const std::function<void()>& body) {
  using Clock = std::chrono::steady_clock;
  double best = 1e30;
  const auto start = Clock::now();
  for (int i = 0; i < 5 || Clock::now() - start < std::chrono::milliseconds(300); ++i) {
    const auto before = Clock::now();
    body();
    best = std::min(best, std::chrono::duration<double, std::micro>(Clock::now() - before).count());
  }
  return best;
}

struct Layer {
  const char* name;
  const char* op;
  std::vector<Shape> in;
  Kwargs kwargs;
  double multiplications;            // of one forward pass
  std::vector<uint8_t> wanted = {};  // gradients asked for; all when empty
};

void run(const Layer& layer, const char* library, double* total) {
  const auto call = make_call(OpTable::get().at(layer.op), layer.kwargs);
  std::vector<Array> in, out, grads;
  std::vector<InferContext::Value> a, b(call->outputs.size());
  for (const Shape& s : layer.in)
    a.push_back({s, Dtype::kFloat32, Stype::kDense}), in.emplace_back(s), grads.emplace_back(s);
  infer_call(*call, a, b);
  for (const auto& v : b) out.emplace_back(v.shape);
  Array head(b[0].shape);
  std::vector<Blob> x, y, reads, dx;
  for (Array& v : in) x.push_back(v.blob());
  for (Array& v : out) y.push_back(v.blob());
  for (Array& v : grads) dx.push_back(v.blob());
  for (Ref r : call->reads)
    reads.push_back(r.kind == Ref::kDy  ? head.blob()
                    : r.kind == Ref::kX ? x[size_t(r.index)]
                                        : y[size_t(r.index)]);
  OpContext ctx;
  ctx.training = true;
  const double forward = best_microseconds([&] { run_kernel(*call, ctx, x, y); });
  ctx.wanted = layer.wanted;
  const double backward = best_microseconds([&] { run_kernel(*call->backward, ctx, reads, dx); });
  const double passes = layer.wanted.empty() || layer.wanted[0] ? 2 : 1;
  std::printf("%-12s %-9s forward %8.1f us %6.1f GF/s   backward %8.1f us %6.1f GF/s\n", layer.name,
              *library ? library : "(chosen)", forward, layer.multiplications * 2e-3 / forward,
              backward, layer.multiplications * passes * 2e-3 / backward);
  *total += forward + backward;
}

int main(int argc, char** argv) {
  const Layer layers[] = {
      {"conv1",
       "Convolution",
       {{64, 1, 28, 28}, {20, 1, 5, 5}, {20}},
       {{"kernel", "(5, 5)"}, {"num_filter", "20"}},
       64. * 576 * 20 * 25,
       {0, 1, 1}},
      {"tanh1", "Activation", {{64, 20, 24, 24}}, {{"act_type", "tanh"}}, 0},
      {"pool1", "Pooling", {{64, 20, 24, 24}}, {{"kernel", "(2, 2)"}, {"stride", "(2, 2)"}}, 0},
      {"conv2",
       "Convolution",
       {{64, 20, 12, 12}, {50, 20, 5, 5}, {50}},
       {{"kernel", "(5, 5)"}, {"num_filter", "50"}},
       64. * 64 * 50 * 500},
      {"tanh2", "Activation", {{64, 50, 8, 8}}, {{"act_type", "tanh"}}, 0},
      {"pool2", "Pooling", {{64, 50, 8, 8}}, {{"kernel", "(2, 2)"}, {"stride", "(2, 2)"}}, 0},
      {"fc1",
       "FullyConnected",
       {{64, 800}, {500, 800}, {500}},
       {{"num_hidden", "500"}},
       64. * 800 * 500},
      {"tanh3", "Activation", {{64, 500}}, {{"act_type", "tanh"}}, 0},
      {"fc2",
       "FullyConnected",
       {{64, 500}, {10, 500}, {10}},
       {{"num_hidden", "10"}},
       64. * 500 * 10},
      {"softmax", "SoftmaxOutput", {{64, 10}, {64}}, {}, 0},
  };
  const Layer more[] = {
      {"resnet3x3",
       "Convolution",
       {{32, 64, 28, 28}, {64, 64, 3, 3}},
       {{"kernel", "(3, 3)"}, {"pad", "(1, 1)"}, {"num_filter", "64"}, {"no_bias", "True"}},
       32. * 784 * 64 * 576},
      {"cifar3x3",
       "Convolution",
       {{64, 16, 32, 32}, {16, 16, 3, 3}},
       {{"kernel", "(3, 3)"}, {"pad", "(1, 1)"}, {"num_filter", "16"}, {"no_bias", "True"}},
       64. * 1024 * 16 * 144},
      {"batchnorm",
       "BatchNorm",
       {{32, 64, 28, 28}, {64}, {64}, {64}, {64}},
       {{"fix_gamma", "False"}},
       0},
  };
  std::vector<const char*> libraries = {""};
  if (argc > 1) set_threads(std::atoi(argv[1]));
  for (int i = 2; i < argc; ++i) libraries.push_back(argv[i]);
  for (const char* library : libraries) {
    prefer_kernels(library);
    double total = 0, rest = 0;
    for (const Layer& l : layers) run(l, library, &total);
    std::printf("LeNet, batch 64: %.0f us, %.0f samples/s\n", total, 64e6 / total);
    for (const Layer& l : more) run(l, library, &rest);
  }
  return 0;
}

}  // namespace heddle::bench

int main(int argc, char** argv) { return heddle::bench::main(argc, argv); }
