// Optimizers, stores, iterators and files of records.
#include <cstring>

#include "calls.h"
#include "glue.h"

using namespace glue;

namespace {

hd_optimizer* optimizer_of(SEXP x) {
  return static_cast<hd_optimizer*>(handle_of(x, Kind::kOptimizer, "the optimizer"));
}
hd_kvstore* store_of(SEXP x) {
  return static_cast<hd_kvstore*>(handle_of(x, Kind::kStore, "the store"));
}
hd_iterator* iterator_of(SEXP x) {
  return static_cast<hd_iterator*>(handle_of(x, Kind::kIterator, "the iterator"));
}
hd_record* record_of(SEXP x) {
  return static_cast<hd_record*>(handle_of(x, Kind::kRecord, "the file"));
}

// Keys of a store: texts, or numbers as texts.
std::vector<std::string> keys_of(SEXP keys, size_t expected) {
  std::vector<std::string> all;
  if (TYPEOF(keys) == INTSXP) {
    for (R_xlen_t i = 0; i < XLENGTH(keys); ++i) all.push_back(text_of(INTEGER(keys)[i]));
  } else if (TYPEOF(keys) == REALSXP) {
    for (R_xlen_t i = 0; i < XLENGTH(keys); ++i) all.push_back(text_of(REAL(keys)[i]));
  } else {
    all = strings_of(keys);
  }
  if (all.size() != expected) {
    throw Failure("[KVStore] found " + std::to_string(all.size()) + " keys for " +
                  std::to_string(expected) + " arrays");
  }
  return all;
}

// An updater that is a function of R; its error is printed, and fails the push.
int call_updater(void* user, const char* key, hd_array* sum, hd_array* stored) {
  struct Job {
    SEXP function;
    const char* key;
    hd_array *sum, *stored;
  } job = {static_cast<SEXP>(user), key, sum, stored};
  const Rboolean fine = R_ToplevelExec(
      [](void* p) {
        const Job& j = *static_cast<Job*>(p);
        SEXP a = PROTECT(view_array(j.sum));
        SEXP b = PROTECT(view_array(j.stored));
        SEXP k = PROTECT(Rf_mkString(j.key));
        SEXP call = PROTECT(Rf_lang4(j.function, k, a, b));
        Rf_eval(call, R_GlobalEnv);
        UNPROTECT(4);
      },
      &job);
  return fine ? 0 : 1;
}

}  // namespace

