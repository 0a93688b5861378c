# Drawings of networks, as text for Graphviz.

graph.viz <- function(symbol, shape = NULL, direction = "TD", type = "graph", graph.width.px = NULL,
                      graph.height.px = NULL) {
  nodes <- graph_of(symbol)$nodes
  heads <- graph_of(symbol)$heads
  name <- function(i) nodes[[i + 1]]$name
  # Parameters and states are not drawn; inputs of the network are.
  hidden <- vapply(nodes, function(n) n$op == "null" && grepl("_(weight|bias|gamma|beta|moving_mean|moving_var|state|label)$", n$name), NA)
  shapes <- NULL
  if (!is.null(shape)) {
    if (!is.list(shape)) shape <- list(data = shape)
    found <- .Call(hdr_infer, internals(symbol), shape)
    if (!is.null(found)) shapes <- found$out.shapes
  }
  label_of <- function(n) {
    attrs <- n$attrs
    text <- switch(n$op,
      "null" = n$name,
      FullyConnected = paste0("FullyConnected\n", attrs$num_hidden),
      Convolution = , Deconvolution = paste0(n$op, "\n", attrs$kernel, ", ", attrs$num_filter),
      Pooling = paste0("Pooling\n", attrs$pool_type, " ", attrs$kernel),
      Activation = , LeakyReLU = paste0(n$op, "\n", attrs$act_type),
      paste0(n$op, "\n", n$name))
    size <- shapes[[if (n$op == "null") n$name else paste0(n$name, "_output")]]
    if (is.null(size)) text else paste0(text, "\n", paste(size, collapse = " x "))
  }
  colour <- function(op) {
    switch(op, "null" = "#8dd3c7", FullyConnected = , Convolution = , Deconvolution = "#fb8072", Pooling = "#80b1d3",
           Activation = , LeakyReLU = "#ffffb3", BatchNorm = "#bebada", Concat = , Flatten = , Reshape = "#fdb462",
           SoftmaxOutput = , LinearRegressionOutput = , LogisticRegressionOutput = "#b3de69", "#fccde5")
  }
  quoted <- function(text) paste0('"', gsub("\n", "\\\\n", gsub('"', '\\\\"', text)), '"')
  lines <- c("digraph network {", sprintf("  rankdir=%s;", if (direction == "TD") "TB" else direction),
             "  node [shape=box, style=\"filled,rounded\", fontname=Helvetica];")
  for (i in seq_along(nodes)) {
    if (hidden[i]) next
    n <- nodes[[i]]
    lines <- c(lines, sprintf("  n%d [label=%s, fillcolor=%s%s];", i - 1L, quoted(label_of(n)), quoted(colour(n$op)),
                              if (n$op == "null") ", shape=oval" else ""))
    for (input in n$inputs) {
      if (!hidden[input[[1]] + 1]) lines <- c(lines, sprintf("  n%d -> n%d;", as.integer(input[[1]]), i - 1L))
    }
  }
  structure(list(dot = paste(c(lines, "}"), collapse = "\n"), width = graph.width.px, height = graph.height.px,
                 type = type), class = "heddle_graph")
}

print.heddle_graph <- function(x, ...) {
  cat(x$dot, "\n", sep = "")
  invisible(x)
}
