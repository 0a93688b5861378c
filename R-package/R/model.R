# Models: training, predicting, files.

# ---- layouts and contexts ----------------------------------------------------------------------

as_contexts <- function(ctx) {
  if (is.null(ctx)) return(list(mx.ctx.default()))
  if (is.mx.context(ctx)) return(list(ctx))
  if (!is.list(ctx) || !all(vapply(ctx, is.mx.context, NA))) fail("[ctx] found a ", class(ctx)[1], ", expected contexts")
  ctx
}

mx.model.select.layout.train <- function(X, y) {
  dims <- dim(X)
  if (length(dims) != 2 || is.null(y)) return("colmajor")
  n <- sample_count(y)
  row <- dims[1] == n
  col <- dims[2] == n
  if (row && col) {
    fail("[array.layout] X has ", n, " rows and ", n, " columns, and y ", n, " labels: say array.layout = \"rowmajor\" ",
         "where the rows of X are samples, or \"colmajor\" where its columns are")
  }
  if (!row && !col) {
    fail("[array.layout] X is ", dims[1], " x ", dims[2], " and y has ", n, " labels: neither rows nor columns are samples")
  }
  if (row) "rowmajor" else "colmajor"
}

mx.model.select.layout.predict <- function(X, model) {
  dims <- dim(X)
  if (length(dims) != 2) return("colmajor")
  first <- function(layout) {
    data <- setdiff(arguments(model$symbol), names(model$arg.params))[1]
    shapes <- setNames(list(if (layout == "rowmajor") rev(dims) else dims), data)
    found <- tryCatch(do.call(mx.symbol.infer.shape, c(list(model$symbol), shapes)), heddle_error = function(e) NULL)
    if (is.null(found)) return(FALSE)
    all(vapply(names(model$arg.params), function(n) {
      wanted <- found$arg.shapes[[n]]
      is.null(wanted) || identical(as.integer(wanted), dim(model$arg.params[[n]]))
    }, NA))
  }
  row <- first("rowmajor")
  col <- first("colmajor")
  if (row && col) {
    fail("[array.layout] X is ", dims[1], " x ", dims[2], ", which the model takes either way: say array.layout = ",
         "\"rowmajor\" where the rows of X are samples, or \"colmajor\" where its columns are")
  }
  if (!row && !col) fail("[array.layout] X is ", dims[1], " x ", dims[2], ", which the model takes neither way")
  if (row) "rowmajor" else "colmajor"
}

# Data of R, or an iterator, as an iterator.
mx.model.init.iter <- function(X, y, batch.size, is.train, layout = "colmajor") {
  if (is.mx.dataiter(X)) return(X)
  X <- as_numbers(X)
  if (is.null(y)) {
    if (is.train) fail("[mx.model] X is an array and y is missing, expected its labels")
    y <- rep(0, if (layout == "rowmajor") nrow(X) else sample_count(X))
  }
  y <- as_numbers(y)
  if (layout == "rowmajor") {
    X <- t(X)
    if (length(dim(y)) == 2 && nrow(y) == ncol(X)) y <- t(y)
  }
  mx.io.arrayiter(X, y, batch.size = min(batch.size, sample_count(X)), shuffle = is.train)
}

# ---- parameters --------------------------------------------------------------------------------

mx.model.init.params <- function(symbol, input.shape, output.shape, initializer, ctx) {
  if (!is.mx.symbol(symbol)) fail("[mx.model.init.params] symbol is of class ", class(symbol)[1], ", expected an MXSymbol")
  shapes <- c(input.shape, output.shape)
  found <- do.call(mx.symbol.infer.shape, c(list(symbol), shapes))
  if (is.null(found)) fail("[mx.model.init.params] the shapes of ", paste(names(shapes), collapse = ", "), " are not enough")
  inputs <- names(shapes)
  params <- found$arg.shapes[setdiff(names(found$arg.shapes), inputs)]
  list(arg.params = mx.init.create(initializer, params, ctx, skip.unknown = TRUE),
       aux.params = mx.init.create(initializer, found$aux.shapes, ctx, skip.unknown = FALSE))
}

