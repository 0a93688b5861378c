// Descent with noise.
#include <array>
#include <cmath>

#include "operator/optimizer/rule.h"
#include "operator/random/philox.h"
#include "operator/random/random.h"

namespace heddle::optimizer::langevin {

// Noise of variance lr, drawn for each weight from its own seed.
void sgld(Batch& b) {
  std::vector<std::array<Blob, 1>> noise;
  for (const Target& t : b.targets) {
    Blob drawn = t.exact();
    drawn.data = b.ctx.scratch(size_t(drawn.bytes()));
    const float scale = float(std::sqrt(t.numbers.lr));
    ops::random::fill_bulk(b.ctx, drawn, [&](int64_t begin, int64_t n, float* to) {
      ops::philox::normals(t.seed, begin, n, to);
      for (int64_t i = 0; i < n; ++i) to[i] *= scale;
    });
    noise.push_back({drawn});
  }
  for (size_t i = 0; i < b.targets.size(); ++i)
    b.add(b.targets[i], b.rule_for<opt::SgldUpdate>(b.targets[i]), noise[i], b.targets[i].grad);
  b.run();
}

void define(std::vector<RuleDef>& rules) {
  rules.push_back(
      {.name = "sgld",
       .doc = "Langevin dynamics: half a gradient step, and noise of variance lr (Welling and Teh "
              "2011).",
       .zero_clips = true,
       .draws = true,
       .run = sgld});
}

}  // namespace heddle::optimizer::langevin
