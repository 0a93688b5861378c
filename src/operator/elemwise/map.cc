// The driver of elementwise formulas: see map.h.
#include "operator/elemwise/map.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "operator/elemwise/walk.h"
#include "operator/simd/level.h"

namespace heddle::ops::ew {

// Where the elements of one operand come from, as loops of compute type C want them.
template <class C>
class Source {
 public:
  Source() {}  // not zeroed: its walk is large
  // `y` is the shape and `d` the dtype of the output. A constant beside integers is one: 1.7 is 1.
  void set(const Operand& o, const Shape& y, Dtype d) {
    if (!o.blob()) {
      const bool whole = !is_float(d) && !o.is_parameter();
      constant_ = whole ? C(static_cast<int64_t>(o.constant())) : C(o.constant());
      return;
    }
    const Blob& b = *o.blob();
    data_ = static_cast<const char*>(b.data);
    size_ = dtype_size(b.dtype);
    if (!(b.shape == y)) walk_.set(b.shape, y);
    if (o.is_truth()) load_ = truth_of<C>(b.dtype);
    else if (b.dtype != dtype_of<C>) load_ = load_of<C>(b.dtype);
    if (b.size() == 1 && y.size() > 1) {  // one for all
      read(0, &constant_, 1);
      data_ = nullptr;
    }
  }
  bool constant() const { return !data_; }
  C value() const { return constant_; }
  bool direct() const { return data_ && !load_ && walk_.contiguous(); }
  const C* at(int64_t begin) const { return reinterpret_cast<const C*>(data_) + begin; }

  // Elements [begin, begin + n) of a tile: where they lie, if together, or in the buffer (which
  // holds the constant already).
  const C* tile(int64_t begin, int64_t n, C* buffer) const {
    if (constant()) return buffer;
    if (direct()) return at(begin);
    if (walk_.contiguous()) {
      read(begin, buffer, n);
      return buffer;
    }
    const C* found = buffer;
    walk_.runs(begin, n,
               [&](int64_t from, int64_t stride, int64_t to, int64_t length, int64_t times) {
                 if (stride == 1 && length == n && !load_) {
                   found = at(from);
                 } else if (stride == 1) {
                   read(from, buffer + to, length);
                   repeat(buffer + to, length, length * times);
                 } else {
                   C one;
                   read(from, &one, 1);
                   std::fill_n(buffer + to, length * times, one);
                 }
               });
    return found;
  }

 private:
  void read(int64_t from, C* to, int64_t n) const {
    if (load_) return load_(data_ + from * size_, to, n);
    const C* x = at(from);
    if (n < 16)
      for (int64_t i = 0; i < n; ++i) to[i] = x[i];
    else std::memcpy(to, x, size_t(n) * sizeof(C));
  }

  // Continues x[0, n) to `total` elements, with ever longer copies.
  static void repeat(C* x, int64_t n, int64_t total) {
    for (int64_t done = n; done < total;) {
      const int64_t more = std::min(done, total - done);
      std::memcpy(x + done, x, size_t(more) * sizeof(C));
      done += more;
    }
  }

  const char* data_ = nullptr;
  C constant_{};
  int64_t size_ = 0;
  Walk walk_;
  Load<C> load_ = nullptr;  // null: the elements are of type C
};

// Whether every operand and output lies in memory as loops of compute type C want it.
template <class C>
bool all_direct(std::span<const Operand> in, std::span<const Blob> out) {
  for (const Operand& o : in) {
    if (!o.blob() || o.is_truth() || o.blob()->dtype != dtype_of<C>) return false;
    if (!(o.blob()->shape == out[0].shape)) return false;
  }
  for (const Blob& b : out)
    if (b.dtype != dtype_of<C>) return false;
  return true;
}

// Elements [begin, end) of such ones.
template <class C>
void map_direct(Loop<C> loop, std::span<const Operand> in, std::span<const Blob> out,
                const void* params, int64_t begin, int64_t end) {
  const C* x[kMaxInputs];
  C* y[kMaxOutputs];
  for (size_t i = 0; i < in.size(); ++i) x[i] = static_cast<const C*>(in[i].blob()->data) + begin;
  for (size_t i = 0; i < out.size(); ++i) y[i] = static_cast<C*>(out[i].data) + begin;
  loop(params, x, y, end - begin);
}

// The others go through buffers, a tile at a time, where they must. Where only constants do, tiles
// are longer: their buffers are filled once for all of them.
constexpr int64_t kLongTile = 4 * kTile;
template <class C>
struct Tiling {
  Loop<C> loop;
  const void* params;
  std::span<const Blob> out;
  size_t inputs;
  Source<C> in[kMaxInputs];
  Store<C> store[kMaxOutputs];  // null: written where it belongs
  int64_t tile = kLongTile;

  Tiling(Loop<C> loop, std::span<const Operand> operands, std::span<const Blob> out,
         const void* params)
      : loop(loop), params(params), out(out), inputs(operands.size()) {
    for (size_t i = 0; i < inputs; ++i) {
      in[i].set(operands[i], out[0].shape, out[0].dtype);
      if (!in[i].constant() && !in[i].direct()) tile = kTile;
    }
    for (size_t i = 0; i < out.size(); ++i) {
      store[i] = out[i].dtype == dtype_of<C> ? nullptr : store_of<C>(out[i].dtype);
      if (store[i]) tile = kTile;
    }
  }

