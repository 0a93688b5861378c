# Trains a network for 50 steps from one seed, and continues what Python trained: Rscript train.R FOLDER
library(heddle)
folder <- commandArgs(TRUE)[1]

draw <- function(...) mx.runif(c(...), -0.5, 0.5)

net <- mx.symbol.Variable("data")
net <- mx.symbol.Convolution(net, kernel = c(3, 3), num_filter = 4, name = "conv")
net <- mx.symbol.BatchNorm(net, name = "bn", fix_gamma = FALSE)
net <- mx.symbol.Activation(net, act_type = "tanh", name = "act")
net <- mx.symbol.FullyConnected(net, num_hidden = 3, name = "fc")
net <- mx.symbol.SoftmaxOutput(net, name = "softmax")

mx.set.seed(11)
data <- draw(8, 8, 2, 160)
label <- floor(mx.runif(160, 0, 3))
params <- list(conv_weight = draw(3, 3, 2, 4), conv_bias = draw(4), bn_gamma = mx.nd.ones(4), bn_beta = mx.nd.zeros(4),
               fc_weight = draw(144, 3), fc_bias = draw(3))
states <- list(bn_moving_mean = mx.nd.zeros(4), bn_moving_var = mx.nd.ones(4))
iter <- mx.io.arrayiter(as.array(data), as.array(label), batch.size = 16)
model <- mx.model.FeedForward.create(net, iter, num.round = 5, arg.params = params, aux.params = states, optimizer = "sgd",
                                     learning.rate = 0.1, momentum = 0.9, verbose = FALSE)
mx.model.save(model, file.path(folder, "r"), 5)
python <- mx.model.load(file.path(folder, "python"), 5)
stopifnot(identical(coef(python), coef(model)[names(coef(python))]))
mx.nd.save(list(prob = mx.nd.array(predict(python, as.array(data), array.batch.size = 16))), file.path(folder, "r.prob"))
cat("the same\n")
