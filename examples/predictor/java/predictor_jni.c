/* The native half of heddle.Predictor: link it with heddle_predict.cc into libheddle_predict.so. */
#include <jni.h>
#include <stdlib.h>
#include <string.h>

#include "heddle_predict.h"

typedef struct {
  hd_predictor* predictor;
  char* input;
} handle_t;

static void fail(JNIEnv* env, const char* text) {
  (*env)->ThrowNew(env, (*env)->FindClass(env, "java/lang/IllegalArgumentException"), text);
}

static void release(handle_t* h) {
  if (h) {
    hd_predictor_free(h->predictor);
    free(h->input);
    free(h);
  }
}

JNIEXPORT jlong JNICALL Java_heddle_Predictor_open(JNIEnv* env, jclass type, jstring symbol_file,
                                                   jstring params_file, jstring input,
                                                   jlongArray shape) {
  (void)type;
  if (!symbol_file || !params_file || !input || !shape) {
    fail(env, "found null, expected two files, the name of an input and its shape");
    return 0;
  }
  const char* const symbol = (*env)->GetStringUTFChars(env, symbol_file, NULL);
  const char* const params = (*env)->GetStringUTFChars(env, params_file, NULL);
  const char* const name = (*env)->GetStringUTFChars(env, input, NULL);
  jlong* const extents = (*env)->GetLongArrayElements(env, shape, NULL);
  handle_t* h = NULL;
  if (symbol && params && name && extents) h = calloc(1, sizeof *h);
  if (h) h->input = malloc(strlen(name) + 1);
  if (h && h->input) {
    hd_model* model = NULL;
    const hd_input of = {sizeof of, name, (const int64_t*)extents,
                         (int)(*env)->GetArrayLength(env, shape), 0};
    strcpy(h->input, name);
    if (hd_model_open(symbol, params, &model) ||
        hd_predictor_create(model, &of, 1, NULL, 0, &h->predictor)) {
      fail(env, hd_last_error());
      release(h);
      h = NULL;
    }
    hd_model_free(model);
  } else {
    release(h);
    h = NULL;
    if (!(*env)->ExceptionCheck(env)) fail(env, "found no memory for a predictor");
  }
  if (extents) (*env)->ReleaseLongArrayElements(env, shape, extents, JNI_ABORT);
  if (name) (*env)->ReleaseStringUTFChars(env, input, name);
  if (params) (*env)->ReleaseStringUTFChars(env, params_file, params);
  if (symbol) (*env)->ReleaseStringUTFChars(env, symbol_file, symbol);
  return (jlong)(intptr_t)h;
}

JNIEXPORT jfloatArray JNICALL Java_heddle_Predictor_forward(JNIEnv* env, jclass type, jlong handle,
                                                            jfloatArray values) {
  (void)type;
  handle_t* const h = (handle_t*)(intptr_t)handle;
  hd_output out = {sizeof out, NULL, NULL, 0, 0, NULL, 0};
  if (!values) {
    fail(env, "found null, expected values");
    return NULL;
  }
  jfloat* const given = (*env)->GetFloatArrayElements(env, values, NULL);
  if (!given) return NULL;
  const size_t bytes = (size_t)(*env)->GetArrayLength(env, values) * sizeof(float);
  const int set = hd_predictor_set(h->predictor, h->input, given, bytes);
  (*env)->ReleaseFloatArrayElements(env, values, given, JNI_ABORT);
  if (set || hd_predictor_forward(h->predictor) || hd_predictor_output(h->predictor, 0, &out)) {
    fail(env, hd_last_error());
    return NULL;
  }
  if (out.dtype != 0) {
    fail(env, "the first output is not of float32");
    return NULL;
  }
  const jsize count = (jsize)(out.bytes / sizeof(float));
  const jfloatArray found = (*env)->NewFloatArray(env, count);
  if (found) (*env)->SetFloatArrayRegion(env, found, 0, count, (const jfloat*)out.data);
  return found;
}

JNIEXPORT void JNICALL Java_heddle_Predictor_free(JNIEnv* env, jclass type, jlong handle) {
  (void)env, (void)type;
  release((handle_t*)(intptr_t)handle);
}
