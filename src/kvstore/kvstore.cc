// The store: what is under which key, what may be pushed and pulled, and what a push leads to.
#include "heddle/kvstore.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "kvstore/reduce.h"

namespace heddle {
namespace kvstore {

using Key = KVStore::Key;
using Item = KVStore::Item;

struct Entry {
  NDArray stored;
  NDArray sum;                     // what the updater sees; made at the first push that needs it
  std::vector<NDArray> residuals;  // of compression, one per value
};

// The values of one key of a push.
struct Pushed {
  Entry* entry;
  const Key* key;
  std::vector<NDArray> values;
};

class Store {
 public:
  Store(std::string type, bool on_device) : type(std::move(type)), on_device_(on_device) {}

  void init(std::span<const Item> items);
  void push(std::span<const Item> items, int priority);
  void pull(std::span<const Item> items, int priority);
  void set_compression(float threshold);

  const std::string type;
  KVStore::Updater updater;

 private:
  Entry& at(const Key& key);
  void check_new(const Item& item, std::span<const Item> before) const;
  std::vector<Pushed> gather(std::span<const Item> items);
  NDArray target(Entry& entry, const std::vector<NDArray>& values);
  Sum sum_of(Entry& entry, std::vector<NDArray> values, NDArray to) const;
  void follow(Entry& entry, const NDArray& value) const;