# The ranges of samples of a batch that each of n devices works on.
mx.model.slice.shape <- function(shape, nsplit) {
  if (is.numeric(shape)) {
    count <- shape[length(shape)]
    if (nsplit > count) fail("[mx.model] found ", nsplit, " devices for batches of ", count, " samples")
    edges <- round(seq(0, count, length.out = nsplit + 1))
    return(lapply(seq_len(nsplit), function(i) {
      list(begin = edges[i], end = edges[i + 1], shape = c(shape[-length(shape)], edges[i + 1] - edges[i]))
    }))
  }
  parts <- lapply(shape, mx.model.slice.shape, nsplit = nsplit)
  lapply(seq_len(nsplit), function(i) {
    list(begin = parts[[1]][[i]]$begin, end = parts[[1]][[i]]$end, shape = lapply(parts, function(p) p[[i]]$shape))
  })
}

mx.model.check.arguments <- function(symbol) {
  names <- arguments(symbol)
  labels <- grep("label$", names, value = TRUE)
  data <- intersect("data", names)
  if (length(data) == 0) data <- grep("data$", names, value = TRUE)
  if (length(data) != 1) {
    fail("[mx.model] the symbol has ", length(data), " arguments that end in data, expected one: say input.names")
  }
  if (length(labels) != 1) {
    fail("[mx.model] the symbol has ", length(labels), " arguments that end in label, expected one: say output.names")
  }
  c(data, labels)
}

# Copies of the first device's parameters.
mx.model.extract.model <- function(symbol, device) {
  structure(list(symbol = symbol, arg.params = copies(device$args), aux.params = copies(device$aux)),
            class = "MXFeedForwardModel")
}

mx.model.create.kvstore <- function(kvstore, arg.params, ndevice, verbose = TRUE) {
  if (inherits(kvstore, "MXKVStore")) return(kvstore)
  if (!is.character(kvstore)) fail("[kvstore] found a ", class(kvstore)[1], ", expected a store or the type of one")
  if (ndevice == 1 && !startsWith(kvstore, "dist")) return(NULL)
  if (kvstore == "local") {
    largest <- max(vapply(arg.params, function(p) as.numeric(length(p)), 0))
    kvstore <- if (largest < 1024 * 1024 * 16) "local_update_cpu" else "local_allreduce_cpu"
    if (verbose) message("Auto-select kvstore type = ", kvstore)
  }
  mx.kv.create(kvstore)
}

# ---- training ----------------------------------------------------------------------------------

# The arrays of a batch under the names of the network's inputs.
named_inputs <- function(value, input.names, output.names) {
  if (all(c(input.names, output.names) %in% names(value))) return(value[c(input.names, output.names)])
  setNames(c(value[setdiff(names(value), "label")][seq_along(input.names)], list(value$label)[seq_along(output.names)]),
           c(input.names, output.names))
}

# The part of a batch that one device gets.
part_of <- function(arrays, slice, whole) {
  if (whole) return(arrays)
  lapply(arrays, function(a) .Call(hdr_slice, a, slice$begin, slice$end))
}

# The bucket of an iterator's batch, and the symbol that belongs to it.
bucket_of <- function(data) if (inherits(data, "BucketIter")) data$bucketID()

symbol_for <- function(symbol, key) {
  if (is.mx.symbol(symbol)) return(symbol)
  found <- symbol[[if (is.null(key)) 1 else key]]
  if (!is.mx.symbol(found)) fail("[mx.model] found no symbol for the bucket '", key, "'")
  found
}

shape_key <- function(arrays, key) paste(c(key, vapply(arrays, function(a) paste(dim(a), collapse = "x"), "")), collapse = ",")

