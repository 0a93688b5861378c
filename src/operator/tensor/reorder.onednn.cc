// _reorder on oneDNN, for float32 and bfloat16. Pieces are parts of the first axis that is longer
// than 1, which lie apart in both layouts.
#include <algorithm>

#include "heddle/layout.h"
#include "operator/nn/onednn.h"

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

void run(OpContext& ctx, Inputs in, Outputs out) {
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
