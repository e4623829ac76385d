#!/usr/bin/env bash
# Prints the path of a llama-cpp-python wheel built for this machine; builds it on the first call.
#
# The wheel is compiled with -march=native, so the cache's key holds what decides its content: the
# pinned sdist, our CMake file, the compiler and the processor's features. Usage: llama-cpp-wheel.sh PYTHON
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
lock=$here/../lock
python=$1

features=$(grep -m1 -E '^(flags|Features)' /proc/cpuinfo 2>/dev/null || sysctl -n machdep.cpu 2>/dev/null || uname -m)
key=$(cat "$lock/llama-cpp.txt" "$lock/build.txt" "$here/llama-cpp.cmake" - <<<"$features $(${CXX:-c++} --version | head -n 1) ${CMAKE_ARGS:-}" | sha256sum | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lmctl/wheels/$key
if compgen -G "$cache/llama_cpp_python-*.whl" >/dev/null; then
  echo "llama-cpp-python: built before on this machine" >&2
  ls "$cache"/llama_cpp_python-*.whl
  exit 0
fi

echo "llama-cpp-python: building from source, once per machine (about three minutes on two cores)" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
began=$(date +%s)
"$python" -m venv "$work/tools"
"$work/tools/bin/python" -m pip install -q --require-hashes -r "$lock/build.txt" >&2
"$work/tools/bin/python" -m pip download -q --no-deps --no-binary llama-cpp-python --no-build-isolation \
  --require-hashes -r "$lock/llama-cpp.txt" -d "$work/sdist" >&2
export PATH="$work/tools/bin:$PATH"
export CMAKE_ARGS="-DCMAKE_PROJECT_llama_cpp_INCLUDE=$here/llama-cpp.cmake -DCMAKE_INSTALL_LIBDIR=llama_cpp/lib \
-DCMAKE_INSTALL_BINDIR=llama_cpp/lib -DCMAKE_INSTALL_INCLUDEDIR=llama_cpp/include ${CMAKE_ARGS:-}"
if ! "$work/tools/bin/python" -m pip wheel --no-deps --no-build-isolation --no-cache-dir \
  -w "$work/wheel" "$work"/sdist/*.tar.gz >"$work/log" 2>&1; then
  tail -n 40 "$work/log" >&2
  exit 1
fi
mkdir -p "$cache"
mv "$work"/wheel/*.whl "$cache/"
echo "llama-cpp-python: built in $(($(date +%s) - began)) s" >&2
ls "$cache"/llama_cpp_python-*.whl
