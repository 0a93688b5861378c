// What the files between R and heddle's C face share: errors, handles, texts and shapes.
#pragma once
#include <Rcpp.h>
// After what it stands on.
#include <R_ext/Altrep.h>
#include <heddle/c_api.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace glue {

// An error of heddle on its way to R, where it becomes a condition of class heddle_error.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What the C face answered: 0, or why not.
inline void must(int rc) {
  if (rc != 0) throw Failure(hd_last_error());
}

// The condition of class heddle_error with this text, and the call of the user's that led here.
SEXP condition_of(const char* text);
SEXP raise(SEXP condition);  // does not return

// Runs f, and lets neither an exception leave C++ nor a jump of R's pass over a destructor.
template <class F>
SEXP guarded(F&& f) {
  SEXP condition = R_NilValue, token = R_NilValue;
  bool interrupted = false;
  try {
    return f();
  } catch (const Rcpp::LongjumpException& e) {
    token = e.token;
  } catch (const Rcpp::internal::InterruptedException&) {
    interrupted = true;
  } catch (const std::exception& e) {
    try {
      condition = PROTECT(condition_of(e.what()));
    } catch (const Rcpp::LongjumpException& inner) {
      token = inner.token;
    } catch (...) {
      interrupted = true;
    }
  }
  if (condition != R_NilValue) return raise(condition);
  if (interrupted) Rf_onintr();
  Rcpp::internal::resumeJump(token);
  return R_NilValue;
}

// --- handles ------------------------------------------------------------------------------------

// What an external pointer may hold, by the class that R sees.
enum class Kind { kArray, kSymbol, kExecutor, kStore, kOptimizer, kIterator, kRecord };

// An external pointer that owns a handle. `bytes` count towards R's collector.
SEXP own(Kind kind, void* handle, double bytes = 0);
// The handle; one that came out of a file is made again first.
void* handle_of(SEXP x, Kind kind, const char* what);
bool holds(SEXP x, Kind kind);
void release(SEXP record);  // closes the file now; using the record later is an error
// What is kept beside a handle as long as it lives.
void keep(SEXP x, SEXP value);
SEXP kept(SEXP x);

// Bytes outside R's memory: much of it that may be garbage starts R's collector.
void account(double bytes);
double accounted();

SEXP give_array(hd_array* array);  // owns it
SEXP view_array(hd_array* array);  // another handle on the memory of one that something else owns
inline hd_array* array_of(SEXP x, const char* what = "the array") {
  return static_cast<hd_array*>(handle_of(x, Kind::kArray, what));
}
inline hd_symbol* symbol_of(SEXP x, const char* what = "the symbol") {
  return static_cast<hd_symbol*>(handle_of(x, Kind::kSymbol, what));
}
inline hd_executor* executor_of(SEXP x) {
  return static_cast<hd_executor*>(handle_of(x, Kind::kExecutor, "the executor"));
}
std::vector<hd_array*> arrays_of(SEXP list, const char* what);

// What a .params file would hold of an array, and the array of such bytes.
SEXP bytes_of_array(hd_array* array);
hd_array* array_of_bytes(SEXP bytes);

// --- arrays and values of R ---------------------------------------------------------------------

hd_array_info info_of(const hd_array* array);
SEXP dims_of(const hd_array* array);         // of R: the last axis first
std::vector<int64_t> shape_of(SEXP dims);    // the same turned round
std::string device_of(SEXP context);         // "cpu(0)" of an MXContext or a text
SEXP context_of(const std::string& device);  // the MXContext of "cpu(0)"
hd_array* array_from(SEXP values, const std::vector<int64_t>& shape, int dtype,
                     const char* device);  // from numbers
SEXP values_of(hd_array* array);           // to numbers, with their dimensions
hd_array* invoke(const char* op, const std::vector<hd_array*>& inputs,
                 std::initializer_list<const char*> params, hd_array* out = nullptr);

// --- texts --------------------------------------------------------------------------------------

std::string text_of(double number);  // the shortest that reads back as the same number
// An argument as the text of a parameter: numbers, texts, TRUE; vectors, and whatever is a shape,
// as a tuple in the order of heddle, which is R's turned round.
std::string text_of(SEXP value, const std::string& parameter);

// Names and values by turns, for hd_* functions.
class Params {
 public:
  void add(std::string name, std::string value) {
    texts_.push_back(std::move(name));
    texts_.push_back(std::move(value));
  }
  bool has(const std::string& name) const {
    for (size_t i = 0; i < texts_.size(); i += 2)
      if (texts_[i] == name) return true;
    return false;
  }
  void add_list(SEXP list);  // a named list of arguments; NULL among them: not given
  const char* const* data() {
    pointers_.clear();
    for (const std::string& s : texts_) pointers_.push_back(s.c_str());
    pointers_.push_back(nullptr);
    return pointers_.data();
  }

 private:
  std::vector<std::string> texts_;
  std::vector<const char*> pointers_;
};

// A parameter's name as heddle spells it: num.hidden is num_hidden.
std::string spelled(std::string name);
std::string string_of(SEXP x, const char* what);
std::vector<std::string> strings_of(SEXP x);
SEXP strings(const char* const* names, int count);
std::vector<const char*> pointers(const std::vector<std::string>& texts);
std::vector<std::string> names_of(SEXP list);    // "" where there is none
R_xlen_t items_of(SEXP list, const char* what);  // how many; NULL is a list of none
int64_t whole_of(SEXP x, const char* what);
double real_of(SEXP x, const char* what);
bool is_true(SEXP x);

}  // namespace glue
