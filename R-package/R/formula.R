# Dense networks by formula: heddle_mlp(Species ~ ., iris).

# The predictors of a model frame as numbers; with `scaling`, scaled as the training's were.
design <- function(terms, frame, scaling = NULL) {
  x <- model.matrix(delete.response(terms), frame)
  x <- x[, colnames(x) != "(Intercept)", drop = FALSE]
  if (is.null(scaling)) return(x)
  sweep(sweep(x, 2, scaling$center), 2, scaling$scale, "/")
}

heddle_mlp <- function(formula, data, hidden = 16, activation = "relu", dropout = NULL, epochs = 50,
                       batch.size = 32, optimizer = "adam", learning.rate = 0.01, validation = 0, seed = NULL,
                       ctx = mx.ctx.default(), verbose = FALSE, ...) {
  call <- match.call()
  if (!is.null(seed)) mx.set.seed(seed)
  data <- as.data.frame(data)
  frame <- model.frame(formula, data, na.action = na.omit)
  terms <- attr(frame, "terms")
  y <- model.response(frame)
  xlevels <- stats::.getXlevels(terms, frame)
  x <- design(terms, frame)
  if (ncol(x) == 0) fail("[heddle_mlp] the formula names no predictors")
  spread <- apply(x, 2, stats::sd)
  scaling <- list(center = colMeans(x), scale = ifelse(is.na(spread) | spread == 0, 1, spread))
  x <- design(terms, frame, scaling)
  if (is.character(y) || is.logical(y)) y <- factor(y)
  classes <- if (is.factor(y)) levels(y)
  if (is.null(classes) && !is.numeric(y)) {
    fail("[heddle_mlp] the response is of class ", class(y)[1], ", expected a factor or numbers")
  }
  target <- if (is.null(classes)) list(center = mean(y), scale = if (stats::sd(y) > 0) stats::sd(y) else 1)
  labels <- if (is.null(classes)) (y - target$center) / target$scale else as.integer(y) - 1
  held <- if (validation > 0) mx_shuffle(nrow(x))[seq_len(round(validation * nrow(x)))]
  train <- setdiff(seq_len(nrow(x)), held)
  metric <- if (is.null(classes)) mx.metric.mse else mx.metric.custom("cross-entropy", function(label, pred) {
    chosen <- .Call(hdr_invoke, "pick", list(pred, label), list(axis = 1L), NULL)
    -mean(log(chosen + 1e-12))
  })
  history <- list(train = numeric(), validation = numeric())
  note <- function(iteration, nbatch, env, verbose) {
    history$train[iteration] <<- env$metric$get(env$train.metric)$value
    if (!is.null(env$eval.metric)) history$validation[iteration] <<- env$metric$get(env$eval.metric)$value
    TRUE
  }
  symbol <- mlp_symbol(hidden, if (is.null(classes)) 1 else length(classes), dropout, activation,
                       if (is.null(classes)) "rmse" else "softmax", named = TRUE)
  model <- mx.model.FeedForward.create(
    symbol, X = t(x[train, , drop = FALSE]), y = labels[train], ctx = ctx, num.round = epochs, optimizer = optimizer,
    learning.rate = learning.rate, initializer = mx.init.Xavier(), eval.metric = metric,
    eval.data = if (length(held)) list(data = t(x[held, , drop = FALSE]), label = labels[held]),
    epoch.end.callback = note, array.batch.size = min(batch.size, length(train)), array.layout = "colmajor",
    verbose = verbose, ...)
  structure(list(call = call, terms = terms, xlevels = xlevels, scaling = scaling, target = target, classes = classes,
                 model = model, history = history, loss = metric$get(c(1, 1))$name), class = "heddle_mlp")
}

predict.heddle_mlp <- function(object, newdata, type = c("response", "class", "prob"), ...) {
  type <- match.arg(type)
  frame <- model.frame(delete.response(object$terms), as.data.frame(newdata), na.action = stats::na.pass,
                       xlev = object$xlevels)
  x <- design(object$terms, frame, object$scaling)
  out <- predict(object$model, t(x), array.layout = "colmajor", ...)
  if (is.null(object$classes)) return(as.vector(out) * object$target$scale + object$target$center)
  if (type == "prob") {
    dimnames(out) <- list(object$classes, rownames(x))
    return(t(out))
  }
  factor(object$classes[max.col(t(out), "first")], levels = object$classes)
}

coef.heddle_mlp <- function(object, ...) coef(object$model)

print.heddle_mlp <- function(x, ...) {
  cat("heddle_mlp: ", deparse(x$call$formula), "\n", sep = "")
  cat(if (is.null(x$classes)) "regression" else paste(length(x$classes), "classes"), ", ",
      sum(vapply(coef(x), length, 0L)), " weights, ", length(x$history$train), " rounds, ", x$loss, " ",
      format(utils::tail(x$history$train, 1), digits = 4), "\n", sep = "")
  invisible(x)
}

plot.heddle_mlp <- function(x, ...) {
  train <- x$history$train
  held <- x$history$validation
  plot(seq_along(train), train, type = "l", xlab = "round", ylab = x$loss, ylim = range(train, held, finite = TRUE), ...)
  if (length(held)) {
    lines(seq_along(held), held, lty = 2)
    legend("topright", c("training", "validation"), lty = 1:2, bty = "n")
  }
  invisible(x)
}
