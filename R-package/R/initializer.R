# Initializers: functions of (name, shape, ctx, allow.unknown) that make the array of a parameter.

# What parameters get that are no weights, by the ends of their names.
mx.init.internal.default <- function(name, shape, ctx, allow.unknown = FALSE) {
  if (endsWith(name, "bias") || endsWith(name, "beta") || endsWith(name, "moving_mean")) return(mx.nd.zeros(shape, ctx))
  if (endsWith(name, "gamma") || endsWith(name, "moving_var")) return(mx.nd.ones(shape, ctx))
  if (allow.unknown) return(NULL)
  fail("Unkown initialization pattern for ", name)
}

# An initializer from what it does with weights.
of_weights <- function(weight) {
  force(weight)
  function(name, shape, ctx, allow.unknown = FALSE) {
    if (!endsWith(name, "weight")) return(mx.init.internal.default(name, shape, ctx, allow.unknown))
    weight(shape, ctx)
  }
}

mx.init.uniform <- function(scale) of_weights(function(shape, ctx) mx.runif(shape, -scale, scale, ctx))

mx.init.normal <- function(sd) of_weights(function(shape, ctx) mx.rnorm(shape, 0, sd, ctx))

mx.init.Xavier <- function(rnd_type = "uniform", factor_type = "avg", magnitude = 3) {
  if (!as_text(rnd_type, "Xavier") %in% c("uniform", "gaussian")) fail("[Xavier] found rnd_type '", rnd_type, "', expected uniform or gaussian")
  if (!as_text(factor_type, "Xavier") %in% c("avg", "in", "out")) fail("[Xavier] found factor_type '", factor_type, "', expected avg, in or out")
  of_weights(function(shape, ctx) {
    fan_out <- shape[length(shape)]
    fan_in <- prod(shape[-length(shape)])
    scale <- sqrt(magnitude / switch(factor_type, avg = (fan_in + fan_out) / 2, "in" = fan_in, out = fan_out))
    if (rnd_type == "uniform") mx.runif(shape, -scale, scale, ctx) else mx.rnorm(shape, 0, scale, ctx)
  })
}

mx.init.create <- function(initializer, shape.array, ctx = NULL, skip.unknown = TRUE) {
  if (is.null(ctx)) ctx <- mx.ctx.default()
  as_function(initializer, "mx.init.create")
  made <- Map(function(name, shape) initializer(name, shape, ctx, allow.unknown = skip.unknown), names(shape.array),
              shape.array)
  mx.util.filter.null(made)
}

mx.util.filter.null <- function(lst) lst[!vapply(lst, is.null, NA)]
