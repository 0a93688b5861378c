// The operator catalogue, and what can be asked of one record: calls, inference, kernels.
#include "heddle/op.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <numeric>

#include "base/settings.h"
#include "device/scratch.h"
#include "operator/linalg.h"

namespace heddle {

// --- inference ----------------------------------------------------------------------------------
// No tensor has so many elements that their bytes cannot be counted, in strides of others too: so
// nobody behind this needs to look for overflows.
void check_extents(const OpDef& op, std::string_view name, const Shape& s) {
  constexpr int64_t kMost = int64_t{1} << 48;
  int64_t n = 1;
  bool fits = true;
  for (int64_t d : s)
    fits = fits && d <= kMost && !__builtin_mul_overflow(n, d > 1 ? d : 1, &n) && n <= kMost;
  check(fits, "[{}] {} has shape {}, expected at most {} elements", op.name, name, s, kMost);
}

void InferContext::merge(Shape& have, const Shape& s, std::string_view name) {
  if (!s.has_rank()) return;
  if (!have.has_rank()) {
    have = s;
    return check_extents(op_, name, have);
  }
  bool fits = have.rank() == s.rank();
  for (int d = 0; fits && d < s.rank(); ++d) fits = have[d] < 0 || s[d] < 0 || have[d] == s[d];
  check(fits, "[{}] {} has shape {}, expected {}", op_.name, name, have, s);
  for (int d = 0; d < s.rank(); ++d)
    if (have[d] < 0) have[d] = s[d];
  check_extents(op_, name, have);
}

void InferContext::merge(Dtype& have, Dtype d, std::string_view name) {
  if (d == Dtype::kUnknown) return;
  check(have == Dtype::kUnknown || have == d, "[{}] {} has dtype {}, expected {}", op_.name, name,
        have, d);
  have = d;
}

void InferContext::merge(Stype& have, Stype s, std::string_view name) {
  if (s == Stype::kUnknown) return;
  static constexpr std::string_view kNames[] = {"default", "row_sparse", "csr"};
  check(have == Stype::kUnknown || have == s, "[{}] {} is stored as {}, expected {}", op_.name,
        name, have == Stype::kUnknown ? "unknown" : kNames[int(have)], kNames[int(s)]);
  have = s;
}

void infer_same(InferContext& c) {
  Shape s;
  for (int i = 0; i < c.inputs(); ++i)
    if (c.in(i).has_rank() && (!s.has_rank() || !s.known())) s = c.in(i);
  for (int i = 0; i < c.outputs(); ++i)
    if (c.out(i).has_rank() && (!s.has_rank() || !s.known())) s = c.out(i);
  for (int i = 0; i < c.inputs(); ++i) c.set_in(i, s);
  for (int i = 0; i < c.outputs(); ++i) c.set_out(i, s);
}

void infer_same_dtype(InferContext& c) {
  Dtype d = Dtype::kUnknown;
  for (int i = 0; i < c.inputs() && d == Dtype::kUnknown; ++i) d = c.in_dtype(i);
  for (int i = 0; i < c.outputs() && d == Dtype::kUnknown; ++i) d = c.out_dtype(i);
  for (int i = 0; i < c.inputs(); ++i) c.set_in_dtype(i, d);
  for (int i = 0; i < c.outputs(); ++i) c.set_out_dtype(i, d);
}

void infer_dense(InferContext& c) {
  for (int i = 0; i < c.inputs(); ++i) c.set_in_stype(i, Stype::kDense);
  for (int i = 0; i < c.outputs(); ++i) c.set_out_stype(i, Stype::kDense);
}

template <class T>
ListOf<T>::ListOf(const ListOf&) = default;
template <class T>
ListOf<T>::ListOf(ListOf&&) noexcept = default;
template <class T>
ListOf<T>& ListOf<T>::operator=(const ListOf&) = default;
template <class T>
ListOf<T>& ListOf<T>::operator=(ListOf&&) noexcept = default;
template <class T>
ListOf<T>::~ListOf() = default;
template class ListOf<Input>;
template class ListOf<Output>;
template class ListOf<Ref>;
template class ListOf<std::pair<int, int>>;

bool draws_always(bool) { return true; }

namespace catalogue {

// How much is known: grows with every step of inference until it stands still.
int64_t knowledge(std::span<const InferContext::Value> values) {
  int64_t n = 0;
  for (const auto& v : values) {
    if (v.shape.has_rank()) ++n;
    for (int64_t d : v.shape) n += d >= 0;
    n += (v.dtype != Dtype::kUnknown) + (v.stype != Stype::kUnknown);
  }
  return n;
}

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = char(c + 32);
  return out;
}

// Levenshtein distance: for suggestions.
int distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    int diagonal = row[0]++;
    for (size_t j = 0; j < b.size(); ++j) {
      const int above = row[j + 1];
      row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (a[i] != b[j])});
      diagonal = above;
    }
  }
  return row.back();
}

