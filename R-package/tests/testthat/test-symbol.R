mlp <- function() {
  data <- mx.symbol.Variable("data")
  net <- mx.symbol.FullyConnected(data = data, name = "fc1", num.hidden = 1000)
  net <- mx.symbol.Activation(data = net, act.type = "relu")
  mx.symbol.FullyConnected(data = net, name = "fc2", num_hidden = 10)
}

test_that("symbols compose, and list what they need and give", {
  net <- mlp()
  expect_true(is.mx.symbol(net))
  expect_identical(arguments(net), c("data", "fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias"))
  expect_identical(outputs(net), "fc2_output")
  expect_identical(net$arguments, arguments(net))
  other <- mx.symbol.FullyConnected(mx.symbol.Variable("data2"), name = "fc3", num_hidden = 10)
  other <- mx.symbol.FullyConnected(mx.symbol.Activation(other, act_type = "relu"), name = "fc4", num_hidden = 20)
  both <- mx.apply(other, data2 = net)
  expect_identical(arguments(both), c("data", "fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias", "fc3_weight", "fc3_bias",
                                      "fc4_weight", "fc4_bias"))
  expect_identical(outputs(mx.symbol.Group(net, both)), c("fc2_output", "fc4_output"))
  expect_identical(outputs(mx.symbol.Group(list(net, both))), c("fc2_output", "fc4_output"))
})

test_that("internals and children lead to the parts", {
  net <- mlp()
  inside <- internals(net)
  expect_true("fc1_output" %in% outputs(inside))
  fc1 <- inside[["fc1_output"]]
  expect_identical(arguments(fc1), c("data", "fc1_weight", "fc1_bias"))
  expect_identical(outputs(inside[[1]]), "data")
  expect_length(outputs(children(net)), 3)
  expect_identical(outputs(children(fc1)), c("data", "fc1_weight", "fc1_bias"))
  expect_null(children(mx.symbol.Variable("x")))
  expect_error(inside[["nothing"]], "nothing", class = "heddle_error")
})

test_that("shapes follow from others, in R's order", {
  found <- mx.symbol.infer.shape(mlp(), data = c(100, 32))
  expect_identical(found$arg.shapes$fc1_weight, c(100L, 1000L))
  expect_identical(found$out.shapes$fc2_output, c(10L, 32L))
  expect_null(mx.symbol.infer.shape(mlp(), fc1_bias = 1000))
  expect_error(mx.symbol.infer.shape(mlp(), data = c(100, 32), fc1_weight = c(7, 7)), "fc1", class = "heddle_error")
})

test_that("symbols go to files and come back", {
  net <- mlp()
  file <- tempfile(fileext = ".json")
  mx.symbol.save(net, file)
  expect_identical(mx.symbol.load(file)$as.json(), net$as.json())
  expect_identical(mx.symbol.load.json(net$as.json())$as.json(), net$as.json())
  expect_error(mx.symbol.load(tempfile()), "no file", class = "heddle_error")
})

test_that("attributes are kept on a copy", {
  x <- mx.symbol.Variable("x", attr = list(`__lr_mult__` = "2"))
  expect_identical(x$attributes$`__lr_mult__`, "2")
  y <- x
  y$attributes <- list(`__wd_mult__` = "0")
  expect_identical(y$attributes$`__wd_mult__`, "0")
  expect_null(x$attributes$`__wd_mult__`)
  conv <- mx.symbol.Convolution(x, kernel = c(3, 5), num.filter = 8, attr = list(`__ctx_group__` = "a"))
  expect_identical(conv$attributes$kernel, "(5, 3)")
  expect_identical(conv$attributes$`__ctx_group__`, "a")
})

test_that("names of nodes are counted by operator", {
  a <- mx.symbol.FullyConnected(mx.symbol.Variable("data"), num_hidden = 2)
  expect_match(outputs(a), "^fullyconnected[0-9]+_output$")
})

test_that("operators of R work on symbols and numbers", {
  a <- mx.symbol.Variable("a")
  b <- mx.symbol.Variable("b")
  value <- function(net, ...) {
    given <- list(...)
    exec <- do.call(mx.simple.bind, c(list(net, mx.cpu()), lapply(given, length)))
    mx.exec.update.arg.arrays(exec, lapply(given, mx.nd.array), match.name = TRUE)
    mx.exec.forward(exec, is.train = FALSE)
    as.array(exec$ref.outputs[[1]])
  }
  x <- c(3, -2)
  y <- c(2, 5)
  expect_equal(value(a + b, a = x, b = y), x + y)
  expect_equal(value(a - b, a = x, b = y), x - y)
  expect_equal(value(a * b, a = x, b = y), x * y)
  expect_equal(value(a / b, a = x, b = y), x / y, tolerance = 1e-6)
  expect_equal(value(a^2, a = x), x^2)
  expect_equal(value(2^a, a = y), 2^y)
  expect_equal(value(1 - a, a = x), 1 - x)
  expect_equal(value(6 / a, a = y), 6 / y, tolerance = 1e-6)
  expect_equal(value(a %% 2, a = x), x %% 2)
  expect_equal(value(a %/% 2, a = x), x %/% 2)
  expect_equal(value(-a, a = x), -x)
  expect_equal(value(a > b, a = x, b = y), (x > y) * 1)
  expect_equal(value(mx.symbol.min(a, b), a = x, b = y), pmin(x, y))
  expect_equal(value(mx.symbol.min(a, 1), a = x), pmin(x, 1))
  expect_error(a + "b", class = "heddle_error")
})

test_that("concat takes a list, under its old name too", {
  parts <- list(mx.symbol.Variable("a"), mx.symbol.Variable("b"))
  net <- mx.symbol.concat(data = parts, num.args = 2, dim = 1, name = "c")
  expect_identical(outputs(net), "c_output")
  expect_identical(arguments(net), c("a", "b"))
  expect_warning(old <- mx.symbol.Concat(data = parts, num.args = 2, dim = 1, name = "c"), "old name")
  expect_identical(old$as.json(), net$as.json())
  expect_error(mx.symbol.concat(parts, num.args = 3), "num.args", class = "heddle_error")
})

test_that("drawings show layers and shapes", {
  g <- graph.viz(mlp(), shape = c(100, 32))
  expect_s3_class(g, "heddle_graph")
  expect_output(print(g), "FullyConnected\\\\n1000\\\\n1000 x 32")
  expect_false(grepl("fc1_weight", g$dot))
})

test_that("printing and summary list the nodes", {
  expect_output(print(mlp()), "fc2_output")
  expect_identical(summary(mlp())$operator[4], "FullyConnected")
  expect_match(mlp()$debug.str(), "Op:FullyConnected, Name=fc1")
})
