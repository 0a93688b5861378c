// Eager calls: infer, make the outputs, run, and put the call on the tape.
#include "heddle/imperative.h"

#include <algorithm>

#include "executor/call.h"
#include "executor/tape.h"
#include "ndarray/chunk.h"
#include "operator/variadic.h"

namespace heddle {

namespace imperative {

bool same_place(Device a, Device b) {
  auto host = [](Device d) { return d.kind == Device::kCpu || d.kind == Device::kPinned; };
  return a == b || (host(a) && host(b));
}

void check_inputs(const OpCall& call, std::span<const NDArray* const> in) {
  if (in.size() != call.inputs.size()) {
    std::string names;
    for (const Input& i : call.inputs) names += (names.empty() ? ": " : ", ") + i.name;
    fail("[{}] found {} inputs, expected {}{}", call.op->name, in.size(), call.inputs.size(),
         names);
  }
  for (size_t i = 0; i < in.size(); ++i) {
    check(in[i] && *in[i], "[{}] {} is missing", call.op->name, call.inputs[i].name);
    check(
        same_place(in[i]->device(), in[0]->device()),
        "[{}] requires all inputs live on the same context. But the first argument is on {} while "
        "the {}-th argument is on {}",
        call.op->name, in[0]->device(), i + 1, in[i]->device());
  }
}

// Where the inputs are; without inputs where the result is wanted.
Device device_of(const OpCall& call, std::span<const NDArray* const> in,
                 std::span<const NDArray> given, Device fallback) {
  if (!in.empty()) return in[0]->device();
  for (const NDArray& a : given)
    if (a) return a.device();
  auto ctx = call.kwargs.find("ctx");
  return ctx == call.kwargs.end() ? fallback : device_from_name(ctx->second, fallback);
}

// Before the call: with an output that already stands on the tape, MXNet refuses to record.
void check_writes(const OpCall& call, std::span<const NDArray* const> in,
                  std::span<const NDArray> given) {
  const bool taped = tape::reaches(in);
  for (const NDArray& a : given) {
    autograd::check_inplace(a);
    check(!taped || !a || !a.is_view(),
          "[{}] while autograd records, its output cannot be written into a view: the array that "
          "the view belongs to would not know of it. Write to a part of that array (a[begin:end] = "
          "...), or outside of autograd.record()",
          call.op->name);
  }
  for (size_t i = 0; i < in.size(); ++i)
    check(in[i]->tape || !in[i]->left_behind(),
          "[{}] {} is a view of an array that was written while autograd recorded: it would stand "
          "for a constant. Take the view again, or detach() it",
          call.op->name, call.inputs[i].name);
  for (size_t i = 0; call.mutates && i < in.size(); ++i)
    if (call.inputs[i].role == Role::kMutate && !call.inputs[i].same_value)
      autograd::check_inplace(*in[i]);
}

bool reads_output(const OpCall& call, int i) {
  for (const Ref& r : call.reads)
    if (r.kind == Ref::kY && r.index == i && !r.shape_only) return true;
  return false;
}

// Operators whose extents only the kernel knows: the call waits for the kernel.
void invoke_dynamic(const OpCallRef& call, std::span<const NDArray* const> in,
                    const CallTypes& types, std::span<NDArray> out, Device device, bool training) {
  struct Open {
    OpCallRef call;
    std::vector<NDArray> in, out;
    std::vector<ValueInfo> types;
    bool training;
    uint64_t seed;
    void run(RunContext& where) {
      OpContext ctx(where.device, where.stream, training, {}, seed);
      auto allocate = [this](int i, Shape shape) {
        const MemoryName named(call->op->name.c_str());
        out[i] = NDArray(shape, in.empty() ? Device{} : in[0].device(), types[i].dtype);
        return out[i].blob();
      };
      ctx.allocate_ = allocate;
      std::vector<Blob> ins, outs;
      for (const NDArray& a : in) ins.push_back(a.blob());
      for (const ValueInfo& v : types) outs.push_back({nullptr, v.shape, v.dtype, where.device});
      run_kernel(*call, ctx, ins, outs);
    }
  };
  auto open = std::make_shared<Open>();
  open->call = call;
  open->types = types.out;
  open->training = training;
  open->seed = call->draws(training) ? next_seed(device) : 0;
  open->out.resize(out.size());
  const Var done = Var::make();
  Task task{.name = call->op->name.c_str(), .device = device, .place = current_place()};
  task.uses.push_back({done, Access::kOverwrite});
  for (size_t i = 0; i < in.size(); ++i) {
    open->in.push_back(in[i]->detach());
    const bool reads = call->inputs[i].role == Role::kRead;
    task.uses.push_back({in[i]->var(), reads ? Access::kRead : Access::kUpdate});
  }
  task.run = [open](RunContext& where) { open->run(where); };
  Engine::get().push(std::move(task));
  Engine::get().wait(done);
  for (size_t i = 0; i < out.size(); ++i) {
    check(bool(open->out[i]), "[{}] did not give output {} its extent", call->op->name, i);
    if (out[i]) copy(open->out[i], out[i]);
    else out[i] = open->out[i];
  }
}

// Makes the outputs that are wanted and not there yet. True when some were there.
bool make_outputs(const OpCall& call, const CallTypes& types, std::span<NDArray> out, Device device,
                  bool taped) {
  bool given = false;
  const MemoryName named(call.op->name.c_str());
  for (size_t i = 0; i < out.size(); ++i) {
    const ValueInfo& v = types.out[i];
    if (out[i]) {
      check(out[i].shape() == v.shape && out[i].dtype() == v.dtype,
            "[{}] out has shape {} and dtype {}, expected {} and {}", call.op->name, out[i].shape(),
            out[i].dtype(), v.shape, v.dtype);
      given = true;
    } else if (!call.outputs[i].hidden || (taped && reads_output(call, int(i)))) {
      out[i] = NDArray(v.shape, device, v.dtype);
    }
  }
  return given;
}

// Transfers are the operators whose output may be on another device than their input.
bool copies_between_devices(const OpCall& call, std::span<const NDArray* const> in,
                            std::span<const NDArray> out) {
  for (const NDArray& o : out) {
    if (!o || in.empty() || same_place(o.device(), in[0]->device())) continue;
    check(call.op->meaning == Meaning::kTransfer,
          "[{}] out is on {}, expected {}, where the inputs are", call.op->name, o.device(),
          in[0]->device());
    return true;
  }
  return false;
}

// The inputs of a recorded call that writes over what its gradient will read: those are copied.
class Kept {
 public:
  Kept(const OpCall& call, std::span<const NDArray* const> in, std::span<const NDArray> out)
      : in_(in.begin(), in.end()) {
    copies_.reserve(in.size());
    for (const Ref& r : call.reads) {
      if (r.kind != Ref::kX || in_[r.index] != in[r.index]) continue;
      const NDArray& a = *in[r.index];
      if (call.inputs[r.index].role != Role::kRead || !is_written(a, out)) continue;
      NDArray& copied = copies_.emplace_back(a.shape(), a.device(), a.dtype());
      copy(a, copied);
      copied.tape = a.tape;
      in_[r.index] = &copied;
    }
  }
  std::span<const NDArray* const> inputs() const { return in_; }

