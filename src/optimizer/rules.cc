// The rules. g is the rescaled and clipped gradient, t the number of the update; the formulas for
// one element are those of the operators (operator/optimizer/rules.h).
#include <algorithm>
#include <array>
#include <cmath>

#include "operator/random/philox.h"
#include "operator/random/random.h"
#include "optimizer/rule.h"

namespace heddle::optimizer {

namespace opt = ops::opt;

// --- stochastic gradient descent
// ---------------------------------------------------------------------
struct MomentumParam {
  float momentum = 0;
  void fields(auto&& f) { f("momentum", momentum, "Share of the last step that is kept."); }
};
struct SgdParam : MomentumParam {
  bool lazy_update = true;
  void fields(auto&& f) {
    MomentumParam::fields(f);
    f("lazy_update", lazy_update, "Leave rows alone that a row-sparse gradient does not name.")
        .ignored();
  }
};
template <class P>
std::vector<State> momentum_state(const P& p) {
  if (p.momentum == 0) return {};
  return {{"mom"}};
}
// Without a state there is no momentum, whatever the parameter says by now.
template <class Plain, class WithMomentum>
void add_sgd(Batch& b, const Target& t, double momentum) {
  if (t.states.empty()) return b.add(t, b.rule_for<Plain>(t));
  auto rule = b.rule_for<WithMomentum>(t);
  rule.momentum = float(momentum);
  b.add(t, rule);
}
void sgd(const SgdParam& p, Batch& b) {
  for (const Target& t : b.targets)
    add_sgd<opt::SgdUpdate, opt::SgdMomUpdate>(b, t, double(p.momentum));
  b.run();
}
void nag(const MomentumParam& p, Batch& b) {
  for (const Target& t : b.targets)
    add_sgd<opt::SgdUpdate, opt::NagMomUpdate>(b, t, double(p.momentum));
  b.run();
}

struct SignumParam {
  float momentum = 0.9f, wd_lh = 0;
  void fields(auto&& f) {
    f("momentum", momentum, "Share of the last momentum that is kept.");
    f("wd_lh", wd_lh, "Weight decay outside the gradient.");
  }
};
void signum(const SignumParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    if (t.states.empty()) {
      b.add(t, b.rule_for<opt::SignsgdUpdate>(t));
      continue;
    }
    auto rule = b.rule_for<opt::SignumUpdate>(t);
    rule.momentum = p.momentum, rule.wd_lh = p.wd_lh;
    b.add(t, rule);
  }
  b.run();
}

struct DcasgdParam : MomentumParam {
  float lamda = 0.04f;
  void fields(auto&& f) {
    MomentumParam::fields(f);
    f("lamda", lamda, "How much is corrected.");
  }
};
std::vector<State> dcasgd_states(const DcasgdParam& p) {
  std::vector<State> states = momentum_state(p);
  states.push_back({"previous", State::kCopy});
  return states;
}
void dcasgd(const DcasgdParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    auto rule = b.rule_for<opt::DcasgdMomUpdate>(t);
    rule.lamda = p.lamda, rule.momentum = p.momentum;
    if (t.states.size() == 2) b.add(t, rule);
    else b.add<opt::DcasgdUpdate>(t, rule);
  }
  b.run();
}

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

// --- rates by layer
// ----------------------------------------------------------------------------------
struct LarsParam : SgdParam {
  double eta = 0.001, eps = 0;
  bool momentum_correction = true;
  void fields(auto&& f) {
    SgdParam::fields(f);
    f("eta", eta, "Share of the weight's norm that a step has.");
    f("eps", eps, "Keeps the divisor above zero.");
    f("momentum_correction", momentum_correction, "Scale the momentum as the rate changes.");
  }
};
// more[0]: the momentum of this step.
void prepare_lars(const LarsParam& p, Step& step) {
  double &last = step.memory[0], &current = step.memory[1];
  last = std::isnan(current) ? step.rate : current;
  current = step.rate;
  const bool corrects = p.momentum_correction && last != 0;
  for (Numbers& n : step.numbers) n.more[0] = double(p.momentum) * (corrects ? current / last : 1);
}
// The norm of the gradient is that before clipping.
void lars(const LarsParam& p, Batch& b) {
  std::vector<Blob> tensors;
  std::vector<Target> adapted(b.targets.begin(), b.targets.end());
  for (const Target& t : adapted)
    if (!t.numbers.exempt) tensors.push_back(t.weight), tensors.push_back(t.grad);
  const std::vector<double> sums = opt::sums_of_squares(b.ctx, tensors);
  size_t at = 0;
  for (Target& t : adapted) {
    Numbers& n = t.numbers;
    if (!n.exempt) {
      const double w = std::sqrt(sums[at++]), g = std::sqrt(sums[at++]) * b.common.rescale_grad;
      n.lr = opt::lars(n.lr, n.wd, p.eta, p.eps, w, g);
    }
    add_sgd<opt::SgdUpdate, opt::SgdMomUpdate>(b, t, n.more[0]);
  }
  b.run();
}

