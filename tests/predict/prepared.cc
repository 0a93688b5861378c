// As run.cc; prints whether the file of parameters held the weights as kernels read them, and saves
// such a file beside OUTPUT: prepared SYMBOL PARAMS INPUT OUTPUT NAME DIM...
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "heddle_predict.h"

void stop(const char* text) {
  std::fprintf(stderr, "%s\n", text);
  std::exit(3);
}

void expect(int code) {
  if (code != 0) stop(hd_last_error());
}

void write(const std::string& path, const void* data, size_t bytes) {
  std::ofstream(path, std::ios::binary)
      .write(static_cast<const char*>(data), std::streamsize(bytes));
}

int main(int argc, char** argv) {
  if (argc < 7) return 2;
  expect(hd_on_error(stop));
  std::ifstream file(argv[3], std::ios::binary);
  const std::string numbers{std::istreambuf_iterator<char>(file), {}};
  std::vector<int64_t> shape;
  for (int i = 6; i < argc; ++i) shape.push_back(std::atoll(argv[i]));
  const hd_input input = {sizeof input, argv[5], shape.data(), int(shape.size()), 0};
  hd_model* model = nullptr;
  hd_predictor *first = nullptr, *other = nullptr;
  expect(hd_model_open(argv[1], argv[2], &model));
  expect(hd_predictor_create(model, &input, 1, nullptr, 0, &first));
  hd_model_free(model);
  expect(hd_predictor_share(first, &other));
  hd_output out = {sizeof out, nullptr, nullptr, 0, 0, nullptr, 0};
  int prepared = -1;
  for (hd_predictor* p : {first, other}) {
    expect(hd_predictor_prepared(p, &prepared));
    std::printf("%d ", prepared);
    expect(hd_predictor_set(p, input.name, numbers.data(), numbers.size()));
    expect(hd_predictor_forward(p));
    expect(hd_predictor_output(p, 0, &out));
  }
  write(argv[4], out.data, out.bytes);
  const void* params = nullptr;
  size_t bytes = 0;
  expect(hd_predictor_save(other, &params, &bytes));
  write(std::string(argv[4]) + ".params", params, bytes);
  hd_predictor_free(first);
  hd_predictor_free(other);
}
