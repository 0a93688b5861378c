/* heddle for programs in C, and for the bindings of other languages: arrays, operators, symbols,
 * executors, autograd, stores, iterators, record files, the profiler. C99; nothing of C++ in it.
 *
 * Errors. Every function that returns int returns 0, or -1 when it failed: then hd_last_error()
 * tells why, and nothing was made. Work runs asynchronously: what fails later is told by the next
 * call that waits (hd_wait, hd_array_read, hd_array_data).
 *
 * Handles. What comes out through an argument `out` is the caller's, who ends it with hd_free().
 * Arrays that stand in a struct or a list (of an executor, of a batch) are not: they stay valid as
 * long as what gave them, and no longer. A handle may outlive what it was made of: an executor
 * needs its symbol no more.
 *
 * Texts and lists that a function gives are the calling thread's, until it calls the same function
 * again.
 *
 * Threads. Any thread may call anything. One executor, store, optimizer, iterator or file serves
 * one thread at a time; arrays, symbols and everything else any number. Callbacks run on the thread
 * whose call they belong to, and must not throw.
 *
 * Parameters are texts as in MXNet's files: "(3, 3)", "0.5", "True". `params` is a list of names
 * and values that ends in NULL, as HD_PARAMS("kernel", "(3, 3)", "num_filter", "8") writes it;
 * NULL: none.
 *
 * Structs begin with their size: set it to sizeof. Set what you do not use to 0, which is what C
 * does with fields that an initializer leaves out: {.size = sizeof(hd_variable), .name = "data"}.
 * So a struct may grow, and programs compiled with either side's older header go on. */
#pragma once
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

#define HD_VERSION "0.1.0" /* of this header; hd_describe("library") tells the library's */
#define HD_PARAMS(...) ((const char* const[]){__VA_ARGS__, NULL})

typedef struct hd_array hd_array;         /* a tensor whose contents the engine keeps in order */
typedef struct hd_symbol hd_symbol;       /* an immutable expression over operators */
typedef struct hd_executor hd_executor;   /* a symbol bound to arrays */
typedef struct hd_kvstore hd_kvstore;     /* arrays by key, shared by the devices of one process */
typedef struct hd_optimizer hd_optimizer; /* how weights follow their gradients */
typedef struct hd_iterator hd_iterator;   /* batches of data in files, made ahead */
typedef struct hd_record hd_record;       /* a RecordIO file */

/* Types of elements: the numbers stand in MXNet's files. */
enum {
  HD_UNKNOWN = -1,
  HD_FLOAT32 = 0,
  HD_FLOAT64 = 1,
  HD_FLOAT16 = 2,
  HD_UINT8 = 3,
  HD_INT32 = 4,
  HD_INT8 = 5,
  HD_INT64 = 6,
  HD_BOOL = 7,
  HD_BFLOAT16 = 12
};

/* What becomes of the gradient of a variable. */
enum { HD_GRAD_DEFAULT = 0, HD_GRAD_WRITE = 1, HD_GRAD_ADD = 3, HD_GRAD_NONE = -1 };

/* What a symbol has, and its executor arrays of. Inputs: arguments and auxiliary states. */
enum { HD_ARGUMENTS, HD_AUXILIARY, HD_OUTPUTS, HD_INPUTS, HD_GRADIENTS };

/* --- the library --------------------------------------------------------------------------------
 */

/* Why the last call of this thread that failed did so; never NULL. */
HD_API const char* hd_last_error(void);

/* Ends a handle of any kind; NULL is allowed. -1: a file could not be written to its end. */
HD_API int hd_free(void* handle);

/* Waits until all that was started for an array is done; NULL: all there is. */
HD_API int hd_wait(const hd_array* array);

/* What there is of a kind: "operator", "iterator", "optimizer", "kvstore", "setting", "device". */
HD_API int hd_list(const char* kind, const char* const** names, int* count);

/* What is known of one of them, as JSON: an operator's, iterator's or optimizer's parameters, types
 * and texts; a setting's value, default and text; a device's count and memory ("cpu(0)"). Without a
 * name: "library" (its version, engine, threads) and "profile" (count, total, least and most
 * milliseconds per category and name). */
HD_API int hd_describe(const char* kind, const char* name, const char** json);

/* How many threads work at once; 0: as the machine and HEDDLE_THREADS say. Not while work is
 * running. The other settings are variables of the environment: hd_list("setting"). */
HD_API int hd_set_threads(int threads);

