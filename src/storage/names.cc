// Live bytes by name: a table of counters, found by the addresses of names, without locks.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>

#include "heddle/storage.h"

namespace heddle {
namespace names {

constexpr const char* kNone = "arrays";
constinit thread_local const char* current = kNone;

constexpr int kKinds = 4, kIds = 4;  // devices that are counted apart

struct Row {
  std::atomic<const char*> name{nullptr};
  std::array<std::atomic<int64_t>, kKinds * kIds> live{};
};
// There are as many names as operators, and a few for every executor; what finds no row is counted
// in the last one.
constexpr size_t kRows = 2048;
struct Table {
  std::array<Row, kRows + 1> rows;
};
// Never destroyed: arrays may outlive main().
Table& table() {
  static Table* const t = [] {
    auto* made = new Table;
    made->rows[kRows].name = "others";
    return made;
  }();
  return *t;
}

Row& row_of(const char* name) {
  Table& t = table();
  auto at = size_t((uintptr_t(name) * 0x9E3779B97F4A7C15ull) >> 40);
  for (size_t tries = 0; tries < kRows; ++tries, ++at) {
    Row& r = t.rows[at % kRows];
    const char* have = r.name.load(std::memory_order_acquire);
    if (have == name) return r;
    if (!have && r.name.compare_exchange_strong(have, name)) return r;
    if (have == name) return r;
  }
  return t.rows[kRows];
}

size_t place_of(Device d) {
  return size_t(std::min<int>(d.kind, kKinds - 1) * kIds + std::clamp(d.id, 0, kIds - 1));
}

}  // namespace names

MemoryName::MemoryName(const char* name) : outer_(names::current) { names::current = name; }
MemoryName::~MemoryName() { names::current = outer_; }
const char* MemoryName::current() { return names::current; }

const char* kept_name(std::string_view name) {
  static std::mutex mutex;
  static auto* const all = new std::set<std::string, std::less<>>;
  std::lock_guard lock(mutex);
  if (const auto at = all->find(name); at != all->end()) return at->c_str();
  return all->emplace(name).first->c_str();
}

void count_named(const char* name, Device device, int64_t bytes) noexcept {
  names::row_of(name).live[names::place_of(device)].fetch_add(bytes, std::memory_order_relaxed);
}

std::map<std::string, int64_t> live_by_name(Device device) {
  std::map<std::string, int64_t> all;
  for (const names::Row& r : names::table().rows) {
    const char* const name = r.name.load(std::memory_order_acquire);
    const int64_t live = r.live[names::place_of(device)].load(std::memory_order_relaxed);
    if (name && live) all[name] += live;
  }
  std::erase_if(all, [](const auto& entry) { return entry.second == 0; });
  return all;
}

}  // namespace heddle
