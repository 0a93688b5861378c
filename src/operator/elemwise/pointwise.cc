// _fused_pointwise: a tile of every tensor goes through all calls before the next tile does.
//
// What calls hand to each other lies in tiles that stay in the cache, and is never written to
// memory. The calls are run by their own kernels on parts of the tensors, so the bits are those of
// one call after the other.
#include "operator/elemwise/pointwise.h"

#include <algorithm>
#include <charconv>

namespace heddle::ops::ew {

namespace pointwise_text {

bool take_number(std::string_view& s, int& value) {
  while (!s.empty() && s[0] == ' ') s.remove_prefix(1);
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
  if (error != std::errc()) return false;
  s.remove_prefix(size_t(end - s.data()));
  return true;
}

std::string_view take_until(std::string_view& s, char c) {
  const size_t at = std::min(s.find(c), s.size());
  const std::string_view taken = s.substr(0, at);
  s.remove_prefix(std::min(at + 1, s.size()));
  return taken;
}

OpCallRef call_of(std::string_view name, Kwargs kwargs) {
  constexpr std::string_view kBackward = "_backward_";
  if (!name.starts_with(kBackward)) return make_call(OpTable::get().at(name), std::move(kwargs));
  name.remove_prefix(kBackward.size());
  OpCallRef call = make_call(OpTable::get().at(name), std::move(kwargs))->backward;
  check(call != nullptr, "{} has no gradient of its own", name);
  return call;
}

PointwisePart part_of(std::string_view line, int values) {
  const std::string_view whole = line;
  const std::string_view name = take_until(line, '{');
  std::string_view given = take_until(line, '}');
  Kwargs kwargs;
  while (!given.empty()) {
    std::string_view one = take_until(given, ';');
    const std::string_view key = take_until(one, '=');
    kwargs.emplace(key, one);
  }
  PointwisePart part{call_of(name, std::move(kwargs)), {}, {}, {}};
  std::string_view inputs = take_until(line, ':');
  for (int v; take_number(inputs, v);) {
    check(v >= 0 && v < values, "'{}' reads value {}, expected one below {}", whole, v, values);
    part.inputs.push_back(v);
  }
  while (!line.empty()) {
    std::string_view dtype = take_until(line, ' ');
    if (dtype.empty()) continue;
    part.wanted.push_back(dtype[0] != '-');
    if (dtype[0] == '-') dtype.remove_prefix(1);
    part.outputs.push_back(dtype == "any" ? Dtype::kUnknown : dtype_from_name(dtype));
  }
  check(part.inputs.size() == part.call->inputs.size() &&
            part.outputs.size() == part.call->outputs.size(),
        "'{}' names {} inputs and {} outputs, expected {} and {}", whole, part.inputs.size(),
        part.outputs.size(), part.call->inputs.size(), part.call->outputs.size());
  return part;
}

void print(std::string& to, const PointwisePart& part) {
  append(to, part.call->op->name);
  const char* before = "{";
  for (const auto& [key, value] : part.call->kwargs) {
    append(to, before), append(to, key), append(to, "="), append(to, value);
    before = ";";
  }
  append(to, before[0] == '{' ? "{}" : "}");
  for (int v : part.inputs) append(to, " "), append(to, v);
  append(to, ":");
  for (size_t k = 0; k < part.outputs.size(); ++k) {
    append(to, part.wanted[k] ? " " : " -");
    part.outputs[k] == Dtype::kUnknown ? append(to, "any") : append(to, part.outputs[k]);
  }
  append(to, "\n");
}

}  // namespace pointwise_text

void PointwiseParam::read() {
  namespace t = pointwise_text;
  std::string_view left = text;
  std::string_view head = t::take_until(left, '\n');
  int count = 0;
  check(t::take_number(head, count) && count >= 1,
        "parts begins '{}', expected the number of inputs", text.substr(0, 20));
  int values = count;
  inputs.resize(size_t(count));
  while (!left.empty()) {
    std::string_view line = t::take_until(left, '\n');
    if (line.starts_with("->")) {
      line.remove_prefix(2);
      for (int v; t::take_number(line, v);) results.push_back(v);
    } else if (!line.empty()) {
      parts.push_back(t::part_of(line, values));
      values += int(parts.back().outputs.size());
    }
  }
  check(!parts.empty() && !results.empty(), "parts has {} calls and {} results, expected some",
        parts.size(), results.size());
  for (int v : results)
    check(v >= count && v < values, "parts gives value {}, expected one from {} to {}", v, count,
          values - 1);
  finish();
}

void PointwiseParam::finish() {
  text = format("{}\n", inputs.size());
  std::vector<uint8_t> reads(inputs.size());
  for (const PointwisePart& part : parts) {
    pointwise_text::print(text, part);
    for (size_t i = 0; i < part.inputs.size(); ++i)
      if (size_t(part.inputs[i]) < reads.size() && !part.call->inputs[i].shape_only)
        reads[size_t(part.inputs[i])] = 1;
  }
  append(text, "->");
  for (int v : results) append(text, " "), append(text, v);
  for (size_t i = 0; i < inputs.size(); ++i)
    inputs[i] = {.name = format("arg{}", i), .shape_only = !reads[i]};
}

OpCallRef make_pointwise(std::vector<PointwisePart> parts, std::vector<int> results, int inputs) {
  auto p = std::make_shared<PointwiseParam>();
  p->parts = std::move(parts), p->results = std::move(results);
  p->inputs.resize(size_t(inputs));
  p->finish();
  Kwargs kwargs{{"parts", p->text}};
  return make_call(OpTable::get().of(Meaning::kPointwise), std::move(kwargs), std::move(p));
}

}  // namespace heddle::ops::ew

