// Single-shot detection: MultiBoxPrior, MultiBoxTarget, MultiBoxDetection (Liu et al. 2016).
#include "operator/scratch_needs.h"
#include "operator/vision/boxes.h"

namespace heddle::ops::multi_box {

using vision::Box;
using vision::box_at;
using vision::Wide;

// --- MultiBoxPrior ------------------------------------------------------------------------------
struct PriorParam {
  std::vector<double> sizes{1.0}, ratios{1.0}, steps{-1.0, -1.0}, offsets{0.5, 0.5};
  bool clip = false;
  void fields(auto&& f) {
    f("sizes", sizes, "Sides of the boxes, the height of the image being 1.");
    f("ratios", ratios, "Width by height; all but the first go with the first size.");
    f("clip", clip, "Cuts boxes at the borders of the image.");
    f("steps", steps, "(y, x) from cell to cell; negative: 1 / cells.");
    f("offsets", offsets, "(y, x) of a box's middle in its cell.");
  }
  int64_t boxes() const { return int64_t(sizes.size() + ratios.size()) - 1; }
};

void infer_prior(const PriorParam& p, InferContext& c) {
  check(!p.sizes.empty() && !p.ratios.empty() && p.steps.size() == 2 && p.offsets.size() == 2,
        "[_contrib_MultiBoxPrior] found {} sizes, {} ratios, {} steps and {} offsets, expected "
        "some, some, "
        "2 and 2",
        p.sizes.size(), p.ratios.size(), p.steps.size(), p.offsets.size());
  const Shape& x = c.in(0);
  if (!x.known()) return;
  check(x.rank() == 4, "[_contrib_MultiBoxPrior] data has shape {}, expected (n, c, h, w)", x);
  c.set_out(0, {1, x[2] * x[3] * p.boxes(), 4});
}

void prior(const PriorParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& x = in[0].shape;
  const int64_t height = x[2], width = x[3], boxes = p.boxes(), sizes = int64_t(p.sizes.size());
  with_float(out[0].dtype, "MultiBoxPrior", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    T* to = out[0].as<T>();
    const A step_y = A(p.steps[0]) <= 0 ? 1 / A(height) : A(p.steps[0]);
    const A step_x = A(p.steps[1]) <= 0 ? 1 / A(width) : A(p.steps[1]);
    ctx.parallel_for(height * width, vision::grain_of(16 * boxes), [&](int64_t from, int64_t end) {
      for (int64_t i = from; i < end; ++i)
        for (int64_t k = 0; k < boxes; ++k) {
          const A y = (A(i / width) + A(p.offsets[0])) * step_y;
          const A x = (A(i % width) + A(p.offsets[1])) * step_x;
          const A size = A(p.sizes[size_t(k < sizes ? k : 0)]);
          const A ratio = std::sqrt(A(p.ratios[size_t(k < sizes ? 0 : k - sizes + 1)]));
          const A w = size * A(height) / A(width) * ratio / 2, h = size / ratio / 2;
          Box<A> b{x - w, y - h, x + w, y + h};
          if (p.clip)
            for (A* v : {&b.x1, &b.y1, &b.x2, &b.y2}) *v = std::clamp(*v, A(0), A(1));
          vision::put(to + 4 * (i * boxes + k), b);
        }
    });
  });
}

// --- MultiBoxTarget -----------------------------------------------------------------------------
struct TargetParam {
  float overlap_threshold = 0.5f, ignore_label = -1, negative_mining_ratio = -1,
        negative_mining_thresh = 0.5f;
  int minimum_negative_samples = 0;
  std::vector<double> variances{0.1, 0.1, 0.2, 0.2};
  void fields(auto&& f) {
    f("overlap_threshold", overlap_threshold, "Overlap from which an anchor belongs to an object.");
    f("ignore_label", ignore_label, "The class of anchors that do not count.");
    f("negative_mining_ratio", negative_mining_ratio,
      "Background anchors per positive one, hardest first; negative: all.");
    f("negative_mining_thresh", negative_mining_thresh,
      "Overlap below which an anchor may be background.");
    f("minimum_negative_samples", minimum_negative_samples, "Has no effect in MXNet either.")
        .ignored();
    f("variances", variances, "Divide the four numbers of a box.");
  }
};

void check_variances(const char* who, const std::vector<double>& v) {
  check(v.size() == 4, "[_contrib_{}] variances has {} numbers, expected 4", who, v.size());
}

