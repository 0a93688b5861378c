// Proposal and MultiProposal: regions that a network proposes (Ren et al. 2015, Faster R-CNN).
#include "operator/scratch_needs.h"
#include "operator/vision/boxes.h"

namespace heddle::ops::proposal {

using vision::Box;
using vision::Wide;

struct ProposalParam {
  int rpn_pre_nms_top_n = 6000, rpn_post_nms_top_n = 300, rpn_min_size = 16, feature_stride = 16;
  float threshold = 0.7f;
  std::vector<double> scales{4, 8, 16, 32}, ratios{0.5, 1, 2};
  bool output_score = false, iou_loss = false;
  void fields(auto&& f) {
    f("rpn_pre_nms_top_n", rpn_pre_nms_top_n, "How many of the best are compared; 0 or less: all.");
    f("rpn_post_nms_top_n", rpn_post_nms_top_n, "How many come out.").at_least(1);
    f("threshold", threshold, "Overlap above which the weaker of two boxes goes.");
    f("rpn_min_size", rpn_min_size, "Smallest side of a box, before im_info's scale.");
    f("scales", scales, "Sizes of anchors, in strides.");
    f("ratios", ratios, "Height by width of anchors.");
    f("feature_stride", feature_stride, "Pixels from cell to cell.").at_least(1);
    f("output_score", output_score, "Shows the scores as a second output.");
    f("iou_loss", iou_loss, "bbox_pred moves corners, not middle and size.");
  }
  int64_t anchors() const { return int64_t(scales.size() * ratios.size()); }
};

void infer(const ProposalParam& p, InferContext& c) {
  const Shape& prob = c.in(0);
  if (!prob.known()) return;
  check(prob.rank() == 4 && prob[1] == 2 * p.anchors(),
        "[{}] cls_prob has shape {}, expected (n, {}, h, w)", c.op().name, prob, 2 * p.anchors());
  check(c.op().name != "_contrib_Proposal" || prob[0] == 1,
        "[_contrib_Proposal] cls_prob has {} images, expected 1; _contrib_MultiProposal takes more",
        prob[0]);
  c.set_in(1, {prob[0], 4 * p.anchors(), prob[2], prob[3]});
  c.set_in(2, {prob[0], 3});
  const int64_t rows = prob[0] * p.rpn_post_nms_top_n;
  c.set_out(0, {rows, 5}), c.set_out(1, {rows, 1});
}

// The anchors of the first cell: around its middle, whole pixels wide.
template <class A>
std::vector<Box<A>> anchors_of(const ProposalParam& p) {
  std::vector<Box<A>> all;
  const A side = A(p.feature_stride), middle = (side - 1) / 2;
  for (double ratio : p.ratios)
    for (double scale : p.scales) {
      const A width = std::floor(std::sqrt(std::floor(side * side / A(ratio))) + A(0.5));
      const A height = std::floor(width * A(ratio) + A(0.5));
      const A w = (width * A(scale) - 1) / 2, h = (height * A(scale) - 1) / 2;
      all.push_back({middle - w, middle - h, middle + w, middle + h});
    }
  return all;
}

template <class A>
struct Candidate {
  Box<A> box;
  A score;
};

template <class A, class T>
Box<A> moved(const ProposalParam& p, const Box<A>& a, const T* delta, int64_t cells) {
  const A d0 = A(delta[0]), d1 = A(delta[cells]), d2 = A(delta[2 * cells]),
          d3 = A(delta[3 * cells]);
  if (p.iou_loss) return {a.x1 + d0, a.y1 + d1, a.x2 + d2, a.y2 + d3};
  const A width = a.x2 - a.x1 + 1, height = a.y2 - a.y1 + 1;
  const A x = d0 * width + a.x1 + (width - 1) / 2, y = d1 * height + a.y1 + (height - 1) / 2;
  const A w = (std::exp(d2) * width - 1) / 2, h = (std::exp(d3) * height - 1) / 2;
  return {x - w, y - h, x + w, y + h};
}

// All candidates of an image, in the order row, column, anchor.
template <class A, class T>
std::vector<Candidate<A>> candidates(const ProposalParam& p, const Shape& prob, const T* score,
                                     const T* delta, const T* info) {
  const int64_t count = p.anchors(), height = prob[2], width = prob[3], cells = height * width;
  const A tall = A(info[0]), wide = A(info[1]), smallest = A(p.rpn_min_size) * A(info[2]);
  const auto anchors = anchors_of<A>(p);
  std::vector<Candidate<A>> all;
  all.reserve(size_t(cells * count));
  for (int64_t i = 0; i < cells; ++i)
    for (int64_t k = 0; k < count; ++k) {
      const int64_t row = i / width, column = i % width;
      const A x = A(column * p.feature_stride), y = A(row * p.feature_stride);
      const Box<A>& a = anchors[size_t(k)];
      Box<A> b = moved(p, Box<A>{a.x1 + x, a.y1 + y, a.x2 + x, a.y2 + y}, delta + 4 * k * cells + i,
                       cells);
      for (A* v : {&b.x1, &b.x2}) *v = std::max(A(0), std::min(*v, wide - 1));
      for (A* v : {&b.y1, &b.y2}) *v = std::max(A(0), std::min(*v, tall - 1));
      A s = A(score[(count + k) * cells + i]);
      if (row >= int64_t(tall / A(p.feature_stride)) ||
          column >= int64_t(wide / A(p.feature_stride)))
        s = -1;
      if (b.x2 - b.x1 + 1 < smallest || b.y2 - b.y1 + 1 < smallest) {
        b = {b.x1 - smallest / 2, b.y1 - smallest / 2, b.x2 + smallest / 2, b.y2 + smallest / 2};
        s = -1;
      }
      all.push_back({b, s});
    }
  return all;
}

// The best that do not overlap better ones too much.
template <class A>
std::vector<Candidate<A>> chosen(const ProposalParam& p, const std::vector<Candidate<A>>& all) {
  auto order =
      vision::by_score(int64_t(all.size()), [&](int64_t i) { return all[size_t(i)].score; });
  if (p.rpn_pre_nms_top_n > 0 && order.size() > size_t(p.rpn_pre_nms_top_n))
    order.resize(size_t(p.rpn_pre_nms_top_n));
  std::vector<Candidate<A>> kept;
  for (int64_t i : order) {
    if (int64_t(kept.size()) == p.rpn_post_nms_top_n) break;
    const Candidate<A>& c = all[size_t(i)];
    bool free = true;
    for (size_t k = 0; free && k < kept.size(); ++k)
      free = !(vision::overlap(kept[k].box, c.box, A(1)) > A(p.threshold));
    if (free) kept.push_back(c);
  }
  return kept;
}

void forward(const ProposalParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& prob = in[0].shape;
  const int64_t cells = prob[2] * prob[3], rows = p.rpn_post_nms_top_n;
  const Blob boxes = ctx.output(out, 0), scores = ctx.output(out, 1);
  with_float(in[0].dtype, "Proposal", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    ctx.parallel_for(prob[0], 1, [&](int64_t from, int64_t end) {
      for (int64_t n = from; n < end; ++n) {
        const auto kept = chosen(
            p, candidates<A>(p, prob, in[0].as<T>() + n * prob[1] * cells,
                             in[1].as<T>() + n * 4 * p.anchors() * cells, in[2].as<T>() + 3 * n));
        for (int64_t i = n * rows; i < (n + 1) * rows; ++i) {  // the list is repeated to fill all
          T *to = boxes.as<T>() + 5 * i, *score = scores.as<T>() + i;
          std::fill_n(to, 5, T(0)), *score = T(0), *to = T(A(n));
          if (kept.empty()) continue;
          const auto& c = kept[size_t(i - n * rows) % kept.size()];
          vision::put(to + 1, c.box), *score = T(c.score);
        }
      }
    });
  });
}

void define(OpTable& ops) {
  OpDef def{
      .name = "_contrib_Proposal",
      .doc =
          "Regions (rois, 5) proposed for an image: image, x1, y1, x2, y2. Anchors moved by "
          "bbox_pred, the best by cls_prob that do not overlap better ones.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kWidest,
      .params = schema<ProposalParam>(),
      .inputs = {{"cls_prob", "(n, 2 * anchors, h, w): background, then objects"},
                 {"bbox_pred", "(n, 4 * anchors, h, w)"},
                 {"im_info", "(n, 3): height, width, scale"}},
      .outputs = {{},
                  {"score", true, when("output_score", false)},
                  {"score", false, when("output_score", true)}},
      .infer = infer,
      .cpu = forward,
      .backward = {.zero = true},
  };
  ops.define(def);
  def.name = "_contrib_MultiProposal";
  def.doc = "_contrib_Proposal for several images: (n * rois, 5).";
  ops.define(std::move(def));
  ops.scratch("_contrib_Proposal", unwanted);
  ops.scratch("_contrib_MultiProposal", unwanted);
}

}  // namespace heddle::ops::proposal
