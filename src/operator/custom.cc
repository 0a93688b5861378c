// Operators that the host program computes: Custom, and _Native and _NDArray of old programs.
#include "heddle/custom.h"

#include <atomic>

namespace heddle::ops::custom {

std::atomic<CustomFactory> factory{nullptr};

struct CustomParam {
  std::string op_type;
  std::shared_ptr<CustomOp> op;
};

// Every keyword but the graph's own is the host's; "num_args" is what callers count by.
std::shared_ptr<const void> parse(std::string_view who, const Kwargs& kwargs) {
  auto p = std::make_shared<CustomParam>();
  Kwargs own;
  for (const auto& [key, value] : kwargs)
    if (!key.starts_with("__") && key != "num_args") own.emplace(key, value);
  const auto type = own.find("op_type");
  check(type != own.end(),
        "[{}] parameter op_type is missing, expected the name of a custom "
        "operator",
        who);
  p->op_type = type->second;
  const CustomFactory make = factory.load();
  check(make, "[{}] op_type is '{}', and this program registers no custom operators", who,
        p->op_type);
  p->op = make(own);
  return p;
}

std::vector<FieldInfo> describe() {
  FieldInfo type{"op_type",
                 "string",
                 {},
                 "The name that the operator was registered under. Other "
                 "keywords go to it, as strings."};
  type.required = true;
  FieldInfo count{"num_args", "int", "0", "The number of inputs; ignored, the operator knows."};
  return {type, count};
}

std::optional<std::string> text(const void* params, std::string_view name) {
  if (name == "op_type") return static_cast<const CustomParam*>(params)->op_type;
  if (name == "num_args") return "0";
  return {};
}

// Old programs know one keyword, the address of their functions. Here it is the name under which
// these are registered, as op_type is; whether they read gradients is theirs to say.
std::shared_ptr<const void> parse_old(std::string_view who, const Kwargs& kwargs) {
  const auto info = kwargs.find("info");
  check(info != kwargs.end(), "[{}] parameter info is missing, expected the name of an operator",
        who);
  for (const auto& [key, value] : kwargs)
    check(key == "info" || key == "need_top_grad" || key == "num_args" || key.starts_with("__"),
          "[{}] parameter '{}' is unknown, expected info", who, key);
  return parse(who, {{"op_type", info->second}});
}
template <bool kChoice>
std::vector<FieldInfo> describe_old() {
  FieldInfo info{"info", "string", {}, "The name that the operator was registered under."};
  info.required = true;
  std::vector<FieldInfo> all{info};
  if (kChoice) {
    FieldInfo grad{"need_top_grad", "bool", "True", "Ignored: the operator says it."};
    all.push_back(grad);
  }
  all.push_back({"num_args", "int", "0", "The number of inputs; ignored, the operator knows."});
  return all;
}
template <bool kChoice>
std::optional<std::string> text_old(const void* params, std::string_view name) {
  if (name == "info") return text(params, "op_type");
  if (kChoice && name == "need_top_grad") return "True";
  return text(params, name == "op_type" ? "" : name);
}

std::vector<Input> inputs(const CustomParam& p) {
  std::vector<Input> all;
  for (std::string& name : p.op->arguments()) all.push_back({.name = std::move(name)});
  for (std::string& name : p.op->states())
    all.push_back({.name = std::move(name), .role = Role::kAux, .init = "zero"});
  return all;
}

std::vector<Output> outputs(const CustomParam& p) {
  std::vector<Output> all;
  for (std::string& name : p.op->outputs()) all.push_back({.name = std::move(name)});
  return all;
}

std::vector<Ref> reads(const CustomParam& p) {
  std::vector<Ref> all = p.op->reads();
  const size_t arguments = p.op->arguments().size(), states = p.op->states().size();
  for (size_t i = 0; i < states; ++i) all.push_back(x(int(arguments + i)));
  return all;
}

void infer(const CustomParam& p, InferContext& c) { p.op->infer_shape(c); }
void infer_dtype(const CustomParam& p, InferContext& c) { p.op->infer_dtype(c); }

Blob wanted(const OpContext& ctx, Outputs out, int i) {
  Blob b = out[size_t(i)];
  if (!ctx.wants(i)) b.data = nullptr;
  return b;
}

void forward(const CustomParam& p, OpContext& ctx, Inputs in, Outputs out) {
  CustomOp::Tensors t;
  const int arguments = int(p.op->arguments().size());
  for (int i = 0; i < in.count(); ++i) (i < arguments ? t.in_data : t.states).push_back(in[i]);
  for (size_t i = 0; i < out.size(); ++i) t.out_data.push_back(wanted(ctx, out, int(i)));
  p.op->forward(t, ctx.training);
}

void backward(const CustomParam& p, OpContext& ctx, Inputs in, Outputs out) {
  CustomOp::Tensors t;
  const size_t arguments = p.op->arguments().size(), results = p.op->outputs().size();
  t.out_grad.resize(results), t.out_data.resize(results), t.in_data.resize(arguments);
  const std::vector<Ref> all = reads(p);
  for (size_t i = 0; i < all.size(); ++i) {
    const Ref r = all[i];
    if (r.kind == Ref::kDy) t.out_grad[size_t(r.index)] = in[int(i)];
    else if (r.kind == Ref::kY) t.out_data[size_t(r.index)] = in[int(i)];
    else if (size_t(r.index) < arguments) t.in_data[size_t(r.index)] = in[int(i)];
    else t.states.push_back(in[int(i)]);
  }
  for (size_t i = 0; i < out.size(); ++i) t.in_grad.push_back(wanted(ctx, out, int(i)));
  p.op->backward(t, ctx.training);
}

OpDef record(std::string name, std::string doc, ParamSchema params) {
  return {.name = std::move(name),
          .doc = std::move(doc),
          .precision = Precision::kFull,
          .params = std::move(params),
          .inputs = inputs,
          .outputs = outputs,
          .variadic = "num_args",
          .infer = infer,
          .infer_dtype = infer_dtype,
          .cpu = forward,
          .backward = {.reads = reads, .run = backward},
          .stateful = true};
}

void define(OpTable& ops) {
  ops.define(record("Custom",
                    "An operator that the host program computes: a CustomOp of Python, found by "
                    "op_type.",
                    {parse, describe, text}));
  ops.define(record("_Native", "What a NumpyOp of Python is in a network.",
                    {parse_old, describe_old<true>, text_old<true>}));
  ops.define(record("_NDArray", "What an NDArrayOp of Python is in a network.",
                    {parse_old, describe_old<false>, text_old<false>}));
}

}  // namespace heddle::ops::custom

namespace heddle {

void set_custom_factory(CustomFactory factory) { ops::custom::factory = factory; }

OpCallRef make_custom_call(std::shared_ptr<CustomOp> op) {
  auto p = std::make_shared<ops::custom::CustomParam>();
  p->op = std::move(op);
  return make_call(OpTable::get().at("Custom"), {}, std::move(p));
}

}  // namespace heddle
