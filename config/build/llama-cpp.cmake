# Read by CMake right after llama-cpp-python's `project()` call (CMAKE_PROJECT_llama_cpp_INCLUDE).
# Normal variables win over the cache entries that its CMakeLists forces (policy CMP0126).
#
# What stays: llama, every ggml CPU kernel for this machine, OpenMP, llamafile's matrix kernels,
# mtmd (vision). What goes: llama-common and httplib (no C API, so unreachable from Python), and
# mtmd's video input, which starts ffmpeg processes.
set(LLAMA_BUILD_COMMON OFF)
set(LLAMA_OPENSSL OFF)
set(LLAMA_SUBPROCESS OFF)
# Wheels hold no symlinks: without versioned names each library is in the wheel once, not thrice.
set(CMAKE_PLATFORM_NO_VERSIONED_SONAME ON)

# These gcc releases drop stores to AMX's tile configuration (GCC bug 114098), so that ggml's AMX
# kernels kill the process at the first decode. Its AVX-512 kernels are built instead.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  foreach(language C CXX)
    if(CMAKE_${language}_COMPILER_ID STREQUAL "GNU" AND (
        CMAKE_${language}_COMPILER_VERSION VERSION_LESS 12.4 OR
        (CMAKE_${language}_COMPILER_VERSION VERSION_GREATER_EQUAL 13.0 AND
         CMAKE_${language}_COMPILER_VERSION VERSION_LESS 13.3)))
      string(APPEND CMAKE_${language}_FLAGS " -mno-amx-tile -mno-amx-int8 -mno-amx-bf16")
    endif()
  endforeach()
endif()
