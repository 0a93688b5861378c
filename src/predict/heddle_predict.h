// A trained network on plain memory: the C interface of heddle's predictor.
//
// Every function but heddle_predict_free and heddle_predict_error returns 0, or -1 when it failed:
// then heddle_predict_error() tells why. In a build without exceptions (-fno-exceptions) a failure
// does not return: it calls the function that heddle_predict_on_error() was given, which must not
// return either (it may end the thread or the process), and ends the process where there is none.
//
// A predictor is used by one thread at a time; two predictors may work at the same time.
#pragma once
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define HEDDLE_PREDICT_API __attribute__((visibility("default")))
#else
#define HEDDLE_PREDICT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct HeddlePredictor HeddlePredictor;

// Reads a network and binds it. `json` is the text of a -symbol.json file and `params` the bytes of
// a .params file, whose names may begin with "arg:" or "aux:". There are `inputs` inputs: input i
// is called names[i] and has ranks[i] dimensions shapes[i][0], shapes[i][1] ... Labels of losses
// need not be given. The predictor keeps a copy of everything.
HEDDLE_PREDICT_API int heddle_predict_create(const char* json, const void* params,
                                             size_t params_bytes, int inputs,
                                             const char* const* names, const int64_t* const* shapes,
                                             const int* ranks, HeddlePredictor** predictor);

// Copies `count` numbers, in C order, into an input. It keeps them for later runs.
HEDDLE_PREDICT_API int heddle_predict_set_input(HeddlePredictor* predictor, const char* name,
                                                const float* data, size_t count);

// Runs the network on the calling thread.
HEDDLE_PREDICT_API int heddle_predict_forward(HeddlePredictor* predictor);

// How many outputs there are, and the dimensions of one; `shape` stays valid as long as the
// predictor.
HEDDLE_PREDICT_API int heddle_predict_outputs(const HeddlePredictor* predictor, int* count);
HEDDLE_PREDICT_API int heddle_predict_output_shape(const HeddlePredictor* predictor, int output,
                                                   const int64_t** shape, int* rank);

// Copies the `count` numbers of an output, in C order, to `data`.
HEDDLE_PREDICT_API int heddle_predict_output(const HeddlePredictor* predictor, int output,
                                             float* data, size_t count);

// Null is allowed.
HEDDLE_PREDICT_API void heddle_predict_free(HeddlePredictor* predictor);

// Why the last call of this thread that failed did so; valid until the next call that fails.
HEDDLE_PREDICT_API const char* heddle_predict_error(void);

// For builds without exceptions, before anything else is called; see above.
HEDDLE_PREDICT_API int heddle_predict_on_error(void (*handler)(const char* text));

#ifdef __cplusplus
}
#endif
