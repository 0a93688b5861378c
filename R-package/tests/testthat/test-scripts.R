# Scripts that were written for library(mxnet): the calls of its demos and tutorials, in their order, on small data.
silent <- function(expr) suppressMessages(expr)

# Pictures of n digits, of which each class lights one block: 784 x n, and their labels.
digits <- function(n) {
  label <- rep(0:9, length.out = n)
  x <- matrix(runif(784 * n, 0, 0.3), 784)
  for (i in seq_len(n)) x[label[i] * 78 + 1:78, i] <- x[label[i] * 78 + 1:78, i] + 0.7
  list(x = x, y = label)
}

test_that("arrays and their clock", {
  x <- mx.nd.ones(c(2, 3), mx.cpu())
  expect_output(print(x), "2 x 3")
  y <- mx.nd.zeros(dim(x))
  lr <- 0.01
  for (i in 1:200) y <- y + x * lr
  expect_equal(as.array(y), matrix(2, 2, 3), tolerance = 1e-4)
  back <- mx.nd.array(as.array(y) * 2, ctx(y))
  expect_equal(as.array(back / 2), as.array(y))
  mx.nd.save(list(first = x, second = y), file <- tempfile())
  expect_named(mx.nd.load(file), c("first", "second"))
})

test_that("random numbers", {
  mx.set.seed(10)
  a <- as.array(mx.runif(c(2, 1), -10, 10, mx.cpu()))
  b <- as.array(mx.rnorm(c(2, 1), mean = 0, sd = 2, mx.cpu()))
  mx.set.seed(10)
  expect_identical(as.array(mx.runif(c(2, 1), -10, 10, mx.cpu())), a)
  expect_identical(as.array(mx.rnorm(c(2, 1), mean = 0, sd = 2, mx.cpu())), b)
})

test_that("symbols put together", {
  data <- mx.symbol.Variable("data")
  net1 <- mx.symbol.FullyConnected(data = data, weight = mx.symbol.Variable("myweight"), num_hidden = 10, name = "fc1")
  expect_identical(arguments(net1), c("data", "myweight", "fc1_bias"))
  net2 <- mx.symbol.FullyConnected(data = mx.symbol.Variable("data2"), num_hidden = 10, name = "fc2")
  composed <- mx.apply(net2, data2 = net1, name = "composed")
  expect_identical(arguments(composed), c("data", "myweight", "fc1_bias", "fc2_weight", "fc2_bias"))
  expect_identical(mx.symbol.infer.shape(composed, data = c(100, 8))$out.shapes[[1]], c(10L, 8L))
  expect_length(outputs(mx.symbol.Group(net1, net2)), 2)
})

test_that("an executor on arrays", {
  A <- mx.symbol.Variable("A")
  B <- mx.symbol.Variable("B")
  C <- A + B
  a <- mx.nd.zeros(c(2), mx.cpu())
  b <- mx.nd.array(as.array(c(1, 2)), mx.cpu())
  exec <- heddle:::mx.symbol.bind(symbol = C, ctx = mx.cpu(), arg.arrays = list(A = a, B = b), aux.arrays = list(),
                                  grad.reqs = list("null", "null"))
  mx.exec.forward(exec)
  expect_equal(as.array(exec$outputs[[1]]), c(1, 2))
  simple <- mx.simple.bind(C, mx.cpu(), A = 2, B = 2)
  mx.exec.update.arg.arrays(simple, list(A = b, B = b), match.name = TRUE)
  mx.exec.forward(simple)
  expect_equal(as.array(simple$ref.outputs[[1]]), c(2, 4))
})

test_that("a store of several devices' arrays", {
  kv <- mx.kv.create()
  parts <- lapply(1:3, function(i) mx.nd.array(as.array(c(i, i + 1)), mx.cpu(i)))
  kv$init(c(0), parts[[1]])
  kv$push(c(0), list(parts), 0)
  kv$pull(c(0), list(parts), 0)
  for (one in parts) expect_equal(as.array(one), c(6, 9))
  expect_identical(kv$type, "local")
})

test_that("the profiler around an executor", {
  file <- tempfile(fileext = ".json")
  mx.profiler.config(params = list(profile_all = TRUE, filename = file))
  A <- mx.symbol.Variable("A")
  exec <- mx.simple.bind(mx.symbol.dot(A, A), mx.cpu(), A = c(8, 8))
  mx.profiler.state(state = MX.PROF.STATE$RUN)
  for (i in 1:3) mx.exec.forward(exec, is.train = FALSE)
  mx.profiler.state(state = MX.PROF.STATE$STOP)
  expect_gt(file.size(file), 100)
})