namespace heddle::ops::pointwise {

using ew::PointwiseParam;
using ew::PointwisePart;

// So many elements of each tensor at a time: a call costs less to start than to run on them, and
// the tiles of a dozen values stay in the second cache.
constexpr int64_t kTile = 4096;

std::vector<Input> inputs(const PointwiseParam& p) { return p.inputs; }
std::vector<Output> outputs(const PointwiseParam& p) {
  std::vector<Output> all(std::max<size_t>(p.results.size(), 1));
  for (size_t k = 0; k < all.size() && all.size() > 1; ++k) all[k].name = format("output{}", k);
  return all;
}

// An output may lie where an input does if nobody reads the input after the output is written, and
// the call that writes it, where it reads it, may write over it.
std::vector<std::pair<int, int>> inplace(const PointwiseParam& p) {
  std::vector<std::pair<int, int>> pairs;
  for (size_t r = 0; r < p.results.size(); ++r) {
    int first = int(p.inputs.size());
    size_t maker = 0;
    while (p.results[r] >= first + int(p.parts[maker].outputs.size()))
      first += int(p.parts[maker++].outputs.size());
    const OpCall& call = *p.parts[maker].call;
    for (int i = 0; i < int(p.inputs.size()); ++i) {
      const auto reads = [&](const PointwisePart& part) {
        return std::find(part.inputs.begin(), part.inputs.end(), i) != part.inputs.end();
      };
      const bool later = std::any_of(p.parts.begin() + ptrdiff_t(maker) + 1, p.parts.end(), reads);
      if (p.inputs[size_t(i)].shape_only || later) continue;
      const std::vector<int>& in = p.parts[maker].inputs;
      if (may_write_over(call, p.results[r] - first, [&](int k) { return in[size_t(k)] == i; }))
        pairs.emplace_back(i, int(r));
      else if (!reads(p.parts[maker])) pairs.emplace_back(i, int(r));
    }
  }
  return pairs;
}

// The dtypes of all values, from those of the inputs, which may be set.
std::vector<Dtype> dtypes_of(const PointwiseParam& p, std::vector<Dtype> values) {
  std::vector<InferContext::Value> in, out;
  for (const PointwisePart& part : p.parts) {
    in.clear(), out.clear();
    for (int v : part.inputs) in.push_back({{}, values[size_t(v)], Stype::kDense});
    for (Dtype d : part.outputs) out.push_back({{}, d, Stype::kDense});
    const bool open =
        std::find(part.outputs.begin(), part.outputs.end(), Dtype::kUnknown) != part.outputs.end();
    if (open && part.call->op->forward) {  // gradients have no inference of their own
      for (auto& o : out)
        if (o.dtype == Dtype::kUnknown && !in.empty()) o.dtype = in[0].dtype;
    } else if (open) {
      infer_call(*part.call, in, out);
    }
    for (size_t i = 0; i < in.size(); ++i) values[size_t(part.inputs[i])] = in[i].dtype;
    for (const auto& o : out) values.push_back(o.dtype);
  }
  return values;
}

void infer_dtype(const PointwiseParam& p, InferContext& c) {
  std::vector<Dtype> values;
  for (int i = 0; i < c.inputs(); ++i) values.push_back(c.in_dtype(i));
  values = dtypes_of(p, std::move(values));
  for (int i = 0; i < c.inputs(); ++i) c.set_in_dtype(i, values[size_t(i)]);
  for (size_t r = 0; r < p.results.size(); ++r)
    c.set_out_dtype(int(r), values[size_t(p.results[r])]);
}

double flops(const PointwiseParam& p, const Situation& s) {
  double all = 0;
  std::vector<Dtype> dtypes;
  for (const Blob& b : s.in) dtypes.push_back(b.dtype);
  dtypes = dtypes_of(p, std::move(dtypes));
  size_t next = s.in.size();
  const auto blob = [&](Dtype d) { return Blob{nullptr, s.out[0].shape, d, s.out[0].device}; };
  for (const PointwisePart& part : p.parts) {
    std::vector<Blob> in, out;
    for (int v : part.inputs) in.push_back(blob(dtypes[size_t(v)]));
    for (size_t k = 0; k < part.outputs.size(); ++k) out.push_back(blob(dtypes[next++]));
    all += cost_of(*part.call, {in, out, s.training}).flops;
  }
  return all;
}

// The calls with a blob for each tensor of each, made once for all tiles of a piece.
class Tiles {
 public:
  Tiles(const PointwiseParam& p, const OpContext& ctx, Inputs in, Outputs out) : p_(p), ctx_(ctx) {
    std::vector<Dtype> dtypes;
    for (const Blob& b : in) dtypes.push_back(b.dtype);
    for (Dtype d : dtypes_of(p, std::move(dtypes))) values_.push_back({nullptr, d});
    for (int i = 0; i < in.count(); ++i) values_[size_t(i)].data = in[i].data;
    for (size_t r = 0; r < p.results.size(); ++r)
      if (ctx.wants(int(r))) values_[size_t(p.results[r])].data = out[r].data;
    find_places(in.count());
    for (const PointwisePart& part : p.parts) {
      for (int v : part.inputs) blobs_.push_back(blob(v));
      for (size_t k = 0; k < part.outputs.size(); ++k) blobs_.push_back(blob(next_++));
    }
    const Blob* at = blobs_.data();
    for (const PointwisePart& part : p.parts) {
      const std::span<const Blob> read(at, part.inputs.size());
      const std::span<const Blob> made(at + part.inputs.size(), part.outputs.size());
      kernels_.push_back(&choose_kernel(*part.call, ctx.device, {read, made, ctx.training}));
      at += read.size() + made.size();
    }
  }

