# Arrays: making them, their numbers, files.

is.mx.ndarray <- function(src.array) inherits(src.array, "MXNDArray")

is.MXNDArray <- is.mx.ndarray

# The numbers of what R users call data: factors by their codes, from 0, data frames as matrices.
as_numbers <- function(x) {
  if (is.factor(x)) return(as.integer(x) - 1L)
  if (is.data.frame(x)) return(data.matrix(as.data.frame(lapply(x, as_numbers), optional = TRUE)))
  if (inherits(x, c("Date", "POSIXct", "difftime"))) return(as.numeric(x))
  if (!is.numeric(x) && !is.logical(x) && !is.raw(x)) {
    fail("[mx.nd.array] found values of class ", class(x)[1], ", expected numbers")
  }
  x
}

mx.nd.array <- function(src.array, ctx = NULL, dtype = "float32") {
  if (is.null(ctx)) ctx <- mx.ctx.default()
  if (is.mx.ndarray(src.array)) return(mx.nd.copyto(src.array, ctx))
  values <- as_numbers(src.array)
  dims <- dim(values)
  .Call(hdr_array, values, if (is.null(dims)) length(values) else dims, dtype, ctx)
}

filled <- function(op, shape, ctx, params = list()) {
  if (is.null(ctx)) ctx <- mx.ctx.default()
  .Call(hdr_invoke, op, NULL, c(list(shape = shape, ctx = ctx), params), NULL)
}

mx.nd.zeros <- function(shape, ctx = NULL) filled("_zeros", shape, ctx)

mx.nd.ones <- function(shape, ctx = NULL) filled("_ones", shape, ctx)

mx.runif <- function(shape, min = 0, max = 1, ctx = NULL) {
  filled("_random_uniform", shape, ctx, list(low = min, high = max))
}

mx.rnorm <- function(shape, mean = 0, sd = 1, ctx = NULL) {
  filled("_random_normal", shape, ctx, list(loc = mean, scale = sd))
}

mx.nd.copyto <- function(src, ctx) {
  made <- filled("_zeros", dim(src), ctx, list(dtype = mx.nd.dtype(src)))
  .Call(hdr_copy_into, src, made)
}

mx.nd.save <- function(ndarray, filename) {
  if (is.mx.ndarray(ndarray)) ndarray <- list(ndarray)
  invisible(.Call(hdr_save, as_path(filename, "mx.nd.save"), ndarray))
}

mx.nd.load <- function(filename) .Call(hdr_load, as_path(filename, "mx.nd.load"))

mx.nd.dtype <- function(nd) .Call(hdr_dtype, nd)

mx.nd.wait <- function(nd = NULL) invisible(.Call(hdr_wait, nd))

ctx <- function(nd) .Call(hdr_context, nd)

# With two numbers: the samples begin + 1 to end, along the last of R's dimensions, in the same memory.
mx.nd.slice <- function(nd, begin, end, step = NULL) {
  if (length(begin) == 1 && length(end) == 1 && is.null(step)) return(.Call(hdr_slice, nd, begin, end))
  .Call(hdr_invoke, "slice", list(nd), list(begin = begin, end = end, step = step), NULL)
}

# ---- generics ----------------------------------------------------------------------------------

dim.MXNDArray <- function(x) .Call(hdr_dim, x)

`dim<-.MXNDArray` <- function(x, value) .Call(hdr_invoke, "Reshape", list(x), list(shape = value), NULL)

length.MXNDArray <- function(x) .Call(hdr_length, x)

# MXNet called the first argument of these methods nd; R calls it x.
as.array.MXNDArray <- function(x = list(...)$nd, ...) .Call(hdr_values, x)

as.matrix.MXNDArray <- function(x = list(...)$nd, ...) {
  if (length(dim(x)) != 2) fail("[as.matrix] found an array of ", length(dim(x)), " dimensions, expected 2")
  .Call(hdr_values, x)
}

