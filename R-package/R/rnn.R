# Recurrent networks: graphs over whole sequences, training, and one step at a time.

apply_op <- function(op, inputs, ..., name = NULL) .Call(hdr_symbol_apply, op, name, unname(inputs), names(inputs), list(...))

# A dense layer with variables of its own names.
dense <- function(x, weight, bias, num_hidden, name = NULL, ...) {
  apply_op("FullyConnected", list(data = x, weight = weight, bias = bias), num_hidden = num_hidden, ..., name = name)
}

variables <- function(...) lapply(c(...), mx.symbol.Variable)

# ---- what both kinds of graph begin and end with -----------------------------------------------

# Numbers of words as vectors, or the data as they are: (batch, steps, features) in the library's order.
embedded <- function(data, input_size, num_embed, prefix) {
  if (is.null(num_embed)) return(data)
  apply_op("Embedding", list(data = data, weight = mx.symbol.Variable(paste0(prefix, "embed.weight"))),
           input_dim = input_size, output_dim = num_embed, name = paste0(prefix, "embed"))
}

# From states (steps, batch, hidden) to the loss: of the last step, or of every one.
decoded <- function(states, seq.mask, label, config, num_hidden, num_decode, loss_output, ignore_label, prefix) {
  named <- function(name) paste0(prefix, name)
  masked <- function(op, ...) {
    if (is.null(seq.mask)) return(if (op == "SequenceMask") states else apply_op(op, list(data = states), name = named("mask")))
    apply_op(op, list(data = states, sequence_length = seq.mask), use_sequence_length = TRUE, ..., name = named("mask"))
  }
  if (config == "seq-to-one") {
    top <- masked("SequenceLast")
  } else if (config == "one-to-one") {
    top <- apply_op("SwapAxis", list(data = masked("SequenceMask", value = 0)), dim1 = 0, dim2 = 1, name = named("swap_post"))
    top <- apply_op("Reshape", list(data = top), shape = c(num_hidden, -1))
  } else {
    fail("[rnn.graph] found the config '", config, "', expected seq-to-one or one-to-one")
  }
  if (!is.null(num_decode)) {
    top <- dense(top, mx.symbol.Variable(named("cls.weight")), mx.symbol.Variable(named("cls.bias")), num_decode,
                 name = named("decode"))
  }
  if (is.null(loss_output)) return(top)
  if (config == "one-to-one") label <- apply_op("Reshape", list(data = label), shape = list(-1))
  both <- list(data = top, label = label)
  name <- named("loss")
  switch(loss_output,
    softmax = apply_op("SoftmaxOutput", both, use_ignore = ignore_label != -1, ignore_label = ignore_label, name = name),
    linear = apply_op("LinearRegressionOutput", both, name = name),
    logistic = apply_op("LogisticRegressionOutput", both, name = name),
    MAE = apply_op("MAERegressionOutput", both, name = name),
    fail("[rnn.graph] found loss_output '", loss_output, "', expected softmax, linear, logistic or MAE"))
}

check_cell <- function(cell_type, known) {
  if (!cell_type %in% known) fail("[rnn.graph] found cell_type '", cell_type, "', expected ", paste(known, collapse = ", "))
}

# ---- graphs ------------------------------------------------------------------------------------

rnn.graph <- function(num_rnn_layer, input_size = NULL, num_embed = NULL, num_hidden, num_decode, dropout = 0,
                      ignore_label = -1, bidirectional = FALSE, loss_output = NULL, config, cell_type, masking = FALSE,
                      output_last_state = FALSE, rnn.state = NULL, rnn.state.cell = NULL, prefix = "") {
  check_cell(cell_type, c("lstm", "gru", "rnn_relu", "rnn_tanh"))
  named <- function(name) paste0(prefix, name)
  data <- mx.symbol.Variable("data")
  label <- mx.symbol.Variable("label")
  seq.mask <- if (masking) mx.symbol.Variable("seq.mask")
  if (is.null(rnn.state)) rnn.state <- mx.symbol.Variable(named("rnn.state"))
  inputs <- list(
    data = apply_op("SwapAxis", list(data = embedded(data, input_size, num_embed, prefix)), dim1 = 0, dim2 = 1,
                    name = named("swap_pre")),
    parameters = mx.symbol.Variable(named("rnn.params.weight")), state = rnn.state)
  if (cell_type == "lstm") {
    inputs$state_cell <- if (is.null(rnn.state.cell)) mx.symbol.Variable(named("rnn.state.cell")) else rnn.state.cell
  }
  rnn <- apply_op("RNN", inputs, state_size = num_hidden, num_layers = num_rnn_layer, mode = cell_type, p = dropout,
                  bidirectional = bidirectional, state_outputs = output_last_state, name = named("RNN"))
  # The last states are outputs of the node RNN, which users take from among the internals, as in MXNet.
  decoded(rnn[[1]], seq.mask, label, config, num_hidden * (1 + bidirectional), num_decode, loss_output, ignore_label, prefix)
}

