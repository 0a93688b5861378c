/* Trains two networks on Fashion-MNIST (or MNIST) in C99:
 *
 *   train perceptron [FOLDER [PARTS]]   line by line: arrays, operators, autograd
 *   train lenet [FOLDER [PARTS]]        a graph bound to memory, with a store of parameters
 *
 * FOLDER holds MNIST's four files, plain or compressed; Debian's package dataset-fashion-mnist puts
 * them where this looks without it. Only one of PARTS parts of the training data is used. Prints
 * the accuracy on the test data after each of two passes. */
#include <heddle/c_api.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 100, CLASSES = 10, EPOCHS = 2 };

/* Every call is checked: the first that fails ends the program and says why. */
static void check(int code, const char* call, int line) {
  if (code == 0) return;
  fprintf(stderr, "train.c:%d: %s: %s\n", line, call, hd_last_error());
  exit(1);
}
#define CHECK(call) check(call, #call, __LINE__)

static const char* folder = "/usr/share/datasets/fashion-mnist";
static const char* parts = "1";

static hd_iterator* open_data(const char* kind, int flat) {
  char image[1024], label[1024], batch[16];
  const int training = strcmp(kind, "train") == 0;
  hd_iterator* data;
  snprintf(image, sizeof image, "%s/%s-images-idx3-ubyte", folder, kind);
  snprintf(label, sizeof label, "%s/%s-labels-idx1-ubyte", folder, kind);
  snprintf(batch, sizeof batch, "%d", BATCH);
  CHECK(
      hd_iterator_create("MNISTIter",
                         HD_PARAMS("image", image, "label", label, "batch_size", batch, "flat",
                                   flat ? "True" : "False", "shuffle", training ? "True" : "False",
                                   "num_parts", training ? parts : "1"),
                         &data));
  return data;
}

/* An operator with one output, into *out: where that is NULL a new array, else the array that is
 * there. */
static void call(const char* op, hd_array** out, const char* const* params, int count,
                 hd_array* const* inputs) {
  int outputs = 1;
  CHECK(hd_invoke(op, inputs, count, params, out, &outputs));
}
#define CALL(op, out, params, ...)                                                     \
  call(op, out, params, (int)(sizeof((hd_array*[]){__VA_ARGS__}) / sizeof(hd_array*)), \
       (hd_array*[]){__VA_ARGS__})

static int64_t dimension(const hd_array* a, int axis) {
  hd_array_info info = {.size = sizeof info};
  CHECK(hd_array_describe(a, &info));
  return axis < info.rank ? info.shape[axis] : 1;
}

static int64_t elements(const hd_array* a) {
  hd_array_info info = {.size = sizeof info};
  CHECK(hd_array_describe(a, &info));
  return info.elements;
}

/* Uniform numbers whose variance keeps that of what goes through (Glorot and Bengio 2010); biases
 * are zero. */
static void initialise(hd_array* a, const char* name) {
  const int64_t rows = dimension(a, 0);
  const double fan_in = (double)elements(a) / (double)rows;
  const double bound = strstr(name, "bias") ? 0 : sqrt(6 / (fan_in + (double)rows));
  char low[32], high[32];
  snprintf(low, sizeof low, "%.9g", -bound);
  snprintf(high, sizeof high, "%.9g", bound);
  call("uniform", &a, HD_PARAMS("low", low, "high", high, "shape", "None"), 0, NULL);
}

/* How many of a batch are right. */
static int right(const hd_array* scores, const hd_array* labels, int count) {
  const void *s, *l;
  int found = 0;
  CHECK(hd_array_data(scores, &s));
  CHECK(hd_array_data(labels, &l));
  for (int i = 0; i < count; ++i) {
    const float* row = (const float*)s + i * CLASSES;
    int best = 0;
    for (int c = 1; c < CLASSES; ++c)
      if (row[c] > row[best]) best = c;
    found += best == (int)((const float*)l)[i];
  }
  return found;
}

/* --- line by line -------------------------------------------------------------------------------
 */

enum { LAYERS = 2 };
typedef struct {
  hd_array *weight, *bias, *weight_grad, *bias_grad;
} layer;

static hd_array* zeros(const int64_t* shape, int rank) {
  hd_array* a;
  CHECK(hd_array_create(shape, rank, HD_FLOAT32, NULL, &a));
  CALL("zeros_like", &a, NULL, a);
  return a;
}

static layer make_layer(int64_t inputs, int64_t outputs) {
  const int64_t shape[] = {outputs, inputs};
  layer l = {zeros(shape, 2), zeros(shape, 1), zeros(shape, 2), zeros(shape, 1)};
  initialise(l.weight, "weight");
  CHECK(hd_autograd_mark(l.weight, l.weight_grad, HD_GRAD_WRITE));
  CHECK(hd_autograd_mark(l.bias, l.bias_grad, HD_GRAD_WRITE));
  return l;
}

