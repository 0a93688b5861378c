// The operators of toys.h, and a test that the interpreter runs them.
#include "symbol/toys.h"

#include <cmath>
#include <mutex>

namespace heddle::toys {

struct Dense {
  int64_t num_hidden = 0;
  bool no_bias = false;
  void fields(auto&& f) {
    f("num_hidden", num_hidden, "").required().at_least(1);
    f("no_bias", no_bias, "");
  }
};
void infer_dense_shapes(const Dense& p, InferContext& c) {
  if (c.in(0).known()) {
    c.set_in(1, {p.num_hidden, c.in(0).size(1)});
    c.set_out(0, {c.in(0)[0], p.num_hidden});
  } else if (c.out(0).rank() == 2) {
    Shape x = Shape::unknown(2);
    x[0] = c.out(0)[0];
    if (c.in(1).rank() == 2) x[1] = c.in(1)[1];
    if (!c.in(0).has_rank()) c.set_in(0, x);
  }
  if (!p.no_bias) c.set_in(2, {p.num_hidden});
}
void dense(const Dense& p, OpContext&, Inputs in, Outputs out) {
  const int64_t n = out[0].shape[0], h = p.num_hidden, k = in[0].size() / n;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < h; ++j) {
      double s = p.no_bias ? 0 : in[2].as<double>()[j];
      for (int64_t l = 0; l < k; ++l)
        s += in[0].as<double>()[i * k + l] * in[1].as<double>()[j * k + l];
      out[0].as<double>()[i * h + j] = s;
    }
}
void dense_backward(const Dense& p, OpContext&, Inputs in, Outputs out) {
  const int64_t n = in[0].shape[0], h = p.num_hidden, k = in[1].size() / n;
  const double *dy = in[0].as<double>(), *x = in[1].as<double>(), *w = in[2].as<double>();
  for (Blob& b : out) std::fill_n(b.as<double>(), b.size(), 0.0);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < h; ++j) {
      for (int64_t l = 0; l < k; ++l) {
        out[0].as<double>()[i * k + l] += dy[i * h + j] * w[j * k + l];
        out[1].as<double>()[j * k + l] += dy[i * h + j] * x[i * k + l];
      }
      if (!p.no_bias) out[2].as<double>()[j] += dy[i * h + j];
    }
}

// Elementwise kernels: F(in blobs, i) -> value of out[0][i].
template <auto F>
void each(OpContext&, Inputs in, Outputs out) {
  for (int64_t i = 0; i < out[0].size(); ++i) out[0].as<double>()[i] = F(in, i);
}
double at(Inputs in, int k, int64_t i) { return in[k].as<double>()[i]; }

void norm(OpContext&, Inputs in, Outputs out) {
  for (int64_t i = 0; i < out[0].size(); ++i) out[0].as<double>()[i] = at(in, 0, i) * at(in, 1, 0);
  out[1].as<double>()[0] = 1;
}
void infer_norm(InferContext& c) {
  c.set_out(0, c.in(0));
  c.set_in(1, {1}), c.set_in(2, {1}), c.set_out(1, {1});
}
void norm_backward(OpContext&, Inputs in, Outputs out) {  // dy, data, scale, mean -> data, scale
  out[1].as<double>()[0] = 0;
  for (int64_t i = 0; i < in[0].size(); ++i) {
    out[0].as<double>()[i] = at(in, 0, i) * at(in, 2, 0);
    out[1].as<double>()[0] += at(in, 0, i) * at(in, 1, i);
  }
  in.mut(3).as<double>()[0] += 1;
}

