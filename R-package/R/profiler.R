# The profiler: what ran when, as a trace for Perfetto or chrome://tracing.

MX.PROF.MODE <- list(SYMBOLIC = 0L, ALL = 1L)

MX.PROF.STATE <- list(STOP = 0L, RUN = 1L)

profile_settings <- new.env(parent = emptyenv())
profile_settings$mode <- MX.PROF.MODE$SYMBOLIC
profile_settings$filename <- "profile.json"

# MXNet 0.10 took (mode, filename), 1.x a list with both and more: either is understood.
mx.profiler.config <- function(params = MX.PROF.MODE$SYMBOLIC, filename = "profile.json", mode = params) {
  if (is.list(mode)) {
    if (!is.null(mode$filename)) filename <- mode$filename
    all <- mode$profile_all %in% c(TRUE, 1, "1", "True") || mode$profile_imperative %in% c(TRUE, 1, "1", "True")
    mode <- if (isTRUE(all)) MX.PROF.MODE$ALL else MX.PROF.MODE$SYMBOLIC
  }
  if (!as_number(mode, "mx.profiler.config") %in% unlist(MX.PROF.MODE)) fail("[mx.profiler.config] found the mode ", mode, ", expected one of MX.PROF.MODE")
  profile_settings$mode <- mode
  profile_settings$filename <- as_path(filename, "mx.profiler.config")
  invisible(NULL)
}

mx.profiler.state <- function(state = MX.PROF.STATE$STOP) {
  if (as_number(state, "mx.profiler.state") == MX.PROF.STATE$RUN) {
    .Call(hdr_profiler, if (profile_settings$mode == MX.PROF.MODE$ALL) "all" else "symbolic")
  } else {
    .Call(hdr_wait, NULL)
    .Call(hdr_profiler, "stop")
    .Call(hdr_profiler_write, profile_settings$filename)
  }
  invisible(NULL)
}

mx.profiler.totals <- function() {
  totals <- .Call(hdr_describe, "profile", NULL)$totals
  table <- lapply(c("category", "name", "count", "total", "least", "most"), function(field) {
    vapply(totals, function(t) t[[field]], if (field %in% c("category", "name")) "" else 0)
  })
  names(table) <- c("category", "name", "count", "total", "least", "most")
  as.data.frame(table)
}