std::mutex preferred_mutex;
std::atomic<const std::string*> preferred{nullptr};

// The outputs of a gradient: one per input of the forward operator that is not auxiliary.
OpDef backward_of(const OpDef& d) {
  OpDef b{.name = Name("_backward_" + d.name)};
  b.doc = "Gradient of " + d.name + ".";
  b.params = d.params;
  b.inputs = {};
  b.outputs = {};
  b.infer = nullptr;  // the types are those of the forward node's values
  b.infer_dtype = nullptr;
  b.infer_stype = nullptr;
  b.inplace = d.backward.inplace;
  b.views = d.backward.views;
  b.forward = &d;
  return b;
}

}  // namespace catalogue

namespace catalogue {

// What the record says of the first input: here, at the call, and not when the kernel runs.
void check_dtype(const OpCall& call, std::span<const InferContext::Value> in) {
  if (in.empty() || call.op->dtypes == Dtypes::kAny) return;
  const bool floating = call.op->dtypes == Dtypes::kFloating;
  const Dtype d = in[0].dtype;
  check(d == Dtype::kUnknown || (floating ? is_float(d) : d != Dtype::kBool),
        "[{}] {} has dtype {}, expected {}", call.op->name, call.inputs[0].name, d,
        floating ? "a floating type" : "a type of numbers");
}

}  // namespace catalogue

void infer_call(const OpCall& call, std::span<InferContext::Value> in,
                std::span<InferContext::Value> out, bool training) {
  InferContext c(*call.op, call.inputs, call.outputs, in, out, training);
  for (int64_t before = -1;;) {
    if (call.op->infer) call.op->infer(call.params.get(), c);
    if (call.op->infer_dtype) call.op->infer_dtype(call.params.get(), c);
    if (call.op->infer_stype) call.op->infer_stype(call.params.get(), c);
    const int64_t now = catalogue::knowledge(in) + catalogue::knowledge(out);
    if (now == before) break;
    before = now;
  }
  catalogue::check_dtype(call, in);
}

// --- calls --------------------------------------------------------------------------------------
namespace catalogue {

// The items of a record's list that exist for these parameters.
template <class T>
class Present {
 public:
  Present(const ParamSchema& schema, const void* params) : schema_(schema), params_(params) {}
  std::vector<T> operator()(const ListOf<T>& list) {
    std::vector<T> items = list(params_);
    std::erase_if(items, [&](const T& item) { return !holds(item.when); });
    return items;
  }

