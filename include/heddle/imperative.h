// Eager calls and autograd: operators applied to arrays, line by line.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "heddle/ndarray.h"
#include "heddle/op.h"

namespace heddle {

// Applies an operator. `out` is resized to the visible outputs; arrays already in it are written
// (shapes and dtypes must fit), none ones are made on `device` or where the inputs are. Bad shapes,
// dtypes or counts throw here; what fails later surfaces at the wait. When recording, the call goes
// on the tape.
HEDDLE_API void invoke(const OpCallRef& call, std::span<const NDArray* const> inputs,
                       std::vector<NDArray>& out, Device device = {});
HEDDLE_API std::vector<NDArray> invoke(std::string_view op, const std::vector<NDArray>& inputs,
                                       Kwargs kwargs = {}, Device device = {});

// Random operators draw their seeds from here, per device.
HEDDLE_API void seed(uint64_t value);                 // all devices; each gets a stream of its own
HEDDLE_API void seed(uint64_t value, Device device);  // the raw seed
HEDDLE_API uint64_t next_seed(Device device);

namespace autograd {

HEDDLE_API bool is_recording();  // flags of the calling thread
HEDDLE_API bool is_training();
HEDDLE_API bool set_recording(bool on);  // returns the old value
HEDDLE_API bool set_training(bool on);

// Makes `variable` a leaf whose gradient goes to `gradient`. Takes it off the tape it was on.
HEDDLE_API void mark_variable(NDArray& variable, const NDArray& gradient, GradReq req);
HEDDLE_API NDArray gradient_of(const NDArray& variable);  // none when it is not marked
// Whether a backward has written the gradient of a leaf since it was set to false, for trainers
// that want to know.
HEDDLE_API bool gradient_is_fresh(const NDArray& variable);
HEDDLE_API void set_gradient_fresh(const NDArray& variable, bool fresh);
HEDDLE_API bool is_recorded(const NDArray& array);  // on the tape, and not a leaf

// d(sum of heads * head_grads)/d(leaves), into the leaves' gradients. head_grads: none = ones;
// empty = all none. Frees the tape unless retain_graph.
HEDDLE_API void backward(std::span<const NDArray> heads, std::span<const NDArray> head_grads = {},
                         bool retain_graph = false, bool training = true);
// The same for `variables`, returned; marked gradients stay as they are.
HEDDLE_API std::vector<NDArray> grad(std::span<const NDArray> heads,
                                     std::span<const NDArray> variables,
                                     std::span<const NDArray> head_grads = {},
                                     bool retain_graph = false, bool create_graph = false,
                                     bool training = true);

// Puts a call whose outputs the caller has computed on the tape, while recording: they become new
// handles on the same arrays.
HEDDLE_API void record_call(const OpCallRef& call, std::span<const NDArray* const> inputs,
                            std::vector<NDArray>& outputs);

// Throws MXNet's words when an in-place write to `array` would break the tape.
HEDDLE_API void check_inplace(const NDArray& array);

}  // namespace autograd
}  // namespace heddle
