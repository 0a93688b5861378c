# Optimizers, and how their rates fall.

# An optimizer. update(keys, weights, grads, rate) changes the weights in place; `env` holds what schedulers change.
optimizer <- function(name, learning.rate, lr_scheduler, update) {
  env <- new.env(parent = emptyenv())
  env$lr <- learning.rate
  env$num_update <- 0
  env$count <- 0
  env$counts <- list()
  structure(list(name = name, env = env, lr_scheduler = lr_scheduler, update = update), class = "MXOptimizer")
}

# One by a rule of the library's, which keeps the states itself.
native_optimizer <- function(name, rule, params, learning.rate, lr_scheduler) {
  clip <- params$clip_gradient
  if (!is.null(clip) && as_number(clip, name) <= 0) params$clip_gradient <- NULL
  handle <- .Call(hdr_optimizer, rule, c(params, list(learning_rate = learning.rate)))
  made <- optimizer(name, learning.rate, lr_scheduler,
                    function(keys, weights, grads, rate) .Call(hdr_update, handle, keys, weights, grads, rate))
  made$handle <- handle
  made
}

# One that updates a weight at a time with step(weight, grad, state, rate); states(weight) makes what it keeps.
stepwise_optimizer <- function(name, learning.rate, lr_scheduler, states, step) {
  kept <- new.env(parent = emptyenv())
  optimizer(name, learning.rate, lr_scheduler, function(keys, weights, grads, rate) {
    keys <- as.character(keys)
    for (i in seq_along(weights)) {
      if (is.null(kept[[keys[i]]])) kept[[keys[i]]] <- states(weights[[i]])
      step(weights[[i]], grads[[i]], kept[[keys[i]]], rate)
    }
  })
}

zeros_like <- function(x) .Call(hdr_invoke, "zeros_like", list(x), NULL, NULL)

# The gradient as the rules take it: rescaled, clipped.
taken <- function(grad, rescale.grad, clip_gradient) {
  if (rescale.grad != 1) grad <- grad * rescale.grad
  if (!is.null(clip_gradient) && clip_gradient > 0) {
    grad <- .Call(hdr_invoke, "clip", list(grad), list(a_min = -clip_gradient, a_max = clip_gradient), NULL)
  }
  grad
}

assign_into <- function(target, value) .Call(hdr_copy_into, value, target)

mx.opt.sgd <- function(learning.rate = 0.01, momentum = 0, wd = 0, rescale.grad = 1, clip_gradient = -1,
                       lr_scheduler = NULL) {
  native_optimizer("sgd", "sgd", list(momentum = momentum, wd = wd, rescale_grad = rescale.grad,
                                      clip_gradient = clip_gradient), learning.rate, lr_scheduler)
}

mx.opt.nag <- function(learning.rate = 0.01, momentum = 0, wd = 0, rescale.grad = 1, clip_gradient = -1,
                       lr_scheduler = NULL) {
  native_optimizer("nag", "nag", list(momentum = momentum, wd = wd, rescale_grad = rescale.grad,
                                      clip_gradient = clip_gradient), learning.rate, lr_scheduler)
}

mx.opt.rmsprop <- function(learning.rate = 0.002, centered = TRUE, gamma1 = 0.95, gamma2 = 0.9, epsilon = 1e-4,
                           wd = 0, rescale.grad = 1, clip_gradient = -1, lr_scheduler = NULL) {
  native_optimizer("rmsprop", "rmsprop", list(centered = centered, gamma1 = gamma1, gamma2 = gamma2, epsilon = epsilon,
                                              wd = wd, rescale_grad = rescale.grad, clip_gradient = clip_gradient),
                   learning.rate, lr_scheduler)
}

mx.opt.adam <- function(learning.rate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, wd = 0, rescale.grad = 1,
                        clip_gradient = -1, lr_scheduler = NULL) {
  stepwise_optimizer("adam", learning.rate, lr_scheduler,
    function(w) list(mean = zeros_like(w), var = zeros_like(w)),
    function(w, g, s, rate) {
      .Call(hdr_invoke, "adam_update", list(w, g, s$mean, s$var),
            list(lr = rate, beta1 = beta1, beta2 = beta2, epsilon = epsilon, wd = wd, rescale_grad = rescale.grad,
                 clip_gradient = clip_gradient), w)
    })
}

mx.opt.adagrad <- function(learning.rate = 0.05, epsilon = 1e-8, wd = 0, rescale.grad = 1, clip_gradient = -1,
                           lr_scheduler = NULL) {
  stepwise_optimizer("adagrad", learning.rate, lr_scheduler,
    function(w) list(history = zeros_like(w)),
    function(w, g, s, rate) {
      g <- taken(g, rescale.grad, clip_gradient)
      assign_into(s$history, s$history + g * g)
      step <- g / sqrt(s$history + epsilon)
      if (wd != 0) step <- step + w * wd
      assign_into(w, w - step * rate)
    })
}