# A device's parameters, their gradients, and executors on them for batches of whatever shapes come.
training_device <- function(symbol, ctx, arg.params, aux.params, fixed.param, grad.req) {
  device <- new.env(parent = emptyenv())
  device$args <- lapply(arg.params, mx.nd.copyto, ctx = ctx)
  device$aux <- lapply(aux.params, mx.nd.copyto, ctx = ctx)
  device$learned <- setdiff(names(device$args), fixed.param)
  device$grads <- lapply(device$args[device$learned], zeros_like)
  device$execs <- list()
  device$for_batch <- function(batch, key) {
    id <- shape_key(batch, key)
    if (is.null(device$execs[[id]])) {
      net <- symbol_for(symbol, key)
      names <- arguments(net)
      requests <- setNames(ifelse(names %in% device$learned, grad.req, "null"), names)
      used <- function(arrays, among) arrays[intersect(names(arrays), among)]
      device$execs[[id]] <- executor(net, ctx, lapply(used(batch, names), dim),
                                     c(used(device$args, names), used(device$aux, auxiliary_states(net))),
                                     used(device$grads, names), requests)
    }
    exec <- device$execs[[id]]
    mx.exec.update.arg.arrays(exec, batch[intersect(names(batch), names(state_of(exec)$args))], match.name = TRUE)
    exec
  }
  device
}

# One pass over the data for the metric alone.
evaluate <- function(devices, data, metric, input.names, output.names) {
  state <- metric$init()
  data$reset()
  while (data$iter.next()) {
    batch <- named_inputs(data$value(), input.names, output.names)
    slices <- mx.model.slice.shape(lapply(batch, dim), length(devices))
    for (i in seq_along(devices)) {
      part <- part_of(batch, slices[[i]], length(devices) == 1)
      exec <- devices[[i]]$for_batch(part, bucket_of(data))
      mx.exec.forward(exec, is.train = FALSE)
      state <- metric$update(part[[output.names[1]]], state_of(exec)$outputs[[1]], state)
    }
  }
  data$reset()
  state
}

# Rounds begin.round to end.round of training. Callbacks see the variables of this function: iteration, metric,
# train.metric, eval.metric, model. With update.period n, gradients of n batches are summed for one step.
mx.model.train <- function(symbol, ctx, input.shape, output.shape, arg.params, aux.params, begin.round, end.round,
                           optimizer, train.data, eval.data, metric, epoch.end.callback, batch.end.callback, kvstore,
                           fixed.param = NULL, verbose = TRUE, metric_cpu = TRUE, update.period = 1) {
  ndevice <- length(ctx)
  if (verbose) message("Start training with ", ndevice, " devices")
  input.names <- names(input.shape)
  output.names <- names(output.shape)
  devices <- lapply(ctx, function(one) {
    training_device(symbol, one, arg.params, aux.params, fixed.param, if (update.period > 1) "add" else "write")
  })
  learned <- devices[[1]]$learned
  across <- function(field) lapply(learned, function(n) lapply(devices, function(d) d[[field]][[n]]))
  # With one device its optimizer updates the weights. With more, gradients are summed in the store and every device
  # takes the same step, or the store's own optimizer does.
  store <- mx.model.create.kvstore(kvstore, arg.params, ndevice, verbose)
  on_store <- !is.null(store) && !store$type %in% c("local_allreduce_cpu", "local_allreduce_device", "device")
  if (!is.null(store)) {
    store$init(learned, unname(devices[[1]]$args[learned]))
    if (on_store) store$set.optimizer(optimizer)
  }
  steps <- if (!on_store) lapply(devices, function(d) if (ndevice == 1) optimizer else clone_optimizer(optimizer))
  update <- function() {
    if (!is.null(store)) {
      store$push(learned, across("grads"), -seq_along(learned))
      store$pull(learned, across(if (on_store) "args" else "grads"), -seq_along(learned))
    }
    for (i in seq_along(steps)) {
      optimizer_step(steps[[i]], learned, devices[[i]]$args[learned], devices[[i]]$grads)
    }
    if (update.period > 1) {
      for (d in devices) for (g in d$grads) .Call(hdr_invoke, "_mul_scalar", list(g), list(scalar = 0), g)
    }
  }

  model <- NULL
  for (iteration in begin.round:end.round) {
    nbatch <- 0
    train.metric <- if (!is.null(metric)) metric$init()
    eval.metric <- NULL
    train.data$reset()
    while (train.data$iter.next()) {
      batch <- named_inputs(train.data$value(), input.names, output.names)
      slices <- if (ndevice > 1) mx.model.slice.shape(lapply(batch, dim), ndevice)
      parts <- lapply(seq_len(ndevice), function(i) part_of(batch, slices[[i]], ndevice == 1))
      execs <- lapply(seq_len(ndevice), function(i) devices[[i]]$for_batch(parts[[i]], bucket_of(train.data)))
      for (exec in execs) {
        mx.exec.forward(exec, is.train = TRUE)
        mx.exec.backward(exec)
      }
      nbatch <- nbatch + 1
      if (nbatch %% update.period == 0) update()
      if (!is.null(metric)) {
        for (i in seq_len(ndevice)) {
          train.metric <- metric$update(parts[[i]][[output.names[1]]], state_of(execs[[i]])$outputs[[1]], train.metric)
        }
      }
      if (!is.null(batch.end.callback)) batch.end.callback(iteration, nbatch, environment(), verbose)
    }
    train.data$reset()
    if (!is.null(metric) && nbatch > 0) {
      result <- metric$get(train.metric)
      if (verbose) message("[", iteration, "] Train-", result$name, "=", result$value)
    }
    if (!is.null(eval.data)) {
      eval.metric <- evaluate(devices, eval.data, metric, input.names, output.names)
      result <- metric$get(eval.metric)
      if (verbose) message("[", iteration, "] Validation-", result$name, "=", result$value)
    }
    model <- mx.model.extract.model(symbol, devices[[1]])
    if (!is.null(epoch.end.callback)) {
      goes_on <- epoch.end.callback(iteration, 0, environment(), verbose)
      if (identical(as.logical(goes_on), FALSE)) break
    }
  }
  model
}

