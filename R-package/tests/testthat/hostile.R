# Calls every function of the package with what none expects, in a process of its own: what was made and what failed stays
# here. Ends with the number of calls; prints those whose errors come from C code that did not look at what it was given.
library(heddle)
options(warn = -1)
setwd(tempdir())  # some of the texts below are paths to others

values <- list(
  NULL, NA, NA_character_, NaN, -Inf, -1, 2.5, 1e15, 1e18, integer(0), character(0), list(), list(NULL), list(1, "a"),
  "", "a", c("a", "b"), c(1.5, NA), c(0, 3), c(-1, 2), rep(1e6, 4), factor(c("u", "v")), as.Date("2020-01-01"),
  data.frame(a = 1:2, b = c("x", "y")), matrix("a", 2, 2), array(1:24, 2:4), 1i, as.raw(1:3), function(x) x, new.env(),
  quote(x + y), mx.nd.array(1:3), mx.nd.zeros(c(2, 3)), list(mx.nd.ones(2), mx.nd.ones(2)), mx.symbol.Variable("v"),
  mx.cpu(), structure(list(), class = "MXNDArray"), structure(1, class = "MXSymbol"),
  structure(list(device = 1), class = "MXContext"), structure(list(), class = "MXFeedForwardModel"))

careless <- "VECTOR_ELT|STRING_ELT|REAL\\(\\)|INTEGER\\(\\)|RAW\\(\\)|LOGICAL\\(\\)|unimplemented type|std::|bad_alloc"

names <- sort(getNamespaceExports("heddle"))
names <- names[vapply(names, function(n) is.function(getExportedValue("heddle", n)), NA)]
calls <- 0
for (turn in seq_along(names)) {
  name <- names[turn]
  f <- getExportedValue("heddle", name)
  formals <- setdiff(names(formals(f)), "...")
  # Functions made from the catalogue share their ways in, so each gets some of the values, all of them together all.
  generated <- grepl("^mx\\.(nd|symbol|varg)\\.", name)
  given <- if (generated) values[(turn + c(0, 13)) %% length(values) + 1] else values
  for (i in seq_along(given)) {
    args <- given[i]
    if (length(formals) && i %% 2 == 0) names(args) <- formals[(turn + i) %% length(formals) + 1]
    error <- NULL
    capture.output(suppressMessages(error <- tryCatch({
      do.call(f, args, quote = TRUE)
      NULL
    }, error = identity)))
    calls <- calls + 1
    if (!is.null(error) && grepl(careless, conditionMessage(error))) {
      cat(name, "(", names(args), deparse(args[[1]])[1], "): ", conditionMessage(error), "\n", sep = " ")
    }
  }
}
tryCatch(mx.nd.wait(), heddle_error = function(e) NULL)  # tells what failed in a task
cat(if (calls > 5000) "all was called" else calls, "\n", sep = "")
