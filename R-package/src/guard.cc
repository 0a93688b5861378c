// Errors and interrupts on their way from C++ to R.
#include "glue.h"

namespace glue {

static SEXP package() {
  static SEXP name = [] {
    SEXP s = Rf_mkString("heddle");
    R_PreserveObject(s);
    return s;
  }();
  return R_FindNamespace(name);
}

SEXP condition_of(const char* text) {
  Rcpp::Shield<SEXP> call(Rf_lang2(Rf_install("heddle_condition"), Rf_mkString(text)));
  return Rcpp::Rcpp_fast_eval(call, package());
}

SEXP raise(SEXP condition) {
  SEXP call = PROTECT(Rf_lang2(Rf_install("stop"), condition));
  Rf_eval(call, R_BaseEnv);
  return R_NilValue;
}

}  // namespace glue