  const bool on_device_;
  float threshold_ = 0;  // 0: gradients are not compressed
  std::unordered_map<Key, Entry> entries_;
};

// --- what may be asked for -----------------------------------------------------------------------
bool is_text(const Key& key) { return std::holds_alternative<std::string>(key); }

Entry& Store::at(const Key& key) {
  const auto found = entries_.find(key);
  check(found != entries_.end(),
        "ValueError: [KVStore] key {} has not been inited, expected init({}, array) before",
        shown(key), shown(key));
  return found->second;
}

void check_values(const Item& item) {
  check(!item.values.empty(),
        "ValueError: [KVStore] key {} has no values, expected at least one array", shown(item.key));
  for (const NDArray& v : item.values)
    check(bool(v), "ValueError: [KVStore] key {} has a value that is no array", shown(item.key));
}

void check_fits(const Item& item, const NDArray& stored, bool dtypes) {
  check_values(item);
  for (const NDArray& v : item.values) {
    check(v.shape() == stored.shape(),
          "ValueError: [KVStore] key {} was given an array of shape {}, expected {}, as it was "
          "inited",
          shown(item.key), v.shape(), stored.shape());
    check(!dtypes || v.dtype() == stored.dtype(),
          "ValueError: [KVStore] key {} was given an array of dtype {}, expected {}, as it was "
          "inited",
          shown(item.key), v.dtype(), stored.dtype());
  }
}

void Store::check_new(const Item& item, std::span<const Item> before) const {
  check_values(item);
  bool twice = entries_.contains(item.key);
  for (const Item& other : before) twice = twice || other.key == item.key;
  check(!twice, "ValueError: [KVStore] duplicate init of key {}", shown(item.key));
  const Key* const first = !entries_.empty() ? &entries_.begin()->first
                           : !before.empty() ? &before[0].key
                                             : nullptr;
  check(
      !first || is_text(*first) == is_text(item.key),
      "ValueError: [KVStore] inconsistent key types: found {} and {}, expected all int or all str",
      first ? shown(*first) : "", shown(item.key));
}

// --- init ----------------------------------------------------------------------------------------
void Store::init(std::span<const Item> items) {
  for (size_t i = 0; i < items.size(); ++i) check_new(items[i], items.first(i));
  std::vector<Copies> copies;
  for (const Item& item : items) {
    const NDArray& value = item.values[0];
    const NDArray stored(value.shape(), on_device_ ? value.device() : Device{}, value.dtype());
    copies.push_back({value.detach(), {stored}});
    entries_[item.key].stored = stored;
  }
  push_copies(std::move(copies), 0);
}

// --- push ----------------------------------------------------------------------------------------
std::vector<Pushed> Store::gather(std::span<const Item> items) {
  std::vector<Pushed> all;
  std::unordered_map<Entry*, size_t> seen;
  for (const Item& item : items) {
    Entry& entry = at(item.key);
    check_fits(item, entry.stored, true);
    const auto [place, fresh] = seen.try_emplace(&entry, all.size());
    if (fresh) all.push_back({&entry, &item.key, {}});
    std::vector<NDArray>& values = all[place->second].values;
    for (const NDArray& v : item.values) values.push_back(v.detach());
  }
  return all;
}

// A store on devices keeps what it stores where its values come from.
void Store::follow(Entry& entry, const NDArray& value) const {
  const auto asynchronous = [](const NDArray& a) { return device_api(a.device()).asynchronous(); };
  if (!on_device_ || asynchronous(entry.stored) || !asynchronous(value)) return;
  const NDArray moved(entry.stored.shape(), value.device(), entry.stored.dtype());
  copy(entry.stored, moved);
  entry.stored = moved;
  entry.sum = NDArray();
}

// Where a sum goes: to what is stored, or to an array that the updater sees.
NDArray Store::target(Entry& entry, const std::vector<NDArray>& values) {
  follow(entry, values[0]);
  if (!updater) return entry.stored;
  if (!entry.sum)
    entry.sum = NDArray(entry.stored.shape(), entry.stored.device(), entry.stored.dtype());
  return entry.sum;
}

Sum Store::sum_of(Entry& entry, std::vector<NDArray> values, NDArray to) const {
  Sum sum{std::move(values), std::move(to)};
  if (threshold_ == 0) return sum;
  sum.threshold = threshold_;
  while (entry.residuals.size() < sum.values.size()) {
    const std::vector<char> zeros(size_t(sum.to.bytes()));
    entry.residuals.push_back(
        NDArray::from_host(zeros.data(), sum.to.shape(), sum.to.dtype(), sum.to.device()));
  }
  sum.residuals.assign(entry.residuals.begin(), entry.residuals.begin() + long(sum.values.size()));
  return sum;
}

void Store::push(std::span<const Item> items, int priority) {
  std::vector<Pushed> all = gather(items);
  for (const Pushed& p : all)
    check(threshold_ == 0 || p.entry->stored.dtype() == Dtype::kFloat32,
          "ValueError: [KVStore] key {} has dtype {}, expected float32 for gradient compression",
          shown(*p.key), p.entry->stored.dtype());
  std::vector<Sum> sums;
  std::vector<Key> keys;
  std::vector<NDArray> gradients, stored;
  for (Pushed& p : all) {
    const NDArray to = target(*p.entry, p.values);
    // One value on the right device is its own sum.
    const bool alone = updater && threshold_ == 0 && p.values.size() == 1 &&
                       !device_api(p.values[0].device()).asynchronous() &&
                       !device_api(to.device()).asynchronous();
    if (updater) {
      keys.push_back(*p.key);
      gradients.push_back(alone ? p.values[0] : to);
      stored.push_back(p.entry->stored);
    }
    if (!alone) sums.push_back(sum_of(*p.entry, std::move(p.values), to));
  }
  push_sums(std::move(sums), priority);
  if (updater) updater(keys, gradients, stored);
}

// --- pull ----------------------------------------------------------------------------------------
void Store::pull(std::span<const Item> items, int priority) {
  std::vector<Copies> copies;
  for (const Item& item : items) {
    const NDArray& stored = at(item.key).stored;
    check_fits(item, stored, false);
    copies.push_back({stored, {}});
    for (const NDArray& v : item.values) copies.back().to.push_back(v.detach());
  }
  push_copies(std::move(copies), priority);
}

void Store::set_compression(float threshold) {
  check(on_device_,
        "ValueError: [KVStore] Gradient compression is not supported for this type of kvstore: {}, "
        "expected device",
        type);
  check(threshold > 0,
        "ValueError: [KVStore] found threshold {} of gradient compression, expected more than 0",
        threshold);
  threshold_ = threshold;
}

}  // namespace kvstore

const std::vector<std::string>& KVStore::types() {
  static const std::vector<std::string> names = {"local", "local_update_cpu", "local_allreduce_cpu",
                                                 "device", "local_allreduce_device"};
  return names;
}

KVStore::KVStore(std::string_view type) {
  const auto& names = types();
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  check(std::find(names.begin(), names.end(), type) != names.end(),
        "ValueError: [KVStore] found kvstore '{}', expected one of {}", type, all);
  const bool on_device = type.find("device") != std::string_view::npos;
  store_ = std::make_shared<kvstore::Store>(std::string(type), on_device);
}

const std::string& KVStore::type() const { return store_->type; }
void KVStore::init(std::span<const Item> items) { store_->init(items); }
void KVStore::push(std::span<const Item> items, int priority) { store_->push(items, priority); }
void KVStore::pull(std::span<const Item> items, int priority) { store_->pull(items, priority); }
void KVStore::set_updater(Updater updater) { store_->updater = std::move(updater); }
void KVStore::set_optimizer(Optimizer optimizer) {
  set_updater([optimizer = std::move(optimizer)](std::span<const Key> keys,
                                                 std::span<const NDArray> sums,
                                                 std::span<const NDArray> stored) mutable {
    optimizer.update(keys, stored, sums);
  });
}
void KVStore::set_compression(float threshold) { store_->set_compression(threshold); }

std::string shown(const KVStore::Key& key) {
  if (const auto* number = std::get_if<int64_t>(&key)) return format("{}", *number);
  return format("'{}'", std::get<std::string>(key));
}

}  // namespace heddle
