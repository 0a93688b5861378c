// The C interface of the predictor under heddle's names.
#include <cstring>

#include "base/c_errors.h"
#include "base/c_structs.h"
#include "device/scratch.h"
#include "heddle/c_predict_api.h"
#include "predict/handles.h"

struct hd_predictor {
  heddle::predict::Predictor value;
  std::string saved = {};
};
struct hd_tensors {
  std::vector<heddle::NamedTensor> value;
};

namespace heddle::predict {

using c_face::need;

InputTypes inputs_of(const hd_input* inputs, int count) {
  InputTypes all;
  c_face::each_taken(inputs, count, "hd_input", [&](const hd_input& i) {
    need(i.name, "the name of an input");
    check(i.rank >= 0 && (i.shape || i.rank == 0), "[C] input '{}' has no shape", i.name);
    all[i.name] = {Shape::of(i.shape, i.shape + i.rank), Dtype(i.dtype)};
    with_dtype(Dtype(i.dtype), "predict", [](auto) {});  // throws for what is none
  });
  return all;
}

Predictor predictor_of(const hd_model* model, const hd_input* inputs, int input_count,
                       const char* const* outputs, int output_count, Buffer* buffer = nullptr) {
  need(model, "the model");
  std::vector<std::string> names;
  for (int i = 0; outputs && i < output_count; ++i)
    names.emplace_back(&need(outputs[i], "the name of an output"));
  return Predictor(model->value, inputs_of(inputs, input_count), names, buffer);
}

hd_output output_of(const char* name, const Blob& b) {
  return {.size = 0,
          .name = name,
          .shape = b.shape.begin(),
          .rank = b.shape.rank(),
          .dtype = int(b.dtype),
          .data = b.data,
          .bytes = size_t(b.bytes())};
}

void copy_in(std::string_view name, const Blob& input, const void* data, size_t bytes) {
  check(size_t(input.bytes()) == bytes, "[predict] {} has shape {} and {} bytes, found {}", name,
        input.shape, input.bytes(), bytes);
  if (bytes > 0) std::memcpy(input.data, &need(static_cast<const char*>(data), "data"), bytes);
}

}  // namespace heddle::predict

using namespace heddle;
using c_face::guarded, c_face::need;

