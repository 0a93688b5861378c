// Runs a saved network with the predictor alone: run SYMBOL PARAMS INPUT OUTPUT NAME DIM...
// INPUT holds float32 numbers; OUTPUT gets those of the first output, of a second predictor on the
// same weights. What fails goes to stderr,
// and the status is 3.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "heddle_predict.h"

std::string read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void stop(const char* text) {
  std::fprintf(stderr, "%s\n", text);
  std::exit(3);
}

void expect(int code) {
  if (code != 0) stop(hd_last_error());
}

int main(int argc, char** argv) {
  if (argc < 7) return 2;
  expect(hd_on_error(stop));
  const std::string numbers = read(argv[3]);
  std::vector<int64_t> shape;
  for (int i = 6; i < argc; ++i) shape.push_back(std::atoll(argv[i]));
  const hd_input input = {sizeof input, argv[5], shape.data(), int(shape.size()), 0};
  hd_model* model = nullptr;
  hd_predictor *predictor = nullptr, *other = nullptr;
  expect(hd_model_open(argv[1], argv[2], &model));
  expect(hd_predictor_create(model, &input, 1, nullptr, 0, &predictor));
  hd_model_free(model);  // predictors keep what they need
  expect(hd_predictor_share(predictor, &other));
  hd_output out = {sizeof out, nullptr, nullptr, 0, 0, nullptr, 0};
  for (hd_predictor* p : {predictor, predictor, other}) {  // no run sees traces of another
    expect(hd_predictor_set(p, input.name, numbers.data(), numbers.size()));
    expect(hd_predictor_forward(p));
    expect(hd_predictor_output(p, 0, &out));
  }
  std::ofstream(argv[4], std::ios::binary)
      .write(static_cast<const char*>(out.data), std::streamsize(out.bytes));
  hd_predictor_free(predictor);
  hd_predictor_free(other);
}