  int64_t scratch_bytes() const { return places_ * kTile * 8; }

  // Elements [begin, end). `scratch`: of this thread.
  void run(int64_t begin, int64_t end, char* scratch) const {
    std::vector<Blob> blobs = blobs_;
    for (; begin < end; begin += kTile) {
      const Shape shape{std::min(kTile, end - begin)};
      size_t at = 0;
      int made = next_first_;
      for (size_t n = 0; n < p_.parts.size(); ++n) {
        const PointwisePart& part = p_.parts[n];
        const size_t first = at;
        for (int v : part.inputs) locate(blobs[at++], v, begin, shape, scratch);
        for (size_t k = 0; k < part.outputs.size(); ++k)
          locate(blobs[at++], made++, begin, shape, scratch);
        OpContext ctx(ctx_.device, ctx_.stream, ctx_.training, part.wanted);
        run_kernel(*kernels_[n], *part.call, ctx, {&blobs[first], part.inputs.size()},
                   {&blobs[first + part.inputs.size()], part.outputs.size()});
      }
    }
  }

 private:
  struct Value {
    void* data;  // of the whole tensor; null: it lies in a tile
    Dtype dtype;
    int place = -1;  // of the tile
  };

  Blob blob(int v) const { return {nullptr, Shape{kTile}, values_[size_t(v)].dtype, ctx_.device}; }