 private:
  bool holds(const Condition& c) {
    if (c.param.empty()) return true;
    const std::optional<std::string> text = schema_.text(params_, c.param);
    if (text) return *text == c.value;
    fail("a condition names the parameter '{}', which does not exist", c.param);
  }
  const ParamSchema& schema_;
  const void* params_;
};

void fix_lists(OpCall& c) {
  const void* p = c.params.get();
  c.reads = c.op->backward.reads(p);
  c.inplace = c.op->inplace(p);
  c.visible_outputs = 0;
  for (const Output& o : c.outputs) c.visible_outputs += !o.hidden;
  for (const Input& i : c.inputs) c.mutates = c.mutates || i.role != Role::kRead;
}

// What the gradient of a linear operator's gradient reads: see symbol/gradient.cc.
std::vector<Ref> reads_of_gradient(const OpCall& f, const OpCall& b) {
  const Linear linear = f.op->backward.linear;
  std::vector<Ref> reads;
  if (linear == Linear::kNo) return reads;
  for (size_t i = 0; i < b.outputs.size(); ++i) reads.push_back(dy(int(i)));
  for (size_t i = 0; i < f.reads.size(); ++i)
    if (!f.reads[i].shape_only && (linear == Linear::kFactors || f.reads[i].kind != Ref::kDy))
      reads.push_back(x(int(i)));
  return reads;
}

// "_backward_<name>" with the same parameters: its lists follow from the forward call's.
OpCallRef backward_call(const OpCall& f) {
  if (!kGradients || !f.op->backward_op) return nullptr;
  auto b = std::make_shared<OpCall>();
  b->op = f.op->backward_op;
  b->kwargs = f.kwargs;
  b->params = f.params;
  for (Ref r : f.reads) {
    const size_t i = size_t(r.index);
    switch (r.kind) {
      case Ref::kDy:
        b->inputs.push_back({.name = "grad_" + f.outputs.at(i).name});
        break;
      case Ref::kX:
        b->inputs.push_back({.name = f.inputs.at(i).name, .role = f.inputs[i].role});
        break;
      case Ref::kY:
        b->inputs.push_back({.name = f.outputs.at(i).name});
        break;
    }
    b->inputs.back().shape_only = r.shape_only;
    // A gradient reads what the forward run mutated, but changes auxiliary states only.
    if (b->inputs.back().role == Role::kMutate) b->inputs.back().role = Role::kRead;
  }
  for (const Input& i : f.inputs)
    if (i.role != Role::kAux) b->outputs.push_back({.name = "grad_" + i.name});
  fix_lists(*b);
  b->reads = reads_of_gradient(f, *b);
  return b;
}

// Writes down what an operator's `compose` builds; composed parts give their own parts.
class Composer : public Builder {
 public:
  explicit Composer(OpCall& call) : call_(call), values_(int(call.inputs.size())) {}
  Value x(int i) override {
    check(i >= 0 && i < inputs(), "[{}] has no input {}", call_.op->name, i);
    return {i};
  }
  std::vector<Value> call_all(std::string_view op, std::vector<Value> inputs,
                              Kwargs kwargs) override {
    const OpCallRef part = make_call(OpTable::get().at(op), std::move(kwargs));
    check(inputs.size() == part->inputs.size(), "[{}] gives {} {} inputs, expected {}",
          call_.op->name, op, inputs.size(), part->inputs.size());
    std::vector<int> ids;
    for (Value v : inputs) {
      check(v.id >= 0 && v.id < values_, "[{}] passes a value to {} that is none", call_.op->name,
            op);
      ids.push_back(v.id);
    }
    std::vector<int> made = part->parts.empty() ? add(part, std::move(ids)) : join(*part, ids);
    std::vector<Value> visible;
    for (size_t k = 0; k < made.size(); ++k)
      if (!part->outputs[k].hidden) visible.push_back({made[k]});
    return visible;
  }
  const void* params() const override { return call_.params.get(); }
  const Kwargs& kwargs() const override { return call_.kwargs; }
  int inputs() const override { return int(call_.inputs.size()); }

 private:
  std::vector<int> add(OpCallRef part, std::vector<int> inputs) {
    std::vector<int> made(part->outputs.size());
    for (int& v : made) v = values_++;
    call_.parts.push_back({std::move(part), std::move(inputs)});
    return made;
  }
  std::vector<int> join(const OpCall& composed, std::vector<int> value) {  // its number -> ours
    for (const OpCall::Part& part : composed.parts) {
      std::vector<int> inputs;
      for (int v : part.inputs) inputs.push_back(value[size_t(v)]);
      for (int v : add(part.call, std::move(inputs))) value.push_back(v);
    }
    std::vector<int> made;
    for (int v : composed.results) made.push_back(value[size_t(v)]);
    return made;
  }
  OpCall& call_;
  int values_;
};

void compose(OpCall& c) {
  Composer composer(c);
  for (Builder::Value v : c.op->compose(composer)) c.results.push_back(v.id);
  check(c.results.size() == c.outputs.size() && !c.parts.empty(),
        "[{}] is composed of {} operators and gives {} values, expected {}", c.op->name,
        c.parts.size(), c.results.size(), c.outputs.size());
}

}  // namespace catalogue

OpCallRef make_call(const OpDef& op, Kwargs kwargs) {
  // A text may claim any number: no more inputs are made than a graph can have.
  constexpr int64_t kMostInputs = 1 << 16;
  if (const auto count = kwargs.find(op.variadic); !op.variadic.empty() && count != kwargs.end())
    if (int64_t n; param::parse(count->second, n))
      check(n <= kMostInputs, "[{}] {} is {}, expected at most {}", op.name, op.variadic, n,
            kMostInputs);
  auto params = op.params.parse(op.name, kwargs);
  return make_call(op, std::move(kwargs), std::move(params));
}

