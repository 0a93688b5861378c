// Which nodes can wait is decided from the last to the first, so that it is known of its readers
// when they run; then nodes are listed as before, each behind the waiting ones that it reads.
#include <algorithm>
#include <utility>

#include "symbol/passes.h"

namespace heddle {

namespace delaying {

class Delayer {
 public:
  Delayer(const Graph& g, const std::vector<int64_t>& bytes)
      : g_(g),
        bytes_(bytes),
        producer_(g.producers()),
        waits_(g.nodes.size(), 0),
        due_(g.nodes.size(), 0) {
    list_readers();
    find_tied();
    for (size_t i = g.nodes.size(); i-- > 0;) decide(int(i));
  }

  // The nodes in their new order.
  std::vector<int> order() const {
    std::vector<int> order, path;
    std::vector<uint8_t> done(g_.nodes.size(), 0);
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      if (!waits_[i]) path.push_back(int(i));
      while (!path.empty()) {
        const int node = path.back();
        const size_t before = path.size();
        for (int v : g_.nodes[node].inputs)
          if (!done[producer_[v]]) path.push_back(producer_[v]);
        if (path.size() > before) continue;
        path.pop_back();
        if (!done[node]) order.push_back(node);
        done[node] = 1;
      }
    }
    return order;
  }

  // The most bytes in use at once where values go as soon as they are read.
  int64_t peak(const std::vector<int>& order) const {
    std::vector<int> left(size_t(g_.values));
    for (int v = 0; v < g_.values; ++v) left[v] = first_[v + 1] - first_[v];
    int64_t now = 0, most = 0;
    for (int node : order) {
      const Graph::Node& n = g_.nodes[node];
      for (int k = 0; k < n.outputs(); ++k) now += bytes_[n.first_output + k];
      most = std::max(most, now);
      for (int k = 0; k < n.outputs(); ++k)
        if (left[n.first_output + k] == 0) now -= bytes_[n.first_output + k];
      for (int v : n.inputs)
        if (--left[v] == 0) now -= bytes_[v];
    }
    return most;
  }

 private:
  void list_readers() {
    first_.assign(size_t(g_.values) + 1, 0);
    for (const Graph::Node& n : g_.nodes)
      for (int v : n.inputs) ++first_[v + 1];
    for (int v = 0; v < g_.values; ++v) first_[v + 1] += first_[v];
    readers_.resize(size_t(first_.back()));
    std::vector<int> at(first_.begin(), first_.end() - 1);
    for (size_t i = 0; i < g_.nodes.size(); ++i)
      for (int v : g_.nodes[i].inputs) readers_[at[v]++] = int(i);
  }

  // Who changes what others read, reads what others change, or is named in `after`, keeps its
  // place.
  void find_tied() {
    tied_.assign(g_.nodes.size(), 0);
    const std::vector<uint8_t> changed = g_.changed();
    for (size_t i = 0; i < g_.nodes.size(); ++i) {
      const Graph::Node& n = g_.nodes[i];
      if (!n.call || n.call->mutates || !n.after.empty()) tied_[i] = 1;
      for (int v : n.inputs) tied_[i] |= changed[v];
      for (int before : n.after) tied_[before] = 1;
    }
  }

  int runs(int node) const { return waits_[node] ? due_[node] : node; }

  // A node waits for its first reader where what it makes is more than what must be kept for it.
  void decide(int node) {
    const Graph::Node& n = g_.nodes[node];
    if (tied_[node]) return;
    int due = int(g_.nodes.size());
    int64_t makes = 0, keeps = 0;
    for (int v = n.first_output; v < n.first_output + n.outputs(); ++v) {
      makes += bytes_[v];
      for (int i = first_[v]; i < first_[v + 1]; ++i) due = std::min(due, runs(readers_[i]));
    }
    if (due <= node + 1 || due == int(g_.nodes.size())) return;
    for (size_t k = 0; k < n.inputs.size(); ++k) {
      const int v = n.inputs[k];
      if (std::find(n.inputs.begin(), n.inputs.begin() + ptrdiff_t(k), v) !=
          n.inputs.begin() + ptrdiff_t(k))
        continue;
      // Readers are in order: one behind the node's new place is found from the back.
      bool kept = false;
      for (int i = first_[v + 1]; i-- > first_[v] && !kept && readers_[i] > node;)
        kept = runs(readers_[i]) >= due;
      if (!kept) keeps += bytes_[v];
    }
    if (keeps < makes) waits_[node] = 1, due_[node] = due;
  }

  const Graph& g_;
  const std::vector<int64_t>& bytes_;
  std::vector<int> producer_, first_, readers_;  // of values; readers as ranges of one array
  std::vector<uint8_t> tied_, waits_;
  std::vector<int> due_;  // of a node that waits: in front of which node
};

}  // namespace delaying

bool asks_for_delay(const Graph& g) {
  constexpr int kFar = 32;  // nodes; what waits for less is not worth a look
  const std::vector<int> producer = g.producers();
  std::vector<int> next(g.nodes.size(), -1);  // node -> its first reader
  for (size_t i = g.nodes.size(); i-- > 0;)
    for (int v : g.nodes[i].inputs) next[producer[v]] = int(i);
  for (size_t i = 0; i < g.nodes.size(); ++i)
    if (g.nodes[i].call && next[i] > int(i) + kFar) return true;
  return false;
}

Graph delay(Graph g, const std::vector<int64_t>& bytes, std::vector<int>* node_of) {
  const delaying::Delayer delayer(g, bytes);
  std::vector<int> order = delayer.order(), before(g.nodes.size());
  for (size_t i = 0; i < before.size(); ++i) before[i] = int(i);
  if (delayer.peak(order) >= delayer.peak(before)) order = std::move(before);
  node_of->assign(g.nodes.size(), -1);
  for (size_t i = 0; i < order.size(); ++i) (*node_of)[order[i]] = int(i);
  std::vector<Graph::Node> nodes;
  nodes.reserve(order.size());
  for (int node : order) {
    Graph::Node& n = nodes.emplace_back(std::move(g.nodes[node]));
    if (n.forward >= 0) n.forward = (*node_of)[n.forward];
    for (int& other : n.after) other = (*node_of)[other];
  }
  g.nodes = std::move(nodes);
  return g;
}

}  // namespace heddle
