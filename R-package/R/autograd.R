# Gradients of what is computed line by line.

# Sets the flags, runs, and puts them back.
with_mode <- function(recording, train.mode, expr) {
  was <- .Call(hdr_autograd_mode, recording, as.integer(as_flag(train.mode, "mx.autograd")))
  on.exit(.Call(hdr_autograd_mode, was[1], was[2]))
  force(expr)
}

mx.autograd.record <- function(expr, train.mode = TRUE) with_mode(1L, train.mode, expr)

mx.autograd.pause <- function(expr, train.mode = FALSE) with_mode(0L, train.mode, expr)

mx.autograd.attach.grad <- function(nd, grad.req = "write") {
  request <- switch(grad.req, write = 1L, add = 3L, null = -1L,
                    fail("[mx.autograd.attach.grad] found '", grad.req, "', expected write, add or null"))
  gradient <- .Call(hdr_invoke, "zeros_like", list(.Call(hdr_detach, nd)), NULL, NULL)
  .Call(hdr_mark, nd, gradient, request)
  attr(nd, "gradient") <- gradient
  invisible(nd)
}

mx.autograd.grad.of <- function(nd) {
  gradient <- attr(nd, "gradient", exact = TRUE)
  if (is.null(gradient)) fail("[mx.autograd.grad.of] the array has no gradient: see mx.autograd.attach.grad()")
  gradient
}

mx.autograd.backward <- function(heads, head.grads = NULL, retain.graph = FALSE) {
  invisible(.Call(hdr_backward, heads, head.grads, NULL, retain.graph, FALSE))
}

mx.autograd.grad <- function(heads, variables, head.grads = NULL, retain.graph = create.graph, create.graph = FALSE) {
  found <- .Call(hdr_backward, heads, head.grads, variables, retain.graph, create.graph)
  if (is.mx.ndarray(variables)) found[[1]] else setNames(found, names(variables))
}
