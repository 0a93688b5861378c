// The C face of arrays, of calls on them, and of autograd.
#include <algorithm>
#include <array>

#include "capi/handles.h"
#include "heddle/imperative.h"
#include "operator/variadic.h"

namespace heddle::capi {

// The last calls of this thread, so that their parameters are read once: a training loop makes the
// same ones over and over.
class RecentCalls {
 public:
  OpCallRef find(std::string_view name, const char* const* params, int inputs) {
    key_.assign(reinterpret_cast<const char*>(&inputs), sizeof inputs);  // a parameter of some
    key_ += name;
    for (const char* const* p = params; p && *p; ++p) (key_ += '\0') += *p;
    for (const auto& [key, call] : kept_)
      if (key == key_) return call;
    const OpDef& op = OpTable::get().at(name);
    OpCallRef call = make(op, params, inputs);
    if (op.stateful) return call;
    auto& place = kept_[next_++ % kept_.size()];
    return (place = {key_, std::move(call)}).second;
  }

 private:
  static OpCallRef make(const OpDef& op, const char* const* params, int inputs) {
    Kwargs kwargs = params_of(params);
    count_inputs(op, kwargs, size_t(inputs));
    return make_call(op, std::move(kwargs));
  }
  std::string key_;
  std::array<std::pair<std::string, OpCallRef>, 32> kept_;
  size_t next_ = 0;
};

void run(const char* op, hd_array* const* inputs, int input_count, const char* const* params,
         hd_array** outputs, int* count) {
  thread_local PerThread<RecentCalls> recent;
  check_count(input_count, inputs, "inputs");
  check_count(need(count, "count"), outputs, "outputs");
  const OpCallRef call = recent->find(&need(op, "the operator"), params, input_count);
  const int visible = call->visible_outputs;
  check(*count >= visible, "[{}] found room for {} outputs, expected at least {}", call->op->name,
        *count, visible);
  std::vector<const NDArray*> in;
  in.reserve(size_t(input_count));
  for (int i = 0; i < input_count; ++i) {
    check(inputs[i] != nullptr, "[C] input {} of {} is null", i, call->op->name);
    in.push_back(&inputs[i]->value);
  }
  std::vector<NDArray> out(static_cast<size_t>(visible));
  for (int i = 0; i < visible; ++i)
    if (outputs[i]) out[i] = outputs[i]->value;
  invoke(call, in, out);
  std::vector<std::unique_ptr<hd_array>> made;  // all of them, or none
  for (int i = 0; i < visible; ++i)
    made.push_back(outputs[i] ? nullptr : std::make_unique<hd_array>());
  for (int i = 0; i < visible; ++i) {
    if (made[i]) outputs[i] = made[i].release();
    outputs[i]->value = std::move(out[i]);  // with its mark on the tape
  }
  *count = visible;
}

void backward(hd_array* const* heads, int count, const hd_backward_options& o) {
  const std::vector<NDArray> from = arrays_of(heads, count, "heads");
  std::vector<NDArray> grads;
  if (o.head_grads)
    for (int i = 0; i < count; ++i)
      grads.push_back(o.head_grads[i] ? o.head_grads[i]->value : NDArray());
  if (!o.variables) return autograd::backward(from, grads, o.retain_graph, !o.predicting);
  const auto variables = arrays_of(o.variables, o.variable_count, "variables");
  check_count(o.variable_count, o.gradients, "places for gradients");
  auto found =
      autograd::grad(from, variables, grads, o.retain_graph, o.create_graph, !o.predicting);
  std::vector<std::unique_ptr<hd_array>> made;
  for (NDArray& g : found) made.push_back(std::make_unique<hd_array>(std::move(g)));
  for (size_t i = 0; i < made.size(); ++i) o.gradients[i] = made[i].release();
}

}  // namespace heddle::capi

using namespace heddle;
using capi::array_of, capi::give, capi::guarded, capi::need, capi::PerThread, capi::TextList;

