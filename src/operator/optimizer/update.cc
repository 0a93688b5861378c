// Turns the rules of rules.h into operators. As in MXNet the new weight is the output, which
// callers usually let be the weight itself (out=weight); states are changed in place.
#include "operator/optimizer/update.h"

#include <algorithm>
#include <vector>

#include "operator/optimizer/rules.h"

#define HEDDLE_LOOPS "operator/optimizer/update.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::update {
using namespace opt;

template <class R>
constexpr ew::MapLoops kUpdate = {HEDDLE_EACH(update<R, float, count_states<R>()>),
                                  HEDDLE_EACH(update<R, double, count_states<R>()>),
                                  {}};

}  // namespace heddle::ops::update

namespace heddle::ops::opt {

template <class R>
const ew::MapLoops& loops() {
  return update::kUpdate<R>;
}
template <class R>
void apply(const R& rule, const OpContext& ctx, std::span<const Blob> in, const Blob& out) {
  std::vector<ew::Operand> from(in.begin(), in.end());
  std::vector<Blob> to{out};
  to.insert(to.end(), in.begin() + 2, in.end());
  ew::map(ctx, loops<R>(), from, to, &rule);
}
#define HEDDLE_RULE(R)                                                                 \
  template const ew::MapLoops& loops<R>();                                             \
  template void apply(const R&, const OpContext&, std::span<const Blob>, const Blob&); \
  template const ew::MapLoops& loops<Precise<R>>();                                    \
  template void apply(const Precise<R>&, const OpContext&, std::span<const Blob>, const Blob&);
HEDDLE_RULE(SgdUpdate)
HEDDLE_RULE(SgdMomUpdate)
HEDDLE_RULE(NagMomUpdate)
HEDDLE_RULE(AdamUpdate)
HEDDLE_RULE(RmspropUpdate)
HEDDLE_RULE(RmspropalexUpdate)
HEDDLE_RULE(FtrlUpdate)
HEDDLE_RULE(FtmlUpdate)
HEDDLE_RULE(SignsgdUpdate)
HEDDLE_RULE(SignumUpdate)
HEDDLE_RULE(AdagradUpdate)
HEDDLE_RULE(AdamwUpdate)
HEDDLE_RULE(LambStep)
HEDDLE_RULE(DcasgdUpdate)
HEDDLE_RULE(DcasgdMomUpdate)
HEDDLE_RULE(AdamaxUpdate)
HEDDLE_RULE(NadamUpdate)
HEDDLE_RULE(AdadeltaUpdate)
HEDDLE_RULE(SgldUpdate)
HEDDLE_RULE(TestUpdate)
#undef HEDDLE_RULE
// What is never done to half weights as they are.
#define HEDDLE_RULE(R)                     \
  template const ew::MapLoops& loops<R>(); \
  template void apply(const R&, const OpContext&, std::span<const Blob>, const Blob&);
HEDDLE_RULE(LambDirection)
HEDDLE_RULE(GradientSum)
#undef HEDDLE_RULE

std::byte* Updates::add(const ew::MapLoops& loops, std::span<const Blob> in, const Blob& out) {
  check(in.size() <= size_t(ew::kMaxInputs), "an update takes {} tensors, found {}", ew::kMaxInputs,
        in.size());
  One& one = all_.emplace_back();
  one.loops = &loops;
  one.inputs = in.size();
  std::copy(in.begin(), in.end(), one.in.begin());
  one.out[0] = out;
  std::copy(in.begin() + 2, in.end(), one.out.begin() + 1);
  return one.rule.data();
}

void Updates::run(const OpContext& ctx) const {
  std::vector<ew::MapCall> calls;
  calls.reserve(all_.size());
  for (const One& one : all_)
    calls.push_back({one.loops,
                     {one.in.data(), one.inputs},
                     {one.out.data(), one.inputs - 1},
                     one.rule.data()});
  ew::map_all(ctx, calls);
}

}  // namespace heddle::ops::opt

namespace heddle::ops::update {

void check_floating(std::string_view op, Dtype d) {
  check(is_float(d), "[{}] weight has dtype {}, expected a floating type", op, d);
}

template <class R>
void run(const R& rule, OpContext& ctx, Inputs in, Outputs out) {
  check_floating(R::name, in[0].dtype);
  std::vector<Blob> blobs;
  for (int i = 0; i < in.count(); ++i) blobs.push_back(i < 2 ? in[i] : in.mut(i));
  if constexpr (kPrecise<R>) {
    apply<Precise<typename R::Exact>>(rule, ctx, blobs, out[0]);
  } else {
    apply(rule, ctx, blobs, out[0]);
  }
}

// Those that MXNet has for sparse arrays too, which serve dense ones under both names.
template <class R>
constexpr bool kSparseName = std::is_same_v<R, SgdUpdate> || std::is_same_v<R, SgdMomUpdate> ||
                             std::is_same_v<R, AdamUpdate> || std::is_same_v<R, FtrlUpdate>;

template <class R>
OpDef def() {
  std::vector<Input> in{{"weight"}, {"grad"}};
  if constexpr (requires { R::states; })
    for (const char* state : R::states) in.push_back({.name = state, .role = Role::kMutate});
  if constexpr (kPrecise<R>) in.push_back({.name = "weight32", .role = Role::kMutate});
  return {.name = R::name,
          .aliases = kSparseName<R> ? std::vector<std::string>{format("_sparse_{}", R::name)}
                                    : std::vector<std::string>{},
          .doc = R::doc,
          .dtypes = Dtypes::kFloating,
          .params = schema<R>(),
          .inputs = in,
          .inplace = {{0, 0}},
          .cpu = run<R>};
}

// Weight, gradient and result may be half; what is kept beside them is float32.
void infer_precise_dtype(InferContext& c) {
  for (Dtype d : {c.in_dtype(0), c.in_dtype(1), c.out_dtype(0)}) {
    c.set_in_dtype(0, d);
    c.set_in_dtype(1, d);
    c.set_out_dtype(0, d);
  }
  for (int i = 2; i < c.inputs(); ++i) c.set_in_dtype(i, Dtype::kFloat32);
}

template <class... R>
void define_rules(OpTable& ops) {
  for (OpDef d : {def<R>()...}) ops.define(d);
}
template <class... R>
void define_precise(OpTable& ops) {
  for (OpDef d : {def<R>()...}) {
    d.infer_dtype = infer_precise_dtype;
    ops.define(d);
  }
}

void define(OpTable& ops) {
  define_rules<SgdUpdate, SgdMomUpdate, NagMomUpdate, AdamUpdate, RmspropUpdate, RmspropalexUpdate,
               FtrlUpdate, FtmlUpdate, SignsgdUpdate, SignumUpdate>(ops);
  OpDef adagrad = def<AdagradUpdate>();
  adagrad.aliases = {"adagrad_update"};
  ops.define(adagrad);
  define_precise<MpSgdUpdate, MpSgdMomUpdate, MpNagMomUpdate>(ops);
}

}  // namespace heddle::ops::update
