// Runs one operator on arrays: inline when it is small and nothing is in its way, else as a task.
#include "executor/call.h"

#include <new>
#include <type_traits>

#include "executor/start.h"
#include "heddle/imperative.h"
#include "ndarray/chunk.h"

namespace heddle {

namespace call {

// Waking a worker and waiting for it costs as much as work on so many bytes.
constexpr int64_t kSmallBytes = 512 << 10;
constexpr size_t kFewArrays = 8;

// An array as a task holds it: the tape it stands on must not live as long as the task.
struct Operand {
  explicit Operand(const NDArray& a)
      : chunk(a.chunk()), offset(a.offset()), blob{nullptr, a.shape(), a.dtype(), a.device()} {}
  Operand(const ValueInfo& v, Device d) : blob{nullptr, v.shape, v.dtype, d} {}
  Blob resolve() const {
    Blob b = blob;
    if (chunk) b.data = static_cast<char*>(memory_of(*chunk).data()) + offset;
    return b;
  }
  std::shared_ptr<Chunk> chunk;
  int64_t offset = 0;
  Blob blob;
};

struct Pushed {
  OpCallRef call;
  std::vector<Operand> in, out;
  std::vector<uint8_t> wanted;
  bool training;
  uint64_t seed;

  void run(RunContext& where) const {
    std::vector<Blob> ins, outs;
    ins.reserve(in.size()), outs.reserve(out.size());
    for (const Operand& o : in) ins.push_back(o.resolve());
    for (const Operand& o : out) outs.push_back(o.resolve());
    OpContext ctx(where.device, where.stream, training, wanted, seed);
    run_kernel(*call, ctx, ins, outs);
  }
};

// Hands the variables of the call to add(var, access). An array that is read and overwritten in one
// call is updated: what it held matters.
template <class Add>
void each_use(const ArrayCall& c, Add&& add) {
  for (size_t i = 0; i < c.in.size(); ++i) {
    const bool reads = c.call->inputs[i].role == Role::kRead;
    add(c.in[i]->var(), reads ? Access::kRead : Access::kUpdate);
  }
  for (const NDArray& o : c.out) {
    if (!o) continue;
    Access access = o.write_access();
    if (c.given)
      for (const NDArray* a : c.in)
        if (a->shares_memory(o)) access = Access::kUpdate;
    add(o.var(), access);
  }
}

// Blobs on the stack, made in place: a small call allocates nothing but its outputs.
class FewBlobs {
 public:
  void add(void* data, const Shape& shape, Dtype dtype, Device device) {
    new (room_ + count_++ * sizeof(Blob)) Blob{data, shape, dtype, device};
  }
  void add(const NDArray& a) {
    add(static_cast<char*>(memory_of(a).data()) + a.offset(), a.shape(), a.dtype(), a.device());
  }
  std::span<Blob> all() { return {reinterpret_cast<Blob*>(room_), count_}; }