# A step of a cell: its state before to the one after. Names are those of its layer's variables.
cells <- list(
  lstm = function(x, state, num_hidden, layer, step) {
    gates <- dense(x, layer$i2h.weight, layer$i2h.bias, 4 * num_hidden, name = paste0(step, ".i2h")) +
      dense(state$h, layer$h2h.weight, layer$h2h.bias, 4 * num_hidden, name = paste0(step, ".h2h"))
    gates <- apply_op("SliceChannel", list(data = gates), num_outputs = 4, name = paste0(step, ".slice"))
    act <- function(i, kind) apply_op("Activation", list(data = gates[[i]]), act_type = kind)
    c <- act(3, "sigmoid") * state$c + act(1, "sigmoid") * act(2, "tanh")
    list(h = act(4, "sigmoid") * apply_op("Activation", list(data = c), act_type = "tanh"), c = c)
  },
  gru = function(x, state, num_hidden, layer, step) {
    gates <- dense(x, layer$gates.i2h.weight, layer$gates.i2h.bias, 2 * num_hidden, name = paste0(step, ".gates.i2h")) +
      dense(state$h, layer$gates.h2h.weight, layer$gates.h2h.bias, 2 * num_hidden, name = paste0(step, ".gates.h2h"))
    gates <- apply_op("SliceChannel", list(data = gates), num_outputs = 2, name = paste0(step, ".gates.slice"))
    act <- function(i) apply_op("Activation", list(data = gates[[i]]), act_type = "sigmoid")
    new <- dense(x, layer$trans.i2h.weight, layer$trans.i2h.bias, num_hidden, name = paste0(step, ".trans.i2h")) +
      dense(state$h * act(2), layer$trans.h2h.weight, layer$trans.h2h.bias, num_hidden, name = paste0(step, ".trans.h2h"))
    new <- apply_op("Activation", list(data = new), act_type = "tanh")
    list(h = state$h + act(1) * (new - state$h))
  },
  rnn = function(x, state, num_hidden, layer, step) {
    sum <- dense(x, layer$i2h.weight, layer$i2h.bias, num_hidden, name = paste0(step, ".i2h")) +
      dense(state$h, layer$h2h.weight, layer$h2h.bias, num_hidden, name = paste0(step, ".h2h"))
    if (isTRUE(layer$batch.norm)) sum <- apply_op("BatchNorm", list(data = sum), name = paste0(step, ".bn"))
    list(h = apply_op("Activation", list(data = sum), act_type = "tanh"))
  })

cell_variables <- list(
  lstm = c("i2h.weight", "i2h.bias", "h2h.weight", "h2h.bias"),
  gru = c("gates.i2h.weight", "gates.i2h.bias", "gates.h2h.weight", "gates.h2h.bias", "trans.i2h.weight", "trans.i2h.bias",
          "trans.h2h.weight", "trans.h2h.bias"),
  rnn = c("i2h.weight", "i2h.bias", "h2h.weight", "h2h.bias"))