extern "C" {

int hd_on_error(void (*handler)(const char* text)) {
  set_error_handler(handler);
  return 0;
}

int hd_model_create(const char* json, const void* params, size_t params_bytes, hd_model** out) {
  return guarded([&] {
    need(out, "the place of the model"), need(json, "json");
    std::string_view bytes;
    if (params_bytes > 0) bytes = {&need(static_cast<const char*>(params), "params"), params_bytes};
    *out = new hd_model{std::make_shared<predict::Model>(json, bytes)};
  });
}

int hd_model_open(const char* symbol_file, const char* params_file, hd_model** out) {
  return guarded([&] {
    need(out, "the place of the model");
    const MappedFile json(&need(symbol_file, "the file of the network"));
    auto params = params_file ? std::make_shared<const MappedFile>(params_file) : nullptr;
    *out = new hd_model{std::make_shared<predict::Model>(json.bytes(), std::move(params))};
  });
}

void hd_model_free(hd_model* model) { delete model; }

int hd_predictor_create(const hd_model* model, const hd_input* inputs, int input_count,
                        const char* const* outputs, int output_count, hd_predictor** out) {
  return guarded([&] {
    need(out, "the place of the predictor");
    *out =
        new hd_predictor{predict::predictor_of(model, inputs, input_count, outputs, output_count)};
  });
}

int hd_plan(const hd_model* model, const hd_input* inputs, int input_count,
            const char* const* outputs, int output_count, hd_memory* memory) {
  return guarded([&] {
    constexpr size_t kAlignment = 64;
    const ScratchLoan counted;
    predict::Predictor p = predict::predictor_of(model, inputs, input_count, outputs, output_count);
    p.forward();
    const size_t values = size_t(p.bytes()), scratch = counted.most();
    c_face::hand_out(memory,
                     hd_memory{.size = 0,
                               .params = size_t(model->value->bytes()),
                               .values = values,
                               .scratch = scratch,
                               .buffer = values + scratch + kAlignment},
                     "hd_memory");
  });
}

int hd_predictor_create_in(const hd_model* model, const hd_input* inputs, int input_count,
                           const char* const* outputs, int output_count, void* buffer, size_t bytes,
                           hd_predictor** out) {
  return guarded([&] {
    need(out, "the place of the predictor");
    Buffer from(&need(static_cast<char*>(buffer), "the buffer"), bytes);
    auto p = std::make_unique<hd_predictor>(hd_predictor{
        predict::predictor_of(model, inputs, input_count, outputs, output_count, &from)});
    p->value.forward();  // what scratch memory lacks is found now
    *out = p.release();
  });
}

int hd_predictor_share(const hd_predictor* predictor, hd_predictor** out) {
  return guarded([&] {
    need(out, "the place of the predictor");
    *out = new hd_predictor{need(predictor, "the predictor").value.share()};
  });
}

int hd_predictor_reshape(const hd_predictor* predictor, const hd_input* inputs, int count,
                         hd_predictor** out) {
  return guarded([&] {
    need(out, "the place of the predictor");
    *out = new hd_predictor{
        need(predictor, "the predictor").value.reshape(predict::inputs_of(inputs, count))};
  });
}

void hd_predictor_free(hd_predictor* predictor) { delete predictor; }

int hd_predictor_save(hd_predictor* predictor, const void** params, size_t* bytes) {
  return guarded([&] {
    hd_predictor& p = need(predictor, "the predictor");
    need(params, "params"), need(bytes, "bytes");
    p.saved = p.value.save();
    *params = p.saved.data(), *bytes = p.saved.size();
  });
}

int hd_predictor_prepared(const hd_predictor* predictor, int* prepared) {
  return guarded(
      [&] { need(prepared, "prepared") = need(predictor, "the predictor").value.prepared(); });
}

int hd_predictor_set(hd_predictor* predictor, const char* input, const void* data, size_t bytes) {
  return guarded([&] {
    const std::string_view name = &need(input, "the name of the input");
    predict::copy_in(name, need(predictor, "the predictor").value.input(name), data, bytes);
  });
}

int hd_predictor_forward(hd_predictor* predictor) {
  return guarded([&] { need(predictor, "the predictor").value.forward(); });
}

int hd_predictor_step(hd_predictor* predictor, int step, int* left) {
  return guarded([&] {
    need(left, "left");
    *left = need(predictor, "the predictor").value.step(step);
  });
}

int hd_predictor_output_count(const hd_predictor* predictor, int* count) {
  return guarded([&] {
    need(count, "count");
    *count = need(predictor, "the predictor").value.outputs();
  });
}

int hd_predictor_output(const hd_predictor* predictor, int index, hd_output* output) {
  return guarded([&] {
    const predict::Predictor& p = need(predictor, "the predictor").value;
    const Blob& b = p.output(index);
    c_face::hand_out(output, predict::output_of(p.output_name(index).c_str(), b), "hd_output");
  });
}

int hd_tensors_create(const void* params, size_t bytes, hd_tensors** out, int* count) {
  return guarded([&] {
    need(out, "the place of the arrays"), need(count, "count");
    std::vector<NamedTensor> all =
        read_tensors({&need(static_cast<const char*>(params), "params"), bytes});
    for (NamedTensor& t : all) t.tensor = predict::as_float32(t.tensor);
    *count = int(all.size());
    *out = new hd_tensors{std::move(all)};
  });
}

int hd_tensors_get(const hd_tensors* tensors, int index, hd_output* tensor) {
  return guarded([&] {
    const auto& all = need(tensors, "the arrays").value;
    check(index >= 0 && size_t(index) < all.size(), "[predict] found array {}, expected 0 to {}",
          index, int(all.size()) - 1);
    const NamedTensor& t = all[size_t(index)];
    c_face::hand_out(tensor, predict::output_of(t.name.c_str(), t.tensor.blob), "hd_output");
  });
}

void hd_tensors_free(hd_tensors* tensors) { delete tensors; }

}  // extern "C"
