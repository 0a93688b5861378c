// Joining calls that treat each element by itself into one node, which runs them a tile at a time.
//
// A call joins the group of a value that it reads, where both work on tensors of one shape that are
// stored alike, in the same phase. The group runs where its last call stood, so whoever reads from
// it must stand behind, and it must not keep more in use in between than its values did. What only
// the group reads needs no memory at all.
#include <algorithm>
#include <map>
#include <set>

#include "heddle/layout.h"
#include "operator/elemwise/pointwise.h"
#include "symbol/passes.h"
#include "symbol/rewrite.h"

namespace heddle {

namespace pointwise {

constexpr size_t kMostCalls = 24;  // tiles of so many values stay in the cache

class Joiner {
 public:
  Joiner(Chosen c, const std::vector<uint8_t>& fixed)
      : size_(int(c.graph.nodes.size())),
        edit_(std::move(c.graph)),
        c_(std::move(c)),
        fixed_(fixed),
        group_of_(size_t(size_), -1),
        last_reader_(size_t(fixed.size()), -1) {
    for (int id = 0; id < size_; ++id) {
      const Graph::Node& n = edit_.node(id);
      for (size_t i = 0; i < n.inputs.size(); ++i) {
        last_reader_[size_t(n.inputs[i])] = id;
        if (n.call->inputs[i].role != Role::kRead) changes_.insert(n.inputs[i]);
      }
    }
  }

  std::optional<Joined> run() {
    for (int id = 0; id < size_; ++id)
      if (may_join(id)) look_at(id);
    const auto joins = [](const Group& g) { return g.size() > 1; };
    if (std::none_of(groups_.begin(), groups_.end(), joins)) return {};
    for (const Group& g : groups_)
      if (joins(g)) join(g);
    Joined r;
    r.chosen = std::move(c_);
    Rewriter::Result done = edit_.finish();
    r.chosen.graph = std::move(done.graph);
    r.value_of = std::move(done.value_of);
    for (const auto& [value, by] : moved_) r.value_of[size_t(value)] = r.value_of[size_t(by)];
    renumber(r, done.node_of);
    return r;
  }

 private:
  using Group = std::vector<int>;  // nodes, in order

  const ValueInfo& type(int v) const { return c_.types[size_t(v)]; }
  // The value whose type is that of all the tensors of a call.
  int like(int id) const { return edit_.node(id).first_output; }
  bool alike(int v, int w) const {
    return type(v).shape == type(w).shape && type(v).stype == type(w).stype &&
           same_bytes(type(v).shape, type(v).layout, type(w).layout);
  }

  bool may_join(int id) const {
    const Graph::Node& n = edit_.node(id);
    const OpDef::Implementation* k = c_.choices[size_t(id)].kernel;
    if (!n.call || !k || n.phase == Phase::kPrepare || !n.after.empty()) return false;
    if (c_.where[size_t(id)].kind != Device::kCpu || !is_pointwise(*k, *n.call)) return false;
    if (type(like(id)).stype != Stype::kDense || type(like(id)).shape.size() == 0) return false;
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      const int v = n.inputs[i];
      if (changes_.contains(v)) return false;  // it must be read before, or after
      if (n.call->inputs[i].shape_only ? type(v).shape != type(like(id)).shape
                                       : !alike(v, like(id)))
        return false;
    }
    for (int v = like(id) + 1; v < like(id) + n.outputs(); ++v)
      if (!alike(v, like(id))) return false;
    return true;
  }

  // Joins the group that made the latest of its inputs, or begins one.
  void look_at(int id) {
    const Graph::Node& n = edit_.node(id);
    std::vector<int> candidates;
    for (size_t i = 0; i < n.inputs.size(); ++i)
      if (const int g = group_of_[size_t(edit_.producer(n.inputs[i]))];
          g >= 0 && !n.call->inputs[i].shape_only)
        candidates.push_back(g);
    std::sort(candidates.begin(), candidates.end(),
              [&](int a, int b) { return groups_[size_t(a)].back() > groups_[size_t(b)].back(); });
    for (int g : candidates)
      if (fits(groups_[size_t(g)], id)) {
        groups_[size_t(g)].push_back(id);
        group_of_[size_t(id)] = g;
        return;
      }
    group_of_[size_t(id)] = int(groups_.size());
    groups_.push_back({id});
  }

  bool fits(const Group& g, int id) const {
    const Graph::Node &first = edit_.node(g[0]), &n = edit_.node(id);
    if (g.size() >= kMostCalls || first.phase != n.phase || !alike(like(g[0]), like(id)) ||
        c_.where[size_t(g[0])] != c_.where[size_t(id)])
      return false;
    // Bytes in use between the group's last call and this one: as it is, and if the group ran here.
    int64_t now = 0, then = 0;
    std::vector<int> read;
    const bool gap = id > g.back() + 1;
    for (int m : g) {
      const Graph::Node& member = edit_.node(m);
      for (int k = 0; k < member.outputs(); ++k) {
        const int v = member.first_output + k;
        bool lives = fixed_[size_t(v)];
        for (int r : edit_.readers(v)) {
          if (group_of_[size_t(r)] != group_of_[size_t(m)] && r < id) return false;
          lives |= r >= id;
        }
        if (lives && !fixed_[size_t(v)]) now += bytes(v);
      }
      read.insert(read.end(), member.inputs.begin(), member.inputs.end());
    }
    if (!gap) return true;
    std::sort(read.begin(), read.end());
    read.erase(std::unique(read.begin(), read.end()), read.end());
    for (int v : read) {
      const int maker = edit_.producer(v);
      if (!edit_.node(maker).call || fixed_[size_t(v)] ||
          group_of_[size_t(maker)] == group_of_[size_t(g[0])])
        continue;
      if (last_reader_[size_t(v)] < id) then += bytes(v);
    }
    return then <= now;
  }
  int64_t bytes(int v) const { return type(v).shape.size() * dtype_size(type(v).dtype); }