OpCallRef make_call(const OpDef& op, Kwargs kwargs, std::shared_ptr<const void> params) {
  auto c = std::make_shared<OpCall>();
  c->op = &op;
  c->kwargs = std::move(kwargs);
  c->params = std::move(params);
  c->inputs = catalogue::Present<Input>(op.params, c->params.get())(op.inputs);
  c->outputs = catalogue::Present<Output>(op.params, c->params.get())(op.outputs);
  catalogue::fix_lists(*c);
  if (op.compose) catalogue::compose(*c);
  c->backward = catalogue::backward_call(*c);
  return c;
}

// --- kernels ------------------------------------------------------------------------------------
void prefer_kernels(std::string_view library) {
  // Old names are kept: a kernel being chosen on another thread may still read one.
  static auto* names = new std::map<std::string, int, std::less<>>;
  std::lock_guard lock(catalogue::preferred_mutex);
  ops::linalg::use_offers(library != "portable");
  catalogue::preferred = library.empty() ? nullptr : &names->emplace(library, 0).first->first;
}

namespace catalogue {

// The first kernel on `device` for which fits(kernel) holds, preferred ones before.
template <class Fits>
const OpDef::Implementation& first_kernel(const OpCall& call, Device device, const Situation& s,
                                          Fits&& fits) {
  // Pinned memory is the host's.
  const Device::Kind kind = device.kind == Device::kPinned ? Device::kCpu : device.kind;
  const auto& kernels = call.op->kernels;
  const std::string* library = preferred;
  for (const bool any : {false, true}) {
    if (!any && !library) continue;
    for (auto k = kernels.rbegin(); k != kernels.rend(); ++k)
      if (k->on == kind && (any || k->library == *library) &&
          (!k->accepts || k->accepts(call.params.get(), s)) && fits(*k))
        return *k;
  }
  std::string types;
  for (const Blob& b : s.in) {
    append(types, types.empty() ? "" : ", ");
    append(types, b.dtype);
    if (b.stored.kind != Stype::kDense) append(types, " stored sparse");
    if (!b.stored.layout.plain()) append(types, " "), append(types, b.stored.layout);
  }
  fail("[{}] has no kernel for {} on {}", call.op->name, types.empty() ? "no inputs" : types,
       device);
}

bool plain(std::span<const Blob> blobs) {
  bool all = true;  // small calls are many: no branch per blob
  for (const Blob& b : blobs) all &= b.stored.plain();
  return all;
}

// Asks a kernel with wants(); everything is plain before.
void ask(const OpDef::Implementation& k, const OpCall& call, const Situation& s, StoredAs& as) {
  std::fill(as.in.begin(), as.in.end(), Stored{});
  std::fill(as.out.begin(), as.out.end(), Stored{});
  if (k.wants) k.wants(call.params.get(), s, as);
}

// Does it take the blobs as they are stored?
bool takes(const OpDef::Implementation& k, const OpCall& call, const Situation& s) {
  if (plain(s.in) && plain(s.out)) return true;
  if (!k.wants) return false;
  std::vector<Stored> in(s.in.size()), out(s.out.size());
  StoredAs as{in, out};
  ask(k, call, s, as);
  for (size_t i = 0; i < in.size(); ++i)
    if (!call.inputs[i].shape_only && in[i] != s.in[i].stored) return false;
  for (size_t i = 0; i < out.size(); ++i)
    if (out[i] != s.out[i].stored) return false;
  return true;
}

}  // namespace catalogue

void wants_same(const Situation& s, StoredAs& as) {
  if (s.out.empty()) return;
  const Stored* first = nullptr;
  for (const Blob& b : s.in)
    if (!first && b.stored.kind == Stype::kDense && !b.stored.plain() && b.shape == s.out[0].shape)
      first = &b.stored;
  const auto has_shape = [&](const Blob& b) { return b.shape == s.out[0].shape; };
  if (!first || !std::all_of(s.in.begin(), s.in.end(), has_shape) ||
      !std::all_of(s.out.begin(), s.out.end(), has_shape))
    return;
  std::fill(as.in.begin(), as.in.end(), *first);
  std::fill(as.out.begin(), as.out.end(), *first);
}

bool is_pointwise(const OpDef::Implementation& kernel, const OpCall& call) {
  const OpDef& op = call.op->forward ? *call.op->forward : *call.op;
  const void* const p = call.params.get();
  if (call.mutates || op.stateful || op.dynamic_shape || (op.draws && op.draws(p, true)))
    return false;
  if (op.pointwise) return op.pointwise(p);
  return kernel.wants == Wants(wants_same);
}

