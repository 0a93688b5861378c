# Two classes of points that a small network tells apart.
points <- function(n = 300) {
  set.seed(1)
  x <- matrix(rnorm(2 * n), n)
  list(x = x, y = as.integer(x[, 1] * x[, 2] > 0))
}

quiet <- function(...) suppressMessages(...)

test_that("mx.mlp learns classes, from rows or columns", {
  p <- points()
  mx.set.seed(1)
  model <- quiet(mx.mlp(p$x, p$y, hidden_node = c(16, 8), out_node = 2, activation = c("relu", "tanh"), num.round = 60,
                        array.batch.size = 30, learning.rate = 0.2, momentum = 0.9, eval.metric = mx.metric.accuracy,
                        initializer = mx.init.Xavier(), array.layout = "rowmajor"))
  expect_s3_class(model, "MXFeedForwardModel")
  prob <- predict(model, p$x, array.layout = "rowmajor")
  expect_identical(dim(prob), c(2L, 300L))
  expect_gt(mean(max.col(t(prob)) - 1 == p$y), 0.93)
  expect_equal(predict(model, t(p$x), array.layout = "colmajor"), prob)
  expect_equal(predict(model, p$x), prob)
  expect_equal(predict(model, as.data.frame(p$x)), prob)
  expect_output(print(model), "MXFeedForwardModel")
  expect_identical(summary(model)$dim[1], "2 x 16")
  expect_identical(dim(coef(model)[[1]]), c(2L, 16L))
})

test_that("progress is told, and verbose = FALSE is silent", {
  p <- points(60)
  expect_message(mx.mlp(p$x, p$y, out_node = 2, num.round = 1, eval.metric = mx.metric.accuracy), "\\[1\\] Train-accuracy=")
  expect_message(mx.mlp(p$x, p$y, out_node = 2, num.round = 1), "Start training with 1 devices")
  expect_silent(mx.mlp(p$x, p$y, out_node = 2, num.round = 1, verbose = FALSE))
  expect_message(mx.mlp(p$x, p$y, out_node = 2, num.round = 1, eval.data = list(data = p$x, label = p$y)),
                 "\\[1\\] Validation-accuracy=")
})

test_that("regression", {
  set.seed(2)
  x <- matrix(rnorm(400), 100)
  y <- drop(x %*% c(1, -2, 3, 0.5)) + 1
  data <- mx.symbol.Variable("data")
  net <- mx.symbol.LinearRegressionOutput(mx.symbol.FullyConnected(data, num_hidden = 1))
  mx.set.seed(0)
  model <- quiet(mx.model.FeedForward.create(net, X = x, y = y, num.round = 50, array.batch.size = 20, learning.rate = 0.05,
                                             momentum = 0.9, eval.metric = mx.metric.rmse))
  expect_lt(sqrt(mean((as.vector(predict(model, x)) - y)^2)), 0.01)
  logistic <- quiet(mx.mlp(x, as.integer(y > 1), hidden_node = 4, out_node = 1, out_activation = "logistic", num.round = 20,
                           array.batch.size = 20, learning.rate = 0.2, momentum = 0.9, eval.metric = mx.metric.logistic_acc))
  expect_gt(mean((as.vector(predict(logistic, x)) > 0.5) == (y > 1)), 0.9)
})

test_that("models go to files and come back, and take up training where it was", {
  p <- points(100)
  mx.set.seed(1)
  model <- quiet(mx.mlp(p$x, p$y, hidden_node = 4, out_node = 2, num.round = 2))
  prefix <- tempfile()
  mx.model.save(model, prefix, 2)
  expect_true(file.exists(paste0(prefix, "-0002.params")))
  back <- mx.model.load(prefix, 2)
  expect_identical(predict(back, p$x), predict(model, p$x))
  on <- quiet(mx.model.FeedForward.create(back$symbol, p$x, p$y, begin.round = 3, num.round = 4, arg.params = back$arg.params,
                                          aux.params = back$aux.params, learning.rate = 0))
  expect_identical(predict(on, p$x), predict(model, p$x))
  file <- tempfile()
  saveRDS(model, file)
  expect_identical(predict(readRDS(file), p$x), predict(model, p$x))
  plain <- mx.serialize(model)
  expect_true(is.serialized(plain))
  expect_false(is.serialized(model))
  expect_type(plain$arg.params[[1]], "double")
  expect_identical(predict(mx.unserialize(plain), p$x), predict(model, p$x))
})

