// Writes records as JSON.
#include "operator/catalogue.h"

#include <utility>

#include "base/json_writer.h"

namespace heddle {

namespace catalogue {

void write(JsonWriter& w, const Condition& c) {
  if (c.param.empty()) return w.value(nullptr);
  w.object([&] { w.key("param").value(c.param), w.key("value").value(c.value); });
}

const char* name_of(Role r) {
  return r == Role::kRead ? "read" : r == Role::kMutate ? "mutate" : "aux";
}
const char* name_of(Dtypes d) {
  return d == Dtypes::kAny ? "any" : d == Dtypes::kNumbers ? "numbers" : "floating";
}
const char* name_of(Device::Kind k) { return k == Device::kCuda ? "gpu" : "cpu"; }
const char* name_of(Meaning m) {
  static constexpr const char* kNames[] = {"none", "identity",  "transfer",     "zeros",
                                           "ones", "add",       "sum",          "reorder",
                                           "fold", "pointwise", "to precision", "to widest"};
  return kNames[size_t(m)];
}
const char* name_of(Precision p) {
  static constexpr const char* kNames[] = {"any", "narrow", "full", "widest"};
  return kNames[size_t(p)];
}
const char* name_of(Notation::Form f) {
  static constexpr const char* kNames[] = {"tensors", "equal shapes", "tensor number",
                                           "number tensor"};
  return kNames[size_t(f)];
}

// The other item of the same name, whose condition holds where this one's does not.
template <class T>
const T* twin_of(const std::vector<T>& items, const T& item) {
  if (item.when.param.empty()) return nullptr;
  for (const T& other : items)
    if (&other != &item && other.name == item.name && other.when.param == item.when.param)
      return &other;
  return nullptr;
}

void write_inputs(JsonWriter& w, const OpDef& op) {
  const auto& all = op.inputs.fixed();
  w.key("inputs").list(all, [&](const Input& i) {
    const Input* twin = twin_of(all, i);
    if (twin && twin < &i) return;
    w.object([&] {
      w.key("name").value(i.name);
      w.key("doc").value(i.doc);
      w.key("role").value(name_of(i.role));
      w.key("init").value(i.init);
      w.key("shape_only").value(i.shape_only);
      w.key("optional").value(!twin && !i.when.param.empty());
      write(w.key("when"), twin ? Condition{} : i.when);
    });
  });
  w.key("inputs_vary").value(op.inputs.depends_on_params());
}

void write_outputs(JsonWriter& w, const OpDef& op) {
  const auto& all = op.outputs.fixed();
  w.key("outputs").list(all, [&](const Output& o) {
    const Output* twin = twin_of(all, o);
    if (twin && twin < &o) return;
    w.object([&] {
      w.key("name").value(o.name);
      w.key("hidden").value(o.hidden);
      write(w.key("when"), o.when);
      write(w.key("shown_when"), twin && o.hidden ? twin->when : Condition{});
    });
  });
  // Whether parameters decide how many users see.
  bool vary = op.outputs.depends_on_params();
  for (const Output& o : all) vary = vary || (!o.hidden && !o.when.param.empty());
  w.key("outputs_vary").value(vary);
}

void write_kernels(JsonWriter& w, std::string_view key, const OpDef* op) {
  const std::vector<OpDef::Implementation> none;
  w.key(key).list(op ? op->kernels : none, [&](const OpDef::Implementation& k) {
    w.object([&] {
      w.key("device").value(name_of(k.on));
      w.key("library").value(k.library);
      w.key("file").value(k.file);
      w.key("layouts").value(bool(k.wants));  // whether it may ask for others than C order
    });
  });
}

// Where an operator's gradient comes from. That of a composed operator follows from its parts.
const char* gradient_of(const OpDef& op) {
  if (op.backward.zero) return "zero";
  if (op.backward.run) return "kernel";
  if (op.backward.build) return "composed";
  return op.compose ? "derived" : "none";
}

void write(JsonWriter& w, const OpDef& op) {
  w.object([&] {
    w.key("name").value(op.name);
    w.key("aliases").list(op.aliases, [&](Name alias) { w.value(alias); });
    w.key("doc").value(op.doc);
    w.key("hint").value(op.hint);
    w.key("json_name").value(op.json_name);
    w.key("file").value(op.file);
    w.key("dtypes").value(name_of(op.dtypes));
    w.key("precision").value(name_of(op.precision));
    w.key("full_when").list(op.full_when, [&](const Condition& c) { write(w, c); });
    w.key("variadic").value(op.variadic);
    write_inputs(w, op);
    write_outputs(w, op);
    write_fields(w.key("params"), op.params.describe());
    w.key("composed").value(op.compose != nullptr);
    write_kernels(w, "kernels", &op);
    write_kernels(w, "gradient_kernels", op.backward_op);
    w.key("gradient").value(gradient_of(op));
    w.key("second_gradient")
        .value(bool(op.backward.build) || op.backward.zero || op.backward.linear != Linear::kNo);
    w.key("differentiable").value(bool(op.backward) || op.compose);
    w.key("zero_gradient").value(op.backward.zero);
    w.key("loss").value(op.backward.ignores_head);
    w.key("random").value(bool(op.draws));
    w.key("dynamic").value(op.dynamic_shape);
    w.key("meaning").value(name_of(op.meaning));
    w.key("notation").list(op.notation, [&](const Notation& n) {
      w.object([&] { w.key("symbol").value(n.symbol), w.key("form").value(name_of(n.form)); });
    });
  });
}

}  // namespace catalogue

std::string record_json(const OpDef& op) {
  JsonWriter w;
  catalogue::write(w, op);
  return std::move(w.text);
}

std::string catalogue_json(const OpTable& ops) {
  JsonWriter w;
  w.object([&] {
    w.key("format").value(1.0);
    w.key("operators").list(ops.list(), [&](const OpDef* op) {
      if (op->forward) return;
      w.text += w.text.back() == '[' ? "\n" : "";
      catalogue::write(w, *op);
    });
  });
  return w.text + "\n";
}

}  // namespace heddle
