// Candidates drawn without replacement, as sampled softmax wants them.
#include <cmath>
#include <unordered_set>

#include "operator/random/random.h"
#include "operator/scratch_needs.h"

namespace heddle::ops::zipfian {

using random::Sequence;

struct Param {
  int64_t range_max = 0;
  Shape shape;
  std::string ctx;
  void fields(auto&& f) {
    f("range_max", range_max, "How many classes there are.").required().at_least(1);
    f("shape", shape, "(rows, classes drawn for each).");
    f("ctx", ctx, "The device, as \"cpu(0)\"; for eager calls.");
  }
};

void infer(const Param& p, InferContext& c) {
  if (!p.shape.known()) return;
  check(p.shape.rank() == 2, "[_sample_unique_zipfian] shape is {}, expected two extents", p.shape);
  check(p.shape[1] <= p.range_max,
        "[_sample_unique_zipfian] shape is {}, expected at most {} in a row", p.shape, p.range_max);
  c.set_out(0, p.shape), c.set_out(1, {p.shape[0]});
}

// P(class) = log((class + 2) / (class + 1)) / log(range_max + 1); what a row has already is drawn
// again.
void run(const Param& p, OpContext& ctx, Inputs, Outputs out) {
  const int64_t rows = p.shape[0], n = p.shape[1];
  const double range = std::log(double(p.range_max) + 1);
  const Blob samples = ctx.output(out, 0), trials = ctx.output(out, 1);
  ctx.parallel_for(rows, 1, [&](int64_t from, int64_t to) {
    for (int64_t r = from; r < to; ++r) {
      Sequence s(ctx.seed, r);
      std::unordered_set<int64_t> seen;
      int64_t tries = 0;
      while (int64_t(seen.size()) < n) {
        ++tries;
        const int64_t found = int64_t(std::exp(s.uniform() * range)) - 1;
        const int64_t drawn = std::clamp<int64_t>(found, 0, p.range_max - 1);
        const size_t place = seen.size();
        if (seen.insert(drawn).second) samples.as<int64_t>()[r * n + int64_t(place)] = drawn;
      }
      trials.as<int64_t>()[r] = tries;
    }
  });
}

void define(OpTable& ops) {
  ops.define({.name = "_sample_unique_zipfian",
              .doc =
                  "Rows of different classes, small ones more often, as a log-uniform distribution "
                  "has them; and how many draws each row took.",
              .params = schema<Param>(),
              .inputs = {},
              .outputs = {{"samples"}, {"num_tries"}},
              .infer = infer,
              .infer_dtype = infer_out_dtype<Dtype::kInt64>,
              .cpu = run,
              .draws = draws_always});
  ops.scratch("_sample_unique_zipfian", unwanted);
}

}  // namespace heddle::ops::zipfian
