# Metrics: list(init, update, get) over pairs of labels and predictions, which are arrays.

mx.metric.custom <- function(name, feval) {
  force(feval)
  structure(list(
    init = function() c(0, 0),
    update = function(label, pred, state) c(state[1] + 1, state[2] + as.numeric(feval(label, pred))),
    get = function(state) list(name = name, value = state[2] / state[1])), class = "mx.metric")
}

as_nd <- function(x) if (is.mx.ndarray(x)) x else mx.nd.array(x)

# Predictions in the label's dimensions.
alike <- function(pred, label) {
  pred <- as_nd(pred)
  if (identical(dim(pred), dim(label))) return(pred)
  .Call(hdr_invoke, "Reshape", list(pred), list(shape = dim(as_nd(label))), NULL)
}

# The axis of classes is heddle's second, whatever dimensions follow.
class_of <- function(pred) .Call(hdr_invoke, "argmax", list(as_nd(pred)), list(axis = 1L), NULL)

mx.metric.accuracy <- mx.metric.custom("accuracy", function(label, pred) mean(alike(class_of(pred), label) == label))

mx.metric.top_k_accuracy <- mx.metric.custom("top_5_accuracy", function(label, pred, top_k = 5) {
  pred <- as_nd(pred)
  classes <- rev(dim(pred))[2]
  best <- .Call(hdr_invoke, "topk", list(pred), list(axis = 1L, k = min(top_k, classes), ret_typ = "indices"), NULL)
  wanted <- .Call(hdr_invoke, "expand_dims", list(as_nd(label)), list(axis = 1L), NULL)
  sum(best == wanted) / length(label)
})

mx.metric.mse <- mx.metric.custom("mse", function(label, pred) mean((alike(pred, label) - label)^2))

mx.metric.rmse <- mx.metric.custom("rmse", function(label, pred) sqrt(mean((alike(pred, label) - label)^2)))

mx.metric.mae <- mx.metric.custom("mae", function(label, pred) mean(abs(alike(pred, label) - label)))

mx.metric.rmsle <- mx.metric.custom("rmsle", function(label, pred) {
  sqrt(mean((log1p(alike(pred, label)) - log1p(as_nd(label)))^2))
})

mx.metric.Perplexity <- mx.metric.custom("Perplexity", function(label, pred, mask_element = -1) {
  label <- .Call(hdr_invoke, "Reshape", list(as_nd(label)), list(shape = -1L), NULL)
  counts <- label != mask_element
  chosen <- .Call(hdr_invoke, "pick", list(as_nd(pred), label * counts), list(axis = 1L), NULL)
  exp(-sum(log(chosen) * counts) / sum(counts))
})

mx.metric.logloss <- mx.metric.custom("logloss", function(label, pred) {
  pred <- alike(pred, label)
  pred <- .Call(hdr_invoke, "clip", list(pred), list(a_min = 1e-15, a_max = 1 - 1e-15), NULL)
  # 1 - 1e-15 is 1 in single precision, so the other side is held off 0 by itself.
  rest <- .Call(hdr_invoke, "clip", list(1 - pred), list(a_min = 1e-15, a_max = 1), NULL)
  label <- as_nd(label)
  -mean(label * log(pred) + (1 - label) * log(rest))
})

mx.metric.logistic_acc <- mx.metric.custom("accuracy", function(label, pred) mean((alike(pred, label) > 0.5) == label))

# Where callbacks note what a training run reached.
mx.metric.logger <- setRefClass("mx.metric.logger", fields = list(train = "numeric", eval = "numeric"))