struct Cut {
  int64_t parts = 2;
  void fields(auto&& f) { f("parts", parts, "").at_least(1); }
};
std::vector<Output> cut_outputs(const Cut& p) { return std::vector<Output>(p.parts); }
std::vector<Ref> cut_reads(const Cut& p) {
  std::vector<Ref> r;
  for (int i = 0; i < p.parts; ++i) r.push_back(dy(i));
  return r;
}
void infer_cut(const Cut& p, InferContext& c) {
  if (!c.in(0).known()) return;
  Shape s = c.in(0);
  s[0] /= p.parts;
  for (int i = 0; i < p.parts; ++i) c.set_out(i, s);
}
void cut(OpContext&, Inputs in, Outputs out) {
  int64_t at = 0;
  for (Blob& b : out)
    for (int64_t i = 0; i < b.size(); ++i) b.as<double>()[i] = in[0].as<double>()[at++];
}
// Of whichever blobs: one after the other in the one.
Views one_after_the_other(Views::Of of, std::span<const Blob> parts) {
  Views v{of};
  int64_t at = 0;
  for (const Blob& b : parts) v.at.push_back(at), at += b.bytes();
  return v;
}
Views cut_views(const Situation& s) { return one_after_the_other(Views::kInput, s.out); }
Views join_views(const Situation& s) { return one_after_the_other(Views::kOutput, s.in); }
void cut_backward(OpContext&, Inputs in, Outputs out) {
  int64_t at = 0;
  for (const Blob& b : in)
    for (int64_t i = 0; i < b.size(); ++i) out[0].as<double>()[at++] = b.as<double>()[i];
}

void infer_join(InferContext& c) {
  int64_t n = 0;
  for (int i = 0; i < c.inputs(); ++i) {
    if (!c.in(i).known()) return;
    n += c.in(i)[0];
  }
  c.set_out(0, {n});
}

struct Count {
  int64_t num_args = 1;
  void fields(auto&& f) { f("num_args", num_args, "").at_least(1); }
};
std::vector<Input> count_inputs(const Count& p) {
  std::vector<Input> in;
  for (int i = 0; i < p.num_args; ++i) in.push_back({format("arg{}", i)});
  return in;
}
void sum_all(OpContext&, Inputs in, Outputs out) {
  for (int64_t i = 0; i < out[0].size(); ++i) {
    double s = 0;
    for (const Blob& b : in) s += b.as<double>()[i];
    out[0].as<double>()[i] = s;
  }
}

void define_layers(OpTable& t) {
  t.define({.name = "toy_dense",
            .params = schema<Dense>(),
            .inputs = {{"data"}, {"weight"}, {.name = "bias", .when = when("no_bias", false)}},
            .infer = infer_dense_shapes,
            .cpu = dense,
            .backward = {.reads = {dy(), x(0), x(1)}, .run = dense_backward}});
  t.define({.name = "toy_norm",
            .inputs = {{"data"}, {"scale"}, {"mean", "", Role::kAux, "zero"}},
            .outputs = {{}, {.name = "var", .hidden = true}},
            .infer = infer_norm,
            .cpu = norm,
            .backward = {.reads = {dy(), x(0), x(1), x(2)}, .run = norm_backward}});
  t.define(
      {.name = "toy_loss",
       .inputs = {{"data"}, {"label"}},
       .cpu = each<[](Inputs in, int64_t i) { return at(in, 0, i); }>,
       .backward = {.reads = {y(), x(1)},
                    .run = each<[](Inputs in, int64_t i) { return at(in, 0, i) - at(in, 1, i); }>,
                    .ignores_head = true}});
  t.define({.name = "toy_cut",
            .params = schema<Cut>(),
            .outputs = cut_outputs,
            .infer = infer_cut,
            .cpu = cut,
            .views = cut_views,
            .backward = {.reads = cut_reads, .run = cut_backward, .views = join_views}});
  t.define({.name = "toy_join",
            .params = schema<Count>(),
            .inputs = count_inputs,
            .variadic = "num_args",
            .infer = infer_join,
            .cpu = cut_backward,
            .views = join_views});
  t.define(
      {.name = "toy_step",
       .inputs = {{"weight", "", Role::kMutate}, {"grad"}},
       .cpu =
           each<[](Inputs in, int64_t i) { return in.mut(0).as<double>()[i] -= at(in, 1, i); }>});
}