mlp_of_digits <- function() {
  data <- mx.symbol.Variable("data")
  fc1 <- mx.symbol.FullyConnected(data, name = "fc1", num_hidden = 32)
  act1 <- mx.symbol.Activation(fc1, name = "relu1", act_type = "relu")
  fc2 <- mx.symbol.FullyConnected(act1, name = "fc2", num_hidden = 10)
  mx.symbol.Softmax(fc2, name = "sm")
}

test_that("digits from files on two devices, their checkpoint, and training that goes on", {
  set.seed(1)
  d <- digits(400)
  folder <- tempfile()
  dir.create(folder)
  number <- function(x) writeBin(as.integer(x), raw(), endian = "big")
  writeBin(c(number(c(2051, 400, 28, 28)), as.raw(round(d$x * 255))), image <- file.path(folder, "images"))
  writeBin(c(number(c(2049, 400)), as.raw(d$y)), labels <- file.path(folder, "labels"))
  files <- function() {
    mx.io.MNISTIter(image = image, label = labels, data.shape = c(784), batch.size = 40, flat = TRUE, silent = 1, seed = 10)
  }
  mx.set.seed(0)
  devices <- lapply(1:2, function(i) mx.cpu(i))
  prefix <- file.path(folder, "chkpt")
  model <- silent(mx.model.FeedForward.create(
    mlp_of_digits(), X = files(), eval.data = files(), ctx = devices, num.round = 5, learning.rate = 0.1, momentum = 0.9,
    initializer = mx.init.uniform(0.07), eval.metric = mx.metric.accuracy,
    epoch.end.callback = mx.callback.save.checkpoint(prefix), batch.end.callback = mx.callback.log.train.metric(5)))
  test <- files()
  pred <- predict(model, test)
  label <- mx.io.extract(test, "label")
  data <- mx.io.extract(test, "data")
  accuracy <- function(label, pred) mean(max.col(t(pred)) - 1 == label)
  expect_gt(accuracy(label, pred), 0.95)
  expect_equal(predict(model, X = data), pred, tolerance = 1e-6)
  model <- mx.model.load(prefix, 5)
  expect_equal(predict(model, X = data), pred, tolerance = 1e-6)
  again <- silent(mx.model.FeedForward.create(
    model$symbol, X = data, y = label, ctx = devices, num.round = 1, array.batch.size = 40, learning.rate = 0.02,
    arg.params = model$arg.params, aux.params = model$aux.params))
  expect_gt(accuracy(label, predict(again, X = data)), 0.95)
})

test_that("a training loop by hand", {
  set.seed(2)
  d <- digits(200)
  train <- mx.io.arrayiter(d$x, d$y, batch.size = 50, shuffle = TRUE)
  mx.set.seed(1)
  net <- mlp_of_digits()
  exec <- mx.simple.bind(net, ctx = mx.cpu(), data = c(784, 50), grad.req = "write")
  shapes <- mx.symbol.infer.shape(net, data = c(784, 50))$arg.shapes
  mx.exec.update.arg.arrays(exec, mx.init.create(mx.init.normal(0.05), shapes[grep("fc", names(shapes))], mx.cpu()),
                            match.name = TRUE)
  updater <- mx.opt.get.updater(mx.opt.create("sgd", learning.rate = 0.1, momentum = 0.9, wd = 1e-4, rescale.grad = 1 / 50),
                                exec$ref.arg.arrays, ctx = mx.cpu())
  metric <- mx.metric.accuracy
  for (round in 1:6) {
    state <- metric$init()
    train$reset()
    while (train$iter.next()) {
      batch <- train$value()
      names(batch) <- c("data", "sm_label")
      mx.exec.update.arg.arrays(exec, batch, match.name = TRUE)
      mx.exec.forward(exec, is.train = TRUE)
      state <- metric$update(batch$sm_label, exec$ref.outputs[[1]], state)
      mx.exec.backward(exec)
      updated <- updater(exec$ref.arg.arrays, exec$ref.grad.arrays)
      mx.exec.update.arg.arrays(exec, updated, skip.null = TRUE)
    }
  }
  expect_gt(metric$get(state)$value, 0.95)
})

