# Callbacks: function(iteration, nbatch, env, verbose), called after batches or rounds with the training's variables.

mx.callback.log.train.metric <- function(period, logger = NULL) {
  function(iteration, nbatch, env, verbose = TRUE) {
    if (nbatch %% period != 0 || is.null(env$metric)) return(TRUE)
    train <- env$metric$get(env$train.metric)
    if (nbatch != 0 && verbose) message("Batch [", nbatch, "] Train-", train$name, "=", train$value)
    if (!is.null(logger)) logger$train <- c(logger$train, train$value)
    if (!is.null(env$eval.metric)) {
      eval <- env$metric$get(env$eval.metric)
      if (nbatch != 0 && verbose) message("Batch [", nbatch, "] Validation-", eval$name, "=", eval$value)
      if (!is.null(logger)) logger$eval <- c(logger$eval, eval$value)
    }
    TRUE
  }
}

mx.callback.log.speedometer <- function(batch.size, frequency = 50) {
  since <- NULL
  function(iteration, nbatch, env, verbose = TRUE) {
    now <- as.numeric(Sys.time())
    if (nbatch %% frequency != 0 || nbatch == 0 || is.null(since)) {
      if (is.null(since) || nbatch <= 1) since <<- now
      return(TRUE)
    }
    speed <- batch.size * frequency / max(now - since, 1e-9)
    since <<- now
    text <- if (is.null(env$metric)) "" else {
      train <- env$metric$get(env$train.metric)
      paste0(" Train-", train$name, "=", train$value)
    }
    if (verbose) message("Batch [", nbatch, "] Speed: ", format(speed, digits = 6), " samples/sec", text)
    TRUE
  }
}

mx.callback.save.checkpoint <- function(prefix, period = 1) {
  function(iteration, nbatch, env, verbose = TRUE) {
    if (iteration %% period == 0) {
      mx.model.save(env$model, prefix, iteration)
      if (verbose) message(sprintf("Model checkpoint saved to %s-%04d.params", prefix, as.integer(iteration)))
    }
    TRUE
  }
}

mx.callback.early.stop <- function(train.metric = NULL, eval.metric = NULL, bad.steps = NULL, maximize = FALSE,
                                   verbose = FALSE) {
  maximize <- as_flag(maximize, "mx.callback.early.stop")
  best <- if (maximize) -Inf else Inf
  bad <- 0
  passed <- function(value, threshold) if (maximize) value > threshold else value < threshold
  function(iteration, nbatch, env, verbose = FALSE) {
    train <- if (!is.null(env$train.metric)) env$metric$get(env$train.metric)$value
    eval <- if (!is.null(env$eval.metric)) env$metric$get(env$eval.metric)$value
    if (!is.null(train.metric) && !is.null(train) && passed(train, train.metric)) return(FALSE)
    if (!is.null(eval.metric) && !is.null(eval) && passed(eval, eval.metric)) return(FALSE)
    if (is.null(bad.steps)) return(TRUE)
    now <- if (is.null(eval)) train else eval
    if (is.null(now)) return(TRUE)
    if (passed(now, best)) {
      best <<- now
      bad <<- 0
      return(TRUE)
    }
    bad <<- bad + 1
    bad < bad.steps
  }
}
