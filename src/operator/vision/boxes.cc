// Boxes: overlaps, suppression of weaker ones, coding against anchors, and bipartite matching.
#include "operator/vision/boxes.h"

#include "operator/scratch_needs.h"

namespace heddle::ops::boxes {

using vision::Box;
using vision::box_at;
using vision::Wide;

enum class Format { kCorner, kCenter };
template <class A, class T>
Box<A> corners_at(const T* p, Format f) {
  const auto b = box_at<A>(p);
  return f == Format::kCorner ? b : vision::to_corners(b);
}

// --- box_iou ------------------------------------------------------------------------------------
struct IouParam {
  Format format = Format::kCorner;
  void fields(auto&& f) {
    f("format", format, "(x1, y1, x2, y2), or (x, y, width, height) with the middle first.")
        .names({"corner", "center"});
  }
};

void infer_iou(InferContext& c) {
  const Shape &a = c.in(0), &b = c.in(1);
  if (!a.known() || !b.known()) return;
  Shape y = Shape::of(a.begin(), a.begin() + std::max(0, a.rank() - 1));
  for (int i = 0; i < 2; ++i)
    check(c.in(i).rank() >= 1 && c.in(i)[-1] == 4,
          "[_contrib_box_iou] {} has shape {}, expected (..., 4)", i ? "rhs" : "lhs", c.in(i));
  for (int i = 0; i + 1 < b.rank(); ++i) y.append(b[i]);
  c.set_out(0, y);
}

void iou(const IouParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const int64_t rows = in[0].size() / 4, columns = in[1].size() / 4;
  with_float(in[0].dtype, "box_iou", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    ctx.parallel_for(rows, vision::grain_of(8 * columns), [&](int64_t from, int64_t end) {
      for (int64_t i = from; i < end; ++i)
        for (int64_t j = 0; j < columns; ++j)
          out[0].as<T>()[i * columns + j] =
              T(vision::overlap(corners_at<A>(in[0].as<T>() + 4 * i, p.format),
                                corners_at<A>(in[1].as<T>() + 4 * j, p.format)));
    });
  });
}

// --- box_nms ------------------------------------------------------------------------------------
struct NmsParam {
  float overlap_thresh = 0.5f, valid_thresh = 0;
  int topk = -1, coord_start = 2, score_index = 1, id_index = -1, background_id = -1;
  bool force_suppress = false;
  Format in_format = Format::kCorner, out_format = Format::kCorner;
  void fields(auto&& f) {
    f("overlap_thresh", overlap_thresh, "Overlap above which the weaker of two boxes goes.");
    f("valid_thresh", valid_thresh, "Boxes with a score above it count.");
    f("topk", topk, "How many of the best are compared; negative: all.");
    f("coord_start", coord_start, "Where in a row its box begins.");
    f("score_index", score_index, "Where in a row its score is.");
    f("id_index", id_index, "Where in a row its class is; negative: there is none.");
    f("background_id", background_id, "The class that is no object.");
    f("force_suppress", force_suppress, "Also where their classes differ.");
    f("in_format", in_format, "(x1, y1, x2, y2), or (x, y, width, height) with the middle first.")
        .names({"corner", "center"});
    f("out_format", out_format, "The same, of the output.").names({"corner", "center"});
  }
};

void infer_nms(const NmsParam& p, InferContext& c) {
  c.set_out(0, c.in(0)), c.set_in(0, c.out(0));
  const Shape& x = c.in(0);
  if (!x.known()) return;
  check(x.rank() >= 2, "[_contrib_box_nms] data has shape {}, expected (..., boxes, numbers)", x);
  check(p.coord_start >= 0 && p.coord_start <= x[-1] - 4,
        "[_contrib_box_nms] coord_start is {}, expected 0 to {}", p.coord_start, x[-1] - 4);
  check(p.score_index >= 0 && p.score_index < x[-1],
        "[_contrib_box_nms] score_index is {}, expected 0 to {}", p.score_index, x[-1] - 1);
  check(p.id_index < x[-1], "[_contrib_box_nms] id_index is {}, expected at most {}", p.id_index,
        x[-1] - 1);
  Shape where = x;
  where[where.rank() - 1] = 1;
  c.set_out(1, where);
}
void infer_nms_dtype(InferContext& c) {
  c.set_out_dtype(0, c.in_dtype(0)), c.set_in_dtype(0, c.out_dtype(0));
  c.set_out_dtype(1, Dtype::kInt64);
}

