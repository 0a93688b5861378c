// The loops of update rules over whole tensors, and many tensors at once.
#include "operator/optimizer/updates.h"

#include <algorithm>
#include <vector>

#include "operator/optimizer/rules.h"

#define HEDDLE_LOOPS "operator/optimizer/update.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::opt {

template <class R>
constexpr ew::MapLoops kUpdate = {HEDDLE_EACH(update<R, float, count_states<R>()>),
                                  HEDDLE_EACH(update<R, double, count_states<R>()>),
                                  {}};

template <class R>
const ew::MapLoops& loops() {
  return kUpdate<R>;
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