extern "C" {

SEXP hdr_optimizer(SEXP rule, SEXP params) {
  return guarded([&] {
    Params texts;
    texts.add_list(params);
    hd_optimizer* made;
    must(hd_optimizer_create(string_of(rule, "the rule").c_str(), texts.data(), &made));
    return own(Kind::kOptimizer, made);
  });
}

SEXP hdr_update(SEXP optimizer, SEXP keys, SEXP weights, SEXP grads, SEXP rate) {
  return guarded([&] {
    const std::vector<hd_array*> w = arrays_of(weights, "the weights");
    const std::vector<hd_array*> g = arrays_of(grads, "the gradients");
    if (w.size() != g.size()) {
      throw Failure("[optimizer] found " + std::to_string(g.size()) + " gradients for " +
                    std::to_string(w.size()) + " weights");
    }
    const std::vector<std::string> texts = keys_of(keys, w.size());
    const std::vector<const char*> names = pointers(texts);
    must(hd_optimizer_update(optimizer_of(optimizer), names.data(), w.data(), g.data(),
                             int(w.size()), real_of(rate, "the rate")));
    return R_NilValue;
  });
}

// Takes states over, or gives them as bytes.
SEXP hdr_optimizer_states(SEXP optimizer, SEXP given) {
  return guarded([&]() -> SEXP {
    const void* bytes;
    size_t size;
    if (!Rf_isNull(given)) {
      if (TYPEOF(given) != RAWSXP) throw Failure("[optimizer] expected states as raw bytes");
      must(hd_optimizer_states(optimizer_of(optimizer), RAW(given), size_t(XLENGTH(given)), nullptr,
                               nullptr));
      return optimizer;
    }
    must(hd_optimizer_states(optimizer_of(optimizer), nullptr, 0, &bytes, &size));
    SEXP raw = Rf_allocVector(RAWSXP, R_xlen_t(size));
    std::memcpy(RAW(raw), bytes, size);
    return raw;
  });
}

SEXP hdr_store(SEXP type) {
  return guarded([&] {
    hd_kvstore* made;
    must(hd_kvstore_create(string_of(type, "the type").c_str(), 0, &made));
    return own(Kind::kStore, made);
  });
}

SEXP hdr_store_init(SEXP store, SEXP keys, SEXP values) {
  return guarded([&] {
    const std::vector<hd_array*> arrays = arrays_of(values, "the values");
    const std::vector<std::string> texts = keys_of(keys, arrays.size());
    must(hd_kvstore_init(store_of(store), pointers(texts).data(), arrays.data(),
                         int(arrays.size())));
    return store;
  });
}

SEXP hdr_store_push(SEXP store, SEXP keys, SEXP values, SEXP priority) {
  return guarded([&] {
    const std::vector<hd_array*> arrays = arrays_of(values, "the values");
    const std::vector<std::string> texts = keys_of(keys, arrays.size());
    must(hd_kvstore_push(store_of(store), pointers(texts).data(), arrays.data(), int(arrays.size()),
                         int(whole_of(priority, "the priority"))));
    return store;
  });
}

SEXP hdr_store_pull(SEXP store, SEXP keys, SEXP outs, SEXP priority) {
  return guarded([&] {
    const std::vector<hd_array*> arrays = arrays_of(outs, "the places");
    const std::vector<std::string> texts = keys_of(keys, arrays.size());
    must(hd_kvstore_pull(store_of(store), pointers(texts).data(), arrays.data(), int(arrays.size()),
                         int(whole_of(priority, "the priority"))));
    return outs;
  });
}

// function(key, sum, stored) changes `stored`, in place.
SEXP hdr_store_updater(SEXP store, SEXP updater) {
  return guarded([&] {
    must(hd_kvstore_set_updater(store_of(store), call_updater, updater));
    keep(store, updater);
    return store;
  });
}

SEXP hdr_iterator(SEXP name, SEXP params) {
  return guarded([&] {
    Params texts;
    texts.add_list(params);
    hd_iterator* made;
    must(hd_iterator_create(string_of(name, "the iterator").c_str(), texts.data(), &made));
    return own(Kind::kIterator, made);
  });
}

// The next batch as list(data, label, index, pad), or NULL. Its arrays stay what they are when the
// iterator goes on.
SEXP hdr_next(SEXP iterator) {
  return guarded([&]() -> SEXP {
    hd_batch batch = {};
    batch.size = sizeof batch;
    int more = 0;
    must(hd_iterator_next(iterator_of(iterator), &batch, &more));
    if (!more) return R_NilValue;
    Rcpp::Shield<SEXP> data(view_array(batch.data)), label(view_array(batch.label));
    Rcpp::NumericVector index(batch.index, batch.index + (batch.index ? batch.index_count : 0));
    return Rcpp::List::create(Rcpp::Named("data") = SEXP(data), Rcpp::Named("label") = SEXP(label),
                              Rcpp::Named("index") = index, Rcpp::Named("pad") = batch.pad);
  });
}

SEXP hdr_reset(SEXP iterator) {
  return guarded([&] {
    must(hd_iterator_reset(iterator_of(iterator)));
    return iterator;
  });
}

SEXP hdr_record(SEXP path, SEXP mode) {
  return guarded([&] {
    hd_record* made;
    must(hd_record_open(string_of(path, "the file").c_str(), string_of(mode, "the mode").c_str(),
                        &made));
    return own(Kind::kRecord, made);
  });
}

SEXP hdr_record_read(SEXP record) {
  return guarded([&]() -> SEXP {
    const void* data;
    size_t size;
    must(hd_record_read(record_of(record), &data, &size, nullptr));
    if (!data) return R_NilValue;
    SEXP raw = Rf_allocVector(RAWSXP, R_xlen_t(size));
    if (size) std::memcpy(RAW(raw), data, size);
    return raw;
  });
}

SEXP hdr_record_write(SEXP record, SEXP bytes) {
  return guarded([&] {
    if (TYPEOF(bytes) != RAWSXP) throw Failure("[RecordIO] expected the bytes of a record, as raw");
    int64_t offset;
    must(hd_record_write(record_of(record), RAW(bytes), size_t(XLENGTH(bytes)), &offset));
    return Rf_ScalarReal(double(offset));
  });
}

}  // extern "C"
