/* Trains a network in C99 with the predictor in one file:
 *
 *   learn SYMBOL FOLDER PARAMS [RULE [RATE [STEPS [FROM]]]]
 *
 * SYMBOL is a -symbol.json with inputs "data", pictures of (BATCH,1,28,28), and "softmax_label".
 * FOLDER holds MNIST's four files, not compressed; those of Debian's package dataset-fashion-mnist
 * once gunzip has seen them. The parameters learned go to PARAMS, in the form that Python reads.
 * RULE is "sgd", with momentum, or "adam"; STEPS 0 is one pass over the data. FROM is a .params
 * file to go on from. Prints the loss on the way, and at the end the accuracy on the test data.
 *
 *   ./dev amalgamate predictor --model lenet-symbol.json
 *   c++ -std=c++20 -O2 -DHEDDLE_TRAIN -c predictor/heddle_predict.cc
 *   cc -std=c99 -O2 -Ipredictor -c examples/predictor/learn.c
 *   c++ learn.o heddle_predict.o -o learn */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heddle_predict.h"

enum { BATCH = 50, PIXELS = 28 * 28, CLASSES = 10 };

static void stop(const char* text) {
  fprintf(stderr, "learn: %s\n", text);
  exit(1);
}
static void expect(int code) {
  if (code != 0) stop(hd_last_error());
}

/* The bytes of a file, with one 0 behind them. */
static unsigned char* read_file(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0) stop(path);
  *size = (size_t)ftell(file);
  unsigned char* bytes = calloc(*size + 1, 1);
  rewind(file);
  if (!bytes || fread(bytes, 1, *size, file) != *size) stop(path);
  fclose(file);
  return bytes;
}

/* Pictures and their labels, of bytes, as MNIST's files have them behind their heads. */
struct data {
  unsigned char *images, *labels;
  int batches;
};
static struct data read_data(const char* folder, const char* kind) {
  char path[1024];
  size_t image_bytes, label_bytes;
  struct data d;
  snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte", folder, kind);
  d.images = read_file(path, &image_bytes);
  snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte", folder, kind);
  d.labels = read_file(path, &label_bytes);
  if (label_bytes < 8 || image_bytes != 16 + (label_bytes - 8) * PIXELS) stop(path);
  d.batches = (int)((label_bytes - 8) / BATCH);
  return d;
}

static void load_batch(hd_trainer* trainer, const struct data* d, int batch) {
  static float images[BATCH * PIXELS], labels[BATCH];
  const unsigned char* from = d->images + 16 + (size_t)batch * BATCH * PIXELS;
  for (int i = 0; i < BATCH * PIXELS; ++i) images[i] = (float)from[i] / 255;
  for (int i = 0; i < BATCH; ++i) labels[i] = d->labels[8 + batch * BATCH + i];
  expect(hd_trainer_set(trainer, "data", images, sizeof images));
  expect(hd_trainer_set(trainer, "softmax_label", labels, sizeof labels));
}

/* What the last run made of a batch: the mean of -log(p of the right class), and how many are
 * right. */
static double judge(hd_trainer* trainer, const struct data* d, int batch, int* right) {
  hd_output out = {.size = sizeof out};
  double loss = 0;
  expect(hd_trainer_output(trainer, 0, &out));
  if (out.bytes != BATCH * CLASSES * sizeof(float)) stop("the network does not tell ten classes");
  for (int i = 0; i < BATCH; ++i) {
    const float* p = (const float*)out.data + i * CLASSES;
    const int label = d->labels[8 + batch * BATCH + i];
    int best = 0;
    for (int k = 1; k < CLASSES; ++k)
      if (p[k] > p[best]) best = k;
    *right += best == label;
    loss -= log(p[label] + 1e-30);
  }
  return loss / BATCH;
}

int main(int argc, char** argv) {
  if (argc < 4) stop("expected SYMBOL FOLDER PARAMS [RULE [RATE [STEPS [FROM]]]]");
  const int adam = argc > 4 && strcmp(argv[4], "adam") == 0;
  const double rate = argc > 5 ? atof(argv[5]) : adam ? 0.001 : 0.05;
  size_t size = 0, saved_size = 0;
  const int64_t shape[] = {BATCH, 1, 28, 28};
  const hd_input inputs[] = {
      {.size = sizeof *inputs, .name = "data", .shape = shape, .rank = 4},
      {.size = sizeof *inputs, .name = "softmax_label", .shape = shape, .rank = 1}};
  const hd_training how = {.size = sizeof how,
                           .rule = argc > 4 ? argv[4] : "sgd",
                           .params = adam ? NULL : HD_PARAMS("momentum", "0.9"),
                           .wd = 1e-4,
                           .seed = 1};
  expect(hd_on_error(stop));
  char* json = (char*)read_file(argv[1], &size);
  unsigned char* from = argc > 7 ? read_file(argv[7], &saved_size) : NULL;
  hd_model* model;
  hd_trainer* trainer;
  expect(hd_model_create(json, from, saved_size, &model));
  expect(hd_trainer_create(model, inputs, 2, &how, &trainer));
  hd_model_free(model);

  const struct data train = read_data(argv[2], "train"), test = read_data(argv[2], "t10k");
  int steps = argc > 6 ? atoi(argv[6]) : 0, right = 0;
  if (steps == 0) steps = train.batches;
  double loss = 0;
  for (int i = 0; i < steps; ++i) {
    load_batch(trainer, &train, i % train.batches);
    expect(hd_trainer_step(trainer, rate));
    loss += judge(trainer, &train, i % train.batches, &right);
    if ((i + 1) % 10 == 0) {
      if (steps <= 100 || (i + 1) % 100 == 0) printf("step %d loss %.9g\n", i + 1, loss / 10);
      loss = 0;
    }
  }
  if (steps >= train.batches) {
    right = 0;
    for (int i = 0; i < test.batches; ++i) {
      load_batch(trainer, &test, i);
      expect(hd_trainer_forward(trainer));
      judge(trainer, &test, i, &right);
    }
    printf("accuracy %.4f\n", (double)right / (test.batches * BATCH));
  }

  const void* params;
  expect(hd_trainer_save(trainer, &params, &size));
  FILE* file = fopen(argv[3], "wb");
  if (!file || fwrite(params, 1, size, file) != size || fclose(file) != 0) stop(argv[3]);
  hd_trainer_free(trainer);
  free(json), free(from);
  free(train.images), free(train.labels), free(test.images), free(test.labels);
  return 0;
}
