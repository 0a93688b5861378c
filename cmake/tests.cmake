# One test program per room: tests/cpp/<room>/*_test.cc, linked with that room only.
find_package(GTest REQUIRED)
include(GoogleTest)
# What is tested is optimised; the tests themselves need not be.
set(HEDDLE_TEST_FLAGS $<$<CONFIG:Release>:-O1>)
if(HEDDLE_PCH)  # what ccache asks for
  list(APPEND HEDDLE_TEST_FLAGS $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>
       $<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>)
endif()
if(HEDDLE_PCH)
  # One for all: GoogleTest's headers cost more than most tests.
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/test_headers.cc CONTENT "int main() {}  // Holds the precompiled headers of the tests.\n")
  add_executable(heddle_test_headers ${CMAKE_BINARY_DIR}/test_headers.cc)
  target_include_directories(heddle_test_headers PRIVATE ${PROJECT_SOURCE_DIR}/include)
  target_compile_options(heddle_test_headers PRIVATE ${HEDDLE_FLAGS} ${HEDDLE_TEST_FLAGS})
  target_link_libraries(heddle_test_headers PRIVATE GTest::gtest GTest::gmock)
  target_precompile_headers(heddle_test_headers PRIVATE <gmock/gmock.h> <gtest/gtest.h> <functional> <vector>)
endif()
file(GLOB rooms RELATIVE ${PROJECT_SOURCE_DIR}/tests/cpp ${PROJECT_SOURCE_DIR}/tests/cpp/*)
foreach(room ${rooms})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/cpp/${room}/*_test.cc)
  if(sources AND TARGET heddle_${room})
    add_executable(${room}_test ${sources})
    target_include_directories(${room}_test PRIVATE ${PROJECT_SOURCE_DIR}/tests/cpp)
    target_compile_options(${room}_test PRIVATE ${HEDDLE_FLAGS} ${HEDDLE_TEST_FLAGS})
    if(HEDDLE_PCH)
      target_precompile_headers(${room}_test REUSE_FROM heddle_test_headers)
    endif()
    target_link_libraries(${room}_test PRIVATE heddle_${room} GTest::gtest_main GTest::gmock)
    gtest_discover_tests(${room}_test DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 600)
  endif()
endforeach()

# A network without engine, arrays or libraries: the objects of the rooms below the executor, those
# of libraries left out, and the tables of what there is compiled again without knowing of them.
if(TARGET heddle_runtime AND NOT HEDDLE_SANITIZE)
  add_executable(runtime_train tests/runtime/train.cc src/operator/all_ops.cc src/image/formats.cc src/parallel/parallel.serial.cc
                 $<FILTER:$<TARGET_OBJECTS:heddle_operator>,EXCLUDE,\(onednn|blas|all_ops\)[.]cc[.]o$>
                 $<FILTER:$<TARGET_OBJECTS:heddle_image>,EXCLUDE,\(jpeg|png|formats\)[.]cc[.]o$>)
  target_include_directories(runtime_train PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(runtime_train PRIVATE ${HEDDLE_FLAGS} ${HEDDLE_TEST_FLAGS})
  foreach(room runtime symbol device base)  # by file: as targets they would bring what operators link
    target_link_libraries(runtime_train PRIVATE $<TARGET_FILE:heddle_${room}>)
    add_dependencies(runtime_train heddle_${room})
  endforeach()
  target_link_libraries(runtime_train PRIVATE ${CMAKE_DL_LIBS})
endif()
