# Symbols: networks as expressions over operators.

is.mx.symbol <- function(x) inherits(x, "MXSymbol")

is.MXSymbol <- is.mx.symbol

mx.symbol.Variable <- function(name, attr = NULL, shape = NULL) {
  if (!is.null(shape)) attr <- c(attr, list(`__shape__` = shape))
  .Call(hdr_variable, name, attr)
}

# The symbols among arguments that may be lists of them.
flatten_symbols <- function(list) {
  found <- lapply(list, function(x) if (is.list(x)) x else base::list(x))
  do.call(c, unname(found))
}

mx.symbol.Group <- function(...) .Call(hdr_group, flatten_symbols(list(...)))

# What is composed has names already: one that MXNet's scripts give goes nowhere, there and here.
mx.apply <- function(x, ...) composed(x, list(...))

composed <- function(x, inputs) {
  if (is.character(inputs[["name"]])) inputs$name <- NULL
  .Call(hdr_compose, x, inputs)
}

mx.symbol.load <- function(filename) {
  path <- as_path(filename, "mx.symbol.load")
  if (!file.exists(path)) fail("[mx.symbol.load] found no file ", filename)
  mx.symbol.load.json(readChar(path, file.size(path), useBytes = TRUE))
}

mx.symbol.load.json <- function(json.str) .Call(hdr_from_json, json.str)

mx.symbol.save <- function(symbol, filename) {
  json <- .Call(hdr_to_json, symbol)
  connection <- file(as_path(filename, "mx.symbol.save"), "wb")
  on.exit(close(connection))
  writeLines(json, connection, sep = "", useBytes = TRUE)
  invisible(TRUE)
}

mx.symbol.infer.shape <- function(symbol, ...) .Call(hdr_infer, symbol, list(...))

arguments <- function(x) .Call(hdr_names, x, "arguments")

outputs <- function(x) .Call(hdr_names, x, "outputs")

internals <- function(x) .Call(hdr_internals, x)

auxiliary_states <- function(x) .Call(hdr_names, x, "auxiliary")

# The graph as lists of R, nodes and heads counted from 0 as in its file.
graph_of <- function(symbol) .Call(hdr_parse_json, .Call(hdr_to_json, symbol))

# The symbol of the same nodes with other heads, each c(node, output).
with_heads <- function(symbol, heads) {
  text <- paste(vapply(heads, function(h) sprintf("[%d, %d, 0]", h[1], h[2]), ""), collapse = ", ")
  json <- .Call(hdr_to_json, symbol)
  at <- regexpr('"heads":\\s*\\[(\\s*\\[[^]]*\\],?)*\\s*\\]', json)
  regmatches(json, at) <- paste0('"heads": [', text, "]")
  mx.symbol.load.json(json)
}

# The index of the node behind an output, among graph$nodes.
head_node <- function(graph) graph$nodes[[graph$heads[[1]][[1]] + 1]]

children <- function(x) {
  inputs <- head_node(graph_of(x))$inputs
  if (length(inputs) == 0) return(NULL)
  with_heads(x, lapply(inputs, function(i) c(i[[1]], i[[2]])))
}

mx.symbol.attributes <- function(symbol) {
  node <- head_node(graph_of(symbol))
  for (key in c("attrs", "attr", "param")) if (length(node[[key]])) return(node[[key]])
  list()
}

`[[.MXSymbol` <- function(x, i, ...) {
  if (is.character(i) && !i %in% outputs(x)) {
    fail("[[[] found no output '", i, "', expected one of ", paste(head(outputs(x), 20), collapse = ", "))
  }
  .Call(hdr_output, x, i)
}

`$.MXSymbol` <- function(x, name) {
  switch(name,
    arguments = arguments(x),
    outputs = outputs(x),
    auxiliary.states = auxiliary_states(x),
    attributes = mx.symbol.attributes(x),
    name = .Call(hdr_attribute, x, "name"),
    debug.str = function() debug_text(x),
    apply = function(symbols) composed(x, symbols),
    as.json = function() .Call(hdr_to_json, x),
    save = function(filename) mx.symbol.save(x, filename),
    get.internals = function() internals(x),
    get.children = function() children(x),
    get.output = function(i) .Call(hdr_output, x, i),
    infer.shape = function(shapes) .Call(hdr_infer, x, shapes),
    fail("[MXSymbol] found no field '", name, "'"))
}

`$<-.MXSymbol` <- function(x, name, value) {
  if (name != "attributes") fail("[MXSymbol] the field '", name, "' cannot be set")
  .Call(hdr_with_attributes, x, value)
}

