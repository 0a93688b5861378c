// What R loads: the table of functions.
#include <Rcpp.h>

#include "calls.h"

namespace glue {

void register_state(DllInfo* dll);

namespace {

template <class... Arguments>
R_CallMethodDef entry(const char* name, SEXP (*f)(Arguments...)) {
  return {name, reinterpret_cast<DL_FUNC>(f), int(sizeof...(Arguments))};
}

#define HEDDLE_R_ENTRY(f) entry(#f, f)

const R_CallMethodDef kCalls[] = {HEDDLE_R_ENTRY(hdr_array),
                                  HEDDLE_R_ENTRY(hdr_values),
                                  HEDDLE_R_ENTRY(hdr_dim),
                                  HEDDLE_R_ENTRY(hdr_length),
                                  HEDDLE_R_ENTRY(hdr_dtype),
                                  HEDDLE_R_ENTRY(hdr_context),
                                  HEDDLE_R_ENTRY(hdr_write),
                                  HEDDLE_R_ENTRY(hdr_reshape),
                                  HEDDLE_R_ENTRY(hdr_slice),
                                  HEDDLE_R_ENTRY(hdr_detach),
                                  HEDDLE_R_ENTRY(hdr_release),
                                  HEDDLE_R_ENTRY(hdr_save),
                                  HEDDLE_R_ENTRY(hdr_load),
                                  HEDDLE_R_ENTRY(hdr_wait),
                                  HEDDLE_R_ENTRY(hdr_operator),
                                  HEDDLE_R_ENTRY(hdr_invoke),
                                  HEDDLE_R_ENTRY(hdr_arith),
                                  HEDDLE_R_ENTRY(hdr_symbol_operator),
                                  HEDDLE_R_ENTRY(hdr_symbol_apply),
                                  HEDDLE_R_ENTRY(hdr_autograd_mode),
                                  HEDDLE_R_ENTRY(hdr_mark),
                                  HEDDLE_R_ENTRY(hdr_backward),
                                  HEDDLE_R_ENTRY(hdr_copy_into),
                                  HEDDLE_R_ENTRY(hdr_variable),
                                  HEDDLE_R_ENTRY(hdr_group),
                                  HEDDLE_R_ENTRY(hdr_compose),
                                  HEDDLE_R_ENTRY(hdr_from_json),
                                  HEDDLE_R_ENTRY(hdr_to_json),
                                  HEDDLE_R_ENTRY(hdr_output),
                                  HEDDLE_R_ENTRY(hdr_internals),
                                  HEDDLE_R_ENTRY(hdr_names),
                                  HEDDLE_R_ENTRY(hdr_attribute),
                                  HEDDLE_R_ENTRY(hdr_with_attributes),
                                  HEDDLE_R_ENTRY(hdr_infer),
                                  HEDDLE_R_ENTRY(hdr_bind),
                                  HEDDLE_R_ENTRY(hdr_executor_arrays),
                                  HEDDLE_R_ENTRY(hdr_forward),
                                  HEDDLE_R_ENTRY(hdr_backward_executor),
                                  HEDDLE_R_ENTRY(hdr_describe_executor),
                                  HEDDLE_R_ENTRY(hdr_optimizer),
                                  HEDDLE_R_ENTRY(hdr_update),
                                  HEDDLE_R_ENTRY(hdr_optimizer_states),
                                  HEDDLE_R_ENTRY(hdr_store),
                                  HEDDLE_R_ENTRY(hdr_store_init),
                                  HEDDLE_R_ENTRY(hdr_store_push),
                                  HEDDLE_R_ENTRY(hdr_store_pull),
                                  HEDDLE_R_ENTRY(hdr_store_updater),
                                  HEDDLE_R_ENTRY(hdr_iterator),
                                  HEDDLE_R_ENTRY(hdr_next),
                                  HEDDLE_R_ENTRY(hdr_reset),
                                  HEDDLE_R_ENTRY(hdr_record),
                                  HEDDLE_R_ENTRY(hdr_record_read),
                                  HEDDLE_R_ENTRY(hdr_record_write),
                                  HEDDLE_R_ENTRY(hdr_list),
                                  HEDDLE_R_ENTRY(hdr_describe),
                                  HEDDLE_R_ENTRY(hdr_parse_json),
                                  HEDDLE_R_ENTRY(hdr_seed),
                                  HEDDLE_R_ENTRY(hdr_finish),
                                  HEDDLE_R_ENTRY(hdr_threads),
                                  HEDDLE_R_ENTRY(hdr_load_library),
                                  HEDDLE_R_ENTRY(hdr_profiler),
                                  HEDDLE_R_ENTRY(hdr_profiler_write),
                                  {nullptr, nullptr, 0}};

#undef HEDDLE_R_ENTRY

}  // namespace
}  // namespace glue

extern "C" void R_init_heddle(DllInfo* dll) {
  R_registerRoutines(dll, nullptr, glue::kCalls, nullptr, nullptr);
  R_useDynamicSymbols(dll, FALSE);
  R_forceSymbols(dll, TRUE);
  glue::register_state(dll);
}