test_that("a competition's table of digits, first dense, then LeNet", {
  set.seed(3)
  d <- digits(300)
  table <- data.matrix(data.frame(label = d$y, round(t(d$x) * 255)))
  train.x <- t(table[, -1] / 255)
  train.y <- table[, 1]
  mx.set.seed(0)
  model <- silent(mx.model.FeedForward.create(
    mlp_of_digits(), X = train.x, y = train.y, ctx = list(mx.cpu()), num.round = 6, array.batch.size = 50,
    learning.rate = 0.07, momentum = 0.9, eval.metric = mx.metric.accuracy, initializer = mx.init.uniform(0.07),
    epoch.end.callback = mx.callback.log.train.metric(100)))
  expect_gt(mean(max.col(t(predict(model, train.x))) - 1 == train.y), 0.95)

  train.array <- train.x
  dim(train.array) <- c(28, 28, 1, ncol(train.x))
  conv1 <- mx.symbol.Convolution(data = mx.symbol.Variable("data"), kernel = c(5, 5), num_filter = 4)
  tanh1 <- mx.symbol.Activation(data = conv1, act_type = "tanh")
  pool1 <- mx.symbol.Pooling(data = tanh1, pool_type = "max", kernel = c(2, 2), stride = c(2, 2))
  fc1 <- mx.symbol.FullyConnected(data = mx.symbol.Flatten(data = pool1), num_hidden = 10)
  lenet <- mx.symbol.SoftmaxOutput(data = fc1)
  logger <- mx.metric.logger$new()
  model <- silent(mx.model.FeedForward.create(
    lenet, X = train.array, y = train.y, ctx = mx.cpu(), num.round = 4, array.batch.size = 50, learning.rate = 0.05,
    momentum = 0.9, wd = 0.00001, eval.metric = mx.metric.accuracy,
    batch.end.callback = mx.callback.log.train.metric(1, logger),
    epoch.end.callback = mx.callback.log.train.metric(100)))
  expect_length(logger$train, 24)
  expect_gt(tail(logger$train, 1), 0.9)
  expect_match(graph.viz(model$symbol)$dot, "Convolution")
})

test_that("a classifier of pictures, with the mean of others taken away, and its last layer learned anew", {
  set.seed(4)
  net <- mx.symbol.Convolution(mx.symbol.Variable("data"), kernel = c(3, 3), num_filter = 4, name = "conv")
  net <- mx.symbol.BatchNorm(net, name = "bn", fix_gamma = FALSE)
  net <- mx.symbol.Flatten(mx.symbol.Activation(net, act_type = "relu"), name = "flatten")
  net <- mx.symbol.SoftmaxOutput(mx.symbol.FullyConnected(net, num_hidden = 6, name = "fc"), name = "softmax")
  mx.set.seed(1)
  fresh <- mx.model.init.params(net, list(data = c(16, 16, 3, 1)), NULL, mx.init.uniform(0.1), mx.cpu())
  prefix <- tempfile()
  mx.model.save(structure(c(list(symbol = net), fresh), class = "MXFeedForwardModel"), prefix, 39)
  mx.nd.save(list(mean_img = mx.nd.array(array(117, c(16, 16, 3)))), paste0(prefix, ".nd"))

  model <- mx.model.load(prefix, iteration = 39)
  mean.img <- as.array(mx.nd.load(paste0(prefix, ".nd"))[["mean_img"]])
  normed <- array(runif(768, 0, 255), c(16, 16, 3)) - mean.img
  dim(normed) <- c(16, 16, 3, 1)
  prob <- predict(model, X = normed)
  expect_identical(dim(prob), c(6L, 1L))
  expect_equal(sum(prob), 1, tolerance = 1e-5)
  synsets <- letters[1:6]
  expect_true(synsets[[max.col(t(prob))]] %in% synsets)

  internals <- model$symbol$get.internals()
  flatten <- internals$get.output(match("flatten_output", internals$outputs))
  new_net <- mx.symbol.SoftmaxOutput(mx.symbol.FullyConnected(data = flatten, num_hidden = 2, name = "fc_new"), name = "softmax")
  params <- mx.model.init.params(new_net, input.shape = list(data = c(16, 16, 3, 8)), output.shape = NULL,
                                 initializer = mx.init.uniform(0.1), ctx = mx.cpu())$arg.params
  kept <- intersect(names(params), names(model$arg.params))
  params[kept] <- model$arg.params[kept]
  x <- array(runif(768 * 16, 0, 1), c(16, 16, 3, 16))
  x[, , 1, 1:8] <- x[, , 1, 1:8] + 1
  tuned <- silent(mx.model.FeedForward.create(
    symbol = new_net, X = x, y = rep(0:1, each = 8), ctx = mx.cpu(), num.round = 30, array.batch.size = 8,
    learning.rate = 0.05, momentum = 0.9, eval.metric = mx.metric.accuracy, arg.params = params,
    aux.params = model$aux.params, fixed.param = c("conv_weight", "conv_bias")))
  expect_equal(as.array(tuned$arg.params$conv_weight), as.array(model$arg.params$conv_weight))
  expect_gt(mean(max.col(t(predict(tuned, x))) - 1 == rep(0:1, each = 8)), 0.8)
})