// The rows of one list that stay, the best first.
template <class A, class T>
std::vector<int64_t> survivors(const NmsParam& p, const T* x, int64_t n, int64_t width) {
  const auto id = [&](int64_t i) { return A(x[i * width + p.id_index]); };
  const auto score = [&](int64_t i) { return A(x[i * width + p.score_index]); };
  std::vector<int64_t> valid;
  for (int64_t i = 0; i < n; ++i)
    if (score(i) > A(p.valid_thresh) && (p.id_index < 0 || id(i) != A(p.background_id)))
      valid.push_back(i);
  std::stable_sort(valid.begin(), valid.end(),
                   [&](int64_t a, int64_t b) { return score(a) > score(b); });
  if (p.topk > 0 && valid.size() > size_t(p.topk)) valid.resize(size_t(p.topk));
  std::vector<Box<A>> box;
  for (int64_t i : valid) box.push_back(corners_at<A>(x + i * width + p.coord_start, p.in_format));
  std::vector<int64_t> kept;
  std::vector<size_t> kept_box;
  for (size_t j = 0; j < valid.size(); ++j) {
    bool free = true;
    for (size_t k = 0; free && k < kept.size(); ++k)
      if (p.force_suppress || p.id_index < 0 || id(kept[k]) == id(valid[j]))
        free = !(vision::overlap(box[kept_box[k]], box[j]) > A(p.overlap_thresh));
    if (free) kept.push_back(valid[j]), kept_box.push_back(j);
  }
  return kept;
}

void nms(const NmsParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& s = in[0].shape;
  const int64_t n = s[-2], width = s[-1], lists = s.size(0, s.rank() - 2);
  const Blob where = ctx.output(out, 1);
  with_float(in[0].dtype, "box_nms", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    ctx.parallel_for(lists, vision::grain_of(64 * n), [&](int64_t from, int64_t end) {
      for (int64_t l = from; l < end; ++l) {
        const T* x = in[0].as<T>() + l * n * width;
        T* y = out[0].as<T>() + l * n * width;
        int64_t* at = where.as<int64_t>() + l * n;
        std::vector<int64_t> kept;
        if (p.topk == 0) {  // nothing to do, says MXNet
          std::copy_n(x, n * width, y);
          std::iota(at, at + n, int64_t(0));
          continue;
        }
        kept = survivors<A>(p, x, n, width);
        // Rows are read after others are written where both share memory: through a copy.
        const std::vector<T> before(x, x + n * width);
        std::fill_n(y, n * width, T(-1)), std::fill_n(at, n, int64_t(-1));
        for (size_t i = 0; i < kept.size(); ++i) {
          T* to = y + int64_t(i) * width;
          std::copy_n(before.data() + kept[i] * width, width, to), at[i] = kept[i];
          if (p.in_format == p.out_format) continue;
          const auto b = box_at<A>(to + p.coord_start);
          vision::put(to + p.coord_start, p.out_format == Format::kCorner ? vision::to_corners(b)
                                                                          : vision::to_center(b));
        }
      }
    });
  });
}

// in: dy, places. out: the gradient of data: rows go back where they came from.
void nms_backward(OpContext& ctx, Inputs in, Outputs out) {
  const Shape& s = in[0].shape;
  const int64_t n = s[-2], width = s[-1], lists = s.size(0, s.rank() - 2);
  if (!ctx.wants(0)) return;
  vision::write_zeros(out[0]);
  with_float(in[0].dtype, "box_nms", [&](auto type) {
    using T = decltype(type);
    for (int64_t i = 0; i < lists * n; ++i) {
      const int64_t at = in[1].as<int64_t>()[i];
      if (at >= 0)
        std::copy_n(in[0].as<T>() + i * width, width, out[0].as<T>() + (i / n * n + at) * width);
    }
  });
}

// --- bipartite_matching -------------------------------------------------------------------------
struct MatchingParam {
  bool is_ascend = false;
  float threshold = 0;
  int topk = -1;
  void fields(auto&& f) {
    f("is_ascend", is_ascend, "Matches the smallest scores first, not the largest.");
    f("threshold", threshold, "Pairs with a score beyond it are matched.").required();
    f("topk", topk, "Matching ends with more than this many pairs; negative: none are too many.");
  }
};

void infer_matching(InferContext& c) {
  const Shape& x = c.in(0);
  if (!x.known()) return;
  check(x.rank() >= 2,
        "[_contrib_bipartite_matching] data has shape {}, expected (..., rows, columns)", x);
  c.set_out(0, Shape::of(x.begin(), x.end() - 1));
  Shape columns = Shape::of(x.begin(), x.end() - 2);
  columns.append(x[-1]);
  c.set_out(1, columns);
}