static hd_array* scores_of(const layer* layers, hd_array* data) {
  hd_array *hidden = NULL, *active = NULL, *scores = NULL;
  CALL("FullyConnected", &hidden, HD_PARAMS("num_hidden", "128"), data, layers[0].weight,
       layers[0].bias);
  CALL("relu", &active, NULL, hidden);
  CALL("FullyConnected", &scores, HD_PARAMS("num_hidden", "10"), active, layers[1].weight,
       layers[1].bias);
  CHECK(hd_free(hidden));
  CHECK(hd_free(active));
  return scores;
}

static void learn(const layer* layers, const hd_batch* batch) {
  hd_array* loss = NULL;
  CHECK(hd_autograd_mode(1, 1, NULL, NULL));
  hd_array* scores = scores_of(layers, batch->data);
  CALL("softmax_cross_entropy", &loss, NULL, scores, batch->label);
  CHECK(hd_autograd_mode(0, 0, NULL, NULL));
  CHECK(hd_autograd_backward(&loss, 1, NULL));
  for (const layer* l = layers; l < layers + LAYERS; ++l) {
    hd_array *weight = l->weight, *bias = l->bias;
    CALL("sgd_update", &weight, HD_PARAMS("lr", "0.1", "rescale_grad", "0.01"), l->weight,
         l->weight_grad);
    CALL("sgd_update", &bias, HD_PARAMS("lr", "0.1", "rescale_grad", "0.01"), l->bias,
         l->bias_grad);
  }
  CHECK(hd_free(scores));
  CHECK(hd_free(loss));
}

static double perceptron_accuracy(const layer* layers, hd_iterator* data) {
  hd_batch batch = {.size = sizeof batch};
  int more, found = 0, all = 0;
  CHECK(hd_iterator_reset(data));
  for (CHECK(hd_iterator_next(data, &batch, &more)); more;
       CHECK(hd_iterator_next(data, &batch, &more))) {
    hd_array* scores = scores_of(layers, batch.data);
    found += right(scores, batch.label, BATCH - batch.pad);
    all += BATCH - batch.pad;
    CHECK(hd_free(scores));
  }
  return (double)found / all;
}

static void train_perceptron(void) {
  hd_iterator *training = open_data("train", 1), *test = open_data("t10k", 1);
  const layer layers[LAYERS] = {make_layer(784, 128), make_layer(128, CLASSES)};
  for (int epoch = 0; epoch < EPOCHS; ++epoch) {
    hd_batch batch = {.size = sizeof batch};
    int more;
    CHECK(hd_iterator_reset(training));
    for (CHECK(hd_iterator_next(training, &batch, &more)); more;
         CHECK(hd_iterator_next(training, &batch, &more)))
      learn(layers, &batch);
    printf("perceptron: accuracy %.4f after %d passes\n", perceptron_accuracy(layers, test),
           epoch + 1);
  }
  for (const layer* l = layers; l < layers + LAYERS; ++l) {
    CHECK(hd_free(l->weight));
    CHECK(hd_free(l->bias));
    CHECK(hd_free(l->weight_grad));
    CHECK(hd_free(l->bias_grad));
  }
  CHECK(hd_free(training));
  CHECK(hd_free(test));
}

/* --- a bound graph ------------------------------------------------------------------------------
 */

/* `op` applied to *symbol, in its place. */
static void apply(hd_symbol** symbol, const char* op, const char* name, const char* const* params) {
  hd_symbol* next;
  CHECK(hd_symbol_apply(op, name, params, NULL, symbol, 1, &next));
  CHECK(hd_free(*symbol));
  *symbol = next;
}

/* LeCun et al. 1998, with tanh and max pooling. */
static hd_symbol* lenet(void) {
  hd_symbol* s;
  CHECK(hd_symbol_variable("data", NULL, &s));
  apply(&s, "Convolution", "conv1", HD_PARAMS("kernel", "(5, 5)", "num_filter", "20"));
  apply(&s, "Activation", NULL, HD_PARAMS("act_type", "tanh"));
  apply(&s, "Pooling", NULL, HD_PARAMS("pool_type", "max", "kernel", "(2, 2)", "stride", "(2, 2)"));
  apply(&s, "Convolution", "conv2", HD_PARAMS("kernel", "(5, 5)", "num_filter", "50"));
  apply(&s, "Activation", NULL, HD_PARAMS("act_type", "tanh"));
  apply(&s, "Pooling", NULL, HD_PARAMS("pool_type", "max", "kernel", "(2, 2)", "stride", "(2, 2)"));
  apply(&s, "Flatten", NULL, NULL);
  apply(&s, "FullyConnected", "fc1", HD_PARAMS("num_hidden", "500"));
  apply(&s, "Activation", NULL, HD_PARAMS("act_type", "tanh"));
  apply(&s, "FullyConnected", "fc2", HD_PARAMS("num_hidden", "10"));
  apply(&s, "SoftmaxOutput", "softmax", NULL);
  return s;
}