struct LbsgdParam : MomentumParam {
  std::string warmup_strategy = "linear";
  double warmup_epochs = 5, batch_scale = 1, updates_per_epoch = 32, begin_epoch = 0;
  double num_epochs = 60;
  void fields(auto&& f) {
    MomentumParam::fields(f);
    f("warmup_strategy", warmup_strategy,
      "How the rate's factor grows: linear, power2, sqrt; lars: by the ratio of norms.");
    f("warmup_epochs", warmup_epochs, "How long it grows.");
    f("batch_scale", batch_scale, "How many gradients make one step.").at_least(1);
    f("updates_per_epoch", updates_per_epoch, "How many updates an epoch has.");
    f("begin_epoch", begin_epoch, "The first epoch.");
    f("num_epochs", num_epochs, "How many epochs there are.").ignored();
  }
  // The rate's factor after so many updates.
  double factor(double updates) const {
    const double whole = warmup_epochs * updates_per_epoch;
    if (updates >= whole) return batch_scale;
    if (whole <= 1) return 1;
    const double part = updates / whole;
    if (warmup_strategy == "linear") return 1 + (batch_scale - 1) * part;
    if (warmup_strategy == "power2") return 1 + (batch_scale - 1) * part * part;
    if (warmup_strategy == "sqrt") return 1 + (batch_scale - 1) * std::sqrt(part);
    return 1;
  }
};
std::vector<State> lbsgd_states(const LbsgdParam& p) {
  std::vector<State> states = momentum_state(p);
  if (p.batch_scale > 1) states.push_back({"sum"});
  return states;
}
// more[0]: the rate's factor; more[1]: does the sum begin; more[2]: is it complete.
void prepare_lbsgd(const LbsgdParam& p, Step& step) {
  for (Numbers& n : step.numbers) {
    const double updates = p.begin_epoch * p.updates_per_epoch + double(n.count - step.begin_count);
    n.more[0] = p.factor(updates);
    n.more[1] = std::fmod(updates - 1, p.batch_scale) == 0;
    n.more[2] = std::fmod(updates, p.batch_scale) == 0;
  }
}
void lbsgd(const LbsgdParam& p, Batch& b) {
  const bool sums = p.batch_scale > 1;
  std::vector<Target> whole;  // those whose sums are complete
  for (const Target& t : b.targets) {
    if (sums) {
      const Blob& sum = t.states.back();
      b.updates.add(opt::GradientSum{t.numbers.more[1] != 0}, std::array{sum, t.grad}, sum);
    }
    if (t.numbers.more[2] == 0) continue;
    Target& step = whole.emplace_back(t);
    if (sums) step.grad = t.states.back(), step.states.pop_back();
  }
  b.run();
  if (p.warmup_strategy == "lars") {
    std::vector<Blob> tensors;
    for (const Target& t : whole) tensors.push_back(t.exact()), tensors.push_back(t.grad);
    const std::vector<double> squares = opt::sums_of_squares(b.ctx, tensors);
    for (size_t i = 0; i < whole.size(); ++i) {
      const double w = squares[2 * i], g = squares[2 * i + 1] / (p.batch_scale * p.batch_scale);
      const double ratio = std::sqrt(w / (g + whole[i].numbers.wd * w + 1e-18));
      whole[i].numbers.more[0] = std::min(std::max(ratio, 0.01), 100.0);
    }
  }
  Common mean = b.common;
  mean.rescale_grad /= p.batch_scale;
  Batch steps{b.ctx, mean, whole, b.clip};
  for (Target& t : whole) {
    t.numbers.lr *= t.numbers.more[0];
    add_sgd<opt::SgdUpdate, opt::SgdMomUpdate>(steps, t, double(p.momentum));
  }
  steps.run();
}

