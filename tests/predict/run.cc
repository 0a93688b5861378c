// Runs a saved network with the predictor alone: run SYMBOL PARAMS INPUT OUTPUT NAME DIM...
// INPUT holds float32 numbers; OUTPUT gets those of the first output. What fails goes to stderr,
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
  if (code != 0) stop(heddle_predict_error());
}

int main(int argc, char** argv) {
  if (argc < 7) return 2;
  expect(heddle_predict_on_error(stop));
  const std::string json = read(argv[1]), params = read(argv[2]), numbers = read(argv[3]);
  std::vector<int64_t> shape;
  for (int i = 6; i < argc; ++i) shape.push_back(std::atoll(argv[i]));
  const char* const name = argv[5];
  const int64_t* const dims = shape.data();
  const int rank = int(shape.size());
  HeddlePredictor* predictor = nullptr;
  expect(heddle_predict_create(json.c_str(), params.data(), params.size(), 1, &name, &dims, &rank,
                               &predictor));
  const auto* data = reinterpret_cast<const float*>(numbers.data());
  const size_t count = numbers.size() / sizeof(float);
  int rank_out = 0, outputs = 0;
  const int64_t* shape_out = nullptr;
  expect(heddle_predict_outputs(predictor, &outputs));
  expect(heddle_predict_output_shape(predictor, 0, &shape_out, &rank_out));
  size_t size = 1;
  for (int i = 0; i < rank_out; ++i) size *= size_t(shape_out[i]);
  std::vector<float> out(size);
  for (int again = 0; again < 2; ++again) {  // a second run must not see traces of the first
    expect(heddle_predict_set_input(predictor, name, data, count));
    expect(heddle_predict_forward(predictor));
    expect(heddle_predict_output(predictor, 0, out.data(), size));
  }
  heddle_predict_free(predictor);
  std::ofstream(argv[4], std::ios::binary)
      .write(reinterpret_cast<const char*>(out.data()), std::streamsize(size * sizeof(float)));
}
