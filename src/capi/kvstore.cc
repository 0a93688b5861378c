// The C face of stores.
#include "heddle/kvstore.h"

#include "capi/handles.h"

struct hd_kvstore final : heddle::capi::Handle {
  explicit hd_kvstore(heddle::KVStore s) : value(std::move(s)) {}
  heddle::KVStore value;
};

namespace heddle::capi {

// One item per key, in the order in which keys come first.
std::vector<KVStore::Item> items_of(const char* const* keys, hd_array* const* values, int count) {
  check_count(count, keys, "keys");
  const std::vector<NDArray> arrays = arrays_of(values, count, "values");
  std::vector<KVStore::Item> items;
  std::map<std::string_view, size_t> places;
  for (int i = 0; i < count; ++i) {
    const std::string_view key = &need(keys[i], "a key");
    const auto [place, is_new] = places.emplace(key, items.size());
    if (is_new) items.push_back({std::string(key), {}});
    items[place->second].values.push_back(arrays[i]);
  }
  return items;
}

}  // namespace heddle::capi

using namespace heddle;
using capi::give, capi::guarded, capi::need;

extern "C" {

int hd_kvstore_create(const char* type, float compression, hd_kvstore** out) {
  return give(out, [&] {
    KVStore store(&need(type, "the type"));
    if (compression != 0) store.set_compression(compression);
    return store;
  });
}

int hd_kvstore_init(hd_kvstore* store, const char* const* keys, hd_array* const* values,
                    int count) {
  return guarded([&] { need(store, "the store").value.init(capi::items_of(keys, values, count)); });
}

int hd_kvstore_push(hd_kvstore* store, const char* const* keys, hd_array* const* values, int count,
                    int priority) {
  return guarded(
      [&] { need(store, "the store").value.push(capi::items_of(keys, values, count), priority); });
}

int hd_kvstore_pull(hd_kvstore* store, const char* const* keys, hd_array* const* outs, int count,
                    int priority) {
  return guarded(
      [&] { need(store, "the store").value.pull(capi::items_of(keys, outs, count), priority); });
}

int hd_kvstore_set_updater(hd_kvstore* store, hd_updater updater, void* user) {
  return guarded([&] {
    KVStore& s = need(store, "the store").value;
    if (!updater) return s.set_updater(nullptr);
    s.set_updater([updater, user](std::span<const KVStore::Key> keys, std::span<const NDArray> sums,
                                  std::span<const NDArray> stored) {
      for (size_t i = 0; i < keys.size(); ++i) {
        hd_array sum(sums[i]), kept(stored[i]);
        const std::string& key = std::get<std::string>(keys[i]);
        c_face::last_error().clear();
        if (updater(user, key.c_str(), &sum, &kept) != 0)
          fail("[KVStore] the updater failed for key '{}': {}", key, c_face::last_error());
      }
    });
  });
}

}  // extern "C"
