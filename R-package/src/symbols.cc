// Symbols and the executors they are bound to.
#include "calls.h"
#include "glue.h"

namespace glue {
namespace {

// The shapes of a list, under its names, which are texts; dtypes may be among them as texts.
class Variables {
 public:
  explicit Variables(SEXP shapes) : names_(names_of(shapes)) {
    items_of(shapes, "the shapes");
    shapes_.reserve(names_.size());
    for (size_t i = 0; i < names_.size(); ++i) {
      shapes_.push_back(shape_of(VECTOR_ELT(shapes, R_xlen_t(i))));
      hd_variable v = {};
      v.size = sizeof v;
      v.name = names_[i].c_str();
      v.shape = shapes_.back().data();
      v.rank = int(shapes_.back().size());
      v.dtype = HD_UNKNOWN;
      all.push_back(v);
    }
  }
  Variables(const Variables&) = delete;

  hd_variable& at(const char* name) {
    for (hd_variable& v : all)
      if (std::string(name) == v.name) return v;
    hd_variable v = {};
    v.size = sizeof v;
    v.name = name;
    v.dtype = HD_UNKNOWN;
    all.push_back(v);
    return all.back();
  }

  std::vector<hd_variable> all;

 private:
  std::vector<std::string> names_;
  std::vector<std::vector<int64_t>> shapes_;
};

int kind_of(SEXP kind) {
  const std::string s = string_of(kind, "the kind");
  if (s == "arguments") return HD_ARGUMENTS;
  if (s == "auxiliary") return HD_AUXILIARY;
  if (s == "outputs") return HD_OUTPUTS;
  if (s == "gradients") return HD_GRADIENTS;
  throw Failure("[R] found no kind '" + s + "'");
}

SEXP names(SEXP symbol, int kind) {
  const char* const* list;
  int count;
  must(hd_symbol_names(symbol_of(symbol), kind, &list, &count));
  return strings(list, count);
}

int grad_of(const std::string& request) {
  if (request == "write") return HD_GRAD_WRITE;
  if (request == "add") return HD_GRAD_ADD;
  if (request == "null") return HD_GRAD_NONE;
  throw Failure("[bind] found the gradient request '" + request + "', expected write, add or null");
}

// The shapes that follow from others; NULL where one stays unknown.
SEXP found(SEXP symbol, Variables& known, int kind, bool& complete) {
  const hd_variable* const* all;
  int count;
  must(hd_symbol_infer(symbol_of(symbol), known.all.data(), int(known.all.size()), kind, &all,
                       &count));
  Rcpp::Shield<SEXP> shapes(Rf_allocVector(VECSXP, count)), texts(Rf_allocVector(STRSXP, count));
  for (int i = 0; i < count; ++i) {
    SET_STRING_ELT(texts, i, Rf_mkCharCE(all[i]->name, CE_UTF8));
    if (!all[i]->shape) {
      complete = false;
      continue;
    }
    SEXP dims = Rf_allocVector(INTSXP, all[i]->rank);
    SET_VECTOR_ELT(shapes, i, dims);
    for (int d = 0; d < all[i]->rank; ++d) {
      const int64_t size = all[i]->shape[all[i]->rank - 1 - d];
      INTEGER(dims)[d] = int(size);
      if (size < 0) complete = false;
    }
  }
  Rf_setAttrib(shapes, R_NamesSymbol, texts);
  return shapes;
}

double bytes_of(hd_executor* e) {
  double sum = 0;
  for (const int kind : {HD_ARGUMENTS, HD_AUXILIARY, HD_OUTPUTS, HD_GRADIENTS}) {
    hd_array* const* arrays;
    int count;
    must(hd_executor_arrays(e, kind, &arrays, &count));
    for (int i = 0; i < count; ++i)
      if (arrays[i]) sum += double(info_of(arrays[i]).bytes);
  }
  return sum;
}

}  // namespace
}  // namespace glue

using namespace glue;

