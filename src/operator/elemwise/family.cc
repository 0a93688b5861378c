// Builds the records of the binary operators in all their forms.
#include "operator/elemwise/family.h"

#include "operator/elemwise/reduction.h"

namespace heddle::ops::ew {

void infer_broadcast(InferContext& c) {
  c.set_out(0, broadcast_shape(c.op().name, c.in(0), c.in(1)));
}

void one_gradient(OpContext& ctx, const MapLoops& loops, Inputs in, const Blob& out) {
  auto apply = [&](const Blob& to) {
    if (in.count() == 1) map(ctx, loops, {in[0]}, to);
    else map(ctx, loops, {in[0], in[1], in[2]}, to);
  };
  if (out.shape == in[0].shape) return apply(out);
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

void set_gradient(OpDef& d, const BinaryKernels& k, Kernel run, ListOf<Ref> with_operands) {
  if (!k.has_grad) {
    d.backward.zero = true;
    return;
  }
  d.backward.reads = k.reads_operands ? with_operands : ListOf<Ref>{dy()};
  d.backward.run = run;
  d.backward.build = composed_gradient(d.name);
}

void define_scalar(OpTable& ops, const BinaryKernels& k, bool reflected, const std::string& name,
                   const std::string& alias) {
  if (name.empty()) return;
  OpDef d{.name = name,
          .aliases = alias.empty() ? std::vector<std::string>{} : std::vector{alias},
          .doc = std::string(k.doc) + (reflected ? " The number is lhs." : " The number is rhs."),
          .params = schema<ScalarParam>(),
          .inplace = {{0, 0}},
          .cpu = reflected ? k.reflected : k.scalar};
  set_gradient(d, k, reflected ? k.reflected_grad : k.scalar_grad, {dy(), x()});
  if (k.has_grad) d.backward.inplace = {{0, 0}};
  for (char c : alias) d.hint += char(c >= 'A' && c <= 'Z' ? c + 32 : c);
  ops.define(d);
}

void define_binary(OpTable& ops, const BinaryKernels& k, const BinaryNames& names) {
  const ListOf<Ref> all = {dy(), x(0), x(1)};
  if (!names.elemwise.empty()) {
    OpDef d{.name = names.elemwise,
            .aliases = names.elemwise_aliases,
            .doc = std::string(k.doc) + " Both have the same shape.",
            .inputs = {{"lhs"}, {"rhs"}},
            .inplace = {{0, 0}, {1, 0}},
            .cpu = k.binary,
            .hint = names.hint};
    set_gradient(d, k, k.binary_grad, all);
    ops.define(d);
  }
  if (!names.broadcast.empty()) {
    OpDef d{.name = names.broadcast,
            .aliases = names.broadcast_aliases,
            .doc = std::string(k.doc) + " Shapes broadcast as in NumPy.",
            .inputs = {{"lhs"}, {"rhs"}},
            .infer = infer_broadcast,
            .inplace = {{0, 0}, {1, 0}},
            .cpu = k.binary};
    set_gradient(d, k, k.binary_grad, all);
    ops.define(d);
  }
  define_scalar(ops, k, false, names.scalar, names.scalar_alias);
  define_scalar(ops, k, true, names.reflected, names.reflected_alias);
}

}  // namespace heddle::ops::ew
