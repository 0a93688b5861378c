// The C interface of the predictor: no exception leaves it.
#include <cstring>
#include <exception>
#include <new>

#include "predict/heddle_predict.h"
#include "runtime/session.h"

struct HeddlePredictor {
  heddle::Session session;
  std::vector<std::string> inputs;
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

// Whether a variable is only what losses compare with.
bool is_label(const Graph& g, std::string_view name) {
  bool read = false;
  const std::vector<int> producer = g.producers();
  for (const Graph::Node& n : g.nodes)
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      const Graph::Node& from = g.nodes[producer[n.inputs[i]]];
      if (from.call || from.name != name) continue;
      if (i == 0 || !n.call->op->backward.ignores_head) return false;
      read = true;
    }
  return read;
}

Session bind(std::string_view json, std::string_view bytes,
             const std::map<std::string, Shape, std::less<>>& inputs) {
  auto params = read_params(bytes);
  Symbol symbol = Symbol::from_json(json);
  const Graph graph = Graph::of(symbol);
  NetworkSpec spec{.training = false};
  for (const auto& [name, t] : params)
    spec.known[name] = {t.blob.shape, t.blob.dtype, Stype::kDense};
  for (const auto& [name, shape] : inputs) {
    params.erase(name);
    spec.known[name] = {shape, Dtype::kFloat32, Stype::kDense};
  }
  Network network = analyse(std::move(symbol), std::move(spec));
  for (const auto& [name, shape] : inputs)
    check(network.find(name) >= 0, "[predict] found input '{}', expected a variable of the network",
          name);
  for (const Network::Variable& v : network.variables)
    check(params.contains(v.name) || inputs.contains(v.name) || is_label(graph, v.name),
          "[predict] '{}' is missing, expected it in params or among the inputs", v.name);
  return Session(std::move(network), std::move(params));
}

const Blob& input_of(const HeddlePredictor* p, std::string_view name) {
  check_pointer(p, "the predictor");
  for (const std::string& known : p->inputs)
    if (known == name) return p->session.variable(name);
  fail("[predict] found no input '{}'", name);
}

const Blob& output_of(const HeddlePredictor* p, int output) {
  check_pointer(p, "the predictor");
  const auto& all = p->session.outputs();
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
    std::map<std::string, Shape, std::less<>> given;
    std::vector<std::string> all;
    for (int i = 0; i < inputs; ++i) {
      predict::check_pointer(names[i], "the name of an input");
      given[names[i]] = Shape::of(shapes[i], shapes[i] + ranks[i]);
      all.push_back(names[i]);
    }
    *predictor = new HeddlePredictor{
        predict::bind(json, {static_cast<const char*>(params), params_bytes}, given),
        std::move(all)};
  });
}

int heddle_predict_set_input(HeddlePredictor* predictor, const char* name, const float* data,
                             size_t count) {
  using namespace heddle;
  return predict::guarded([&] {
    predict::check_pointer(name, "the name of the input");
    predict::check_pointer(data, "data");
    const Blob& b = predict::input_of(predictor, name);
    predict::check_count(name, b, count);
    std::memcpy(b.as<float>(), data, count * sizeof(float));
  });
}

int heddle_predict_forward(HeddlePredictor* predictor) {
  using namespace heddle;
  return predict::guarded([&] {
    predict::check_pointer(predictor, "the predictor");
    predictor->session.forward(false);
  });
}

int heddle_predict_outputs(const HeddlePredictor* predictor, int* count) {
  using namespace heddle;
  return predict::guarded([&] {
    predict::check_pointer(predictor, "the predictor");
    predict::check_pointer(count, "count");
    *count = int(predictor->session.outputs().size());
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
