# The loop of same_memory.py from R, without gc(): prints the most bytes of arrays that were live at once.
library(heddle)
mx.set.seed(1)
w <- mx.nd.ones(c(2048, 2048))
mx.autograd.attach.grad(w)
for (step in 1:5) {
  x <- mx.runif(c(2048, 2048))
  loss <- mx.autograd.record({
    y <- x
    for (i in 1:12) y <- tanh(y * w + 0.1)
    mean(y)
  })
  mx.autograd.backward(loss)
  mx.nd.sgd.update(w, mx.autograd.grad.of(w), lr = 0.1, out = w)
}
mx.nd.wait()
resident <- as.numeric(sub("\\D*(\\d+).*", "\\1", grep("VmHWM", readLines("/proc/self/status"), value = TRUE))) * 1024
cat(mx.describe("device", "cpu(0)")$peak_live, resident, "\n")
