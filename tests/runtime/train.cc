// Runs a saved network and trains it for one step, with nothing linked but base, device, operator,
// symbol and runtime, serial loops and portable kernels.
//
//   runtime_train SYMBOL PARAMS DATA LABEL BATCH LEARNING_RATE OUT
//
// DATA and LABEL are float32 in C order, of a network whose inputs are "data" (batch, 1, 28, 28)
// and "softmax_label". OUT receives the output of an inference run, then that of the training run,
// then every argument after one step of gradient descent, in the order of the symbol.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "runtime/session.h"

namespace heddle {

std::string read_file(const char* path) {
  std::ifstream in(path, std::ios::binary);
  check(bool(in), "cannot read {}", path);
  return {std::istreambuf_iterator<char>(in), {}};
}

void fill(const Blob& b, const std::string& bytes) {
  check(size_t(b.bytes()) == bytes.size(), "found {} bytes, expected {}", bytes.size(), b.bytes());
  std::memcpy(b.data, bytes.data(), bytes.size());
}

void descend(const Blob& weight, const Blob& gradient, const char* rate) {
  const OpCallRef call = make_call(OpTable::get().at("sgd_update"), {{"lr", rate}});
  const Blob in[] = {weight, gradient};
  Blob out[] = {weight};
  OpContext ctx(Device{}, nullptr, true);
  run_kernel(*call, ctx, in, out);
}

void train(char** args) {
  const int64_t batch = std::atoll(args[5]);
  const Symbol symbol = Symbol::from_json(read_file(args[1]));
  auto params = read_params(read_file(args[2]));
  NetworkSpec spec;
  spec.known["data"].shape = {batch, 1, 28, 28};
  for (const auto& [name, t] : params)
    spec.known[name] = {t.blob.shape, t.blob.dtype, Stype::kDense};
  spec.grad_req = {{"data", GradReq::kNone}, {"softmax_label", GradReq::kNone}};
  Session session(analyse(symbol, std::move(spec)), std::move(params));
  fill(session.variable("data"), read_file(args[3]));
  fill(session.variable("softmax_label"), read_file(args[4]));
  std::ofstream out(args[7], std::ios::binary);
  const auto write = [&](const Blob& b) { out.write(static_cast<char*>(b.data), b.bytes()); };
  session.forward(false);
  write(session.outputs()[0]);
  session.forward(true);
  write(session.outputs()[0]);
  session.backward();
  for (const Network::Variable& v : session.network().variables) {
    if (v.aux || v.req == GradReq::kNone) continue;
    descend(session.variable(v.name), session.gradient(v.name), args[6]);
    write(session.variable(v.name));
  }
}

}  // namespace heddle

int main(int count, char** args) {
  if (count != 8) return std::fputs("expected seven arguments\n", stderr), 2;
  return heddle::attempt([&] { return heddle::train(args), 0; },
                         [](std::string_view text) {
                           std::fprintf(stderr, "%.*s\n", int(text.size()), text.data());
                           return 1;
                         });
}