void define_elementwise(OpTable& t) {
  t.define(
      {.name = "toy_relu",
       .inplace = {{0, 0}},
       .cpu = each<[](Inputs in, int64_t i) { return std::max(at(in, 0, i), 0.0); }>,
       .backward = {
           .reads = {dy(), y()},
           .run =
               each<[](Inputs in, int64_t i) { return (at(in, 1, i) > 0) ? at(in, 0, i) : 0.0; }>,
           .inplace = {{0, 0}}}});
  t.define({.name = "toy_add",
            .inputs = {{"lhs"}, {"rhs"}},
            .inplace = {{0, 0}, {1, 0}},
            .cpu = sum_all,
            .backward = {.build = +[](GradContext& g) {
              return std::vector<GradContext::Value>{g.dy(), g.dy()};
            }}});
  t.define({.name = "toy_mul",
            .inputs = {{"lhs"}, {"rhs"}},
            .cpu = each<[](Inputs in, int64_t i) { return at(in, 0, i) * at(in, 1, i); }>,
            .backward = {.build = +[](GradContext& g) {
              return std::vector<GradContext::Value>{g.call("toy_mul", {g.dy(), g.x(1)}),
                                                     g.call("toy_mul", {g.dy(), g.x(0)})};
            }}});
  t.define({.name = "toy_square",
            .cpu = each<[](Inputs in, int64_t i) { return at(in, 0, i) * at(in, 0, i); }>,
            .backward = {.build = +[](GradContext& g) {
              auto half = g.call("toy_mul", {g.dy(), g.x()});
              return std::vector<GradContext::Value>{g.call("toy_add", {half, half})};
            }}});
  t.define({.name = "toy_round",
            .cpu = each<[](Inputs in, int64_t i) { return std::round(at(in, 0, i)); }>,
            .backward = {.zero = true}});
  t.define({.name = "toy_like",
            .inputs = {{"data"}, {.name = "like", .shape_only = true}},
            .cpu = each<[](Inputs in, int64_t i) { return at(in, 0, i); }>});
  t.define({.name = "toy_fourth", .compose = [](Builder& b) {
              return std::vector{b.call("toy_square", {b.call("toy_square", {b.x()})})};
            }});
  t.define({.name = "toy_eighth", .compose = [](Builder& b) {
              return std::vector{b.call("toy_square", {b.call("toy_fourth", {b.x()})})};
            }});
  t.define({.name = "toy_stuck", .cpu = each<[](Inputs in, int64_t i) { return at(in, 0, i); }>});
}

void define() {
  static std::once_flag once;
  std::call_once(once, [] {
    OpTable& t = OpTable::get();
    define_layers(t);
    define_elementwise(t);
  });
}

Symbol mlp() {
  Symbol h = op("toy_dense", {var("data")}, "fc1", {{"num_hidden", "4"}});
  h = op("toy_relu", {h}, "relu1");
  h = op("toy_dense", {h}, "fc2", {{"num_hidden", "2"}});
  return op("toy_loss", {h}, "loss");
}

std::vector<std::vector<double>> run(const Graph& g, const ValueTypes& t, const Values& variables) {
  std::vector<std::vector<double>> all(g.values);
  auto blob = [&](int v) { return Blob{all[v].data(), t[v].shape, Dtype::kFloat64, Device{}}; };
  for (int v = 0; v < g.values; ++v) {
    EXPECT_TRUE(t[v].shape.known()) << "value " << v;
    all[v].resize(t[v].shape.size());
  }
  for (const Graph::Node& n : g.nodes) {
    if (!n.call) {
      all[n.first_output] = variables.at(n.name);
      continue;
    }
    std::vector<Blob> in, out;
    for (int v : n.inputs) in.push_back(blob(v));
    for (int k = 0; k < n.outputs(); ++k) out.push_back(blob(n.first_output + k));
    OpContext ctx;
    run_kernel(*n.call, ctx, in, out);
  }
  return all;
}

TEST(Toys, Run) {
  const Symbol s = op("toy_add", {op("toy_square", {var("x")}, "sq"), var("y")}, "sum");
  const Graph g = Graph::of(s);
  const ValueTypes t = infer(g, {{"x", shape({2}, Dtype::kFloat64)}});
  EXPECT_EQ(run(g, t, {{"x", {2, 3}}, {"y", {10, 20}}})[g.outputs[0]],
            (std::vector<double>{14, 29}));
}

}  // namespace heddle::toys
