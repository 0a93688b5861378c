// _reorder on oneDNN, for float32 and bfloat16. Pieces are parts of the first axis that is longer
// than 1, which lie apart in both layouts. Weights of 1 x 1 windows, where oneDNN writes columns of
// far rows, go by loops of our own.
#include <algorithm>

#include "heddle/layout.h"
#include "operator/nn/onednn.h"

#define HEDDLE_LOOPS "operator/tensor/reorder.inl.h"
#include "operator/simd/each_target.h"

namespace heddle::ops::reorder_onednn {

using onednn::Dims;
using onednn::Reorder;
using Key = std::vector<int64_t>;

void append(Key& k, const Layout& l) {
  for (const Layout::Block& b : l.blocks) k.insert(k.end(), {b.axis, b.size});
  k.push_back(l.last);
}
Key key_of(const Shape& s, Dtype dtype, const Layout& from, const Layout& to) {
  Key k = {int64_t(dtype)};
  append(k, from), append(k, to);
  k.insert(k.end(), s.begin(), s.end());
  return k;
}
Layout read_layout(Key::const_iterator& at) {
  Layout l;
  for (Layout::Block& b : l.blocks) b.axis = int8_t(*at++), b.size = int8_t(*at++);
  l.last = int8_t(*at++);
  return l;
}
Reorder make_reorder(const Key& k) {
  auto at = k.begin();
  const onednn::Type type = onednn::type_of(Dtype(*at++));
  const Layout from = read_layout(at), to = read_layout(at);
  const Dims dims(at, k.end());
  return {onednn::desc_of(dims, from, false, type), onednn::desc_of(dims, to, false, type)};
}

// How many indices of the axis belong to one outermost step of it in memory; 0 where the axis is
// not outermost.
int64_t unit_of(const Layout& l, int axis) {
  int64_t n = 1;
  for (const Layout::Block& b : l.blocks)
    if (b.axis == axis) n *= b.size;
  return l.last == axis ? 0 : n;
}

// Whether a matrix lies in squares, each read by columns, which fill the registers in use.
bool in_squares(const Blob& b) {
  const Layout& l = b.stored.layout;
  const int8_t side = int8_t(*HEDDLE_PICK(kSquare));
  return b.dtype == Dtype::kFloat32 && b.shape.size(2) == 1 &&
         l == Layout{{{{1, side}, {0, side}}}, l.last};
}

// Between such squares and C order.
void run_squares(OpContext& ctx, const Blob& from, const Blob& to) {
  const bool back = in_squares(from);
  const Blob &rows = back ? to : from, &squares = back ? from : to;
  const Layout& l = squares.stored.layout;
  const int64_t side = l.blocks[0].size, down = rows.shape[0] / side, across = rows.shape[1] / side;
  const int64_t ld = rows.shape[1], one = side * side;
  // Squares of a row of them lie side by side, or those of a column.
  const int64_t next = l.last == 0 ? down * one : one, below = l.last == 0 ? one : across * one;
  constexpr int64_t kFloats = 65536;  // of a piece
  const auto there = HEDDLE_PICK(squares_from_rows);
  const auto and_back = HEDDLE_PICK(squares_to_rows);
  ctx.parallel_for(down, std::max<int64_t>(1, kFloats / (side * ld)), [&](int64_t i, int64_t end) {
    for (; i < end; ++i) {
      float* const row = rows.as<float>() + i * side * ld;
      float* const square = squares.as<float>() + i * below;
      if (back) and_back(row, ld, across, square, next);
      else there(row, ld, across, square, next);
    }
  });
}

void run(OpContext& ctx, Inputs in, Outputs out) {
  if ((in_squares(in[0]) && out[0].stored.layout == Layout{}) ||
      (in_squares(out[0]) && in[0].stored.layout == Layout{}))
    return run_squares(ctx, in[0], out[0]);
  const Shape& s = out[0].shape;
  const Layout from = in[0].stored.layout, to = out[0].stored.layout;
  int axis = 0;
  while (axis < s.rank() - 1 && s[axis] == 1) ++axis;
  const int64_t unit = std::max(unit_of(from, axis), unit_of(to, axis));
  const bool apart = unit_of(from, axis) > 0 && unit_of(to, axis) > 0 &&
                     unit % unit_of(from, axis) == 0 && unit % unit_of(to, axis) == 0;
  const int64_t units = apart ? s[axis] / unit : 1, length = s.size() / units;
  constexpr int64_t kFloats = 65536;  // of a piece
  const int64_t grain = std::max<int64_t>(1, kFloats / length);
  const Dtype dtype = in[0].dtype;
  const auto* x = static_cast<const char*>(in[0].data);
  auto* y = static_cast<char*>(out[0].data);
  const int64_t bytes = length * dtype_size(dtype);
  onednn::guarded("_reorder", [&] {
    ctx.parallel_for(units, grain, [&](int64_t begin, int64_t end) {
      onednn::one_thread();
      Shape part = s;
      part[axis] = s[axis] / units * (end - begin);
      if (same_bytes(part, from, to)) {
        std::copy_n(x + begin * bytes, (end - begin) * bytes, y + begin * bytes);
      } else {
        const Reorder& reorder = onednn::cached(key_of(part, dtype, from, to), make_reorder);
        reorder(dnnl::stream(onednn::engine()), x + begin * bytes, y + begin * bytes);
      }
    });
  });
}

bool accepts(const Situation& s) {
  const Shape& shape = s.out[0].shape;
  return onednn::computes(s.in[0].dtype) && shape.size() > 0 && shape.rank() >= 2 &&
         shape.rank() <= 6;
}

void define(OpTable& ops) {
  const OpDef& op = ops.of(Meaning::kReorder);
  ops.kernel(op.name, Device::kCpu, "onednn", run, accepts, op.wants);
}

}  // namespace heddle::ops::reorder_onednn
