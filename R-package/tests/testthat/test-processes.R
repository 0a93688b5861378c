model <- function() {
  mx.set.seed(1)
  x <- matrix(seq(-1, 1, length.out = 200), 50)
  list(x = x, fit = suppressMessages(mx.mlp(x, as.integer(x[, 1] > 0), hidden_node = 4, out_node = 2, num.round = 2)))
}

test_that("predictions in forked processes are those of this one", {
  skip_on_os("windows")
  m <- model()
  here <- predict(m$fit, m$x)
  there <- parallel::mclapply(1:4, function(i) predict(m$fit, m$x), mc.cores = 2)
  for (one in there) expect_identical(one, here)
  expect_identical(predict(m$fit, m$x), here)
})

test_that("training in forked processes", {
  skip_on_os("windows")
  fits <- parallel::mclapply(1:2, function(i) coef(model()$fit), mc.cores = 2)
  expect_equal(unname(fits[[1]]), unname(fits[[2]]))
  expect_equal(unname(fits[[1]]), unname(coef(model()$fit)))
})

test_that("an interrupt ends a training between two batches, and the next one works", {
  skip_on_os("windows")
  m <- model()
  batches <- 0
  stop_at_three <- function(iteration, nbatch, env, verbose) {
    batches <<- batches + 1
    if (batches == 3) tools::pskill(Sys.getpid(), tools::SIGINT)
    TRUE
  }
  ended <- tryCatch({
    mx.mlp(m$x, as.integer(m$x[, 1] > 0), out_node = 2, num.round = 1e6, array.batch.size = 10, verbose = FALSE,
           batch.end.callback = stop_at_three)
    "finished"
  }, interrupt = function(e) "interrupted")
  expect_identical(ended, "interrupted")
  expect_lte(batches, 4)
  expect_identical(dim(predict(m$fit, m$x)), c(2L, 50L))
})

test_that("R can end while work is under way", {
  code <- paste("library(heddle); x <- mx.runif(c(400, 400));",
                "for (i in 1:50) x <- mx.nd.dot(x, x) * 1e-3; quit(status = 7)")
  out <- suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), c("-e", shQuote(code)), stdout = TRUE, stderr = TRUE))
  expect_identical(attr(out, "status"), 7L)
  expect_identical(as.vector(out), character())
})

test_that("an updater that fails is told, and a store goes on", {
  kv <- mx.kv.create()
  kv$init("a", list(mx.nd.zeros(2)))
  kv$set.optimizer(list(env = new.env(), update = function(...) stop("no such luck")))
  expect_error(suppressWarnings(capture.output(kv$push("a", list(mx.nd.ones(2))), type = "message")), class = "heddle_error")
  out <- mx.nd.ones(2)
  kv$pull("a", list(out))
  expect_equal(as.array(out), c(0, 0))
})