void infer_target(const TargetParam& p, InferContext& c) {
  check_variances("MultiBoxTarget", p.variances);
  const Shape &anchor = c.in(0), &label = c.in(1), &pred = c.in(2);
  if (!anchor.known() || !label.known() || !pred.known()) return;
  check(anchor.rank() == 3 && anchor[0] == 1 && anchor[2] == 4,
        "[_contrib_MultiBoxTarget] anchor has shape {}, expected (1, anchors, 4)", anchor);
  check(label.rank() == 3 && label[2] >= 5,
        "[_contrib_MultiBoxTarget] label has shape {}, expected (n, objects, 5 or more)", label);
  check(pred.rank() == 3 && pred[0] == label[0] && pred[2] == anchor[1],
        "[_contrib_MultiBoxTarget] cls_pred has shape {}, expected ({}, classes, {})", pred,
        label[0], anchor[1]);
  c.set_out(0, {label[0], anchor[1] * 4}), c.set_out(1, c.out(0));
  c.set_out(2, {label[0], anchor[1]});
}

// What becomes of the anchors of one image.
template <class T>
struct Matching {
  using A = Wide<T>;
  enum State : int8_t { kIgnored = -1, kBackground = 0, kObject = 1 };
  const TargetParam& p;
  const T *anchor, *label, *pred;
  int64_t anchors, width, classes, objects = 0, positives = 0;
  std::vector<State> state;
  std::vector<int64_t> object;
  std::vector<A> best, overlaps;

  Matching(const TargetParam& p, const T* anchor, const T* label, const T* pred, int64_t anchors,
           int64_t labels, int64_t width, int64_t classes)
      : p(p),
        anchor(anchor),
        label(label),
        pred(pred),
        anchors(anchors),
        width(width),
        classes(classes),
        state(size_t(anchors), kIgnored),
        object(size_t(anchors), -1),
        best(size_t(anchors), A(-1)) {
    while (objects < labels && A(label[objects * width]) != -1) ++objects;
    overlaps.resize(size_t(anchors * objects));
    for (int64_t i = 0; i < anchors; ++i)
      for (int64_t g = 0; g < objects; ++g) overlaps[size_t(i * objects + g)] = overlap(i, g);
  }
  A overlap(int64_t i, int64_t g) const {
    return vision::overlap(box_at<A>(anchor + 4 * i), box_at<A>(label + g * width + 1));
  }
  void match(int64_t i, int64_t g) {
    state[size_t(i)] = kObject, object[size_t(i)] = g, ++positives;
    best[size_t(i)] = overlaps[size_t(i * objects + g)];
  }
  // Every object gets the anchor that overlaps it most, the best pair first.
  void match_objects() {
    std::vector<bool> taken(static_cast<size_t>(objects));
    for (int64_t round = 0; round < objects; ++round) {
      int64_t at = -1, of = -1;
      A most = A(1e-6);
      for (int64_t i = 0; i < anchors; ++i)
        for (int64_t g = 0; state[size_t(i)] != kObject && g < objects; ++g)
          if (!taken[size_t(g)] && overlaps[size_t(i * objects + g)] > most)
            most = overlaps[size_t(i * objects + g)], at = i, of = g;
      if (at < 0) return;
      taken[size_t(of)] = true, match(at, of);
    }
  }
  // Other anchors belong to the object that they overlap most, if enough.
  void match_anchors() {
    for (int64_t i = 0; i < anchors; ++i) {
      if (state[size_t(i)] == kObject) continue;
      const A* own = overlaps.data() + i * objects;
      const int64_t g = std::max_element(own, own + objects) - own;
      best[size_t(i)] = own[g];
      if (p.overlap_threshold > 0 && own[g] > A(p.overlap_threshold)) match(i, g);
    }
  }
  A background(int64_t i) const {  // its probability
    A most = A(pred[i]), sum = 0;
    for (int64_t c = 1; c < classes; ++c) most = std::max(most, A(pred[c * anchors + i]));
    for (int64_t c = 0; c < classes; ++c) sum += std::exp(A(pred[c * anchors + i]) - most);
    return std::exp(A(pred[i]) - most) / sum;
  }
  void choose_background() {
    if (p.negative_mining_ratio <= 0) {
      for (State& s : state)
        if (s != kObject) s = kBackground;
      return;
    }
    std::vector<int64_t> open;
    std::vector<A> score;
    for (int64_t i = 0; i < anchors; ++i)
      if (state[size_t(i)] != kObject && best[size_t(i)] < A(p.negative_mining_thresh))
        open.push_back(i), score.push_back(-background(i));
    const int64_t wanted =
        std::min(int64_t(float(positives) * p.negative_mining_ratio), anchors - positives);
    const auto order =
        vision::by_score(int64_t(open.size()), [&](int64_t k) { return score[size_t(k)]; });
    for (size_t k = 0; k < order.size() && int64_t(k) < wanted; ++k)
      state[size_t(open[size_t(order[k])])] = kBackground;
  }
  void run() {
    if (objects == 0) return;
    match_objects();
    match_anchors();
    choose_background();
  }
  Box<A> target(int64_t i) const {
    const auto a = vision::to_center(box_at<A>(anchor + 4 * i));
    const auto g = vision::to_center(box_at<A>(label + object[size_t(i)] * width + 1));
    const auto v = [&](int k) { return A(p.variances[size_t(k)]); };
    return {(g.x1 - a.x1) / a.x2 / v(0), (g.y1 - a.y1) / a.y2 / v(1), std::log(g.x2 / a.x2) / v(2),
            std::log(g.y2 / a.y2) / v(3)};
  }
};