as.vector.MXNDArray <- function(x, mode = "any") as.vector(.Call(hdr_values, x), mode)
as.double.MXNDArray <- function(x, ...) as.double(.Call(hdr_values, x))
as.integer.MXNDArray <- function(x, ...) as.integer(.Call(hdr_values, x))
as.logical.MXNDArray <- function(x, ...) as.logical(.Call(hdr_values, x))

describe_array <- function(x) {
  context <- ctx(x)
  sprintf("<MXNDArray %s %s @%s(%d)>", paste(dim(x), collapse = " x "), mx.nd.dtype(x), context$device,
          context$device_id)
}

print.MXNDArray <- function(x = list(...)$nd, ...) {
  print(as.array(x))
  cat(describe_array(x), "\n", sep = "")
  invisible(x)
}

str.MXNDArray <- function(object, ...) {
  cat(" ", describe_array(object), " ", sep = "")
  n <- length(object)
  some <- if (n > 0) as.array(.Call(hdr_slice, .Call(hdr_reshape, object, n), 0, min(n, 10)))
  cat(format(some, digits = 3), if (n > 10) "...", "\n")
  invisible()
}

summary.MXNDArray <- function(object, ...) summary(as.vector(object), ...)

# The group's method serves whoever calls it by name. R would look for "+.MXNDArray" before, in every package that is
# attached, which takes longer than a small sum: so each operator has a method, and the package exports it.
Ops.MXNDArray <- function(e1, e2) if (missing(e2)) unary_array(.Generic, e1) else .Call(hdr_arith, .Generic, e1, e2)

`+.MXNDArray` <- function(e1, e2) if (missing(e2)) e1 else .Call(hdr_arith, "+", e1, e2)
`-.MXNDArray` <- function(e1, e2) if (missing(e2)) unary_array("-", e1) else .Call(hdr_arith, "-", e1, e2)
`*.MXNDArray` <- function(e1, e2) .Call(hdr_arith, "*", e1, e2)
`/.MXNDArray` <- function(e1, e2) .Call(hdr_arith, "/", e1, e2)
`^.MXNDArray` <- function(e1, e2) .Call(hdr_arith, "^", e1, e2)
`%%.MXNDArray` <- function(e1, e2) .Call(hdr_arith, "%%", e1, e2)
`%/%.MXNDArray` <- function(e1, e2) .Call(hdr_arith, "%/%", e1, e2)
`==.MXNDArray` <- function(e1, e2) .Call(hdr_arith, "==", e1, e2)
`!=.MXNDArray` <- function(e1, e2) .Call(hdr_arith, "!=", e1, e2)
`<.MXNDArray` <- function(e1, e2) .Call(hdr_arith, "<", e1, e2)
`<=.MXNDArray` <- function(e1, e2) .Call(hdr_arith, "<=", e1, e2)
`>.MXNDArray` <- function(e1, e2) .Call(hdr_arith, ">", e1, e2)
`>=.MXNDArray` <- function(e1, e2) .Call(hdr_arith, ">=", e1, e2)
`&.MXNDArray` <- function(e1, e2) .Call(hdr_arith, "&", e1, e2)
`|.MXNDArray` <- function(e1, e2) .Call(hdr_arith, "|", e1, e2)
`!.MXNDArray` <- function(x) unary_array("!", x)

unary_array <- function(sign, x) {
  switch(sign, "-" = .Call(hdr_invoke, "negative", list(x), NULL, NULL), "+" = x,
         "!" = .Call(hdr_invoke, "logical_not", list(x), NULL, NULL))
}

math_operators <- c(
  abs = "abs", sign = "sign", sqrt = "sqrt", floor = "floor", ceiling = "ceil", trunc = "trunc", exp = "exp",
  expm1 = "expm1", log1p = "log1p", cos = "cos", sin = "sin", tan = "tan", acos = "arccos", asin = "arcsin",
  atan = "arctan", cosh = "cosh", sinh = "sinh", tanh = "tanh", acosh = "arccosh", asinh = "arcsinh",
  atanh = "arctanh", gamma = "gamma", lgamma = "gammaln", log2 = "log2", log10 = "log10")

