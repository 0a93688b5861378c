// Runs formulas of one tensor, and builds the records of the binary operators in all their forms.
#include "operator/elemwise/family.h"

#include <algorithm>

#include "operator/elemwise/reduction.h"
#include "operator/scratch_needs.h"

namespace heddle::ops::ew {

// --- unary --------------------------------------------------------------------------------------
std::vector<Ref> Formula::reads() const {
  if (saved == kInput) return {heddle::dy(), heddle::x()};
  if (saved == kOutput) return {heddle::dy(), heddle::y()};
  return {heddle::dy()};
}

void map_with(const OpContext& ctx, const Formula& f, const MapLoops& loops,
              std::span<const Blob> in, Numbers params, const Blob& out) {
  Operand operands[kMaxInputs] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
  Operand* end = std::copy(in.begin(), in.end(), operands);
  for (double p : params) *end++ = f.whole ? Operand(p) : Operand::parameter(p);
  map(ctx, loops, std::span<const Operand>(operands, end), std::span(&out, 1));
}

void run(const Formula& f, const OpContext& ctx, const Blob& x, Numbers params, const Blob& y) {
  map_with(ctx, f, *f.value, std::span(&x, 1), params, y);
}

void run_gradient(const Formula& f, const OpContext& ctx, const Inputs& in, Numbers params,
                  const Blob& dx) {
  map_with(ctx, f, *f.gradient, std::span(in.begin(), in.end()), params, dx);
}

std::vector<GradContext::Value> build_gradient(const Formula& f, GradContext& g, Numbers params) {
  const Symbolic dy(g, g.dy());
  const std::vector<Symbolic> numbers(params.begin(), params.end());
  auto saved = [&]() -> Symbolic {
    if (f.saved == Formula::kNothing) return 0.0;
    return {g, f.saved == Formula::kInput ? g.x() : g.y()};
  };
  return {tensor_of(f.graph(dy, saved(), numbers.data()))};
}

// --- binary -------------------------------------------------------------------------------------
void infer_broadcast(InferContext& c) {
  c.set_out(0, broadcast_shape(c.op().name, c.in(0), c.in(1)));
}

void one_gradient(OpContext& ctx, const MapLoops& loops, Inputs in, const Blob& out) {
  auto apply = [&](const Blob& to) {
    if (in.count() == 1) map(ctx, loops, {in[0]}, to);
    else map(ctx, loops, {in[0], in[1], in[2]}, to);
  };
  if (out.shape == in[0].shape) return apply(out);
  if (in.count() == 1) {  // a gradient is linear in dy: the sum may come first
    sum_to(ctx, in[0], out);
    return map(ctx, loops, {out}, out);
  }
  Blob whole = in[0];
  whole.dtype = out.dtype;
  whole.data = ctx.scratch(size_t(whole.bytes()));
  apply(whole);
  sum_to(ctx, whole, out);
}

void binary_gradients(OpContext& ctx, const MapLoops& a, const MapLoops& b, Inputs in,
                      Outputs out) {
  if (ctx.wants(0)) one_gradient(ctx, a, in, out[0]);
  if (ctx.wants(1)) one_gradient(ctx, b, in, out[1]);
}

// Of an operand that was broadcast: what its sums take, and where its gradient needs the operands
// too, all of what is summed.
ScratchNeed gradients_scratch(const Situation& s) {
  ScratchNeed most;
  for (size_t i = 0; i < std::min<size_t>(s.out.size(), 2); ++i) {
    const Shape& whole = s.in[0].shape;
    if (!s.wants(i) || s.out[i].shape == whole) continue;
    ScratchNeed need = sum_to_scratch(whole, s.out[i].shape);
    if (s.in.size() > 1) need.take(whole.size() * dtype_size(s.out[i].dtype));
    most = s.in.size() > 1 ? both(most, need) : either(most, need);
  }
  return most;
}

using Values = std::vector<GradContext::Value>;

Values build_elemwise(GradContext& g, BinaryGraph to_a, BinaryGraph to_b) {
  const Symbolic dy(g, g.dy());
  const Symbolic a(g, g.x(0)), b(g, g.x(1));
  return {tensor_of(to_a(dy, a, b)), tensor_of(to_b(dy, a, b))};
}
Values build_broadcast(GradContext& g, BinaryGraph to_a, BinaryGraph to_b) {
  const Symbolic dy(g, g.dy());
  const Symbolic a(g, g.x(0), Symbolic::kFirst), b(g, g.x(1), Symbolic::kSecond);
  return {tensor_like(g, to_a(dy, a, b), 0), tensor_like(g, to_b(dy, a, b), 1)};
}
Values build_scalar(GradContext& g, const ScalarParam& p, BinaryGraph to_a) {
  const Symbolic dy(g, g.dy()), x(g, g.x());
  return {tensor_of(to_a(dy, x, p.scalar))};
}
Values build_reflected(GradContext& g, const ScalarParam& p, BinaryGraph to_b) {
  const Symbolic dy(g, g.dy()), x(g, g.x());
  return {tensor_of(to_b(dy, p.scalar, x))};
}

void set_gradient(OpDef& d, const BinaryKernels& k, const Learned<Kernel>& run,
                  const Learned<ListOf<Ref>>& with_operands) {
  d.backward.zero = !k.has_grad;
  if (!k.has_grad) return;
  d.backward.reads = k.reads_operands ? with_operands : Learned<ListOf<Ref>>{dy()};
  d.backward.run = run;
  d.backward.scratch = ScratchOf(gradients_scratch);
}

void define_scalar(OpTable& ops, const BinaryKernels& k, const BinaryNames& names, bool reflected) {
  const Name name = reflected ? names.reflected : names.scalar;
  const Name alias = reflected ? names.reflected_alias : names.scalar_alias;
  if (name.empty()) return;
  OpDef d{
      .name = name,
      .aliases = alias.empty() ? std::vector<Name>{} : std::vector{alias},
      .doc = std::string(k.doc) + (reflected ? " The number is lhs." : " The number is rhs."),
      .precision = k.full || (reflected && k.full_reflected) ? Precision::kFull : Precision::kAny,
      .params = schema<ScalarParam>(),
      .inplace = {{0, 0}},
      .cpu = reflected ? k.reflected : k.scalar,
      .wants = wants_same};
  set_gradient(d, k, reflected ? k.reflected_grad : k.scalar_grad, {dy(), x()});
  if (k.has_grad) {
    d.backward.build = reflected ? k.reflected_build : k.scalar_build;
    d.backward.inplace = {{0, 0}};
  }
  d.hint = reflected ? names.reflected_hint : names.scalar_hint;
  if (d.hint.empty()) {
    std::string lower;
    for (char c : alias) lower += char(c >= 'A' && c <= 'Z' ? c + 32 : c);
    d.hint = lower;
  }
  d.notation = {{names.symbol, reflected ? Notation::kNumberTensor : Notation::kTensorNumber}};
  // `1 < x` is `x > 1`.
  if (!names.swapped.empty()) d.notation.push_back({names.swapped, Notation::kNumberTensor});
  ops.define(d);
}

void define_binary(OpTable& ops, const BinaryKernels& k, const BinaryNames& names) {
  const Learned<ListOf<Ref>> all = {dy(), x(0), x(1)};
  const Precision both = k.full ? Precision::kFull : Precision::kWidest;
  if (!names.elemwise.empty()) {
    OpDef d{.name = names.elemwise,
            .aliases = names.elemwise_aliases,
            .doc = std::string(k.doc) + " Both have the same shape.",
            .precision = both,
            .inputs = {{"lhs"}, {"rhs"}},
            .inplace = {{0, 0}, {1, 0}},
            .cpu = k.binary,
            .wants = wants_same,
            .meaning = names.symbol == "+" ? Meaning::kAdd : Meaning::kNone,
            .notation = {{names.symbol, Notation::kEqualShapes}},
            .hint = names.hint};
    set_gradient(d, k, k.binary_grad, all);
    d.backward.build = k.elemwise_build;
    ops.define(d);
  }
  if (!names.broadcast.empty()) {
    OpDef d{.name = names.broadcast,
            .aliases = names.broadcast_aliases,
            .doc = std::string(k.doc) + " Shapes broadcast as in NumPy.",
            .precision = both,
            .inputs = {{"lhs"}, {"rhs"}},
            .infer = infer_broadcast,
            .inplace = {{0, 0}, {1, 0}},
            .cpu = k.binary,
            .wants = wants_same,
            .notation = {{names.symbol, Notation::kTensors}}};
    set_gradient(d, k, k.binary_grad, all);
    d.backward.build = k.broadcast_build;
    ops.define(d);
  }
  define_scalar(ops, k, names, false);
  define_scalar(ops, k, names, true);
}

}  // namespace heddle::ops::ew