struct LambParam {
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-6f;
  std::optional<float> lower_bound, upper_bound;
  bool bias_correction = true;
  void fields(auto&& f) {
    f("beta1", beta1, "Decay of the mean.");
    f("beta2", beta2, "Decay of the variance.");
    f("epsilon", epsilon, "Keeps the divisor above zero.");
    f("lower_bound", lower_bound, "Least norm of the weight that counts; None or 0: any.");
    f("upper_bound", upper_bound, "Largest norm of the weight that counts; None or 0: any.");
    f("bias_correction", bias_correction, "Divide both averages by 1 - beta^t.");
  }
};
void lamb(const LambParam& p, Batch& b) {
  auto bound = [](std::optional<float> v) { return v && *v != 0 ? *v : -1.f; };
  const opt::LambRule rule{p.beta1,
                           p.beta2,
                           p.epsilon,
                           float(b.common.rescale_grad),
                           b.clip,
                           p.bias_correction,
                           bound(p.lower_bound),
                           bound(p.upper_bound)};
  std::vector<opt::LambTensor> tensors;
  for (const Target& t : b.targets)
    tensors.push_back({t.weight, t.grad, t.states[0], t.states[1], t.master, t.weight, t.numbers.lr,
                       t.numbers.wd, t.numbers.count});
  opt::lamb(rule, b.ctx, tensors);
}

// --- steps scaled element by element
// -----------------------------------------------------------------
struct AdamParam {
  double beta1 = 0.9, beta2 = 0.999;
  float epsilon = 1e-8f;
  bool lazy_update = true;
  void betas(auto&& f) {
    f("beta1", beta1, "Decay of the mean.");
    f("beta2", beta2, "Decay of the variance.");
    f("epsilon", epsilon, "Keeps the divisor above zero.");
  }
  void fields(auto&& f) {
    betas(f);
    f("lazy_update", lazy_update, "Leave rows alone that a row-sparse gradient does not name.")
        .ignored();
  }
  // What makes up for averages that began at zero.
  double correction(int64_t t) const {
    return std::sqrt(1 - std::pow(beta2, double(t))) / (1 - std::pow(beta1, double(t)));
  }
};
void adam(const AdamParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    auto rule = b.rule_for<opt::AdamUpdate>(t);
    rule.lr = float(t.numbers.lr * p.correction(t.numbers.count));
    rule.beta1 = float(p.beta1), rule.beta2 = float(p.beta2), rule.epsilon = p.epsilon;
    b.add(t, rule);
  }
  b.run();
}
struct AdamwParam : AdamParam {
  bool correct_bias = true;
  void fields(auto&& f) {
    betas(f);
    f("correct_bias", correct_bias, "Make up for averages that begin at zero.");
  }
};
void adamw(const AdamwParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    opt::AdamwUpdate rule;
    rule.lr = p.correct_bias ? float(p.correction(t.numbers.count)) : 1.f;
    rule.eta = float(t.numbers.lr), rule.wd = float(t.numbers.wd);
    rule.beta1 = float(p.beta1), rule.beta2 = float(p.beta2), rule.epsilon = p.epsilon;
    rule.rescale = float(b.common.rescale_grad), rule.clip_gradient = b.clip;
    b.add(t, rule);
  }
  b.run();
}
struct AdamaxParam {
  double beta1 = 0.9, beta2 = 0.999;
  void fields(auto&& f) {
    f("beta1", beta1, "Decay of the mean.");
    f("beta2", beta2, "Decay of the largest.");
  }
};
void adamax(const AdamaxParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    auto rule = b.rule_for<opt::AdamaxUpdate>(t);
    rule.lr = float(t.numbers.lr / (1 - std::pow(p.beta1, double(t.numbers.count))));
    rule.beta1 = float(p.beta1), rule.beta2 = float(p.beta2), rule.rest1 = float(1 - p.beta1);
    b.add(t, rule);
  }
  b.run();
}
struct NadamParam : AdamParam {
  double schedule_decay = 0.004;
  void fields(auto&& f) {
    betas(f);
    f("schedule_decay", schedule_decay, "How fast the momentum grows.");
  }
  double momentum(int64_t t) const {
    return beta1 * (1 - 0.5 * std::pow(0.96, double(t) * schedule_decay));
  }
};
// more[0], more[1]: what the step takes of gradient and mean.
void prepare_nadam(const NadamParam& p, Step& step) {
  double& schedule = step.memory[0];
  for (Numbers& n : step.numbers) {
    const double now = p.momentum(n.count), following = p.momentum(n.count + 1);
    schedule *= now;
    n.more[0] = (1 - now) / (1 - schedule);
    n.more[1] = following / (1 - schedule * following);
  }
}
void nadam(const NadamParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    auto rule = b.rule_for<opt::NadamUpdate>(t);
    rule.beta1 = float(p.beta1), rule.beta2 = float(p.beta2), rule.epsilon = p.epsilon;
    rule.rest1 = float(1 - p.beta1), rule.rest2 = float(1 - p.beta2);
    rule.of_grad = float(t.numbers.more[0]), rule.of_mean = float(t.numbers.more[1]);
    rule.var_share = float(1 - std::pow(p.beta2, double(t.numbers.count)));
    b.add(t, rule);
  }
  b.run();
}