/* Seeds the random operators of a device; NULL: of all, each with a stream of its own. */
HD_API int hd_seed(uint64_t seed, const char* device);

/* Adds the operators of a shared object (heddle/library.h). */
HD_API int hd_load_library(const char* path);

/* --- the profiler -------------------------------------------------------------------------------
 */

typedef struct hd_profiler_options {
  size_t size;
  int without_eager, without_graph, without_waits; /* what not to record */
  int64_t bytes;                                   /* how much may be kept; 0: 128 MiB */
} hd_profiler_options;

/* Records from now on, beside what is there. NULL: everything. */
HD_API int hd_profiler_start(const hd_profiler_options* options);
HD_API int hd_profiler_stop(void);
/* Writes what was recorded as a trace for Perfetto or chrome://tracing. */
HD_API int hd_profiler_write(const char* path);

/* --- arrays -------------------------------------------------------------------------------------
 */

/* An array with undefined contents. `device`: "cpu(0)", "gpu(1)"; NULL: the CPU. At most 8
 * dimensions, each 0 or more. */
HD_API int hd_array_create(const int64_t* shape, int rank, int dtype, const char* device,
                           hd_array** out);

/* An array on memory of the caller's, which stays until release(user) is called, on any thread;
 * release may be NULL. */
HD_API int hd_array_borrow(void* data, const int64_t* shape, int rank, int dtype,
                           void (*release)(void* user), void* user, hd_array** out);

typedef struct hd_array_info {
  size_t size;
  int dtype, rank;
  const int64_t* shape; /* as long as the handle */
  int64_t elements, bytes;
  const char* device; /* until the next hd_array_describe() of the thread */
} hd_array_info;
HD_API int hd_array_describe(const hd_array* array, hd_array_info* info);

/* Waits, then copies all of it, in C order, to `data`; `bytes` must be its size. */
HD_API int hd_array_read(const hd_array* array, void* data, size_t bytes);
/* Copies all of it from `data` before it returns; waits for nothing. */
HD_API int hd_array_write(hd_array* array, const void* data, size_t bytes);
/* Waits, then gives the memory of an array of the CPU, in C order: to be read until something else
 * writes the array. */
HD_API int hd_array_data(const hd_array* array, const void** data);

/* The same memory as another array: rows [begin, end) of the first axis; another shape of the same
 * size; the same, off autograd's tape. */
HD_API int hd_array_slice(const hd_array* array, int64_t begin, int64_t end, hd_array** out);
HD_API int hd_array_reshape(const hd_array* array, const int64_t* shape, int rank, hd_array** out);
HD_API int hd_array_detach(const hd_array* array, hd_array** out);

/* MXNet's .params files. `names` may be NULL. With path NULL the file's bytes are given instead. */
HD_API int hd_arrays_save(const char* path, hd_array* const* arrays, const char* const* names,
                          int count, const void** bytes, size_t* size);
/* Reads `path`, or where that is NULL `size` bytes. Each array is the caller's. `names` is set to
 * NULL where they have none. */
HD_API int hd_arrays_load(const char* path, const void* bytes, size_t size,
                          hd_array* const** arrays, const char* const** names, int* count);

/* --- operators ----------------------------------------------------------------------------------
 */

/* Runs an operator. On entry *count is how much room `outputs` has, at least the operator's visible
 * outputs; arrays there are written, where there is NULL one is made, the caller's. On return
 * *count is how many there are. An operator without inputs makes its outputs on the device of the
 * parameter "ctx". While recording, the call goes on this thread's tape. */
HD_API int hd_invoke(const char* op, hd_array* const* inputs, int input_count,
                     const char* const* params, hd_array** outputs, int* count);

/* --- autograd -----------------------------------------------------------------------------------
 */

/* Sets the flags of the calling thread, whether calls are recorded and whether operators are told
 * that they train: 0, 1, or -1 to leave it. Gives their old values where the pointers are not NULL.
 */
HD_API int hd_autograd_mode(int recording, int training, int* was_recording, int* was_training);

/* Makes an array a variable whose gradient goes to `gradient`, an array of its shape. */
HD_API int hd_autograd_mark(hd_array* variable, const hd_array* gradient, int grad);

typedef struct hd_backward_options {
  size_t size;
  hd_array* const* head_grads; /* as many as heads; NULL, or NULL among them: ones */
  int retain_graph;            /* 1: backward may be called once more */
  int create_graph;            /* 1: gradients can be differentiated again */
  int predicting;              /* 1: operators are told that they do not train */
  hd_array* const* variables;  /* their gradients are returned; NULL: marked ones get theirs */
  int variable_count;
  hd_array** gradients; /* as many places as variables; the arrays are the caller's */
} hd_backward_options;

