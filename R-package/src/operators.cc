// Operators called on arrays and applied to symbols, and autograd.
#include <algorithm>
#include <cstring>
#include <memory>

#include "calls.h"
#include "glue.h"

namespace glue {
namespace {

constexpr size_t kRoom = 128;  // for the outputs of an operator

struct Free {
  void operator()(void* handle) const { hd_free(handle); }
};

// What a call of an operator's function was given.
struct Call {
  std::vector<SEXP> inputs;  // in the order of the operator's, or as they came
  std::vector<std::string> input_names;
  Params params, attributes;
  std::string name;       // of the node
  SEXP out = R_NilValue;  // arrays to be written
};

bool is_attribute(const std::string& name) {
  return name.size() > 4 && name.compare(0, 2, "__") == 0 &&
         name.compare(name.size() - 2, 2, "__") == 0;
}

SEXP forced(SEXP value, SEXP env) {
  return TYPEOF(value) == PROMSXP ? Rcpp::Rcpp_fast_eval(value, env) : value;
}

// Reads the arguments of a generated function out of its frame, where its formals are the inputs,
// the parameters, `...` and `out` or `name`. Values stay protected by the promises of the frame.
class Reader {
 public:
  Reader(SEXP op, SEXP env, SEXP inputs, SEXP params, Kind kind)
      : op_(string_of(op, "the operator")), env_(env), kind_(kind) {
    read_formals(inputs, true);
    read_formals(params, false);
    read_dots(inputs);
    last("out", [&](SEXP v) { call.out = v; });
    last("name", [&](SEXP v) { call.name = string_of(v, "the name"); });
    last("attr", [&](SEXP v) { call.attributes.add_list(v); });
  }

  Call call;
  const std::string& op() const { return op_; }

 private:
  // The value of a formal; null where the caller did not give it.
  SEXP given(SEXP symbol) {
    SEXP value = Rf_findVarInFrame(env_, symbol);
    if (value == R_UnboundValue || value == R_MissingArg) return nullptr;
    static SEXP test = [] {
      SEXP call = Rf_lang2(Rf_install("missing"), R_NilValue);
      R_PreserveObject(call);
      return call;
    }();
    SETCADR(test, symbol);  // a formal of this frame, of which missing() cannot fail
    if (Rf_asLogical(Rf_eval(test, env_)) == TRUE) return nullptr;
    return forced(value, env_);
  }

  template <class F>
  void last(const char* formal, F&& use) {
    SEXP value = Rf_findVarInFrame(env_, Rf_install(formal));
    if (value == R_UnboundValue || value == R_MissingArg) return;
    value = forced(value, env_);
    if (!Rf_isNull(value)) use(value);
  }

  void read_formals(SEXP names, bool inputs) {
    for (R_xlen_t i = 0; i < Rf_xlength(names); ++i) {
      SEXP symbol = Rf_installChar(STRING_ELT(names, i));
      if (SEXP value = given(symbol)) add(CHAR(STRING_ELT(names, i)), value, inputs);
    }
  }

  // Arguments that no formal took: inputs and parameters as MXNet spells them, and the inputs of
  // operators that take any number.
  void read_dots(SEXP inputs) {
    SEXP dots = Rf_findVarInFrame(env_, R_DotsSymbol);
    if (TYPEOF(dots) != DOTSXP) return;
    for (; dots != R_NilValue; dots = CDR(dots)) {
      const std::string name = TAG(dots) == R_NilValue ? "" : CHAR(PRINTNAME(TAG(dots)));
      SEXP value = forced(CAR(dots), env_);
      bool input = holds(value, kind_) || (TYPEOF(value) == VECSXP && is_list_of_values(value));
      for (R_xlen_t i = 0; i < Rf_xlength(inputs) && !input; ++i)
        input = spelled(name) == spelled(CHAR(STRING_ELT(inputs, i)));
      add(name, value, input);
    }
  }

