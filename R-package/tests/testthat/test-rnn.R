# Sequences in which each number follows from the one before.
cyclic <- function(n = 64, steps = 6, words = 5) {
  data <- vapply(seq_len(n), function(i) (i + seq_len(steps)) %% words, numeric(steps))
  list(data = data, label = (data + 1) %% words)
}

quiet <- function(...) suppressMessages(...)

test_that("mx.lstm, mx.gru and mx.rnn learn, and say the next word", {
  d <- cyclic()
  for (cell in c("lstm", "gru", "rnn")) {
    mx.set.seed(2)
    train <- get(paste0("mx.", cell))
    args <- list(train.data = d, 1, seq.len = 6, num.hidden = 16, num.embed = 8, num.label = 5, batch.size = 16,
                 input.size = 5, num.round = 15, optimizer = "adam", learning.rate = 0.05, initializer = mx.init.uniform(0.2))
    names(args)[2] <- paste0("num.", cell, ".layer")
    told <- capture_messages(model <- do.call(train, args))
    perplexity <- as.numeric(sub(".*=", "", grep("Train-Perplexity", told, value = TRUE)))
    expect_lt(tail(perplexity, 1), 1.5)
    expect_gt(perplexity[1], 3)
    infer <- get(paste0("mx.", cell, ".inference"))
    step <- get(paste0("mx.", cell, ".forward"))
    args <- list(1, input.size = 5, num.hidden = 16, num.embed = 8, num.label = 5, arg.params = model$arg.params)
    names(args)[1] <- paste0("num.", cell, ".layer")
    one <- do.call(infer, args)
    word <- 2
    r <- step(one, word, TRUE)
    for (i in 1:4) {
      expect_equal(which.max(as.array(r$prob)) - 1, (word + 1) %% 5, info = cell)
      word <- (word + 1) %% 5
      r <- step(r$model, word, FALSE)
    }
  }
})

test_that("the state goes from step to step until a new sequence begins", {
  mx.set.seed(3)
  symbols <- cyclic()
  model <- quiet(mx.lstm(symbols, num.lstm.layer = 2, seq.len = 6, num.hidden = 4, num.embed = 4, num.label = 5, batch.size = 16,
                         input.size = 5, num.round = 1, initializer = mx.init.uniform(1)))
  one <- mx.lstm.inference(2, 5, 4, 4, 5, arg.params = model$arg.params)
  first <- as.array(mx.lstm.forward(one, 1, TRUE)$prob)
  second <- as.array(mx.lstm.forward(one, 1, FALSE)$prob)
  expect_false(isTRUE(all.equal(first, second)))
  expect_equal(as.array(mx.lstm.forward(one, 1, TRUE)$prob), first)
  # Two steps by hand are the second of two unrolled.
  net <- model$symbol
  exec <- mx.simple.bind(net, mx.cpu(), data = c(6, 1), label = c(6, 1))
  mx.exec.update.arg.arrays(exec, model$arg.params, match.name = TRUE)
  mx.exec.update.arg.arrays(exec, list(data = mx.nd.ones(c(6, 1))), match.name = TRUE)
  mx.exec.forward(exec, is.train = FALSE)
  expect_equal(as.array(exec$ref.outputs[[1]])[, 2], as.vector(second), tolerance = 1e-5)
})

test_that("batches can share a step", {
  d <- cyclic(32)
  args <- list(d, num.lstm.layer = 1, seq.len = 6, num.hidden = 4, num.embed = 4, num.label = 5, batch.size = 8,
               input.size = 5, num.round = 1)
  mx.set.seed(1)
  by_one <- quiet(do.call(mx.lstm, c(args, list(learning.rate = 0.1))))
  mx.set.seed(1)
  by_four <- quiet(do.call(mx.lstm, c(args, list(learning.rate = 0.1, update.period = 4))))
  expect_false(isTRUE(all.equal(coef(by_one), coef(by_four))))
})

# The mean of a sequence's first numbers decides its class.
buckets <- function() {
  set.seed(3)
  made <- lapply(c("4" = 4, "7" = 7), function(steps) {
    label <- rep(0:1, 24)
    data <- vapply(label, function(l) sample(if (l) 4:6 else 1:3, steps, TRUE) * c(rep(1, steps - 1), sample(0:1, 1)), numeric(steps))
    list(data = data, label = label)
  })
  made
}

