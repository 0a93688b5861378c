# Executors: symbols bound to arrays.

# The executor, with its arrays under their names; the arrays are live.
executor <- function(symbol, ctx, shapes, arrays, gradients, requests) {
  exec <- .Call(hdr_bind, symbol, ctx, shapes, arrays, gradients, requests)
  named <- function(kind, names) {
    found <- .Call(hdr_executor_arrays, exec, kind)
    names(found) <- names
    found
  }
  state <- new.env(parent = emptyenv())
  state$symbol <- symbol
  state$ctx <- ctx
  state$args <- named("arguments", arguments(symbol))
  state$grads <- named("gradients", arguments(symbol))
  state$aux <- named("auxiliary", auxiliary_states(symbol))
  state$outputs <- named("outputs", outputs(symbol))
  attr(exec, "state") <- state
  exec
}

state_of <- function(exec) attr(exec, "state", exact = TRUE)

mx.simple.bind <- function(symbol, ctx, grad.req = "null", fixed.param = NULL, ...) {
  shapes <- list(...)
  if (is.null(.Call(hdr_infer, symbol, shapes))) {
    fail("[mx.simple.bind] found shapes of ", paste(names(shapes), collapse = ", "),
         ", which do not decide those of all arguments of the symbol: ", paste(arguments(symbol), collapse = ", "))
  }
  names <- arguments(symbol)
  without <- grepl("(label|data)$", names) | names %in% fixed.param
  requests <- setNames(ifelse(without, "null", rep_len(grad.req, length(names))), names)
  executor(symbol, ctx, shapes, list(), list(), requests)
}

mx.symbol.bind <- function(symbol, ctx, arg.arrays, aux.arrays = list(), grad.reqs = "null") {
  names <- arguments(symbol)
  if (is.null(names(arg.arrays))) names(arg.arrays) <- names
  if (length(aux.arrays) && is.null(names(aux.arrays))) names(aux.arrays) <- auxiliary_states(symbol)
  requests <- setNames(rep_len(unlist(grad.reqs), length(names)), names)
  executor(symbol, ctx, list(), c(arg.arrays, aux.arrays), list(), requests)
}

copies <- function(arrays) lapply(arrays, function(a) {
  if (!is.null(a)) .Call(hdr_invoke, "_copy", list(a), NULL, NULL)
})

# Writes arrays, or numbers of R, into some of an executor's.
update_arrays <- function(what, targets, arrays, match.name, skip.null) {
  if (as_flag(match.name, what)) {
    unknown <- setdiff(names(arrays), names(targets))
    if (length(unknown) || is.null(names(arrays))) {
      fail("[", what, "] found no argument '", c(unknown, "")[1], "', expected names among ",
           paste(names(targets), collapse = ", "))
    }
    targets <- targets[names(arrays)]
  } else if (length(arrays) != length(targets)) {
    fail("[", what, "] found ", length(arrays), " arrays, expected ", length(targets))
  }
  for (i in seq_along(arrays)) {
    a <- arrays[[i]]
    if (is.null(a)) {
      if (as_flag(skip.null, what)) next
      fail("[", what, "] found NULL for '", names(targets)[i], "'")
    }
    target <- targets[[i]]
    if (is.null(target)) {
      fail("[", what, "] '", names(targets)[i], "' has no such array: its gradient is not wanted")
    }
    if (is.mx.ndarray(a)) {
      if (!identical(dim(a), dim(target))) {
        fail("[", what, "] '", names(targets)[i], "' has dimensions ", paste(dim(target), collapse = " x "),
             ", found ", paste(dim(a), collapse = " x "))
      }
      .Call(hdr_copy_into, a, target)
    } else {
      .Call(hdr_write, target, as_numbers(a))
    }
  }
}

mx.exec.update.arg.arrays <- function(exec, arg.arrays, match.name = FALSE, skip.null = FALSE) {
  update_arrays("mx.exec.update.arg.arrays", state_of(exec)$args, arg.arrays, match.name, skip.null)
  invisible(exec)
}

mx.exec.update.aux.arrays <- function(exec, arg.arrays, match.name = FALSE, skip.null = FALSE) {
  update_arrays("mx.exec.update.aux.arrays", state_of(exec)$aux, arg.arrays, match.name, skip.null)
  invisible(exec)
}

mx.exec.update.grad.arrays <- function(exec, arg.arrays, match.name = FALSE, skip.null = FALSE) {
  update_arrays("mx.exec.update.grad.arrays", state_of(exec)$grads, arg.arrays, match.name, skip.null)
  invisible(exec)
}

mx.exec.forward <- function(exec, is.train = TRUE) invisible(.Call(hdr_forward, exec, is.train))

mx.exec.backward <- function(exec, ...) {
  heads <- list(...)
  if (length(heads) == 1 && is.list(heads[[1]])) heads <- heads[[1]]
  invisible(.Call(hdr_backward_executor, exec, heads))
}

`$.MXExecutor` <- function(x, name) {
  state <- state_of(x)
  switch(name,
    ref.arg.arrays = , arg.dict = state$args,
    ref.grad.arrays = , grad.dict = state$grads,
    ref.aux.arrays = , aux.dict = state$aux,
    ref.outputs = state$outputs,
    arg.arrays = copies(state$args),
    grad.arrays = copies(state$grads),
    aux.arrays = copies(state$aux),
    outputs = copies(state$outputs),
    update.arg.arrays = function(arrays, match.name = FALSE, skip.null = FALSE) {
      mx.exec.update.arg.arrays(x, arrays, match.name, skip.null)
    },
    update.aux.arrays = function(arrays, match.name = FALSE, skip.null = FALSE) {
      mx.exec.update.aux.arrays(x, arrays, match.name, skip.null)
    },
    update.grad.arrays = function(arrays, match.name = FALSE, skip.null = FALSE) {
      mx.exec.update.grad.arrays(x, arrays, match.name, skip.null)
    },
    forward = function(is.train = TRUE, ...) mx.exec.forward(x, is.train),
    backward = function(heads = list(), ...) mx.exec.backward(x, heads),
    symbol = state$symbol,
    ctx = state$ctx,
    debug.str = function() .Call(hdr_describe_executor, x),
    fail("[MXExecutor] found no field '", name, "'"))
}

print.MXExecutor <- function(x, ...) {
  state <- state_of(x)
  cat("<MXExecutor ", paste(names(state$outputs), collapse = ", "), ">\n", sep = "")
  for (name in names(state$args)) cat("  ", name, " ", describe_array(state$args[[name]]), "\n", sep = "")
  invisible(x)
}
