// External pointers: who owns what heddle made, how much memory that is, and how it gets into
// files.
//
// The tag of a pointer to an array or symbol is a vector of R that has no elements, but a method
// that R's serialize() calls: it gives what the array or symbol holds at that moment. What comes
// back from a file is a null pointer with that in the tag, and the first who uses it makes the
// array or symbol again.
#include <R_ext/Rallocators.h>

#include <algorithm>
#include <cstdlib>
#include <new>

#include "glue.h"

namespace glue {

static const char* class_name(Kind kind) {
  switch (kind) {
    case Kind::kArray:
      return "MXNDArray";
    case Kind::kSymbol:
      return "MXSymbol";
    case Kind::kExecutor:
      return "MXExecutor";
    case Kind::kStore:
      return "MXKVStore";
    case Kind::kOptimizer:
      return "MXNativeOptimizer";
    case Kind::kIterator:
      return "MXNativeDataIter";
    case Kind::kRecord:
      return "MXRecordIO";
  }
  return "";
}

// The attribute "class" of a kind, made once.
static SEXP class_of(Kind kind) {
  static SEXP made[7] = {};
  SEXP& place = made[int(kind)];
  if (!place) {
    place = Rf_mkString(class_name(kind));
    R_PreserveObject(place);
    MARK_NOT_MUTABLE(place);
  }
  return place;
}

// --- bytes --------------------------------------------------------------------------------------

// R sees pointers, not the memory behind them, and would let garbage pile up. So it collects when
// what is held grew by a fifth, and by 48 MiB, since the least that was held after a collection.
static double live = 0, least = 0;

void account(double bytes) {
  live += bytes;
  if (bytes < 0) {
    least = std::min(least, live);
  } else if (live - least > std::max(48.0 * 1024 * 1024, least / 5)) {
    R_gc();
    least = live;
  }
}

double accounted() { return live; }

// --- arrays -------------------------------------------------------------------------------------

// An array ends with a vector of R that only its pointer's state holds: whoever lends R the memory
// of a vector hears when the vector is garbage. A finalizer would say the same, and cost R a weak
// reference and a second collection of all that belongs to the pointer.
struct Held {
  hd_array* array;
  double bytes;  // 0 of a view
};

// The block of the vector, behind what ends with it.
static void* lend(R_allocator_t* lender, size_t size) {
  void* block = std::malloc(sizeof(Held) + size);
  return block ? new (block) Held(*static_cast<const Held*>(lender->data)) + 1 : nullptr;
}

// Runs within a collection: nothing of R may be called.
static void take_back(R_allocator_t*, void* memory) {
  Held* held = static_cast<Held*>(memory) - 1;
  hd_free(held->array);
  account(-held->bytes);
  std::free(held);
}

static SEXP holder_of(Held held) {
  R_allocator_t lender = {lend, take_back, nullptr, &held};
  return Rf_allocVector3(RAWSXP, 1, &lender);
}

// --- files --------------------------------------------------------------------------------------

static R_altrep_class_t state_class;

static R_xlen_t state_length(SEXP) { return 0; }
static void* state_data(SEXP, Rboolean) { return nullptr; }

static SEXP state_serialized(SEXP state) {
  return guarded([&]() -> SEXP {
    SEXP x = R_altrep_data1(state);
    void* handle = R_ExternalPtrAddr(x);
    if (!handle) return R_NilValue;
    if (holds(x, Kind::kArray)) return bytes_of_array(static_cast<hd_array*>(handle));
    const char* json;
    must(hd_symbol_to_json(static_cast<hd_symbol*>(handle), &json));
    return Rf_mkString(json);
  });
}

static SEXP state_restored(SEXP, SEXP state) { return state; }

static SEXP state_of(SEXP x) { return R_new_altrep(state_class, x, R_NilValue); }
static SEXP state_of(SEXP x, Held held) {
  Rcpp::Shield<SEXP> holder(holder_of(held));
  return R_new_altrep(state_class, x, holder);
}

static void revive(SEXP x, Kind kind) {
  SEXP state = R_ExternalPtrTag(x);
  if (kind == Kind::kArray && TYPEOF(state) == RAWSXP && XLENGTH(state) > 0) {
    hd_array* a = array_of_bytes(state);
    const double bytes = double(info_of(a).bytes);
    R_SetExternalPtrTag(x, state_of(x, {a, bytes}));
    R_SetExternalPtrAddr(x, a);
    account(bytes);
  } else if (kind == Kind::kSymbol && TYPEOF(state) == STRSXP) {
    hd_symbol* s;
    must(hd_symbol_from_json(CHAR(STRING_ELT(state, 0)), &s));
    R_SetExternalPtrAddr(x, s);
    R_SetExternalPtrTag(x, state_of(x));
  }
}

// --- pointers -----------------------------------------------------------------------------------

static void free_handle(SEXP x) {
  void* handle = R_ExternalPtrAddr(x);
  if (!handle) return;
  R_ClearExternalPtr(x);
  if (SEXP bytes = R_ExternalPtrTag(x); TYPEOF(bytes) == REALSXP) account(-REAL(bytes)[0]);
  hd_free(handle);
}

static SEXP own_array(hd_array* array, double bytes) {
  Rcpp::Shield<SEXP> x(R_MakeExternalPtr(array, R_NilValue, R_NilValue));
  R_SetExternalPtrTag(x, state_of(x, {array, bytes}));
  Rf_setAttrib(x, R_ClassSymbol, class_of(Kind::kArray));
  if (bytes > 0) account(bytes);
  return x;
}

SEXP own(Kind kind, void* handle, double bytes) {
  if (kind == Kind::kArray) return own_array(static_cast<hd_array*>(handle), bytes);
  Rcpp::Shield<SEXP> x(R_MakeExternalPtr(handle, R_NilValue, R_NilValue));
  R_RegisterCFinalizerEx(x, free_handle, FALSE);
  Rf_setAttrib(x, R_ClassSymbol, class_of(kind));
  if (kind == Kind::kSymbol) {
    R_SetExternalPtrTag(x, state_of(x));
  } else if (bytes > 0) {
    R_SetExternalPtrTag(x, Rf_ScalarReal(bytes));
    account(bytes);
  }
  return x;
}

SEXP give_array(hd_array* array) { return own(Kind::kArray, array, double(info_of(array).bytes)); }

SEXP view_array(hd_array* array) {
  if (!array) return R_NilValue;
  hd_array* view;
  must(hd_array_detach(array, &view));
  SEXP x = own(Kind::kArray, view);
  R_SetExternalPtrProtected(x, Rf_ScalarLogical(TRUE));  // the memory is another's
  return x;
}

bool holds(SEXP x, Kind kind) {
  if (TYPEOF(x) != EXTPTRSXP) return false;
  return Rf_getAttrib(x, R_ClassSymbol) == class_of(kind) || Rf_inherits(x, class_name(kind));
}

void* handle_of(SEXP x, Kind kind, const char* what) {
  if (!holds(x, kind)) {
    throw Failure(std::string("[R] ") + what + " is of type " + Rf_type2char(TYPEOF(x)) +
                  ", expected an object of class " + class_name(kind));
  }
  if (!R_ExternalPtrAddr(x)) revive(x, kind);
  if (void* handle = R_ExternalPtrAddr(x)) return handle;
  throw Failure(std::string("[R] ") + what + " is an " + class_name(kind) +
                " that has been moved, closed, or saved by another session");
}

void release(SEXP record) {
  handle_of(record, Kind::kRecord, "the record");  // throws at what is none
  free_handle(record);
}

void keep(SEXP x, SEXP value) { R_SetExternalPtrProtected(x, value); }
SEXP kept(SEXP x) { return R_ExternalPtrProtected(x); }

std::vector<hd_array*> arrays_of(SEXP list, const char* what) {
  std::vector<hd_array*> all;
  if (holds(list, Kind::kArray)) return {array_of(list, what)};
  if (Rf_isNull(list)) return all;
  if (TYPEOF(list) != VECSXP) {
    throw Failure(std::string("[R] ") + what + " are of type " + Rf_type2char(TYPEOF(list)) +
                  ", expected a list of MXNDArray");
  }
  for (R_xlen_t i = 0; i < XLENGTH(list); ++i) all.push_back(array_of(VECTOR_ELT(list, i), what));
  return all;
}

void register_state(DllInfo* dll) {
  state_class = R_make_altraw_class("heddle_state", "heddle", dll);
  R_set_altrep_Length_method(state_class, state_length);
  R_set_altvec_Dataptr_method(state_class, state_data);
  R_set_altrep_Serialized_state_method(state_class, state_serialized);
  R_set_altrep_Unserialize_method(state_class, state_restored);
}

}  // namespace glue
