# libheddle_cuda: everything that links CUDA, in a second shared object that libheddle loads at the
# first gpu(i). Sources are the .cu and .cublas.cc files of src/.
set(HEDDLE_CUDA_ARCHITECTURES 90 CACHE STRING "List of compute capabilities to build for: 80;90")
if(NOT CMAKE_CUDA_COMPILER)
  find_program(HEDDLE_NVCC nvcc PATHS /usr/local/cuda/bin ENV CUDA_PATH PATH_SUFFIXES bin REQUIRED)
  set(CMAKE_CUDA_COMPILER ${HEDDLE_NVCC})
endif()
set(CMAKE_CUDA_ARCHITECTURES ${HEDDLE_CUDA_ARCHITECTURES})
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)

file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.cu ${PROJECT_SOURCE_DIR}/src/*.cublas.cc)
add_library(heddle_cuda SHARED ${sources})
target_include_directories(heddle_cuda PRIVATE ${PROJECT_SOURCE_DIR}/src)
# The standard is given by hand: CMake 3.25.1 knows no C++20 for CUDA and would say nothing.
set_target_properties(heddle_cuda PROPERTIES CUDA_STANDARD_REQUIRED OFF CUDA_EXTENSIONS ON BUILD_RPATH "$ORIGIN"
                      INSTALL_RPATH "$ORIGIN")
target_compile_options(heddle_cuda PRIVATE
  $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20 --expt-relaxed-constexpr --fmad=false -Xcompiler=-Wall,-fopenmp-simd>
  $<$<COMPILE_LANGUAGE:CXX>:${HEDDLE_FLAGS}>)
# Not CUDA::cuda_driver: a library that names libcuda.so.1 cannot be loaded, hence cannot say what is
# missing, where there is no driver.
target_link_libraries(heddle_cuda PRIVATE heddle CUDA::cudart CUDA::cublas)

if(HEDDLE_TESTS)
  # Runs where there is a card, and is skipped, saying why, where there is none.
  add_executable(cuda_smoke ${PROJECT_SOURCE_DIR}/tests/cuda/cuda_smoke.cc)
  target_compile_options(cuda_smoke PRIVATE ${HEDDLE_FLAGS})
  target_link_libraries(cuda_smoke PRIVATE heddle)
  add_dependencies(cuda_smoke heddle_cuda)
  enable_testing()
  add_test(NAME cuda_smoke COMMAND cuda_smoke)
  set_tests_properties(cuda_smoke PROPERTIES SKIP_RETURN_CODE 77)
endif()