# The same rule with states of its own.
clone_optimizer <- function(optimizer) {
  if (is.null(optimizer$recipe)) {
    fail("[mx.model] an optimizer that several devices use must be given by its name, or made by mx.opt.create()")
  }
  do.call(mx.opt.create, optimizer$recipe)
}

mx.model.FeedForward.create <- function(symbol, X, y = NULL, ctx = NULL, begin.round = 1, num.round = 10,
                                        optimizer = "sgd", initializer = mx.init.uniform(0.01), eval.data = NULL,
                                        eval.metric = NULL, epoch.end.callback = NULL, batch.end.callback = NULL,
                                        array.batch.size = 128, array.layout = "auto", kvstore = "local",
                                        verbose = TRUE, arg.params = NULL, aux.params = NULL, input.names = NULL,
                                        output.names = NULL, fixed.param = NULL, allow.extra.params = FALSE,
                                        metric_cpu = TRUE, ...) {
  if (!is.mx.symbol(symbol)) {
    fail("[mx.model.FeedForward.create] symbol is of class ", class(symbol)[1], ", expected an MXSymbol")
  }
  if (is.data.frame(X)) X <- as_numbers(X)
  if (is.array(X) || is.matrix(X)) {
    if (array.layout == "auto") array.layout <- mx.model.select.layout.train(X, y)
    if (!array.layout %in% c("rowmajor", "colmajor")) {
      fail("[array.layout] found '", array.layout, "', expected auto, rowmajor or colmajor")
    }
  }
  train.data <- mx.model.init.iter(X, y, array.batch.size, is.train = TRUE, layout = array.layout)
  if (is.list(eval.data) && !is.mx.dataiter(eval.data)) {
    if (!all(c("data", "label") %in% names(eval.data))) fail("[eval.data] found a list without data and label")
    eval.data <- mx.model.init.iter(eval.data$data, eval.data$label, array.batch.size, is.train = FALSE,
                                    layout = array.layout)
  }
  if (is.null(input.names) || is.null(output.names)) {
    checked <- if (is.null(input.names) && is.null(output.names)) mx.model.check.arguments(symbol)
    if (is.null(input.names)) input.names <- if (is.null(checked)) "data" else checked[1]
    if (is.null(output.names)) {
      output.names <- if (is.null(checked)) grep("label$", arguments(symbol), value = TRUE) else checked[2]
    }
  }
  train.data$reset()
  if (!train.data$iter.next()) fail("[mx.model.FeedForward.create] the data are empty")
  first <- named_inputs(train.data$value(), input.names, output.names)
  shapes <- lapply(first, dim)
  train.data$reset()
  batch.size <- shapes[[1]][length(shapes[[1]])]

  ctx <- as_contexts(ctx)
  fresh <- mx.model.init.params(symbol, shapes[input.names], shapes[output.names], initializer, mx.cpu())
  unknown <- setdiff(names(arg.params), names(fresh$arg.params))
  if (length(unknown) && !allow.extra.params) {
    fail("[mx.model.FeedForward.create] found parameters that the symbol has not: ", paste(unknown, collapse = ", "))
  }
  for (n in intersect(names(arg.params), names(fresh$arg.params))) fresh$arg.params[[n]] <- arg.params[[n]]
  for (n in intersect(names(aux.params), names(fresh$aux.params))) fresh$aux.params[[n]] <- aux.params[[n]]

  if (is.character(optimizer)) {
    recipe <- list(optimizer, ...)
    if (is.null(recipe$rescale.grad)) recipe$rescale.grad <- 1 / batch.size
    optimizer <- do.call(mx.opt.create, recipe)
    optimizer$recipe <- recipe
  }
  if (is.null(eval.metric) && !is.null(eval.data)) eval.metric <- mx.metric.accuracy
  mx.model.train(symbol, ctx, shapes[input.names], shapes[output.names], fresh$arg.params, fresh$aux.params, begin.round,
                 num.round, optimizer, train.data, eval.data, eval.metric, epoch.end.callback, batch.end.callback,
                 kvstore, fixed.param = fixed.param, verbose = verbose, metric_cpu = metric_cpu)
}