struct AdagradParam {
  float eps = 1e-7f;
  void fields(auto&& f) { f("eps", eps, "Keeps the divisor above zero."); }
};
void adagrad(const AdagradParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    auto rule = b.rule_for<opt::AdagradUpdate>(t);
    rule.epsilon = p.eps;
    b.add(t, rule);
  }
  b.run();
}
struct GroupParam {
  float eps = 1e-5f;
  void fields(auto&& f) { f("eps", eps, "Keeps the divisor above zero."); }
};
void prepare_group(const GroupParam&, Step& step) {
  for (const Numbers& n : step.numbers)
    check(n.wd == 0, "ValueError: [groupadagrad] found weight decay {}, expected none", n.wd);
}
void group_adagrad(const GroupParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    Blob grad = t.grad;
    if (grad.dtype != t.exact().dtype) {
      grad = t.exact();
      grad.data = b.ctx.scratch(size_t(grad.bytes()));
      ops::ew::copy_broadcast(b.ctx, t.grad, grad);
    }
    opt::group_adagrad({float(t.numbers.lr), float(b.common.rescale_grad), b.clip, p.eps}, b.ctx,
                       t.exact(), grad, t.states[0], t.exact());
    if (t.master.data) ops::ew::copy_broadcast(b.ctx, t.master, t.weight);
  }
}

struct AdadeltaParam {
  double rho = 0.9;
  float epsilon = 1e-5f;
  void fields(auto&& f) {
    f("rho", rho, "Decay of both averages.");
    f("epsilon", epsilon, "Keeps the divisor above zero.");
  }
};
void adadelta(const AdadeltaParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    auto rule = b.rule_for<opt::AdadeltaUpdate>(t);
    rule.rho = float(p.rho), rule.rest = float(1 - p.rho), rule.epsilon = p.epsilon;
    b.add(t, rule);
  }
  b.run();
}

struct RmspropParam {
  float gamma1 = 0.9f, gamma2 = 0.9f, epsilon = 1e-8f;
  bool centered = false;
  std::optional<float> clip_weights;
  void fields(auto&& f) {
    f("gamma1", gamma1, "Decay of the averages.");
    f("gamma2", gamma2, "Share of the last step that is kept, where centered.");
    f("epsilon", epsilon, "Keeps the divisor above zero.");
    f("centered", centered, "Take the mean out of the squares, and add momentum.");
    f("clip_weights", clip_weights, "Limits the weight to [-c, c]; None or 0: no limit.");
  }
};
std::vector<State> rmsprop_states(const RmspropParam& p) {
  if (p.centered) return {{"n"}, {"g"}, {"delta"}};
  return {{"n"}};
}
void rmsprop(const RmspropParam& p, Batch& b) {
  auto with = [&](const Target& t, auto rule) {
    rule.gamma1 = p.gamma1, rule.epsilon = p.epsilon;
    rule.clip_weights = p.clip_weights && *p.clip_weights != 0 ? *p.clip_weights : -1;
    if constexpr (requires { rule.gamma2; }) rule.gamma2 = p.gamma2;
    b.add(t, rule);
  };
  for (const Target& t : b.targets)
    if (p.centered) with(t, b.rule_for<opt::RmspropalexUpdate>(t));
    else with(t, b.rule_for<opt::RmspropUpdate>(t));
  b.run();
}