/* The gradients of sum(heads * head_grads). `options` may be NULL. */
HD_API int hd_autograd_backward(hd_array* const* heads, int count,
                                const hd_backward_options* options);

/* --- symbols ------------------------------------------------------------------------------------
 */

/* `attributes`, like all params: "__shape__", "__lr_mult__" ... */
HD_API int hd_symbol_variable(const char* name, const char* const* attributes, hd_symbol** out);

/* An operator applied to symbols, in the order of its inputs, or under `input_names` where that is
 * not NULL. Inputs that are missing become variables "<name>_<input>". Without a name it gets one
 * that no other has, such as "convolution0". Parameters of the form "__x__" become attributes. */
HD_API int hd_symbol_apply(const char* op, const char* name, const char* const* params,
                           const char* const* input_names, hd_symbol* const* inputs, int count,
                           hd_symbol** out);

HD_API int hd_symbol_group(hd_symbol* const* parts, int count, hd_symbol** out);
/* Puts symbols in the place of variables: in the order of the arguments, or by name. */
HD_API int hd_symbol_compose(const hd_symbol* symbol, const char* const* names,
                             hd_symbol* const* inputs, int count, hd_symbol** out);

/* MXNet's JSON: reads what 0.8 to 1.9 wrote, writes 1.x. */
HD_API int hd_symbol_from_json(const char* json, hd_symbol** out);
HD_API int hd_symbol_to_json(const hd_symbol* symbol, const char** json);

/* One output, by its name or, where that is NULL, its number. */
HD_API int hd_symbol_output(const hd_symbol* symbol, const char* name, int index, hd_symbol** out);
/* The outputs of all nodes. */
HD_API int hd_symbol_internals(const hd_symbol* symbol, hd_symbol** out);
HD_API int hd_symbol_names(const hd_symbol* symbol, int kind, const char* const** names,
                           int* count);

/* An attribute of the head node, NULL where there is none; "name" gives the node's name. */
HD_API int hd_symbol_attribute(const hd_symbol* symbol, const char* key, const char** value);
/* A copy of the head node with these set. */
HD_API int hd_symbol_with_attributes(const hd_symbol* symbol, const char* const* attributes,
                                     hd_symbol** out);

/* What is known of a variable, or is found out. In an array of them the first one's size counts. */
typedef struct hd_variable {
  size_t size;
  const char* name;
  const int64_t* shape; /* NULL: unknown. A dimension of -1 is unknown. */
  int rank;             /* of `shape` */
  int dtype;
  /* For hd_bind(). */
  hd_array* array;    /* NULL: one is made, filled with zeros */
  hd_array* gradient; /* likewise */
  int grad;           /* HD_GRAD_WRITE ... */
} hd_variable;

/* Shapes and types of HD_ARGUMENTS, HD_AUXILIARY or HD_OUTPUTS, found from those of some variables.
 * What stays unknown is no error: shape NULL, dtype HD_UNKNOWN. Types that nothing decides are
 * float32; of a known variable so is the type unless `dtype` says other. */
HD_API int hd_symbol_infer(const hd_symbol* symbol, const hd_variable* known, int known_count,
                           int kind, const hd_variable* const** found, int* count);

/* --- executors ----------------------------------------------------------------------------------
 */

typedef struct hd_bind_options {
  size_t size;
  const char* device;        /* NULL: the CPU */
  int predicting;            /* 1: no gradients are prepared */
  int grad;                  /* of variables that say nothing; HD_GRAD_DEFAULT is HD_GRAD_WRITE */
  const char* const* groups; /* params: the attribute "__ctx_group__", and its device */
} hd_bind_options;

/* Binds a symbol; enough shapes must be given to find out the rest. `options` may be NULL. */
HD_API int hd_bind(const hd_symbol* symbol, const hd_variable* variables, int count,
                   const hd_bind_options* options, hd_executor** out);

/* Starts a run, and gradients of the outputs, which may be missing (0) where these are losses. */
HD_API int hd_executor_forward(hd_executor* executor, int training);
HD_API int hd_executor_backward(hd_executor* executor, hd_array* const* head_grads, int count);

