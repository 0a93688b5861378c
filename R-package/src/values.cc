// Values of R as shapes, devices and texts, and back.
#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "glue.h"

namespace glue {

std::vector<int64_t> shape_of(SEXP dims) {
  const R_xlen_t rank = Rf_xlength(dims);
  std::vector<int64_t> shape(rank);
  for (R_xlen_t i = 0; i < rank; ++i) {
    double d;
    if (TYPEOF(dims) == INTSXP) d = INTEGER(dims)[i] == NA_INTEGER ? NAN : INTEGER(dims)[i];
    else if (TYPEOF(dims) == REALSXP) d = REAL(dims)[i];
    else
      throw Failure(std::string("[R] a shape is of type ") + Rf_type2char(TYPEOF(dims)) +
                    ", expected numbers");
    if (!(std::isfinite(d) && d == std::floor(d) && d >= -1))
      throw Failure("[R] a shape holds " + text_of(d) + ", expected whole numbers");
    shape[rank - 1 - i] = int64_t(d);
  }
  return shape;
}

// The element `name` of a list; R_NilValue where there is none.
static SEXP element(SEXP list, const char* name) {
  SEXP names = Rf_getAttrib(list, R_NamesSymbol);
  for (R_xlen_t i = 0; i < Rf_xlength(names); ++i)
    if (!std::strcmp(CHAR(STRING_ELT(names, i)), name)) return VECTOR_ELT(list, i);
  return R_NilValue;
}

std::string device_of(SEXP context) {
  if (Rf_isNull(context)) return "cpu(0)";
  if (TYPEOF(context) == STRSXP && XLENGTH(context) == 1) return CHAR(STRING_ELT(context, 0));
  if (TYPEOF(context) == VECSXP && Rf_inherits(context, "MXContext")) {
    return string_of(element(context, "device"), "the device") + "(" +
           std::to_string(whole_of(element(context, "device_id"), "the device_id")) + ")";
  }
  throw Failure("[R] found no context, expected one such as mx.cpu()");
}

SEXP context_of(const std::string& device) {
  const size_t open = device.find('(');
  const std::string kind = device.substr(0, open);
  const int id = open == std::string::npos ? 0 : std::atoi(device.c_str() + open + 1);
  Rcpp::List made = Rcpp::List::create(Rcpp::Named("device") = kind, Rcpp::Named("device_id") = id,
                                       Rcpp::Named("device_typeid") = kind == "gpu" ? 2 : 1);
  made.attr("class") = "MXContext";
  return made;
}

std::string text_of(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  char text[40];
  if (number == std::floor(number) && std::fabs(number) < 1e15) {
    std::snprintf(text, sizeof text, "%.0f", number);
    return text;
  }
  for (int digits = 6; digits <= 17; ++digits) {
    std::snprintf(text, sizeof text, "%.*g", digits, number);
    if (std::strtod(text, nullptr) == number) break;
  }
  return text;
}

// One element of a vector.
static std::string element_text(SEXP value, R_xlen_t i, const std::string& parameter) {
  switch (TYPEOF(value)) {
    case LGLSXP: {
      const int v = LOGICAL(value)[i];
      return v == NA_LOGICAL ? "None" : v ? "True" : "False";
    }
    case INTSXP: {
      const int v = INTEGER(value)[i];
      return v == NA_INTEGER ? "None" : std::to_string(v);
    }
    case REALSXP:
      return R_IsNA(REAL(value)[i]) ? "None" : text_of(REAL(value)[i]);
    case STRSXP:
      return CHAR(STRING_ELT(value, i));
    case VECSXP: {
      SEXP inner = VECTOR_ELT(value, i);
      return Rf_isNull(inner) ? "None" : text_of(inner, "");
    }
    default:
      throw Failure("[R] the argument '" + parameter + "' is of type " +
                    Rf_type2char(TYPEOF(value)) + ", expected numbers, texts, TRUE or FALSE");
  }
}

static bool is_shape(const std::string& parameter) {
  const std::string end = "shape";
  return parameter.size() >= end.size() &&
         parameter.compare(parameter.size() - end.size(), end.size(), end) == 0;
}

std::string text_of(SEXP value, const std::string& parameter) {
  if (Rf_isNull(value)) return "None";
  if (TYPEOF(value) == VECSXP && Rf_inherits(value, "MXContext")) return device_of(value);
  if (Rf_inherits(value, "factor")) {
    Rcpp::Shield<SEXP> levels(Rf_asCharacterFactor(value));
    return text_of(SEXP(levels), parameter);
  }
  const R_xlen_t n = Rf_xlength(value);
  if (n == 1 && TYPEOF(value) != VECSXP && !is_shape(parameter))
    return element_text(value, 0, parameter);
  std::string text = "(";
  for (R_xlen_t i = n - 1; i >= 0; --i) {
    text += element_text(value, i, parameter);
    if (i > 0) text += ", ";
  }
  return text + (n == 1 ? ",)" : ")");
}

std::string spelled(std::string name) {
  for (char& c : name)
    if (c == '.') c = '_';
  return name;
}

R_xlen_t items_of(SEXP list, const char* what) {
  if (Rf_isNull(list)) return 0;
  if (TYPEOF(list) == VECSXP) return XLENGTH(list);
  throw Failure(std::string("[R] ") + what + " are of type " + Rf_type2char(TYPEOF(list)) +
                ", expected a list");
}

bool is_true(SEXP x) {
  const bool has = TYPEOF(x) == LGLSXP || TYPEOF(x) == INTSXP || TYPEOF(x) == REALSXP;
  return has && Rf_asLogical(x) == TRUE;
}

double real_of(SEXP x, const char* what) {
  if (Rf_isNumeric(x) && Rf_xlength(x) == 1) return Rf_asReal(x);
  throw Failure(std::string("[R] ") + what + " is of type " + Rf_type2char(TYPEOF(x)) +
                " and length " + std::to_string(Rf_xlength(x)) + ", expected one number");
}

int64_t whole_of(SEXP x, const char* what) {
  const double v = Rf_isNumeric(x) && Rf_xlength(x) == 1 ? Rf_asReal(x) : NAN;
  if (v == std::floor(v) && std::fabs(v) < 1e15) return int64_t(v);
  throw Failure(std::string("[R] ") + what + " is of type " + Rf_type2char(TYPEOF(x)) +
                " and length " + std::to_string(Rf_xlength(x)) + ", expected one whole number");
}

void Params::add_list(SEXP list) {
  items_of(list, "the arguments");
  const std::vector<std::string> names = names_of(list);
  for (size_t i = 0; i < names.size(); ++i) {
    SEXP value = VECTOR_ELT(list, R_xlen_t(i));
    if (names[i].empty()) throw Failure("[R] found an argument without a name");
    if (!Rf_isNull(value)) add(spelled(names[i]), text_of(value, names[i]));
  }
}

std::string string_of(SEXP x, const char* what) {
  if (TYPEOF(x) != STRSXP || XLENGTH(x) != 1 || STRING_ELT(x, 0) == NA_STRING) {
    throw Failure(std::string("[R] ") + what + " is of type " + Rf_type2char(TYPEOF(x)) +
                  " and length " + std::to_string(Rf_xlength(x)) + ", expected one text");
  }
  return Rf_translateCharUTF8(STRING_ELT(x, 0));
}

std::vector<std::string> strings_of(SEXP x) {
  std::vector<std::string> all;
  if (Rf_isNull(x)) return all;
  if (TYPEOF(x) != STRSXP)
    throw Failure(std::string("[R] found names of type ") + Rf_type2char(TYPEOF(x)));
  for (R_xlen_t i = 0; i < XLENGTH(x); ++i) all.push_back(Rf_translateCharUTF8(STRING_ELT(x, i)));
  return all;
}

SEXP strings(const char* const* names, int count) {
  Rcpp::Shield<SEXP> all(Rf_allocVector(STRSXP, count));
  for (int i = 0; i < count; ++i) SET_STRING_ELT(all, i, Rf_mkCharCE(names[i], CE_UTF8));
  return all;
}

std::vector<const char*> pointers(const std::vector<std::string>& texts) {
  std::vector<const char*> all;
  for (const std::string& s : texts) all.push_back(s.c_str());
  return all;
}

std::vector<std::string> names_of(SEXP list) {
  std::vector<std::string> all(size_t(Rf_xlength(list)));
  SEXP names = Rf_getAttrib(list, R_NamesSymbol);
  for (size_t i = 0; i < all.size() && !Rf_isNull(names); ++i)
    all[i] = Rf_translateCharUTF8(STRING_ELT(names, R_xlen_t(i)));
  return all;
}

}  // namespace glue
