// Kernels on tensors that are not in C order: each gives what the portable one gives on plain ones.
#include "heddle/layout.h"

#include "operator/call.h"
#include "operator/simd/level.h"

namespace heddle::test {

// Where base.h says that an element lies.
int64_t place(const Shape& s, const Layout& l, const Shape& at) {
  int64_t extent[Shape::kMaxRank + 3], index[Shape::kMaxRank + 3];  // of the axes, then of blocks
  int slot[Shape::kMaxRank], n = 0;
  const auto axis = [&](int d) {
    slot[d] = n;
    extent[n] = s[d], index[n++] = at[d];
  };
  for (int d = 0; d < s.rank(); ++d)
    if (d != l.last) axis(d);
  if (l.last >= 0) axis(l.last);
  // The innermost block holds the index modulo its size; what is left goes to the next one.
  int64_t within[3] = {0, 0, 0};
  for (size_t i = l.blocks.size(); i-- > 0;) {
    const auto [of, size] = l.blocks[i];
    if (of < 0) continue;
    const int k = slot[of];
    within[i] = index[k] % size;
    extent[k] /= size, index[k] /= size;
  }
  for (size_t i = 0; i < l.blocks.size(); ++i)
    if (l.blocks[i].axis >= 0) extent[n] = l.blocks[i].size, index[n++] = within[i];
  int64_t offset = 0;
  for (int i = 0; i < n; ++i) offset = offset * extent[i] + index[i];
  return offset;
}

// A plain tensor in another order, and back.
Tensor moved(const Tensor& from, const Layout& a, const Layout& b) {
  if (a == b) return from;
  Tensor to(from.shape, from.dtype);
  const Shape& s = from.shape;
  Shape at = s;
  for (int64_t i = 0; i < s.size(); ++i) {
    int64_t rest = i;
    for (int d = s.rank(); d-- > 0;) at[d] = rest % s[d], rest /= s[d];
    to.set(place(s, b, at), from.at(place(s, a, at)));
  }
  return to;
}

const Layout kPlain;
Layout packed(int8_t outer, int8_t inner, int8_t size, int8_t last = -1) {
  Layout l{{{{outer, size}, {inner, size}}}};
  l.last = last;
  return l;
}
Layout single(int8_t axis, int8_t size, int8_t last = -1) {
  Layout l{{{{axis, size}}}};
  l.last = last;
  return l;
}
std::vector<Layout> some_layouts() {
  return {kPlain,
          Layout::channels(8),
          Layout::channels(16),
          single(0, 16),
          single(0, 8, 1),
          packed(1, 0, 16),
          packed(0, 1, 8),
          packed(0, 1, 16, 0),
          packed(1, 0, 8),
          packed(1, 0, 16, 0),
          packed(1, 0, 4, 0),
          packed(1, 1, 4),
          single(1, 6),
          Layout{{{{1, 8}, {0, 16}, {1, 2}}}}};
}

void reorder_between_any_two(const Shape& s, std::initializer_list<Dtype> dtypes) {
  for (const Dtype d : dtypes) {
    const Tensor x = uniform(s, d, -100, 100);
    for (const Layout& a : some_layouts())
      for (const Layout& b : some_layouts()) {
        const OpCallRef call = make_reorder(b);
        Tensor from = moved(x, kPlain, a), to(s, d);
        std::vector<Blob> in = {from.blob()}, out = {to.blob()};
        in[0].stored.layout = a, out[0].stored.layout = b;
        OpContext ctx;
        run_kernel(*call, ctx, in, out);
        EXPECT_EQ(to.values(), moved(x, kPlain, b).values()) << format("{} to {}", a, b);
        in[0].stored = out[0].stored;  // the gradient lies as the one it comes from
        run_kernel(*call->backward, ctx, out, in);
        EXPECT_EQ(from.values(), to.values()) << format("{}", b);
      }
  }
}

TEST(Layout, ReordersBetweenAnyTwo) {
  reorder_between_any_two({32, 48, 3, 2}, {Dtype::kFloat32, Dtype::kFloat16, Dtype::kBfloat16,
                                           Dtype::kFloat64, Dtype::kInt8});
}

// Weights of 1 x 1 windows lie in squares, which each level has loops for.
TEST(Layout, ReordersMatricesAtEachLevel) {
  for (int level = 2; level <= ops::simd::best_level(); ++level) {
    ops::simd::set_level(level);
    reorder_between_any_two({64, 48, 1, 1}, {Dtype::kFloat32, Dtype::kBfloat16});
  }
  ops::simd::set_level(0);
}

TEST(Layout, OffsetsAreThoseOfTheDefinition) {
  const Shape s{32, 48, 3, 2};
  const Shape at{21, 37, 2, 1};
  for (const Layout& l : some_layouts())
    EXPECT_EQ(offset_of(s, l, at), place(s, l, at)) << format("{}", l);
}

TEST(Layout, TellsWhenBytesAreTheSame) {
  const Layout c16 = Layout::channels(16), c8 = Layout::channels(8);
  EXPECT_TRUE(same_bytes({4, 32, 1, 1}, kPlain, c16));
  EXPECT_TRUE(same_bytes({4, 32, 1, 1}, c8, c16));
  EXPECT_FALSE(same_bytes({4, 32, 1, 2}, kPlain, c16));
  EXPECT_FALSE(same_bytes({4, 32, 2, 2}, c8, c16));
  EXPECT_TRUE(same_bytes({4, 16, 3, 1}, packed(1, 1, 4), c16));
  EXPECT_TRUE(same_bytes({16, 16, 1, 1}, packed(0, 1, 16), packed(0, 1, 16, 0)));
  EXPECT_FALSE(same_bytes({32, 32, 1, 1}, packed(0, 1, 16), packed(0, 1, 16, 0)));
  EXPECT_FALSE(same_bytes({16, 16, 1, 1}, packed(0, 1, 16), packed(1, 0, 16)));
}

TEST(Layout, FitsWhereExtentsDivide) {
  EXPECT_TRUE(fits({1, 32, 5, 5}, Layout::channels(16)));
  EXPECT_FALSE(fits({1, 24, 5, 5}, Layout::channels(16)));
  EXPECT_FALSE(fits({32}, Layout::channels(16)));
  EXPECT_FALSE(fits({1, 16, 5, 5}, packed(1, 1, 8)));
  EXPECT_FALSE(fits({16, 16}, single(0, 16, 2)));
}

TEST(Layout, ReordersStayPlainWhereBlocksDoNotFit) {
  const OpCallRef call = make_reorder(Layout::channels(16));
  Tensor x = uniform({2, 24, 3, 3}), y(x.shape, x.dtype);
  const std::vector<Blob> in = {x.blob()}, out = {y.blob()};
  std::vector<Stored> a(1), b(1);
  StoredAs as{a, b};
  choose_kernel(*call, {}, {in, out, false}, as);
  EXPECT_TRUE(b[0].plain());
  for (const char* blocks : {"(1,)", "(1, 0)", "(-1, 8)", "(1, 2, 1, 2, 1, 2, 1, 2)"})
    EXPECT_THROW(Call("_reorder", {x}, {{"blocks", blocks}}), Error) << blocks;
}

// --- kernels ------------------------------------------------------------------------------------
// One call on tensors that lie as `hints` says before the kernel is asked; afterwards all are
// plain.
struct Asked {
  std::vector<Stored> in, out;  // what it wanted
  int blocked() const {
    int n = 0;
    for (const auto* list : {&in, &out})
      for (const Stored& s : *list) n += !s.plain();
    return n;
  }
};
Asked run_as_wanted(const OpCall& call, bool training, std::vector<Tensor>& in,
                    const std::vector<Layout>& hints, std::vector<Tensor>& out) {
  auto x = Call::blobs(in), y = Call::blobs(out);
  for (size_t i = 0; i < hints.size(); ++i) x[i].stored.layout = hints[i];
  Asked asked{std::vector<Stored>(in.size()), std::vector<Stored>(out.size())};
  StoredAs as{asked.in, asked.out};
  const auto& kernel = choose_kernel(call, {}, {x, y, training}, as);
  std::vector<Tensor> stored;
  for (size_t i = 0; i < in.size(); ++i) stored.push_back(moved(in[i], kPlain, asked.in[i].layout));
  for (size_t i = 0; i < in.size(); ++i)
    x[i].data = stored[i].buffer.data(), x[i].stored = asked.in[i];
  for (size_t i = 0; i < out.size(); ++i) y[i].stored = asked.out[i];
  EXPECT_EQ(&choose_kernel(call, {}, {x, y, training}), &kernel) << call.op->name;
  OpContext ctx;
  ctx.training = training;
  run_kernel(kernel, call, ctx, x, y);
  for (size_t i = 0; i < in.size(); ++i) in[i] = moved(stored[i], asked.in[i].layout, kPlain);
  for (size_t i = 0; i < out.size(); ++i) out[i] = moved(out[i], asked.out[i].layout, kPlain);
  return asked;
}

struct Expected {
  int forward, backward;  // how many tensors are not plain
  double tolerance = 0;
  bool training = true;
  bool or_none = false;  // where the library has no fast kernel for this processor
};

// Forward and backward of `op`, whose inputs that have the shape of the first one lie as `hint`,
// against its portable kernels on plain tensors.
void expect_same(const char* op, const std::vector<Tensor>& in, const Kwargs& kwargs,
                 const Layout& hint, Expected want) {
  const std::string what = format("{} {} in {}", op, in[0].shape, hint);
  SCOPED_TRACE(what);
  Call plain(op, in, kwargs), other(op, in, kwargs);
  plain.training = other.training = want.training;
  std::vector<Tensor> heads;
  for (const Tensor& o : plain.out) heads.push_back(uniform(o.shape, o.dtype, -1, 1, 5));
  const auto hints_of = [&](const std::vector<Tensor>& tensors) {
    std::vector<Layout> hints;
    for (const Tensor& t : tensors)
      hints.push_back(t.shape.rank() == in[0].shape.rank() && fits(t.shape, hint) ? hint : kPlain);
    return hints;
  };
  const auto near = [&](const Tensor& got, const Tensor& wanted, const char* name) {
    if (want.tolerance > 0) expect_near(got, wanted, want.tolerance, name);
    else EXPECT_EQ(got.values(), wanted.values()) << name;
  };
  with_kernels("portable", [&] { plain.forward(); });
  const Asked asked = run_as_wanted(*other.call, want.training, other.in, hints_of(in), other.out);
  const auto expect_blocked = [&](const Asked& a, int count) {
    if (want.or_none && a.blocked() == 0) return;
    EXPECT_EQ(a.blocked(), count);
  };
  expect_blocked(asked, want.forward);
  for (size_t i = 0; i < in.size(); ++i) near(other.in[i], plain.in[i], "input");
  for (size_t i = 0; i < plain.out.size(); ++i) near(other.out[i], plain.out[i], "output");
  if (!plain.call->backward) return;

  other.in = plain.in, other.out = plain.out;  // the gradients start from the same values
  with_kernels("portable", [&] { plain.backward(heads); });
  std::vector<Tensor> from, grads;
  for (const Ref r : other.call->reads)
    from.push_back(r.kind == Ref::kDy  ? heads.at(size_t(r.index))
                   : r.kind == Ref::kX ? other.in.at(size_t(r.index))
                                       : other.out.at(size_t(r.index)));
  for (const Tensor& g : plain.grads) {
    grads.emplace_back(g.shape, g.dtype);
    for (int64_t i = 0; i < g.size(); ++i) grads.back().set(i, 77);
  }
  const Asked back =
      run_as_wanted(*other.call->backward, want.training, from, hints_of(from), grads);
  expect_blocked(back, want.backward);
  for (size_t i = 0; i < grads.size(); ++i) near(grads[i], plain.grads[i], "gradient");
  for (size_t i = 0; i < from.size(); ++i)
    if (other.call->reads[i].kind == Ref::kX)
      near(from[i], plain.in.at(size_t(other.call->reads[i].index)), "state");
}

TEST(Layout, ElementwiseKernelsTakeAny) {
  const Shape s{2, 48, 3, 5};
  const Tensor x = uniform(s), y = uniform(s, Dtype::kFloat32, 0.5, 2, 3);
  for (const Layout& l : {Layout::channels(8), Layout::channels(16), packed(1, 1, 4)}) {
    expect_same("tanh", {x}, {}, l, {2, 3});
    expect_same("exp", {x}, {}, l, {2, 3});
    expect_same("sign", {x}, {}, l, {2, 0});
    expect_same("clip", {x}, {{"a_min", "-0.5"}, {"a_max", "0.5"}}, l, {2, 3});
    expect_same("Activation", {x}, {{"act_type", "relu"}}, l, {2, 3});
    expect_same("Activation", {x}, {{"act_type", "softsign"}}, l, {2, 3});
    expect_same("LeakyReLU", {x}, {{"act_type", "elu"}}, l, {2, 3});
    expect_same("elemwise_mul", {x, y}, {}, l, {3, 5});
    expect_same("elemwise_add", {x, y}, {}, l, {3, 3});
    expect_same("broadcast_div", {x, y}, {}, l, {3, 5});
    expect_same("_rpower_scalar", {y}, {{"scalar", "1.5"}}, l, {2, 3});
    expect_same("_mul_scalar", {x}, {{"scalar", "3"}}, l, {2, 3});
    expect_same("add_n", {x, y, x}, {{"num_args", "3"}}, l, {4, 4});
    expect_same("_copy", {x}, {}, l, {2, 2});
    expect_same("Cast", {x}, {{"dtype", "float16"}}, l, {2, 2});
    expect_same("zeros_like", {x}, {}, l, {2, 0});
    expect_same("ones_like", {x}, {}, l, {2, 0});
  }
}

TEST(Layout, OthersStayPlain) {
  const Layout l = Layout::channels(16);
  const Tensor x = uniform({2, 48, 3, 5});
  expect_same("LeakyReLU", {x, uniform({48})}, {{"act_type", "prelu"}}, l, {0, 0, 1e-6});
  expect_same("broadcast_add", {x, uniform({1, 48, 1, 1})}, {}, l, {0, 0, 1e-6});
  expect_same("softmax", {x}, {{"axis", "1"}}, l, {0, 0, 1e-6});
  expect_same("Flatten", {x}, {}, l, {0, 0});
}

TEST(Layout, BatchNormTakesBlocksOfChannels) {
  for (const int b : {8, 16})
    for (const Shape& s :
         {Shape{3, 32, 7, 5}, Shape{1, 16, 40, 30}, Shape{20, 32, 1, 1}, Shape{4, 16, 3, 4, 5}})
      for (const Kwargs& kwargs : {Kwargs{}, Kwargs{{"fix_gamma", "False"}},
                                   Kwargs{{"use_global_stats", "True"}, {"fix_gamma", "False"}}})
        for (const bool training : {true, false}) {
          const int64_t c = s[1];
          const std::vector<Tensor> in = {
              uniform(s, Dtype::kFloat32, 2, 5), uniform({c}, Dtype::kFloat32, 0.5, 2, 2),
              uniform({c}, Dtype::kFloat32, -1, 1, 3), uniform({c}, Dtype::kFloat32, 2, 5, 4),
              uniform({c}, Dtype::kFloat32, 0.5, 2, 5)};
          expect_same("BatchNorm", in, kwargs, Layout::channels(b), {2, 3, 2e-6, training});
        }
  std::vector<Tensor> in = {uniform({2, 16, 3, 16})};
  for (int i = 0; i < 4; ++i) in.push_back(uniform({16}, Dtype::kFloat32, 0.5, 2, i));
  expect_same("BatchNorm", in, {{"axis", "3"}}, Layout::channels(16), {0, 0, 1e-6});
}

TEST(Layout, BatchNormGivesTheSameBitsAtEveryLevel) {
  const Shape s{3, 16, 7, 5};
  std::vector<Tensor> in = {uniform(s)}, first;
  for (int i = 0; i < 4; ++i) in.push_back(uniform({16}, Dtype::kFloat32, 0.5, 2, i));
  for (int level = 2; level <= ops::simd::best_level(); ++level) {
    ops::simd::set_level(level);
    Call call("BatchNorm", in, {});
    run_as_wanted(*call.call, true, call.in, {Layout::channels(8)}, call.out);
    if (level == 2) first = call.out;
    for (size_t i = 0; i < first.size(); ++i)
      EXPECT_EQ(call.out[i].values(), first[i].values()) << level;
  }
  ops::simd::set_level(0);
}

TEST(Layout, ConcatJoinsBlocksOfChannels) {
  const Kwargs along = {{"num_args", "3"}, {"dim", "1"}};
  const auto part = [](int64_t channels, int seed) {
    return uniform({2, channels, 3, 5}, Dtype::kFloat32, -1, 1, seed);
  };
  const std::vector<Tensor> in = {part(16, 1), part(32, 2), part(48, 3)};
  expect_same("Concat", in, along, Layout::channels(16), {4, 4});
  expect_same("Concat", in, along, Layout::channels(8), {4, 4});
  expect_same("Concat", {part(16, 1), part(8, 2), part(16, 3)}, along, Layout::channels(16),
              {0, 0});
  expect_same("Concat", {part(16, 1), part(16, 2), part(16, 3)}, {{"num_args", "3"}, {"dim", "0"}},
              Layout::channels(16), {0, 0});
}

// --- kernels of oneDNN
// ---------------------------------------------------------------------------- The block that the
// kernels of this build and machine want; 0 where they want none.
int wanted_block() {
  Call c("Convolution", {uniform({2, 32, 5, 5}), uniform({32, 32, 3, 3})},
         {{"kernel", "(3, 3)"}, {"num_filter", "32"}, {"no_bias", "True"}});
  auto x = Call::blobs(c.in), y = Call::blobs(c.out);
  std::vector<Stored> in(2), out(1);
  StoredAs as{in, out};
  choose_kernel(*c.call, {}, {x, y, true}, as);
  return channel_block(out[0].layout);
}
#define HEDDLE_NEEDS_BLOCKS(b)  \
  const int b = wanted_block(); \
  if (b == 0) GTEST_SKIP() << "built without oneDNN, whose kernels alone ask for blocks"

struct Conv {
  int64_t batch, channels, filters, size, kernel, stride, groups;
  bool bias;
  int forward, backward;  // tensors in other layouts
};

TEST(Layout, ConvolutionAsksForBlocks) {
  HEDDLE_NEEDS_BLOCKS(b);
  for (const Conv& c : {Conv{2, 32, 48, 7, 3, 1, 1, true, 3, 5},   //
                        Conv{1, 32, 80, 6, 3, 2, 1, true, 3, 5},   // parts by filters
                        Conv{3, 16, 64, 5, 1, 1, 1, false, 3, 5},  // and of several images
                        Conv{9, 32, 32, 5, 1, 2, 1, true, 3, 5},   // pieces of two images, and one
                        Conv{9, 64, 80, 3, 3, 1, 1, true, 3, 5},   // weights larger than pictures
                        Conv{16, 16, 32, 3, 3, 1, 1, false, 3, 5},
                        Conv{2, 3, 32, 9, 3, 2, 1, true, 2, 2},    // a picture
                        Conv{1, 3, 32, 9, 7, 2, 1, false, 2, 2},   //
                        Conv{2, 32, 32, 7, 3, 1, 32, true, 3, 5},  // depthwise
                        Conv{9, 48, 48, 7, 3, 2, 48, false, 3, 5},
                        Conv{2, 64, 64, 5, 3, 1, 2, true, 3, 5},    // groups
                        Conv{1, 16, 16, 260, 1, 1, 1, true, 3, 5},  // long sums for the bias
                        Conv{2, 20, 32, 5, 3, 1, 1, true, 0, 0},    // does not fill blocks
                        Conv{2, 32, 20, 5, 3, 1, 1, true, 0, 0}})
    for (const Layout& hint : {Layout::channels(b), kPlain}) {
      std::vector<Tensor> in = {uniform({c.batch, c.channels, c.size, c.size}),
                                uniform({c.filters, c.channels / c.groups, c.kernel, c.kernel},
                                        Dtype::kFloat32, -1, 1, 2)};
      if (c.bias) in.push_back(uniform({c.filters}, Dtype::kFloat32, -1, 1, 3));
      const std::string k = std::to_string(c.kernel), s = std::to_string(c.stride),
                        p = std::to_string(c.kernel / 2);
      SCOPED_TRACE(format("{} filters of {}", c.filters, c.kernel));
      expect_same("Convolution", in,
                  {{"kernel", "(" + k + ", " + k + ")"},
                   {"stride", "(" + s + ", " + s + ")"},
                   {"pad", "(" + p + ", " + p + ")"},
                   {"num_filter", std::to_string(c.filters)},
                   {"num_group", std::to_string(c.groups)},
                   {"no_bias", c.bias ? "False" : "True"}},
                  hint, {c.forward, c.backward, 1e-5});
    }
}

TEST(Layout, BlocksGiveTheSameBitsWithAnyNumberOfThreads) {
  HEDDLE_NEEDS_BLOCKS(b);
  struct Restore {
    ~Restore() { set_threads(0); }
  } restore;
  const auto same = [&](const OpCall& call, const std::vector<Tensor>& in,
                        const std::vector<Tensor>& out) {
    std::vector<Tensor> first;
    for (const int count : {1, 2, 4}) {
      set_threads(count);
      auto x = in, y = out;
      std::vector<Layout> hints;
      for (const Tensor& t : in)
        hints.push_back(t.shape.rank() == 4 && t.shape[0] == in[0].shape[0] ? Layout::channels(b)
                                                                            : kPlain);
      EXPECT_GT(run_as_wanted(call, true, x, hints, y).blocked(), 0);
      if (first.empty()) first = y;
      for (size_t i = 0; i < y.size(); ++i)
        EXPECT_EQ(y[i].values(), first[i].values()) << call.op->name << " " << count;
    }
  };
  for (const int64_t batch : {1, 3, 9})  // parts of the filters, of the batch, and of both
    for (const int64_t size : {3, 20}) {
      Call conv("Convolution",
                {uniform({batch, 32, size, size}), uniform({64, 32, 3, 3}), uniform({64})},
                {{"kernel", "(3, 3)"}, {"pad", "(1, 1)"}, {"num_filter", "64"}});
      same(*conv.call, conv.in, conv.out);
      same(*conv.call->backward, {uniform(conv.out[0].shape), conv.in[0], conv.in[1]}, conv.in);
      std::vector<Tensor> in = {uniform({batch, 32, size, size})};
      for (int i = 0; i < 4; ++i) in.push_back(uniform({32}, Dtype::kFloat32, 0.5, 2, i));
      Call norm("BatchNorm", in, {});
      same(*norm.call, norm.in, norm.out);
    }
}

TEST(Layout, ConvolutionOverLinesAndVolumesAsksForBlocks) {
  HEDDLE_NEEDS_BLOCKS(b);
  for (const int64_t channels : {3, 16}) {
    const int forward = channels == 3 ? 2 : 3, backward = channels == 3 ? 2 : 5;
    for (const int64_t batch : {2, 9}) {
      expect_same("Convolution",
                  {uniform({batch, channels, 9}), uniform({32, channels, 3}), uniform({32})},
                  {{"kernel", "(3,)"}, {"pad", "(1,)"}, {"num_filter", "32"}}, Layout::channels(b),
                  {forward, backward, 1e-5});
      expect_same("Convolution",
                  {uniform({batch, channels, 4, 5, 6}), uniform({32, channels, 3, 2, 3})},
                  {{"kernel", "(3, 2, 3)"},
                   {"stride", "(1, 2, 1)"},
                   {"num_filter", "32"},
                   {"no_bias", "True"}},
                  Layout::channels(b), {forward, backward, 1e-5, true, true});
      expect_same("Convolution",
                  {uniform({batch, channels, 1, 5, 6}), uniform({32, channels, 1, 3, 3})},
                  {{"kernel", "(1, 3, 3)"}, {"num_filter", "32"}, {"no_bias", "True"}},
                  Layout::channels(b), {forward, backward, 1e-5});
    }
  }
}

TEST(Layout, PoolingFollowsBlocks) {
  HEDDLE_NEEDS_BLOCKS(machine);
  for (const int b : {8, 16})
    for (const Kwargs& kwargs :
         {Kwargs{{"kernel", "(3, 3)"}, {"stride", "(2, 2)"}, {"pad", "(1, 1)"}},
          Kwargs{{"kernel", "(2, 2)"}, {"stride", "(2, 2)"}},  // tiles
          Kwargs{{"kernel", "(3, 2)"}, {"stride", "(1, 2)"}},
          Kwargs{{"global_pool", "True"}, {"kernel", "(1, 1)"}}})
      for (const char* type : {"max", "avg"})
        for (const char* count : {"True", "False"})
          for (const int64_t batch : {1, 9}) {
            Kwargs all = kwargs;
            all["pool_type"] = type, all["count_include_pad"] = count;
            const bool max = std::string_view(type) == "max";
            expect_same("Pooling", {uniform({batch, 48, 8, 6})}, all, Layout::channels(b),
                        {2, max ? 3 : 2, 1e-6});
          }
  expect_same("Pooling", {uniform({2, 16, 5, 6, 4})},
              {{"kernel", "(3, 2, 3)"}, {"pad", "(1, 0, 1)"}, {"stride", "(2, 2, 1)"}},
              Layout::channels(machine), {2, 3, 1e-6});
  expect_same("Pooling", {uniform({2, 16, 8, 6})}, {{"kernel", "(2, 2)"}, {"pool_type", "sum"}},
              Layout::channels(machine), {0, 0, 1e-6});
}

}  // namespace heddle::test