test_that("fused graphs learn on buckets, and infer", {
  for (cell in c("lstm", "gru")) {
    net <- rnn.graph(1, input_size = 7, num_embed = 4, num_hidden = 8, num_decode = 2, masking = TRUE, loss_output = "softmax",
                     config = "seq-to-one", cell_type = cell)
    expect_true(all(c("data", "label", "seq.mask", "embed.weight", "rnn.params.weight", "rnn.state", "cls.weight", "cls.bias") %in%
                      arguments(net)))
    expect_identical("rnn.state.cell" %in% arguments(net), cell == "lstm")
    mx.set.seed(1)
    iter <- mx.io.bucket.iter(buckets(), batch.size = 8, shuffle = TRUE)
    model <- quiet(mx.model.buckets(net, iter, metric = mx.metric.accuracy, num.round = 15, initializer = mx.init.Xavier(),
                                    optimizer = mx.opt.create("adam", learning.rate = 0.02, rescale.grad = 1 / 8)))
    test <- mx.io.bucket.iter(buckets(), batch.size = 8)
    prob <- mx.infer.rnn(test, model)
    expect_identical(dim(prob), c(2L, 96L))
    truth <- unlist(lapply(buckets(), `[[`, "label"))
    expect_gt(mean(max.col(t(prob)) - 1 == truth), 0.95)
  }
})

test_that("unrolled graphs have a symbol per bucket and share their parameters", {
  nets <- lapply(c("4" = 4, "7" = 7), function(steps) {
    rnn.graph.unroll(1, seq_len = steps, input_size = 7, num_embed = 4, num_hidden = 8, num_decode = 2, masking = TRUE,
                     loss_output = "softmax", config = "seq-to-one", cell_type = "lstm")
  })
  expect_true(all(c("l1.i2h.weight", "l1.h2h.bias", "init_1_h", "init_1_c") %in% arguments(nets[[1]])))
  mx.set.seed(1)
  model <- quiet(mx.model.buckets(nets, mx.io.bucket.iter(buckets(), batch.size = 8, shuffle = TRUE), metric = mx.metric.accuracy,
                                  num.round = 15, initializer = mx.init.Xavier(),
                                  optimizer = mx.opt.create("adam", learning.rate = 0.02, rescale.grad = 1 / 8)))
  prob <- mx.infer.rnn(mx.io.bucket.iter(buckets(), batch.size = 8), model)
  expect_gt(mean(max.col(t(prob)) - 1 == unlist(lapply(buckets(), `[[`, "label"))), 0.95)
  gru <- rnn.graph.unroll(2, seq_len = 3, input_size = 7, num_embed = 4, num_hidden = 8, num_decode = 2, loss_output = "softmax",
                          config = "one-to-one", cell_type = "gru")
  expect_true(all(c("l1.gates.i2h.weight", "l2.trans.h2h.bias") %in% arguments(gru)))
  expect_identical(mx.symbol.infer.shape(gru, data = c(3, 5), label = c(3, 5))$out.shapes$loss_output, c(2L, 15L))
})

test_that("one step at a time, with the states as parameters", {
  make <- function(steps, last) rnn.graph(1, input_size = 7, num_embed = 4, num_hidden = 8, num_decode = 7, loss_output = "softmax",
                                          config = "one-to-one", cell_type = "lstm", output_last_state = last)
  inside <- internals(make(1, TRUE))
  net <- mx.symbol.Group(inside[["loss_output"]], inside[["RNN_state_output"]], inside[["RNN_statecell_output"]])
  mx.set.seed(6)
  params <- mx.model.init.params(net, list(data = c(2, 1)), list(label = c(2, 1)), mx.init.uniform(1), mx.cpu())$arg.params
  infer <- function(words, state = NULL) {
    iter <- mx.io.arrayiter(matrix(words, length(words)), matrix(0, length(words), 1), batch.size = 1)
    mx.infer.rnn.one(iter, net, params, list(), state)
  }
  both <- infer(c(1, 2))
  first <- infer(1)
  state <- list(rnn.state = first[[2]], rnn.state.cell = first[[3]])
  second <- infer(2, state)
  expect_equal(as.vector(as.array(second[[1]])), as.array(both[[1]])[, 2], tolerance = 1e-5)
  unrolled <- rnn.graph.unroll(1, seq_len = 1, input_size = 7, num_embed = 4, num_hidden = 8, num_decode = 7,
                               loss_output = "softmax", config = "one-to-one", cell_type = "lstm", output_last_state = TRUE)
  p <- mx.model.init.params(unrolled, list(data = c(1, 1)), list(label = c(1, 1), init_1_h = c(8, 1), init_1_c = c(8, 1)),
                            mx.init.uniform(1), mx.cpu())$arg.params
  iter <- mx.io.arrayiter(matrix(1), matrix(0), batch.size = 1)
  a <- mx.infer.rnn.one.unroll(iter, unrolled, 8, p, list())
  b <- mx.infer.rnn.one.unroll(iter, unrolled, 8, p, list(), init_states = list(init_1_h = a[[2]], init_1_c = a[[3]]))
  expect_false(isTRUE(all.equal(as.array(a[[1]]), as.array(b[[1]]))))
})
