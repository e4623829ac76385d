#!/usr/bin/env bash
# Prints the path of llama.cpp's own server, built from the sdist that the wheel is built from; builds it on the first call.
#
# The same release, compiler and -march=native as lmctl's engine, so that a comparison tells the servers apart and not the
# builds. Three quarters of an hour of one core, once per machine. Usage: llama-server.sh PYTHON
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
lock=$here/../../config/lock
python=$1

features=$(grep -m1 -E '^(flags|Features)' /proc/cpuinfo 2>/dev/null || sysctl -n machdep.cpu 2>/dev/null || uname -m)
key=$(cat "$0" "$lock/llama-cpp.txt" "$lock/build.txt" - <<<"$features $(${CXX:-c++} --version | head -n 1)" | sha256sum | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lmctl/llama-server/$key
if [ ! -x "$cache/bin/llama-server" ]; then
  echo "llama-server: building from source, once per machine" >&2
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  "$python" -m venv "$work/tools"
  "$work/tools/bin/python" -m pip install -q --require-hashes -r "$lock/build.txt" >&2
  "$work/tools/bin/python" -m pip download -q --no-deps --no-binary llama-cpp-python --no-build-isolation \
    --require-hashes -r "$lock/llama-cpp.txt" -d "$work/sdist" >&2
  tar -xzf "$work"/sdist/*.tar.gz -C "$work"
  # These compilers build AMX kernels that kill the process (config/build/llama-cpp.cmake says more).
  case "$(uname -m) $(${CXX:-c++} -dumpfullversion)" in
    x86_64\ 12.[0-3]* | x86_64\ 13.[0-2]*) without_amx="-mno-amx-tile -mno-amx-int8 -mno-amx-bf16" ;;
    *) without_amx="" ;;
  esac
  cmake -S "$work"/llama_cpp_python-*/vendor/llama.cpp -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DBUILD_SHARED_LIBS=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_OPENSSL=OFF \
    -DCMAKE_C_FLAGS="$without_amx" -DCMAKE_CXX_FLAGS="$without_amx" \
    -DLLAMA_BUILD_WEBUI=OFF -DLLAMA_BUILD_UI=OFF >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
  nice -n 10 cmake --build "$work/build" --target llama-server >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
  mkdir -p "$cache/bin"
  mv "$work/build/bin/llama-server" "$cache/bin/"
fi
echo "$cache/bin/llama-server"
