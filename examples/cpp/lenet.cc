// LeNet on Fashion-MNIST: a symbol bound to memory, with the parameters in a store.
//   lenet [FOLDER [PARTS]]
#include <heddle/kvstore.h>
#include <heddle/ops.h>
#include <heddle/optimizer.h>

#include <cmath>
#include <cstdio>

#include "fashion.h"

using namespace heddle;

// LeCun et al. 1998, with tanh and max pooling.
Symbol lenet() {
  Symbol x = Symbol::variable("data");
  for (const auto& [name, filters] : {std::pair("conv1", 20), {"conv2", 50}}) {
    x = op::Convolution(x, {.kernel = {5, 5}, .num_filter = filters}, name);
    x = op::Activation(x, {.act_type = "tanh"});
    x = op::Pooling(x, {.kernel = {2, 2}, .pool_type = "max", .stride = {2, 2}});
  }
  x = op::FullyConnected(op::Flatten(x), {.num_hidden = 500}, "fc1");
  x = op::FullyConnected(op::Activation(x, {.act_type = "tanh"}), {.num_hidden = 10}, "fc2");
  return op::SoftmaxOutput(x, {}, "softmax");
}

using Items = std::vector<KVStore::Item>;

// The executor's arrays of the parameters, as items of a store.
Items items_of(const std::vector<std::string>& names, const std::vector<NDArray>& arrays) {
  Items all;
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] != "data" && names[i] != "softmax_label") all.push_back({names[i], {arrays[i]}});
  return all;
}

int main(int argc, char** argv) {
  const std::string folder = argc > 1 ? argv[1] : "/usr/share/datasets/fashion-mnist";
  const auto training = open_data(folder, "train", false, argc > 2 ? argv[2] : "1");
  const auto test = open_data(folder, "t10k", false);
  seed(1);
  const Symbol symbol = lenet();
  Executor net = Executor::bind(
      symbol, {.shapes = {{"data", {kBatch, 1, 28, 28}}},
               .grad_req = {{"data", GradReq::kNone}, {"softmax_label", GradReq::kNone}}});
  const std::vector<std::string> names = symbol.arguments();
  const Items weights = items_of(names, net.args()), gradients = items_of(names, net.grads());
  const NDArray data = net.args().front(), label = net.args().back();

  for (const KVStore::Item& item : weights) {
    const NDArray& w = item.values[0];
    if (w.shape().rank() == 1) continue;  // biases are zero
    const double rows = double(w.shape()[0]);
    const double bound = std::sqrt(6 / (double(w.size()) / rows + rows));  // Glorot and Bengio 2010
    copy(op::_random_uniform({.low = -bound, .high = bound, .shape = w.shape()}), w);
  }
  KVStore store("local");
  store.init(weights);
  Optimizer sgd("sgd", {{"learning_rate", "0.05"}, {"momentum", "0.9"}, {"rescale_grad", "0.01"}});
  store.set_updater([&](std::span<const KVStore::Key> keys, std::span<const NDArray> sums,
                        std::span<const NDArray> stored) { sgd.update(keys, stored, sums); });

  const auto run = [&](const io::Batch& batch, bool learn) {
    copy(batch.data, data);
    copy(batch.label, label);
    net.forward(learn);
  };
  for (int epoch = 1; epoch <= 2; ++epoch) {
    for (training->reset(); training->next();) {
      run(training->batch(), true);
      net.backward();
      store.push(gradients);
      store.pull(weights);
    }
    int found = 0, all = 0;
    for (test->reset(); test->next(); all += kBatch) {
      run(test->batch(), false);
      found += right(net.outputs()[0], test->batch().label, kBatch);
    }
    std::printf("lenet: accuracy %.4f after %d passes\n", double(found) / all, epoch);
  }
}