  bool is_list_of_values(SEXP list) const {
    for (R_xlen_t i = 0; i < XLENGTH(list); ++i)
      if (!holds(VECTOR_ELT(list, i), kind_)) return false;
    return XLENGTH(list) > 0;
  }

  void add(const std::string& name, SEXP value, bool input) {
    if (Rf_isNull(value)) return;
    if (!input) {
      if (name.empty()) throw Failure("[" + op_ + "] found an argument too many, without a name");
      if (is_attribute(name)) return call.attributes.add(name, text_of(value, name));
      return call.params.add(spelled(name), text_of(value, name));
    }
    if (TYPEOF(value) == VECSXP && is_list_of_values(value)) {
      const std::vector<std::string> names = names_of(value);
      for (R_xlen_t i = 0; i < XLENGTH(value); ++i)
        add_input(names[size_t(i)], VECTOR_ELT(value, i));
    } else {
      add_input(spelled(name), value);
    }
  }

  void add_input(const std::string& name, SEXP value) {
    call.inputs.push_back(value);
    call.input_names.push_back(name);
  }

  std::string op_;
  SEXP env_;
  Kind kind_;
};

// Runs an operator; numbers of R among the inputs become arrays first.
SEXP run(const char* op, const SEXP* inputs, size_t input_count, const char* const* params,
         SEXP out) {
  std::vector<hd_array*> arrays;
  arrays.reserve(input_count);
  std::vector<std::unique_ptr<hd_array, Free>> made;
  for (size_t i = 0; i < input_count; ++i) {
    SEXP x = inputs[i];
    if (Rf_isNumeric(x) || Rf_isLogical(x)) {
      SEXP dims = Rf_getAttrib(x, R_DimSymbol);
      const std::vector<int64_t> shape =
          Rf_isNull(dims) ? std::vector<int64_t>{int64_t(Rf_xlength(x))} : shape_of(dims);
      made.emplace_back(array_from(x, shape, HD_FLOAT32, nullptr));
      arrays.push_back(made.back().get());
    } else {
      arrays.push_back(array_of(x, "an input"));
    }
  }
  hd_array* outputs[kRoom] = {};
  const std::vector<hd_array*> given = arrays_of(out, "out");
  if (given.size() > kRoom) throw Failure(std::string("[") + op + "] found too many arrays in out");
  std::copy(given.begin(), given.end(), outputs);
  int count = given.empty() ? int(kRoom) : int(given.size());
  must(hd_invoke(op, arrays.data(), int(arrays.size()), params, outputs, &count));
  if (!given.empty()) return out;
  if (count == 1) return give_array(outputs[0]);
  Rcpp::Shield<SEXP> all(Rf_allocVector(VECSXP, count));
  for (int i = 0; i < count; ++i) SET_VECTOR_ELT(all, i, give_array(outputs[i]));
  return all;
}

SEXP run(const char* op, std::initializer_list<SEXP> inputs, const char* const* params = nullptr) {
  return run(op, inputs.begin(), inputs.size(), params, R_NilValue);
}

std::vector<hd_symbol*> symbols_of(const std::vector<SEXP>& list) {
  std::vector<hd_symbol*> all;
  for (SEXP x : list) all.push_back(symbol_of(x, "an input"));
  return all;
}

// Applies an operator to symbols. Under names, where all inputs have one.
SEXP apply(const std::string& op, const std::string& name, const std::vector<SEXP>& inputs,
           const std::vector<std::string>& names, Params& params) {
  const bool named = !names.empty() && std::none_of(names.begin(), names.end(),
                                                    [](const auto& n) { return n.empty(); });
  const std::vector<hd_symbol*> symbols = symbols_of(inputs);
  const std::vector<const char*> texts = pointers(names);
  hd_symbol* made;
  must(hd_symbol_apply(op.c_str(), name.empty() ? nullptr : name.c_str(), params.data(),
                       named ? texts.data() : nullptr, symbols.data(), int(symbols.size()), &made));
  return own(Kind::kSymbol, made);
}

// The operators behind R's, on two arrays, an array and a number, a number and an array.
struct Arith {
  const char *sign, *both, *right, *left;
};
constexpr Arith kAriths[] = {
    {"+", "broadcast_add", "_plus_scalar", "_plus_scalar"},
    {"-", "broadcast_sub", "_minus_scalar", "_rminus_scalar"},
    {"*", "broadcast_mul", "_mul_scalar", "_mul_scalar"},
    {"/", "broadcast_div", "_div_scalar", "_rdiv_scalar"},
    {"^", "broadcast_power", "_power_scalar", "_rpower_scalar"},
    {"%%", "broadcast_mod", "_mod_scalar", "_rmod_scalar"},
    {"==", "broadcast_equal", "_equal_scalar", "_equal_scalar"},
    {"!=", "broadcast_not_equal", "_not_equal_scalar", "_not_equal_scalar"},
    {">", "broadcast_greater", "_greater_scalar", "_lesser_scalar"},
    {">=", "broadcast_greater_equal", "_greater_equal_scalar", "_lesser_equal_scalar"},
    {"<", "broadcast_lesser", "_lesser_scalar", "_greater_scalar"},
    {"<=", "broadcast_lesser_equal", "_lesser_equal_scalar", "_greater_equal_scalar"},
    {"&", "broadcast_logical_and", "_logical_and_scalar", "_logical_and_scalar"},
    {"|", "broadcast_logical_or", "_logical_or_scalar", "_logical_or_scalar"},
};

bool is_number(SEXP x) {
  return (Rf_isNumeric(x) || Rf_isLogical(x)) && Rf_xlength(x) == 1 &&
         Rf_isNull(Rf_getAttrib(x, R_DimSymbol));
}

}  // namespace

hd_array* invoke(const char* op, const std::vector<hd_array*>& inputs,
                 std::initializer_list<const char*> params, hd_array* out) {
  std::vector<const char*> texts(params);
  texts.push_back(nullptr);
  int count = 1;
  must(hd_invoke(op, inputs.data(), int(inputs.size()), texts.data(), &out, &count));
  return out;
}

}  // namespace glue

