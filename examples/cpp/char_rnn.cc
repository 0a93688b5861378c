// A recurrent network that learns to write a text character by character, then writes some of its
// own.
//   char_rnn TEXT [STEPS]
#include <heddle/ops.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <random>

using namespace heddle;

constexpr int64_t kBatch = 16, kLength = 32, kHidden = 96;

// One LSTM layer (Hochreiter and Schmidhuber 1997) between an embedding and a softmax over
// characters.
Symbol network(int64_t letters) {
  Symbol x = op::Embedding(Symbol::variable("data"), {.input_dim = letters, .output_dim = kHidden},
                           "embed");
  x = op::RNN({{"data", op::SwapAxis(x, {.dim1 = 0, .dim2 = 1})},  // (length, batch, hidden)
               {"parameters", Symbol::variable("lstm_parameters")},
               {"state", Symbol::variable("state")},
               {"state_cell", Symbol::variable("state_cell")}},
              {.state_size = kHidden, .num_layers = 1, .mode = "lstm", .state_outputs = true},
              "lstm");
  Symbol scores = op::Reshape(x[0], {.shape = {-1, kHidden}});
  scores = op::FullyConnected(scores, {.num_hidden = letters}, "fc");
  const Symbol label = op::Reshape(op::transpose(Symbol::variable("label")), {.shape = {-1}});
  return Symbol::group({op::SoftmaxOutput({scores, label}, {}, "softmax"), op::BlockGrad(x[1]),
                        op::BlockGrad(x[2])});
}

struct Text {
  std::string letters;
  std::vector<float> numbers;

  explicit Text(const char* path) {
    std::ifstream file(path, std::ios::binary);
    const std::string all{std::istreambuf_iterator<char>(file), {}};
    letters = all;
    std::sort(letters.begin(), letters.end());
    letters.erase(std::unique(letters.begin(), letters.end()), letters.end());
    for (char c : all) numbers.push_back(float(letters.find(c)));
  }
};

Executor bound(const Symbol& symbol, int64_t batch, int64_t length, bool training,
               Arrays weights = {}) {
  return Executor::bind(symbol, {.shapes = {{"data", {batch, length}},
                                            {"label", {batch, length}},
                                            {"state", {1, batch, kHidden}},
                                            {"state_cell", {1, batch, kHidden}}},
                                 .args = std::move(weights),
                                 .grad_req = {{"data", GradReq::kNone},
                                              {"label", GradReq::kNone},
                                              {"state", GradReq::kNone},
                                              {"state_cell", GradReq::kNone}},
                                 .training = training});
}

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: char_rnn TEXT [STEPS]\n"), 2;
  const Text text(argv[1]);
  const int steps = argc > 2 ? std::atoi(argv[2]) : 1000;
  const auto letters = int64_t(text.letters.size());
  if (int64_t(text.numbers.size()) < 2 * kLength)
    return std::fprintf(stderr, "%s is too short\n", argv[1]), 2;
  seed(1);
  std::mt19937 chance(1);

  const Symbol symbol = network(letters);
  const std::vector<std::string> names = symbol.arguments();
  Executor net = bound(symbol, kBatch, kLength, true);
  const auto at = [&](const char* name) {
    return net.args()[size_t(std::find(names.begin(), names.end(), name) - names.begin())];
  };
  Arrays weights;
  std::vector<std::array<NDArray, 4>> learned;  // weight, gradient, mean and variance of Adam
  for (size_t i = 0; i < names.size(); ++i) {
    const NDArray &w = net.args()[i], &g = net.grads()[i];
    if (!g) continue;
    copy(op::_random_uniform({.low = -0.08, .high = 0.08, .shape = w.shape()}), w);
    weights[names[i]] = w;
    learned.push_back({w, g, op::zeros_like(w), op::zeros_like(w)});
  }

  std::vector<float> data(kBatch * kLength), label(kBatch * kLength),
      out(size_t(kBatch * kLength * letters));
  double loss = 0;
  for (int step = 1; step <= steps; ++step) {
    for (int64_t b = 0; b < kBatch; ++b) {
      const size_t from = chance() % (text.numbers.size() - kLength);
      for (int64_t t = 0; t < kLength; ++t) {
        data[size_t(b * kLength + t)] = text.numbers[from + size_t(t)];
        label[size_t(b * kLength + t)] = text.numbers[from + size_t(t) + 1];
      }
    }
    at("data").copy_from(data.data());
    at("label").copy_from(label.data());
    net.forward(true);
    net.backward();
    for (auto& [w, g, mean, variance] : learned)
      op::adam_update({w, g, mean, variance},
                      {.lr = 0.004, .rescale_grad = 1.0 / double(kBatch), .clip_gradient = 5.0}, w);
    if (step % 50 && step != steps) continue;
    net.outputs()[0].copy_to(out.data());
    loss = 0;
    for (int64_t t = 0; t < kLength; ++t)  // rows are (length, batch)
      for (int64_t b = 0; b < kBatch; ++b)
        loss -= std::log(
            out[size_t((t * kBatch + b) * letters) + size_t(label[size_t(b * kLength + t)])] +
            1e-10f);
    loss /= double(kBatch * kLength);
    std::printf("step %d: perplexity %.2f of %d letters\n", step, std::exp(loss), int(letters));
  }

  // Writes: one character in, one out as likely as the network finds it, with the state carried on.
  Executor writer = bound(network(letters), 1, 1, false, weights);
  const auto of_writer = [&](const char* name) {
    return writer.args()[size_t(std::find(names.begin(), names.end(), name) - names.begin())];
  };
  std::vector<float> scores(static_cast<size_t>(letters));
  float letter = text.numbers[0];
  std::string written;
  for (int i = 0; i < 80; ++i) {
    of_writer("data").copy_from(&letter);
    writer.forward(false);
    writer.outputs()[0].copy_to(scores.data());
    copy(writer.outputs()[1], of_writer("state"));
    copy(writer.outputs()[2], of_writer("state_cell"));
    letter = float(std::discrete_distribution<int>(scores.begin(), scores.end())(chance));
    written += text.letters[size_t(letter)];
  }
  std::printf("wrote: %s\n", written.c_str());
}
