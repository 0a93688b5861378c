// What the functions of heddle's own C interface share.
#pragma once
#include <memory>

#include "base/c_structs.h"
#include "heddle/c_predict_api.h"
#include "predict/model.h"

struct hd_model {
  std::shared_ptr<const heddle::predict::Model> value;
};

namespace heddle::predict {

InputTypes inputs_of(const hd_input* inputs, int count);
hd_output output_of(const char* name, const Blob& b);
// Copies `bytes` bytes into an input, which must have as many.
void copy_in(std::string_view name, const Blob& input, const void* data, size_t bytes);

}  // namespace heddle::predict