# All steps of all layers: list(states of the top layer by step, last states of every layer).
unrolled <- function(x, num_rnn_layer, seq_len, num_hidden, cell_type, dropout, prefix, init, batch.norm = FALSE) {
  layers <- lapply(seq_len(num_rnn_layer), function(i) {
    layer <- lapply(setNames(nm = cell_variables[[cell_type]]), function(v) mx.symbol.Variable(paste0(prefix, "l", i, ".", v)))
    c(layer, list(batch.norm = batch.norm))
  })
  states <- init
  split <- apply_op("SliceChannel", list(data = x), num_outputs = seq_len, axis = 1, squeeze_axis = TRUE,
                    name = paste0(prefix, "steps"))
  steps <- lapply(seq_len(seq_len), function(t) split[[t]])
  tops <- vector("list", seq_len)
  for (t in seq_len(seq_len)) {
    hidden <- steps[[t]]
    for (i in seq_len(num_rnn_layer)) {
      if (i > 1 && dropout > 0) hidden <- apply_op("Dropout", list(data = hidden), p = dropout)
      states[[i]] <- cells[[cell_type]](hidden, states[[i]], num_hidden, layers[[i]], paste0(prefix, "t", t, ".l", i))
      hidden <- states[[i]]$h
    }
    if (dropout > 0) hidden <- apply_op("Dropout", list(data = hidden), p = dropout)
    tops[[t]] <- hidden
  }
  list(tops = tops, states = states)
}

rnn.graph.unroll <- function(num_rnn_layer, seq_len, input_size = NULL, num_embed = NULL, num_hidden, num_decode,
                             dropout = 0, ignore_label = -1, loss_output = NULL, init.state = NULL, config,
                             cell_type = "lstm", masking = FALSE, output_last_state = FALSE, prefix = "",
                             data_name = "data", label_name = "label") {
  check_cell(cell_type, names(cells))
  x <- embedded(mx.symbol.Variable(data_name), input_size, num_embed, prefix)
  parts <- if (cell_type == "lstm") c("h", "c") else "h"
  if (is.null(init.state)) {
    init.state <- lapply(seq_len(num_rnn_layer), function(i) {
      lapply(setNames(nm = parts), function(part) {
        mx.symbol.Variable(paste0("init_", prefix, i, "_", part), shape = c(num_hidden, 0))
      })
    })
  }
  run <- unrolled(x, num_rnn_layer, seq_len, num_hidden, cell_type, dropout, prefix, init.state)
  states <- apply_op("stack", run$tops, axis = 0, num_args = seq_len, name = paste0(prefix, "states"))
  top <- decoded(states, if (masking) mx.symbol.Variable("seq.mask"), mx.symbol.Variable(label_name), config, num_hidden,
                 num_decode, loss_output, ignore_label, prefix)
  if (!output_last_state) return(top)
  last <- unlist(lapply(seq_len(num_rnn_layer), function(i) lapply(parts, function(part) {
    apply_op("identity", list(data = run$states[[i]][[part]]), name = paste0("last_", prefix, i, "_", part))
  })))
  do.call(mx.symbol.Group, c(list(top), last))
}

# ---- training on buckets -----------------------------------------------------------------------

mx.model.buckets <- function(symbol, train.data, eval.data = NULL, metric = NULL, arg.params = NULL, aux.params = NULL,
                             fixed.params = NULL, num.round = 1, begin.round = 1, initializer = mx.init.uniform(0.01),
                             optimizer = "sgd", ctx = NULL, batch.end.callback = NULL, epoch.end.callback = NULL,
                             kvstore = "local", verbose = TRUE, metric_cpu = TRUE) {
  if (!is.mx.dataiter(train.data)) {
    fail("[mx.model.buckets] train.data is ", describe_value(train.data), ", expected an iterator")
  }
  if (!train.data$iter.next()) {
    train.data$reset()
    if (!train.data$iter.next()) fail("[mx.model.buckets] the data are empty")
  }
  first <- train.data$value()
  key <- bucket_of(train.data)
  train.data$reset()
  one <- symbol_for(symbol, key)
  inputs <- intersect(names(first), arguments(one))
  shapes <- lapply(first[inputs], dim)
  fresh <- mx.model.init.params(one, shapes[setdiff(inputs, "label")], shapes["label"], initializer, mx.cpu())
  for (n in intersect(names(arg.params), names(fresh$arg.params))) fresh$arg.params[[n]] <- arg.params[[n]]
  for (n in intersect(names(aux.params), names(fresh$aux.params))) fresh$aux.params[[n]] <- aux.params[[n]]
  if (is.character(optimizer)) {
    recipe <- list(optimizer, rescale.grad = 1 / sample_count(first$data))
    optimizer <- do.call(mx.opt.create, recipe)
    optimizer$recipe <- recipe
  }
  if (is.null(metric) && !is.null(eval.data)) metric <- mx.metric.accuracy
  mx.model.train(symbol, as_contexts(ctx), shapes[setdiff(inputs, "label")], shapes["label"], fresh$arg.params,
                 fresh$aux.params, begin.round, num.round, optimizer, train.data, eval.data, metric, epoch.end.callback,
                 batch.end.callback, kvstore, fixed.param = fixed.params, verbose = verbose, metric_cpu = metric_cpu)
}