test_that("an iterator of one's own over an iterator of the library's", {
  set.seed(5)
  d <- digits(120)
  csv <- tempfile(fileext = ".csv")
  write.table(cbind(d$y, round(t(d$x) * 255)), csv, sep = ",", row.names = FALSE, col.names = FALSE)
  CustomCSVIter <- setRefClass("CustomCSVIter", fields = c("iter", "data.csv", "data.shape", "batch.size"),
    contains = "Rcpp_MXArrayDataIter", methods = list(
      initialize = function(iter, data.csv, data.shape, batch.size) {
        .self$iter <- mx.io.CSVIter(data.csv = data.csv, data.shape = c(data.shape * data.shape + 1), batch.size = batch.size)
        .self
      },
      value = function() {
        val <- as.array(.self$iter$value()$data)
        val.x <- val[-1, ] / 255
        dim(val.x) <- c(28, 28, 1, ncol(val.x))
        list(data = mx.nd.array(val.x), label = mx.nd.array(val[1, ]))
      },
      iter.next = function() .self$iter$iter.next(),
      reset = function() .self$iter$reset(),
      num.pad = function() .self$iter$num.pad(),
      finalize = function() .self$iter$finalize()))
  train.iter <- CustomCSVIter$new(iter = NULL, data.csv = csv, data.shape = 28, batch.size = 30)
  net <- mx.symbol.FullyConnected(mx.symbol.Flatten(mx.symbol.Variable("data")), num_hidden = 10)
  mx.set.seed(0)
  model <- silent(mx.model.FeedForward.create(
    symbol = mx.symbol.SoftmaxOutput(net, name = "softmax"), X = train.iter, ctx = mx.cpu(), num.round = 8,
    learning.rate = 0.1, momentum = 0.9, eval.metric = mx.metric.accuracy, initializer = mx.init.uniform(0.1)))
  expect_gt(mean(max.col(t(predict(model, train.iter))) - 1 == d$y), 0.95)
})

test_that("factors of users and items, from an iterator with two inputs", {
  set.seed(6)
  users <- matrix(rnorm(40), 2)
  items <- matrix(rnorm(30), 2)
  user <- sample(20, 400, TRUE)
  item <- sample(15, 400, TRUE)
  score <- colSums(users[, user] * items[, item])
  Ratings <- setRefClass("Ratings", fields = c("user", "item", "rating", "at"), contains = "Rcpp_MXArrayDataIter", methods = list(
    iter.next = function() {
      at <<- at + 1
      at <= 10
    },
    reset = function() at <<- 0,
    value = function() {
      now <- (at - 1) * 40 + 1:40
      list(user = mx.nd.array(user[now] - 1), item = mx.nd.array(item[now] - 1), score = mx.nd.array(rating[now]))
    },
    num.pad = function() 0))
  embed <- function(name, n) {
    e <- mx.symbol.Embedding(data = mx.symbol.Variable(name), input_dim = n, output_dim = 4, name = paste0(name, "_embed"))
    mx.symbol.Flatten(e)
  }
  pred <- mx.symbol.sum_axis(embed("user", 20) * embed("item", 15), axis = 1)
  net <- mx.symbol.LinearRegressionOutput(data = mx.symbol.Flatten(pred), label = mx.symbol.Variable("score"), name = "lro")
  mx.set.seed(1)
  log <- mx.metric.logger$new()
  silent(mx.model.FeedForward.create(
    net, X = Ratings$new(user = user, item = item, rating = score, at = 0), ctx = mx.cpu(), num.round = 40, optimizer = "adam", learning.rate = 0.02,
    initializer = mx.init.normal(0.3), eval.metric = mx.metric.rmse, input.names = c("user", "item"), output.names = "score",
    epoch.end.callback = mx.callback.log.train.metric(1, log)))
  expect_lt(tail(log$train, 1), 0.3 * log$train[1])
})

