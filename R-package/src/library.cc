// The library as a whole: what there is, seeds, the profiler; and JSON as lists of R.
#include <cstdlib>
#include <cstring>

#include "calls.h"
#include "glue.h"

namespace glue {
namespace {

// JSON of the library's own making, as lists and vectors of R.
class JsonReader {
 public:
  explicit JsonReader(const char* text) : at_(text) {}

  Rcpp::RObject read() {
    skip();
    switch (*at_) {
      case '{':
        return object();
      case '[':
        return list();
      case '"':
        return Rcpp::CharacterVector::create(Rf_mkCharCE(text().c_str(), CE_UTF8));
      case 't':
        return word("true"), Rcpp::LogicalVector::create(true);
      case 'f':
        return word("false"), Rcpp::LogicalVector::create(false);
      case 'n':
        return word("null"), R_NilValue;
      default:
        return Rcpp::NumericVector::create(number());
    }
  }

 private:
  [[noreturn]] void fail() {
    throw Failure("[JSON] cannot read: " + std::string(at_).substr(0, 40));
  }
  void skip() {
    while (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r') ++at_;
  }
  bool take(char c) {
    skip();
    if (*at_ != c) return false;
    return ++at_, true;
  }
  void expect(char c) {
    if (!take(c)) fail();
  }
  void word(const char* w) {
    if (std::strncmp(at_, w, std::strlen(w)) != 0) fail();
    at_ += std::strlen(w);
  }
  double number() {
    char* end;
    const double v = std::strtod(at_, &end);
    if (end == at_) fail();
    at_ = end;
    return v;
  }

  std::string text() {
    expect('"');
    std::string s;
    while (*at_ && *at_ != '"') {
      if (*at_ != '\\') {
        s += *at_++;
        continue;
      }
      ++at_;
      switch (*at_) {
        case 'n':
          s += '\n';
          break;
        case 't':
          s += '\t';
          break;
        case 'r':
          s += '\r';
          break;
        case 'b':
          s += '\b';
          break;
        case 'f':
          s += '\f';
          break;
        case 'u':
          append(s);
          break;
        default:
          s += *at_;
          break;
      }
      ++at_;
    }
    expect('"');
    return s;
  }

  // A character of the basic plane, in UTF-8; at_ stays on its last digit.
  void append(std::string& s) {
    char digits[5] = {};
    for (int i = 0; i < 4; ++i)
      if (!(digits[i] = at_[1 + i])) fail();
    const unsigned long c = std::strtoul(digits, nullptr, 16);
    if (c < 0x80) {
      s += char(c);
    } else if (c < 0x800) {
      s += char(0xC0 | c >> 6);
      s += char(0x80 | (c & 0x3F));
    } else {
      s += char(0xE0 | c >> 12);
      s += char(0x80 | (c >> 6 & 0x3F));
      s += char(0x80 | (c & 0x3F));
    }
    at_ += 4;
  }

  Rcpp::RObject list() {
    expect('[');
    std::vector<Rcpp::RObject> all;
    if (!take(']')) {
      do all.push_back(read());
      while (take(','));
      expect(']');
    }
    Rcpp::List made(all.size());
    for (size_t i = 0; i < all.size(); ++i) made[R_xlen_t(i)] = all[i];
    return made;
  }

  Rcpp::RObject object() {
    expect('{');
    std::vector<std::pair<std::string, Rcpp::RObject>> all;
    if (!take('}')) {
      do {
        skip();
        std::string key = text();
        expect(':');
        all.emplace_back(std::move(key), read());
      } while (take(','));
      expect('}');
    }
    Rcpp::List made(all.size());
    Rcpp::CharacterVector names(all.size());
    for (size_t i = 0; i < all.size(); ++i) {
      made[R_xlen_t(i)] = all[i].second;
      names[R_xlen_t(i)] = all[i].first;
    }
    made.names() = names;
    return made;
  }

  const char* at_;
};

}  // namespace
}  // namespace glue

using namespace glue;

extern "C" {

SEXP hdr_list(SEXP kind) {
  return guarded([&] {
    const char* const* names;
    int count;
    must(hd_list(string_of(kind, "the kind").c_str(), &names, &count));
    return strings(names, count);
  });
}

SEXP hdr_describe(SEXP kind, SEXP name) {
  return guarded([&]() -> SEXP {
    const std::string what = Rf_isNull(name) ? "" : string_of(name, "the name");
    const char* json;
    must(hd_describe(string_of(kind, "the kind").c_str(), Rf_isNull(name) ? nullptr : what.c_str(),
                     &json));
    return JsonReader(json).read();
  });
}

SEXP hdr_parse_json(SEXP text) {
  return guarded([&]() -> SEXP { return JsonReader(string_of(text, "the JSON").c_str()).read(); });
}

SEXP hdr_seed(SEXP seed, SEXP context) {
  return guarded([&] {
    const double s = real_of(seed, "the seed");
    if (!(s >= 0)) throw Failure("[mx.set.seed] found " + text_of(s) + ", expected 0 or more");
    const std::string device = Rf_isNull(context) ? "" : device_of(context);
    must(hd_seed(uint64_t(s), device.empty() ? nullptr : device.c_str()));
    return R_NilValue;
  });
}

// Waits for everything; what failed meanwhile interests nobody any more.
SEXP hdr_finish() {
  hd_wait(nullptr);
  return R_NilValue;
}

SEXP hdr_threads(SEXP threads) {
  return guarded([&] {
    must(hd_set_threads(int(whole_of(threads, "the number of threads"))));
    return R_NilValue;
  });
}

SEXP hdr_load_library(SEXP path) {
  return guarded([&] {
    must(hd_load_library(string_of(path, "the library").c_str()));
    return R_NilValue;
  });
}

// mode: "all", "symbolic" or "stop".
SEXP hdr_profiler(SEXP mode) {
  return guarded([&] {
    const std::string m = string_of(mode, "the mode");
    if (m == "stop") return must(hd_profiler_stop()), R_NilValue;
    hd_profiler_options options = {};
    options.size = sizeof options;
    options.without_eager = m == "symbolic";
    must(hd_profiler_start(&options));
    return R_NilValue;
  });
}

SEXP hdr_profiler_write(SEXP path) {
  return guarded([&] {
    must(hd_profiler_write(string_of(path, "the file").c_str()));
    return R_NilValue;
  });
}

}  // extern "C"
