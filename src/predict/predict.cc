// The C interface of the predictor: no exception leaves it.
#include <cstring>
#include <exception>
#include <new>

#include "predict/forward.h"
#include "predict/heddle_predict.h"

struct HeddlePredictor {
  heddle::predict::Forward forward;
};

namespace heddle::predict {

std::string& last_error() {
  thread_local std::string text;
  return text;
}

// 0, or -1 with the text of what body() threw.
template <class Body>
int guarded(Body&& body) {
  return attempt<std::exception>([&] { return body(), 0; },
                                 [](std::string_view text) { return last_error() = text, -1; });
}

void check_pointer(const void* p, std::string_view what) {
  check(p != nullptr, "[predict] {} is null", what);
}

const Blob& output_of(const HeddlePredictor* p, int output) {
  check_pointer(p, "the predictor");
  const auto& all = p->forward.outputs();
  check(output >= 0 && size_t(output) < all.size(), "[predict] found output {}, expected 0 to {}",
        output, int(all.size()) - 1);
  return all[size_t(output)];
}

void check_count(std::string_view name, const Blob& b, size_t count) {
  check(size_t(b.size()) == count, "[predict] {} has shape {}, found room for {} numbers", name,
        b.shape, count);
}

}  // namespace heddle::predict

extern "C" {

int heddle_predict_create(const char* json, const void* params, size_t params_bytes, int inputs,
                          const char* const* names, const int64_t* const* shapes, const int* ranks,
                          HeddlePredictor** predictor) {
  using namespace heddle;
  return predict::guarded([&] {
    predict::check_pointer(json, "json");
    predict::check_pointer(params, "params");
    predict::check_pointer(predictor, "the place of the predictor");
    std::map<std::string, Shape> given;
    for (int i = 0; i < inputs; ++i) {
      predict::check_pointer(names[i], "the name of an input");
      given[names[i]] = Shape::of(shapes[i], shapes[i] + ranks[i]);
    }
    *predictor = new HeddlePredictor{
        predict::Forward(json, {static_cast<const char*>(params), params_bytes}, std::move(given))};
  });
}

int heddle_predict_set_input(HeddlePredictor* predictor, const char* name, const float* data,
                             size_t count) {
  using namespace heddle;
  return predict::guarded([&] {
    predict::check_pointer(predictor, "the predictor");
    predict::check_pointer(name, "the name of the input");
    predict::check_pointer(data, "data");
    const Blob& b = predictor->forward.input(name);
    predict::check_count(name, b, count);
    std::memcpy(b.as<float>(), data, count * sizeof(float));
  });
}

int heddle_predict_forward(HeddlePredictor* predictor) {
  using namespace heddle;
  return predict::guarded([&] {
    predict::check_pointer(predictor, "the predictor");
    predictor->forward.run();
  });
}

int heddle_predict_outputs(const HeddlePredictor* predictor, int* count) {
  using namespace heddle;
  return predict::guarded([&] {
    predict::check_pointer(predictor, "the predictor");
    predict::check_pointer(count, "count");
    *count = int(predictor->forward.outputs().size());
  });
}

int heddle_predict_output_shape(const HeddlePredictor* predictor, int output, const int64_t** shape,
                                int* rank) {
  using namespace heddle;
  return predict::guarded([&] {
    const Blob& b = predict::output_of(predictor, output);
    predict::check_pointer(shape, "shape");
    predict::check_pointer(rank, "rank");
    *shape = b.shape.begin();
    *rank = b.shape.rank();
  });
}

int heddle_predict_output(const HeddlePredictor* predictor, int output, float* data, size_t count) {
  using namespace heddle;
  return predict::guarded([&] {
    const Blob& b = predict::output_of(predictor, output);
    predict::check_pointer(data, "data");
    predict::check_count(format("output {}", output), b, count);
    std::memcpy(data, b.as<float>(), count * sizeof(float));
  });
}

void heddle_predict_free(HeddlePredictor* predictor) { delete predictor; }

const char* heddle_predict_error(void) { return heddle::predict::last_error().c_str(); }

int heddle_predict_on_error(void (*handler)(const char* text)) {
  heddle::set_error_handler(handler);
  return 0;
}

}  // extern "C"