test_that("several labels of each picture", {
  set.seed(7)
  n <- 120
  label <- matrix(sample(0:2, 2 * n, TRUE), 2)
  x <- matrix(runif(12 * n, 0, 0.2), 12)
  for (i in seq_len(n)) for (k in 1:2) x[(k - 1) * 6 + label[k, i] * 2 + 1:2, i] <- 1
  data <- mx.symbol.Variable("data")
  each <- lapply(1:2, function(k) mx.symbol.FullyConnected(data, num_hidden = 3))
  fc <- mx.symbol.concat(data = each, num.args = 2, dim = 0)
  target <- mx.symbol.Reshape(data = mx.symbol.transpose(data = mx.symbol.Variable("label")), shape = c(-1))
  net <- mx.symbol.SoftmaxOutput(data = fc, label = target, name = "softmax")
  hits <- mx.metric.custom("accuracy", function(label, pred) {
    ypred <- max.col(t(as.array(pred))) - 1
    ylabel <- as.numeric(t(as.array(label)))
    sum(ylabel == ypred) / length(ylabel)
  })
  mx.set.seed(2)
  log <- mx.metric.logger$new()
  silent(mx.model.FeedForward.create(
    X = mx.io.arrayiter(x, label, batch.size = 40), ctx = mx.cpu(), symbol = net, eval.metric = hits, num.round = 15,
    learning.rate = 2, momentum = 0.9, initializer = mx.init.Xavier(factor_type = "in", magnitude = 2.34),
    optimizer = "sgd", epoch.end.callback = mx.callback.log.train.metric(1, log)))
  expect_gt(tail(log$train, 1), 0.95)
})

test_that("characters with mx.lstm, and what it says by itself", {
  text <- rep(c(1, 2, 3, 4), 60)
  X <- list(data = matrix(text[1:160], 8), label = matrix(text[2:161], 8))
  mx.set.seed(0)
  model <- silent(mx.lstm(X, X, ctx = mx.cpu(), num.round = 30, update.period = 1, num.lstm.layer = 1, seq.len = 8,
                          num.hidden = 16, num.embed = 8, num.label = 5, batch.size = 10, input.size = 5,
                          initializer = mx.init.uniform(0.1), learning.rate = 0.3, wd = 0.00001, clip_gradient = 1))
  infer <- mx.lstm.inference(num.lstm.layer = 1, input.size = 5, num.hidden = 16, num.embed = 8, num.label = 5,
                             arg.params = model$arg.params, ctx = mx.cpu())
  last <- 1
  said <- c()
  for (i in 1:8) {
    ret <- mx.lstm.forward(infer, last, FALSE)
    infer <- ret$model
    last <- which.max(as.array(ret$prob)) - 1
    said <- c(said, last)
  }
  expect_equal(said, rep(c(2, 3, 4, 1), 2))
})

test_that("sentences in buckets, one to a class", {
  set.seed(8)
  bucket <- function(len, n) {
    label <- rep(0:1, length.out = n)
    data <- matrix(sample(3:6, len * n, TRUE), len)
    data[1, ] <- 1 + label
    list(data = data, label = label)
  }
  buckets <- list("4" = bucket(4, 80), "6" = bucket(6, 60))
  train <- mx.io.bucket.iter(buckets = buckets, batch.size = 20, data.mask.element = 0, shuffle = TRUE)
  eval <- mx.io.bucket.iter(buckets = buckets, batch.size = 20, data.mask.element = 0, shuffle = FALSE)
  graph <- rnn.graph(config = "seq-to-one", cell_type = "lstm", num_rnn_layer = 1, num_embed = 4, num_hidden = 8,
                     num_decode = 2, input_size = 7, dropout = 0, ignore_label = -1, loss_output = "softmax",
                     output_last_state = FALSE, masking = TRUE)
  mx.set.seed(1)
  optimizer <- mx.opt.create("rmsprop", learning.rate = 0.02, gamma1 = 0.9, gamma2 = 0.9, wd = 1e-4, clip_gradient = 5,
                             rescale.grad = 1 / 20)
  logger <- mx.metric.logger()
  model <- silent(mx.model.buckets(
    symbol = graph, train.data = train, eval.data = eval, num.round = 12, ctx = mx.cpu(), verbose = TRUE,
    metric = mx.metric.accuracy, optimizer = optimizer,
    initializer = mx.init.Xavier(rnd_type = "gaussian", factor_type = "in", magnitude = 2),
    batch.end.callback = mx.callback.log.speedometer(batch.size = 20, frequency = 50),
    epoch.end.callback = mx.callback.log.train.metric(period = 1, logger)))
  expect_gt(tail(logger$eval, 1), 0.95)
  prefix <- tempfile()
  mx.model.save(model, prefix = prefix, iteration = 12)
  model <- mx.model.load(prefix, iteration = 12)
  infer <- t(as.array(mx.infer.rnn(infer.data = eval, model = model, ctx = mx.cpu())))
  label <- mx.io.extract(eval, "label")
  expect_gt(mean(max.col(infer) - 1 == label), 0.95)

  unrolled <- sapply(names(buckets), function(len) {
    rnn.graph.unroll(config = "seq-to-one", cell_type = "gru", num_rnn_layer = 1, seq_len = as.integer(len), num_embed = 4,
                     num_hidden = 8, num_decode = 2, input_size = 7, dropout = 0, ignore_label = -1,
                     loss_output = "softmax", masking = TRUE)
  })
  logger <- mx.metric.logger()
  silent(mx.model.buckets(symbol = unrolled, train.data = train, eval.data = eval, num.round = 2, ctx = mx.cpu(),
                          metric = mx.metric.accuracy, optimizer = "sgd", initializer = mx.init.Xavier(),
                          epoch.end.callback = mx.callback.log.train.metric(period = 1, logger)))
  expect_length(logger$train, 2)
})

