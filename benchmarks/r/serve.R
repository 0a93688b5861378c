# The contender in R of benchmarks/python/r.py: answers "CASE SECONDS" on its input with work per second on its output.
library(heddle)

add <- function() {
  x <- mx.nd.array(1:4)
  y <- mx.nd.array(4:1)
  list(step = function() for (i in seq_len(1000)) x + y, amount = 1000, chunk = 1)  # without the time of calling step()
}

lenet <- function() {
  net <- mx.symbol.Variable("data")
  for (i in 1:2) {
    net <- mx.symbol.Convolution(net, kernel = c(5, 5), num_filter = c(20, 50)[i], name = paste0("conv", i))
    net <- mx.symbol.Pooling(mx.symbol.Activation(net, act_type = "tanh"), pool_type = "max", kernel = c(2, 2), stride = c(2, 2))
  }
  net <- mx.symbol.FullyConnected(mx.symbol.Flatten(net), num_hidden = 500, name = "fc1")
  net <- mx.symbol.FullyConnected(mx.symbol.Activation(net, act_type = "tanh"), num_hidden = 10, name = "fc2")
  net <- mx.symbol.SoftmaxOutput(net, name = "softmax")
  exec <- mx.simple.bind(net, mx.cpu(), grad.req = "write", data = c(28, 28, 1, 64), softmax_label = 64)
  shapes <- lapply(exec$ref.arg.arrays, dim)
  mx.exec.update.arg.arrays(exec, mx.init.create(mx.init.Xavier(), shapes, mx.cpu()), match.name = TRUE)
  updater <- mx.opt.get.updater(mx.opt.create("sgd", learning.rate = 0.01, momentum = 0.9, rescale.grad = 1 / 64),
                                exec$ref.arg.arrays, mx.cpu())
  batches <- lapply(1:20, function(i) list(data = mx.runif(shapes$data), softmax_label = mx.nd.array(sample(0:9, 64, TRUE))))
  at <- 0
  step <- function() {
    at <<- at %% 20 + 1
    mx.exec.update.arg.arrays(exec, batches[[at]], match.name = TRUE)
    mx.exec.forward(exec)
    mx.exec.backward(exec)
    updater(exec$ref.arg.arrays, exec$ref.grad.arrays)
  }
  list(step = step, amount = 64, chunk = 10)
}

# Amount per second over at least so many seconds.
rate <- function(work, seconds) {
  steps <- 0
  begin <- proc.time()[["elapsed"]]
  while (proc.time()[["elapsed"]] - begin < seconds) {
    for (i in seq_len(work$chunk)) work$step()
    steps <- steps + work$chunk
    mx.nd.wait()
  }
  steps * work$amount / (proc.time()[["elapsed"]] - begin)
}

# The most memory this process had, in MiB.
peak <- function() as.numeric(sub("\\D*(\\d+).*", "\\1", grep("VmHWM", readLines("/proc/self/status"), value = TRUE))) / 1024

works <- list()
input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) == 1) {
  asked <- strsplit(line, " ", fixed = TRUE)[[1]]
  if (asked[1] == "peak") {
    answer <- peak()
  } else {
    if (is.null(works[[asked[1]]])) {
      works[[asked[1]]] <- list(add = add, lenet = lenet)[[asked[1]]]()
      rate(works[[asked[1]]], 1)
    }
    answer <- rate(works[[asked[1]]], as.numeric(asked[2]))
  }
  cat(answer, "\n", sep = "")
  flush(stdout())
}