void target(const TargetParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape &label = in[1].shape, &pred = in[2].shape;
  const int64_t anchors = pred[2];
  with_float(in[0].dtype, "MultiBoxTarget", [&](auto type) {
    using T = decltype(type);
    const Blob loc = ctx.output(out, 0), mask = ctx.output(out, 1), cls = ctx.output(out, 2);
    vision::write_zeros(loc), vision::write_zeros(mask);
    std::fill_n(cls.as<T>(), cls.size(), T(p.ignore_label));
    ctx.parallel_for(label[0], 1, [&](int64_t from, int64_t end) {
      for (int64_t n = from; n < end; ++n) {
        Matching<T> m(p, in[0].as<T>(), in[1].as<T>() + n * label[1] * label[2],
                      in[2].as<T>() + n * pred[1] * anchors, anchors, label[1], label[2], pred[1]);
        m.run();
        for (int64_t i = 0; i < anchors; ++i) {
          const int64_t at = n * anchors + i;
          if (m.state[size_t(i)] == m.kBackground) cls.as<T>()[at] = T(0);
          if (m.state[size_t(i)] != m.kObject) continue;
          cls.as<T>()[at] = T(Wide<T>(m.label[m.object[size_t(i)] * m.width]) + 1);
          std::fill_n(mask.as<T>() + 4 * at, 4, T(1));
          vision::put(loc.as<T>() + 4 * at, m.target(i));
        }
      }
    });
  });
}

// --- MultiBoxDetection --------------------------------------------------------------------------
struct DetectionParam {
  bool clip = true, force_suppress = false;
  float threshold = 0.01f, nms_threshold = 0.5f;
  int background_id = 0, nms_topk = -1;
  std::vector<double> variances{0.1, 0.1, 0.2, 0.2};
  void fields(auto&& f) {
    f("clip", clip, "Cuts boxes at the borders of the image.");
    f("threshold", threshold, "Least score of a detection.");
    f("background_id", background_id, "The class that is no object; 0 in any case, as in MXNet.")
        .ignored();
    f("nms_threshold", nms_threshold, "Overlap from which the weaker of two boxes goes.");
    f("force_suppress", force_suppress, "Also where their classes differ.");
    f("variances", variances, "Multiply the four numbers of a box.");
    f("nms_topk", nms_topk, "How many of the best go on; negative: all.");
  }
};

void infer_detection(const DetectionParam& p, InferContext& c) {
  check_variances("MultiBoxDetection", p.variances);
  const Shape &prob = c.in(0), &loc = c.in(1), &anchor = c.in(2);
  if (!prob.known() || !loc.known() || !anchor.known()) return;
  check(prob.rank() == 3,
        "[_contrib_MultiBoxDetection] cls_prob has shape {}, expected (n, classes, anchors)", prob);
  check(loc.rank() == 2 && loc[0] == prob[0] && loc[1] == 4 * prob[2],
        "[_contrib_MultiBoxDetection] loc_pred has shape {}, expected ({},{})", loc, prob[0],
        4 * prob[2]);
  check(anchor.rank() == 3 && anchor[0] == 1 && anchor[1] == prob[2] && anchor[2] == 4,
        "[_contrib_MultiBoxDetection] anchor has shape {}, expected (1,{},4)", anchor, prob[2]);
  c.set_out(0, {prob[0], prob[2], 6});
}

