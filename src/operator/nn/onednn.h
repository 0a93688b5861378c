// What the oneDNN kernels share: one thread per call, memories over our blobs, and plans
// (primitives with their layouts) that are made once per shape and kept.
#pragma once
#include <omp.h>

#include <list>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "heddle/layout.h"
#include "heddle/op.h"

namespace heddle::ops::onednn {

using Dims = dnnl::memory::dims;
using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;
using Type = dnnl::memory::data_type;

// Whether the library computes in this type on this processor faster than others do.
inline bool computes(Dtype d) {
  static const bool bfloat16 = [] {
    constexpr int kHas = int(dnnl::cpu_isa::avx512_core_bf16);
    return (int(dnnl::get_effective_cpu_isa()) & kHas) == kHas;
  }();
  return d == Dtype::kFloat32 || (d == Dtype::kBfloat16 && bfloat16);
}
inline Type type_of(Dtype d) { return d == Dtype::kBfloat16 ? Type::bf16 : Type::f32; }

// oneDNN would start a team of its own; our pieces of work are parallel already.
inline void one_thread() {
  thread_local bool held = false;
  if (!held) omp_set_num_threads(1), held = true;
}

inline const dnnl::engine& engine() {
  static const auto* e = new dnnl::engine(dnnl::engine::kind::cpu, 0);  // outlives exit
  return *e;
}

inline Tag plain(size_t rank) {
  return rank == 2   ? Tag::ab
         : rank == 3 ? Tag::abc
         : rank == 4 ? Tag::abcd
         : rank == 5 ? Tag::abcde
                     : Tag::abcdef;
}
inline Desc plain_desc(const Dims& dims, Type type = Type::f32) {
  return {dims, type, plain(dims.size())};
}
inline Desc any_desc(const Dims& dims, Type type = Type::f32) { return {dims, type, Tag::any}; }

// Channels per block of the layouts that the processor's kernels are written for.
inline int block() {
  static const int size = [] {
    constexpr int kWide = int(dnnl::cpu_isa::avx512_core);
    return (int(dnnl::get_effective_cpu_isa()) & kWide) == kWide ? 16 : 8;
  }();
  return size;
}

// Weights of grouped convolutions have an axis of groups before ours, which cuts the filters: a
// block of these is one of groups where each has one filter.
inline int dims_axis(const Dims& dims, bool grouped, int axis) {
  return grouped && (axis > 0 || dims[1] > 1) ? axis + 1 : axis;
}

// Elements of `dims` that lie as `l` says.
inline Desc desc_of(const Dims& dims, const Layout& l, bool grouped = false,
                    Type type = Type::f32) {
  dnnl_memory_desc_t d = plain_desc(dims, type).data;
  auto& to = d.format_desc.blocking;
  Dims outer = dims;
  int64_t step = 1;
  for (const Layout::Block& b : l.blocks) {
    if (b.axis < 0) continue;
    const int axis = dims_axis(dims, grouped, b.axis);
    to.inner_idxs[to.inner_nblks] = axis, to.inner_blks[to.inner_nblks++] = b.size;
    outer[size_t(axis)] /= b.size, step *= b.size;
  }
  const int last = l.last < 0 ? -1 : dims_axis(dims, grouped, l.last);
  const auto place = [&](int axis) { to.strides[axis] = step, step *= outer[size_t(axis)]; };
  if (last >= 0) place(last);
  for (int axis = int(dims.size()); axis-- > 0;)
    if (axis != last) place(axis);
  return Desc(d);
}

// The other way round; nothing for what a Layout cannot say.
inline std::optional<Layout> layout_of(const Desc& desc, bool grouped = false) {
  const auto& have = desc.data.format_desc.blocking;
  const Dims dims = desc.dims();
  Layout l;
  if (desc.data.format_kind != dnnl_blocked || have.inner_nblks > int(l.blocks.size())) return {};
  for (int i = 0; i < have.inner_nblks; ++i) {
    const int8_t axis = int8_t(int(have.inner_idxs[i]) - (grouped && dims[1] > 1));
    if (axis < 0) return {};
    l.blocks[size_t(i)] = {axis, int8_t(have.inner_blks[i])};
  }
  for (const int8_t last : {-1, 0, 1}) {
    l.last = last;
    if (grouped && last == 0) continue;
    const Desc made = desc_of(dims, l, grouped, desc.data_type());
    const auto& like = made.data.format_desc.blocking;
    bool same = made.get_size() == desc.get_size();
    Dims outer = dims;
    for (int i = 0; i < have.inner_nblks; ++i)
      same = same && have.inner_idxs[i] == like.inner_idxs[i] &&
             have.inner_blks[i] == like.inner_blks[i],
      outer[size_t(have.inner_idxs[i])] /= have.inner_blks[i];
    for (size_t d = 0; d < dims.size(); ++d)
      same = same && (outer[d] == 1 || have.strides[d] == like.strides[d]);
    if (same) return l;
  }
  return {};
}

// Elements that lie as `l` says, in the words of `wanted` where that says the same.
inline Desc given(const Desc& wanted, const Layout& l, bool grouped = false) {
  return layout_of(wanted, grouped) == l ? wanted
                                         : desc_of(wanted.dims(), l, grouped, wanted.data_type());
}

// Whether a primitive is the one that takes anything, slowly.
template <class PrimitiveDesc>
bool is_reference(const PrimitiveDesc& p) {
  return std::string_view(p.impl_info_str()).find("ref") != std::string_view::npos;
}

inline dnnl::memory memory(const Desc& desc, const void* data) {
  return {desc, engine(), const_cast<void*>(data)};
}

// Runs `body`, turning oneDNN's exception into ours.
template <class Body>
auto guarded(const char* op, Body&& body) {
  try {
    return body();
  } catch (const dnnl::error& e) {
    fail("[{}] oneDNN failed: {}", op, e.what());
  }
}

// Plans by key, the least recently used forgotten. One cache per thread and kind of plan: no locks,
// and a plan's scratchpad has one user.
template <class Plan>
const Plan& cached(const std::vector<int64_t>& key, Plan (*make)(const std::vector<int64_t>&)) {
  constexpr size_t kMost = 128;
  struct Hash {
    size_t operator()(const std::vector<int64_t>& k) const {
      size_t h = k.size();
      for (int64_t v : k) h = (h ^ size_t(v)) * 0x9E3779B97F4A7C15ull, h ^= h >> 29;
      return h;
    }
  };
  using List = std::list<std::pair<std::vector<int64_t>, Plan>>;
  thread_local List recent;
  thread_local std::unordered_map<std::vector<int64_t>, typename List::iterator, Hash> places;
  if (auto it = places.find(key); it != places.end()) {
    recent.splice(recent.begin(), recent, it->second);
    return recent.front().second;
  }
  if (recent.size() == kMost) places.erase(recent.back().first), recent.pop_back();
  recent.emplace_front(key, make(key));
  places[key] = recent.begin();
  return recent.front().second;
}

// A reorder between a plain layout and the one a primitive prefers; nothing when they are equal.
class Reorder {
 public:
  Reorder() = default;
  Reorder(const Desc& from, const Desc& to) : from_(from), to_(to) {
    if (from != to)
      run_ = dnnl::reorder(dnnl::reorder::primitive_desc(engine(), from, engine(), to));
  }
  bool needed() const { return bool(run_); }
  size_t bytes() const { return needed() ? to_.get_size() : 0; }
  void operator()(const dnnl::stream& s, const void* x, void* y) const {
    run_.execute(s, {{DNNL_ARG_FROM, memory(from_, x)}, {DNNL_ARG_TO, memory(to_, y)}});
  }
  // x itself, or in `buffer` (of bytes()) as the primitive wants it.
  template <class T>
  const T* in(const dnnl::stream& s, const T* x, T* buffer) const {
    if (!needed()) return x;
    (*this)(s, x, buffer);
    return buffer;
  }

 private:
  Desc from_, to_;
  dnnl::reorder run_;
};

}  // namespace heddle::ops::onednn