struct FtrlParam {
  float lamda1 = 0.01f, beta = 1;
  void fields(auto&& f) {
    f("lamda1", lamda1, "Weight of the L1 penalty.");
    f("beta", beta, "Learning rates start near lr / beta.");
  }
};
void ftrl(const FtrlParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    auto rule = b.rule_for<opt::FtrlUpdate>(t);
    rule.lamda1 = p.lamda1, rule.beta = p.beta;
    b.add(t, rule);
  }
  b.run();
}

struct FtmlParam {
  float beta1 = 0.6f, beta2 = 0.999f;
  double epsilon = 1e-8;
  void fields(auto&& f) {
    f("beta1", beta1, "Decay of z.").range(0, 1);
    f("beta2", beta2, "Decay of v.").range(0, 1);
    f("epsilon", epsilon, "Keeps the divisor above zero.");
  }
};
void ftml(const FtmlParam& p, Batch& b) {
  for (const Target& t : b.targets) {
    const double count = double(t.numbers.count);
    opt::FtmlUpdate rule;
    rule.lr = float(t.numbers.lr), rule.wd = float(t.numbers.wd);
    rule.beta1 = p.beta1, rule.beta2 = p.beta2, rule.epsilon = p.epsilon;
    rule.rescale_grad = float(b.common.rescale_grad), rule.clip_grad = b.clip;
    rule.t = int(t.numbers.count);
    rule.decay1 = 1 - std::pow(double(p.beta1), count);
    rule.decay2 = 1 - std::pow(double(p.beta2), count);
    b.add(t, rule);
  }
  b.run();
}

void test(Batch& b) {
  for (const Target& t : b.targets) b.add(t, b.rule_for<opt::TestUpdate>(t));
  b.run();
}

// --- what most keep
// ----------------------------------------------------------------------------------
std::vector<State> averages() { return {{"mean"}, {"var"}}; }
std::vector<State> adamax_states() { return {{"mean"}, {"largest"}}; }
std::vector<State> history() { return {{"history"}}; }
std::vector<State> group_history() { return {{"history", State::kPerRow}}; }
std::vector<State> adadelta_states() { return {{"acc_g"}, {"acc_delta"}}; }
std::vector<State> ftrl_states() { return {{"z"}, {"n"}}; }
std::vector<State> ftml_states() { return {{"d"}, {"v"}, {"z"}}; }
std::vector<State> copy_state() { return {{"copy"}}; }