test_that("fixed parameters stay, and unknown ones are told", {
  p <- points(60)
  net <- mx.symbol.SoftmaxOutput(mx.symbol.FullyConnected(mx.symbol.Variable("data"), num_hidden = 2, name = "fc"), name = "sm")
  w <- list(fc_weight = mx.nd.array(matrix(c(1, 2, 3, 4), 2)))
  model <- quiet(mx.model.FeedForward.create(net, p$x, p$y, num.round = 2, arg.params = w, fixed.param = "fc_weight",
                                             learning.rate = 1))
  expect_equal(as.array(model$arg.params$fc_weight), matrix(c(1, 2, 3, 4), 2))
  expect_false(all(as.array(model$arg.params$fc_bias) == 0))
  extra <- c(w, list(other = mx.nd.ones(1)))
  expect_error(quiet(mx.model.FeedForward.create(net, p$x, p$y, arg.params = extra)), "other", class = "heddle_error")
  expect_silent(mx.model.FeedForward.create(net, p$x, p$y, arg.params = extra, allow.extra.params = TRUE, num.round = 1, verbose = FALSE))
})

test_that("layouts are found out, or asked for", {
  expect_error(quiet(mx.mlp(matrix(0, 5, 5), 1:5, out_node = 2)), "rowmajor", class = "heddle_error")
  expect_error(quiet(mx.mlp(matrix(0, 4, 6), 1:5, out_node = 2)), "neither", class = "heddle_error")
})

test_that("two devices learn what one learns", {
  p <- points(64)
  run <- function(ctx, kvstore = "local") {
    mx.set.seed(1)
    quiet(mx.mlp(p$x, p$y, hidden_node = 4, out_node = 2, num.round = 3, array.batch.size = 16, learning.rate = 0.1,
                 momentum = 0.9, ctx = ctx, kvstore = kvstore))
  }
  one <- coef(run(mx.cpu()))
  expect_equal(unname(coef(run(list(mx.cpu(0), mx.cpu(1))))), unname(one), tolerance = 1e-5)
  expect_equal(unname(coef(run(list(mx.cpu(0), mx.cpu(1)), "local_allreduce_cpu"))), unname(one), tolerance = 1e-5)
})

test_that("callbacks see the training, and can end it", {
  p <- points(64)
  run <- function(...) quiet(mx.mlp(p$x, p$y, hidden_node = 4, out_node = 2, array.batch.size = 16, eval.metric = mx.metric.accuracy, ...))
  logger <- mx.metric.logger$new()
  run(num.round = 3, batch.end.callback = mx.callback.log.train.metric(2, logger))
  expect_length(logger$train, 6)
  prefix <- tempfile()
  run(num.round = 4, epoch.end.callback = mx.callback.save.checkpoint(prefix, period = 2))
  expect_true(file.exists(paste0(prefix, "-0004.params")))
  expect_false(file.exists(paste0(prefix, "-0003.params")))
  rounds <- 0
  run(num.round = 10, epoch.end.callback = function(iteration, nbatch, env, verbose) {
    rounds <<- iteration
    iteration < 3
  })
  expect_equal(rounds, 3)
  run(num.round = 10, epoch.end.callback = mx.callback.early.stop(train.metric = 0, maximize = TRUE), batch.end.callback = function(iteration, ...) {
    rounds <<- iteration
    TRUE
  })
  expect_equal(rounds, 1)
  expect_message(mx.mlp(p$x, p$y, out_node = 2, num.round = 1, array.batch.size = 8, eval.metric = mx.metric.accuracy,
                        batch.end.callback = mx.callback.log.speedometer(8, 2)), "Batch \\[4\\] Speed: .* samples/sec Train-accuracy=")
})

test_that("early stopping waits for bad rounds", {
  stop_after <- mx.callback.early.stop(bad.steps = 2)
  env <- new.env()
  env$metric <- list(get = function(state) list(name = "loss", value = state))
  losses <- c(3, 2, 2.5, 1, 1.5, 1.2)
  going <- vapply(losses, function(l) {
    env$train.metric <- l
    stop_after(1, 0, env, FALSE)
  }, NA)
  expect_identical(going, c(TRUE, TRUE, TRUE, TRUE, TRUE, FALSE))
})

