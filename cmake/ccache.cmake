# Compiles through ccache where it is installed. Paths below the sources are relative for it, so that a second build
# folder (a wheel's, the engine's own) or clone finds the objects of the first.
#
# Only headers of the system are precompiled (cmake/tests.cmake): ours say #pragma once, which knows a header by its time,
# and a precompiled one out of the cache may be older than the file.
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
endif()
