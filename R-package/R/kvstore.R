# Stores: arrays by key, shared by the devices of this process.

mx.kv.create <- function(type = "local") {
  store <- .Call(hdr_store, type)
  state <- new.env(parent = emptyenv())
  state$type <- type
  state$on_store <- FALSE
  attr(store, "state") <- state
  store
}

# One key's values are an array or a list of them, one per device; the keys repeat with them.
spread <- function(keys, values) {
  if (is.mx.ndarray(values)) values <- list(values)
  values <- lapply(values, function(v) if (is.mx.ndarray(v)) list(v) else v)
  if (length(keys) != length(values)) fail("[KVStore] found ", length(keys), " keys for ", length(values), " values")
  list(keys = rep(keys, lengths(values)), values = do.call(c, unname(values)), sizes = lengths(values))
}

# What has one priority goes together.
by_priority <- function(keys, values, priorities, call) {
  if (length(priorities) <= 1) {
    all <- spread(keys, values)
    return(call(all$keys, all$values, if (length(priorities)) priorities else 0))
  }
  if (is.mx.ndarray(values)) values <- list(values)
  for (i in seq_along(keys)) {
    one <- spread(keys[i], values[i])
    call(one$keys, one$values, priorities[i])
  }
}

`$.MXKVStore` <- function(x, name) {
  state <- attr(x, "state", exact = TRUE)
  switch(name,
    init = function(keys, values) {
      all <- spread(keys, values)
      invisible(.Call(hdr_store_init, x, all$keys, all$values))
    },
    push = function(keys, values, priorities = 0) {
      by_priority(keys, values, priorities, function(k, v, p) .Call(hdr_store_push, x, k, v, p))
      invisible(x)
    },
    pull = function(keys, outs, priorities = 0) {
      by_priority(keys, outs, priorities, function(k, v, p) .Call(hdr_store_pull, x, k, v, p))
      invisible(outs)
    },
    set.optimizer = function(optimizer) {
      .Call(hdr_store_updater, x, function(key, sum, stored) optimizer_step(optimizer, key, list(stored), list(sum)))
      state$on_store <- TRUE
      invisible(x)
    },
    type = state$type,
    update.on.kvstore = state$on_store,
    fail("[MXKVStore] found no field '", name, "'"))
}

print.MXKVStore <- function(x, ...) {
  cat("<MXKVStore ", x$type, ">\n", sep = "")
  invisible(x)
}