void match(const MatchingParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Shape& s = in[0].shape;
  const int64_t rows = s[-2], columns = s[-1], lists = s.size(0, s.rank() - 2);
  const Blob of_row = ctx.output(out, 0), of_column = ctx.output(out, 1);
  with_float(in[0].dtype, "bipartite_matching", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    const A sign = p.is_ascend ? A(-1) : A(1);
    std::fill_n(of_row.as<T>(), of_row.size(), T(-1));
    std::fill_n(of_column.as<T>(), of_column.size(), T(-1));
    ctx.parallel_for(lists, vision::grain_of(16 * rows * columns), [&](int64_t from, int64_t end) {
      for (int64_t l = from; l < end; ++l) {
        const T* x = in[0].as<T>() + l * rows * columns;
        T *row = of_row.as<T>() + l * rows, *column = of_column.as<T>() + l * columns;
        int64_t pairs = 0;
        for (int64_t i :
             vision::by_score(rows * columns, [&](int64_t i) { return sign * A(x[i]); })) {
          const int64_t r = i / columns, c = i % columns;
          if (A(row[r]) >= 0 || A(column[c]) >= 0) continue;
          if (!(sign * A(x[i]) > sign * A(p.threshold))) break;
          row[r] = T(A(c)), column[c] = T(A(r));
          if (p.topk > 0 && ++pairs > p.topk) break;
        }
      }
    });
  });
}

// --- box_encode, box_decode ---------------------------------------------------------------------
void infer_encode(InferContext& c) {
  c.set_in(0, c.in(1)), c.set_in(1, c.in(0));
  const Shape &s = c.in(0), &refs = c.in(3);
  c.set_in(4, {4}), c.set_in(5, {4});
  if (!s.known()) return;
  check(s.rank() == 2, "[_contrib_box_encode] samples has shape {}, expected (n, anchors)", s);
  c.set_in(2, {s[0], s[1], 4});
  check(!refs.known() || (refs.rank() == 3 && refs[0] == s[0] && refs[2] == 4),
        "[_contrib_box_encode] refs has shape {}, expected ({}, objects, 4)", refs, s[0]);
  c.set_out(0, {s[0], s[1], 4}), c.set_out(1, {s[0], s[1], 4});
}

void encode(OpContext& ctx, Inputs in, Outputs out) {
  const int64_t n = in[0].size(), anchors = in[0].shape[1], objects = in[3].shape[1];
  const Blob target = ctx.output(out, 0), mask = ctx.output(out, 1);
  with_float(in[0].dtype, "box_encode", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    ctx.parallel_for(n, 1024, [&](int64_t from, int64_t end) {
      for (int64_t i = from; i < end; ++i) {
        const bool positive = A(in[0].as<T>()[i]) > A(0.5);
        const int64_t ref = positive ? vision::whole(A(in[1].as<T>()[i])) : 0;
        const bool there = positive && ref >= 0 && ref < objects;
        std::fill_n(mask.as<T>() + 4 * i, 4, T(there ? 1 : 0));
        std::fill_n(target.as<T>() + 4 * i, 4, T(0));
        if (!there) continue;
        const auto a = vision::to_center(box_at<A>(in[2].as<T>() + 4 * i));
        const auto r =
            vision::to_center(box_at<A>(in[3].as<T>() + 4 * (i / anchors * objects + ref)));
        const A t[4] = {(r.x1 - a.x1) / a.x2, (r.y1 - a.y1) / a.y2, std::log(r.x2 / a.x2),
                        std::log(r.y2 / a.y2)};
        for (int k = 0; k < 4; ++k)
          target.as<T>()[4 * i + k] = T((t[k] - A(in[4].as<T>()[k])) / A(in[5].as<T>()[k]));
      }
    });
  });
}

struct DecodeParam {
  float std0 = 1, std1 = 1, std2 = 1, std3 = 1, clip = -1;
  Format format = Format::kCenter;
  void fields(auto&& f) {
    f("std0", std0, "Multiplies the first number of data.");
    f("std1", std1, "Multiplies the second.");
    f("std2", std2, "Multiplies the third.");
    f("std3", std3, "Multiplies the fourth.");
    f("clip", clip, "The largest logarithm of a size; 0 or less: any.");
    f("format", format, "Of anchors: (x1, y1, x2, y2), or (x, y, width, height).")
        .names({"corner", "center"});
  }
};

