// Arrays in MXNet's .params files.
#pragma once
#include <string>
#include <string_view>

#include "base/params_file.h"
#include "heddle/ndarray.h"

namespace heddle::params {

// The path of a name that may be a URI: "file:///tmp/x" is "/tmp/x", others throw.
std::string local_path(std::string_view who, const std::string& name);

// One array record, into host memory. Sparse arrays become dense ones.
NDArray read_array(Reader& in);
// A whole file.
NamedArrays read_list(Reader& in);

// Scatters the rows of a row_sparse array (indices) or the elements of a csr one (indptr, indices)
// into zeros. `where` is the byte at which the record began, for errors.
NDArray densify_rows(const Reader& in, uint64_t where, const Shape& shape, const NDArray& data,
                     const NDArray& indices);
NDArray densify_csr(const Reader& in, uint64_t where, const Shape& shape, const NDArray& data,
                    const NDArray& indptr, const NDArray& indices);

}  // namespace heddle::params
