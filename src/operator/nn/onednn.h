// What the oneDNN kernels share: one thread per call, memories over our blobs, and plans
// (primitives with their layouts) that are made once per shape and kept.
#pragma once
#include <omp.h>

#include <list>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "heddle/op.h"

namespace heddle::ops::onednn {

using Dims = dnnl::memory::dims;
using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;

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
inline Desc plain_desc(const Dims& dims) {
  return {dims, dnnl::memory::data_type::f32, plain(dims.size())};
}
inline Desc any_desc(const Dims& dims) { return {dims, dnnl::memory::data_type::f32, Tag::any}; }

inline dnnl::memory memory(const Desc& desc, const float* data) {
  return {desc, engine(), const_cast<float*>(data)};
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
  constexpr size_t kMost = 64;
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
  void operator()(const dnnl::stream& s, const float* x, float* y) const {
    run_.execute(s, {{DNNL_ARG_FROM, memory(from_, x)}, {DNNL_ARG_TO, memory(to_, y)}});
  }
  // x itself, or in `buffer` (of bytes()) as the primitive wants it.
  const float* in(const dnnl::stream& s, const float* x, float* buffer) const {
    if (!needed()) return x;
    (*this)(s, x, buffer);
    return buffer;
  }

 private:
  Desc from_, to_;
  dnnl::reorder run_;
};

}  // namespace heddle::ops::onednn
