// A perceptron on Fashion-MNIST, line by line: arrays, operators, autograd.
//   mlp [FOLDER [PARTS]]
#include <heddle/ops.h>

#include <cmath>
#include <cstdio>

#include "fashion.h"

using namespace heddle;

struct Layer {
  NDArray weight, bias, weight_grad, bias_grad;

  Layer(int64_t inputs, int64_t outputs) {
    const double bound = std::sqrt(6.0 / double(inputs + outputs));  // Glorot and Bengio 2010
    weight = op::_random_uniform({.low = -bound, .high = bound, .shape = {outputs, inputs}});
    bias = op::_zeros({.shape = {outputs}});
    weight_grad = op::zeros_like(weight), bias_grad = op::zeros_like(bias);
    autograd::mark_variable(weight, weight_grad, GradReq::kWrite);
    autograd::mark_variable(bias, bias_grad, GradReq::kWrite);
  }
  NDArray operator()(const NDArray& x) const {
    return op::FullyConnected({x, weight, bias}, {.num_hidden = weight.shape()[0]});
  }
  void update() {
    op::sgd_update({weight, weight_grad}, {.lr = 0.1, .rescale_grad = 1.0 / kBatch}, weight);
    op::sgd_update({bias, bias_grad}, {.lr = 0.1, .rescale_grad = 1.0 / kBatch}, bias);
  }
};

int main(int argc, char** argv) {
  const std::string folder = argc > 1 ? argv[1] : "/usr/share/datasets/fashion-mnist";
  const auto training = open_data(folder, "train", true, argc > 2 ? argv[2] : "1");
  const auto test = open_data(folder, "t10k", true);
  seed(1);
  Layer first(784, 128), second(128, 10);
  const auto scores_of = [&](const NDArray& x) { return second(op::relu(first(x))); };

  for (int epoch = 1; epoch <= 2; ++epoch) {
    for (training->reset(); training->next();) {
      autograd::set_recording(true), autograd::set_training(true);
      const NDArray loss[] = {
          op::softmax_cross_entropy({scores_of(training->batch().data), training->batch().label})};
      autograd::set_recording(false), autograd::set_training(false);
      autograd::backward(loss);
      first.update(), second.update();
    }
    int found = 0, all = 0;
    for (test->reset(); test->next(); all += kBatch)
      found += right(scores_of(test->batch().data), test->batch().label, kBatch);
    std::printf("mlp: accuracy %.4f after %d passes\n", double(found) / all, epoch);
  }
}
