/* A trained network on plain memory, for programs in C99: it runs on the calling thread and needs
 * no arrays, no engine and no threads of its own. This header also belongs to the predictor in one
 * file.
 *
 * Twice: under heddle's names, and below under those of MXNet's c_predict_api.h, for which programs
 * were written that need only be compiled again.
 *
 * Errors. Every function that returns int returns 0, or -1 when it failed: then hd_last_error()
 * tells why. In a build without exceptions (-fno-exceptions) a failure does not return: see
 * hd_on_error().
 *
 * Threads. A model serves any number of them, and each has a predictor of its own: predictors share
 * the model's weights. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef HD_API
#if defined(__GNUC__)
#define HD_API __attribute__((visibility("default")))
#else
#define HD_API
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hd_model hd_model;         /* a network and its weights */
typedef struct hd_predictor hd_predictor; /* memory to run one for inputs of some shapes */
typedef struct hd_tensors hd_tensors;     /* the arrays of a .params file */

/* Why the last call of this thread that failed did so; never NULL. */
HD_API const char* hd_last_error(void);

/* For builds without exceptions, before anything else: what is called with the text of an error. It
 * must not return, but end the thread or the process; without it the process ends. */
HD_API int hd_on_error(void (*handler)(const char* text));

/* Reads the text of a -symbol.json file and the bytes of a .params file, whose names may begin with
 * "arg:" or "aux:"; those that the network lacks are left. No bytes (NULL and 0): no parameters,
 * for a network that is still to learn them. Nothing of the arguments is kept. */
HD_API int hd_model_create(const char* json, const void* params, size_t params_bytes,
                           hd_model** out);
/* The same of files. That of the parameters is mapped where the system can do so: predictors read
 * the weights out of it, and it must not change before the model and they have ended. params_file:
 * NULL for none. */
HD_API int hd_model_open(const char* symbol_file, const char* params_file, hd_model** out);
/* Predictors may go on. NULL is allowed, as for the other kinds. */
HD_API void hd_model_free(hd_model* model);

/* What an input is; `dtype` as in MXNet's files: 0 float32, 1 float64, 2 float16, 3 uint8, 4 int32,
 * 5 int8, 6 int64. In an array of them the first one's size counts. */
typedef struct hd_input {
  size_t size; /* sizeof(hd_input) */
  const char* name;
  const int64_t* shape;
  int rank, dtype;
} hd_input;

/* Binds a model to inputs. `outputs`: names of nodes, or of their outputs, anywhere in the network;
 * NULL (and 0): the network's own. Labels of losses need not be given. */
HD_API int hd_predictor_create(const hd_model* model, const hd_input* inputs, int input_count,
                               const char* const* outputs, int output_count, hd_predictor** out);
/* What a predictor takes, in bytes. */
typedef struct hd_memory {
  size_t size;    /* sizeof(hd_memory) */
  size_t params;  /* the model's parameters, once for all predictors */
  size_t values;  /* inputs, outputs, what lies between, and weights in forms of the kernels' own */
  size_t scratch; /* of the kernels while they run */
  size_t buffer;  /* values and scratch: what hd_predictor_create_in() needs */
} hd_memory;
/* How much hd_predictor_create() would take. Finds it out by running the network once, on zeros and
 * on memory of its own. */
HD_API int hd_plan(const hd_model* model, const hd_input* inputs, int input_count,
                   const char* const* outputs, int output_count, hd_memory* memory);
/* A predictor whose tensors all lie in the caller's buffer, which must outlive it and those that
 * share with it. One run is made here; in the predictor in one file, later ones take nothing from
 * the heap, but for some operators that sort, resize or invert (docs/c-api.md). Fails where
 * the buffer is too small. */
HD_API int hd_predictor_create_in(const hd_model* model, const hd_input* inputs, int input_count,
                                  const char* const* outputs, int output_count, void* buffer,
                                  size_t bytes, hd_predictor** out);
/* Another one for another thread, for the same inputs: it also shares what was made of the weights
 * for them. */
HD_API int hd_predictor_share(const hd_predictor* predictor, hd_predictor** out);
/* Another one for inputs of other shapes; those that are not named keep theirs. */
HD_API int hd_predictor_reshape(const hd_predictor* predictor, const hd_input* inputs, int count,
                                hd_predictor** out);
HD_API void hd_predictor_free(hd_predictor* predictor);
/* A .params file with the model's parameters and, as one more array, the forms of the weights that
 * this predictor's kernels read. A model that hd_model_open() makes of such a file has them read
 * where they lie: predictors are there sooner, and no memory is filled. They serve a predictor of
 * the same network, level of instructions, way of packing and parameters; for
 * others they are no more than bytes in the file. As long as the predictor, or until the next
 * call. */