test_that("metrics are means over batches", {
  value <- function(metric, label, pred) {
    metric$get(metric$update(mx.nd.array(label), mx.nd.array(pred), metric$init()))$value
  }
  pred <- matrix(c(0.9, 0.1, 0.2, 0.8, 0.6, 0.4), 2)
  expect_equal(value(mx.metric.accuracy, c(0, 1, 1), pred), 2 / 3, tolerance = 1e-6)
  expect_equal(value(mx.metric.mse, 1:3, matrix(c(1, 3, 5), 1)), 5 / 3, tolerance = 1e-6)
  expect_equal(value(mx.metric.rmse, 1:3, matrix(c(1, 3, 5), 1)), sqrt(5 / 3), tolerance = 1e-6)
  expect_equal(value(mx.metric.mae, 1:3, matrix(c(1, 3, 5), 1)), 1, tolerance = 1e-6)
  expect_equal(value(mx.metric.rmsle, 1:3, matrix(c(1, 3, 5), 1)), sqrt(mean((log1p(c(1, 3, 5)) - log1p(1:3))^2)), tolerance = 1e-5)
  expect_equal(value(mx.metric.logloss, c(1, 0), matrix(c(0.8, 0.4), 1)), -mean(log(c(0.8, 0.6))), tolerance = 1e-5)
  expect_true(is.finite(value(mx.metric.logloss, c(1, 0), matrix(c(0, 1), 1))))
  expect_equal(value(mx.metric.logistic_acc, c(1, 0), matrix(c(0.8, 0.6), 1)), 0.5)
  expect_equal(value(mx.metric.Perplexity, c(0, 1, -1), pred), exp(-mean(log(c(0.9, 0.8)))), tolerance = 1e-5)
  many <- matrix(runif(60), 10)
  label <- c(0, 3, 9, 2, 5, 7)
  best <- vapply(1:6, function(i) (label[i] + 1) %in% order(-many[, i])[1:5], NA)
  expect_equal(value(mx.metric.top_k_accuracy, label, many), mean(best), tolerance = 1e-6)
  state <- mx.metric.mae$init()
  for (i in 1:2) state <- mx.metric.mae$update(mx.nd.array(0), mx.nd.array(i), state)
  expect_equal(mx.metric.mae$get(state), list(name = "mae", value = 1.5))
})

test_that("stores sum what several push", {
  kv <- mx.kv.create("local")
  expect_identical(kv$type, "local")
  expect_false(kv$update.on.kvstore)
  kv$init(c("a", "b"), list(mx.nd.zeros(2), mx.nd.ones(3)))
  kv$push("a", list(list(mx.nd.array(c(1, 2)), mx.nd.array(c(10, 20)))))
  out <- list(mx.nd.zeros(2), mx.nd.zeros(2))
  kv$pull("a", list(out))
  expect_equal(lapply(out, as.array), list(c(11, 22), c(11, 22)))
  kv$set.optimizer(mx.opt.create("sgd", learning.rate = 0.5))
  kv$push(c("a", "b"), list(mx.nd.ones(2), mx.nd.ones(3)), c(0, -1))
  out <- list(mx.nd.zeros(2), mx.nd.zeros(3))
  kv$pull(c("a", "b"), out, c(0, -1))
  expect_equal(lapply(out, as.array), list(c(10.5, 21.5), rep(0.5, 3)))
  expect_true(kv$update.on.kvstore)
  expect_error(mx.kv.create("nothing"), "nothing", class = "heddle_error")
})

test_that("the profiler writes what ran", {
  file <- tempfile(fileext = ".json")
  mx.profiler.config(mode = MX.PROF.MODE$ALL, filename = file)
  mx.profiler.state(MX.PROF.STATE$RUN)
  a <- mx.nd.ones(c(10, 10)) + 1
  mx.nd.wait(a)
  mx.profiler.state(MX.PROF.STATE$STOP)
  expect_match(paste(readLines(file), collapse = ""), "_plus_scalar")
  expect_true("_plus_scalar" %in% mx.profiler.totals()$name)
  expect_silent(mx.profiler.config(list(filename = file, profile_all = TRUE)))
})

test_that("formulas: a factor is a class, numbers are regressed", {
  fit <- heddle_mlp(Species ~ ., iris, hidden = c(16, 8), epochs = 60, seed = 1, validation = 0.2)
  expect_gt(mean(predict(fit, iris) == iris$Species), 0.93)
  prob <- predict(fit, iris, type = "prob")
  expect_identical(colnames(prob), levels(iris$Species))
  expect_equal(unname(rowSums(prob)), rep(1, 150), tolerance = 1e-5)
  expect_length(fit$history$train, 60)
  expect_length(fit$history$validation, 60)
  expect_lt(tail(fit$history$train, 1), fit$history$train[1])
  expect_output(print(fit), "3 classes")
  expect_length(coef(fit), 6)
  pdf(NULL)
  plot(fit)
  dev.off()
  again <- heddle_mlp(Species ~ ., iris, hidden = c(16, 8), epochs = 60, seed = 1, validation = 0.2)
  expect_identical(coef(again), coef(fit))
  file <- tempfile()
  saveRDS(fit, file)
  expect_identical(predict(readRDS(file), iris), predict(fit, iris))
  cars <- heddle_mlp(mpg ~ wt + factor(cyl) + log(hp), mtcars, hidden = 8, epochs = 100, seed = 1)
  expect_lt(sqrt(mean((predict(cars, mtcars) - mtcars$mpg)^2)), 3)
  expect_error(heddle_mlp(Species ~ 1, iris), "no predictors", class = "heddle_error")
})
