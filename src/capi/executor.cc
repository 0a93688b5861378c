// The C face of executors.
#include "capi/handles.h"

struct hd_executor final : heddle::capi::Handle {
  explicit hd_executor(heddle::Executor e) : value(std::move(e)) {
    arguments.set(value.args());
    auxiliary.set(value.aux());
    outputs.set(value.outputs());
    gradients.set(value.grads());
  }
  heddle::Executor value;
  heddle::capi::ArrayList arguments, auxiliary, outputs, gradients;
};

namespace heddle::capi {

void add_variables(BindSpec& spec, const std::vector<hd_variable>& variables, const Symbol& s) {
  const std::vector<std::string> states = s.auxiliary_states();
  for (const hd_variable& v : variables) {
    const bool state = std::find(states.begin(), states.end(), v.name) != states.end();
    if (v.array) {
      (state ? spec.aux : spec.args)[v.name] = v.array->value;
    } else if (v.shape) {
      spec.shapes[v.name] = shape_of(v.shape, v.rank);
      if (v.dtype != HD_UNKNOWN) spec.dtypes[v.name] = dtype_of(v.dtype);
    }
    if (v.gradient) spec.grads[v.name] = v.gradient->value;
    if (v.grad != HD_GRAD_DEFAULT) spec.grad_req[v.name] = grad_of(v.grad, GradReq::kWrite);
  }
}

Executor bind(const Symbol& s, const std::vector<hd_variable>& variables,
              const hd_bind_options& o) {
  BindSpec spec;
  spec.device = device_of(o.device);
  spec.training = !o.predicting;
  spec.default_req = grad_of(o.grad, GradReq::kWrite);
  for (const auto& [group, device] : params_of(o.groups))
    spec.groups[group] = device_of(device.c_str());
  add_variables(spec, variables, s);
  return Executor::bind(s, std::move(spec));
}

}  // namespace heddle::capi

using namespace heddle;
using capi::give, capi::guarded, capi::need, capi::PerThread;

extern "C" {

int hd_bind(const hd_symbol* symbol, const hd_variable* variables, int count,
            const hd_bind_options* options, hd_executor** out) {
  return give(out, [&] {
    return capi::bind(need(symbol, "the symbol").value, capi::variables_of(variables, count),
                      capi::taken(options, "hd_bind_options"));
  });
}

int hd_executor_forward(hd_executor* executor, int training) {
  return guarded([&] { need(executor, "the executor").value.forward(training != 0); });
}

int hd_executor_backward(hd_executor* executor, hd_array* const* head_grads, int count) {
  return guarded([&] {
    need(executor, "the executor")
        .value.backward(capi::arrays_of(head_grads, count, "head gradients"));
  });
}

int hd_executor_arrays(const hd_executor* executor, int kind, hd_array* const** arrays,
                       int* count) {
  return guarded([&] {
    const hd_executor& e = need(executor, "the executor");
    const capi::ArrayList* const list = kind == HD_ARGUMENTS   ? &e.arguments
                                        : kind == HD_AUXILIARY ? &e.auxiliary
                                        : kind == HD_OUTPUTS   ? &e.outputs
                                        : kind == HD_GRADIENTS ? &e.gradients
                                                               : nullptr;
    check(list != nullptr,
          "[C] an executor has no arrays of kind {}, expected HD_ARGUMENTS, HD_AUXILIARY, "
          "HD_OUTPUTS or HD_GRADIENTS",
          kind);
    need(arrays, "arrays"), need(count, "count");
    *arrays = list->data();
    *count = list->size();
  });
}

int hd_executor_reshape(const hd_executor* executor, const hd_variable* shapes, int count,
                        int partial_shaping, int up_sizing, hd_executor** out) {
  return give(out, [&] {
    std::map<std::string, Shape, std::less<>> all;
    for (const hd_variable& v : capi::variables_of(shapes, count)) {
      check(v.shape != nullptr, "[reshape] '{}' has no shape", v.name);
      all[v.name] = capi::shape_of(v.shape, v.rank);
    }
    return need(executor, "the executor").value.reshape(all, partial_shaping != 0, up_sizing != 0);
  });
}

int hd_executor_monitor(hd_executor* executor, hd_monitor monitor, void* user, int inputs_too) {
  return guarded([&] {
    Executor& e = need(executor, "the executor").value;
    if (!monitor) return e.monitor(nullptr);
    e.monitor(
        [monitor, user](std::string_view name, const NDArray& value) {
          hd_array array(value);
          monitor(user, std::string(name).c_str(), &array);
        },
        inputs_too != 0);
  });
}

int hd_executor_describe(const hd_executor* executor, const char** text) {
  return guarded([&] {
    thread_local PerThread<std::string> kept;
    *kept = need(executor, "the executor").value.describe();
    need(text, "text") = kept->c_str();
  });
}

}  // extern "C"