template <class T>
void detect_one(const DetectionParam& p, const T* prob, const T* loc, const T* anchor,
                int64_t classes, int64_t anchors, T* to) {
  using A = Wide<T>;
  struct Found {
    A id, score;
    Box<A> box;
  };
  std::vector<Found> found;
  for (int64_t i = 0; i < anchors; ++i) {
    int64_t id = 0;
    A score = -1;
    for (int64_t c = 1; c < classes; ++c)
      if (A(prob[c * anchors + i]) > score) score = A(prob[c * anchors + i]), id = c;
    if (id == 0 || score < A(p.threshold)) continue;
    const auto a = vision::to_center(box_at<A>(anchor + 4 * i));
    const auto v = [&](int k) { return A(loc[4 * i + k]) * A(p.variances[size_t(k)]); };
    auto b = vision::to_corners(Box<A>{v(0) * a.x2 + a.x1, v(1) * a.y2 + a.y1,
                                       std::exp(v(2)) * a.x2, std::exp(v(3)) * a.y2});
    if (p.clip)
      for (A* x : {&b.x1, &b.y1, &b.x2, &b.y2}) *x = std::max(A(0), std::min(A(1), *x));
    found.push_back({A(id - 1), score, b});
  }
  if (p.nms_threshold > 0 && p.nms_threshold <= 1) {
    auto order =
        vision::by_score(int64_t(found.size()), [&](int64_t i) { return found[size_t(i)].score; });
    if (p.nms_topk > 0 && order.size() > size_t(p.nms_topk)) order.resize(size_t(p.nms_topk));
    std::vector<Found> best;
    for (int64_t i : order) best.push_back(found[size_t(i)]);
    std::copy(best.begin(), best.end(), found.begin());  // later rows stay where they were, in vain
    for (size_t i = best.size(); i < found.size(); ++i) found[i].id = -1;
    for (size_t i = 0; i < found.size(); ++i)
      for (size_t j = i + 1; found[i].id >= 0 && j < found.size(); ++j)
        if (found[j].id >= 0 && (p.force_suppress || found[i].id == found[j].id) &&
            vision::overlap(found[i].box, found[j].box) >= A(p.nms_threshold))
          found[j].id = -1;
  }
  for (size_t i = 0; i < found.size(); ++i) {
    to[6 * i] = T(found[i].id), to[6 * i + 1] = T(found[i].score);
    vision::put(to + 6 * i + 2, found[i].box);
  }
}

void detect(const DetectionParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& prob = in[0].shape;
  with_float(in[0].dtype, "MultiBoxDetection", [&](auto type) {
    using T = decltype(type);
    std::fill_n(out[0].as<T>(), out[0].size(), T(-1));
    ctx.parallel_for(prob[0], 1, [&](int64_t from, int64_t end) {
      for (int64_t n = from; n < end; ++n)
        detect_one(p, in[0].as<T>() + n * prob[1] * prob[2], in[1].as<T>() + n * prob[2] * 4,
                   in[2].as<T>(), prob[1], prob[2], out[0].as<T>() + n * prob[2] * 6);
    });
  });
}

void define(OpTable& ops) {
  ops.define({
      .name = "_contrib_MultiBoxPrior",
      .aliases = {"_npx_multibox_prior"},
      .doc = "Anchor boxes for each cell of data: (1, h * w * boxes, 4) corners, in fractions of "
             "the image.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kFull,
      .params = schema<PriorParam>(),
      .inputs = {{.name = "data", .doc = "(n, c, h, w)", .shape_only = true}},
      .infer = infer_prior,
      .cpu = prior,
      .backward = {.zero = true},
  });
  ops.define({
      .name = "_contrib_MultiBoxTarget",
      .aliases = {"_npx_multibox_target"},
      .doc = "What anchors should predict: boxes, a mask of those that count, and classes, 0 for "
             "background.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kFull,
      .params = schema<TargetParam>(),
      .inputs = {{"anchor", "(1, anchors, 4)"},
                 {"label", "(n, objects, 5): class, x1, y1, x2, y2; -1 ends the list"},
                 {"cls_pred", "(n, classes, anchors)"}},
      .outputs = {{"loc_target"}, {"loc_mask"}, {"cls_target"}},
      .infer = infer_target,
      .cpu = target,
      .backward = {.zero = true},
  });
  ops.define({
      .name = "_contrib_MultiBoxDetection",
      .aliases = {"_npx_multibox_detection"},
      .doc = "Detections (n, anchors, 6) of predictions: class, score, x1, y1, x2, y2, the best "
             "first. The class of suppressed ones, and rows that are not used, are -1.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kFull,
      .params = schema<DetectionParam>(),
      .inputs = {{"cls_prob", "(n, classes, anchors)"},
                 {"loc_pred", "(n, anchors * 4)"},
                 {"anchor", "(1, anchors, 4)"}},
      .infer = infer_detection,
      .cpu = detect,
      .backward = {.zero = true},
  });
  ops.scratch("_contrib_MultiBoxTarget", unwanted);
}

}  // namespace heddle::ops::multi_box