extern "C" {

SEXP hdr_variable(SEXP name, SEXP attributes) {
  return guarded([&] {
    Params texts;
    texts.add_list(attributes);
    hd_symbol* made;
    must(hd_symbol_variable(string_of(name, "the name").c_str(), texts.data(), &made));
    return own(Kind::kSymbol, made);
  });
}

SEXP hdr_group(SEXP list) {
  return guarded([&] {
    std::vector<hd_symbol*> parts;
    const R_xlen_t n = items_of(list, "the symbols");
    for (R_xlen_t i = 0; i < n; ++i) parts.push_back(symbol_of(VECTOR_ELT(list, i)));
    hd_symbol* made;
    must(hd_symbol_group(parts.data(), int(parts.size()), &made));
    return own(Kind::kSymbol, made);
  });
}

SEXP hdr_compose(SEXP symbol, SEXP list) {
  return guarded([&] {
    std::vector<hd_symbol*> inputs;
    const R_xlen_t n = items_of(list, "the symbols");
    for (R_xlen_t i = 0; i < n; ++i) inputs.push_back(symbol_of(VECTOR_ELT(list, i)));
    const std::vector<std::string> texts = names_of(list);
    const std::vector<const char*> names = pointers(texts);
    const bool named = Rf_getAttrib(list, R_NamesSymbol) != R_NilValue;
    hd_symbol* made;
    must(hd_symbol_compose(symbol_of(symbol), named ? names.data() : nullptr, inputs.data(),
                           int(inputs.size()), &made));
    return own(Kind::kSymbol, made);
  });
}

SEXP hdr_from_json(SEXP json) {
  return guarded([&] {
    hd_symbol* made;
    must(hd_symbol_from_json(string_of(json, "the JSON").c_str(), &made));
    return own(Kind::kSymbol, made);
  });
}

SEXP hdr_to_json(SEXP symbol) {
  return guarded([&] {
    const char* json;
    must(hd_symbol_to_json(symbol_of(symbol), &json));
    return Rf_mkString(json);
  });
}

// One output, by name or by its number from 1.
SEXP hdr_output(SEXP symbol, SEXP which) {
  return guarded([&] {
    hd_symbol* made;
    if (TYPEOF(which) == STRSXP) {
      must(hd_symbol_output(symbol_of(symbol), string_of(which, "the name").c_str(), 0, &made));
    } else {
      must(hd_symbol_output(symbol_of(symbol), nullptr, int(whole_of(which, "the index")) - 1,
                            &made));
    }
    return own(Kind::kSymbol, made);
  });
}

SEXP hdr_internals(SEXP symbol) {
  return guarded([&] {
    hd_symbol* made;
    must(hd_symbol_internals(symbol_of(symbol), &made));
    return own(Kind::kSymbol, made);
  });
}

SEXP hdr_names(SEXP symbol, SEXP kind) {
  return guarded([&] { return names(symbol, kind_of(kind)); });
}

SEXP hdr_attribute(SEXP symbol, SEXP key) {
  return guarded([&] {
    const char* value;
    must(hd_symbol_attribute(symbol_of(symbol), string_of(key, "the key").c_str(), &value));
    return value ? Rf_mkString(value) : R_NilValue;
  });
}

SEXP hdr_with_attributes(SEXP symbol, SEXP attributes) {
  return guarded([&] {
    Params texts;
    texts.add_list(attributes);
    hd_symbol* made;
    must(hd_symbol_with_attributes(symbol_of(symbol), texts.data(), &made));
    return own(Kind::kSymbol, made);
  });
}

// list(arg.shapes, out.shapes, aux.shapes), or NULL where the shapes given are not enough.
SEXP hdr_infer(SEXP symbol, SEXP shapes) {
  return guarded([&]() -> SEXP {
    Variables known(shapes);
    bool complete = true;
    Rcpp::Shield<SEXP> arguments(found(symbol, known, HD_ARGUMENTS, complete));
    Rcpp::Shield<SEXP> outputs(found(symbol, known, HD_OUTPUTS, complete));
    Rcpp::Shield<SEXP> auxiliary(found(symbol, known, HD_AUXILIARY, complete));
    if (!complete) return R_NilValue;
    return Rcpp::List::create(Rcpp::Named("arg.shapes") = SEXP(arguments),
                              Rcpp::Named("out.shapes") = SEXP(outputs),
                              Rcpp::Named("aux.shapes") = SEXP(auxiliary));
  });
}

// `shapes`: a named list; `arrays` and `gradients` likewise; `requests`: per argument write, add or
// null.
SEXP hdr_bind(SEXP symbol, SEXP context, SEXP shapes, SEXP arrays, SEXP gradients, SEXP requests) {
  return guarded([&] {
    Variables variables(shapes);
    items_of(arrays, "the arrays");
    items_of(gradients, "the gradients");
    const auto texts = names_of(arrays), grad_names = names_of(gradients),
               asked = names_of(requests);
    const std::vector<std::string> request = strings_of(requests);
    for (size_t i = 0; i < texts.size(); ++i)
      variables.at(texts[i].c_str()).array = array_of(VECTOR_ELT(arrays, R_xlen_t(i)));
    for (size_t i = 0; i < grad_names.size(); ++i)
      variables.at(grad_names[i].c_str()).gradient = array_of(VECTOR_ELT(gradients, R_xlen_t(i)));
    bool any = false;
    for (size_t i = 0; i < asked.size(); ++i) {
      variables.at(asked[i].c_str()).grad = grad_of(request[i]);
      any = any || request[i] != "null";
    }
    const std::string device = device_of(context);
    hd_bind_options options = {};
    options.size = sizeof options;
    options.device = device.c_str();
    options.predicting = !any;
    hd_executor* made;
    must(hd_bind(symbol_of(symbol), variables.all.data(), int(variables.all.size()), &options,
                 &made));
    return own(Kind::kExecutor, made, bytes_of(made));
  });
}

// The executor's own arrays, under their names; NULL for gradients that are not wanted.
SEXP hdr_executor_arrays(SEXP executor, SEXP kind) {
  return guarded([&] {
    hd_array* const* arrays;
    int count;
    must(hd_executor_arrays(executor_of(executor), kind_of(kind), &arrays, &count));
    Rcpp::Shield<SEXP> all(Rf_allocVector(VECSXP, count));
    for (int i = 0; i < count; ++i) SET_VECTOR_ELT(all, i, view_array(arrays[i]));
    return SEXP(all);
  });
}

SEXP hdr_forward(SEXP executor, SEXP training) {
  return guarded([&] {
    must(hd_executor_forward(executor_of(executor), is_true(training)));
    return executor;
  });
}

SEXP hdr_backward_executor(SEXP executor, SEXP head_grads) {
  return guarded([&] {
    const std::vector<hd_array*> grads = arrays_of(head_grads, "the head gradients");
    must(hd_executor_backward(executor_of(executor), grads.data(), int(grads.size())));
    return executor;
  });
}

SEXP hdr_describe_executor(SEXP executor) {
  return guarded([&] {
    const char* text;
    must(hd_executor_describe(executor_of(executor), &text));
    return Rf_mkString(text);
  });
}

}  // extern "C"