// --- the table
// ---------------------------------------------------------------------------------------
const std::vector<RuleDef>& all_rules() {
  static const std::vector<RuleDef> rules = {
      {.name = "sgd",
       .doc = "w -= lr (g + wd w). With momentum: mom = momentum mom - lr (g + wd w), w += mom.",
       .params = schema<SgdParam>(),
       .states = momentum_state<SgdParam>,
       .momentum = true,
       .run = sgd},
      {.name = "nag",
       .doc = "SGD with Nesterov's momentum: the step is taken from where the momentum leads "
              "(Sutskever et al. 2013).",
       .params = schema<MomentumParam>(),
       .states = momentum_state<MomentumParam>,
       .momentum = true,
       .run = nag},
      {.name = "signum",
       .doc = "Steps of the size lr in the direction of the sign of the momentum, or without "
              "momentum of the gradient. arXiv:1802.04434",
       .params = schema<SignumParam>(),
       .states = momentum_state<SignumParam>,
       .momentum = true,
       .run = signum},
      {.name = "dcasgd",
       .doc = "SGD for delayed gradients: adds lamda g^2 (how far the weight has moved since). "
              "arXiv:1609.08326",
       .params = schema<DcasgdParam>(),
       .states = dcasgd_states,
       .zero_clips = true,
       .momentum = true,
       .run = dcasgd},
      {.name = "sgld",
       .doc = "Langevin dynamics: half a gradient step, and noise of variance lr (Welling and Teh "
              "2011).",
       .zero_clips = true,
       .draws = true,
       .run = sgld},
      {.name = "lars",
       .doc = "SGD at the rate lr eta |w| / (|g| + wd |w| + eps); as it is for gamma, beta and "
              "bias. arXiv:1708.03888",
       .params = schema<LarsParam>(),
       .states = momentum_state<LarsParam>,
       .remembers = {"last_lr", "cur_lr"},
       .remembered = {std::nan(""), std::nan("")},
       .exempts = true,
       .momentum = true,
       .prepare = prepare_lars,
       .run = lars},
      {.name = "lbsgd",
       .doc = "SGD for large batches: batch_scale gradients make one step, at a rate that grows "
              "while training warms up. arXiv:1708.03888",
       .params = schema<LbsgdParam>(),
       .states = lbsgd_states,
       .momentum = true,
       .prepare = prepare_lbsgd,
       .run = lbsgd},
      {.name = "lamb",
       .doc = "Adam's direction, with a step in proportion to the norm of the weight. "
              "arXiv:1904.00962",
       .learning_rate = 0.001,
       .params = schema<LambParam>(),
       .states = averages,
       .run = lamb},
      {.name = "adam",
       .doc = "Steps scaled by running means m of the gradient and v of its square: w -= lr "
              "sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon), with the decay in the "
              "gradient. arXiv:1412.6980",
       .learning_rate = 0.001,
       .params = schema<AdamParam>(),
       .states = averages,
       .run = adam},
      {.name = "adamw",
       .doc = "Adam with the decay outside the gradient: w -= lr wd w. arXiv:1711.05101",
       .learning_rate = 0.001,
       .params = schema<AdamwParam>(),
       .states = averages,
       .run = adamw},
      {.name = "adamax",
       .doc = "Adam with the largest gradient seen in place of the mean square. arXiv:1412.6980, "
              "section 7",
       .learning_rate = 0.002,
       .params = schema<AdamaxParam>(),
       .states = adamax_states,
       .zero_clips = true,
       .run = adamax},
      {.name = "nadam",
       .doc = "Adam with Nesterov's momentum; one momentum schedule is shared by all weights "
              "(Dozat 2016).",
       .learning_rate = 0.001,
       .params = schema<NadamParam>(),
       .states = averages,
       .remembers = {"m_schedule"},
       .remembered = {1},
       .zero_clips = true,
       .prepare = prepare_nadam,
       .run = nadam},
      {.name = "adagrad",
       .doc = "Steps divided by the root of the sum of all squared gradients (Duchi et al. 2011).",
       .params = schema<AdagradParam>(),
       .states = history,
       .zero_clips = true,
       .run = adagrad},
      {.name = "groupadagrad",
       .doc = "AdaGrad with one sum of squares per row: h += mean(g^2), w -= lr g / sqrt(h + eps). "
              "Takes weights of two axes and no decay.",
       .params = schema<GroupParam>(),
       .states = group_history,
       .zero_clips = true,
       .prepare = prepare_group,
       .run = group_adagrad},
      {.name = "adadelta",
       .doc = "Steps as large as past steps were, relative to the gradients; has no learning rate. "
              "arXiv:1212.5701",
       .params = schema<AdadeltaParam>(),
       .states = adadelta_states,
       .zero_clips = true,
       .run = adadelta},
      {.name = "rmsprop",
       .doc = "Steps divided by the running root mean square of the gradient (Tieleman and Hinton "
              "2012); centered: arXiv:1308.0850, equations 38 to 45.",
       .learning_rate = 0.001,
       .params = schema<RmspropParam>(),
       .states = rmsprop_states,
       .run = rmsprop},
      {.name = "ftrl",
       .doc = "Follows the regularised leader; lamda1 drives weights to exactly zero (McMahan et "
              "al. 2013).",
       .learning_rate = 0.1,
       .params = schema<FtrlParam>(),
       .states = ftrl_states,
       .run = ftrl},
      {.name = "ftml",
       .doc = "Follows the moving leader (Zheng and Kwok 2017).",
       .params = schema<FtmlParam>(),
       .states = ftml_states,
       .run = ftml},
      {.name = "test",
       .doc = "Adds the gradient, and shows the weight as its state.",
       .states = copy_state,
       .run = test},
  };
  return rules;
}

}  // namespace heddle::optimizer
