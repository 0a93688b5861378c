// Runs a saved network inside a buffer, and ends with an abort where a run allocates:
// bounded SYMBOL PARAMS INPUT OUTPUT NAME DIM... as run.cc. Prints what hd_plan says and, last,
// what set-up took of the heap: the most at once, and what stays. glibc only, whose malloc it
// replaces.
#include <malloc.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "heddle_predict.h"

static bool trapped = false;
static size_t held = 0, most = 0;  // bytes of the heap

static void* counted(void* p) {
  if (trapped) std::abort();
  held += malloc_usable_size(p);
  if (held > most) most = held;
  return p;
}

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);

void* malloc(size_t n) { return counted(__libc_malloc(n)); }
void* calloc(size_t n, size_t size) { return counted(__libc_calloc(n, size)); }
void* realloc(void* p, size_t n) {
  held -= malloc_usable_size(p);
  return counted(__libc_realloc(p, n));
}
void* memalign(size_t alignment, size_t n) { return counted(__libc_memalign(alignment, n)); }
void* aligned_alloc(size_t alignment, size_t n) { return memalign(alignment, n); }
int posix_memalign(void** p, size_t alignment, size_t n) {
  *p = memalign(alignment, n);
  return *p ? 0 : ENOMEM;
}
void free(void* p) {
  held -= malloc_usable_size(p);
  __libc_free(p);
}
}

static std::string read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

static void stop(const char* text) {
  std::fprintf(stderr, "%s\n", text);
  std::exit(3);
}

static void expect(int code) {
  if (code != 0) stop(hd_last_error());
}

int main(int argc, char** argv) {
  if (argc < 7) return 2;
  expect(hd_on_error(stop));
  const std::string json = read(argv[1]), params = read(argv[2]), numbers = read(argv[3]);
  std::vector<int64_t> shape;
  for (int i = 6; i < argc; ++i) shape.push_back(std::atoll(argv[i]));
  const hd_input input = {sizeof input, argv[5], shape.data(), int(shape.size()), 0};
  hd_model* model = nullptr;
  hd_predictor* predictor = nullptr;
  expect(hd_model_create(json.c_str(), params.data(), params.size(), &model));
  hd_memory memory = {sizeof memory, 0, 0, 0, 0};
  expect(hd_plan(model, &input, 1, nullptr, 0, &memory));
  std::printf("params %zu values %zu scratch %zu buffer %zu\n", memory.params, memory.values,
              memory.scratch, memory.buffer);

  // Not aligned, and followed by bytes that nobody may touch.
  constexpr size_t kBefore = 8, kAfter = 4096;
  std::vector<unsigned char> space(kBefore + memory.buffer + kAfter, 0xa5);
  unsigned char* const buffer = space.data() + kBefore;
#ifdef __cpp_exceptions
  for (size_t bytes : {size_t(0), memory.values / 2, memory.values + memory.scratch / 2})
    if (hd_predictor_create_in(model, &input, 1, nullptr, 0, buffer, bytes, &predictor) != -1)
      stop("a buffer that is too small was taken");
#endif
  const size_t before = held;
  most = held;
  expect(hd_predictor_create_in(model, &input, 1, nullptr, 0, buffer, memory.buffer, &predictor));
  std::printf("heap %zu %zu\n", most - before, held - before);

  hd_output out = {sizeof out, nullptr, nullptr, 0, 0, nullptr, 0};
  trapped = true;
  for (int run = 0; run < 3; ++run) {
    expect(hd_predictor_set(predictor, input.name, numbers.data(), numbers.size()));
    if (run < 2) expect(hd_predictor_forward(predictor));
    for (int step = 0, left = run == 2; left > 0; ++step)
      expect(hd_predictor_step(predictor, step, &left));
    expect(hd_predictor_output(predictor, 0, &out));
  }
  trapped = false;
  const auto* const data = static_cast<const unsigned char*>(out.data);
  if (data < buffer || data + out.bytes > buffer + memory.buffer) stop("an output lies elsewhere");
  for (size_t i = 0; i < kAfter; ++i)
    if (space[kBefore + memory.buffer + i] != 0xa5) stop("something wrote behind the buffer");
  std::ofstream(argv[4], std::ios::binary)
      .write(static_cast<const char*>(out.data), std::streamsize(out.bytes));
  hd_predictor_free(predictor);
  hd_model_free(model);
}
