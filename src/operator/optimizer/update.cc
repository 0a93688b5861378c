// Turns the rules of rules.h into operators. As in MXNet the new weight is the output, which
// callers usually let be the weight itself (out=weight); states are changed in place.
#include <vector>

#include "operator/optimizer/rules.h"
#include "operator/optimizer/updates.h"

namespace heddle::ops::update {
using namespace opt;

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
          .aliases = kSparseName<R> ? std::vector<Name>{format("_sparse_{}", R::name)}
                                    : std::vector<Name>{},
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