HD_API int hd_predictor_save(hd_predictor* predictor, const void** params, size_t* bytes);
/* *prepared: 1 where they came from the model's file, else 0. */
HD_API int hd_predictor_prepared(const hd_predictor* predictor, int* prepared);

/* Copies an input, in C order and of its type, which is kept for later runs. `bytes` must be its
 * size. */
HD_API int hd_predictor_set(hd_predictor* predictor, const char* input, const void* data,
                            size_t bytes);
HD_API int hd_predictor_forward(hd_predictor* predictor);
/* One step of a run: call it with 0, 1 ... until *left, how many are left, is 0. */
HD_API int hd_predictor_step(hd_predictor* predictor, int step, int* left);

typedef struct hd_output {
  size_t size;      /* sizeof(hd_output) */
  const char* name; /* all of it as long as the predictor */
  const int64_t* shape;
  int rank, dtype;
  const void* data; /* in C order; of the last run */
  size_t bytes;
} hd_output;
HD_API int hd_predictor_output_count(const hd_predictor* predictor, int* count);
HD_API int hd_predictor_output(const hd_predictor* predictor, int index, hd_output* output);

/* The arrays of a .params file, such as a mean image; hd_output says what they are, of float32. */
HD_API int hd_tensors_create(const void* params, size_t bytes, hd_tensors** out, int* count);
HD_API int hd_tensors_get(const hd_tensors* tensors, int index, hd_output* tensor);
HD_API void hd_tensors_free(hd_tensors* tensors);

/* --- training
 * ----------------------------------------------------------------------------------- A network
 * with its gradients, and a rule that follows them: for one thread at a time. In the predictor in
 * one file these functions are there where it is compiled with -DHEDDLE_TRAIN. */

typedef struct hd_trainer hd_trainer;

#ifndef HD_PARAMS
#define HD_PARAMS(...) ((const char* const[]){__VA_ARGS__, NULL})
#endif

/* How a network learns; what is 0 or NULL is as said. */
typedef struct hd_training {
  size_t size;      /* sizeof(hd_training) */
  const char* rule; /* "sgd" (NULL), "nag", "signum", "adam", "adamw", "adamax", "nadam"; the
                     * library has all of Python's optimizers */
  const char* const* params; /* of the rule: names and values as texts, with NULL at the end, as
                              * HD_PARAMS("momentum", "0.9") writes them */
  double wd;                 /* decay of what is named ..._weight or ..._gamma */
  double rescale_grad;       /* multiplies gradients first; 0: 1 / the first extent of inputs[0] */
  double clip_gradient;      /* then limits them to [-c, c]; 0: no limit */
  const char* const* fixed;  /* names of parameters that stay as they are, with NULL at the end */
  uint64_t seed;             /* of initial values and of operators that draw, such as Dropout */
} hd_training;

/* `inputs` must name the labels too. Parameters are copies of the model's. Those that it lacks
 * begin with values that the end of their name tells: _bias, _beta and _mean 0, _gamma and _var 1,
 * _weight uniform in [-s, s), s = sqrt(6 / (fan in + fan out)), the same numbers on every machine;
 * others are an error. The learner ends with hd_trainer_free() and needs the model no longer. */
HD_API int hd_trainer_create(const hd_model* model, const hd_input* inputs, int input_count,
                             const hd_training* how, hd_trainer** out);
HD_API void hd_trainer_free(hd_trainer* trainer);
/* As hd_predictor_set(). */
HD_API int hd_trainer_set(hd_trainer* trainer, const char* input, const void* data, size_t bytes);
/* One run forward and backward, and one update of all parameters. An output that is no loss counts
 * as one: its elements are summed. */
HD_API int hd_trainer_step(hd_trainer* trainer, double learning_rate);
/* A run as predictors make it: nothing is learned and nothing dropped. */
HD_API int hd_trainer_forward(hd_trainer* trainer);
/* Of the last step, which computes them before the update, or of the last run. */
HD_API int hd_trainer_output_count(const hd_trainer* trainer, int* count);
HD_API int hd_trainer_output(const hd_trainer* trainer, int index, hd_output* output);
/* Parameters, then auxiliary states, in the network's order; `data` stays where it is and changes
 * with every step. */
HD_API int hd_trainer_parameter_count(const hd_trainer* trainer, int* count);
HD_API int hd_trainer_parameter(const hd_trainer* trainer, int index, hd_output* parameter);
/* The values of all of them, one behind the other in that order: for those who average what several
 * machines have learned. */
HD_API int hd_trainer_bytes(const hd_trainer* trainer, size_t* bytes);
HD_API int hd_trainer_get(const hd_trainer* trainer, void* values, size_t bytes);
HD_API int hd_trainer_put(hd_trainer* trainer, const void* values, size_t bytes);
/* A .params file as Module.save_checkpoint() writes it, which every hd_model_create() reads. *bytes
 * is its size, and *params as long as the trainer, or until the next call. */
