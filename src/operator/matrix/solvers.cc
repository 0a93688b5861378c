// The portable solvers: textbook algorithms in plain loops.
#include "operator/matrix/solvers.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "heddle/device.h"

namespace heddle::ops::solvers {

// The lower triangle of a, or the upper one seen as its transpose.
template <class T>
struct Lower {
  T* a;
  int64_t n;
  bool lower;
  T& operator()(int64_t i, int64_t j) const { return lower ? a[i * n + j] : a[j * n + i]; }
};

template <class T>
int Plain::cholesky(T* a, int64_t n, bool lower) {
  const Lower<T> l{a, n, lower};
  for (int64_t j = 0; j < n; ++j) {
    T d = l(j, j);
    for (int64_t k = 0; k < j; ++k) d -= l(j, k) * l(j, k);
    if (!(d > 0)) return int(j + 1);  // NaN too
    l(j, j) = d = std::sqrt(d);
    for (int64_t i = j + 1; i < n; ++i) {
      T s = l(i, j);
      for (int64_t k = 0; k < j; ++k) s -= l(i, k) * l(j, k);
      l(i, j) = s / d;
    }
  }
  return 0;
}

template <class T>
void Plain::cholesky_inverse(T* a, int64_t n, bool lower) {
  const Lower<T> l{a, n, lower};
  for (int64_t j = 0; j < n; ++j) {  // the inverse of the factor, column by column
    l(j, j) = 1 / l(j, j);
    for (int64_t i = j + 1; i < n; ++i) {
      T s = 0;
      for (int64_t k = j; k < i; ++k) s += l(i, k) * l(k, j);
      l(i, j) = -s / l(i, i);
    }
  }
  for (int64_t i = 0; i < n; ++i)  // its transpose times itself; row i needs rows i and below
    for (int64_t j = 0; j <= i; ++j) {
      T s = 0;
      for (int64_t k = i; k < n; ++k) s += l(k, i) * l(k, j);
      l(i, j) = s;
    }
}

// op(a), of which one triangle counts.
template <class T>
struct Factor {
  const T* a;
  int64_t n;
  Triangle t;
  T operator()(int64_t i, int64_t j) const { return t.transposed ? a[j * n + i] : a[i * n + j]; }
  bool lower() const { return t.lower != t.transposed; }
};

template <class T>
void scale(T* x, int64_t n, T by) {
  for (int64_t j = 0; j < n; ++j) x[j] *= by;
}
template <class T>
void add(T* x, int64_t n, T by, const T* y) {
  for (int64_t j = 0; j < n; ++j) x[j] += by * y[j];
}

template <class T>
void Plain::multiply(Triangle t, const T* a, T* b, int64_t m, int64_t n, int64_t ld, T alpha) {
  const Factor<T> f{a, t.right ? n : m, t};
  if (!t.right) {  // rows of b that are still needed are changed last
    for (int64_t step = 0; step < m; ++step) {
      const int64_t i = f.lower() ? m - 1 - step : step;
      const int64_t from = f.lower() ? 0 : i + 1, to = f.lower() ? i : m;
      scale(b + i * ld, n, alpha * f(i, i));
      for (int64_t k = from; k < to; ++k) add(b + i * ld, n, alpha * f(i, k), b + k * ld);
    }
    return;
  }
  for (int64_t i = 0; i < m; ++i) {
    T* row = b + i * ld;
    for (int64_t step = 0; step < n; ++step) {
      const int64_t j = f.lower() ? step : n - 1 - step;
      const int64_t from = f.lower() ? j : 0, to = f.lower() ? n : j + 1;
      T s = 0;
      for (int64_t k = from; k < to; ++k) s += row[k] * f(k, j);
      row[j] = alpha * s;
    }
  }
}

template <class T>
void Plain::solve(Triangle t, const T* a, T* b, int64_t m, int64_t n, int64_t ld, T alpha) {
  const Factor<T> f{a, t.right ? n : m, t};
  if (!t.right) {
    for (int64_t step = 0; step < m; ++step) {
      const int64_t i = f.lower() ? step : m - 1 - step;
      const int64_t from = f.lower() ? 0 : i + 1, to = f.lower() ? i : m;
      scale(b + i * ld, n, alpha);
      for (int64_t k = from; k < to; ++k) add(b + i * ld, n, -f(i, k), b + k * ld);
      for (int64_t j = 0; j < n; ++j) b[i * ld + j] /= f(i, i);
    }
    return;
  }
  for (int64_t i = 0; i < m; ++i) {
    T* row = b + i * ld;
    for (int64_t step = 0; step < n; ++step) {
      const int64_t j = f.lower() ? n - 1 - step : step;
      const int64_t from = f.lower() ? j + 1 : 0, to = f.lower() ? n : j;
      T s = alpha * row[j];
      for (int64_t k = from; k < to; ++k) s -= row[k] * f(k, j);
      row[j] = s / f(j, j);
    }
  }
}

template <class T>
void Plain::square(const T* a, T* c, int64_t n, int64_t k, bool transposed, T alpha) {
  for (int64_t i = 0; i < n; ++i) {
    T* row = c + i * n;
    if (transposed) {
      std::fill_n(row, i + 1, T(0));
      for (int64_t q = 0; q < k; ++q) add(row, i + 1, a[q * n + i], a + q * n);
      scale(row, i + 1, alpha);
      continue;
    }
    for (int64_t j = 0; j <= i; ++j) {
      T s = 0;
      for (int64_t q = 0; q < k; ++q) s += a[i * k + q] * a[j * k + q];
      row[j] = alpha * s;
    }
  }
}

template <class T>
T* scratch(int64_t n) {
  return static_cast<T*>(thread_scratch(size_t(n) * sizeof(T)));
}

// Householder's reflections from the right, H = I - tau v v^T with v[i] = 1: A H_0 H_1 ... = (L 0).
template <class T>
void Plain::lq(T* a, T* l, int64_t m, int64_t n) {
  ScratchScope scope;
  T* tau = scratch<T>(m);
  // Row k of a, times H_i, where column i of the row is `head`.
  auto reflect = [&](int64_t k, int64_t i, T& head) {
    const T* v = a + i * n;
    T* row = a + k * n;
    T s = head;
    for (int64_t j = i + 1; j < n; ++j) s += v[j] * row[j];
    s *= tau[i];
    head -= s;
    for (int64_t j = i + 1; j < n; ++j) row[j] -= s * v[j];
  };
  for (int64_t i = 0; i < m; ++i) {
    T* row = a + i * n;
    double rest = 0;
    for (int64_t j = i + 1; j < n; ++j) rest += double(row[j]) * double(row[j]);
    const T head = row[i];
    T& d = l[i * m + i];
    d = head, tau[i] = 0;
    if (rest != 0) {
      d = T(-std::copysign(std::sqrt(double(head) * double(head) + rest), double(head)));
      tau[i] = (d - head) / d;
      for (int64_t j = i + 1; j < n; ++j) row[j] /= head - d;
    }
    for (int64_t k = i + 1; k < m; ++k) reflect(k, i, a[k * n + i]);
    for (int64_t j = 0; j < i; ++j) l[i * m + j] = row[j];
  }
  for (int64_t i = m - 1; i >= 0; --i) {
    T* row = a + i * n;
    for (int64_t k = i + 1; k < m; ++k) reflect(k, i, a[k * n + i] = 0);
    std::fill_n(row, i, T(0));
    row[i] = 1 - tau[i];
    for (int64_t j = i + 1; j < n; ++j) row[j] *= -tau[i];
  }
}

// Rotates rows p and q of x: (p, q) becomes (c p - s q, s p + c q).
template <class T>
void rotate(T* p, T* q, int64_t n, int64_t stride, T c, T s) {
  for (int64_t k = 0; k < n; ++k) {
    const T u = p[k * stride], w = q[k * stride];
    p[k * stride] = c * u - s * w, q[k * stride] = s * u + c * w;
  }
}

// Jacobi's method: rotations that clear one element after the other, until nothing is left.
template <class T>
int Plain::eigen(T* a, T* values, int64_t n) {
  constexpr int kSweeps = 50;
  ScratchScope scope;
  T *s = scratch<T>(n * n), *v = scratch<T>(n * n);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      s[i * n + j] = i >= j ? a[i * n + j] : a[j * n + i], v[i * n + j] = T(i == j);
  bool rotated = true;
  for (int sweep = 0; rotated && sweep < kSweeps; ++sweep) {
    rotated = false;
    for (int64_t p = 0; p < n; ++p)
      for (int64_t q = p + 1; q < n; ++q) {
        const T off = s[p * n + q], x = s[p * n + p], y = s[q * n + q];
        if (std::abs(off) <= std::numeric_limits<T>::epsilon() / 4 * std::sqrt(std::abs(x)) *
                                 std::sqrt(std::abs(y)) ||
            std::abs(off) < std::numeric_limits<T>::min())
          continue;
        rotated = true;
        const T theta = (y - x) / (2 * off);
        const T t = std::copysign(1 / (std::abs(theta) + std::hypot(theta, T(1))), theta);
        const T c = 1 / std::hypot(t, T(1));
        rotate(s + p * n, s + q * n, n, 1, c, t * c);
        rotate(s + p, s + q, n, n, c, t * c);
        s[p * n + q] = s[q * n + p] = 0;
        rotate(v + p * n, v + q * n, n, 1, c, t * c);
      }
  }
  int64_t* order = scratch<int64_t>(n);
  for (int64_t i = 0; i < n; ++i) order[i] = i;
  std::sort(order, order + n, [&](int64_t i, int64_t j) { return s[i * n + i] < s[j * n + j]; });
  for (int64_t i = 0; i < n; ++i) {
    values[i] = s[order[i] * n + order[i]];
    std::copy_n(v + order[i] * n, n, a + i * n);
  }
  return rotated;
}

template <class T>
int Plain::lu(T* a, int* pivots, int64_t n) {
  int zero = 0;
  for (int64_t k = 0; k < n; ++k) {
    int64_t p = k;
    for (int64_t i = k + 1; i < n; ++i)
      if (std::abs(a[i * n + k]) > std::abs(a[p * n + k])) p = i;
    pivots[k] = int(p + 1);
    if (p != k) std::swap_ranges(a + p * n, a + (p + 1) * n, a + k * n);
    if (a[k * n + k] == 0) {
      if (!zero) zero = int(k + 1);
      continue;
    }
    for (int64_t i = k + 1; i < n; ++i) {
      const T by = a[i * n + k] /= a[k * n + k];
      add(a + i * n + k + 1, n - k - 1, -by, a + k * n + k + 1);
    }
  }
  return zero;
}

template <class T>
void Plain::lu_inverse(T* a, const int* pivots, int64_t n) {
  ScratchScope scope;
  T* x = scratch<T>(n * n);
  std::fill_n(x, n * n, T(0));
  for (int64_t i = 0; i < n; ++i) x[i * n + i] = 1;
  for (int64_t k = 0; k < n; ++k)
    if (const int64_t p = pivots[k] - 1; p != k)
      std::swap_ranges(x + p * n, x + (p + 1) * n, x + k * n);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t k = 0; k < i; ++k) add(x + i * n, n, -a[i * n + k], x + k * n);
  for (int64_t i = n - 1; i >= 0; --i) {
    for (int64_t k = i + 1; k < n; ++k) add(x + i * n, n, -a[i * n + k], x + k * n);
    for (int64_t j = 0; j < n; ++j) x[i * n + j] /= a[i * n + i];
  }
  std::copy_n(x, n * n, a);
}

#define HEDDLE_SOLVERS(T)                                                              \
  template int Plain::cholesky(T*, int64_t, bool);                                     \
  template void Plain::cholesky_inverse(T*, int64_t, bool);                            \
  template void Plain::multiply(Triangle, const T*, T*, int64_t, int64_t, int64_t, T); \
  template void Plain::solve(Triangle, const T*, T*, int64_t, int64_t, int64_t, T);    \
  template void Plain::square(const T*, T*, int64_t, int64_t, bool, T);                \
  template void Plain::lq(T*, T*, int64_t, int64_t);                                   \
  template int Plain::eigen(T*, T*, int64_t);                                          \
  template int Plain::lu(T*, int*, int64_t);                                           \
  template void Plain::lu_inverse(T*, const int*, int64_t);
HEDDLE_SOLVERS(float)
HEDDLE_SOLVERS(double)
#undef HEDDLE_SOLVERS

}  // namespace heddle::ops::solvers