# ---- predicting --------------------------------------------------------------------------------

# MXNet called the first argument model; R calls it object.
predict.MXFeedForwardModel <- function(object = list(...)$model, X, ctx = NULL, array.batch.size = 128,
                                       array.layout = "auto", allow.extra.params = FALSE, ...) {
  model <- object
  if (is.null(ctx)) ctx <- mx.ctx.default()
  model <- as_model(model, "predict")
  if (is.data.frame(X)) X <- as_numbers(X)
  if (is.array(X) && array.layout == "auto") array.layout <- mx.model.select.layout.predict(X, model)
  data <- mx.model.init.iter(X, NULL, array.batch.size, is.train = FALSE, layout = array.layout)
  data$reset()
  if (!data$iter.next()) fail("[predict] the data are empty")
  first <- data$value()
  names <- arguments(model$symbol)
  input <- setdiff(names, c(names(model$arg.params), grep("label$", names, value = TRUE)))
  if (length(input) != 1) fail("[predict] the model takes ", length(input), " inputs, expected one")
  extra <- setdiff(names(model$arg.params), names)
  if (length(extra) && !allow.extra.params) {
    fail("[predict] the model has parameters that its symbol has not: ", paste(extra, collapse = ", "))
  }
  exec <- do.call(mx.simple.bind, c(list(symbol = model$symbol, ctx = ctx, grad.req = "null"),
                                    setNames(list(dim(first$data)), input)))
  mx.exec.update.arg.arrays(exec, model$arg.params[setdiff(names(model$arg.params), extra)], match.name = TRUE)
  if (length(model$aux.params)) mx.exec.update.aux.arrays(exec, model$aux.params, match.name = TRUE)
  packer <- mx.nd.arraypacker()
  data$reset()
  while (data$iter.next()) {
    mx.exec.update.arg.arrays(exec, setNames(list(data$value()$data), input), match.name = TRUE)
    mx.exec.forward(exec, is.train = FALSE)
    out <- state_of(exec)$outputs[[1]]
    packer$push(.Call(hdr_slice, out, 0, sample_count(out) - data$num.pad()))
  }
  data$reset()
  packer$get()
}