test_that("a time series, and its continuation state by state", {
  mx.set.seed(1)
  t <- seq(0, 12 * pi, length.out = 241)
  series <- rbind(sin(t), cos(t))
  windows <- lapply(seq(1, 216, by = 6), function(i) i + 0:23)
  x <- array(unlist(lapply(windows, function(w) series[, w])), c(2, 24, length(windows)))
  y <- sapply(windows, function(w) series[1, w + 1])
  train <- mx.io.arrayiter(data = x, label = y, batch.size = 12, shuffle = TRUE)
  eval <- mx.io.arrayiter(data = x, label = y, batch.size = 12, shuffle = FALSE)
  symbol <- rnn.graph(num_rnn_layer = 1, num_hidden = 16, input_size = NULL, num_embed = NULL, num_decode = 1,
                      masking = FALSE, loss_output = "linear", dropout = 0, ignore_label = -1, cell_type = "lstm",
                      output_last_state = TRUE, config = "one-to-one")
  mse <- mx.metric.custom("MSE", function(label, pred) {
    label <- mx.nd.reshape(label, shape = -1)
    pred <- mx.nd.reshape(pred, shape = -1)
    as.array(mx.nd.mean(mx.nd.square(label - pred)))
  })
  optimizer <- mx.opt.create("adadelta", rho = 0.9, eps = 1e-5, wd = 1e-6, clip_gradient = 1, rescale.grad = 1 / 12)
  logger <- mx.metric.logger()
  model <- silent(mx.model.buckets(
    symbol = symbol, train.data = train, eval.data = eval, num.round = 40, ctx = mx.cpu(), verbose = TRUE, metric = mse,
    initializer = mx.init.Xavier(rnd_type = "gaussian", factor_type = "avg", magnitude = 3), optimizer = optimizer,
    batch.end.callback = NULL, epoch.end.callback = mx.callback.log.train.metric(period = 10, logger)))
  expect_lt(tail(logger$eval, 1), 0.3 * logger$eval[1])

  internals <- model$symbol$get.internals()
  of <- function(name) internals$get.output(which(internals$outputs %in% name))
  states <- mx.symbol.Group(of("loss_output"), of("RNN_state_output"), of("RNN_statecell_output"))
  step <- function(data, params) {
    mx.infer.rnn.one(infer.data = mx.io.arrayiter(data = data, label = array(0, dim(data)[2:3]), batch.size = 1),
                     symbol = states, arg.params = model$arg.params, aux.params = model$aux.params, input.params = params,
                     ctx = mx.cpu())
  }
  warm <- step(x[, , 1, drop = FALSE], NULL)
  first <- step(x[, 1:23, 1, drop = FALSE], NULL)
  last <- step(x[, 24, 1, drop = FALSE], list(rnn.state = first[[2]], rnn.state.cell = first[[3]]))
  expect_equal(as.numeric(as.array(last[[1]])), tail(as.numeric(as.array(warm[[1]])), 1), tolerance = 1e-5)
})