void infer_decode(InferContext& c) {
  c.set_out(0, c.in(0)), c.set_in(0, c.out(0));
  const Shape &x = c.in(0), &anchors = c.in(1);
  if (!x.known()) return;
  check(x.rank() == 3 && x[2] == 4,
        "[_contrib_box_decode] data has shape {}, expected (n, anchors, 4)", x);
  check(!anchors.known() || anchors == Shape({1, x[1], 4}),
        "[_contrib_box_decode] anchors has shape {}, expected (1,{},4)", anchors, x[1]);
}

void decode(const DecodeParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const int64_t n = in[0].size() / 4, anchors = in[0].shape[1];
  with_float(in[0].dtype, "box_decode", [&](auto type) {
    using T = decltype(type);
    using A = Wide<T>;
    ctx.parallel_for(n, 1024, [&](int64_t from, int64_t end) {
      for (int64_t i = from; i < end; ++i) {
        auto a = box_at<A>(in[1].as<T>() + 4 * (i % anchors));
        if (p.format == Format::kCorner) a = vision::to_center(a);
        const auto d = box_at<A>(in[0].as<T>() + 4 * i);
        A w = d.x2 * A(p.std2), h = d.y2 * A(p.std3);
        if (p.clip > 0) w = std::min(w, A(p.clip)), h = std::min(h, A(p.clip));
        vision::put(out[0].as<T>() + 4 * i,
                    vision::to_corners(Box<A>{d.x1 * A(p.std0) * a.x2 + a.x1,
                                              d.y1 * A(p.std1) * a.y2 + a.y1, std::exp(w) * a.x2,
                                              std::exp(h) * a.y2}));
      }
    });
  });
}

void define(OpTable& ops) {
  ops.define({
      .name = "_contrib_box_iou",
      .doc = "Intersection over union of every box of lhs with every one of rhs.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kWidest,
      .params = schema<IouParam>(),
      .inputs = {{"lhs", "(..., 4)"}, {"rhs", "(..., 4)"}},
      .infer = infer_iou,
      .cpu = iou,
      .backward = {.zero = true},
  });
  ops.define({
      .name = "_contrib_box_nms",
      .aliases = {"_contrib_box_non_maximum_suppression"},
      .doc = "Non-maximum suppression: the rows of data that overlap no better one too much, the "
             "best first; others become -1.",
      .dtypes = Dtypes::kFloating,
      .precision = Precision::kWidest,
      .params = schema<NmsParam>(),
      .inputs = {{"data", "(..., boxes, numbers)"}},
      .outputs = {{}, {"places", true}},
      .infer = infer_nms,
      .infer_dtype = infer_nms_dtype,
      .cpu = nms,
      .backward = {.reads = {dy(), y(1)}, .run = nms_backward},
  });
  ops.define({
      .name = "_contrib_bipartite_matching",
      .doc = "Matches rows with columns, the best score first: for each row its column, and for "
             "each column its row, or -1.",
      .dtypes = Dtypes::kFloating,
      .params = schema<MatchingParam>(),
      .inputs = {{"data", "(..., rows, columns) of scores"}},
      .outputs = {{"rows"}, {"columns"}},
      .infer = infer_matching,
      .cpu = match,
      .backward = {.zero = true},
  });
  ops.define({
      .name = "_contrib_box_encode",
      .doc = "Boxes that anchors should predict, normalised, and a mask of those that count.",
      .dtypes = Dtypes::kFloating,
      .inputs = {{"samples", "(n, anchors): above 0.5 for those that count"},
                 {"matches", "(n, anchors): the row of refs"},
                 {"anchors", "(n, anchors, 4) corners"},
                 {"refs", "(n, objects, 4) corners"},
                 {"means", "(4)"},
                 {"stds", "(4)"}},
      .outputs = {{"targets"}, {"masks"}},
      .infer = infer_encode,
      .cpu = encode,
      .backward = {.zero = true},
  });
  ops.define({
      .name = "_contrib_box_decode",
      .doc = "Corners of the boxes that data moves anchors to: the reverse of box_encode.",
      .dtypes = Dtypes::kFloating,
      .params = schema<DecodeParam>(),
      .inputs = {{"data", "(n, anchors, 4)"}, {"anchors", "(1, anchors, 4)"}},
      .infer = infer_decode,
      .cpu = decode,
      .backward = {.zero = true},
  });
  ops.scratch("_contrib_box_nms", unwanted);
  ops.scratch("_contrib_bipartite_matching", unwanted);
  ops.scratch("_contrib_box_encode", unwanted);
}

}  // namespace heddle::ops::boxes