mx.opt.adadelta <- function(rho = 0.90, epsilon = 1e-5, wd = 0, rescale.grad = 1, clip_gradient = -1) {
  stepwise_optimizer("adadelta", 1, NULL,
    function(w) list(grad = zeros_like(w), delta = zeros_like(w)),
    function(w, g, s, rate) {
      g <- taken(g, rescale.grad, clip_gradient)
      assign_into(s$grad, s$grad * rho + g * g * (1 - rho))
      delta <- sqrt(s$delta + epsilon) / sqrt(s$grad + epsilon) * g
      assign_into(s$delta, s$delta * rho + delta * delta * (1 - rho))
      if (wd != 0) delta <- delta + w * wd
      assign_into(w, w - delta)
    })
}

mx.opt.create <- function(name, ...) {
  own <- list(sgd = mx.opt.sgd, rmsprop = mx.opt.rmsprop, adam = mx.opt.adam, adagrad = mx.opt.adagrad,
              adadelta = mx.opt.adadelta, nag = mx.opt.nag)
  as_text(name, "mx.opt.create")
  if (!is.null(own[[name]])) return(own[[name]](...))
  if (!name %in% .Call(hdr_list, "optimizer")) {
    fail("[mx.opt.create] found no optimizer '", name, "', expected one of ",
         paste(union(names(own), .Call(hdr_list, "optimizer")), collapse = ", "))
  }
  given <- list(...)
  rate <- if (is.null(given$learning.rate)) 0.01 else given$learning.rate
  scheduler <- given$lr_scheduler
  native_optimizer(name, name, given[setdiff(names(given), c("learning.rate", "lr_scheduler"))], rate, scheduler)
}

# One step of some weights, whose gradients may be NULL: those stay as they are.
optimizer_step <- function(optimizer, keys, weights, grads) {
  env <- optimizer$env
  if (!is.null(optimizer$lr_scheduler)) optimizer$lr_scheduler(env)
  for (key in as.character(keys)) {
    n <- (if (is.null(env$counts[[key]])) 0 else env$counts[[key]]) + 1
    env$counts[[key]] <- n
    if (n > env$num_update) env$num_update <- n
  }
  optimizer$update(keys, weights, grads, env$lr)
}

# Weights are changed in place: the list that comes back holds those that had a gradient, NULL for the others.
mx.opt.get.updater <- function(optimizer, weights, ctx = NULL) {
  force(optimizer)
  function(weight, grad) {
    wanted <- !vapply(grad, is.null, NA)
    keys <- if (is.null(names(weight))) seq_along(weight) else names(weight)
    optimizer_step(optimizer, keys[wanted], weight[wanted], grad[wanted])
    weight[!wanted] <- list(NULL)
    weight
  }
}

# ---- schedulers --------------------------------------------------------------------------------

# A step down, told once and never below the floor.
lower_rate <- function(env, factor_val, stop_factor_lr, verbose) {
  lr <- env$lr * factor_val
  if (lr < stop_factor_lr) {
    env$lr <- stop_factor_lr
    if (verbose) message("Update[", env$num_update, "]: now learning rate arrived at ", env$lr, ", will not change in the future")
  } else {
    env$lr <- lr
    if (verbose) message("Update[", env$num_update, "]: learning rate is changed to ", env$lr)
  }
}

check_factor <- function(what, factor_val) {
  if (as_number(factor_val, what) > 1) fail("[", what, "] factor_val is ", factor_val, ", expected at most 1 so that the rate falls")
}

mx.lr_scheduler.FactorScheduler <- function(step, factor_val, stop_factor_lr = 1e-8, verbose = TRUE) {
  if (as_number(step, "FactorScheduler") < 1) fail("[FactorScheduler] step is ", step, ", expected 1 or more")
  check_factor("FactorScheduler", factor_val)
  function(optimizerEnv) {
    if (optimizerEnv$num_update > optimizerEnv$count + step) {
      optimizerEnv$count <- optimizerEnv$count + step
      lower_rate(optimizerEnv, factor_val, stop_factor_lr, verbose)
    }
    invisible(optimizerEnv$lr)
  }
}

mx.lr_scheduler.MultiFactorScheduler <- function(step, factor_val, stop_factor_lr = 1e-8, verbose = TRUE) {
  if (!is.numeric(step) || length(step) == 0 || anyNA(step) || any(step < 1) || is.unsorted(step, strictly = TRUE)) {
    fail("[MultiFactorScheduler] step is ", paste(step, collapse = ", "), ", expected rising numbers of 1 or more")
  }
  check_factor("MultiFactorScheduler", factor_val)
  at <- 1
  function(optimizerEnv) {
    # The last threshold is never used, as MXNet's users know it.
    if (at < length(step) && optimizerEnv$num_update > step[at]) {
      at <<- at + 1
      lower_rate(optimizerEnv, factor_val, stop_factor_lr, verbose)
    }
    invisible(optimizerEnv$lr)
  }
}