  void locate(Blob& b, int v, int64_t begin, const Shape& shape, char* scratch) const {
    const Value& value = values_[size_t(v)];
    b.shape = shape;
    b.data = value.data         ? static_cast<char*>(value.data) + begin * dtype_size(b.dtype)
             : value.place >= 0 ? scratch + value.place * kTile * 8
                                : nullptr;
  }

  // Gives tiles to the values that the calls hand on, and takes them back after the last reader.
  void find_places(int inputs) {
    next_ = next_first_ = inputs;
    std::vector<size_t> until(values_.size(), 0);  // which call is the last to touch it
    int made = inputs;
    for (size_t n = 0; n < p_.parts.size(); ++n) {
      for (int v : p_.parts[n].inputs) until[size_t(v)] = n;
      for (size_t k = 0; k < p_.parts[n].outputs.size(); ++k) until[size_t(made++)] = n;
    }
    std::vector<int> free;
    made = inputs;
    for (size_t n = 0; n < p_.parts.size(); ++n) {
      for (size_t k = 0; k < p_.parts[n].outputs.size(); ++k, ++made) {
        if (values_[size_t(made)].data || !p_.parts[n].wanted[k]) continue;
        if (free.empty()) free.push_back(int(places_++));
        values_[size_t(made)].place = free.back();
        free.pop_back();
      }
      for (int v = inputs; v < made; ++v)
        if (values_[size_t(v)].place >= 0 && until[size_t(v)] == n)
          free.push_back(values_[size_t(v)].place);
    }
  }

  const PointwiseParam& p_;
  const OpContext& ctx_;
  std::vector<Value> values_;
  std::vector<Blob> blobs_;  // inputs and outputs of the first call, then of the next
  std::vector<const OpDef::Implementation*> kernels_;
  int64_t places_ = 0;
  int next_ = 0, next_first_ = 0;
};

void run(const PointwiseParam& p, OpContext& ctx, Inputs in, Outputs out) {
  const Tiles tiles(p, ctx, in, out);
  // A piece of work takes some microseconds, whatever the number of calls.
  const int64_t grain = kTile * std::max<int64_t>(1, 12 / int64_t(p.parts.size()));
  ctx.parallel_for(out[0].size(), grain, [&](int64_t begin, int64_t end) {
    const ScratchScope scope;
    tiles.run(begin, end, static_cast<char*>(thread_scratch(size_t(tiles.scratch_bytes()))));
  });
}

void define(OpTable& ops) {
  ops.define({.name = "_fused_pointwise",
              .doc = "Several calls that treat each element by itself, a tile of all tensors at a "
                     "time: put in by bound graphs.",
              .params = schema<PointwiseParam>(),
              .inputs = inputs,
              .outputs = outputs,
              .infer_dtype = infer_dtype,
              .inplace = inplace,
              .cpu = run,
              .wants = wants_same,
              .flops = flops,
              .meaning = Meaning::kPointwise});
}

}  // namespace heddle::ops::pointwise