debug_text <- function(symbol) {
  graph <- graph_of(symbol)
  name <- function(entry) graph$nodes[[entry[[1]] + 1]]$name
  lines <- vapply(graph$nodes, function(n) {
    if (n$op == "null") return(paste0("Variable:", n$name))
    sprintf("Op:%s, Name=%s\n  Inputs: %s", n$op, n$name, paste(vapply(n$inputs, name, ""), collapse = ", "))
  }, "")
  paste0(paste(c("Symbol Outputs:", paste0("  ", outputs(symbol)), lines), collapse = "\n"), "\n")
}

print.MXSymbol <- function(x, ...) {
  cat("<MXSymbol ", paste(outputs(x), collapse = ", "), ">\n", sep = "")
  cat("  arguments: ", paste(arguments(x), collapse = ", "), "\n", sep = "")
  if (length(auxiliary_states(x))) cat("  states: ", paste(auxiliary_states(x), collapse = ", "), "\n", sep = "")
  invisible(x)
}

str.MXSymbol <- function(object, ...) cat(" <MXSymbol ", paste(outputs(object), collapse = ", "), ">\n", sep = "")

# A table of the nodes: operator, name, inputs.
summary.MXSymbol <- function(object, ...) {
  nodes <- graph_of(object)$nodes
  name <- function(entry) nodes[[entry[[1]] + 1]]$name
  data.frame(
    operator = vapply(nodes, function(n) if (n$op == "null") "variable" else n$op, ""),
    name = vapply(nodes, function(n) n$name, ""),
    inputs = vapply(nodes, function(n) paste(vapply(n$inputs, name, ""), collapse = ", "), ""))
}

# ---- operators of R ----------------------------------------------------------------------------

symbol_operators <- list(
  "+" = c("_Plus", "_PlusScalar", "_PlusScalar"), "-" = c("_Minus", "_MinusScalar", "_RMinusScalar"),
  "*" = c("_Mul", "_MulScalar", "_MulScalar"), "/" = c("_Div", "_DivScalar", "_RDivScalar"),
  "^" = c("_Power", "_PowerScalar", "_RPowerScalar"), "%%" = c("_Mod", "_ModScalar", "_RModScalar"),
  "==" = c("_equal", "_equal_scalar", "_equal_scalar"), "!=" = c("_not_equal", "_not_equal_scalar", "_not_equal_scalar"),
  ">" = c("_greater", "_greater_scalar", "_lesser_scalar"),
  ">=" = c("_greater_equal", "_greater_equal_scalar", "_lesser_equal_scalar"),
  "<" = c("_lesser", "_lesser_scalar", "_greater_scalar"),
  "<=" = c("_lesser_equal", "_lesser_equal_scalar", "_greater_equal_scalar"),
  min = c("_Minimum", "_MinimumScalar", "_MinimumScalar"), max = c("_Maximum", "_MaximumScalar", "_MaximumScalar"))

# One of them, on two symbols or a symbol and a number.
symbol_pair <- function(sign, a, b) {
  ops <- symbol_operators[[sign]]
  if (is.null(ops)) fail("[MXSymbol] symbols have no operator ", sign)
  if (is.mx.symbol(a) && is.mx.symbol(b)) return(.Call(hdr_symbol_apply, ops[1], NULL, list(a, b), NULL, NULL))
  left <- !is.mx.symbol(a)
  number <- if (left) a else b
  if (!is.numeric(number) || length(number) != 1) {
    fail("[", sign, "] found a ", class(number)[1], " of length ", length(number), " beside a symbol, expected a number")
  }
  .Call(hdr_symbol_apply, ops[if (left) 3 else 2], NULL, list(if (left) b else a), NULL, list(scalar = number))
}

Ops.MXSymbol <- function(e1, e2) {
  if (nargs() == 1L) return(switch(.Generic, "-" = symbol_pair("*", e1, -1), "+" = e1))
  if (.Generic == "%/%") {
    return(.Call(hdr_symbol_apply, "floor", NULL, list(symbol_pair("/", e1, e2)), NULL, NULL))
  }
  symbol_pair(.Generic, e1, e2)
}

mx.symbol.min <- function(e1, e2) symbol_pair("min", e1, e2)

mx.symbol.max <- function(e1, e2) symbol_pair("max", e1, e2)

mx.symbol.concat <- function(data, num.args = NULL, dim = NULL, name = NULL) {
  data <- flatten_symbols(list(data))
  if (!is.null(num.args) && num.args != length(data)) {
    fail("[Concat] num.args is ", num.args, ", found ", length(data), " symbols")
  }
  .Call(hdr_symbol_apply, "Concat", name, data, NULL, list(dim = dim))
}

mx.symbol.Concat <- function(data, num.args = NULL, dim = NULL, name = NULL) {
  warning("mx.symbol.Concat is the old name of mx.symbol.concat", call. = FALSE)
  mx.symbol.concat(data, num.args, dim, name)
}