using namespace glue;

extern "C" {

// A generated function of arrays: `inputs` and `params` are the names of its formals.
SEXP hdr_operator(SEXP op, SEXP env, SEXP inputs, SEXP params) {
  return guarded([&] {
    Reader reader(op, env, inputs, params, Kind::kArray);
    const Call& c = reader.call;
    return run(reader.op().c_str(), c.inputs.data(), c.inputs.size(), reader.call.params.data(),
               c.out);
  });
}

// The same from lists.
SEXP hdr_invoke(SEXP op, SEXP inputs, SEXP params, SEXP out) {
  return guarded([&] {
    Params texts;
    texts.add_list(params);
    std::vector<SEXP> list;
    const R_xlen_t n = items_of(inputs, "the inputs");
    for (R_xlen_t i = 0; i < n; ++i) list.push_back(VECTOR_ELT(inputs, i));
    return run(string_of(op, "the operator").c_str(), list.data(), list.size(), texts.data(), out);
  });
}

// R's operators, with a number or an array on either side.
SEXP hdr_arith(SEXP sign, SEXP a, SEXP b) {
  return guarded([&]() -> SEXP {
    const char* s = CHAR(STRING_ELT(sign, 0));
    const bool floored = !std::strcmp(s, "%/%");
    if (floored) s = "/";
    const Arith* found = std::find_if(std::begin(kAriths), std::end(kAriths),
                                      [&](const Arith& x) { return !std::strcmp(x.sign, s); });
    if (found == std::end(kAriths)) throw Failure(std::string("[R] arrays have no operator ") + s);
    const auto apply = [&]() -> SEXP {
      const bool left = is_number(a);
      if (!left && !is_number(b)) return run(found->both, {a, b});
      const std::string number = text_of(Rf_asReal(left ? a : b));
      const char* const params[] = {"scalar", number.c_str(), nullptr};
      return run(left ? found->left : found->right, {left ? b : a}, params);
    };
    if (!floored) return apply();
    Rcpp::Shield<SEXP> quotient(apply());
    return run("floor", {quotient});
  });
}

SEXP hdr_symbol_operator(SEXP op, SEXP env, SEXP inputs, SEXP params) {
  return guarded([&] {
    Reader reader(op, env, inputs, params, Kind::kSymbol);
    Call& c = reader.call;
    SEXP made = apply(reader.op(), c.name, c.inputs, c.input_names, c.params);
    if (!c.attributes.data()[0]) return made;
    Rcpp::Shield<SEXP> plain(made);
    hd_symbol* with;
    must(hd_symbol_with_attributes(symbol_of(plain), c.attributes.data(), &with));
    return own(Kind::kSymbol, with);
  });
}

SEXP hdr_symbol_apply(SEXP op, SEXP name, SEXP inputs, SEXP names, SEXP params) {
  return guarded([&] {
    Params texts;
    texts.add_list(params);
    std::vector<SEXP> list;
    const R_xlen_t n = items_of(inputs, "the inputs");
    for (R_xlen_t i = 0; i < n; ++i) list.push_back(VECTOR_ELT(inputs, i));
    return apply(string_of(op, "the operator"),
                 Rf_isNull(name) ? std::string() : string_of(name, "the name"), list,
                 strings_of(names), texts);
  });
}

SEXP hdr_autograd_mode(SEXP recording, SEXP training) {
  return guarded([&] {
    int r, t;
    must(hd_autograd_mode(Rf_asInteger(recording), Rf_asInteger(training), &r, &t));
    Rcpp::IntegerVector was = {r, t};
    return SEXP(was);
  });
}

SEXP hdr_mark(SEXP x, SEXP gradient, SEXP grad) {
  return guarded([&] {
    must(hd_autograd_mark(array_of(x), array_of(gradient), int(whole_of(grad, "the request"))));
    return x;
  });
}

// Gradients of heads: into what was marked, or, with variables, as a list.
SEXP hdr_backward(SEXP heads, SEXP head_grads, SEXP variables, SEXP retain, SEXP create) {
  return guarded([&]() -> SEXP {
    const std::vector<hd_array*> from = arrays_of(heads, "the heads");
    const std::vector<hd_array*> grads = arrays_of(head_grads, "the head gradients");
    const std::vector<hd_array*> of = arrays_of(variables, "the variables");
    if (!grads.empty() && grads.size() != from.size()) {
      throw Failure("[autograd] found " + std::to_string(grads.size()) +
                    " head gradients, expected " + std::to_string(from.size()));
    }
    std::vector<hd_array*> found(of.size());
    hd_backward_options options = {};
    options.size = sizeof options;
    options.head_grads = grads.empty() ? nullptr : grads.data();
    options.retain_graph = is_true(retain);
    options.create_graph = is_true(create);
    options.variables = of.empty() ? nullptr : of.data();
    options.variable_count = int(of.size());
    options.gradients = of.empty() ? nullptr : found.data();
    must(hd_autograd_backward(from.data(), int(from.size()), &options));
    Rcpp::Shield<SEXP> all(Rf_allocVector(VECSXP, R_xlen_t(found.size())));
    for (size_t i = 0; i < found.size(); ++i)
      SET_VECTOR_ELT(all, R_xlen_t(i), give_array(found[i]));
    return all;
  });
}

// Copies an array into another, over devices too.
SEXP hdr_copy_into(SEXP from, SEXP to) {
  return guarded([&] {
    invoke("_copyto", {array_of(from)}, {}, array_of(to));
    return to;
  });
}

}  // extern "C"
