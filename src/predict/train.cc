// The C interface of networks that learn.
#include "base/c_errors.h"
#include "predict/handles.h"
#include "predict/trainer.h"

struct hd_trainer {
  heddle::predict::Trainer value;
  std::string saved = {}, states = {};
};

namespace heddle::predict {

TrainerSpec spec_of(const hd_training* how, const hd_input* inputs, int count) {
  const auto given = c_face::taken(how, "hd_training");
  TrainerSpec spec{.decay = given.wd,
                   .rescale = given.rescale_grad,
                   .clip = given.clip_gradient,
                   .seed = given.seed};
  if (given.rule) spec.rule = given.rule;
  for (const char* const* p = given.params; p && *p; p += 2)
    spec.parameters[*p] = &c_face::need(p[1], "the value of a parameter");
  for (const char* const* p = given.fixed; p && *p; ++p) spec.fixed.insert(*p);
  if (spec.rescale == 0)
    spec.rescale =
        count > 0 && inputs->rank > 0 && *inputs->shape > 0 ? 1 / double(*inputs->shape) : 1;
  return spec;
}

void check_bytes(const Trainer& t, size_t bytes) {
  check(bytes == size_t(t.bytes()), "[train] found {} bytes, expected {}", bytes, t.bytes());
}

}  // namespace heddle::predict

using namespace heddle;
using c_face::guarded, c_face::need;

extern "C" {

int hd_trainer_create(const hd_model* model, const hd_input* inputs, int input_count,
                      const hd_training* how, hd_trainer** out) {
  return guarded([&] {
    need(out, "the place of the trainer");
    const predict::InputTypes types = predict::inputs_of(inputs, input_count);
    *out = new hd_trainer{predict::Trainer(*need(model, "the model").value, types,
                                           predict::spec_of(how, inputs, input_count))};
  });
}

void hd_trainer_free(hd_trainer* trainer) { delete trainer; }

int hd_trainer_set(hd_trainer* trainer, const char* input, const void* data, size_t bytes) {
  return guarded([&] {
    const std::string_view name = &need(input, "the name of the input");
    predict::copy_in(name, need(trainer, "the trainer").value.input(name), data, bytes);
  });
}

int hd_trainer_step(hd_trainer* trainer, double learning_rate) {
  return guarded([&] { need(trainer, "the trainer").value.step(learning_rate); });
}

int hd_trainer_forward(hd_trainer* trainer) {
  return guarded([&] { need(trainer, "the trainer").value.forward(); });
}

int hd_trainer_output_count(const hd_trainer* trainer, int* count) {
  return guarded([&] { need(count, "count") = need(trainer, "the trainer").value.outputs(); });
}

int hd_trainer_output(const hd_trainer* trainer, int index, hd_output* output) {
  return guarded([&] {
    const predict::Trainer& t = need(trainer, "the trainer").value;
    const Blob& b = t.output(index);
    c_face::hand_out(output, predict::output_of(t.output_name(index).c_str(), b), "hd_output");
  });
}

int hd_trainer_parameter_count(const hd_trainer* trainer, int* count) {
  return guarded([&] { need(count, "count") = need(trainer, "the trainer").value.parameters(); });
}

int hd_trainer_parameter(const hd_trainer* trainer, int index, hd_output* parameter) {
  return guarded([&] {
    const predict::Trainer& t = need(trainer, "the trainer").value;
    const Blob& b = t.parameter(index);
    c_face::hand_out(parameter, predict::output_of(t.parameter_name(index).c_str(), b),
                     "hd_output");
  });
}

int hd_trainer_bytes(const hd_trainer* trainer, size_t* bytes) {
  return guarded(
      [&] { need(bytes, "bytes") = size_t(need(trainer, "the trainer").value.bytes()); });
}

int hd_trainer_get(const hd_trainer* trainer, void* values, size_t bytes) {
  return guarded([&] {
    const predict::Trainer& t = need(trainer, "the trainer").value;
    predict::check_bytes(t, bytes);
    t.read(&need(static_cast<char*>(values), "values"));
  });
}

int hd_trainer_put(hd_trainer* trainer, const void* values, size_t bytes) {
  return guarded([&] {
    predict::Trainer& t = need(trainer, "the trainer").value;
    predict::check_bytes(t, bytes);
    t.write(&need(static_cast<const char*>(values), "values"));
  });
}

int hd_trainer_save(hd_trainer* trainer, const void** params, size_t* bytes) {
  return guarded([&] {
    hd_trainer& t = need(trainer, "the trainer");
    need(params, "params"), need(bytes, "bytes");
    t.saved = t.value.save();
    *params = t.saved.data(), *bytes = t.saved.size();
  });
}

int hd_trainer_save_states(hd_trainer* trainer, const void** states, size_t* bytes) {
  return guarded([&] {
    hd_trainer& t = need(trainer, "the trainer");
    need(states, "states"), need(bytes, "bytes");
    t.states = t.value.save_states();
    *states = t.states.data(), *bytes = t.states.size();
  });
}

int hd_trainer_load_states(hd_trainer* trainer, const void* states, size_t bytes) {
  return guarded([&] {
    const char& first = need(static_cast<const char*>(states), "states");
    need(trainer, "the trainer").value.load_states({&first, bytes});
  });
}

}  // extern "C"
