// The C face of optimizers.
#include "heddle/optimizer.h"

#include "capi/handles.h"

struct hd_optimizer final : heddle::capi::Handle {
  explicit hd_optimizer(heddle::Optimizer o) : value(std::move(o)) {}
  heddle::Optimizer value;
};

using namespace heddle;
using capi::give, capi::guarded, capi::need, capi::PerThread;

extern "C" {

int hd_optimizer_create(const char* rule, const char* const* params, hd_optimizer** out) {
  return give(out, [&] { return Optimizer(&need(rule, "the rule"), capi::params_of(params)); });
}

int hd_optimizer_update(hd_optimizer* optimizer, const char* const* keys, hd_array* const* weights,
                        hd_array* const* grads, int count, double learning_rate) {
  return guarded([&] {
    Optimizer& o = need(optimizer, "the optimizer").value;
    capi::check_count(count, keys, "keys");
    const auto w = capi::arrays_of(weights, count, "weights");
    const auto g = capi::arrays_of(grads, count, "gradients");
    std::vector<Optimizer::Key> names;
    for (int i = 0; i < count; ++i) names.emplace_back(std::string(&need(keys[i], "a key")));
    if (learning_rate >= 0) o.set_learning_rate(learning_rate);
    o.update(names, w, g);
  });
}

int hd_optimizer_states(hd_optimizer* optimizer, const void* given, size_t given_size,
                        const void** bytes, size_t* size) {
  return guarded([&] {
    Optimizer& o = need(optimizer, "the optimizer").value;
    if (given) return o.states_from_bytes({static_cast<const char*>(given), given_size});
    thread_local PerThread<std::string> kept;
    need(bytes, "bytes"), need(size, "size");
    *kept = o.states_to_bytes();
    *bytes = kept->data();
    *size = kept->size();
  });
}

}  // extern "C"
