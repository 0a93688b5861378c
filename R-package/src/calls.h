// Every function that R calls.
#pragma once
#include <Rcpp.h>

extern "C" {

// arrays.cc
SEXP hdr_array(SEXP values, SEXP dims, SEXP dtype, SEXP context);
SEXP hdr_values(SEXP x);
SEXP hdr_dim(SEXP x);
SEXP hdr_length(SEXP x);
SEXP hdr_dtype(SEXP x);
SEXP hdr_context(SEXP x);
SEXP hdr_write(SEXP x, SEXP values);
SEXP hdr_reshape(SEXP x, SEXP dims);
SEXP hdr_slice(SEXP x, SEXP begin, SEXP end);
SEXP hdr_detach(SEXP x);
SEXP hdr_release(SEXP x);
SEXP hdr_save(SEXP path, SEXP list);
SEXP hdr_load(SEXP path);
SEXP hdr_wait(SEXP x);

// operators.cc
SEXP hdr_operator(SEXP op, SEXP env, SEXP inputs, SEXP params);
SEXP hdr_invoke(SEXP op, SEXP inputs, SEXP params, SEXP out);
SEXP hdr_arith(SEXP sign, SEXP a, SEXP b);
SEXP hdr_symbol_operator(SEXP op, SEXP env, SEXP inputs, SEXP params);
SEXP hdr_symbol_apply(SEXP op, SEXP name, SEXP inputs, SEXP names, SEXP params);
SEXP hdr_autograd_mode(SEXP recording, SEXP training);
SEXP hdr_mark(SEXP x, SEXP gradient, SEXP grad);
SEXP hdr_backward(SEXP heads, SEXP head_grads, SEXP variables, SEXP retain, SEXP create);
SEXP hdr_copy_into(SEXP from, SEXP to);

// symbols.cc
SEXP hdr_variable(SEXP name, SEXP attributes);
SEXP hdr_group(SEXP list);
SEXP hdr_compose(SEXP symbol, SEXP list);
SEXP hdr_from_json(SEXP json);
SEXP hdr_to_json(SEXP symbol);
SEXP hdr_output(SEXP symbol, SEXP which);
SEXP hdr_internals(SEXP symbol);
SEXP hdr_names(SEXP symbol, SEXP kind);
SEXP hdr_attribute(SEXP symbol, SEXP key);
SEXP hdr_with_attributes(SEXP symbol, SEXP attributes);
SEXP hdr_infer(SEXP symbol, SEXP shapes);
SEXP hdr_bind(SEXP symbol, SEXP context, SEXP shapes, SEXP arrays, SEXP gradients, SEXP requests);
SEXP hdr_executor_arrays(SEXP executor, SEXP kind);
SEXP hdr_forward(SEXP executor, SEXP training);
SEXP hdr_backward_executor(SEXP executor, SEXP head_grads);
SEXP hdr_describe_executor(SEXP executor);

// training.cc
SEXP hdr_optimizer(SEXP rule, SEXP params);
SEXP hdr_update(SEXP optimizer, SEXP keys, SEXP weights, SEXP grads, SEXP rate);
SEXP hdr_optimizer_states(SEXP optimizer, SEXP given);
SEXP hdr_store(SEXP type);
SEXP hdr_store_init(SEXP store, SEXP keys, SEXP values);
SEXP hdr_store_push(SEXP store, SEXP keys, SEXP values, SEXP priority);
SEXP hdr_store_pull(SEXP store, SEXP keys, SEXP outs, SEXP priority);
SEXP hdr_store_updater(SEXP store, SEXP updater);
SEXP hdr_iterator(SEXP name, SEXP params);
SEXP hdr_next(SEXP iterator);
SEXP hdr_reset(SEXP iterator);
SEXP hdr_record(SEXP path, SEXP mode);
SEXP hdr_record_read(SEXP record);
SEXP hdr_record_write(SEXP record, SEXP bytes);

// library.cc
SEXP hdr_list(SEXP kind);
SEXP hdr_describe(SEXP kind, SEXP name);
SEXP hdr_parse_json(SEXP text);
SEXP hdr_seed(SEXP seed, SEXP context);
SEXP hdr_finish();
SEXP hdr_threads(SEXP threads);
SEXP hdr_load_library(SEXP path);
SEXP hdr_profiler(SEXP mode);
SEXP hdr_profiler_write(SEXP path);

}  // extern "C"