enum { MOST = 16 };
typedef struct {
  hd_executor* executor;
  hd_kvstore* store;
  hd_optimizer* optimizer;
  hd_array *data, *label, *output;
  int count; /* of parameters */
  const char* names[MOST];
  hd_array *weights[MOST], *gradients[MOST];
} network;

/* What the store does with a sum of gradients. */
static int update(void* user, const char* key, hd_array* sum, hd_array* stored) {
  return hd_optimizer_update(user, &key, &stored, &sum, 1, -1);
}

static void bind(network* n, hd_symbol* symbol, const char* const* names, int count) {
  const int64_t shape[] = {BATCH, 1, 28, 28};
  const hd_variable inputs[] = {{.size = sizeof(hd_variable),
                                 .name = "data",
                                 .shape = shape,
                                 .rank = 4,
                                 .grad = HD_GRAD_NONE},
                                {.size = sizeof(hd_variable),
                                 .name = "softmax_label",
                                 .shape = shape,
                                 .rank = 1,
                                 .grad = HD_GRAD_NONE}};
  hd_array *const *arguments, *const *gradients, *const *outputs;
  int found;
  CHECK(hd_bind(symbol, inputs, 2, NULL, &n->executor));
  CHECK(hd_executor_arrays(n->executor, HD_ARGUMENTS, &arguments, &found));
  CHECK(hd_executor_arrays(n->executor, HD_GRADIENTS, &gradients, &found));
  CHECK(hd_executor_arrays(n->executor, HD_OUTPUTS, &outputs, &found));
  n->output = outputs[0];
  n->count = 0;
  for (int i = 0; i < count; ++i) {
    if (strcmp(names[i], "data") == 0) n->data = arguments[i];
    else if (strcmp(names[i], "softmax_label") == 0) n->label = arguments[i];
    else {
      n->names[n->count] = names[i];
      n->weights[n->count] = arguments[i];
      n->gradients[n->count++] = gradients[i];
    }
  }
}

static void prepare(network* n) {
  CHECK(hd_kvstore_create("local", 0, &n->store));
  for (int i = 0; i < n->count; ++i) initialise(n->weights[i], n->names[i]);
  CHECK(hd_kvstore_init(n->store, n->names, n->weights, n->count));
  CHECK(hd_optimizer_create(
      "sgd", HD_PARAMS("learning_rate", "0.05", "momentum", "0.9", "rescale_grad", "0.01"),
      &n->optimizer));
  CHECK(hd_kvstore_set_updater(n->store, update, n->optimizer));
}

static double pass(network* n, hd_iterator* data, int training) {
  hd_batch batch = {.size = sizeof batch};
  int more, found = 0, all = 0;
  CHECK(hd_iterator_reset(data));
  for (CHECK(hd_iterator_next(data, &batch, &more)); more;
       CHECK(hd_iterator_next(data, &batch, &more))) {
    CALL("_copyto", &n->data, NULL, batch.data);
    CALL("_copyto", &n->label, NULL, batch.label);
    CHECK(hd_executor_forward(n->executor, training));
    if (training) {
      CHECK(hd_executor_backward(n->executor, NULL, 0));
      CHECK(hd_kvstore_push(n->store, n->names, n->gradients, n->count, 0));
      CHECK(hd_kvstore_pull(n->store, n->names, n->weights, n->count, 0));
    } else {
      found += right(n->output, batch.label, BATCH - batch.pad);
      all += BATCH - batch.pad;
    }
  }
  return all ? (double)found / all : 0;
}

static void train_lenet(void) {
  hd_iterator *training = open_data("train", 0), *test = open_data("t10k", 0);
  hd_symbol* symbol = lenet();
  network n;
  const char* const* names; /* until hd_symbol_names() is called again */
  int count;
  CHECK(hd_symbol_names(symbol, HD_ARGUMENTS, &names, &count));
  bind(&n, symbol, names, count);
  prepare(&n);
  for (int epoch = 0; epoch < EPOCHS; ++epoch) {
    pass(&n, training, 1);
    printf("lenet: accuracy %.4f after %d passes\n", pass(&n, test, 0), epoch + 1);
  }
  CHECK(hd_free(n.store));
  CHECK(hd_free(n.executor));
  CHECK(hd_free(n.optimizer));
  CHECK(hd_free(symbol));
  CHECK(hd_free(training));
  CHECK(hd_free(test));
}

int main(int argc, char** argv) {
  if (argc > 2) folder = argv[2];
  if (argc > 3) parts = argv[3];
  CHECK(hd_seed(1, NULL));
  if (argc > 1 && strcmp(argv[1], "perceptron") == 0) train_perceptron();
  else if (argc > 1 && strcmp(argv[1], "lenet") == 0) train_lenet();
  else return fprintf(stderr, "usage: train perceptron|lenet [FOLDER [PARTS]]\n"), 2;
  return 0;
}