 private:
  static bool is_written(const NDArray& a, std::span<const NDArray> out) {
    for (const NDArray& o : out)
      if (o && o.shares_memory(a)) return true;
    return false;
  }
  std::vector<const NDArray*> in_;
  std::vector<NDArray> copies_;
};

void run_and_record(const OpCallRef& call, std::span<const NDArray* const> in,
                    std::span<NDArray> out, const CallTypes& types, Device device, bool training,
                    bool taped) {
  if (call->op->dynamic_shape) {
    invoke_dynamic(call, in, types, out, device, training);
  } else {
    const bool given = make_outputs(*call, types, out, device, taped);
    if (given && copies_between_devices(*call, in, out)) copy(*in[0], out[0]);
    else run({call, in, out, types.out, device, training, given, types.bytes});
  }
  if (!taped) return;
  if (!call->op->dynamic_shape) return tape::record(call, in, out, types.out, training);
  std::vector<ValueInfo> found;
  for (const NDArray& a : out) found.push_back(info_of(a));
  tape::record(call, in, out, found, training);
}

// `out`: one place per output, hidden ones too.
void apply(const OpCallRef& call, std::span<const NDArray* const> in, std::span<NDArray> out,
           const CallTypes& types, Device device) {
  const bool training = autograd::is_training();
  const bool taped = autograd::is_recording() && tape::reaches(in);
  bool given = false;
  for (const NDArray& o : out) given = given || o;
  if (!taped || !given) return run_and_record(call, in, out, types, device, training, taped);
  for (const NDArray& o : out)
    if (o) memory_of(o).note_recorded_write();
  const Kept kept(*call, in, out);
  run_and_record(call, kept.inputs(), out, types, device, training, taped);
}

// The calls that a composed one stands for, one after the other.
void invoke_parts(const OpCall& call, std::span<const NDArray* const> inputs,
                  std::vector<NDArray>& out, Device device) {
  std::vector<NDArray> values;
  values.reserve(inputs.size() + call.parts.size());
  for (const NDArray* a : inputs) values.push_back(*a);
  out.resize(call.results.size());
  for (const OpCall::Part& part : call.parts) {
    std::vector<const NDArray*> in;
    for (int v : part.inputs) in.push_back(&values[size_t(v)]);
    std::vector<NDArray> made;
    const bool last =
        &part == &call.parts.back();  // nothing is read after it: it may write to `out`
    for (size_t k = 0; last && k < part.call->outputs.size(); ++k) {
      if (part.call->outputs[k].hidden) continue;
      const auto asked =
          std::find(call.results.begin(), call.results.end(), int(values.size() + k));
      made.push_back(asked == call.results.end() ? NDArray()
                                                 : out[size_t(asked - call.results.begin())]);
    }
    invoke(part.call, in, made, device);
    for (size_t k = 0, next = 0; k < part.call->outputs.size(); ++k)
      values.push_back(part.call->outputs[k].hidden ? NDArray() : std::move(made[next++]));
  }
  for (size_t r = 0; r < out.size(); ++r) {
    const NDArray& found = values[size_t(call.results[r])];
    if (out[r] && !out[r].shares_memory(found)) {
      autograd::check_inplace(out[r]);
      copy(found, out[r]);
    }
    if (!out[r]) out[r] = found;
    else out[r].tape = found.tape;
  }
}

}  // namespace imperative

void invoke(const OpCallRef& call, std::span<const NDArray* const> inputs,
            std::vector<NDArray>& out, Device device) {
  namespace i = imperative;
  i::check_inputs(*call, inputs);
  check(out.size() <= size_t(call->visible_outputs), "[{}] found {} outputs, expected {}",
        call->op->name, out.size(), call->visible_outputs);
  if (!call->parts.empty()) return i::invoke_parts(*call, inputs, out, device);
  if (autograd::is_recording()) i::check_writes(*call, inputs, out);
  const auto held = types_of(call, inputs, out, autograd::is_training());
  const CallTypes& types = *held;
  const Device where = i::device_of(*call, inputs, out, device);
  out.resize(call->visible_outputs);
  if (call->outputs.size() == out.size()) return i::apply(call, inputs, out, types, where);
  std::vector<NDArray> all(call->outputs.size());
  for (size_t k = 0, next = 0; k < all.size(); ++k)
    if (!call->outputs[k].hidden) all[k] = std::move(out[next++]);
  i::apply(call, inputs, all, types, where);
  for (size_t k = 0, next = 0; k < all.size(); ++k)
    if (!call->outputs[k].hidden) out[next++] = std::move(all[k]);
}

std::vector<NDArray> invoke(std::string_view op, const std::vector<NDArray>& inputs, Kwargs kwargs,
                            Device device) {
  std::vector<const NDArray*> in;
  for (const NDArray& a : inputs) in.push_back(&a);
  const OpDef& def = OpTable::get().at(op);
  count_inputs(def, kwargs, in.size());
  std::vector<NDArray> out;
  invoke(make_call(def, std::move(kwargs)), in, out, device);
  return out;
}

}  // namespace heddle