  void join(const Group& g) {
    const int at = g.back();
    std::map<int, int> number;  // value -> its number in the call
    std::vector<int> inputs;
    for (int id : g)
      for (int v : edit_.node(id).inputs)
        if (!made_by(g, v) && number.try_emplace(v, int(inputs.size())).second) inputs.push_back(v);
    int next = int(inputs.size());
    for (int id : g)
      for (int k = 0; k < edit_.node(id).outputs(); ++k)
        number[edit_.node(id).first_output + k] = next++;
    std::vector<ops::ew::PointwisePart> parts;
    std::vector<int> results, made;
    for (int id : g) {
      const Graph::Node& n = edit_.node(id);
      ops::ew::PointwisePart part{n.call, {}, {}, {}};
      for (int v : n.inputs) part.inputs.push_back(number[v]);
      for (int k = 0; k < n.outputs(); ++k) {
        const int v = n.first_output + k;
        const auto& readers = edit_.readers(v);
        part.outputs.push_back(type(v).dtype);
        part.wanted.push_back(fixed_[size_t(v)] || !readers.empty() || always_written(n, k));
        const bool seen =
            fixed_[size_t(v)] || std::any_of(readers.begin(), readers.end(), [&](int r) {
              return group_of_[size_t(r)] != group_of_[size_t(id)];
            });
        if (seen) results.push_back(number[v]), made.push_back(v);
      }
      parts.push_back(std::move(part));
    }
    if (results.empty()) return;
    const Graph::Node end = edit_.node(at);
    const int fused = edit_.insert(
        at, {.call = ops::ew::make_pointwise(std::move(parts), results, int(inputs.size())),
             .name = end.name,
             .attrs = end.attrs,
             .inputs = inputs,
             .forward = end.forward,
             .phase = end.phase});
    group_of_.push_back(-1);
    c_.where.push_back(c_.where[size_t(at)]);
    const Stored stored{Stype::kDense, type(like(at)).layout};
    Choice choice{&choose_kernel_of(fused, inputs, made), {}, {}};
    choice.in.assign(inputs.size(), stored), choice.out.assign(made.size(), stored);
    c_.choices.push_back(std::move(choice));
    for (size_t k = 0; k < made.size(); ++k) {
      const int by = edit_.node(fused).first_output + int(k);
      c_.types.push_back(type(made[k]));
      edit_.replace(made[k], by);
      moved_.emplace_back(made[k], by);
    }
    for (auto id = g.rbegin(); id != g.rend(); ++id) edit_.remove(*id, fused);
  }

  const OpDef::Implementation& choose_kernel_of(int fused, const std::vector<int>& inputs,
                                                const std::vector<int>& made) const {
    const auto blob = [&](int v) {
      return Blob{nullptr, type(v).shape, type(v).dtype, c_.where.back()};
    };
    std::vector<Blob> in, out;
    for (int v : inputs) in.push_back(blob(v));
    for (int v : made) out.push_back(blob(v));
    return choose_kernel(*edit_.node(fused).call, c_.where.back(), {in, out, false});
  }

  bool made_by(const Group& g, int v) const {
    return group_of_[size_t(edit_.producer(v))] == group_of_[size_t(g[0])];
  }

  // The tables of nodes and of values follow the graph's new numbers.
  void renumber(Joined& r, const std::vector<int>& node_of) {
    Chosen& c = r.chosen;
    Placement where(c.graph.nodes.size());
    std::vector<Choice> choices(c.graph.nodes.size());
    for (size_t id = 0; id < node_of.size(); ++id) {
      if (node_of[id] < 0) continue;
      where[size_t(node_of[id])] = c.where[id];
      choices[size_t(node_of[id])] = std::move(c.choices[id]);
    }
    ValueTypes types(size_t(c.graph.values));
    for (size_t v = 0; v < c.types.size(); ++v)
      if (r.value_of[v] >= 0) types[size_t(r.value_of[v])] = c.types[v];
    c.where = std::move(where), c.choices = std::move(choices), c.types = std::move(types);
  }

  const int size_;
  Rewriter edit_;
  Chosen c_;
  const std::vector<uint8_t>& fixed_;
  std::vector<Group> groups_;
  std::vector<int> group_of_;     // of nodes; -1: none, and of those that were put in
  std::vector<int> last_reader_;  // of values
  std::set<int> changes_;         // values that nodes change in place
  std::vector<std::pair<int, int>> moved_;
};

}  // namespace pointwise

std::optional<Joined> fuse_pointwise(Chosen c, const std::vector<uint8_t>& fixed) {
  return pointwise::Joiner(std::move(c), fixed).run();
}

}  // namespace heddle
