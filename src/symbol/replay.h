// An order in which to run a training graph, where forward nodes may come again.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "symbol/passes.h"

namespace heddle {

// Built up by saying what runs next; each node reads the latest copy of what it reads. Forward
// nodes have all run once when it starts.
class Replay {
 public:
  // `pinned`: values that are never computed again.
  Replay(const Graph& g, const std::vector<int>& producer, const std::vector<uint8_t>& pinned);

  // Runs a forward node again: all its values, or only those that are gone.
  void repeat(int node, bool only_gone = false);
  // What reads the value from now on has it computed again.
  void forget(int value) { gone_[value] = !pinned_[value]; }
  void backward(int node);

  struct Event {
    int node;          // whose call it is
    int first_output;  // of the original, or a new number
    bool clone;
    std::vector<int> inputs;
  };
  struct Order {
    std::vector<Event> events;
    int values = 0;
  };
  // Without what nobody reads.
  Order finish();

 private:
  const Graph& g_;
  const std::vector<int>& producer_;
  const std::vector<uint8_t>& pinned_;
  std::vector<int> now_;  // value -> its latest copy
  std::vector<uint8_t> gone_;
  Order order_;
  std::vector<int> todo_;
};

// An order and single changes of it, as a search makes them. Copies of a value are the original and
// those that clones make.
class Reorder {
 public:
  Reorder(const Graph& g, const std::vector<int>& producer, const std::vector<uint8_t>& pinned,
          const Replay::Order& order);

  int origin(int copy) const { return origin_[copy]; }
  size_t made(int copy) const { return made_[copy]; }  // by which event
  // The first event from this one on that reads the copy, or how many events there are.
  size_t next_reader(int copy, size_t event) const;

  // Without this clone: who read it finds the copies before it, which are kept for that.
  Replay::Order without(size_t clone) const;

  // What would run again, in order, so that who reads the copy at this event or later finds it
  // computed just before: its node, and those of whatever has gone that this takes. Nothing where
  // these are more than `most`. The event comes after all forward nodes.
  std::vector<int> needed(int copy, size_t event, size_t most) const;
  // The order in which these do.
  Replay::Order again(int copy, size_t event, const std::vector<int>& nodes) const;

 private:
  int latest(int value, size_t event) const;  // copy

  const Graph& g_;
  const std::vector<int>& producer_;
  const std::vector<uint8_t>& pinned_;
  const Replay::Order& order_;
  std::vector<int> origin_;
  std::vector<size_t> made_;
  std::vector<std::vector<int>> copies_;  // value -> by clones, in order
  std::vector<int> first_;                // copy -> where its readers begin
  std::vector<size_t> readers_;
};

}  // namespace heddle