# ---- inference over iterators ------------------------------------------------------------------

# An executor for the inputs of a batch, with the parameters; what is neither is zeros.
inference_executor <- function(symbol, inputs, params, aux.params, ctx, more.shapes = list()) {
  inputs <- inputs[intersect(names(inputs), arguments(symbol))]
  shapes <- c(lapply(inputs, dim), more.shapes[setdiff(intersect(names(more.shapes), arguments(symbol)), names(inputs))])
  exec <- do.call(mx.simple.bind, c(list(symbol = symbol, ctx = ctx, grad.req = "null"), shapes))
  known <- intersect(names(params), setdiff(arguments(symbol), names(inputs)))
  mx.exec.update.arg.arrays(exec, params[known], match.name = TRUE)
  if (length(aux.params)) mx.exec.update.aux.arrays(exec, aux.params, match.name = TRUE)
  exec
}

as_infer_iter <- function(data) if (is.mx.dataiter(data)) data else mx.io.arrayiter(data, rep(0, sample_count(data)), sample_count(data))

run_batch <- function(exec, value) {
  mx.exec.update.arg.arrays(exec, value[intersect(names(value), names(state_of(exec)$args))], match.name = TRUE)
  mx.exec.forward(exec, is.train = FALSE)
  state_of(exec)$outputs
}

mx.infer.rnn <- function(infer.data, model, ctx = mx.cpu()) {
  if (!is.list(model)) fail("[mx.infer.rnn] found ", describe_value(model), ", expected an MXFeedForwardModel")
  infer.data <- as_infer_iter(infer.data)
  packer <- mx.nd.arraypacker()
  execs <- list()
  infer.data$reset()
  while (infer.data$iter.next()) {
    value <- infer.data$value()
    key <- bucket_of(infer.data)
    id <- shape_key(value, key)
    if (is.null(execs[[id]])) {
      execs[[id]] <- inference_executor(symbol_for(model$symbol, key), value, model$arg.params, model$aux.params, ctx)
    }
    out <- run_batch(execs[[id]], value)[[1]]
    n <- sample_count(out)
    packer$push(.Call(hdr_slice, out, 0, n - infer.data$num.pad() * n / sample_count(value$data)))
  }
  infer.data$reset()
  packer$get()
}

mx.infer.rnn.one <- function(infer.data, symbol, arg.params, aux.params, input.params = NULL, ctx = mx.cpu()) {
  infer.data <- as_infer_iter(infer.data)
  infer.data$reset()
  exec <- NULL
  while (infer.data$iter.next()) {
    value <- infer.data$value()
    if (is.null(exec)) exec <- inference_executor(symbol, value, c(arg.params, input.params), aux.params, ctx)
    run_batch(exec, value)
  }
  infer.data$reset()
  copies(state_of(exec)$outputs)
}

mx.infer.rnn.one.unroll <- function(infer.data, symbol, num_hidden, arg.params, aux.params, init_states = NULL,
                                    ctx = mx.cpu()) {
  infer.data <- as_infer_iter(infer.data)
  infer.data$reset()
  exec <- NULL
  while (infer.data$iter.next()) {
    value <- infer.data$value()
    if (is.null(exec)) {
      states <- grep("^init_.*_[hc]$", arguments(symbol), value = TRUE)
      shape <- c(num_hidden, sample_count(value$data))
      exec <- inference_executor(symbol, value, c(arg.params, init_states), aux.params, ctx,
                                 setNames(rep(list(shape), length(states)), states))
    }
    run_batch(exec, value)
  }
  infer.data$reset()
  copies(state_of(exec)$outputs)
}

# ---- language models of MXNet 0.10: mx.lstm(), mx.gru(), mx.rnn() ------------------------------

# Of as many samples as the data have.
initial_states <- function(num_rnn_layer, cell_type, num_hidden) {
  parts <- if (cell_type == "lstm") c("c", "h") else "h"
  lapply(seq_len(num_rnn_layer), function(i) {
    lapply(setNames(nm = parts), function(part) {
      mx.symbol.Variable(paste0("l", i, ".init.", part), shape = c(num_hidden, 0))
    })
  })
}