HD_API int hd_trainer_save(hd_trainer* trainer, const void** params, size_t* bytes);
/* What the rule keeps between steps (momenta, averages, how many steps were made), as
 * hd_optimizer_states() writes it with the parameters' names as keys. A trainer of the same
 * network, rule and seed that gets the parameters and these goes on as this one would. As long as
 * the trainer, or until the next call. */
HD_API int hd_trainer_save_states(hd_trainer* trainer, const void** states, size_t* bytes);
/* Takes them over; where they do not fit, nothing has changed. */
HD_API int hd_trainer_load_states(hd_trainer* trainer, const void* states, size_t bytes);

/* --- MXNet's names
 * ----------------------------------------------------------------------------------- As there:
 * shapes lie one behind the other in input_shape_data, and input_shape_indptr[i] is where that of
 * input i begins, with one more at the end. A device type other than 1 (the CPU) is an error. A
 * parameter that the network needs and the file lacks is one too, where MXNet takes what the memory
 * held. */

typedef unsigned int mx_uint;
typedef float mx_float;
typedef void* PredictorHandle;
typedef void* NDListHandle;

HD_API const char* MXGetLastError(void);
HD_API int MXPredCreate(const char* symbol_json_str, const void* param_bytes, int param_size,
                        int dev_type, int dev_id, mx_uint num_input_nodes, const char** input_keys,
                        const mx_uint* input_shape_indptr, const mx_uint* input_shape_data,
                        PredictorHandle* out);
/* With the types of some inputs; others are float32. */
HD_API int MXPredCreateEx(const char* symbol_json_str, const void* param_bytes, int param_size,
                          int dev_type, int dev_id, const mx_uint num_input_nodes,
                          const char** input_keys, const mx_uint* input_shape_indptr,
                          const mx_uint* input_shape_data, const mx_uint num_provided_arg_dtypes,
                          const char** provided_arg_dtype_names, const int* provided_arg_dtypes,
                          PredictorHandle* out);
/* output_keys: names of nodes. */
HD_API int MXPredCreatePartialOut(const char* symbol_json_str, const void* param_bytes,
                                  int param_size, int dev_type, int dev_id, mx_uint num_input_nodes,
                                  const char** input_keys, const mx_uint* input_shape_indptr,
                                  const mx_uint* input_shape_data, mx_uint num_output_nodes,
                                  const char** output_keys, PredictorHandle* out);
/* num_threads predictors with one copy of the weights; `out` has room for as many. */
HD_API int MXPredCreateMultiThread(const char* symbol_json_str, const void* param_bytes,
                                   int param_size, int dev_type, int dev_id,
                                   mx_uint num_input_nodes, const char** input_keys,
                                   const mx_uint* input_shape_indptr,
                                   const mx_uint* input_shape_data, int num_threads,
                                   PredictorHandle* out);
/* A new predictor that shares the weights; the old one stays. */
HD_API int MXPredReshape(mx_uint num_input_nodes, const char** input_keys,
                         const mx_uint* input_shape_indptr, const mx_uint* input_shape_data,
                         PredictorHandle handle, PredictorHandle* out);
HD_API int MXPredGetOutputShape(PredictorHandle handle, mx_uint index, mx_uint** shape_data,
                                mx_uint* shape_ndim);
HD_API int MXPredGetOutputType(PredictorHandle handle, mx_uint out_index, int* out_dtype);
/* `size` counts elements, here and in MXPredGetOutput. They are of the array's own type. */
HD_API int MXPredSetInput(PredictorHandle handle, const char* key, const mx_float* data,
                          mx_uint size);
/* From now on, forward calls compute every value and hand it to `callback` as NDListHandle of one
 * array (MXNDListGet with index 0), of float32, which is the library's and ends with the call; with
 * what every node reads, if `monitor_all`. A null callback ends that. */
typedef void (*PredMonitorCallback)(const char* name, NDListHandle value, void* callback_handle);
HD_API int MXPredSetMonitorCallback(PredictorHandle handle, PredMonitorCallback callback,
                                    void* callback_handle, bool monitor_all);
HD_API int MXPredForward(PredictorHandle handle);
/* Step 0, then 1 ... until *step_left is 0. */
HD_API int MXPredPartialForward(PredictorHandle handle, int step, int* step_left);
HD_API int MXPredGetOutput(PredictorHandle handle, mx_uint index, mx_float* data, mx_uint size);
HD_API int MXPredFree(PredictorHandle handle);
HD_API int MXNDListCreate(const char* nd_file_bytes, int nd_file_size, NDListHandle* out,
                          mx_uint* out_length);
/* All of it as long as the list. */
HD_API int MXNDListGet(NDListHandle handle, mx_uint index, const char** out_key,
                       const mx_float** out_data, const mx_uint** out_shape, mx_uint* out_ndim);
HD_API int MXNDListFree(NDListHandle handle);

#ifdef __cplusplus
}
#endif
