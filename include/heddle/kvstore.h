// Arrays by key, shared by the devices of one process: gradients go in, weights come out.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heddle/ndarray.h"
#include "heddle/optimizer.h"

namespace heddle {

namespace kvstore {
class Store;
}

// Copying a KVStore shares the store. Its calls check everything first (an unknown key, a shape or
// dtype that differs from what is stored, keys of both kinds: Error naming the key, and nothing has
// happened), then push tasks and return. Keys whose arrays are small share a task, so that a call
// with many keys is few tasks; keys of one task also share its failure. A store is driven from one
// thread at a time.
class HEDDLE_API KVStore {
 public:
  // A store has numbers or texts as keys, not both.
  using Key = Optimizer::Key;
  struct Item {
    Key key;
    std::vector<NDArray> values;  // one per device
  };

  // `type`: "local", "local_update_cpu" or "local_allreduce_cpu": what is stored lives in host
  // memory; "device" or "local_allreduce_device": where the first values pushed are. Throws Error
  // for other names.
  explicit KVStore(std::string_view type);
  static const std::vector<std::string>& types();  // the names

  const std::string& type() const;
  int rank() const { return 0; }         // the number of this worker
  int num_workers() const { return 1; }  // one process
  void barrier() {}                      // waits for all workers: there is one

  // First values: a copy of the first array of each. Once per key.
  void init(std::span<const Item> items);
  // The sum of the values of each key, from the first to the last whatever finishes first, goes to
  // the updater, or replaces what is stored. A key that comes twice: the values of both count.
  void push(std::span<const Item> items, int priority = 0);
  // What is stored, into all arrays of the items. Arrays of other dtypes are converted to.
  void pull(std::span<const Item> items, int priority = 0);

  // Called once per push with its keys, their sums and what is stored under them; it pushes tasks
  // that change the last by the second. None: sums replace.
  using Updater = std::function<void(std::span<const Key> keys, std::span<const NDArray> sums,
                                     std::span<const NDArray> stored)>;
  void set_updater(Updater updater);
  // The optimizer updates what is stored by the sums: one task per push and device.
  void set_optimizer(Optimizer optimizer);

  // From now on, of every value only a multiple -1, 0 or 1 of `threshold` is summed, and the rest
  // stays behind for the next push: residual += value; sent = threshold where the residual is at
  // least that, -threshold where at most that, else 0; residual -= sent (Strom 2015; float32 only).
  // Throws Error for a threshold that is not positive, and in stores in host memory.
  void set_compression(float threshold);

 private:
  std::shared_ptr<kvstore::Store> store_;
};

// "3" or "'weight'".
HEDDLE_API std::string shown(const KVStore::Key& key);

}  // namespace heddle