# seq.len words in, the next ones out; with `last` the states come out too.
language_graph <- function(cell_type, num_rnn_layer, seq.len, input.size, num.hidden, num.embed, num.label, dropout,
                           batch.norm = FALSE, last = FALSE) {
  x <- embedded(mx.symbol.Variable("data"), input.size, num.embed, "")
  run <- unrolled(x, num_rnn_layer, seq.len, num.hidden, cell_type, dropout, "", initial_states(num_rnn_layer, cell_type, num.hidden),
                  batch.norm)
  states <- apply_op("stack", run$tops, axis = 1, num_args = seq.len, name = "states")
  top <- apply_op("Reshape", list(data = states), shape = c(num.hidden, -1))
  top <- dense(top, mx.symbol.Variable("cls.weight"), mx.symbol.Variable("cls.bias"), num.label, name = "pred")
  label <- apply_op("Reshape", list(data = mx.symbol.Variable("label")), shape = list(-1))
  top <- apply_op("SoftmaxOutput", list(data = top, label = label), name = "sm")
  if (!last) return(top)
  ends <- unlist(lapply(seq_len(num_rnn_layer), function(i) lapply(names(run$states[[i]]), function(part) {
    apply_op("identity", list(data = run$states[[i]][[part]]), name = paste0("l", i, ".last.", part))
  })))
  do.call(mx.symbol.Group, c(list(top), ends))
}

train_language <- function(cell_type, train.data, eval.data, num_rnn_layer, seq.len, num.hidden, num.embed, num.label,
                           batch.size, input.size, ctx, num.round, update.period, initializer, dropout, optimizer,
                           batch.norm = FALSE, ...) {
  as_iter <- function(data) {
    if (is.null(data) || is.mx.dataiter(data)) return(data)
    if (!is.list(data) || !all(c("data", "label") %in% names(data))) {
      fail("[mx.", cell_type, "] found data of class ", class(data)[1], ", expected an iterator or list(data, label)")
    }
    mx.io.arrayiter(data$data, data$label, batch.size = batch.size, shuffle = FALSE)
  }
  train.data <- as_iter(train.data)
  eval.data <- as_iter(eval.data)
  symbol <- language_graph(cell_type, num_rnn_layer, seq.len, input.size, num.hidden, num.embed, num.label, dropout,
                           batch.norm)
  shape <- list(data = c(seq.len, batch.size))
  fresh <- mx.model.init.params(symbol, shape, list(label = c(seq.len, batch.size)), initializer, mx.cpu())
  if (is.character(optimizer)) {
    recipe <- list(optimizer, ...)
    if (is.null(recipe$rescale.grad)) recipe$rescale.grad <- 1 / batch.size
    optimizer <- do.call(mx.opt.create, recipe)
    optimizer$recipe <- recipe
  }
  mx.model.train(symbol, as_contexts(ctx), shape, list(label = c(seq.len, batch.size)), fresh$arg.params, fresh$aux.params,
                 1, num.round, optimizer, train.data, eval.data, mx.metric.Perplexity, NULL, NULL, "local",
                 update.period = update.period)
}

mx.lstm <- function(train.data, eval.data = NULL, num.lstm.layer, seq.len, num.hidden, num.embed, num.label, batch.size,
                    input.size, ctx = mx.ctx.default(), num.round = 10, update.period = 1,
                    initializer = mx.init.uniform(0.01), dropout = 0, optimizer = "sgd", ...) {
  train_language("lstm", train.data, eval.data, num.lstm.layer, seq.len, num.hidden, num.embed, num.label, batch.size,
                 input.size, ctx, num.round, update.period, initializer, dropout, optimizer, ...)
}

mx.gru <- function(train.data, eval.data = NULL, num.gru.layer, seq.len, num.hidden, num.embed, num.label, batch.size,
                   input.size, ctx = mx.ctx.default(), num.round = 10, update.period = 1,
                   initializer = mx.init.uniform(0.01), dropout = 0, optimizer = "sgd", ...) {
  train_language("gru", train.data, eval.data, num.gru.layer, seq.len, num.hidden, num.embed, num.label, batch.size,
                 input.size, ctx, num.round, update.period, initializer, dropout, optimizer, ...)
}