 private:
  static_assert(std::is_trivially_destructible_v<Blob>);
  alignas(Blob) std::byte room_[kFewArrays * sizeof(Blob)];
  size_t count_ = 0;
};

struct Inline {
  const ArrayCall& c;
  uint64_t seed;
};

void run_inline(void* arg) {
  const auto& [c, seed] = *static_cast<const Inline*>(arg);
  FewBlobs in, out;
  uint8_t wanted[kFewArrays];
  bool all = true;
  for (const NDArray* a : c.in) in.add(*a);
  for (size_t i = 0; i < c.out.size(); ++i) {
    const NDArray& o = c.out[i];
    wanted[i] = bool(o);
    all &= bool(o);
    if (o) out.add(o);
    else out.add(nullptr, c.types[i].shape, c.types[i].dtype, c.device);
  }
  using Wanted = std::span<const uint8_t>;
  OpContext ctx(c.device, nullptr, c.training, all ? Wanted{} : Wanted{wanted, c.out.size()}, seed);
  run_kernel(*c.call, ctx, in.all(), out.all());
}

bool try_inline(const ArrayCall& c, uint64_t seed) {
  if (c.device.kind != Device::kCpu || c.bytes > kSmallBytes) return false;
  if (c.in.size() > kFewArrays || c.out.size() > kFewArrays) return false;
  Engine::BorrowedUse uses[2 * kFewArrays];
  size_t count = 0;
  each_use(c, [&](const Var& var, Access access) { uses[count++] = {&var, access}; });
  Inline now{c, seed};
  return Engine::get().run_if_idle({uses, count}, c.call->op->name.c_str(), &run_inline, &now);
}

void push(const ArrayCall& c, uint64_t seed) {
  auto work = std::make_shared<Pushed>();
  work->call = c.call;
  work->training = c.training;
  work->seed = seed;
  Task task{.name = c.call->op->name.c_str(),
            .device = c.device,
            .small = c.bytes <= kSmallBytes,
            .place = current_place()};
  for (const NDArray* a : c.in) work->in.emplace_back(*a);
  for (size_t i = 0; i < c.out.size(); ++i) {
    const NDArray& o = c.out[i];
    work->wanted.push_back(bool(o));
    if (o) work->out.emplace_back(o), task.bytes += o.bytes();
    else work->out.emplace_back(c.types[i], c.device);
  }
  each_use(c, [&](const Var& v, Access access) { task.uses.push_back({v, access}); });
  task.run = [work = std::move(work)](RunContext& where) { work->run(where); };
  Engine::get().push(std::move(task));
}

bool overlap(const NDArray& a, const NDArray& b) {
  return a.shares_memory(b) && a.offset() < b.offset() + b.bytes() &&
         b.offset() < a.offset() + a.bytes();
}

// May output i be written while the inputs are still being read?
bool in_place_allowed(const ArrayCall& c, size_t i) {
  const NDArray& o = c.out[i];
  for (const NDArray* a : c.in)
    if (overlap(*a, o) && (a->offset() != o.offset() || a->bytes() != o.bytes())) return false;
  if (!may_write_over(*c.call, int(i), [&](int j) { return overlap(*c.in[j], o); })) return false;
  for (size_t k = 0; k < i; ++k)
    if (c.out[k] && overlap(c.out[k], o)) return false;
  return true;
}

void run_now(const ArrayCall& c) {
  const uint64_t seed = c.call->draws(c.training) ? next_seed(c.device) : 0;
  if (!try_inline(c, seed)) push(c, seed);
}

// Outputs that must not be written in place are written aside and copied.
void run_aside(ArrayCall c) {
  std::vector<size_t> aside;
  for (size_t i = 0; i < c.out.size(); ++i)
    if (c.out[i] && !in_place_allowed(c, i)) aside.push_back(i);
  if (aside.empty()) return run_now(c);
  std::vector<NDArray> out(c.out.begin(), c.out.end());
  for (size_t i : aside) out[i] = NDArray(out[i].shape(), out[i].device(), out[i].dtype());
  const std::span<NDArray> wanted = c.out;
  c.out = out;
  run_now(c);
  for (size_t i : aside) copy(out[i], wanted[i]);
}

// Does an output lie in the memory of an input or of another output?
bool overlaps(const ArrayCall& c) {
  for (size_t i = 0; i < c.out.size(); ++i) {
    if (!c.out[i]) continue;
    for (const NDArray* a : c.in)
      if (a->shares_memory(c.out[i])) return true;
    for (size_t k = 0; k < i; ++k)
      if (c.out[k] && c.out[k].shares_memory(c.out[i])) return true;
  }
  return false;
}

}  // namespace call

void run(const ArrayCall& c) {
  start_once();
  if (c.given && call::overlaps(c)) call::run_aside(c);
  else call::run_now(c);
}

}  // namespace heddle
