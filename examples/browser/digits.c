/* What the page calls: one network that tells drawings apart, and one that is learning. Numbers and
 * pointers only, so that JavaScript needs to know no structure; digits.js is the other side. */
#include <emscripten.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "heddle_predict.h"

enum { SIDE = 28, PIXELS = SIDE * SIDE, FIXED = 64 };

static hd_predictor* predictor;
static hd_trainer* trainer;
static int batch;

/* Without exceptions errors do not return: they leave through JavaScript. */
EM_JS(void, stop, (const char* text), { throw new Error(UTF8ToString(text)); });

static void expect(int code) {
  if (code != 0) stop(hd_last_error());
}

/* From now on classify() is this network. */
EMSCRIPTEN_KEEPALIVE void digits_open(const char* json, const void* params, size_t bytes) {
  static const int64_t shape[] = {1, 1, SIDE, SIDE};
  const hd_input input = {.size = sizeof input, .name = "data", .shape = shape, .rank = 4};
  hd_model* model;
  expect(hd_on_error(stop));
  expect(hd_model_create(json, params, bytes, &model));
  hd_predictor_free(predictor);
  predictor = NULL;
  expect(hd_predictor_create(model, &input, 1, NULL, 0, &predictor));
  hd_model_free(model);
}

/* The probabilities of all classes for one picture; they stay until the next call. */
EMSCRIPTEN_KEEPALIVE const void* digits_classify(const float* picture) {
  hd_output out = {.size = sizeof out};
  expect(hd_predictor_set(predictor, "data", picture, PIXELS * sizeof *picture));
  expect(hd_predictor_forward(predictor));
  expect(hd_predictor_output(predictor, 0, &out));
  return out.data;
}

/* Begins to learn a network, with what it finds in params. `fixed`: the parameters that stay as
 * they are, one a line. */
EMSCRIPTEN_KEEPALIVE void digits_learn(const char* json, const void* params, size_t bytes,
                                       const char* fixed, int size, unsigned seed) {
  const int64_t shape[] = {size, 1, SIDE, SIDE};
  const hd_input inputs[] = {
      {.size = sizeof *inputs, .name = "data", .shape = shape, .rank = 4},
      {.size = sizeof *inputs, .name = "softmax_label", .shape = shape, .rank = 1}};
  char* names = strdup(fixed);
  const char* all[FIXED + 1] = {NULL};
  int count = 0;
  for (char* name = strtok(names, "\n"); name && count < FIXED; name = strtok(NULL, "\n"))
    all[count++] = name;
  const hd_training how = {
      .size = sizeof how, .rule = "adam", .wd = 1e-4, .fixed = all, .seed = seed};
  hd_model* model;
  hd_trainer_free(trainer);
  trainer = NULL;
  batch = size;
  expect(hd_model_create(json, params, bytes, &model));
  expect(hd_trainer_create(model, inputs, 2, &how, &trainer));
  hd_model_free(model);
  free(names);
}

/* One step on a batch; the mean of -log(p of the right class) before it. */
EMSCRIPTEN_KEEPALIVE double digits_step(const float* pictures, const float* labels, double rate) {
  hd_output out = {.size = sizeof out};
  expect(hd_trainer_set(trainer, "data", pictures, (size_t)batch * PIXELS * sizeof *pictures));
  expect(hd_trainer_set(trainer, "softmax_label", labels, (size_t)batch * sizeof *labels));
  expect(hd_trainer_step(trainer, rate));
  expect(hd_trainer_output(trainer, 0, &out));
  const float* p = out.data;
  const int64_t classes = out.shape[1];
  double loss = 0;
  for (int i = 0; i < batch; ++i) loss -= log(p[i * classes + (int)labels[i]] + 1e-30);
  return loss / batch;
}

/* The bytes of a .params file with what was learned, and their number; they stay until the next
 * step or network. */
static const void* learned;
static size_t learned_bytes;
EMSCRIPTEN_KEEPALIVE const void* digits_learned(void) {
  expect(hd_trainer_save(trainer, &learned, &learned_bytes));
  return learned;
}
EMSCRIPTEN_KEEPALIVE size_t digits_learned_bytes(void) { return learned_bytes; }