extern "C" {

int hd_array_create(const int64_t* shape, int rank, int dtype, const char* device, hd_array** out) {
  return give(out, [&] {
    const Shape s = capi::shape_of(shape, rank);
    check(s.known(), "[C] an array has shape {}, expected all of it", s);
    return NDArray(s, capi::device_of(device), capi::dtype_of(dtype));
  });
}

int hd_array_borrow(void* data, const int64_t* shape, int rank, int dtype,
                    void (*release)(void* user), void* user, hd_array** out) {
  return give(out, [&] {
    const Shape s = capi::shape_of(shape, rank);
    check(s.known(), "[C] an array has shape {}, expected all of it", s);
    check(data != nullptr || s.size() == 0, "[C] the memory of the array is null");
    const Dtype d = capi::dtype_of(dtype);
    // From here on the memory is the array's: what fails now releases it.
    std::shared_ptr<void> owner;
    if (release) owner = std::shared_ptr<void>(user, release);
    return NDArray::wrap(data, s, d, {}, std::move(owner));
  });
}

int hd_array_describe(const hd_array* array, hd_array_info* info) {
  return guarded([&] {
    struct Named {
      Device device;
      std::string name = format("{}", device);
    };
    thread_local PerThread<Named> device;
    const NDArray& a = array_of(array);
    if (device->device != a.device()) *device = {a.device()};
    capi::hand_out(info,
                   {.size = 0,
                    .dtype = int(a.dtype()),
                    .rank = a.shape().rank(),
                    .shape = a.shape().begin(),
                    .elements = a.size(),
                    .bytes = a.bytes(),
                    .device = device->name.c_str()},
                   "hd_array_info");
  });
}

int hd_array_read(const hd_array* array, void* data, size_t bytes) {
  return guarded([&] {
    const NDArray& a = array_of(array);
    check(size_t(a.bytes()) == bytes, "[C] the array has {} bytes, found room for {}", a.bytes(),
          bytes);
    if (bytes > 0) a.copy_to(&need(static_cast<char*>(data), "data"));
  });
}

int hd_array_write(hd_array* array, const void* data, size_t bytes) {
  return guarded([&] {
    const NDArray& a = array_of(array);
    check(size_t(a.bytes()) == bytes, "[C] the array has {} bytes, found {}", a.bytes(), bytes);
    autograd::check_inplace(a);
    if (bytes > 0) a.copy_from(&need(static_cast<const char*>(data), "data"));
  });
}

int hd_array_data(const hd_array* array, const void** data) {
  return guarded([&] {
    const NDArray& a = array_of(array);
    need(data, "data");
    check(a.device().kind == Device::kCpu || a.device().kind == Device::kPinned,
          "[C] the array is on {}, expected one on the CPU", a.device());
    a.wait_to_read();
    *data = a.blob().data;
  });
}

int hd_array_slice(const hd_array* array, int64_t begin, int64_t end, hd_array** out) {
  return give(out, [&] { return array_of(array).slice(begin, end); });
}

int hd_array_reshape(const hd_array* array, const int64_t* shape, int rank, hd_array** out) {
  return give(out, [&] { return array_of(array).reshape(capi::shape_of(shape, rank)); });
}

int hd_array_detach(const hd_array* array, hd_array** out) {
  return give(out, [&] { return array_of(array).detach(); });
}

int hd_arrays_save(const char* path, hd_array* const* arrays, const char* const* names, int count,
                   const void** bytes, size_t* size) {
  return guarded([&] {
    NamedArrays all{.arrays = capi::arrays_of(arrays, count, "arrays"), .names = {}};
    for (int i = 0; names && i < count; ++i) all.names.emplace_back(&need(names[i], "a name"));
    if (path) return save_arrays(path, all);
    thread_local PerThread<std::string> kept;
    need(bytes, "bytes"), need(size, "size");
    *kept = save_arrays_to_bytes(all);
    *bytes = kept->data();
    *size = kept->size();
  });
}

int hd_arrays_load(const char* path, const void* bytes, size_t size, hd_array* const** arrays,
                   const char* const** names, int* count) {
  return guarded([&] {
    need(arrays, "arrays"), need(count, "count");
    NamedArrays found = path
                            ? load_arrays(path)
                            : load_arrays_from_bytes(
                                  {&need(static_cast<const char*>(bytes), "bytes"), size}, "bytes");
    thread_local PerThread<std::vector<hd_array*>> kept;
    thread_local PerThread<TextList> texts;
    std::vector<std::unique_ptr<hd_array>> made;
    for (NDArray& a : found.arrays)
      made.push_back(a ? std::make_unique<hd_array>(std::move(a)) : nullptr);
    kept->resize(made.size());
    texts->set(std::move(found.names));
    std::transform(made.begin(), made.end(), kept->begin(), [](auto& a) { return a.release(); });
    *arrays = kept->data();
    *count = int(kept->size());
    if (names) *names = texts->size() ? texts->data() : nullptr;
  });
}

int hd_invoke(const char* op, hd_array* const* inputs, int input_count, const char* const* params,
              hd_array** outputs, int* count) {
  return guarded([&] { capi::run(op, inputs, input_count, params, outputs, count); });
}

int hd_autograd_mode(int recording, int training, int* was_recording, int* was_training) {
  return guarded([&] {
    const bool r = autograd::is_recording(), t = autograd::is_training();
    if (recording >= 0) autograd::set_recording(recording != 0);
    if (training >= 0) autograd::set_training(training != 0);
    if (was_recording) *was_recording = r;
    if (was_training) *was_training = t;
  });
}

int hd_autograd_mark(hd_array* variable, const hd_array* gradient, int grad) {
  return guarded([&] {
    need(variable, "the variable");
    autograd::mark_variable(variable->value, gradient ? gradient->value : NDArray(),
                            capi::grad_of(grad, GradReq::kWrite));
  });
}

int hd_autograd_backward(hd_array* const* heads, int count, const hd_backward_options* options) {
  return guarded(
      [&] { capi::backward(heads, count, capi::taken(options, "hd_backward_options")); });
}

}  // extern "C"
