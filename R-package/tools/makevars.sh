# Writes src/Makevars and src/heddle/objects.mk, for the sources of libheddle in src/heddle: which of its files to
# compile, with the libraries that pkg-config finds. HEDDLE_WITHOUT="tbb blas jpeg png" leaves some out, HEDDLE_JOBS says
# how many compilers run at once.
set -e
config() { "${R_HOME:-$(R RHOME)}/bin/R" CMD config "$1"; }
cxx=$(config CXX20)
if [ -z "$cxx" ]; then
  echo "configure: R knows no compiler for C++20; set CXX20 in ~/.R/Makevars" >&2
  exit 1
fi
compile="$cxx $(config CXX20STD) $(config CXX20PICFLAGS)"

# wanted NAME PACKAGE: adds the flags of a library, and its name to $with.
with="" defines="" cflags="" libs=""
wanted() {
  case " $HEDDLE_WITHOUT " in *" $1 "*) return ;; esac
  command -v pkg-config >/dev/null 2>&1 && pkg-config --exists "$2" || return 0
  with="$with $1"
  defines="$defines -DHEDDLE_HAS_$(echo "$1" | tr a-z A-Z)"
  cflags="$cflags $(pkg-config --cflags "$2")"
  libs="$libs $(pkg-config --libs "$2")"
}
wanted tbb tbb
wanted blas openblas
wanted jpeg libjpeg
wanted png libpng
echo "configure: using${with:- no libraries}; others are found by pkg-config"

case $(uname -m) in x86_64 | amd64) march=-march=x86-64-v2 ;; *) march= ;; esac
# Answers must not depend on the instruction set: no contraction, no reassociation.
flags="-DNDEBUG -fvisibility=hidden -fvisibility-inlines-hidden -fopenmp-simd -fno-math-errno -fno-trapping-math"
flags="$flags -ffp-contract=off $march -Iinclude -Isrc$defines$cflags"

# x.LIBRARY.cc is compiled where that library is there; x.serial.cc stands in for x.tbb.cc.
chosen() {
  case $1 in
    *.onednn.cc | *.cublas.cc) return 1 ;;
    *.serial.cc) case " $with " in *" tbb "*) return 1 ;; esac ;;
    *.tbb.cc | *.blas.cc | *.jpeg.cc | *.png.cc)
      name=${1%.cc}
      case " $with " in *" ${name##*.} "*) ;; *) return 1 ;; esac ;;
  esac
}

cd src/heddle
objects="" rules=""
for file in $(find src united -name '*.cc' | LC_ALL=C sort -r); do  # the long ones, united, first
  chosen "$file" || continue
  grep -qx "$file" united/members && continue
  case $file in src/operator/* | united/operator* | src/image/* | src/io/*) level=-O3 ;; *) level=-O2 ;; esac
  object=${file%.cc}.o
  objects="$objects $object"
  rules="$rules
$object: $file
	\$(COMPILE) $level $flags -c $file -o $object
"
done
printf 'COMPILE = %s\nlibheddle.a:%s\n\t$(AR) -crs libheddle.a%s\n%s' "$compile" "$objects" "$objects" "$rules" >objects.mk
cat >../Makevars <<END
CXX_STD = CXX17
PKG_CPPFLAGS = -Iheddle/include
PKG_LIBS = heddle/libheddle.a$libs -lz -lpthread
all: \$(SHLIB)
\$(SHLIB): heddle/libheddle.a
heddle/libheddle.a:
	cd heddle && \$(MAKE) -f objects.mk -j${HEDDLE_JOBS:-2} AR="\$(AR)"
.PHONY: all
END
