# Networks of a few dense layers: mx.mlp(), and the same with a formula.

# Hidden layers of that many units, and an output on top. `named`: layers are called hidden1, hidden2 ... and output.
mlp_symbol <- function(hidden_node, out_node, dropout, activation, out_activation, named = FALSE) {
  activation <- rep_len(activation, max(length(hidden_node), 1))
  net <- mx.symbol.Variable("data")
  for (i in seq_along(hidden_node)) {
    net <- .Call(hdr_symbol_apply, "FullyConnected", if (named) paste0("hidden", i), list(net), NULL,
                 list(num_hidden = hidden_node[i]))
    net <- .Call(hdr_symbol_apply, "Activation", NULL, list(net), NULL, list(act_type = activation[i]))
    if (i == length(hidden_node) && !is.null(dropout)) {
      net <- .Call(hdr_symbol_apply, "Dropout", NULL, list(net), NULL, list(p = dropout))
    }
  }
  net <- .Call(hdr_symbol_apply, "FullyConnected", if (named) "output", list(net), NULL, list(num_hidden = out_node))
  top <- switch(out_activation, softmax = "SoftmaxOutput", rmse = "LinearRegressionOutput",
                logistic = "LogisticRegressionOutput",
                fail("[mx.mlp] found out_activation '", out_activation, "', expected softmax, rmse or logistic"))
  .Call(hdr_symbol_apply, top, NULL, list(net), NULL, NULL)
}

mx.mlp <- function(data, label, hidden_node = 1, out_node, dropout = NULL, activation = "tanh",
                   out_activation = "softmax", ctx = mx.ctx.default(), ...) {
  given <- list(...)
  if (!is.null(given$device)) {
    ctx <- given$device
    given$device <- NULL
  }
  symbol <- mlp_symbol(hidden_node, out_node, dropout, activation, out_activation)
  do.call(mx.model.FeedForward.create, c(list(symbol, X = data, y = label, ctx = ctx), given))
}
