// Finding arrays, and what tasks have to name.
#include "executor/places.h"

#include "heddle/storage.h"

namespace heddle {

namespace places {

void use(std::vector<Use>& uses, const NDArray& array, Access access) {
  for (Use& u : uses) {
    if (u.var != array.var()) continue;
    if (access != u.access && access != Access::kRead) u.access = Access::kUpdate;
    return;
  }
  uses.push_back({array.var(), access});
}

NDArray part_of(const NDArray& array, const Home& home, const Blob& as) {
  return home.part ? array.view(as.shape, as.dtype, array.offset() + home.offset) : array;
}

}  // namespace places

NDArray Arenas::of(Device device, int64_t bytes) {
  for (const NDArray& a : arenas_)
    if (a.device() == device && a.bytes() >= bytes) return a;
  arenas_.emplace_back(Shape{bytes}, device, Dtype::kUint8);
  return arenas_.back();
}

Places::Places(const Plan& plan, FunctionRef<NDArray(Home)> array_of, Arenas& arenas)
    : own_(plan.home.size()) {
  for (const auto& [device, bytes] : plan.arenas) arenas_.push_back(arenas.of(device, bytes));
  const MemoryName named("prepared weights");
  for (size_t v = 0; v < own_.size(); ++v)
    if (const Blob b = plan.describe(int(v)); plan.home[v].kind == Home::kPrepared)
      own_[v] = NDArray(b.shape, b.device, b.dtype),
      prepared_bytes_ += plan.passing[v] ? 0 : b.bytes();
    else if (plan.outside(int(v)))
      own_[v] = places::part_of(array_of(plan.home[v]), plan.home[v], b);
}

std::vector<Use> Places::uses(const Steps& steps, int i) const {
  const Graph::Node& n = steps.node(i);
  std::vector<Use> uses;
  for (size_t k = 0; k < n.inputs.size(); ++k) {
    const NDArray& a = own_[n.inputs[k]];
    if (!a || n.call->inputs[k].shape_only) continue;
    places::use(uses, a, n.call->inputs[k].role == Role::kRead ? Access::kRead : Access::kUpdate);
  }
  for (int k = 0; k < n.outputs(); ++k)
    if (const NDArray& a = own_[n.first_output + k]) places::use(uses, a, a.write_access());
  return uses;
}

std::vector<Use> Places::looks(const Steps& steps, int i) const {
  std::vector<Use> uses;
  for (const int v : steps.node(i).inputs)
    if (const NDArray& a = own_[v]) places::use(uses, a, Access::kRead);
  return uses;
}

void Places::touch_arenas() const {
  for (const NDArray& arena : arenas_)
    if (arena.bytes() > 0) arena.blob();
}

void* Places::address(const Plan& plan, int value) const {
  if (const NDArray& own = own_[value]) return own.blob().data;
  if (plan.offset[value] < 0) return nullptr;
  void* const base = arena(plan.device(value));
  return base ? static_cast<char*>(base) + plan.offset[value] : nullptr;
}

void* Places::arena(Device device) const {
  for (const NDArray& arena : arenas_)
    if (arena.device() == device) return arena.blob().data;
  return nullptr;
}

Blob Places::blob(const Plan& plan, int value) const {
  Blob b = plan.describe(value);
  b.data = address(plan, value);
  return b;
}

}  // namespace heddle