Math.MXNDArray <- function(x, ...) {
  op <- math_operators[.Generic]
  if (!is.na(op)) return(.Call(hdr_invoke, op[[1]], list(x), NULL, NULL))
  given <- list(...)
  switch(.Generic,
    log = {
      y <- .Call(hdr_invoke, "log", list(x), NULL, NULL)
      if (length(given)) y / log(given[[1]]) else y
    },
    round = {
      places <- if (length(given)) 10^given[[1]] else 1
      if (places == 1) return(.Call(hdr_invoke, "rint", list(x), NULL, NULL))
      .Call(hdr_invoke, "rint", list(x * places), NULL, NULL) / places
    },
    cumsum = .Call(hdr_invoke, "_np_cumsum", list(.Call(hdr_invoke, "Reshape", list(x), list(shape = -1L), NULL)),
                   list(axis = 0L), NULL),
    fail("[Math] arrays have no ", .Generic, "()"))
}

Summary.MXNDArray <- function(..., na.rm = FALSE) {
  given <- list(...)
  numbers <- function() unlist(lapply(given, as.vector))
  if (.Generic %in% c("any", "all")) return(do.call(.Generic, list(as.logical(numbers()), na.rm = na.rm)))
  if (.Generic == "range") return(range(numbers(), na.rm = na.rm))
  if (length(given) == 1 && !na.rm) return(.Call(hdr_invoke, .Generic, given, NULL, NULL))
  mx.nd.array(do.call(.Generic, list(numbers(), na.rm = na.rm)))
}

mean.MXNDArray <- function(x, ...) .Call(hdr_invoke, "mean", list(x), NULL, NULL)

t.MXNDArray <- function(x) {
  if (length(dim(x)) > 2) fail("[t] found an array of ", length(dim(x)), " dimensions, expected 2")
  if (length(dim(x)) == 1) return(.Call(hdr_invoke, "Reshape", list(x), list(shape = c(1L, length(x))), NULL))
  .Call(hdr_invoke, "transpose", list(x), NULL, NULL)
}

# perm counts R's dimensions from 1; the library counts its own, from the other end.
aperm.MXNDArray <- function(a, perm = NULL, ...) {
  n <- length(dim(a))
  if (is.null(perm)) perm <- n:1
  axes <- n - perm
  .Call(hdr_invoke, "transpose", list(a), list(axes = axes), NULL)
}

# ---- indices -----------------------------------------------------------------------------------

# The arguments between the brackets as a list: NULL where one is left out.
bracketed <- function(...) {
  args <- as.list(substitute(list(...)))[-1]
  found <- vector("list", length(args))
  for (i in seq_along(args)) {
    if (!identical(args[[i]], quote(expr = )) && !is.null(v <- ...elt(i))) found[[i]] <- v
  }
  found
}

# An index of an array's own dimensions that holds nothing but 0 and 1, as comparisons give it, picks by TRUE and FALSE.
as_mask <- function(index, dims) {
  if (!is.mx.ndarray(index)) return(index)
  same <- identical(dim(index), dims)
  values <- as.array(index)
  if (same && all(values == 0 | values == 1)) array(values == 1, dim(index)) else as.vector(values)
}

# An index as numbers from 1.
positions <- function(index, size) {
  if (is.null(index)) return(seq_len(size))
  if (is.character(index)) fail("[[] arrays have no names of dimensions, found \"", index[1], "\"")
  if (is.logical(index) && length(index) != size) index <- rep_len(index, size)
  found <- seq_len(size)[index]
  if (anyNA(found)) fail("[[] found an index outside 1 to ", size)
  found
}

is_range <- function(p) length(p) > 0 && p[length(p)] - p[1] + 1 == length(p) && all(diff(p) == 1)

