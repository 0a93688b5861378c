# Compiles through ccache where it is installed. Paths below the sources are relative for it and precompiled headers
# are hashed, so that a second build folder (a wheel's) or clone finds the objects of the first.
find_program(CCACHE ccache)
if(CCACHE)
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
endif()

# heddle_precompile(TARGET HEADER...): the headers in front of every file of the target. Files include what they use all
# the same: builds without HEDDLE_PCH (the sanitizers') fail where one does not.
function(heddle_precompile target)
  if(HEDDLE_PCH)
    target_precompile_headers(${target} PRIVATE ${ARGN})
    heddle_precompiled_flags(${target})
  endif()
endfunction()

# What ccache asks for where precompiled headers are used.
function(heddle_precompiled_flags target)
  target_compile_options(${target} PRIVATE
    $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess> $<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>)
endfunction()
