// The C face of symbols.
#include <deque>

#include "capi/handles.h"
#include "heddle/op_calls.h"
#include "symbol/passes.h"

namespace heddle::capi {

// Keys such as "__lr_mult__" are attributes of the node, and of the variables that it makes.
Kwargs take_attributes(Kwargs& params) {
  Kwargs attributes;
  for (auto it = params.begin(); it != params.end();) {
    const bool attribute =
        it->first.size() > 4 && it->first.starts_with("__") && it->first.ends_with("__");
    if (attribute) attributes.insert(params.extract(it++));
    else ++it;
  }
  return attributes;
}

Symbol apply(const char* op, const char* name, const char* const* params,
             const char* const* input_names, hd_symbol* const* inputs, int count) {
  Kwargs kwargs = params_of(params);
  const Kwargs attributes = take_attributes(kwargs);
  std::vector<Symbol> positional = symbols_of(inputs, count);
  std::map<std::string, Symbol> named;
  if (input_names) {
    for (int i = 0; i < count; ++i) named[&need(input_names[i], "an input's name")] = positional[i];
    positional.clear();
  }
  return apply_operator(&need(op, "the operator"), std::move(kwargs), positional, named,
                        name ? name : "", attributes);
}

std::vector<std::string> names_of(const Symbol& s, int kind) {
  switch (kind) {
    case HD_ARGUMENTS:
      return s.arguments();
    case HD_AUXILIARY:
      return s.auxiliary_states();
    case HD_OUTPUTS:
      return s.outputs();
    case HD_INPUTS:
      return s.inputs();
  }
  fail(
      "[C] a symbol has nothing of kind {}, expected HD_ARGUMENTS, HD_AUXILIARY, HD_OUTPUTS or "
      "HD_INPUTS",
      kind);
}

// What inference found, as C sees it.
class Found {
 public:
  Found(const Symbol& s, const std::vector<hd_variable>& given, int kind) {
    std::map<std::string, ValueInfo, std::less<>> known;
    for (const hd_variable& v : given) {
      ValueInfo& info = known[v.name];
      if (v.array) {
        info.shape = v.array->value.shape();
        info.dtype = v.array->value.dtype();
      } else if (v.shape) {
        info.shape = shape_of(v.shape, v.rank);
        if (v.dtype != HD_UNKNOWN) info.dtype = dtype_of(v.dtype);
      }
    }
    names_ = names_of(s, kind);
    const Graph g = expand(Graph::of(s));
    types_ = infer_float32(g, known);
    std::map<std::string_view, int> values;
    for (const auto& n : g.nodes)
      if (!n.call) values[n.name] = n.first_output;
    for (size_t i = 0; i < names_.size(); ++i)
      add(names_[i], types_[size_t(kind == HD_OUTPUTS ? g.outputs[i] : values.at(names_[i]))]);
    for (const hd_variable& v : all_) pointers_.push_back(&v);
  }
  Found(const Found&) = delete;

  const hd_variable* const* data() const { return pointers_.data(); }
  int size() const { return int(pointers_.size()); }

 private:
  void add(const std::string& name, const ValueInfo& type) {
    const bool ranked = type.shape.has_rank();
    all_.push_back({.size = sizeof(hd_variable),
                    .name = name.c_str(),
                    .shape = ranked ? type.shape.begin() : nullptr,
                    .rank = ranked ? type.shape.rank() : 0,
                    .dtype = int(type.dtype),
                    .array = nullptr,
                    .gradient = nullptr,
                    .grad = HD_GRAD_DEFAULT});
  }
  std::vector<std::string> names_;
  ValueTypes types_;
  std::deque<hd_variable> all_;
  std::vector<const hd_variable*> pointers_;
};

}  // namespace heddle::capi

using namespace heddle;
using capi::give, capi::guarded, capi::need, capi::PerThread, capi::TextList;

extern "C" {

int hd_symbol_variable(const char* name, const char* const* attributes, hd_symbol** out) {
  return give(
      out, [&] { return Symbol::variable(&need(name, "the name"), capi::params_of(attributes)); });
}

int hd_symbol_apply(const char* op, const char* name, const char* const* params,
                    const char* const* input_names, hd_symbol* const* inputs, int count,
                    hd_symbol** out) {
  return give(out, [&] { return capi::apply(op, name, params, input_names, inputs, count); });
}

int hd_symbol_group(hd_symbol* const* parts, int count, hd_symbol** out) {
  return give(out, [&] { return Symbol::group(capi::symbols_of(parts, count)); });
}

int hd_symbol_compose(const hd_symbol* symbol, const char* const* names, hd_symbol* const* inputs,
                      int count, hd_symbol** out) {
  return give(out, [&] {
    const Symbol& s = need(symbol, "the symbol").value;
    const std::vector<Symbol> all = capi::symbols_of(inputs, count);
    if (!names) return s.compose(all, {});
    std::map<std::string, Symbol> named;
    for (int i = 0; i < count; ++i) named[&need(names[i], "an input's name")] = all[i];
    return s.compose({}, named);
  });
}

int hd_symbol_from_json(const char* json, hd_symbol** out) {
  return give(out, [&] { return Symbol::from_json(&need(json, "the JSON")); });
}

int hd_symbol_to_json(const hd_symbol* symbol, const char** json) {
  return guarded([&] {
    thread_local PerThread<std::string> kept;
    *kept = need(symbol, "the symbol").value.to_json();
    need(json, "json") = kept->c_str();
  });
}

int hd_symbol_output(const hd_symbol* symbol, const char* name, int index, hd_symbol** out) {
  return give(out, [&] {
    const Symbol& s = need(symbol, "the symbol").value;
    if (name) return s[std::string_view(name)];
    check(index >= 0 && index < s.size(), "[C] the symbol has {} outputs, found number {}",
          s.size(), index);
    return s[index];
  });
}

int hd_symbol_internals(const hd_symbol* symbol, hd_symbol** out) {
  return give(out, [&] { return need(symbol, "the symbol").value.internals(); });
}

int hd_symbol_names(const hd_symbol* symbol, int kind, const char* const** names, int* count) {
  return guarded([&] {
    thread_local PerThread<TextList> kept;
    need(names, "names"), need(count, "count");
    kept->set(capi::names_of(need(symbol, "the symbol").value, kind));
    *names = kept->data();
    *count = kept->size();
  });
}

int hd_symbol_attribute(const hd_symbol* symbol, const char* key, const char** value) {
  return guarded([&] {
    thread_local PerThread<std::string> kept;
    const Symbol& s = need(symbol, "the symbol").value;
    *kept = std::string_view(&need(key, "the key")) == "name" ? s.name() : s.attribute(key);
    need(value, "value") = kept->empty() ? nullptr : kept->c_str();
  });
}

int hd_symbol_with_attributes(const hd_symbol* symbol, const char* const* attributes,
                              hd_symbol** out) {
  return give(out, [&] {
    return need(symbol, "the symbol").value.with_attributes(capi::params_of(attributes));
  });
}

int hd_symbol_infer(const hd_symbol* symbol, const hd_variable* known, int known_count, int kind,
                    const hd_variable* const** found, int* count) {
  return guarded([&] {
    thread_local std::unique_ptr<capi::Found> kept;
    need(found, "found"), need(count, "count");
    kept = std::make_unique<capi::Found>(need(symbol, "the symbol").value,
                                         capi::variables_of(known, known_count), kind);
    *found = kept->data();
    *count = kept->size();
  });
}

}  // extern "C"