const OpDef::Implementation& choose_kernel(const OpCall& call, Device device, const Situation& s) {
  return catalogue::first_kernel(call, device, s,
                                 [&](const auto& k) { return catalogue::takes(k, call, s); });
}

const OpDef::Implementation& choose_kernel(const OpCall& call, Device device, const Situation& s,
                                           StoredAs& as) {
  const auto& k = catalogue::first_kernel(call, device, s, [](const auto&) { return true; });
  catalogue::ask(k, call, s, as);
  return k;
}

Cost cost_of(const OpCall& call, const Situation& s) {
  Cost c;
  double elements = 0;
  for (size_t i = 0; i < s.in.size(); ++i)
    if (!call.inputs[i].shape_only)
      c.bytes += double(s.in[i].bytes()), elements += double(s.in[i].size());
  for (const Blob& b : s.out) c.bytes += double(b.bytes()), elements += double(b.size());
  c.flops = call.op->flops ? call.op->flops(call.params.get(), s) : elements;
  return c;
}

void run_kernel(const OpCall& call, OpContext& ctx, std::span<const Blob> in, Outputs out) {
  run_kernel(choose_kernel(call, ctx.device, {in, out, ctx.training}), call, ctx, in, out);
}

namespace catalogue {

std::atomic<bool> checks_scratch{false};

void run_counted(const OpDef::Implementation& kernel, const OpCall& call, OpContext& ctx,
                 std::span<const Blob> in, Outputs out) {
  const ScratchNeed need = scratch_of(kernel, call, {in, out, ctx.training, {}, ctx.wanted});
  const int64_t said = ScratchRoom::bytes(need.call, need.piece, 1);
  const ScratchCount count;
  {
    ScratchScope scope;
    kernel.run(call.params.get(), ctx, Inputs(in, call.inputs), out);
  }
  check(int64_t(count.most()) <= std::max(said, int64_t(kSmallestScratch)),
        "[{}] the {} kernel took {} bytes of scratch memory, expected {} at most: {} by itself and "
        "{} in a piece",
        call.op->name, kernel.library, count.most(), said, need.call, need.piece);
}

}  // namespace catalogue

void run_kernel(const OpDef::Implementation& kernel, const OpCall& call, OpContext& ctx,
                std::span<const Blob> in, Outputs out) {
  if (catalogue::checks_scratch.load(std::memory_order_relaxed))
    return catalogue::run_counted(kernel, call, ctx, in, out);
  ScratchScope scope;
  kernel.run(call.params.get(), ctx, Inputs(in, call.inputs), out);
}

ScratchNeed scratch_of(const OpDef::Implementation& kernel, const OpCall& call,
                       const Situation& s) {
  return kernel.scratch ? kernel.scratch(call.params.get(), s) : ScratchNeed{};
}

void check_scratch(bool on) { catalogue::checks_scratch.store(on); }

// --- the table ----------------------------------------------------------------------------------
struct OpTable::State {
  std::map<std::string_view, OpDef*> names;  // aliases too
  std::vector<const OpDef*> order;
  const OpDef* meanings[size_t(Meaning::kLast) + 1] = {};  // the first of each
  Name file;  // where define() and kernel() are called from
  // Kernels of a library for operators that are there already: they are added when all went well.
  size_t old = 0;  // how many operators those are
  std::vector<std::pair<OpDef*, OpDef::Implementation>> later;
};

OpTable::State& OpTable::state() {
  if (!state_) state_ = new State;
  return *state_;
}

OpTable& OpTable::get() {
  static OpTable* table = [] {
    auto* t = new OpTable;
    define_all_ops(*t);
    prefer_kernels(setting("HEDDLE_KERNELS"));
    return t;
  }();
  return *table;
}

const OpDef& OpTable::define(OpDef def) {
  State& table = state();
  auto* d = new OpDef(std::move(def));
  d->kernels.reserve(8);  // CUDA's are added while others look: the list must not move then
  if (d->hint.empty()) d->hint = catalogue::lower(d->name);
  if (d->json_name.empty()) d->json_name = d->name;
  d->file = table.file;
  check(table.names.emplace(d->name, d).second, "operator '{}' is defined twice", d->name);
  for (Name alias : d->aliases)
    check(table.names.emplace(alias, d).second, "operator '{}': the alias '{}' is taken", d->name,
          alias);
  table.order.push_back(d);
  if (d->meaning != Meaning::kNone)
    if (const OpDef*& first = table.meanings[size_t(d->meaning)]; !first) first = d;
  if (d->cpu) {
    kernel(d->name, Device::kCpu, "portable", d->cpu, nullptr, d->wants);
    if (d->scratch) scratch(d->name, d->scratch);
  }
  if (d->backward.run) {
    const OpDef& b = define(catalogue::backward_of(*d));
    kernel(b.name, Device::kCpu, "portable", d->backward.run, nullptr,
           d->backward.wants ? Wants(d->backward.wants) : d->wants);
    if (d->backward.scratch) scratch(b.name, d->backward.scratch);
    d->backward_op = &b;
  }
  return *d;
}