mx.rnn <- function(train.data, eval.data = NULL, num.rnn.layer, seq.len, num.hidden, num.embed, num.label, batch.size,
                   input.size, ctx = mx.ctx.default(), num.round = 10, update.period = 1,
                   initializer = mx.init.uniform(0.01), dropout = 0, optimizer = "sgd", batch.norm = FALSE, ...) {
  train_language("rnn", train.data, eval.data, num.rnn.layer, seq.len, num.hidden, num.embed, num.label, batch.size,
                 input.size, ctx, num.round, update.period, initializer, dropout, optimizer, batch.norm, ...)
}

# A model of one step, whose state goes from call to call.
language_inference <- function(cell_type, num_rnn_layer, input.size, num.hidden, num.embed, num.label, batch.size,
                               arg.params, ctx, dropout, batch.norm = FALSE) {
  symbol <- language_graph(cell_type, num_rnn_layer, 1, input.size, num.hidden, num.embed, num.label, dropout, batch.norm,
                           last = TRUE)
  exec <- mx.simple.bind(symbol, ctx, "null", data = c(1, batch.size), label = c(1, batch.size))
  known <- intersect(names(arg.params), arguments(symbol))
  missing <- setdiff(grep("(weight|bias)$", arguments(symbol), value = TRUE), known)
  if (length(missing)) fail("[mx.", cell_type, ".inference] arg.params has no '", missing[1], "'")
  mx.exec.update.arg.arrays(exec, arg.params[known], match.name = TRUE)
  structure(list(rnn.exec = exec, symbol = symbol, num.rnn.layer = num_rnn_layer, num.hidden = num.hidden,
                 batch.size = batch.size), class = "heddle_language_model")
}

language_forward <- function(model, input.data, new.seq) {
  if (!inherits(model, "heddle_language_model")) {
    fail("[forward] found ", describe_value(model), ", expected what mx.lstm.inference(), mx.gru.inference() or ",
         "mx.rnn.inference() made")
  }
  state <- state_of(model$rnn.exec)
  starts <- grep("\\.init\\.", names(state$args), value = TRUE)
  if (as_flag(new.seq, "forward")) {
    for (name in starts) .Call(hdr_invoke, "_mul_scalar", state$args[name], list(scalar = 0), state$args[[name]])
  }
  mx.exec.update.arg.arrays(model$rnn.exec, list(data = array(as_numbers_of(input.data), c(1, model$batch.size))),
                            match.name = TRUE)
  mx.exec.forward(model$rnn.exec, is.train = FALSE)
  prob <- .Call(hdr_invoke, "_copy", list(state$outputs[[1]]), NULL, NULL)
  for (name in starts) .Call(hdr_copy_into, state$outputs[[paste0(sub("init", "last", name), "_output")]], state$args[[name]])
  list(prob = prob, model = model)
}

as_numbers_of <- function(x) if (is.mx.ndarray(x)) as.vector(x) else as_numbers(x)

mx.lstm.inference <- function(num.lstm.layer, input.size, num.hidden, num.embed, num.label, batch.size = 1, arg.params,
                              ctx = mx.cpu(), dropout = 0) {
  language_inference("lstm", num.lstm.layer, input.size, num.hidden, num.embed, num.label, batch.size, arg.params, ctx, dropout)
}

mx.gru.inference <- function(num.gru.layer, input.size, num.hidden, num.embed, num.label, batch.size = 1, arg.params,
                             ctx = mx.cpu(), dropout = 0) {
  language_inference("gru", num.gru.layer, input.size, num.hidden, num.embed, num.label, batch.size, arg.params, ctx, dropout)
}

mx.rnn.inference <- function(num.rnn.layer, input.size, num.hidden, num.embed, num.label, batch.size = 1, arg.params,
                             ctx = mx.cpu(), dropout = 0, batch.norm = FALSE) {
  language_inference("rnn", num.rnn.layer, input.size, num.hidden, num.embed, num.label, batch.size, arg.params, ctx,
                     dropout, batch.norm)
}

mx.lstm.forward <- function(model, input.data, new.seq = FALSE) language_forward(model, input.data, new.seq)

mx.gru.forward <- function(model, input.data, new.seq = FALSE) language_forward(model, input.data, new.seq)

mx.rnn.forward <- function(model, input.data, new.seq = FALSE) language_forward(model, input.data, new.seq)
