// What becomes of model files from anywhere: -symbol.json, a zero byte, .params. Every call must
// return: 0 or -1, in no more memory than the buffer and some times the input. For libFuzzer
// (clang++ -fsanitize=fuzzer,address,undefined) and for driver.cc beside it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "heddle_predict.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kBuffer = size_t{4} << 20;
  static void* const buffer = std::aligned_alloc(64, kBuffer);
  const void* const end = std::memchr(data, 0, size);
  const size_t length = end ? size_t(static_cast<const uint8_t*>(end) - data) : size;
  const std::string json(reinterpret_cast<const char*>(data), length);
  // Of their own size, so that a byte too far is found.
  const std::vector<uint8_t> params(data + length + (end ? 1 : 0), data + size);
  static const uint8_t nothing = 0;
  const uint8_t* const bytes = params.empty() ? &nothing : params.data();

  hd_tensors* tensors = nullptr;
  int count = 0;
  if (hd_tensors_create(bytes, params.size(), &tensors, &count) == 0) hd_tensors_free(tensors);
  hd_model* model = nullptr;
  if (hd_model_create(json.c_str(), bytes, params.size(), &model) != 0) return 0;
  // An input that most seeds have, and one of a network without images.
  static const int64_t kImage[] = {2, 3, 8, 8}, kSteps[] = {4, 2, 6};
  const hd_input inputs[] = {{sizeof(hd_input), "data", kImage, 4, 0},
                             {sizeof(hd_input), "data", kSteps, 3, 0}};
  for (const hd_input& input : inputs) {
    hd_predictor* predictor = nullptr;
    if (hd_predictor_create_in(model, &input, 1, nullptr, 0, buffer, kBuffer, &predictor) != 0)
      continue;
    hd_predictor_forward(predictor);
    hd_predictor_free(predictor);
  }
  hd_model_free(model);
  return 0;
}
