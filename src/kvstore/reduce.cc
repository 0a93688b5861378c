// Sums and copies of many arrays as few tasks.
#include "kvstore/reduce.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "heddle/imperative.h"
#include "heddle/parallel.h"
#include "ndarray/convert.h"

namespace heddle::kvstore {

constexpr int64_t kTaskBytes = 1 << 18;  // written by a task before the next array gets its own
constexpr int64_t kGrain = 1 << 15;      // elements worth a thread
constexpr int64_t kBlock = 512;          // elements whose sums are on the stack

bool on_host(const NDArray& a) { return !device_api(a.device()).asynchronous(); }

// --- the loops -----------------------------------------------------------------------------------
template <class T>
using Wide =
    std::conditional_t<std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>, float, T>;

template <class T>
Wide<T> plus(Wide<T> a, Wide<T> b) {
  if constexpr (std::is_same_v<T, bool>) return a || b;
  else if constexpr (std::is_integral_v<T>)  // wraps
    return static_cast<T>(std::make_unsigned_t<T>(a) + std::make_unsigned_t<T>(b));
  else return a + b;
}

template <class T>
void add(const std::vector<const T*>& in, T* to, int64_t begin, int64_t end) {
  if constexpr (std::is_same_v<T, Wide<T>>)
    if (in.size() == 2) {
      const T *const a = in[0], *const b = in[1];
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) to[i] = plus<T>(a[i], b[i]);
      return;
    }
  Wide<T> sums[kBlock];
  for (int64_t at = begin; at < end; at += kBlock) {
    const int64_t n = std::min(kBlock, end - at);
    for (int64_t i = 0; i < n; ++i) sums[i] = Wide<T>(in[0][at + i]);
    for (size_t k = 1; k < in.size(); ++k) {
      const T* const from = in[k] + at;
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) sums[i] = plus<T>(sums[i], Wide<T>(from[i]));
    }
    for (int64_t i = 0; i < n; ++i) to[at + i] = T(sums[i]);
  }
}

template <class T>
void run_plain(const Sum& sum) {
  std::vector<const T*> in;
  for (const NDArray& v : sum.values) in.push_back(static_cast<const T*>(v.blob().data));
  T* const to = static_cast<T*>(sum.to.blob().data);
  parallel_for(sum.to.size(), kGrain,
               [&](int64_t begin, int64_t end) { add<T>(in, to, begin, end); });
}

// One value after the other: their order is that of plain sums.
void run_compressed(const Sum& sum) {
  float* const to = sum.to.blob().as<float>();
  for (size_t k = 0; k < sum.values.size(); ++k) {
    const float* const value = sum.values[k].blob().as<float>();
    float* const residual = sum.residuals[k].blob().as<float>();
    const float before = k == 0 ? 0.f : 1.f;
    parallel_for(sum.to.size(), kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const float sent = two_bit(residual[i], value[i], sum.threshold);
        to[i] = before == 0.f ? sent : to[i] + sent;
      }
    });
  }
}

void run(const Sum& sum) {
  if (sum.to.size() == 0) return;
  if (!sum.residuals.empty()) return run_compressed(sum);
  with_dtype(sum.to.dtype(), "KVStore", [&]<class T>(T) { run_plain<T>(sum); });
}

void run(const Copies& copies) {
  const Blob from = copies.from.blob();
  for (const NDArray& a : copies.to) {
    const Blob to = a.blob();
    convert(to.data, to.dtype, from.data, from.dtype, from.size());
  }
}

// --- what tasks use ------------------------------------------------------------------------------
// Everything that is written entirely and not read heals what failed before.
void add_uses(const Sum& sum, std::vector<Use>& uses) {
  Access access = sum.to.write_access();
  for (const NDArray& v : sum.values) {
    if (v.shares_memory(sum.to)) access = Access::kUpdate;
    else uses.push_back({v.var(), Access::kRead});
  }
  for (const NDArray& r : sum.residuals) uses.push_back({r.var(), Access::kUpdate});
  uses.push_back({sum.to.var(), access});
}

void add_uses(const Copies& copies, std::vector<Use>& uses) {
  uses.push_back({copies.from.var(), Access::kRead});
  for (const NDArray& a : copies.to)
    uses.push_back({a.var(), a.shares_memory(copies.from) ? Access::kUpdate : a.write_access()});
}

int64_t bytes_of(const Sum& sum) { return sum.to.bytes(); }
int64_t bytes_of(const Copies& copies) {
  int64_t bytes = 0;
  for (const NDArray& a : copies.to) bytes += a.bytes();
  return bytes;
}

// Jobs in host memory: small ones together, in the order in which they came.
template <class Job>
void push_together(std::vector<Job> jobs, const char* name, int priority) {
  for (size_t at = 0; at < jobs.size();) {
    auto some = std::make_shared<std::vector<Job>>();
    Task task{.name = name, .priority = priority, .place = current_place()};
    do {
      Job& job = jobs[at++];
      task.bytes += bytes_of(job);
      add_uses(job, task.uses);
      some->push_back(std::move(job));
    } while (at < jobs.size() && task.bytes + bytes_of(jobs[at]) <= kTaskBytes);
    task.run = [some](RunContext&) {
      for (const Job& job : *some) run(job);
    };
    Engine::get().push(std::move(task));
  }
}

// --- other devices -------------------------------------------------------------------------------
// Moves the values to where the sum is wanted; there the operator adds them.
void sum_on_device(const Sum& sum, int priority) {
  check(sum.residuals.empty(),
        "[KVStore] gradients on {} are not compressed, only those in host memory", sum.to.device());
  std::vector<NDArray> values;
  for (const NDArray& v : sum.values) {
    if (v.device() == sum.to.device()) {
      values.push_back(v);
      continue;
    }
    values.emplace_back(v.shape(), sum.to.device(), v.dtype());
    copy(v, values.back(), priority);
  }
  if (values.size() == 1) return copy(values[0], sum.to, priority);
  copy(invoke("add_n", values)[0], sum.to, priority);
}

bool all_on_host(const Sum& sum) {
  return on_host(sum.to) && std::all_of(sum.values.begin(), sum.values.end(), on_host);
}

// Values from other devices, brought into host memory.
void fetch(Sum& sum, int priority) {
  for (NDArray& v : sum.values) {
    if (on_host(v)) continue;
    const NDArray fetched(v.shape(), sum.to.device(), v.dtype());
    copy(v, fetched, priority);
    v = fetched;
  }
}

void push_sums(std::vector<Sum> sums, int priority) {
  std::vector<Sum> here;
  for (Sum& sum : sums) {
    if (!on_host(sum.to)) {
      sum_on_device(sum, priority);
      continue;
    }
    if (!all_on_host(sum)) fetch(sum, priority);
    here.push_back(std::move(sum));
  }
  push_together(std::move(here), "kvstore_push", priority);
}

void push_copies(std::vector<Copies> copies, int priority) {
  std::vector<Copies> here;
  for (Copies& c : copies) {
    Copies near{c.from, {}};
    for (NDArray& to : c.to) {
      const bool same = to.shares_memory(c.from) && to.offset() == c.from.offset() &&
                        to.dtype() == c.from.dtype();
      if (same) continue;
      if (on_host(c.from) && on_host(to)) near.to.push_back(std::move(to));
      else copy(c.from, to, priority);
    }
    if (!near.to.empty()) here.push_back(std::move(near));
  }
  push_together(std::move(here), "kvstore_pull", priority);
}

}  // namespace heddle::kvstore