  void run(int64_t begin, int64_t end) const {
    alignas(64) C x_buffer[kMaxInputs][kLongTile];
    alignas(64) C y_buffer[kMaxOutputs][kTile];
    const C* x[kMaxInputs];
    C* y[kMaxOutputs];
    for (size_t i = 0; i < inputs; ++i)
      if (in[i].constant()) std::fill_n(x_buffer[i], std::min(tile, end - begin), in[i].value());
    for (; begin < end; begin += tile) {
      const int64_t n = std::min(tile, end - begin);
      for (size_t i = 0; i < inputs; ++i) x[i] = in[i].tile(begin, n, x_buffer[i]);
      for (size_t i = 0; i < out.size(); ++i)
        y[i] = store[i] ? y_buffer[i] : static_cast<C*>(out[i].data) + begin;
      loop(params, x, y, n);
      for (size_t i = 0; i < out.size(); ++i)
        if (store[i])
          store[i](y[i], static_cast<char*>(out[i].data) + begin * dtype_size(out[i].dtype), n);
    }
  }
};

template <class C>
void map_in(const OpContext& ctx, const Loop<C> (&loops)[3], std::span<const Operand> in,
            std::span<const Blob> out, const void* params) {
  check(in.size() <= kMaxInputs && out.size() <= kMaxOutputs, "map() takes {} inputs, {} outputs",
        kMaxInputs, kMaxOutputs);
  const Loop<C> loop = loops[simd::level() - 2];
  if (all_direct<C>(in, out))
    return ctx.parallel_for(out[0].size(), kGrain, [&](int64_t begin, int64_t end) {
      map_direct(loop, in, out, params, begin, end);
    });
  const Tiling<C> tiling(loop, in, out, params);
  ctx.parallel_for(out[0].size(), kGrain,
                   [&](int64_t begin, int64_t end) { tiling.run(begin, end); });
}

void map(const OpContext& ctx, const MapLoops& loops, std::span<const Operand> in,
         std::span<const Blob> out, const void* params) {
  const Dtype d = out[0].dtype;
  if (d == Dtype::kFloat64) map_in<double>(ctx, loops.f64, in, out, params);
  else if (is_float(d)) map_in<float>(ctx, loops.f32, in, out, params);
  else if (loops.i64[0]) map_in<int64_t>(ctx, loops.i64, in, out, params);
  else map_in<double>(ctx, loops.f64, in, out, params);
}

// --- several maps --------------------------------------------------------------------------------
template <class C>
void map_part(const MapCall& c, const Loop<C> (&loops)[3], std::span<const Operand> in,
              int64_t begin, int64_t end) {
  const Loop<C> loop = loops[simd::level() - 2];
  if (all_direct<C>(in, c.out)) map_direct(loop, in, c.out, c.params, begin, end);
  else Tiling<C>(loop, in, c.out, c.params).run(begin, end);
}

void map_part(const MapCall& c, int64_t begin, int64_t end) {
  const std::vector<Operand> in(c.in.begin(), c.in.end());
  const Dtype d = c.out[0].dtype;
  if (d == Dtype::kFloat64) map_part<double>(c, c.loops->f64, in, begin, end);
  else if (is_float(d)) map_part<float>(c, c.loops->f32, in, begin, end);
  else if (c.loops->i64[0]) map_part<int64_t>(c, c.loops->i64, in, begin, end);
  else map_part<double>(c, c.loops->f64, in, begin, end);
}

void map_all(const OpContext& ctx, std::span<const MapCall> calls) {
  // The tensors end to end, each beginning where a vector of any width does.
  constexpr int64_t kAlign = 16;
  std::vector<int64_t> starts;
  int64_t total = 0;
  for (const MapCall& c : calls) {
    check(c.in.size() <= kMaxInputs && c.out.size() <= kMaxOutputs,
          "map_all() takes {} inputs, {} outputs", kMaxInputs, kMaxOutputs);
    starts.push_back(total);
    total += (c.out[0].size() + kAlign - 1) / kAlign * kAlign;
  }
  ctx.parallel_for(total, kGrain, [&](int64_t begin, int64_t end) {
    size_t k = size_t(std::upper_bound(starts.begin(), starts.end(), begin) - starts.begin()) - 1;
    for (; k < calls.size() && starts[k] < end; ++k) {
      const int64_t from = std::max<int64_t>(0, begin - starts[k]);
      const int64_t to = std::min(calls[k].out[0].size(), end - starts[k]);
      if (from < to) map_part(calls[k], from, to);
    }
  });
}

Shape broadcast_shape(std::string_view op, const Shape& a, const Shape& b) {
  if (!a.has_rank() || !b.has_rank()) return {};
  Shape y = Shape::unknown(std::max(a.rank(), b.rank()));
  for (int d = 1; d <= y.rank(); ++d) {
    const int64_t p = d <= a.rank() ? a[-d] : 1, q = d <= b.rank() ? b[-d] : 1;
    check(p == q || p == 1 || q == 1 || p < 0 || q < 0,
          "[{}] operands could not be broadcast together with shapes {} {}", op, a, b);
    if (p >= 0 && q >= 0) y[-d] = p == 1 ? q : p;
    else if (p > 1 || q > 1) y[-d] = std::max(p, q);
  }
  return y;
}

}  // namespace heddle::ops::ew
