# What belongs to the package as a whole: loading it, its errors, contexts, seeds.

package_state <- new.env(parent = emptyenv())

.onLoad <- function(libname, pkgname) {
  package_state$context <- mx.cpu()
  # What is under way when R ends still uses libraries that R takes down with it.
  reg.finalizer(package_state, function(state) .Call(hdr_finish), onexit = TRUE)
}

# The library's threads may be at work, so it stays loaded until R ends.
.onUnload <- function(libpath) {
  gc()
}

# The condition for an error of the library's. Its call is the one by which the user came into this package:
# the frames of the package are left, and those of R's own dispatch below them.
heddle_condition <- function(message) {
  here <- topenv()
  call <- NULL
  for (i in rev(seq_len(sys.nframe() - 1L))) {
    if (!identical(topenv(environment(sys.function(i))), here)) break
    call <- sys.call(i)
  }
  structure(class = c("heddle_error", "error", "condition"), list(message = message, call = call))
}

fail <- function(...) stop(heddle_condition(paste0(...)))

# ---- arguments ---------------------------------------------------------------------------------

# The file or folder that an argument names.
as_path <- function(x, what) {
  if (!is.character(x) || length(x) != 1 || is.na(x)) fail("[", what, "] found ", describe_value(x), ", expected one path")
  path.expand(x)
}

as_text <- function(x, what) {
  if (!is.character(x) || length(x) != 1 || is.na(x)) fail("[", what, "] found ", describe_value(x), ", expected one text")
  x
}

as_flag <- function(x, what) {
  if (!(is.logical(x) || is.numeric(x)) || length(x) != 1 || is.na(x)) {
    fail("[", what, "] found ", describe_value(x), ", expected TRUE or FALSE")
  }
  as.logical(x)
}

as_number <- function(x, what) {
  if (!is.numeric(x) || length(x) != 1 || is.na(x)) fail("[", what, "] found ", describe_value(x), ", expected one number")
  x
}

as_function <- function(x, what) {
  if (!is.function(x)) fail("[", what, "] found ", describe_value(x), ", expected a function")
  x
}

# What was found, for errors.
describe_value <- function(x) {
  if (is.atomic(x) && length(x) == 1 && is.na(x)) return("NA")
  paste("a", class(x)[1], "of length", if (typeof(x) %in% c("externalptr", "environment", "closure")) 1 else length(unclass(x)))
}

# ---- contexts ----------------------------------------------------------------------------------

context <- function(device, dev.id, typeid) {
  structure(list(device = device, device_id = as.integer(dev.id), device_typeid = typeid), class = "MXContext")
}

mx.cpu <- function(dev.id = 0) context("cpu", dev.id, 1L)

mx.gpu <- function(dev.id = 0) context("gpu", dev.id, 2L)

mx.ctx.default <- function(new = NULL) {
  if (!is.null(new)) {
    if (!is.mx.context(new)) fail("[mx.ctx.default] new is of class ", class(new)[1], ", expected an MXContext")
    package_state$context <- new
  }
  package_state$context
}

is.mx.context <- function(x) inherits(x, "MXContext")

is.MXContext <- is.mx.context

print.MXContext <- function(x, ...) {
  cat(sprintf("<MXContext %s(%d)>\n", x$device, x$device_id))
  invisible(x)
}

# ---- seeds, threads ----------------------------------------------------------------------------

mx.set.seed <- function(seed) invisible(.Call(hdr_seed, seed, NULL))

mx.set.threads <- function(threads = 0) invisible(.Call(hdr_threads, threads))

mx.load.library <- function(path) {
  before <- .Call(hdr_list, "operator")
  .Call(hdr_load_library, as_path(path, "mx.load.library"))
  invisible(setdiff(.Call(hdr_list, "operator"), before))
}

mx.list <- function(kind = c("operator", "iterator", "optimizer", "kvstore", "setting", "device")) {
  .Call(hdr_list, if (missing(kind)) "operator" else as_text(kind, "mx.list"))
}

mx.describe <- function(kind, name = NULL) .Call(hdr_describe, kind, name)
