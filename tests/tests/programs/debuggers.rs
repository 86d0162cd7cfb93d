//! Core files as debuggers read them: written and looked at on the same kernel.

use fncall_tests::case::Case;

use crate::Collection;

/// Makes a core file by each of the two ways to die and lets gdb and readelf tell what is in it. Addresses, thread numbers
/// and what this gdb does not know on the host either are not compared; nor is the order of threads.
const LOOK: &str = r#"
gcc -g -O1 -pthread threads.c -o threads || exit
ulimit -c unlimited
for how in "" abort; do
  rm -f core; ./threads $how; echo "status $?"
  gdb -nx -batch -ex bt -ex 'info threads' -ex 'thread apply all bt' -ex 'print global_value' -ex 'x/i $pc' \
      -ex 'info registers rax eflags' -ex 'info sharedlibrary' -ex 'frame function leaf' -ex 'print local' threads core 2>&1 |
    grep -v 'Target Id\|^$\|^\[New\|^warning: Section' |
    sed -E 's/warning: Section .*//; s/0x[0-9a-f]+/ADDR/g; s/LWP [0-9]+/LWP/g; s/  +/ /g' | sort
  readelf -n core 2>&1 | grep -v 'description data\|Unknown note' | sed -E 's/0x[0-9a-f]+/ADDR/g' | sort | uniq -c
  readelf -lW core | awk '$1 == "LOAD" { print $5, $6, $7, $8 }' | sort | uniq -c
done
rm -f core
"#;

pub fn core_files(all: &mut Collection) {
    all.both(
        |name| {
            Case::new(name, ["sh", "-c", LOOK])
                .needs(&["gcc", "gdb", "readelf", "mawk"])
                .file("threads.c", include_str!("../../c/crash/threads.c"))
                .opaque("threads")
                .seconds(120)
        },
        "gdb::core-file",
    );
}