void OpTable::kernel(std::string_view op, Device::Kind on, Name library, Kernel run,
                     Accepts accepts, Wants wants) {
  if (!kGradients && op.starts_with("_backward_")) return;
  State& table = state();
  const auto it = table.names.find(op);
  check(it != table.names.end(), "a {} kernel names '{}', which is not an operator", library, op);
  OpDef* const d = it->second;
  OpDef::Implementation k{on, library, run, accepts, wants, table.file};
  const auto old = table.order.begin() + ptrdiff_t(table.old);
  if (std::find(table.order.begin(), old, d) == old) d->kernels.push_back(std::move(k));
  else table.later.emplace_back(d, std::move(k));
}

void OpTable::scratch(std::string_view op, ScratchOf need) {
  if (!kGradients && op.starts_with("_backward_")) return;
  State& table = state();
  const auto it = table.names.find(op);
  check(it != table.names.end() && !it->second->kernels.empty(),
        "scratch memory is declared for '{}', which has no kernel", op);
  OpDef* const d = it->second;
  const auto added = std::find_if(table.later.rbegin(), table.later.rend(),
                                  [&](const auto& k) { return k.first == d; });
  (added == table.later.rend() ? d->kernels.back() : added->second).scratch = need;
}

void OpTable::packing(std::string_view op, int input, Name by, Kernel run,
                      Erased<Kwargs, const Situation&> with, ScratchOf scratch) {
  OpDef::Implementation& k = state().names.find(op)->second->kernels.back();
  OpDef::Packing p{input, by, k, with};
  p.kernel.run = run, p.kernel.scratch = scratch;
  k.packing = std::make_shared<const OpDef::Packing>(std::move(p));
}

const OpDef* OpTable::find(std::string_view name) const {
  const State& table = *state_;
  const auto it = table.names.find(name);
  return it == table.names.end() ? nullptr : it->second;
}

const OpDef& OpTable::at(std::string_view name) const {
  if (const OpDef* d = find(name)) return *d;
  std::string near;
  int best = 3;  // names further away are no help
  for (const auto& [known, d] : state_.load()->names) {
    const int far = catalogue::distance(catalogue::lower(name), catalogue::lower(known));
    if (far < best) best = far, near = known;
  }
  check(!near.empty(), "operator '{}' is unknown", name);
  fail("operator '{}' is unknown; did you mean '{}'?", name, near);
}

const OpDef& OpTable::of(Meaning meaning) const {
  const OpDef* d = state_.load()->meanings[size_t(meaning)];
  check(d, "no operator has the meaning {}", int(meaning));
  return *d;
}

const OpDef* OpTable::serving(std::string_view symbol, Notation::Form form) const {
  for (const OpDef* d : state_.load()->order)
    for (const Notation& n : d->notation)
      if (n.symbol == symbol && n.form == form) return d;
  return nullptr;
}

std::vector<const OpDef*> OpTable::list() const { return state_.load()->order; }

void OpTable::in_file(std::string_view stem) { state().file = stem; }

std::vector<std::string> OpTable::extend(std::string_view file, void (*define)(OpTable&)) {
  static std::mutex one_at_a_time;
  std::lock_guard lock(one_at_a_time);
  OpTable next;
  State& table = *(next.state_ = new State(*state_));
  table.file = file, table.old = table.order.size();
  attempt([&] { define(next); },
          [&](std::string_view text) {
            delete &table;  // its records stay where they are: somebody may have kept one
            fail("{}: {}", file, text);
          });
  std::vector<std::string> names;
  for (size_t i = table.old; i < table.order.size(); ++i)
    if (!table.order[i]->forward) names.push_back(table.order[i]->name);
  for (auto& [d, k] : table.later) d->kernels.push_back(std::move(k));
  table.later.clear(), table.old = 0;
  state_ = &table;  // the old one stays: others may be looking something up
  return names;
}

}  // namespace heddle