/* The arrays of HD_ARGUMENTS, HD_AUXILIARY, HD_OUTPUTS or HD_GRADIENTS, in the order of
 * hd_symbol_names(), gradients in that of arguments; NULL for a gradient that is not wanted. The
 * same arrays each time; they are the executor's. */
HD_API int hd_executor_arrays(const hd_executor* executor, int kind, hd_array* const** arrays,
                              int* count);

/* An executor for other shapes that shares parameters. partial_shaping: shapes that are not given
 * may change; up_sizing: arrays may grow. */
HD_API int hd_executor_reshape(const hd_executor* executor, const hd_variable* shapes, int count,
                               int partial_shaping, int up_sizing, hd_executor** out);

/* Called with what a node computed, after it ran; `value` is valid during the call. NULL ends it.
 */
typedef void (*hd_monitor)(void* user, const char* name, hd_array* value);
HD_API int hd_executor_monitor(hd_executor* executor, hd_monitor monitor, void* user,
                               int inputs_too);

/* The final graph, where it runs and its memory, as text. */
HD_API int hd_executor_describe(const hd_executor* executor, const char** text);

/* --- stores -------------------------------------------------------------------------------------
 */

/* `type`: one of hd_list("kvstore"). compression > 0: of every value only -1, 0 or 1 times that is
 * summed, the rest waits for the next push (stores of type "device"). */
HD_API int hd_kvstore_create(const char* type, float compression, hd_kvstore** out);
/* First values, once per key. */
HD_API int hd_kvstore_init(hd_kvstore* store, const char* const* keys, hd_array* const* values,
                           int count);
/* The sum of the values of each key, which may come several times, goes to the updater or replaces
 * what is stored. Those of a larger priority go first. */
HD_API int hd_kvstore_push(hd_kvstore* store, const char* const* keys, hd_array* const* values,
                           int count, int priority);
/* What is stored, into the arrays. */
HD_API int hd_kvstore_pull(hd_kvstore* store, const char* const* keys, hd_array* const* outs,
                           int count, int priority);
/* Changes `stored` by `sum`, with operators or an optimizer; both are valid during the call. Not 0:
 * it failed, and so does the push. */
typedef int (*hd_updater)(void* user, const char* key, hd_array* sum, hd_array* stored);
HD_API int hd_kvstore_set_updater(hd_kvstore* store, hd_updater updater, void* user);

/* --- optimizers ---------------------------------------------------------------------------------
 */

/* `rule`: one of hd_list("optimizer"), such as "sgd" or "adam"; hd_describe tells its parameters,
 * and those of all: "learning_rate", "wd", "rescale_grad", "clip_gradient" ... */
HD_API int hd_optimizer_create(const char* rule, const char* const* params, hd_optimizer** out);
/* Every weight follows its gradient. What is kept of a weight goes by its key. A learning_rate
 * below 0 leaves it as it is. */
HD_API int hd_optimizer_update(hd_optimizer* optimizer, const char* const* keys,
                               hd_array* const* weights, hd_array* const* grads, int count,
                               double learning_rate);
/* Takes states over from `given`; where that is NULL, gives them. */
HD_API int hd_optimizer_states(hd_optimizer* optimizer, const void* given, size_t given_size,
                               const void** bytes, size_t* size);

/* --- data ---------------------------------------------------------------------------------------
 */

typedef struct hd_batch {
  size_t size;
  hd_array *data, *label; /* the iterator's, until its next batch */
  const uint64_t* index;  /* the samples' numbers; may be NULL */
  int index_count;
  int pad; /* how many of the last samples only fill it up */
} hd_batch;

/* `name`: one of hd_list("iterator"), such as "MNISTIter". */
HD_API int hd_iterator_create(const char* name, const char* const* params, hd_iterator** out);
/* Moves to the next batch, and says in *more whether there was one. `batch` may be NULL. */
HD_API int hd_iterator_next(hd_iterator* iterator, hd_batch* batch, int* more);
HD_API int hd_iterator_reset(hd_iterator* iterator);

/* mode: "r" or "w". hd_free() closes it. */
HD_API int hd_record_open(const char* path, const char* mode, hd_record** out);
/* The next record, which is the file's until its next call; *data is NULL at the end. `offset`,
 * which may be NULL, is where it begins. */
HD_API int hd_record_read(hd_record* record, const void** data, size_t* size, int64_t* offset);
HD_API int hd_record_write(hd_record* record, const void* data, size_t size, int64_t* offset);
HD_API int hd_record_seek(hd_record* record, int64_t offset);

#ifdef __cplusplus
}
#endif