`[.MXNDArray` <- function(x, ..., drop = TRUE) {
  index <- bracketed(...)
  dims <- dim(x)
  n <- length(dims)
  if (length(index) == 0 || (length(index) == 1 && is.null(index[[1]]))) return(x)
  index <- lapply(index, as_mask, dims)
  if (length(index) == 1 && n > 1) {
    x <- .Call(hdr_invoke, "Reshape", list(x), list(shape = -1L), NULL)
    if (is.matrix(index[[1]]) && is.logical(index[[1]])) index[[1]] <- as.vector(index[[1]])
    dims <- length(x)
    n <- 1
  }
  if (length(index) != n) fail("[[] found ", length(index), " indices for an array of ", n, " dimensions")
  at <- Map(positions, index, dims)
  ranges <- vapply(at, is_range, NA)
  whole <- lengths(at) == dims & ranges
  if (any(ranges & !whole)) {
    begin <- ifelse(ranges, vapply(at, function(p) as.numeric(p[1]), 0), 1) - 1
    end <- ifelse(ranges, begin + lengths(at), dims)
    x <- .Call(hdr_invoke, "slice", list(x), list(begin = as_tuple(begin), end = as_tuple(end)), NULL)
  }
  for (i in which(!ranges)) {
    x <- .Call(hdr_invoke, "take", list(x, mx.nd.array(at[[i]] - 1, ctx(x))), list(axis = n - i), NULL)
  }
  kept <- dim(x)
  if (drop && any(kept == 1) && n > 1) {
    kept <- kept[kept != 1]
    x <- .Call(hdr_invoke, "Reshape", list(x), list(shape = if (length(kept)) kept else 1L), NULL)
  }
  x
}

# A tuple even where it has one element.
as_tuple <- function(x) as.list(as.numeric(x))

`[<-.MXNDArray` <- function(x, ..., value) {
  index <- bracketed(...)
  dims <- dim(x)
  context <- ctx(x)
  all_of <- length(index) == 0 || (length(index) == 1 && is.null(index[[1]]))
  index <- lapply(index, as_mask, dims)
  if (!all_of && length(index) == length(dims)) {
    at <- Map(positions, index, dims)
    if (all(vapply(at, is_range, NA))) {
      begin <- vapply(at, function(p) as.numeric(p[1]), 0) - 1
      box <- list(begin = as_tuple(begin), end = as_tuple(begin + lengths(at)))
      if (is.numeric(value) && length(value) == 1) {
        return(.Call(hdr_invoke, "_slice_assign_scalar", list(x), c(list(scalar = value), box), NULL))
      }
      if (!is.mx.ndarray(value)) value <- mx.nd.array(rep_len(as.vector(value), prod(lengths(at))), context)
      value <- .Call(hdr_invoke, "Reshape", list(value), list(shape = lengths(at)), NULL)
      return(.Call(hdr_invoke, "_slice_assign", list(x, value), box, NULL))
    }
  }
  values <- as.array(x)
  if (is.mx.ndarray(value)) value <- as.vector(value)
  if (all_of) values[] <- value
  else values <- do.call(`[<-`, c(list(values), lapply(index, function(i) if (is.null(i)) TRUE else i), list(value = value)))
  if (length(values) != prod(dims)) fail("[[<-] found an index outside the array")
  .Call(hdr_array, values, dims, mx.nd.dtype(x), context)
}

# ---- the packer --------------------------------------------------------------------------------

mx.nd.arraypacker <- function() {
  state <- new.env(parent = emptyenv())
  state$parts <- list()
  structure(list(state = state), class = "MXNDArrayPacker")
}

# Arrays joined along the sample axis, as an array of R.
`$.MXNDArrayPacker` <- function(x, name) {
  state <- unclass(x)$state
  switch(name,
    push = function(nd) {
      state$parts[[length(state$parts) + 1L]] <- as.array(nd)
      invisible(NULL)
    },
    get = function() {
      if (length(state$parts) == 0) return(NULL)
      dims <- dim(state$parts[[1]])
      values <- unlist(state$parts)
      if (is.null(dims)) return(values)
      inner <- dims[-length(dims)]
      array(values, c(inner, length(values) / prod(inner)))
    },
    fail("[mx.nd.arraypacker] found no '", name, "', expected push or get"))
}