# ---- files -------------------------------------------------------------------------------------

mx.model.save <- function(model, prefix, iteration) {
  model <- as_model(model, "mx.model.save")
  prefix <- as_path(prefix, "mx.model.save")
  named <- function(kind, params) if (length(params)) setNames(params, paste0(kind, ":", names(params)))
  mx.symbol.save(model$symbol, paste0(prefix, "-symbol.json"))
  mx.nd.save(c(named("arg", model$arg.params), named("aux", model$aux.params)),
             sprintf("%s-%04d.params", prefix, as.integer(as_number(iteration, "mx.model.save"))))
}

mx.model.load <- function(prefix, iteration) {
  prefix <- as_path(prefix, "mx.model.load")
  symbol <- mx.symbol.load(paste0(prefix, "-symbol.json"))
  all <- mx.nd.load(sprintf("%s-%04d.params", prefix, as.integer(as_number(iteration, "mx.model.load"))))
  of <- function(kind) {
    found <- all[startsWith(names(all), paste0(kind, ":"))]
    setNames(found, substring(names(found), nchar(kind) + 2))
  }
  structure(list(symbol = symbol, arg.params = of("arg"), aux.params = of("aux")), class = "MXFeedForwardModel")
}

is.serialized <- function(model) is.list(model) && isTRUE(unclass(model)[["is.serialized"]])

# A model of this process, from a serialized one too.
as_model <- function(model, what) {
  if (is.serialized(model)) model <- mx.unserialize(model)
  if (!is.list(model) || !is.mx.symbol(unclass(model)[["symbol"]])) {
    fail("[", what, "] found ", describe_value(model), ", expected an MXFeedForwardModel")
  }
  model
}

# Arrays and symbols pass through saveRDS() by themselves; these two give a model of nothing but R's own values.
mx.serialize <- function(model) {
  if (is.serialized(model)) return(model)
  model <- as_model(model, "mx.serialize")
  structure(list(symbol_json = model$symbol$as.json(), arg.params = lapply(model$arg.params, as.array),
                 aux.params = lapply(model$aux.params, as.array), is.serialized = TRUE), class = class(model))
}

mx.unserialize <- function(model) {
  if (!is.serialized(model)) return(as_model(model, "mx.unserialize"))
  structure(list(symbol = mx.symbol.load.json(model$symbol_json),
                 arg.params = lapply(model$arg.params, mx.nd.array, ctx = mx.cpu()),
                 aux.params = lapply(model$aux.params, mx.nd.array, ctx = mx.cpu())), class = class(model))
}

# ---- generics ----------------------------------------------------------------------------------

coef.MXFeedForwardModel <- function(object, ...) lapply(object$arg.params, as.array)

parameter_table <- function(model) {
  all <- c(model$arg.params, model$aux.params)
  data.frame(parameter = names(all), dim = vapply(all, function(a) paste(dim(a), collapse = " x "), ""),
             numbers = vapply(all, function(a) as.numeric(length(a)), 0), row.names = NULL)
}

print.MXFeedForwardModel <- function(x, ...) {
  if (is.serialized(x)) x <- mx.unserialize(x)
  table <- parameter_table(x)
  cat("<MXFeedForwardModel ", paste(outputs(x$symbol), collapse = ", "), ": ", format(sum(table$numbers), big.mark = ","),
      " numbers in ", nrow(table), " parameters>\n", sep = "")
  invisible(x)
}

summary.MXFeedForwardModel <- function(object, ...) parameter_table(if (is.serialized(object)) mx.unserialize(object) else object)
